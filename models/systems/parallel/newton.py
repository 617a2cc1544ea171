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

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .interior import interior_optimum
from .newton_step import SINGULAR, Step, free_step, limited_step, only_best, to_first_limit
from .prices import Goal, multiplier
from .splits import (
    LAST_DIGIT,
    ROUNDING,
    Limits,
    interior_point,
    load_residual,
    project_to_load,
)

MAX_STEPS = 200
MAX_STEPS_DIFFERENCES = 30  # where slopes are differences: a step is slow, and few are needed
NEAR = 1e-6  # part of the load, and of the spare capacity, that the first step may distribute
# relative step after which the error, about its square, is that of rounding; the mean delay of an
# optimum depends on the square of the error again
STEP_TOL: Mapping[Goal, float] = {"optimum": 3e-7, "equilibrium": 1e-7}
STEP_TOL_DIFFERENCES = 1e-10  # where slopes are differences, and the error no square
LARGE_STEP = 1e-2  # relative step that is still on the way, and does not count as stalled
MAX_STALLED = 8  # steps that are not half the smallest one: rounding errors are all that is left
RELEASE_EVERY = 8  # steps after which servers and rows are released before convergence
NO_START = 0  # number of steps of an answer that has no valid start
SMALL_SHARE = 1e-6  # share of the load whose last digits are the rounding error of the load
LAST_DIGITS = 4e-15  # relative difference of prices that is a rounding error
LEAST_CHARGE = 1e-4  # of a row that binds, relative to the price of the load
LARGEST_CHARGE = 100.0  # of a row, the same; a solver's price beyond has no digits
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
    return polish_with_prices(bank, load, flow, goal)[:2]


def polish_with_prices(
    bank: ServerBank, load: Array, flow: Array, goal: Goal
) -> tuple[Array, Steps, Array]:
    """Return what `polish_rows` returns, and the multipliers of the flows, shape (K,)."""
    unlimited, none = Limits.none(len(bank)), np.zeros((load.size, 1))
    with np.errstate(all="ignore"):  # an answer that rounding moves to saturation stops there
        start, valid = project_to_load(bank, load, flow, trim=True, tolerance=NEAR)
        x, steps, dual = _newton(bank, load, start, valid, goal, unlimited, none)
        rows = np.flatnonzero(_unconverged(bank, steps))
        if rows.size:
            some = bank.at(rows)
            inner, valid = interior_point(some, load[rows], flow[rows])
            again, taken, prices = _newton(
                some, load[rows], inner, valid, goal, unlimited, none[rows]
            )
            started = taken != NO_START
            for of_all, of_rows in ((x, again), (steps, taken), (dual, prices)):
                of_all[rows[started]] = of_rows[started]
            rows = np.flatnonzero(_unconverged(bank, steps))
        # at a light load the flows have fewer digits than their sum, which is known
        off = np.abs(load_residual(load, x)) > LAST_DIGIT * load
        if np.count_nonzero(off) or np.count_nonzero(x >= bank.rate):
            balanced, valid = project_to_load(bank, load, x, trim=False)
            x = np.where(valid[:, None], balanced, x)
        price = np.minimum(dual[:, 0], bank.latency_limit.min(axis=-1))  # rounding may exceed it
        if rows.size:
            price[rows] = multiplier(bank.at(rows), load[rows], x[rows], goal)
    return x, steps, price


def _unconverged(bank: ServerBank, steps: Steps) -> Mask:
    """Return which answers have no start or took the largest number of steps."""
    return np.asarray((steps == NO_START) | (steps == max_steps(bank)))


def polish_within(
    bank: ServerBank, load: Array, flow: Array, limits: Limits, row_prices: Array
) -> tuple[Array, Array, Array, Steps]:
    """Return K polished optima within limits, their multipliers, and the numbers of steps.

    The optimum without limits comes first, then that without rows: where it meets the limits, it
    is the answer. Otherwise Newton steps start from the solver's flows and from these optima,
    first freely, then stopping at each limit that they meet. Where no start leads to the optimum,
    an interior-point method finds it, and Newton steps its last digits.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    flow : ndarray, shape (K, n)
        A solver's flows.
    limits : Limits
        Bounds of the flows, and rows.
    row_prices : ndarray, shape (K, m)
        The solver's multipliers of the rows, used where the steps do not converge.

    Returns
    -------
    tuple
        Flows, shape (K, n); the multipliers of the load, shape (K,); the multipliers of the rows,
        shape (K, m); the numbers of Newton steps, shape (K,).
    """
    with np.errstate(all="ignore"):
        x, steps, price = polish_with_prices(bank, load, flow, "optimum")
        price, z = price.copy(), np.zeros_like(row_prices)
        x = np.where((steps == NO_START)[:, None], np.nan, x)  # no start for other steps either
        steps, starts = np.maximum(steps, 1), [np.asarray(flow, dtype=float), x]
        for these in (limits.without_rows, limits) if limits.bound.size else (limits,):
            todo = np.flatnonzero(~(these.violation(load, x) <= ROUNDING))  # where a limit binds
            if not todo.size:
                continue
            m, begun = these.bound.shape[-1], [start[todo] for start in starts]
            found, price[todo], z[todo, :m], taken = _steps_within(
                bank.at(todo), load[todo], begun, these.at(todo), row_prices[todo, :m]
            )
            x = x.copy()
            x[todo], steps[todo] = found, steps[todo] + taken
            starts.append(x)
    return x, price, z, steps


def _steps_within(
    bank: ServerBank, load: Array, starts: Sequence[Array], limits: Limits, row_prices: Array
) -> tuple[Array, Array, Array, Steps]:
    """Return the result of `polish_within` by Newton steps from the starts in turn."""
    m, todo = row_prices.shape[1], np.arange(load.size)
    x, dual, count = starts[0].copy(), np.zeros((load.size, 1 + m)), np.zeros_like(todo)

    def take_steps(start: Array, begun: Array | None, *, careful: bool) -> Mask:
        """Take steps at `todo`, keep those that converge, and return which do."""
        some, own, loads = bank.at(todo), limits.at(todo), load[todo]
        first, valid = project_to_load(some, loads, start, trim=begun is None, limits=own)
        if begun is None:
            price = multiplier(some, loads, first, "optimum")[:, None]
            charges = _first_prices(own, first, row_prices[todo], price)
            begun = np.concatenate([price, -charges], axis=1)
        found, taken, prices = _newton(
            some, loads, first, valid, "optimum", own, begun, careful=careful
        )
        count[todo] += taken
        done: Mask = (taken != NO_START) & (taken != max_steps(bank, careful=careful))
        x[todo[done]], dual[todo[done]] = found[done], prices[done]
        return done

    for start, careful in product(starts, (False, True)):
        todo = todo[~take_steps(start[todo], None, careful=careful)]
        if not todo.size:
            break
    if todo.size and limits.least.ndim > 1:  # limits of each split
        inner = [interior_optimum(bank.at(k), load[k], limits.at(k)) for k in todo[:, None]]
        flow, at_bounds, price, row_price = (np.array(v) for v in zip(*inner, strict=True))
        dual[todo] = np.column_stack([price, -row_price])
        some, own = bank.at(todo), limits.at(todo)
        x[todo] = project_to_load(some, load[todo], flow, trim=False, limits=own)[0]
        take_steps(at_bounds, dual[todo], careful=False)
    return x, dual[:, 0], np.maximum(-dual[:, 1:], 0.0), count


def _first_prices(limits: Limits, flow: Array, row_prices: Array, price: Array) -> Array:
    """Return the prices of rows before the first step, shape (K, m): of convex rows that bind.

    They are a part of the slopes of that step. A solver's prices of other rows are not quite 0.
    """
    if limits.convex is None:
        return np.zeros_like(row_prices)
    charge = row_prices * np.abs(limits.slopes(flow)).max(axis=-1)
    known = (charge > LEAST_CHARGE * price) & (charge < LARGEST_CHARGE * price)
    convex = np.arange(row_prices.shape[1]) >= len(limits.matrix)
    return np.where(convex & known, row_prices, 0.0)


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
    spare_capacity : ndarray, shape (K, n)
        Spare capacities at these flows.
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
    spare_capacity: Array
    used: Mask
    active: Mask
    dual: Array
    smallest: Array
    stalled: Steps

    def only(self, chosen: Mask) -> _Rows:
        """Return the chosen answers; this object where all are."""
        if np.count_nonzero(chosen) == chosen.size:
            return self
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
    last = max_steps(bank, careful=careful)
    has_rows, bounded = bool(limits.bound.size), limits.bounded
    flow, steps, dual = start.copy(), np.where(valid, last, NO_START), dual.copy()
    rows = _Rows(
        which=np.arange(load.size),
        x=start,
        spare_capacity=bank.spare_capacity(start),
        used=(start > limits.least) & (start < limits.most),
        active=(
            (limits.excess(start) >= -ROUNDING * limits.row_scale(start)) | (dual[:, 1:] < 0)
            if has_rows
            else np.zeros((load.size, 0), dtype=bool)
        ),
        dual=dual,
        smallest=np.full(load.shape, np.inf),
        stalled=np.zeros(load.shape, dtype=np.intp),
    )
    # a convex row is off by the square of the last step
    exact = not bank.uses_finite_differences and limits.convex is None
    tolerance = STEP_TOL[goal] if exact else STEP_TOL_DIFFERENCES
    some, loads, own, going = bank, load, limits, valid
    for step in range(1, last + 1):
        before, rows = rows, rows.only(going & (rows.spare_capacity > 0).all(axis=1))
        index, x, spare, used, active, row_dual, smallest, stalled = rows
        if not index.size:
            break
        if rows is not before:
            some, loads, own = bank.at(index), load[index], limits.at(index)
        newton = (
            limited_step(some, loads, x, used, active, own, row_dual)
            if has_rows
            else free_step(some, loads, x, spare, used, goal, own)
        )
        move, row_dual = newton.move, newton.dual
        scale, met, leaving = _within_capacity(move, spare), active, active  # empty without rows
        if careful:
            scale, at_bound, met = to_first_limit(x, move, used, active, scale, own)
        moved = x + scale[:, None] * move
        if careful:
            moved = np.where(at_bound, np.where(move > 0, own.most, own.least), moved)
        held = used & ((moved <= own.least) | (moved >= own.most))
        was_used, used = used, used & ~held
        x = np.minimum(np.maximum(moved, own.least), own.most)
        spare = some.spare_capacity(x)
        flow[index], dual[index] = x, row_dual
        stopped = (scale != 1.0) | held.any(axis=1)
        if has_rows:
            over = ~active & (own.excess(x) > ROUNDING * own.row_scale(x))
            met = met | over if careful else over
            leaving = active & (row_dual[:, 1:] > 0)
            stopped = stopped | met.any(axis=1)
        # steps of a flow far below the load end at the rounding error of the load
        scales = np.minimum(np.maximum(x, SMALL_SHARE * loads[:, None]), spare)
        size = np.where(used, np.abs(move) / scales, 0.0)
        relative_step = np.where(stopped, np.inf, size.max(axis=1))
        entering = _entering(some, newton, x, was_used, own)
        changes = entering.any(axis=1)
        if has_rows:
            changes = changes | leaving.any(axis=1)
        converged = (relative_step <= tolerance) | (stalled >= MAX_STALLED)
        failed = newton.unmet if bounded else ~used.any(axis=1)
        done = converged & ~(changes | failed)
        steps[index[done]], steps[index[failed]] = step, NO_START
        going = ~(done | failed)
        if not np.count_nonzero(going):
            break
        release = converged | ((step % RELEASE_EVERY == 0) & (not careful))
        if careful:
            error = newton.offered - newton.price
            entering, leaving = only_best(entering, leaving, error, row_dual[:, 1:], own.slopes(x))
            changes = entering.any(axis=1) | leaving.any(axis=1)
        changed = release & changes
        if np.count_nonzero(changed):
            used = used | (entering & release[:, None])
            active = active & ~(leaving & release[:, None])
        waited = np.where(relative_step < LARGE_STEP, stalled + 1, stalled)
        stalled = np.where(changed | (relative_step < smallest / 2), 0, waited)
        smallest = np.where(changed, np.inf, np.minimum(smallest, relative_step))
        active = active | met if has_rows else active
        rows = _Rows(index, x, spare, used, active, row_dual, smallest, stalled)
    return flow, steps, dual


def _within_capacity(move: Array, spare_capacity: Array) -> Array:
    """Return the part of each step, at most 1, that leaves every server spare capacity, (K,)."""
    allowed = SPARE_PART * spare_capacity
    long = move > allowed
    if not np.count_nonzero(long):
        return np.ones(len(move))
    parts: Array = np.where(long, allowed / np.where(long, move, 1.0), 1.0)
    return np.asarray(parts.min(axis=1))


def _entering(bank: ServerBank, newton: Step, x: Array, kept: Mask, limits: Limits) -> Mask:
    """Return which servers at a bound, other than those `kept`, their offered price releases."""
    could: Mask = ~kept & (limits.least < limits.most)
    if not np.count_nonzero(could):
        return could
    offered, price = newton.offered, newton.price
    # at the load that starts a server, rounding would release and hold it forever
    rises = np.where(x > 0, price, bank.idle_latency) < offered * (1 - LAST_DIGITS)
    entering: Mask = could & np.where(x <= limits.least, rises, price > offered)
    if limits.bound.size:
        # multipliers have rounding errors: without a margin a server would enter and leave forever
        margin = SINGULAR * np.abs(newton.dual).max(axis=1, keepdims=True)
        entering &= np.abs(price - offered) > margin
    return entering
