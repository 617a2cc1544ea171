"""Polishing: Newton steps on the optimality conditions, from the flows that a solver returned.

The conditions are price_i(x_i) = c for the used servers and sum x = load, where the price is the
marginal delay at the optimum and the latency at the equilibrium; ``newton_step`` derives a step.
The steps use prices and their slopes, never the inverses that the reference algorithms use.

An active set keeps track of the limits (Nocedal and Wright, *Numerical optimization*, chapter
16). A server that reaches a bound is held there, and a row that is met becomes active. A server
is *released* from its bound when the price that it is offered would move it inside (for an unused
server: when the offered price exceeds its idle latency), and a row when its multiplier is below 0.

All answers, one for each load, take their steps together; each stops when it has converged.
Nothing here decides whether an answer is right: the certificate does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .dual_bounds import lower_bound
from .newton_step import SINGULAR, Step, free_step, limited_step, only_best, to_first_limit
from .prices import Goal, multiplier
from .splits import ROUNDING, Limits, interior_point, project_to_load

MAX_STEPS = 200
MAX_STEPS_DIFFERENCES = 30  # where slopes are differences: a step is slow, and few are needed
STEP_TOL = 1e-10  # relative step after which the next one, its square, is below rounding error
LARGE_STEP = 1e-2  # relative step that is still on the way, and does not count as stalled
MAX_STALLED = 8  # steps that are not half the smallest one: rounding errors are all that is left
RELEASE_EVERY = 8  # steps after which servers and rows are released before convergence
NO_START = 0  # number of steps of an answer that has no valid start
SMALL_SHARE = 1e-6  # share of the load whose last digits are the rounding error of the load
LAST_DIGITS = 4e-15  # relative difference of prices that is a rounding error
SPARE_PART = 0.9  # part of the spare capacity that one step may use

Steps = npt.NDArray[np.intp]


def polish(bank: ServerBank, load: float, flow: Array, goal: Goal) -> tuple[Array, int] | None:
    """Return the polished flow and the number of steps; None where there is no valid start.

    Where the steps do not converge from the given flow, they start again half way between it and
    an even utilisation.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
        Total load, jobs per unit of time.
    flow : ndarray, shape (n,)
        A solver's flows.
    goal : {"optimum", "equilibrium"}
        The problem that the flows are to solve.
    """
    loads, flows = np.array([float(load)]), np.asarray(flow, dtype=float)[None]
    polished, steps = polish_rows(bank, loads, flows, goal)
    return None if steps[0] == NO_START else (polished[0], int(steps[0]))


def polish_rows(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> tuple[Array, Steps]:
    """Return K polished flows, shape (K, n), and their numbers of steps, shape (K,).

    The number is `NO_START` where there is no valid start; see `polish`.
    """
    unlimited, none = Limits.none(len(bank)), np.zeros((load.size, 1))
    with np.errstate(all="ignore"):  # an answer that rounding moves to saturation stops there
        start, valid = project_to_load(bank, load, flow, trim=True)
        x, steps, _ = _newton(bank, load, start, valid, goal, unlimited, none)
        rows = np.flatnonzero((steps == NO_START) | (steps == max_steps(bank)))
        if rows.size:
            inner, valid = interior_point(bank, load[rows], flow[rows])
            again, taken, _ = _newton(bank, load[rows], inner, valid, goal, unlimited, none[rows])
            started = taken != NO_START
            x[rows[started]], steps[rows[started]] = again[started], taken[started]
        # at a light load the flows have fewer digits than their sum, which is known
        balanced, valid = project_to_load(bank, load, x, trim=False)
    return np.where(valid[:, None], balanced, x), steps


def polish_within(
    bank: ServerBank, load: float, flow: Array, limits: Limits, row_prices: Array
) -> tuple[Array, float, Array, int]:
    """Return the polished optimum within limits, its multipliers, and the number of steps.

    The optimum without limits comes first, then that without rows: where it meets the limits, it
    is the answer. Otherwise Newton steps start from the solver's flows and from these optima,
    first freely, then stopping at each limit that they meet.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
        Total load, jobs per unit of time.
    flow : ndarray, shape (n,)
        A solver's flows.
    limits : Limits
        Bounds of the flows, and rows.
    row_prices : ndarray, shape (m,)
        The solver's multipliers of the rows, used where the steps do not converge.

    Returns
    -------
    tuple
        Flows, shape (n,); the multiplier of the load; the multipliers of the rows, shape (m,);
        the number of Newton steps.
    """
    loads, steps, starts = np.array([float(load)]), 1, [np.asarray(flow, dtype=float)]
    no_rows = np.zeros(limits.bound.size)
    unlimited = polish(bank, load, flow, "optimum")
    if unlimited is not None:
        x, steps = unlimited
        if limits.violation(load, x) <= ROUNDING:  # no limit binds
            return x, float(multiplier(bank, loads, x[None], "optimum")[0]), no_rows, steps
        starts.append(x)
    if limits.bound.size and (limits.least.any() or np.any(limits.most < bank.rate)):
        bounds = Limits(
            limits.least, limits.most, limits.matrix[:0], limits.bound[:0], limits.inside
        )
        x, price, _, taken = polish_within(bank, load, flow, bounds, row_prices[:0])
        steps += taken
        if limits.violation(load, x) <= ROUNDING:  # no row binds
            return x, price, no_rows, steps
        starts.append(x)
    with np.errstate(all="ignore"):
        for start, careful in ((s, c) for s in starts for c in (False, True)):
            x, valid = project_to_load(bank, loads, start[None], trim=True, limits=limits)
            dual = np.array([[multiplier(bank, loads, x, "optimum")[0], *no_rows]])
            x, counts, dual = _newton(
                bank, loads, x, valid, "optimum", limits, dual, careful=careful
            )
            steps += int(counts[0])
            if NO_START < counts[0] < max_steps(bank, careful=careful):
                break
        else:  # not converged: keep the multipliers, own or the solver's, with the higher bound
            charged = bank.with_extra_delay(row_prices @ limits.matrix)
            of_solver = np.array([[multiplier(charged, loads, x, "optimum")[0], *-row_prices]])

            def bound(dual: Array) -> float:
                z = np.maximum(-dual[0, 1:], 0.0)
                return float(lower_bound(bank, loads, dual[:, 0], limits, z)[0])

            dual = max(dual, of_solver, key=bound)
    return x[0], float(dual[0, 0]), np.maximum(-dual[0, 1:], 0.0), steps


def max_steps(bank: ServerBank, *, careful: bool = False) -> int:
    """Return the largest number of steps; careful steps change one limit at a time."""
    if bank.uses_finite_differences:
        return MAX_STEPS_DIFFERENCES
    return MAX_STEPS + (2 * len(bank) if careful else 0)


class _Rows(NamedTuple):
    """The answers that have not converged yet.

    Attributes
    ----------
    which : ndarray of int, shape (K,)
        Their indices among all answers.
    x : ndarray, shape (K, n)
        Flows.
    used : ndarray of bool, shape (K, n)
        Free servers, strictly between their bounds.
    active : ndarray of bool, shape (K, m)
        Rows that are met with equality.
    dual : ndarray, shape (K, 1 + m)
        Multiplier of the load, and minus those of the rows.
    smallest : ndarray, shape (K,)
        Smallest relative step so far.
    stalled : ndarray of int, shape (K,)
        Number of steps since the relative step was halved.
    """

    which: npt.NDArray[np.intp]
    x: Array
    used: Mask
    active: Mask
    dual: Array
    smallest: Array
    stalled: Steps

    def only(self, chosen: Mask) -> _Rows:
        return _Rows(*[field[chosen] for field in self])  # type: ignore[arg-type]


def _newton(
    bank: ServerBank,
    load: Array,
    start: Array,
    valid: Mask,
    goal: Goal,
    limits: Limits,
    dual: Array,
    *,
    careful: bool = False,
) -> tuple[Array, Steps, Array]:
    """Return flows, numbers of steps, and multipliers after Newton steps from K starts.

    Parameters
    ----------
    load : ndarray, shape (K,)
        Total loads.
    start : ndarray, shape (K, n)
        Flows to start from.
    valid : ndarray of bool, shape (K,)
        Which of the starts are splits of the load; the others take no step.
    goal : {"optimum", "equilibrium"}
        The problem to solve.
    limits : Limits
        Bounds of the flows, and rows.
    dual : ndarray, shape (K, 1 + m)
        First multiplier of the load, and minus those of the rows.
    careful : bool
        Whether a step ends at the first limit that it meets, and one limit at a time is released.
        Otherwise steps may pass limits, and several are released together.
    """
    last, least, most = max_steps(bank, careful=careful), limits.least, limits.most
    has_rows = bool(limits.bound.size)
    flow, steps, dual = start.copy(), np.where(valid, last, NO_START), dual.copy()
    active = (
        limits.excess(start) >= -ROUNDING * limits.row_scale(start)
        if has_rows
        else np.zeros((load.size, 0), dtype=bool)
    )
    rows = _Rows(
        which=np.arange(load.size),
        x=start,
        used=(start > least) & (start < most),
        active=active,
        dual=dual.copy(),
        smallest=np.full(load.shape, np.inf),
        stalled=np.zeros(load.shape, dtype=np.intp),
    ).only(valid)
    for step in range(1, last + 1):
        rows = rows.only(np.all(bank.spare_capacity(rows.x) > 0, axis=1))  # else saturated
        index, x, used, active, row_dual, smallest, stalled = rows
        if not index.size:
            break
        newton = (
            limited_step(bank, load[index], x, used, active, limits, row_dual)
            if has_rows
            else free_step(bank, load[index], x, used, goal, limits)
        )
        move, row_dual = newton.move, newton.dual
        rises = np.where(move > 0, move, 1.0)
        longest = np.where(move > 0, SPARE_PART * bank.spare_capacity(x) / rises, 1.0)
        scale = np.minimum(longest.min(axis=1), 1.0)
        if careful:
            scale, at_bound, met = to_first_limit(x, move, used, active, scale, limits)
        else:
            at_bound, met = np.zeros_like(used), np.zeros_like(active)
        moved = x + scale[:, None] * move
        held = used & (at_bound | (moved <= least) | (moved >= most))
        used = used & ~held
        x = np.clip(np.where(at_bound, np.where(move > 0, most, least), moved), least, most)
        flow[index], dual[index] = x, row_dual
        if has_rows:
            over = limits.excess(x) > ROUNDING * limits.row_scale(x)
            met = met | (~active & over)
        # steps of a flow far below the load end at the rounding error of the load
        least_scale = SMALL_SHARE * load[index, None]
        scales = np.minimum(np.maximum(x, least_scale), bank.spare_capacity(x))
        size = np.where(used, np.abs(move) / scales, 0.0)
        whole = (scale == 1.0) & ~held.any(axis=1) & ~met.any(axis=1)
        relative_step = np.where(whole, size.max(axis=1), np.inf)
        entering = _entering(bank, newton, x, used | held, limits)
        leaving = active & (row_dual[:, 1:] > 0)
        converged = (relative_step <= STEP_TOL) | (stalled >= MAX_STALLED)
        failed = newton.unmet if limits.bounded else ~used.any(axis=1)
        done = converged & ~entering.any(axis=1) & ~leaving.any(axis=1) & ~failed
        steps[index[done]], steps[index[failed]] = step, NO_START
        if careful:
            error = newton.offered - newton.price
            entering, leaving = only_best(entering, leaving, error, row_dual[:, 1:], limits)
        release = converged | ((step % RELEASE_EVERY == 0) & (not careful))
        used |= entering & release[:, None]
        active = (active & ~(leaving & release[:, None])) | met
        changed = release & (entering.any(axis=1) | leaving.any(axis=1))
        waited = np.where(relative_step < LARGE_STEP, stalled + 1, stalled)
        stalled = np.where(changed | (relative_step < smallest / 2), 0, waited)
        smallest = np.where(changed, np.inf, np.minimum(smallest, relative_step))
        rows = _Rows(index, x, used, active, row_dual, smallest, stalled).only(~(done | failed))
    return flow, steps, dual


def _entering(bank: ServerBank, newton: Step, x: Array, kept: Mask, limits: Limits) -> Mask:
    """Return which servers at a bound, other than those `kept`, their offered price releases."""
    offered, price = newton.offered, newton.price
    # at the load that starts a server, rounding would release and hold it forever
    rises = np.where(x > 0, price, bank.idle_latency) < offered * (1 - LAST_DIGITS)
    inside = np.where(x <= limits.least, rises, price > offered)
    entering: Mask = ~kept & (limits.least < limits.most) & inside
    if limits.bound.size:
        # multipliers have rounding errors: without a margin a server would enter and leave forever
        margin = SINGULAR * np.abs(newton.dual).max(axis=1, keepdims=True)
        entering &= np.abs(price - offered) > margin
    return entering
