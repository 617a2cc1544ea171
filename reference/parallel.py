"""Parallel servers at a distance: the exact optimum and the exact equilibrium of any `Queue`, in one code path.

Both splits are one scalar root. At the optimum the used servers share a marginal delay, at the equilibrium a latency; with x_i(.) the
inverse of either function, 0 below the idle latency m_i, the price solves sum_i x_i(price) = load: eqs. (9) and (16) of Mancuso et al.
The paper's EPM algorithm counts the active servers first; a server is active when the price exceeds its m_i, so the root finds both at once.

The price is kept as an *excess* over the idle latency of one server, the anchor, and every other excess is built from differences of delays
and of service times, so that a server with a delay of 1000 s and a service time of 1 ns keeps its digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sojourn.reference.errors import Array, LoadError, first_bad, numbers, one_number
from sojourn.reference.players import check_players, perceived
from sojourn.reference.queues import Operation, Pool, Queue, as_queue
from sojourn.reference.sums import add_exactly, exact_sum
from sojourn.reference.thresholds import Thresholds, thresholds

__all__ = ["Split", "Thresholds", "check_load", "equilibrium", "optimum", "thresholds"]

Which = Literal["optimum", "equilibrium"]
CELLS = 4_000_000  # loads times servers worked on at once: 32 MB an array
WIDTH = 32_768  # servers in a block: its arrays stay in cache
SAMPLE = 4096  # a larger system is first looked at through every 16th of its servers
CLOSE = 1e-6  # relative imbalance from which a Newton step and a linear correction reach rounding error
LINEAR = 1e-7  # relative imbalance that a linear correction takes to rounding error
JUMP = 1e-4  # relative imbalance that no step took to `CLOSE`: there the flow jumps
STUCK = 200  # steps without gain after which the flows are a staircase of rounding: a linear correction does the rest
EPS = float(np.finfo(float).eps)  # neighbouring floats are at most this far apart, relative


@dataclass(frozen=True, eq=False)
class Split:
    """How a load is split over n servers; for K loads every field has a leading axis of length K.

    Attributes
    ----------
    load : ndarray, shape (...)
        Total load, jobs per unit of time.
    flow : ndarray, shape (..., n)
        Load of each server; sums to `load`.
    spare : ndarray, shape (..., n)
        ``rate - flow``, accurate up to saturation.
    mean_delay : ndarray, shape (...)
        Mean delay of a job.
    multiplier : ndarray, shape (...)
        Marginal delay of the used servers (optimum) or their common latency (equilibrium).
    first_share : ndarray, shape (n,)
        Limit of the shares as the load falls to 0: all on the nearest.
    """

    load: Array
    flow: Array
    spare: Array
    mean_delay: Array
    multiplier: Array
    first_share: Array

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which servers get jobs, shape (..., n)."""
        return self.flow > 0

    @property
    def share(self) -> Array:
        """Fraction of the load on each server, ``flow / load``; at load 0 its limit. Shape (..., n)."""
        load = self.load[..., None]
        return np.where(load > 0, self.flow / np.where(load > 0, load, 1.0), self.first_share)


def optimum(servers: Queue | Sequence[Queue], load: npt.ArrayLike) -> Split:
    """Split of least mean delay: minimise sum x_i l_i(x_i) / load; eq. (2) of Mancuso et al.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers, in any order.
    load : array_like, shape () or (K,)
        0 <= load < total rate. At 0 the delay is that of the first job: the least idle latency.

    Returns
    -------
    Split

    Raises
    ------
    LoadError
        A load that is negative, not a number, or not below the total rate.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> optimum(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 190.0).flow.round(3)
    array([ 48.789,  34.196, 107.015])
    """
    return _solve(as_queue(servers), load, "optimum")


def equilibrium(servers: Queue | Sequence[Queue], load: npt.ArrayLike, players: float = math.inf) -> Split:
    """Split that selfish users reach: every used server has the same latency, no other is faster; eq. (13) of Mancuso et al.

    Parameters, result and errors as `optimum`, and

    Parameters
    ----------
    players : int or inf, default inf
        K equal players, each of whom routes load/K at the least delay for himself; see `sojourn.reference.players`. One is the optimum,
        infinitely many (no user counts) the Wardrop equilibrium. The multiplier is then the price that a player sees.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> [equilibrium(bank, 190.0, players).mean_delay.round(6).item() for players in (1, 2, 10, math.inf)]
    [0.028449, 0.028486, 0.02886, 0.029289]
    """
    queue, count = as_queue(servers), check_players(players)
    if math.isinf(count):
        return _solve(queue, load, "equilibrium")
    split = _solve(perceived(queue, count), load, "equilibrium")
    # what a player minds is not the delay: that is the servers' own
    carried = (split.flow * queue.latency(split.flow, split.spare)).sum(axis=-1)
    delay = np.divide(carried, split.load, out=np.full_like(carried, queue.idle_latency.min()), where=split.load > 0)
    return replace(split, mean_delay=delay)


def check_load(queue: Queue, load: npt.ArrayLike) -> Array:
    """Return the loads as an array of shape () or (K,).

    Raises
    ------
    LoadError
        Naming the load, the total rate and the remedy.
    """
    array = numbers("load", load)
    if array.ndim > 1:
        raise LoadError("load", array.tolist(), f"has {array.ndim} dimensions", "give one load or a list of loads")
    first_bad("load", array, np.isfinite(array), "is not a finite number", "give a load in jobs per unit of time", LoadError)
    first_bad("load", array, array >= 0, "a load cannot be negative", "give a load above 0", LoadError)
    total, low = queue.total_rate
    stable = (total - array) + low > 0
    problem = f"not below the total rate {total:.12g}: the queues grow without bound"
    first_bad("load", array, stable, problem, "lower the load or add rate", LoadError)
    return array


def check_one_load(queue: Queue, load: float) -> float:
    """Return one load above 0 as a float; InputError and LoadError as `check_load`."""
    total = float(check_load(queue, one_number("load", load)))
    if total <= 0:
        raise LoadError("load", total, "there is nothing to split", "give a load above 0")
    return total


def _solve(queue: Queue, load: npt.ArrayLike, which: Which) -> Split:
    loads = check_load(queue, load)
    flat = np.atleast_1d(loads)
    if flat.size == 0:
        return Split(loads, np.empty((0, len(queue))), np.empty((0, len(queue))), np.empty(0), np.empty(0), np.zeros(len(queue)))
    rows = max(1, CELLS // len(queue))
    parts = [_split(queue, flat[i : i + rows], which) for i in range(0, flat.size, rows)]
    flow, spare, delay, multiplier = (np.concatenate(f) if len(parts) > 1 else f[0] for f in zip(*parts, strict=True))
    first = _first_share(queue, which) if np.any(flat == 0) else np.zeros(len(queue))
    row = ... if loads.ndim else (0, ...)
    return Split(loads, flow[row], spare[row], delay[row], multiplier[row], first)


def _split(queue: Queue, load: Array, which: Which) -> tuple[Array, Array, Array, Array]:
    """Fields of `Split` from the flow on, for loads of shape (K,)."""
    anchor, price, floor = _guess(queue, load, which)
    highest = queue.idle_latency.max()
    blocks = _blocks(queue, which, anchor)
    for _ in range(5):
        price = _balance(blocks, load, price, floor, 0.1)
        # a price far above its anchor keeps too few digits, if a used server is nearer to it
        far = (np.abs(price) > 0.1 * (price - floor)) & (highest - queue.idle_latency[anchor] > 0.5 * price)
        if not far.any():
            break
        last = _last_active(blocks, price)
        if np.all(last == anchor):
            break
        moved = queue.delay[last] - queue.delay[anchor] + (queue.service[last] - queue.service[anchor])
        anchor, price, floor = last, price - moved, floor - moved
        blocks = _blocks(queue, which, anchor)
    # the last step may have crossed a server's start; then once more, to the end of the digits
    for close in (CLOSE, 0.0):
        price = _balance(blocks, load, price, floor, close)
        flow, spare, delay, final, imbalance = _correct(blocks, load, price)
        if np.all((imbalance <= LINEAR) | (imbalance > JUMP)):
            break
    torn = np.flatnonzero(~(imbalance <= LINEAR))
    if torn.size:
        flow[torn], spare[torn], delay[torn], final[torn] = _share_jump(blocks, load[torn], price[torn], floor[torn], torn)
    price = final
    multiplier = queue.idle_latency[anchor] + price
    if which == "equilibrium":
        delay = multiplier.copy()
    delay[load == 0] = queue.idle_latency.min()
    return flow, spare, delay, multiplier


def _last_active(blocks: list[_Block], price: Array) -> npt.NDArray[np.intp]:
    """Index of the used server with the largest idle latency, for each price."""
    gap = np.concatenate([b.gap for b in blocks], axis=-1)
    index: npt.NDArray[np.intp] = np.where(gap < price[:, None], gap, -np.inf).argmax(axis=-1)
    return index


class _Block(NamedTuple):
    """Some of the servers, with their idle latency above that of each anchor: shape (anchors, servers)."""

    rate: Array
    gap: Array
    operate: Callable[[Array], Operation]
    latency: Callable[[Array, Array], Array]
    endless: bool


def _blocks(queue: Queue, which: Which, anchor: npt.NDArray[np.intp]) -> list[_Block]:
    """Cut the servers, in order, into blocks of one family and at most `WIDTH`."""
    if np.ptp(anchor) == 0:
        anchor = anchor[:1]
    delay, service = queue.delay[anchor, None], queue.service[anchor, None]
    out = []
    for bank in queue.banks if isinstance(queue, Pool) else [queue]:
        for i in range(0, len(bank), WIDTH):
            part = bank if len(bank) <= WIDTH else bank.take(slice(i, i + WIDTH))
            gap = (part.delay - delay) + (part.service - service)
            out.append(
                _Block(
                    part.rate, gap, part.at_marginal if which == "optimum" else part.at_latency, part.latency, bool(np.isinf(part.rate).any())
                )
            )
    return out


class _Balance:
    """Sums over all servers at a price, block by block: what is left of the load, of the used servers, and how fast flow rises.

    Where `exact`, a server closer to full than to empty counts as its rate less its spare capacity, and the rates are added with their
    rounding errors: the load not yet carried is then known to rounding error of the spare capacity, not of the load.
    """

    def __init__(self, load: Array, width: int, *, exact: bool) -> None:
        self.load, self.exact = load, exact
        self.high, self.low = (np.zeros((load.size, width if exact else 0)) for _ in range(2))
        self.carried, self.left, self.rise = np.zeros_like(load), np.zeros_like(load), np.zeros_like(load)

    def add(self, rate: Array, excess: Array, point: Operation) -> None:
        used = excess > 0
        self.left += np.where(used, point.spare, 0.0).sum(axis=-1)
        self.rise += np.where(used, point.slope, 0.0).sum(axis=-1)
        if not self.exact:
            self.carried += point.flow.sum(axis=-1)
            return
        full, width = point.spare < point.flow, used.shape[1]
        self.carried -= np.where(full, point.spare, 0.0).sum(axis=-1)
        add_exactly(self.high[:, :width], self.low[:, :width], np.where(full, rate, point.flow))

    @property
    def residual(self) -> Array:
        """Load less the sum of the flows."""
        if not self.exact:
            return self.load - self.carried
        top, bottom = exact_sum(np.concatenate([self.load[:, None], -self.high], axis=-1))
        residual: Array = top + ((bottom - self.low.sum(axis=-1)) - self.carried)
        return residual


def _operate(block: _Block, excess: Array, cap: Array) -> Operation:
    """Operating points; a server that serves any load at a price takes more than there is, but no infinite flow."""
    point = block.operate(excess)
    return point._replace(flow=np.where(np.isinf(point.flow), cap[:, None], point.flow)) if block.endless else point


def _weigh(blocks: list[_Block], load: Array, price: Array, rows: npt.NDArray[np.intp], *, exact: bool = False) -> _Balance:
    """Balance at a price, for the loads that are rows of the anchors; exact only where it matters."""
    out = _Balance(load, max(b.rate.size for b in blocks), exact=exact)
    for block in blocks:
        excess = np.maximum(price[:, None] - (block.gap if block.gap.shape[0] == 1 else block.gap[rows]), 0.0)
        out.add(block.rate, excess, _operate(block, excess, 2.0 * load))
    # a plain sum is wrong by 1e-15 of the load: too much only where both what is left and the imbalance are small
    if not exact and np.any((out.left < 1e-6 * load) & (np.abs(out.residual) < 1e-9 * load)):
        return _weigh(blocks, load, price, rows, exact=True)
    return out


def _correct(blocks: list[_Block], load: Array, price: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Flows, spare capacities, mean delay and price after one linear correction of the imbalance; and that, relative, before."""
    edges = np.cumsum([0, *(b.rate.size for b in blocks)])
    parts = [slice(lo, hi) for lo, hi in itertools.pairwise(edges)]
    flow, spare, slope = (np.empty((load.size, edges[-1])) for _ in range(3))
    balance = _Balance(load, int(np.diff(edges).max()), exact=True)
    for block, part in zip(blocks, parts, strict=True):
        excess = np.maximum(price[:, None] - block.gap, 0.0)
        point = _operate(block, excess, 2.0 * load)
        balance.add(block.rate, excess, point)
        flow[:, part], spare[:, part] = point.flow, point.spare
        np.multiply(point.slope, excess > 0, out=slope[:, part])
    residual, room = balance.residual, np.minimum(load, balance.left)
    imbalance = np.divide(np.abs(residual), room, out=np.zeros_like(load), where=room > 0)
    change = np.divide(residual, balance.rise, out=np.zeros_like(load), where=balance.rise > 0)
    delay = np.zeros_like(load)
    for block, part in zip(blocks, parts, strict=True):
        shift = slope[:, part] * change[:, None]
        flow[:, part] += shift
        spare[:, part] -= shift
        delay += np.einsum("ij,ij->i", flow[:, part], block.latency(flow[:, part], spare[:, part]))
    return flow, spare, np.divide(delay, load, out=delay, where=load > 0), price + change, imbalance


def _share_jump(blocks: list[_Block], load: Array, price: Array, floor: Array, rows: npt.NDArray[np.intp]) -> tuple[Array, Array, Array, Array]:
    """Fields as `_correct`, where the flow jumps at the price: a server whose price does not rise with its flow takes what is left.

    The jump is between neighbouring prices; the split is the point between theirs that carries the load.
    """

    def residual(at: Array) -> Array:
        return _weigh(blocks, load, at, rows, exact=True).residual

    low, high, wide = price.copy(), price.copy(), 4.0 * EPS * (price - floor) + np.finfo(float).tiny
    while np.any(short := residual(high) > 0):
        high, wide = np.where(short, high + wide, high), 4.0 * wide
    while np.any(long := (low > floor) & (residual(low) <= 0)):
        low, wide = np.where(long, np.maximum(low - wide, floor), low), 4.0 * wide
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        short = residual(middle) > 0
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    part = residual(low)
    part /= part - residual(high)
    cap, parts = 2.0 * load[:, None], []
    for block in blocks:
        gap = block.gap if block.gap.shape[0] == 1 else block.gap[rows]
        ends = [block.operate(np.maximum(p[:, None] - gap, 0.0)) for p in (low, high)]
        flows = [np.where(np.isinf(e.flow), cap, e.flow) for e in ends]
        flow, spare = ((1 - part[:, None]) * a + part[:, None] * b for a, b in (flows, [e.spare for e in ends]))
        parts.append((flow, spare, np.einsum("ij,ij->i", flow, block.latency(flow, spare))))
    carried = np.sum([p[2] for p in parts], axis=0)
    return np.concatenate([p[0] for p in parts], axis=-1), np.concatenate([p[1] for p in parts], axis=-1), carried / load, low


def _first_share(queue: Queue, which: Which) -> Array:
    """Limit of the shares as the load falls to 0: all on the nearest, ties by how fast they fill."""
    blocks = _blocks(queue, which, np.array([np.argmin(queue.idle_latency)]))
    rise = np.concatenate([np.where(b.gap <= 0, b.operate(np.zeros_like(b.gap)).slope, 0.0)[0] for b in blocks])
    share: Array = rise / rise.sum()
    return share


def _guess(queue: Queue, load: Array, which: Which) -> tuple[npt.NDArray[np.intp], Array, Array]:
    """Anchor, price above its idle latency, and least price: the split of a sample, or the mean price of an even utilisation."""
    idle = queue.idle_latency
    nearest = np.full(load.shape, np.argmin(idle))
    if len(queue) > SAMPLE:
        sample = queue.take(slice(None, None, 16))
        part = load * (sample.total_rate[0] / queue.total_rate[0])
        anchor, price, floor = _guess(sample, part, which)
        blocks = _blocks(sample, which, anchor)
        price = _balance(blocks, part, price, floor, 1e-2)
        last = _last_active(blocks, price) * 16
        price = price + idle[anchor * 16] - idle[last]
        return last, price, idle[nearest] - idle[last]
    total, low = queue.total_rate
    cost = queue.marginal if which == "optimum" else queue.latency
    if np.isinf(total):
        weight = np.isinf(queue.rate) / np.isinf(queue.rate).sum()
        price = cost(load[:, None] * weight)
    else:
        weight = queue.rate / total
        price = cost(load[:, None] * weight, ((total - load) + low)[:, None] * weight)
    return nearest, (price - idle[nearest, None]) @ weight, np.zeros_like(load)


def _balance(blocks: list[_Block], load: Array, price: Array, floor: Array, close: float) -> Array:
    """Price at which the flows sum to the load, to a relative imbalance of `close`; shape (K,).

    Newton's method on the reciprocal of the used servers' spare capacity, which is nearly linear in the price up to saturation.
    Where servers that start or stop make the flow a staircase it gains little: then a secant, then a middle, of the bracket in hand.
    """
    price = np.where(load > 0, price, floor)
    low, high = floor.copy(), np.full_like(price, np.inf)
    short, long = load.copy(), np.full_like(price, -np.inf)  # imbalance at either end
    best, failed = np.full_like(price, np.inf), np.zeros(price.shape, dtype=int)
    todo = np.flatnonzero(load > 0)
    for _ in range(1000):
        if not todo.size:
            return price
        here = price[todo]
        balance = _weigh(blocks, load[todo], here, todo)
        residual, left, rise = balance.residual, balance.left, balance.rise
        low[todo], short[todo] = np.where(residual >= 0, (here, residual), (low[todo], short[todo]))
        high[todo], long[todo] = np.where(residual < 0, (here, residual), (high[todo], long[todo]))
        failed[todo] = np.where(np.abs(residual) > 0.25 * best[todo], failed[todo] + 1, 0)
        best[todo] = np.minimum(best[todo], np.abs(residual))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            grow = np.where(np.isfinite(left), left / np.maximum(left - residual, 1e-3 * left), 1.0)
            newton = here + residual / rise * grow
        inside = (newton > low[todo]) & (newton < high[todo])
        between = _between(low[todo] - floor[todo], high[todo] - floor[todo], short[todo], long[todo], failed[todo]) + floor[todo]
        near = np.abs(residual) <= close * np.minimum(load[todo], left)
        new = np.where(inside & (near | (failed[todo] % 3 == 0) | np.isinf(high[todo])), newton, np.where(near, here, between))
        price[todo] = new
        todo = todo[~near & (np.abs(new - here) > EPS * np.abs(here)) & (failed[todo] <= STUCK)]
    raise ArithmeticError("the balance of flows did not converge; please report the servers and the load")


def _between(low: Array, high: Array, short: Array, long: Array, failed: npt.NDArray[np.int_]) -> Array:
    """Point between the ends of a bracket, in the logarithm: the secant's after one failure, the middle after two."""
    bounded = np.isfinite(high)
    top = np.where(bounded, high, 16.0 * low + 1e-300)
    bottom = np.where(low > 0, low, top / 256.0)
    weight = np.where(bounded & (failed % 3 == 1), short / np.where(bounded, short - long, 1.0), 0.5)
    point: Array = bottom * (top / bottom) ** np.clip(weight, 0.02, 0.98)
    return point
