"""One set of rates for the loads of a day, each load split anew: a certified search.

Load t of m holds for the part q_t of the time and is split with the least delay at the rates, so
that with the weight w_t = q_t (cost of delay) the cost per unit of time is

    p.mu + sum_i open_i [mu_i > 0] + sum_t w_t V_t(mu),  V_t(mu) = min sum_i x_i l_i(mu_i, x_i).

V_t is convex in the flows and in the rates, not in both: larger servers are more efficient. With a
price c_t of a job at each load, weak duality bounds the cost from below by

    sum_t w_t c_t L_t + sum_i (p_i mu_i + open_i [mu_i > 0] - sum_t w_t G_i(c_t, mu_i)),
    G_i(c, mu) = max_x (c x - x l_i(mu, x)) = (sqrt(mu (c - d_i) - 1 + k_i) - sqrt(k_i))^2,

and G = 0 where mu (c - d_i) <= 1, k = (1 + cv^2)/2. The utilisation x/mu alone gives x (l - d), so
that G is a maximum of functions linear in mu: convex. The term of a server is concave in its rate,
and its least within bounds of the rate is at one of the two ends. A box of rates thus has a bound
in closed form, and its best prices are those of a convex program: every server is a mixture of two
servers at the ends of its rate, with a part of the time at each. That program is solved by Newton's
method in the parts, with the exact split at each load; it gives the prices, and the mean rates as a
candidate. The search divides the box at the server whose mean rate falls most short of the mixture.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import LARGEST, SMALLEST, fits
from ...compensated_sum import EPS
from ...errors import Array, InputError, LoadError
from ...validation import (
    as_floats,
    as_integer,
    as_server_array,
    check_within,
    raise_at_first,
)
from ..optimum_equilibrium import optimum
from .box_newton import least_in_box
from .day_cost import STABLE, Day, Evaluated
from .day_numbers import Costs, check_amount, check_sizes, durations
from .day_rates import DayRates, GivenFlows, day_answer

MOST_BOTH = 10  # servers with a least rate and an opening cost: each is open or not
LEAST_GAP = 1e-12  # next to the rounding errors of the bounds
EDGE = 0.05  # least distance of a division from the ends, relative to the width
CLOSE = 0.1  # part of the distance from the bound to the best cost that a relaxation may leave open


class Node(NamedTuple):
    """A box of rates with a lower bound of the cost in it.

    Attributes
    ----------
    bound : float
    order : int
        Number of the node, so that boxes of one bound have an order.
    low, high : ndarray, shape (n,)
        Ends of the rates.
    rate : ndarray, shape (n,)
        Mean rates of the relaxation.
    short : ndarray, shape (n,)
        How much each server falls short of its mixture.
    """

    bound: float
    order: int
    low: Array
    high: Array
    rate: Array
    short: Array


class Search:
    """Branch and bound over boxes of rates.

    Parameters
    ----------
    day : Day
        The cost.
    high : ndarray, shape (n,)
        Largest rates.
    gap : float
        Relative distance of the best cost from its lower bound at which the search stops.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        The best rates.
    cost : float
        Their cost.
    bound : float
        Lower bound of the cost of all rates.
    nodes : int
        Number of boxes that the search has divided.
    """

    def __init__(self, day: Day, high: Array, gap: float, most_nodes: int) -> None:
        self.day, self.low, self.high, self.gap = day, day.costs.least, high, gap
        self.rate, self.cost, self.nodes, self.order = high, math.inf, 0, itertools.count()
        kinds = np.unique([*day.costs, day.opening], axis=1, return_inverse=True)[1].reshape(-1)
        self.equal = [np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)]
        self._propose(high, self.low, high)
        for i in range(len(high)):  # all loads at one server
            self._propose(np.where(np.arange(len(high)) == i, high, self.low), self.low, high)
        pruned, heap = math.inf, list[Node]()
        for low, high in self._boxes():
            heapq.heappush(heap, self._node(low, high, high, -math.inf))
        while heap and heap[0].bound < self.cut and self.nodes < most_nodes:
            node = heapq.heappop(heap)
            self.nodes += 1
            for low, high in halves(node):
                child = self._node(*self._in_order(low, high), node.rate, node.bound)
                if child.bound < self.cut:
                    heapq.heappush(heap, child)
                else:
                    pruned = min(pruned, child.bound)
        self.bound = min([pruned, self.cost, *(node.bound for node in heap)])
        for equal in self.equal:
            self.rate[equal] = -np.sort(-self.rate[equal])

    def _boxes(self) -> list[tuple[Array, Array]]:
        """Return the boxes to start with.

        A server with a least rate and an opening cost has its least rate and no jobs, a box at 0,
        or it is open.
        """
        both = np.flatnonzero((self.low > 0) & (self.day.opening > 0))
        boxes = []
        for opened in itertools.product((True, False), repeat=both.size):
            there = np.ones(self.low.size, bool)
            there[both] = opened
            ends = np.where(there, self.low, 0.0), np.where(there, self.high, 0.0)
            boxes.append(self._in_order(*ends))
        return boxes

    @property
    def cut(self) -> float:
        """Bound of a box that is not worth dividing; a hundredth of the gap is for rounding."""
        return self.cost / (1.0 + 0.99 * self.gap)

    def _in_order(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Return the part of a box in which the rates of equal servers fall with their index."""
        low, high = low.copy(), high.copy()
        for equal in self.equal:
            high[equal] = np.minimum.accumulate(high[equal])
            low[equal] = np.maximum.accumulate(low[equal][::-1])[::-1]
        return low, high

    def _propose(self, rate: Array, low: Array, high: Array) -> None:
        """Take the local minimiser next to some rates, if it is better."""
        if self.day.cost(rate).value < math.inf:
            found, at = least_in_box(self.day.cost, rate, low, high)
            if at.value < self.cost:
                self.rate, self.cost = found, at.value

    def _node(self, low: Array, high: Array, rate: Array, bound: float) -> Node:
        """Return a box with its bound, which is at least that of the box that it divides."""
        width, order = high - low, next(self.order)
        if np.any(width < 0) or not high.sum() > self.day.peak * STABLE:
            return Node(math.inf, order, low, high, high, width)
        top = np.where(width > 0, 1.0, 0.0)
        part = np.clip(np.divide(rate - low, width, out=0 * width, where=width > 0), 0.0, 1.0)

        def relaxed(part: Array) -> Evaluated:
            return self.day.relaxed(low, high, part)

        def done(at: Evaluated) -> bool:
            left = max(self.gap * self.cost, self.cost - at.value)
            return at.bound >= self.cut or at.value - at.bound <= CLOSE * left

        start = part if relaxed(part).value < math.inf else top
        part, at = least_in_box(relaxed, start, 0 * top, top, done)
        mean = low + part * width
        if self.day.cost(mean).value < self.cost:
            there = high > 0
            self._propose(mean, np.where(there, self.low, 0.0), np.where(there, self.high, 0.0))
        short = self.day.shortfall(low, high, part, at.price)
        return Node(max(at.bound, bound), order, low, high, mean, short)


def halves(node: Node) -> list[tuple[Array, Array]]:
    """Return two boxes that divide one, at the server that falls most short of its mixture."""
    width = node.high - node.low
    i = int(np.argmax(np.where(width > 4 * EPS * node.high, node.short, -1.0)))
    ends = node.low[i] + EDGE * width[i], node.high[i] - EDGE * width[i]
    there = np.arange(width.size) == i
    middle = float(np.clip(node.rate[i], *ends))
    below, above = np.where(there, middle, node.high), np.where(there, middle, node.low)
    return [(node.low, below), (above, node.high)]


def rates_for_day(
    load: npt.ArrayLike,
    duration: npt.ArrayLike | None,
    variability: npt.ArrayLike,
    delay: npt.ArrayLike,
    rate_price: npt.ArrayLike,
    delay_cost: float,
    *,
    min_rate: npt.ArrayLike = 0.0,
    max_rate: npt.ArrayLike = math.inf,
    opening: npt.ArrayLike = 0.0,
    gap: float = 1e-6,
    most_nodes: int = 10_000,
) -> DayRates:
    """Return the rates of least cost where each load of the day is split anew at its best.

    Parameters
    ----------
    load : array_like, shape (m,)
        Total loads from 0 on, jobs per unit of time.
    duration : array_like, shape (m,), or None
        Part of the time in which each load holds, above 0, summing to 1; None for equal parts.
    variability, delay, rate_price : array_like, shape (n,) or ()
        k = (1 + cv^2)/2 of the service times, network delays, and money for a unit of rate per
        unit of time. At a price of 0 a server needs a `max_rate`.
    delay_cost : float
        Money for one job during one unit of time.
    min_rate, max_rate : array_like, shape (n,) or ()
        Bounds of the rates.
    opening : array_like, shape (n,) or ()
        Money for a server with a rate above 0.
    gap : float, default 1e-6
        Relative distance of the cost from its lower bound at which the search stops.
    most_nodes : int, default 10000
        Number of divided boxes after which the search stops with a larger gap.

    Returns
    -------
    DayRates

    Raises
    ------
    LoadError
        On loads that are negative, or not below the sum of the largest rates.
    InputError
        On numbers that do not fit.

    Examples
    --------
    >>> near, far = [0.0, 0.3], [1.0, 0.6]
    >>> found = rates_for_day([20.0, 140.0], None, 1.0, near, far, 20.0, max_rate=[100.0, 250.0])
    >>> found.rate.round(3), found.flow.round(3)
    (array([100.   ,  86.495]), array([[20.   ,  0.   ],
           [84.043, 55.957]]))
    """
    loads = np.atleast_1d(as_floats("load", load))
    remedy = "give loads from 0 on, one of them above 0"
    good = fits(loads, SMALLEST, LARGEST) & loads.any()
    raise_at_first("load", loads, good, "is not a load of a day", remedy, LoadError)
    given = {"variability": variability, "delay": delay, "rate_price": rate_price}
    given |= {"min_rate": min_rate, "max_rate": max_rate, "opening": opening}
    n = max(as_floats(field, value).size for field, value in given.items())
    costs, parts = Costs.checked(n, *[*given.values()][:-1]), durations(duration, loads.size)
    opened = as_server_array("opening", opening, n)
    check_sizes("opening", opened)
    money = check_amount("delay_cost", delay_cost)
    gap = check_within("gap", gap, LEAST_GAP, 1.0, "is not a gap", "give a part such as 1e-6")
    most = as_integer("most_nodes", most_nodes, "a number of boxes", most=10**9)
    total, peak = math.fsum(costs.most.tolist()), float(loads.max())
    if not peak < total:
        problem = f"is not below the sum {total:.12g} of the largest rates"
        raise LoadError("load", peak, problem, "give larger max_rate")
    busy = loads > 0
    day = Day(loads[busy], money * parts[busy], costs, opened)
    alone = GivenFlows(np.repeat(loads[:, None], n, axis=1), parts, costs)
    # with fewer jobs a server has a smaller rate
    high = np.minimum(costs.most, np.maximum(alone.rates(money), costs.least))
    both = np.flatnonzero((costs.least > 0) & (opened > 0))
    if both.size > MOST_BOTH:
        problem = f"and min_rate are above 0 at {both.size} servers"
        remedy = f"give both to at most {MOST_BOTH}"
        raise InputError("opening", opened[both].tolist(), problem, remedy)
    found = Search(day, high, gap, most)
    there, flow = found.rate > 0, np.zeros((loads.size, n))
    flow[:, there] = optimum(day.servers(found.rate, there), loads).flow
    servers, rate = GivenFlows(flow, parts, costs), np.maximum(found.rate, costs.least)
    answer = day_answer(servers, rate, money, found.cost, found.bound)
    return replace(answer, nodes=found.nodes)
