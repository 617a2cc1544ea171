"""Servers at a price: what they carry in sum, and the price at which that is the load, by Newton's method.

A price is kept as what it is *above* the idle latency of one server, the anchor, and every other excess is built from differences of delays
and of service times, so that a server with a delay of 1000 s and a service time of 1 ns keeps its digits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS, TINY, WIDTH, add_exactly, exact_sum
from ..errors import Array
from ..server_bank import Operation, ServerBank

Which = Literal["optimum", "equilibrium"]
Rows = npt.NDArray[np.intp]
CELLS = 131_072  # loads times servers worked on at once: 1 MB an array
STUCK = 200  # steps without gain after which the flows are a staircase of rounding: a linear correction does the rest


@dataclass(frozen=True)
class Price:
    """Prices for K loads.

    Attributes
    ----------
    anchor : ndarray of int, shape (K,)
        A server.
    above : ndarray, shape (K,)
        Price less the idle latency of the anchor.
    floor : ndarray, shape (K,)
        The least price, the idle latency of the nearest server, less the same.
    """

    anchor: Rows
    above: Array
    floor: Array

    def take(self, rows: Rows) -> Price:
        """Return the prices for some of the loads."""
        return Price(self.anchor[rows], self.above[rows], self.floor[rows])

    def put(self, rows: Rows, new: Price) -> Price:
        """Return the prices with those for some of the loads changed."""
        out = Price(self.anchor.copy(), self.above.copy(), self.floor.copy())
        out.anchor[rows], out.above[rows], out.floor[rows] = new.anchor, new.above, new.floor
        return out

    def to(self, above: Array) -> Price:
        """Return other prices over the same anchors."""
        return Price(self.anchor, above, self.floor)


class Block(NamedTuple):
    """Some of the servers: neighbours, of one family."""

    rate: Array
    rate_error: Array
    delay: Array
    service: Array
    operate: Callable[[Array], Operation]
    latency: Callable[[Array, Array], Array]
    endless: bool

    def of_used(self, excess: Array, *values: Array) -> list[Array]:
        """The values where a server is used, else 0."""
        used = excess > 0
        if self.endless:  # infinity times 0 is not 0
            return [np.where(used, v, 0.0) for v in values]
        mask = used.astype(np.float64)
        return [v * mask for v in values]

    def point(self, excess: Array, load: Array) -> Operation:
        """Operating points; a server that serves any load at a price takes more than there is, but no infinite flow."""
        point = self.operate(excess)
        return (
            point._replace(flow=np.where(np.isinf(point.flow), 2.0 * load[:, None], point.flow))
            if self.endless
            else point
        )


@dataclass
class Balance:
    """All servers at prices for K loads.

    Attributes
    ----------
    load, carried : ndarray, shape (K,)
        What they should carry and do.
    residual : ndarray, shape (K,)
        Load less what is carried, to more digits than the difference.
    left, rise : ndarray, shape (K,)
        Of the used servers: the capacity left, and how fast the flow rises with the price.
    next_start : ndarray, shape (K,)
        How far the price may change before a server starts or stops.
    refined : bool
        Whether the residual is known to rounding error of what is left of the servers that are closer to full than to empty.
    """

    load: Array
    carried: Array
    residual: Array
    left: Array
    rise: Array
    next_start: Array
    refined: bool = False

    @property
    def imbalance(self) -> Array:
        """The residual, relative to the smaller of the load and what it leaves."""
        room = np.minimum(self.load, self.left)
        return np.divide(np.abs(self.residual), room, out=np.zeros_like(room), where=room > 0)

    def take(self, rows: npt.NDArray[np.bool_]) -> Balance:
        """Return the sums for some of the loads."""
        sums = {name: value[rows] for name, value in vars(self).items() if name != "refined"}
        return replace(self, **sums)


class Servers:
    """A queue cut into blocks, at the optimum or the equilibrium.

    Parameters
    ----------
    queue : Queue
        n servers.
    which : {"optimum", "equilibrium"}
        Whether a price is a marginal delay or a latency.
    """

    def __init__(self, bank: ServerBank, which: Which) -> None:
        self.bank, self.which, self.idle = bank, which, bank.idle_latency
        self.nearest, self.highest = int(np.argmin(self.idle)), float(self.idle.max())
        self.width = min(max(map(len, bank.banks)), WIDTH)
        self.blocks: list[Block] = []
        for family in bank.banks:
            service, endless = family.service, bool(np.isinf(family.rate).any())
            for i in range(0, len(family), WIDTH):
                here = slice(i, i + WIDTH)
                part = family if len(family) <= WIDTH else family.take(here)
                operate = part.at_marginal if which == "optimum" else part.at_latency
                self.blocks.append(
                    Block(
                        part.rate,
                        part.rate_error,
                        part.delay,
                        service[here],
                        operate,
                        part.latency,
                        endless,
                    )
                )
        edges = itertools.pairwise(
            itertools.accumulate((b.rate.size for b in self.blocks), initial=0)
        )
        self.cuts = [slice(low, high) for low, high in edges]

    def lowest(self, load: Array) -> Price:
        """Return the price at which the nearest server starts."""
        return Price(np.full(load.shape, self.nearest), np.zeros_like(load), np.zeros_like(load))

    def move(self, price: Price, anchor: Rows) -> Price:
        """Return the same prices over other anchors."""
        delay, service = self.bank.delay, self.bank.service
        moved = delay[anchor] - delay[price.anchor] + (service[anchor] - service[price.anchor])
        return Price(anchor, price.above - moved, price.floor - moved)

    def gaps(self, block: Block, anchor: Rows) -> Array:
        """How far each server of a block starts above an anchor, shape (n,) where that is the same for all loads, else (K, n)."""
        delay, service = self.bank.delay[anchor, None], self.bank.service[anchor, None]
        if anchor.size and np.all(anchor == anchor[0]):
            delay, service = delay[0], service[0]
        gap = np.subtract(block.delay, delay, order=order(anchor.size, block.rate.size))
        gap += np.subtract(block.service, service, order=order(anchor.size, block.rate.size))
        return gap

    def excess(self, block: Block, price: Price) -> Array:
        """How far the price is above the idle latency of each server, shape (K, n); below it where that is negative."""
        gap = self.gaps(block, price.anchor)
        return np.asarray(
            np.subtract(price.above[:, None], gap, order=order(price.above.size, block.rate.size))
        )

    def weigh(
        self, load: Array, price: Price, keep: Callable[[slice, Operation], None] | None = None
    ) -> Balance:
        """Return the balance of all servers at a price, and let a caller keep each block's operating points, with slope 0 where not used."""
        sums = []
        for block, cut in zip(self.blocks, self.cuts, strict=True):
            excess = self.excess(block, price)
            start = np.abs(excess).min(axis=-1)
            point = block.point(np.maximum(excess, 0.0, out=excess), load)
            spare_capacity, slope = block.of_used(excess, point.spare_capacity, point.slope)
            sums.append(
                (point.flow.sum(axis=-1), spare_capacity.sum(axis=-1), slope.sum(axis=-1), start)
            )
            if keep is not None:
                keep(cut, point._replace(slope=slope))
        flow, left, rise, start = (np.stack(part, axis=-1) for part in zip(*sums, strict=True))
        carried, low = exact_sum(flow)
        out = Balance(
            load,
            carried,
            (load - carried) - low,
            left.sum(axis=-1),
            rise.sum(axis=-1),
            start.min(axis=-1),
        )
        # a plain sum is wrong by 1e-15 of the load: too much only where both what is left and the imbalance are small
        if np.any((out.left < 1e-6 * load) & (np.abs(out.residual) < 1e-9 * load)):
            self.refine(out, self.points(load, price))
        return out

    def points(self, load: Array, price: Price) -> Iterator[Operation]:
        """Yield the operating points of each block."""
        return (
            block.point(np.maximum(self.excess(block, price), 0.0), load) for block in self.blocks
        )

    def refine(self, balance: Balance, points: Iterable[Operation]) -> None:
        """Find the residual to rounding error of what is left, from the operating points of each block.

        A server closer to full than to empty counts as its rate less what is left of it, and what is not small is added with its rounding
        errors.
        """
        if balance.refined:
            return
        size = balance.load.size
        high, low = (np.zeros((size, self.width), order=order(size, self.width)) for _ in range(2))
        left = []
        for block, point in zip(self.blocks, points, strict=True):
            full, width = point.spare_capacity < point.flow, block.rate.size
            add_exactly(high[:, :width], low[:, :width], np.where(full, block.rate, point.flow))
            left.append(np.where(full, point.spare_capacity - block.rate_error, 0.0).sum(axis=-1))
        top, bottom = exact_sum(np.concatenate([balance.load[:, None], -high], axis=-1))
        balance.residual, balance.refined = (
            top + ((bottom - low.sum(axis=-1)) + np.sum(left, axis=0)),
            True,
        )

    def last_active(self, price: Price) -> Rows:
        """Index of the used server with the largest idle latency, for each price; the anchor where none is used."""
        best, index = np.full(price.above.shape, -np.inf), price.anchor.copy()
        for block, cut in zip(self.blocks, self.cuts, strict=True):
            gap = self.gaps(block, price.anchor)
            gap = np.where(gap < price.above[:, None], gap, -np.inf)
            here = gap.argmax(axis=-1)
            found = np.take_along_axis(gap, here[:, None], axis=-1)[:, 0]
            better = found > best
            best[better], index[better] = found[better], here[better] + cut.start
        return index


def order(loads: int, servers: int) -> Literal["C", "F"]:
    """Memory order: along the longer axis NumPy is fast."""
    return "F" if loads > servers else "C"


def balance(
    servers: Servers, load: Array, price: Price, close: float, known: Balance | None = None
) -> Price:
    """Price at which the flows sum to the load, to a relative imbalance of `close`.

    Newton's method on the reciprocal of the used servers' spare capacity, which is nearly linear in the price up to saturation.
    Where servers that start or stop make the flow a staircase it gains little: then a secant, then a middle, of the bracket in hand.

    Parameters
    ----------
    servers : Servers
    load : ndarray, shape (K,)
    price : Price
        A guess.
    close : float
        To the smaller of the load and what it leaves.
    known : Balance, optional
        At the guess.
    """
    floor, above = price.floor, np.where(load > 0, price.above, price.floor)
    low, high = floor.copy(), np.full_like(above, np.inf)
    short, long = load.copy(), np.full_like(above, -np.inf)  # imbalance at either end
    best, failed = np.full_like(above, np.inf), np.zeros(above.shape, dtype=int)
    todo = np.flatnonzero(load > 0)
    known = known and known.take(load > 0)
    for _ in range(1000):
        if not todo.size:
            return price.to(above)
        here = above[todo]
        found = known or servers.weigh(load[todo], Price(price.anchor[todo], here, floor[todo]))
        known = None
        residual, left, rise = found.residual, found.left, found.rise
        low[todo], short[todo] = np.where(residual >= 0, (here, residual), (low[todo], short[todo]))
        high[todo], long[todo] = np.where(residual < 0, (here, residual), (high[todo], long[todo]))
        failed[todo] = np.where(np.abs(residual) > 0.25 * best[todo], failed[todo] + 1, 0)
        best[todo] = np.minimum(best[todo], np.abs(residual))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            after = (
                left - residual
            )  # what these servers would have left; less than nothing where more must start
            grow = np.where(
                np.isfinite(left) & (after > 0), left / np.maximum(after, 1e-3 * left), 1.0
            )
            newton = here + residual / rise * grow
        inside = (newton > low[todo]) & (newton < high[todo])
        between = (
            _between(
                low[todo] - floor[todo],
                high[todo] - floor[todo],
                short[todo],
                long[todo],
                failed[todo],
            )
            + floor[todo]
        )
        near = np.abs(residual) <= close * np.minimum(load[todo], left)
        new = np.where(
            inside & (near | (failed[todo] % 3 == 0) | np.isinf(high[todo])),
            newton,
            np.where(near, here, between),
        )
        above[todo] = new
        todo = todo[~near & (np.abs(new - here) > EPS * np.abs(here)) & (failed[todo] <= STUCK)]
    raise ArithmeticError(
        "the balance of flows did not converge; please report the servers and the load"
    )


def _between(
    low: Array, high: Array, short: Array, long: Array, failed: npt.NDArray[np.int_]
) -> Array:
    """Point between the ends of a bracket, in the logarithm: the secant's after one failure, the middle after two.

    A bracket from 0 is taken to start lower and lower: servers that hardly mind the load need prices down to the least float.
    """
    bounded = np.isfinite(high)
    top = np.where(bounded, high, 16.0 * low + 1e-300)
    bottom = np.maximum(
        np.where(low > 0, low, top / 256.0 ** np.minimum(2.0 ** (failed // 3), 127.0)), TINY
    )
    weight = np.where(
        bounded & (failed % 3 == 1), short / np.where(bounded, short - long, 1.0), 0.5
    )
    return np.asarray(bottom * (top / bottom) ** np.clip(weight, 0.02, 0.98))
