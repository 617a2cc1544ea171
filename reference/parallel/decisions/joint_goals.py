"""The goals of split and rates together: least cost, least delay in a budget, least money in time.

Each has the best rates at a split, and a lower bound within a box of flows by prices of load and of
delay; see `sojourn.reference.parallel.decisions.joint_bound`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import Array, InputError
from .joint_bound import FARTHEST, Box, Costs, Point, Relaxed, bracket, share_of_right
from .joint_costs import FreeServers
from .joint_limits import start_for_budget, start_for_cost, start_for_delay
from .sizes import rates_at_split

INNER = 0.1  # accuracy of a price of load, relative to that of a price of delay


class Plan(NamedTuple):
    """Flows and rates.

    Attributes
    ----------
    value : float
        Minimised quantity; infinite where the flows have no rates that fit.
    flow, rate, spare_capacity : ndarray, shape (n,)
        Flows, rates, and their differences.
    money_price : float
        Decrease of the least total delay per unit of money, at these flows.
    """

    value: float
    flow: Array
    rate: Array
    spare_capacity: Array
    money_price: float


def reachable(price: float, first: float) -> float:
    """Return a price that is not farther from the first one than one search goes.

    Next to the least budget or delay the best price of a box is infinite or 0, and each box of a
    search that starts at the last one would go on until no float is left.
    """
    return min(max(price, first / FARTHEST), first * FARTHEST)


class Goal(ABC):
    """A minimised quantity of servers with free rates.

    Parameters
    ----------
    servers : FreeServers
        n servers and their load.
    amount : float
        Price of delay, budget, or largest mean delay.
    """

    asked: ClassVar[str]  # argument of `rates_at_split`

    def __init__(self, servers: FreeServers, amount: float) -> None:
        self.servers, self.amount = servers, amount

    @abstractmethod
    def value(self, money: float, work: float) -> float:
        """Return the minimised quantity at a money and a total delay."""

    @abstractmethod
    def bound(self, least: float, weight: float) -> float:
        """Return the bound of the minimised quantity by a bound G at a price of delay."""

    @abstractmethod
    def worth(self, delay: float, plan: Plan) -> float:
        """Return the change of the minimised quantity for a small change of the total delay."""

    @abstractmethod
    def relaxed(self, box: Box, price: float, weight: float, tolerance: float) -> Relaxed:
        """Return the best prices, searched from a price of load and of delay.

        Parameters
        ----------
        box : Box
            Bounds of the flows.
        price, weight : float
            Prices v and w above 0 from which the search starts.
        tolerance : float
            Relative error of the bound.
        """

    @abstractmethod
    def first(self, cheapest: npt.NDArray[np.bool_]) -> Array:
        """Return flows that have rates; InputError where there are none, with the best amount.

        `cheapest`, of shape (n,), are servers that carry the load for the least money.
        """

    @property
    def start(self) -> tuple[float, float]:
        """Prices of load and of delay from which the first search starts."""
        servers, n = self.servers, len(self.servers.price)
        money = float(servers.price.mean()) or 1.0
        time = float(servers.delay.mean()) + n / servers.load
        return 2.0 * money, money / time

    def plan(self, flow: Array) -> Plan:
        """Return the best rates at flows."""
        servers = self.servers
        opening = math.fsum(servers.opening[flow > 0].tolist())
        bounds = (servers.k, servers.delay, servers.price, servers.low, servers.high)
        try:
            found = rates_at_split(flow, *bounds, **self._question(opening))
        except InputError:
            nothing = np.zeros_like(flow)
            return Plan(math.inf, flow, nothing, nothing, math.nan)
        value = self.value(found.cost + opening, found.total_delay)
        return Plan(value, flow, found.rate, found.spare_capacity, found.money_price)

    def _question(self, opening: float) -> dict[str, float]:
        """Return the arguments of `rates_at_split`."""
        return {self.asked: self.amount}


class Cost(Goal):
    """Least money and total delay times a price of delay."""

    asked = "money_price"

    def first(self, cheapest: npt.NDArray[np.bool_]) -> Array:
        """Return flows that have rates, see `Goal.first`."""
        return start_for_cost(self.servers)

    def value(self, money: float, work: float) -> float:
        """Return money and the price of the delays."""
        return money + self.amount * work

    def worth(self, delay: float, plan: Plan) -> float:
        """Return the price of a change of the total delay."""
        return self.amount * delay

    def bound(self, least: float, weight: float) -> float:
        """Return the bound of the cost, G."""
        return least

    def relaxed(self, box: Box, price: float, weight: float, tolerance: float) -> Relaxed:
        """Return the best price of load; that of delay is given."""
        near = reachable(price, self.start[0])
        return Costs(self.servers, box, self.amount).relaxed(near, tolerance)

    @property
    def start(self) -> tuple[float, float]:
        """Price of load to start from, and the price of delay."""
        price, _ = super().start
        return price, self.amount

    def _question(self, opening: float) -> dict[str, float]:
        return {self.asked: 1.0 / self.amount}


class Bounded(Goal):
    """A goal with a bound on the money or on the delay: the price of delay is searched, too."""

    @abstractmethod
    def position(self, weight: float) -> float:
        """Return the number in which the bound is concave, from the price of delay, and back."""

    @abstractmethod
    def slope(self, found: Relaxed) -> float:
        """Return the derivative of the bound in that number."""

    def relaxed(self, box: Box, price: float, weight: float, tolerance: float) -> Relaxed:
        """Return the best prices, see `Goal.relaxed`."""
        last, first = price, self.start[0]

        def point(at: float) -> Point[Relaxed]:
            nonlocal last
            own = self.position(at)
            near = reachable(last, first)
            found = Costs(self.servers, box, own).relaxed(near, INNER * tolerance)
            last = found.price
            return Point(at, self.bound(found.value, own), self.slope(found), found)

        start = reachable(self.position(weight), self.position(self.start[1]))
        left, right = bracket(point, start, tolerance)
        best = left if left.value >= right.value else right
        part = share_of_right(left, right)
        ends = (left.found, right.found)
        flow, money = (
            (1.0 - part) * a + part * b
            for a, b in zip(*((e.flow, e.money) for e in ends), strict=True)
        )
        return best.found._replace(flow=flow, money=money)


class Delay(Bounded):
    """Least total delay within a budget."""

    asked = "budget"

    def first(self, cheapest: npt.NDArray[np.bool_]) -> Array:
        """Return flows that have rates, see `Goal.first`."""
        return start_for_budget(self.servers, self.amount, cheapest)

    def value(self, money: float, work: float) -> float:
        """Return the total delay."""
        return work

    def worth(self, delay: float, plan: Plan) -> float:
        """Return the change itself."""
        return delay

    def bound(self, least: float, weight: float) -> float:
        """Return the bound of the total delay, (G - B)/w."""
        return (least - self.amount) / weight

    def position(self, weight: float) -> float:
        """Return 1/w, in which the bound is concave."""
        return 1.0 / weight

    def slope(self, found: Relaxed) -> float:
        """Return the money beyond the budget."""
        return float(found.money.sum()) - self.amount

    def _question(self, opening: float) -> dict[str, float]:
        return {self.asked: self.amount, "opening": opening}


class Money(Bounded):
    """Least money for a largest mean delay."""

    asked = "mean_delay"

    def first(self, cheapest: npt.NDArray[np.bool_]) -> Array:
        """Return flows that have rates, see `Goal.first`."""
        return start_for_delay(self.servers, self.amount)

    def value(self, money: float, work: float) -> float:
        """Return the money."""
        return money

    def worth(self, delay: float, plan: Plan) -> float:
        """Return the money that makes up for a change of the total delay."""
        return delay / plan.money_price if 0 < plan.money_price < math.inf else 0.0

    def bound(self, least: float, weight: float) -> float:
        """Return the bound of the money, G - w L T."""
        return least - weight * self.amount * self.servers.load

    def position(self, weight: float) -> float:
        """Return w, in which the bound is concave."""
        return weight

    def slope(self, found: Relaxed) -> float:
        """Return the total delay beyond the largest."""
        return float(found.work.sum()) - self.amount * self.servers.load
