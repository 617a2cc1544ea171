"""Total flow of all servers at a price, and the price at which it is the load, by Newton's method.

A *price* is the common marginal delay (optimum) or latency (equilibrium) of the used servers. It is
stored as its distance *above* the idle latency of one server, the anchor, and the excess over the
idle latency of every other server is built from differences of delays and of service times. So a
server with a delay of 1000 s and a service time of 1 ns keeps its digits.
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
CELLS = 131_072  # loads times servers computed at once: 1 MB an array
MAX_STALLED = 200  # stalled steps before a search ends: rounding makes the total flow a staircase


@dataclass(frozen=True)
class Price:
    """Prices for K loads.

    Attributes
    ----------
    anchor : ndarray of int, shape (K,)
        Index of a server.
    above : ndarray, shape (K,)
        Price less the idle latency of the anchor.
    floor : ndarray, shape (K,)
        Least price, the idle latency of the nearest server, less the idle latency of the anchor.
    """

    anchor: Rows
    above: Array
    floor: Array

    def take(self, rows: Rows) -> Price:
        """Return the prices for some of the loads."""
        return Price(self.anchor[rows], self.above[rows], self.floor[rows])

    def put(self, rows: Rows, new: Price) -> Price:
        """Return the prices with those for some of the loads replaced."""
        out = Price(self.anchor.copy(), self.above.copy(), self.floor.copy())
        out.anchor[rows], out.above[rows], out.floor[rows] = new.anchor, new.above, new.floor
        return out

    def to(self, above: Array) -> Price:
        """Return other prices with the same anchors."""
        return Price(self.anchor, above, self.floor)


class Block(NamedTuple):
    """Neighbouring servers of one family; `unbounded` where one of their rates is infinite."""

    rate: Array
    rate_error: Array
    delay: Array
    service: Array
    operate: Callable[[Array], Operation]
    latency: Callable[[Array, Array], Array]
    unbounded: bool

    def of_used(self, excess: Array, *values: Array) -> list[Array]:
        """Return the values where a server is used, else 0."""
        used = excess > 0
        if self.unbounded:  # infinity times 0 is not 0
            return [np.where(used, v, 0.0) for v in values]
        mask = used.astype(np.float64)
        return [v * mask for v in values]

    def point(self, excess: Array, load: Array) -> Operation:
        """Return the operating points, with twice the load for an infinite flow.

        The flow of a server of constant latency is infinite above its price.
        """
        point = self.operate(excess)
        if not self.unbounded:
            return point
        finite = np.where(np.isinf(point.flow), 2.0 * load[:, None], point.flow)
        return point._replace(flow=finite)


@dataclass
class FlowBalance:
    """Sums over all servers at prices for K loads.

    Attributes
    ----------
    load, total : ndarray, shape (K,)
        Load, and total flow at the price.
    residual : ndarray, shape (K,)
        Load less total flow, with more digits than the difference of the two.
    spare_capacity, slope : ndarray, shape (K,)
        Spare capacity of the used servers, and derivative of their flow in the price.
    next_activation : ndarray, shape (K,)
        Least change of the price at which a server starts or stops to be used.
    refined : bool
        Whether the residual has an error of the rounding of the spare capacity of those servers
        that are closer to full than to empty; see `Servers.refine`.
    """

    load: Array
    total: Array
    residual: Array
    spare_capacity: Array
    slope: Array
    next_activation: Array
    refined: bool = False

    @property
    def imbalance(self) -> Array:
        """Absolute residual over the smaller of load and spare capacity, shape (K,)."""
        scale = np.minimum(self.load, self.spare_capacity)
        zero = np.zeros_like(scale)
        return np.divide(np.abs(self.residual), scale, out=zero, where=scale > 0)

    def take(self, rows: npt.NDArray[np.bool_]) -> FlowBalance:
        """Return the sums for some of the loads."""
        sums = {name: value[rows] for name, value in vars(self).items() if name != "refined"}
        return replace(self, **sums)


class Servers:
    """A bank cut into blocks, at the optimum or the equilibrium.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    which : {"optimum", "equilibrium"}
        Whether a price is a marginal delay or a latency.
    """

    def __init__(self, bank: ServerBank, which: Which) -> None:
        self.bank, self.which, self.idle = bank, which, bank.idle_latency
        self.nearest, self.highest = int(np.argmin(self.idle)), float(self.idle.max())
        self.width = min(max(map(len, bank.banks)), WIDTH)
        self.blocks = [
            block
            for family in bank.banks
            for block in self._blocks(family, bool(np.isinf(family.rate).any()))
        ]
        sizes = itertools.accumulate((b.rate.size for b in self.blocks), initial=0)
        self.cuts = [slice(low, high) for low, high in itertools.pairwise(sizes)]

    def _blocks(self, family: ServerBank, unbounded: bool) -> Iterator[Block]:
        """Yield the blocks of a bank of one family."""
        for i in range(0, len(family), WIDTH):
            cut = slice(i, i + WIDTH)
            part = family if len(family) <= WIDTH else family.take(cut)
            operate = part.at_marginal if self.which == "optimum" else part.at_latency
            yield Block(
                rate=part.rate,
                rate_error=part.rate_error,
                delay=part.delay,
                service=family.service[cut],
                operate=operate,
                latency=part.latency,
                unbounded=unbounded,
            )

    def lowest(self, load: Array) -> Price:
        """Return the price at which the nearest server starts."""
        return Price(np.full(load.shape, self.nearest), np.zeros_like(load), np.zeros_like(load))

    def move(self, price: Price, anchor: Rows) -> Price:
        """Return the same prices with other anchors."""
        delay, service = self.bank.delay, self.bank.service
        moved = delay[anchor] - delay[price.anchor] + (service[anchor] - service[price.anchor])
        return Price(anchor, price.above - moved, price.floor - moved)

    def idle_differences(self, block: Block, anchor: Rows) -> Array:
        """Return the idle latencies of a block less those of the anchors.

        The shape is (n,) where all loads have the same anchor, else (K, n).
        """
        delay, service = self.bank.delay[anchor, None], self.bank.service[anchor, None]
        if anchor.size and np.all(anchor == anchor[0]):
            delay, service = delay[0], service[0]
        layout = memory_order(anchor.size, block.rate.size)
        difference = np.subtract(block.delay, delay, order=layout)
        difference += np.subtract(block.service, service, order=layout)
        return difference

    def excess(self, block: Block, price: Price) -> Array:
        """Return the price less the idle latency of each server of a block, shape (K, n)."""
        difference = self.idle_differences(block, price.anchor)
        layout = memory_order(price.above.size, block.rate.size)
        return np.asarray(np.subtract(price.above[:, None], difference, order=layout))

    def total_flow(
        self, load: Array, price: Price, keep: Callable[[slice, Operation], None] | None = None
    ) -> FlowBalance:
        """Return the sums over all servers at prices.

        Parameters
        ----------
        load : ndarray, shape (K,)
        price : Price
        keep : callable, optional
            Called with the slice of each block and its operating points, of slope 0 where a server
            is not used.
        """
        sums = []
        for block, cut in zip(self.blocks, self.cuts, strict=True):
            excess = self.excess(block, price)
            distance = np.abs(excess).min(axis=-1)
            point = block.point(np.maximum(excess, 0.0, out=excess), load)
            spare_capacity, slope = block.of_used(excess, point.spare_capacity, point.slope)
            totals = (v.sum(axis=-1) for v in (point.flow, spare_capacity, slope))
            sums.append((*totals, distance))
            if keep is not None:
                keep(cut, point._replace(slope=slope))
        columns = (np.array(column).T for column in zip(*sums, strict=True))
        flow, spare_capacity, slope, distance = columns
        total, low = exact_sum(flow)
        out = FlowBalance(
            load=load,
            total=total,
            residual=(load - total) - low,
            spare_capacity=spare_capacity.sum(axis=-1),
            slope=slope.sum(axis=-1),
            next_activation=distance.min(axis=-1),
        )
        # A plain sum has an error of 1e-15 of the load: too large only where both the spare
        # capacity and the imbalance are small.
        if np.any((out.spare_capacity < 1e-6 * load) & (np.abs(out.residual) < 1e-9 * load)):
            self.refine(out, self.points(load, price))
        return out

    def points(self, load: Array, price: Price) -> Iterator[Operation]:
        """Yield the operating points of each block."""
        return (
            block.point(np.maximum(self.excess(block, price), 0.0), load) for block in self.blocks
        )

    def refine(self, balance: FlowBalance, points: Iterable[Operation]) -> None:
        """Compute the residual to the rounding error of the spare capacity, in place.

        The flow of a server closer to full than to empty is its rate less its spare capacity, and
        the large terms are added with their rounding errors.

        Parameters
        ----------
        balance : FlowBalance
        points : iterable of Operation
            Operating points of each block.
        """
        if balance.refined:
            return
        size = balance.load.size
        layout = memory_order(size, self.width)
        high, low = (np.zeros((size, self.width), order=layout) for _ in range(2))
        spare_capacity = []
        for block, point in zip(self.blocks, points, strict=True):
            full, width = point.spare_capacity < point.flow, block.rate.size
            add_exactly(high[:, :width], low[:, :width], np.where(full, block.rate, point.flow))
            small = np.where(full, point.spare_capacity - block.rate_error, 0.0)
            spare_capacity.append(small.sum(axis=-1))
        top, bottom = exact_sum(np.concatenate([balance.load[:, None], -high], axis=-1))
        small_terms = (bottom - low.sum(axis=-1)) + np.sum(spare_capacity, axis=0)
        balance.residual, balance.refined = top + small_terms, True

    def last_active(self, price: Price) -> Rows:
        """Return the used server of largest idle latency for each price; the anchor if none is."""
        best, index = np.full(price.above.shape, -np.inf), price.anchor.copy()
        for block, cut in zip(self.blocks, self.cuts, strict=True):
            difference = self.idle_differences(block, price.anchor)
            difference = np.where(difference < price.above[:, None], difference, -np.inf)
            last = difference.argmax(axis=-1)
            value = np.take_along_axis(difference, last[:, None], axis=-1)[:, 0]
            better = value > best
            best[better], index[better] = value[better], last[better] + cut.start
        return index


def memory_order(loads: int, servers: int) -> Literal["C", "F"]:
    """Return the memory order of arrays, along the longer axis, where NumPy is faster."""
    return "F" if loads > servers else "C"


def find_price(
    servers: Servers,
    load: Array,
    price: Price,
    tolerance: float,
    balance: FlowBalance | None = None,
) -> Price:
    """Return the price at which the flows sum to the load.

    Newton's method on the reciprocal of the used servers' spare capacity, which is nearly linear in
    the price up to saturation. It gains little where many servers start or stop, as the total flow
    is then a staircase: the next price is that of a secant, or the middle, of the current bracket.

    Parameters
    ----------
    servers : Servers
    load : ndarray, shape (K,)
    price : Price
        Initial prices.
    tolerance : float
        Imbalance, relative to the smaller of load and spare capacity, from which one more Newton
        step is the last.
    balance : FlowBalance, optional
        Sums at the initial prices, where they are known.
    """
    floor, above = price.floor, np.where(load > 0, price.above, price.floor)
    low, high = floor.copy(), np.full_like(above, np.inf)
    # residuals at the ends of the bracket
    residual_low, residual_high = load.copy(), np.full_like(above, -np.inf)
    best, stalled = np.full_like(above, np.inf), np.zeros(above.shape, dtype=int)
    todo = np.flatnonzero(load > 0)
    balance = balance and balance.take(load > 0)
    for _ in range(1000):
        if not todo.size:
            return price.to(above)
        here = above[todo]
        if balance is None:
            balance = servers.total_flow(load[todo], Price(price.anchor[todo], here, floor[todo]))
        residual, spare_capacity, slope = balance.residual, balance.spare_capacity, balance.slope
        balance = None
        short, long = residual >= 0, residual < 0
        low[todo] = np.where(short, here, low[todo])
        residual_low[todo] = np.where(short, residual, residual_low[todo])
        high[todo] = np.where(long, here, high[todo])
        residual_high[todo] = np.where(long, residual, residual_high[todo])
        stalled[todo] = np.where(np.abs(residual) > 0.25 * best[todo], stalled[todo] + 1, 0)
        best[todo] = np.minimum(best[todo], np.abs(residual))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # spare capacity of the used servers at the load; negative where more must start
            after = spare_capacity - residual
            curved = np.isfinite(spare_capacity) & (after > 0)
            ratio = spare_capacity / np.maximum(after, 1e-3 * spare_capacity)
            newton = here + residual / slope * np.where(curved, ratio, 1.0)
        inside = (newton > low[todo]) & (newton < high[todo])
        base, residuals = floor[todo], (residual_low[todo], residual_high[todo])
        bracket = _bracket_point(low[todo] - base, high[todo] - base, *residuals, stalled[todo])
        close = np.abs(residual) <= tolerance * np.minimum(load[todo], spare_capacity)
        take_newton = inside & (close | (stalled[todo] % 3 == 0) | np.isinf(high[todo]))
        new = np.where(take_newton, newton, np.where(close, here, bracket + base))
        above[todo] = new
        moved = np.abs(new - here) > EPS * np.abs(here)
        todo = todo[~close & moved & (stalled[todo] <= MAX_STALLED)]
    raise ArithmeticError(
        "the balance of flows did not converge; please report the servers and the load"
    )


def _bracket_point(
    low: Array,
    high: Array,
    residual_low: Array,
    residual_high: Array,
    stalled: npt.NDArray[np.int_],
) -> Array:
    """Return a point of a bracket in the logarithm: by the secant after one stall, then the middle.

    The lower end of a bracket from 0 is replaced by ever smaller numbers: servers whose flow rises
    very fast in the price need prices down to the least float.
    """
    bounded = np.isfinite(high)
    top = np.where(bounded, high, 16.0 * low + 1e-300)
    small = top / 256.0 ** np.minimum(2.0 ** (stalled // 3), 127.0)
    bottom = np.maximum(np.where(low > 0, low, small), TINY)
    drop = np.where(bounded, residual_low - residual_high, 1.0)
    weight = np.where(bounded & (stalled % 3 == 1), residual_low / drop, 0.5)
    return np.asarray(bottom * (top / bottom) ** np.clip(weight, 0.02, 0.98))
