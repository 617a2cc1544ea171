"""A few Newton steps on the optimality conditions of the used servers, from where a solver stopped.

The conditions are price_i(x_i) = c on the used servers, sum x = load: marginal delay at the optimum, latency at the equilibrium. The matrix is
diagonal with one border, so a step costs O(n). It uses prices and their slopes, never the inverses that the reference is built on.
Within limits a server at a bound is held there while its price says so, and each row A x <= b that is met is one more border, with a price of
its own (an active set; Nocedal and Wright, *Numerical optimization*, chapter 16); a step costs O(n m^2).
All answers, one a load, take their steps together; each stops when it is there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .certificate import lower_bound
from .prices import Goal, common_price, multiplier, prices
from .splits import ROUNDING, Limits, feasible, interior, missing

STEPS = 200
DERIVED = (
    30  # steps where slopes are made of differences: each is dear, and those that settle need few
)
CALM = 1e-10  # relative move after which the next, squared, is below rounding error
NEAR = 1e-2  # relative move above which a server is on its way from full
PATIENCE = 8  # steps without gain after which rounding error is all that moves; steps after which late servers join
NOWHERE = 0  # steps of a row that has no answer
FLAT = 1e-12  # of the price over the load: the least slope that several prices are found by
APART = 1e-14  # relative: what a step leaves of a row that no server in use can move
SINGULAR = 1e-13

Steps = npt.NDArray[np.intp]


def polish(bank: ServerBank, load: float, flow: Array, goal: Goal) -> tuple[Array, int] | None:
    """Return the polished flow and the number of steps, or None where there is nowhere to start. The certificate judges the result.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load.
    flow : ndarray, shape (n,)
        A solver's answer. Where the steps do not settle from there, they start again half way to an even utilisation.
    goal : {"optimum", "equilibrium"}
    """
    polished, steps = polish_rows(
        bank, np.array([float(load)]), np.asarray(flow, dtype=float)[None], goal
    )
    return None if steps[0] == NOWHERE else (polished[0], int(steps[0]))


def polish_rows(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> tuple[Array, Steps]:
    """Return K polished flows, shape (K, n), for K loads, and their numbers of steps, `NOWHERE` where there is none; see `polish`."""
    free, none = Limits.none(len(bank)), np.zeros((load.size, 1))
    with np.errstate(all="ignore"):  # a row rounded to saturation stops there
        start, there = feasible(bank, load, flow, trim=True)
        x, steps, _ = _newton(bank, load, start, there, goal, free, none)
        rows = np.flatnonzero((steps == NOWHERE) | (steps == most_steps(bank)))
        if rows.size:
            inner, there = interior(bank, load[rows], flow[rows])
            again, more, _ = _newton(bank, load[rows], inner, there, goal, free, none[rows])
            better = more != NOWHERE
            x[rows[better]], steps[rows[better]] = again[better], more[better]
        # a price in floating point says a light flow badly; its sum is known
        balanced, there = feasible(bank, load, x, trim=False)
    return np.where(there[:, None], balanced, x), steps


def polish_within(
    bank: ServerBank, load: float, flow: Array, limits: Limits, row_prices: Array
) -> tuple[Array, float, Array, int]:
    """Return the polished optimum within limits, the multipliers of the load and of the rows, and the number of Newton steps.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load.
    flow : ndarray, shape (n,)
        A solver's answer.
    limits : Limits
    row_prices : ndarray, shape (m,)
        The solver's multipliers of the rows, for where the steps do not settle.
    """
    at, steps, starts = np.array([float(load)]), 1, [np.asarray(flow, dtype=float)]
    free = polish(bank, load, flow, "optimum")
    if free is not None:
        steps = free[1]
        if limits.violation(load, free[0]) <= ROUNDING:  # none binds
            return (
                free[0],
                float(multiplier(bank, at, free[0][None], "optimum")[0]),
                np.zeros(limits.bound.size),
                steps,
            )
        starts.append(free[0])
    if limits.bound.size and (limits.least.any() or np.any(limits.most < bank.rate)):
        bounds = Limits(
            limits.least, limits.most, limits.matrix[:0], limits.bound[:0], limits.inside
        )
        x, price, _, taken = polish_within(bank, load, flow, bounds, row_prices[:0])
        steps += taken
        if limits.violation(load, x) <= ROUNDING:  # rows that hold in any case are worth nothing
            return x, price, np.zeros(limits.bound.size), steps
        starts.append(x)
    with np.errstate(all="ignore"):
        for start, careful in ((s, c) for s in starts for c in (False, True)):
            x, there = feasible(bank, at, start[None], trim=True, limits=limits)
            given = np.array([[multiplier(bank, at, x, "optimum")[0], *np.zeros_like(row_prices)]])
            found, more, dual = _newton(
                bank, at, x, there, "optimum", limits, given, careful=careful
            )
            steps += int(more[0])
            if NOWHERE < more[0] < most_steps(bank, careful=careful):
                break
        else:  # not settled: the better of what the steps say of the prices and what the solver does
            charged = bank.with_extra_delay(row_prices @ limits.matrix)
            own = np.array([[multiplier(charged, at, found, "optimum")[0], *-row_prices]])
            dual = max(
                dual,
                own,
                key=lambda y: float(
                    lower_bound(bank, at, y[:, 0], limits, np.maximum(-y[0, 1:], 0.0))[0]
                ),
            )
    return found[0], float(dual[0, 0]), np.maximum(-dual[0, 1:], 0.0), steps


def most_steps(bank: ServerBank, *, careful: bool = False) -> int:
    """Return after how many steps it is no use to go on; careful ones change one bound or row at a time."""
    return DERIVED if bank.uses_finite_differences else STEPS + (2 * len(bank) if careful else 0)


class _Move(NamedTuple):
    """A step: prices that servers are offered, shape (K, n) or (K, 1), and have; multipliers; the move; whether it misses load or rows."""

    offered: Array
    price: Array
    dual: Array
    move: Array
    short: Mask


def _move(bank: ServerBank, load: Array, x: Array, used: Mask, goal: Goal, limits: Limits) -> _Move:
    """Common price of the used servers, and the step that takes them there and carries the load."""
    price, slope = prices(bank, x, goal)
    lacking = missing(load, x)
    common = common_price(price, slope, used, lacking)
    if not used.any(axis=1).all():
        common = np.where(
            used.any(axis=1), common, _price_at_bounds(price, x, lacking, load, limits)
        )
    flat = used & (slope <= 0)
    follow = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    move = np.where(follow > 0, (common[:, None] - price) * follow, 0.0)
    if flat.any():
        # where a price does not rise with the flow, the cheapest take what is left
        cheap = price <= common[:, None]
        move = np.where(flat, np.where(cheap, 0.0, -x), move)
        follow = np.where(flat.any(axis=1, keepdims=True), np.where(flat & cheap, 1.0, 0.0), follow)
    # a price nearly flat says its flow in too few digits: what rounding leaves over goes where it moves the price least
    whole = follow.sum(axis=1)
    rest = np.where(whole > 0, (lacking - move.sum(axis=1)) / whole, 0.0)
    return _Move(
        common[:, None],
        price,
        common[:, None],
        move + rest[:, None] * follow,
        np.zeros(load.shape, dtype=bool),
    )


def _price_at_bounds(price: Array, x: Array, lacking: Array, load: Array, limits: Limits) -> Array:
    """Price of the load where all servers are at bounds: between those that would take less and more, or beyond all if load is left."""
    free = limits.least < limits.most
    top = np.where(free & (x >= limits.most), price, -np.inf).max(axis=1)
    bottom = np.where(free & (x <= limits.least), price, np.inf).min(axis=1)
    common = np.where(
        np.isfinite(top), top, np.where(np.isfinite(bottom), bottom, price.max(axis=1))
    )
    return np.where(np.abs(lacking) > ROUNDING * load, np.copysign(np.inf, lacking), common)


def _move_along(
    bank: ServerBank, load: Array, x: Array, used: Mask, tight: Mask, limits: Limits, dual: Array
) -> _Move:
    """Prices of the load and of the tight rows, and the step that takes the used servers there, carries the load and keeps these rows.

    What the used servers say nothing of stays as it is in `dual`.
    """
    price, slope = prices(bank, x, "optimum")
    border = np.concatenate([np.ones((1, x.shape[-1])), limits.matrix])
    lacking = np.concatenate([missing(load, x)[:, None], -limits.excess(x)], axis=-1)
    held = np.concatenate([np.ones_like(tight[:, :1]), tight], axis=-1)
    least = FLAT * np.where(used, price, 0.0).max(axis=-1) / load
    follow = np.where(used, 1.0 / np.maximum(slope, least[:, None]), 0.0)
    # least squares, whose matrix is the root of that of the conditions: it keeps the digits that this loses
    root = np.sqrt(follow)
    rows = root[:, None, :] * border
    size = np.linalg.norm(rows, axis=-1)
    unit = np.where(held & (size > 0) & np.isfinite(size), 1.0 / size, 0.0)
    scaled = rows * unit[:, :, None]
    left, values, right = np.linalg.svd(
        np.where(np.isfinite(scaled), scaled, 0.0), full_matrices=False
    )
    inverse = np.where(
        values > SINGULAR * values[:, :1], 1.0 / np.where(values > 0, values, 1.0), 0.0
    )

    def met(lacking: Array, by_price: Array | float = 0.0) -> Array:
        """Change of the multipliers that gives rows what they lack, and servers their prices."""
        side = np.einsum("krq,kr->kq", left, unit * lacking) * inverse + by_price
        out: Array = unit * np.einsum("krq,kq->kr", left, inverse * side)
        return out

    dual = np.where(held, dual, 0.0)
    dual = dual + met(lacking, np.einsum("kqn,kn->kq", right, root * (price - dual @ border)))
    offered = dual @ border
    move = (offered - price) * follow
    for _ in range(2):  # what rounding leaves over, as where all servers have one price
        move = move + (met(held * (lacking - move @ border.T)) @ border) * follow
    left_over = np.abs(held * (lacking - move @ border.T))
    short = np.any(left_over > APART * ((np.abs(x) + np.abs(move)) @ np.abs(border).T), axis=-1)
    return _Move(offered, price, dual, move, short)


class _Rows(NamedTuple):
    """Answers under way: which, flows, servers in use, tight rows of limits, multipliers, the least unrest so far, and steps since it fell."""

    which: npt.NDArray[np.intp]
    x: Array
    used: Mask
    tight: Mask
    dual: Array
    best: Array
    stuck: Steps

    def only(self, some: Mask) -> _Rows:
        return _Rows(*[field[some] for field in self])  # type: ignore[arg-type]


def _newton(
    bank: ServerBank,
    load: Array,
    start: Array,
    there: Mask,
    goal: Goal,
    limits: Limits,
    dual: Array,
    *,
    careful: bool = False,
) -> tuple[Array, Steps, Array]:
    """Steps from the rows where there is a start; flows, numbers of steps, and the last multipliers, of the load and minus those of the rows.

    Careful steps, from a split within the limits, end at the first limit that they meet, and let go of one at a time; the others may go too far
    and come back.
    """
    most, least, highest = most_steps(bank, careful=careful), limits.least, limits.most
    flow, steps, dual = start.copy(), np.where(there, most, NOWHERE), dual.copy()
    tight = (
        limits.excess(start) >= -ROUNDING * limits.size(start)
        if limits.bound.size
        else np.zeros((load.size, 0), dtype=bool)
    )
    inner = (start > least) & (start < highest)
    zeros = np.zeros(load.shape, dtype=np.intp)
    rows = _Rows(
        np.arange(load.size), start, inner, tight, dual.copy(), np.full(load.shape, np.inf), zeros
    ).only(there)
    for step in range(1, most + 1):
        index, x, used, tight, own, best, stuck = rows.only(
            np.all(bank.spare_capacity(rows.x) > 0, axis=1)
        )  # else rounded to saturation
        if not index.size:
            break
        if limits.bound.size:
            offered, price, own, move, short = _move_along(
                bank, load[index], x, used, tight, limits, own
            )
        else:
            offered, price, own, move, short = _move(bank, load[index], x, used, goal, limits)
        # at most nine tenths of the spare capacity at a time; servers driven to a bound leave
        room = np.where(move > 0, 0.9 * bank.spare_capacity(x) / np.where(move > 0, move, 1.0), 1.0)
        scale = np.minimum(room.min(axis=1), 1.0)
        if careful:
            scale, hit, met = _first_met(x, move, used, tight, scale, limits)
        else:
            hit, met = np.zeros_like(used), np.zeros_like(tight)
        new = x + scale[:, None] * move
        left = used & (hit | (new <= least) | (new >= highest))
        used = used & ~left
        x = np.clip(np.where(hit, np.where(move > 0, highest, least), new), least, highest)
        flow[index], dual[index] = x, own
        if limits.bound.size:
            met = met | (~tight & (limits.excess(x) > ROUNDING * limits.size(x)))
        unrest = np.where(used, np.abs(move) / np.minimum(x, bank.spare_capacity(x)), 0.0).max(
            axis=1
        )
        unrest = np.where((scale == 1.0) & ~left.any(axis=1) & ~met.any(axis=1), unrest, np.inf)
        below = np.where(x > 0, price, bank.idle_latency) < offered
        late = ~used & ~left & (least < highest) & np.where(x <= least, below, price > offered)
        if (
            limits.bound.size
        ):  # several prices are right up to rounding: a server between them would come and go
            late &= np.abs(price - offered) > SINGULAR * np.abs(own).max(axis=1, keepdims=True)
        idle = tight & (own[:, 1:] > 0)  # rows with a price below 0
        calm, empty = (
            (unrest <= CALM) | (stuck >= PATIENCE),
            short if limits.bounded else ~used.any(axis=1),
        )
        done = calm & ~late.any(axis=1) & ~idle.any(axis=1) & ~empty
        steps[index[done]], steps[index[empty]] = step, NOWHERE
        if careful:
            late, idle = _dearest(late, idle, offered - price, own[:, 1:], limits)
        rejoin = calm | ((step % PATIENCE == 0) & (not careful))
        used |= late & rejoin[:, None]
        tight = (tight & ~(idle & rejoin[:, None])) | met
        fresh = rejoin & (late.any(axis=1) | idle.any(axis=1))
        stuck = np.where(fresh | (unrest < best / 2), 0, np.where(unrest < NEAR, stuck + 1, stuck))
        best = np.where(fresh, np.inf, np.minimum(best, unrest))
        rows = _Rows(index, x, used, tight, own, best, stuck).only(~(done | empty))
    return flow, steps, dual


def _first_met(
    x: Array, move: Array, used: Mask, tight: Mask, scale: Array, limits: Limits
) -> tuple[Array, Mask, Mask]:
    """Part of a step up to the first limit that it meets, and the servers and rows that meet theirs there."""
    ends = np.where(move > 0, limits.most, limits.least)
    way = np.where(used & (move != 0), (ends - x) / np.where(move != 0, move, 1.0), np.inf)
    rise = move @ limits.matrix.T
    along = np.where(
        ~tight & (rise > 0),
        np.maximum(-limits.excess(x), 0.0) / np.where(rise > 0, rise, 1.0),
        np.inf,
    )
    scale = np.minimum(scale, np.minimum(way.min(axis=1), along.min(axis=1, initial=np.inf)))
    return scale, way <= scale[:, None], along <= scale[:, None]


def _dearest(
    late: Mask, idle: Mask, gain: Array, row_prices: Array, limits: Limits
) -> tuple[Mask, Mask]:
    """Of the servers and rows that could be let go, the one that gains most by a job."""
    weight = row_prices * np.abs(limits.matrix).max(axis=1, initial=0.0)
    gains = np.concatenate([np.where(late, np.abs(gain), 0.0), np.where(idle, weight, 0.0)], axis=1)
    first = np.arange(gains.shape[1]) == gains.argmax(axis=1)[:, None]
    return late & first[:, : late.shape[1]], idle & first[:, late.shape[1] :]
