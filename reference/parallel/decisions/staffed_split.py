"""Numbers of servers of M/M/c stations and the split of one load over them, of least cost.

Minimise the sum of p_i c_i + w x_i l_i(x_i; c_i) over whole c_i and flows x_i that sum to the load:
the money for servers and the cost w of a unit of time of a job. At fixed c it is the optimum of
parallel servers. The least cost of a station over its c is no convex function of its flow: large
stations are cheaper by the job. At a price v of a unit of load, the sum of the least values of

    p_i c + min over x of (w x l_i(x; c) - v x),    c in a range,

plus v times the load bounds the cost of all numbers in the ranges, by weak duality; the inner
minimum is at a marginal delay v/w. The best v is where the flows of these minima pass the load.
Where they jump, the number of one station jumps, and the range of that station is divided there
(branch and bound, best bound first).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import as_amount, as_amounts
from ...compensated_sum import EPS, TINY
from ...erlang import MAX_SERVERS, Stations, at_price, log_full_probability
from ...errors import Array, InputError
from ...validation import as_positive, raise_at_first
from .staffing import LoadedPools, as_counts, as_pools, first_within
from .weight_units import Counts

MOST_CELLS = 200_000  # largest number of pairs of a station and a number of servers
MOST_NODES = 20_000
STEPS = 80  # largest number of prices at which one bound is computed
CLOSE = 1e-12  # relative distance from the best bound of a node at which the search for it ends


@dataclass(frozen=True, eq=False)
class StaffedSplit:
    """Numbers of servers and a split.

    Attributes
    ----------
    servers : ndarray of int, shape (n,)
        Number of servers of each station; 0 where it is not used.
    flow : ndarray, shape (n,)
        Load of each station.
    cost : float
        Money for servers and cost of the jobs' time, per unit of time.
    lower_bound : float
        No numbers and no split within the bounds cost less; rounding errors are included.
    nodes : int
        Sets of numbers that the search has bounded.
    """

    servers: Counts
    flow: Array
    cost: float
    lower_bound: float
    nodes: int


class Point(NamedTuple):
    """Numbers and flows that attain a bound at a price.

    Attributes
    ----------
    price, bound : float
        Price of a unit of load, and the lower bound of the cost there.
    missing : float
        Load less the sum of the flows, the slope of the bound.
    servers, flow, slope : ndarray, shape (n,)
        Numbers, flows, and derivatives of the flows in the price.
    """

    price: float
    bound: float
    missing: float
    servers: Counts
    flow: Array
    slope: Array


def staff_split(
    rate: npt.ArrayLike,
    load: float,
    *,
    price: npt.ArrayLike,
    delay_cost: float,
    delay: npt.ArrayLike = 0.0,
    most: npt.ArrayLike | None = None,
    gap: float = 1e-9,
) -> StaffedSplit:
    """Return the numbers of servers and the split of a load that cost least.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of one server of each station.
    load : float
        Total load, > 0.
    price : array_like, shape (n,) or ()
        Money per server and unit of time, 0 or more.
    delay_cost : float
        Cost w of a unit of time of a job, > 0.
    delay : array_like, shape (n,) or (), default 0
        Network delay of each station.
    most : array_like of int, shape (n,) or (), optional
        Largest numbers of servers. Without them all numbers that can pay; prices are then above 0.
    gap : float, default 1e-9
        Relative distance of the cost from the bound at which the search ends.

    Returns
    -------
    StaffedSplit

    Raises
    ------
    InputError
        On numbers that are out of range, on a load that the largest numbers of servers cannot
        carry, and where there are more than 200000 pairs of a station and a number of servers.

    Examples
    --------
    >>> found = staff_split(
    ...     [10.0, 25.0, 8.0], 150.0, price=[3.0, 6.0, 2.2], delay_cost=8.0,
    ...     delay=[0.0, 0.05, 0.01], most=[6, 4, 9],
    ... )
    >>> found.servers, round(found.cost, 9)
    (array([6, 4, 8]), 199.922757281)
    """
    rates = as_pools(rate, 0.0).rate
    n = len(rates)
    prices, delays = as_amounts("price", price, n), as_amounts("delay", delay, n)
    total = as_positive("load", load, "give a load above 0")
    weight = as_amount("delay_cost", delay_cost)
    within = as_positive("gap", gap, "give a relative distance, such as 1e-9")
    high = np.full(n, MAX_SERVERS) if most is None else as_counts("most", most, n)
    if most is None:
        remedy = "give most=, or a price above 0"
        raise_at_first("price", prices, prices > 0, "does not bound the number of servers", remedy)
    capacity = math.fsum((high * rates).tolist())
    if not total < capacity:
        problem = f"is not below the rate of all servers together, {capacity:.12g}"
        raise InputError("load", total, problem, "lower the load or allow more servers")
    return _Search(rates, delays, prices, weight, total, high, within).run()


class _Search:
    """Branch and bound over ranges of numbers of servers."""

    def __init__(
        self,
        rate: Array,
        delay: Array,
        price: Array,
        weight: float,
        load: float,
        high: Counts,
        gap: float,
    ) -> None:
        self.rate, self.price, self.weight, self.load = rate, price, weight, load
        self.idle, self.gap = delay + 1.0 / rate, gap
        self.servers, self.flow, self.cost = high, np.zeros(len(rate)), math.inf
        self.known: set[bytes] = set()
        self.high = self._worth(high)
        cells = int(self.high.sum()) + len(rate)
        if cells > MOST_CELLS:
            problem = f"allows {cells} pairs of a station and a number of servers"
            remedy = f"allow at most {MOST_CELLS} pairs in all"
            raise InputError("most", self.high.tolist(), problem, remedy)
        numbers = np.maximum(np.arange(self.high.max() + 1), 1)
        self.log_full = log_full_probability(numbers.astype(np.float64))

    def _worth(self, high: Counts) -> Counts:
        """Return the largest numbers that an answer can have: dearer ones exceed a known cost.

        Known are the costs of the whole load at one station.
        """
        fits = self.load / self.rate < high - 1
        if not fits.any():
            return high
        alone = LoadedPools(self.rate[fits], np.full(int(fits.sum()), self.load))
        worth = self.weight * self.load

        def gain(servers: Counts) -> Array:
            waits = alone.waits(servers).mean, alone.waits(servers + 1).mean
            return np.asarray(worth * (waits[0] - waits[1]))

        best, _ = first_within(gain, self.price[fits], alone.least, high[fits])
        costs = self.price[fits] * best + worth * (self.idle[fits] + alone.waits(best).mean)
        money = float(costs.min()) * (1 + 64 * EPS) - worth * float(self.idle.min())
        with np.errstate(divide="ignore", invalid="ignore"):
            pays = np.where(self.price > 0, money / self.price, np.inf)
        return np.minimum(high, np.floor(np.minimum(pays, MAX_SERVERS)).astype(np.int64))

    def run(self) -> StaffedSplit:
        """Return the best numbers and split."""
        self._try(self.high)
        order, closed, nodes = count(), math.inf, 0
        start = self.weight * float(self.idle.min())
        heap = [(-math.inf, next(order), np.zeros_like(self.high), self.high, start)]
        while heap:
            bound, _, low, high, start = heapq.heappop(heap)
            if bound >= self._enough or nodes >= MOST_NODES:
                closed = min(closed, bound)
                break
            nodes += 1
            left, right = self._best_price(low, high, start, self._enough)
            for point in (left, right):
                self._try(point.servers)
            bound = max(bound, left.bound, right.bound)
            if bound >= self._enough or np.array_equal(low, high):
                closed = min(closed, bound)
                continue
            for ends in _halves(low, high, left, right):
                if float((ends[1] * self.rate).sum()) > self.load:
                    heapq.heappush(heap, (bound, next(order), *ends, left.price))
        return StaffedSplit(self.servers, self.flow, self.cost, min(closed, self.cost), nodes)

    @property
    def _enough(self) -> float:
        """Bound from which a range of numbers holds nothing better than the best known."""
        return self.cost * (1.0 - self.gap)

    def _try(self, servers: Counts) -> None:
        """Keep numbers of servers, with their best split, if they cost less than those known."""
        key = servers.tobytes()
        if key in self.known or not float((servers * self.rate).sum()) > self.load:
            return
        self.known.add(key)
        left, right = self._best_price(servers, servers, self.weight * float(self.idle.min()))
        apart = left.missing - right.missing
        part = left.missing / apart if apart > 0 else 0.0
        flow = left.flow + part * (right.flow - left.flow)
        missing = math.fsum([self.load, *(-flow).tolist()])
        slopes = np.where(flow > 0, left.slope, 0.0)
        flow = flow + missing * slopes / max(float(slopes.sum()), TINY)
        servers = np.where(flow > 0, servers, 0)
        waits = LoadedPools(self.rate, flow).waits(servers).mean
        times = flow * (self.idle + np.where(flow > 0, waits, 0.0))
        cost = math.fsum([*(self.price * servers).tolist(), *(self.weight * times).tolist()])
        if cost < self.cost:
            self.servers, self.flow, self.cost = servers, flow, cost

    def _best_price(
        self, low: Counts, high: Counts, start: float, enough: float = math.inf
    ) -> tuple[Point, Point]:
        """Return the points on both sides of the best price, or where a bound is large enough."""
        least = self.weight * float(self.idle.min())
        left = self._at(max(start, least), low, high)
        if left.missing <= 0:
            left = self._at(least, low, high)  # where no flow pays
        right, step = left, least
        while right.missing > 0 and right.bound < enough:
            right = self._at(left.price + step, low, high)
            left, step = (right, 4.0 * step) if right.missing > 0 else (left, step)
        width = math.inf
        for _ in range(STEPS):
            best = max(left.bound, right.bound)
            apart = left.missing - right.missing
            if best >= enough or apart <= 0:
                break
            meet = (
                right.bound - left.bound + left.missing * left.price - right.missing * right.price
            ) / apart
            if left.bound + left.missing * (meet - left.price) - best <= CLOSE * best:
                break
            if np.array_equal(left.servers, right.servers):  # the flows are smooth: Newton's method
                nearer = left if left.missing < -right.missing else right
                meet = nearer.price + nearer.missing / max(float(nearer.slope.sum()), TINY)
            middle = 0.5 * (left.price + right.price)
            if right.price - left.price > 0.5 * width or not left.price < meet < right.price:
                meet = middle
            if not left.price < meet < right.price:
                break
            width = right.price - left.price
            point = self._at(meet, low, high)
            left, right = (point, right) if point.missing > 0 else (left, point)
        return left, right

    def _at(self, price: float, low: Counts, high: Counts) -> Point:
        """Return the bound of ranges of numbers at a price of a unit of load."""
        first, size = int(low.min()), int(high.max()) + 1
        numbers = np.arange(first, size)
        inside = (numbers >= low[:, None]) & (numbers <= high[:, None])
        station, column = np.nonzero(inside)
        c = numbers[column]
        excess = (price / self.weight - self.idle[station]) * self.rate[station]
        used = (excess > 0) & (c > 0)
        flow, slope, value = np.zeros((3, len(c)))
        value += self.price[station] * c
        size_of = value.copy()
        if used.any():
            at, servers = station[used], c[used].astype(np.float64)
            rate, log_full = self.rate[at], self.log_full[c[used]]
            root = at_price(excess[used], servers, log_full, 1.0)
            wait = Stations(servers, log_full, root.load, root.spare_capacity).wait / rate
            flow[used] = x = root.load * rate
            slope[used] = rate**2 / np.maximum(root.slope, TINY) / self.weight
            time = self.weight * x * (self.idle[at] + wait)
            value[used] += time - price * x
            size_of[used] += time + price * x
        table = np.full(inside.shape, np.inf)
        table[inside] = value
        best = table.argmin(axis=1)
        place = np.cumsum(inside.sum(axis=1)) - inside.sum(axis=1) + best - (low - first)
        total = math.fsum([price * self.load, *value[place].tolist()])
        rounding = 64 * EPS * (price * self.load + float(size_of[place].sum()))
        missing = math.fsum([self.load, *(-flow[place]).tolist()])
        return Point(price, total - rounding, missing, c[place], flow[place], slope[place])


def _halves(
    low: Counts, high: Counts, left: Point, right: Point
) -> tuple[tuple[Counts, Counts], tuple[Counts, Counts]]:
    """Return the two parts of ranges, divided where the number of a station jumps.

    Where none jumps, the widest range is halved.
    """
    jump = np.abs(right.servers - left.servers)
    if jump.any():
        i = int(np.argmax(np.abs(right.flow - left.flow) * (jump > 0)))
        part = left.missing / max(left.missing - right.missing, TINY)
        ends = sorted((int(left.servers[i]), int(right.servers[i])))
        middle = left.servers[i] + part * (right.servers[i] - left.servers[i])
        at = min(max(int(middle), ends[0]), ends[1] - 1)
    else:
        i = int(np.argmax(high - low))
        at = int(low[i] + high[i]) // 2
    upper, lower = high.copy(), low.copy()
    upper[i], lower[i] = at, at + 1
    return (low, upper), (lower, high)
