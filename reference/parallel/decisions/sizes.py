"""Rates of servers at a given split of the load, for a budget, a mean delay or a price of money.

Server i has the flow x, the rate mu, the spare capacity s = mu - x, the delay d, the variability
k = (1 + cv^2)/2 and the price p of a unit of rate. The total delay x l = x (d + 1/mu) + k x^2/(mu
s) is convex in mu, so at a price z of money the best rate of each server is a root of its own:

    x ((1 - k)/mu^2 + k/s^2) = z p,    s within its bounds.

With s = x t and g = 1/sqrt(z p x) the root is that of F(t) = g, where

    F(t) = t (1 + t)/sqrt(t^2 + 2 k t + k),
    F'(t) = (t^3 + 3 k t^2 + 3 k t + k)/(t^2 + 2 k t + k)^(3/2).

F is almost linear (for M/M/1 it is t), and so are the money spent as a function of q = 1/sqrt(z),
and the total delay as a function of 1/q: Newton steps within a bracket find q in a few passes over
the servers. Without bounds M/M/1 servers take one step: the square-root rule of L. Kleinrock,
*Communication Nets* (1964), s_i in proportion to sqrt(x_i/p_i).

For any z >= 0 the sum of the minima of x l + z p mu, less z times the budget, is at most the total
delay of any rates within the budget (weak duality), which bounds the error without a solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import LARGE, SMALL, enough, fits
from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import as_floats, as_server_array, check_within, raise_at_first

STEPS = 200  # largest number of Newton steps and halvings over all servers
SERVER_STEPS = 40  # largest number of Newton steps of each server
CLOSE = 1e-8  # relative Newton step from which on the next one is below rounding
SUMS = 64 * EPS  # relative rounding error of the sums of a bound
NEAR = 1e-10  # relative error of a bound from which on another one is looked for


class SizedRates(NamedTuple):
    """Rates of n servers at a given split.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Rate of each server; its least rate where it has no flow.
    spare_capacity : ndarray, shape (n,)
        Rate less flow, with all digits.
    total_delay : float
        Sum of flow times latency: mean delay times load.
    cost : float
        Sum of rate times price.
    money_price : float
        Price z of money in total delay: the decrease of the least total delay per unit of money.
        0 where more money buys nothing, infinite where less of it would do.
    lower_bound, upper_bound : float
        Bounds of the least total delay for a budget; of the least cost for a mean delay; of the
        least sum of cost and total delay/z at a price of money. Rounding errors are included.
    """

    rate: Array
    spare_capacity: Array
    total_delay: float
    cost: float
    money_price: float
    lower_bound: float
    upper_bound: float


def rates_at_split(
    flow: npt.ArrayLike,
    k: npt.ArrayLike,
    delay: npt.ArrayLike,
    price: npt.ArrayLike,
    low: npt.ArrayLike = 0.0,
    high: npt.ArrayLike = math.inf,
    *,
    budget: float | None = None,
    mean_delay: float | None = None,
    money_price: float | None = None,
    opening: float = 0.0,
) -> SizedRates:
    """Return the best rates of M/G/1 servers at given flows.

    Parameters
    ----------
    flow : array_like, shape (n,)
        Flow of each server, 0 or more, jobs per unit of time.
    k, delay : array_like, shape (n,) or ()
        Variability (1 + cv^2)/2 of the service time, and network delay.
    price : array_like, shape (n,) or ()
        Money per unit of rate, 0 or more; with 0 the rate needs a finite bound.
    low, high : array_like, shape (n,) or ()
        Bounds of the rates; `high` is above the flow where there is one.
    budget : float, optional
        Money for the rates; the mean delay is minimised.
    mean_delay : float, optional
        Largest mean delay; the cost is minimised.
    money_price : float, optional
        Total delay z that a unit of money is worth; total delay plus z times cost is minimised.
    opening : float, default 0
        Money that the budget pays besides the rates.

    Returns
    -------
    SizedRates

    Raises
    ------
    InputError
        Unless exactly one of `budget`, `mean_delay` and `money_price` is given; on bounds that
        cross, flows from the largest rate on, and a budget or mean delay that no rates can meet,
        with the least budget or the least mean delay.

    Examples
    --------
    >>> x, delay, price = [60.0, 40.0, 90.0], [0.005, 0.005, 0.020], [1.0, 1.0, 0.5]
    >>> found = rates_at_split(x, 1.0, delay, price, budget=200.0)
    >>> found.rate.round(4), round(found.total_delay / 190.0, 9)
    (array([ 80.5031,  56.7407, 125.5124]), 0.053421574)
    >>> round(rates_at_split(x, 1.0, delay, price, mean_delay=0.03).cost, 6)
    271.986898
    """
    given = deciding(budget=budget, mean_delay=mean_delay, money_price=money_price)
    if len(given) != 1:
        remedy = "give budget=, mean_delay= or money_price="
        raise InputError("rates_at_split", list(given), "is not one question", remedy)
    ((name, value),) = given.items()
    opening = as_opening(opening)
    servers = Servers.checked(flow, k, delay, price, low, high)
    if name == "budget":
        return _for_budget(servers, value, opening)
    if name == "mean_delay":
        return _for_delay(servers, value)
    spare = servers.at(1.0 / math.sqrt(value)).spare
    worth = servers.cost(spare) + servers.total(spare) / value
    return servers.answer(spare, value, worth, worth, 0.0)


def deciding(**asked: float | None) -> dict[str, float]:
    """Return the amounts that are given, as floats; InputError unless they are above 0."""
    problem, remedy = "is not an amount above 0", f"give {SMALL:g} to {LARGE:g}"
    return {
        name: check_within(
            name,
            value,
            SMALL,
            math.inf if name == "mean_delay" else LARGE,
            problem,
            remedy,
        )
        for name, value in asked.items()
        if value is not None
    }


def as_opening(opening: object) -> float:
    """Return the money for openings as a float; InputError unless it is 0 or more."""
    return check_within("opening", opening, 0.0, LARGE, "is no money", "give 0 or more")


class Point(NamedTuple):
    """Best rates at a price of money z, as a function of q = 1/sqrt(z).

    Attributes
    ----------
    spare : ndarray, shape (n,)
        Spare capacities, within their bounds.
    slope : float
        Derivative of the money spent in q, and of the total delay in 1/q.
    """

    spare: Array
    slope: float


@dataclass(frozen=True, eq=False)
class Servers:
    """Servers at given flows, with the bounds of their spare capacities.

    Attributes
    ----------
    flow, k, delay, price : ndarray, shape (n,)
        Flows, variabilities, network delays and prices of rates.
    least, most : ndarray, shape (n,)
        Bounds of the spare capacities. They are the same number for a server without a flow, which
        has its least rate, and at a price of 0, where the server has its largest.
    """

    flow: Array
    k: Array
    delay: Array
    price: Array
    least: Array
    most: Array

    @classmethod
    def checked(cls, *given: npt.ArrayLike) -> Servers:
        """Return the servers of the arguments of `rates_at_split`; InputError on others."""
        names = ("flow", "k", "delay", "price", "low", "high")
        arrays = {name: as_floats(name, value) for name, value in zip(names, given, strict=True)}
        for name, array in arrays.items():
            good = fits(array)
            good &= (name != "k") | (array >= 0.5)
            remedy = f"give a number up to {LARGE:g}, 0 or more"
            good |= (name == "high") & (array == np.inf)
            raise_at_first(name, array, good, "is not in its range", remedy)
        n = arrays["flow"].size
        flow, k, delay, price, low, high = (as_server_array(k, v, n) for k, v in arrays.items())
        used, free = flow > 0, price > 0
        problem = "is not above the flow of its server, and not below its least rate"
        in_order = (high >= low) & ((high > flow) | ~used)
        raise_at_first("high", high, in_order, problem, "let the bounds not cross")
        bounded = free | ~used | np.isfinite(high)
        raise_at_first("price", price, bounded, "needs a largest rate", "give high, or a price")
        if not used.any():
            raise InputError("flow", flow.tolist(), "is 0 at all servers", "give some a flow")
        least, most = np.maximum(low - flow, 0.0), high - flow
        return cls(
            flow,
            k,
            delay,
            price,
            np.where(free | ~used, least, most),
            np.where(used, most, least),
        )

    @cached_property
    def used(self) -> npt.NDArray[np.bool_]:
        """Whether each server has a flow, shape (n,)."""
        return np.asarray(self.flow > 0)

    @cached_property
    def load(self) -> float:
        """Sum of the flows."""
        return float(self.flow.sum())

    @cached_property
    def root(self) -> Array:
        """Square root of flow over price, shape (n,): the spare capacity at q = 1 of M/M/1."""
        free = self.least < self.most
        return np.sqrt(self.flow / np.where(free, self.price, 1.0)) * free

    @cached_property
    def general(self) -> npt.NDArray[np.intp]:
        """Indices of the servers with a root to search, which are not M/M/1."""
        return np.flatnonzero((self.k != 1.0) & (self.least < self.most))

    def cost(self, spare: Array) -> float:
        """Return the money that the rates cost."""
        return float(np.sum(self.price * (self.flow + spare)))

    def total(self, spare: Array) -> float:
        """Return the sum of flow times latency; infinite without spare capacity."""
        used = True if self.used.all() else self.used
        x, s = self.flow, np.where(used, spare, 1.0)
        with np.errstate(divide="ignore"):
            return float(np.sum(x * (self.delay + (1.0 + self.k * x / s) / (x + s))))

    def at(self, q: float) -> Point:
        """Return the best rates at the price 1/q^2 of money."""
        spare, slope = q * self.root, self.root
        if self.general.size:
            own = self.general
            x, k = self.flow[own], self.k[own]
            t, by_g = _inverse(k, q / np.sqrt(x * self.price[own]))
            spare[own], slope = x * t, slope.copy()
            slope[own] *= by_g
        inside = (spare > self.least) & (spare < self.most)
        changes = float(np.sum(self.price * slope, where=inside))
        return Point(np.clip(spare, self.least, self.most), changes)

    def answer(
        self, spare: Array, money_price: float, lower: float, upper: float, more: float
    ) -> SizedRates:
        """Return the record of rates; `more` is the size of further terms of the bounds."""
        stable = np.where(self.used & (spare > 0), np.nextafter(self.flow, np.inf), 0.0)
        return SizedRates(
            np.maximum(self.flow + spare, stable),
            spare,
            self.total(spare),
            self.cost(spare),
            money_price,
            lower - SUMS * (abs(lower) + more),
            upper + SUMS * (upper + more),
        )


def _for_budget(servers: Servers, budget: float, opening: float) -> SizedRates:
    """Return the rates of least total delay within a budget."""
    money, least = budget - opening, servers.cost(servers.least)
    full = bool(np.any(servers.used & (servers.least <= 0)))
    check_budget(budget, money, least, opening, above=full)
    spare, z = _bought(servers, money, least)
    total, error = servers.total(spare), 2.0 * SUMS * budget
    if z * error <= NEAR * total:
        lower = total + z * (servers.cost(spare) - money)
        return servers.answer(spare, z, min(lower, total), total, 2.0 * z * budget)
    # next to the least budget: bounds for the amounts of money that rounding cannot tell from it
    more, w = _bought(servers, money + error, least)
    lower = servers.total(more) + w * (servers.cost(more) - money - error)
    upper = servers.total(_bought(servers, money - error, least)[0])
    return servers.answer(spare, z, min(lower, total), max(total, upper), 0.0)


def check_budget(budget: float, money: float, least: float, opening: float, *, above: bool) -> None:
    """Raise InputError where the money of a budget after openings does not pay the least rates.

    Parameters
    ----------
    budget, money : float
        The budget, and what openings leave of it.
    least : float
        Cost of the least rates.
    opening : float
        Money for openings.
    above : bool
        Whether the money has to be more than that.
    """
    if money < least or (above and money == least):
        problem = f"is not {'above' if above else 'at least'} the cost of the least rates"
        raise InputError("budget", budget, problem, enough(least + opening, above=above))


def _bought(servers: Servers, money: float, least: float) -> tuple[Array, float]:
    """Return the best spare capacities, which cost at least `least`, and the price of money."""
    if money >= servers.cost(servers.most):
        return servers.most, 0.0
    start = (money - least) / float(np.sum(servers.price * servers.root))
    if not start > 0:
        return servers.least, math.inf
    q = increasing_root(lambda q: _spent(servers, q), money, start)
    return servers.at(q).spare, 1.0 / q**2


def _for_delay(servers: Servers, mean_delay: float) -> SizedRates:
    """Return the rates of least cost within a mean delay."""
    target = mean_delay * servers.load
    best = servers.total(servers.most)
    endless = bool(np.any(np.isinf(servers.most)))
    if target < best or (endless and target <= best):
        problem = "is not above the limit at ever higher rates"
        problem = problem if endless else "is below that of the largest rates"
        remedy = enough(best / servers.load, above=endless)
        raise InputError("mean_delay", mean_delay, problem, remedy)
    if math.isinf(target) and np.any(servers.used & (servers.least <= 0)):
        problem = "leaves a server without spare capacity, whose least rate is its flow"
        raise InputError("mean_delay", mean_delay, problem, "give less, or a least rate")

    def at(y: float) -> tuple[Array, float, float]:
        point = servers.at(1.0 / y)
        return point.spare, point.slope, y * y

    size = float(np.sum(servers.price * servers.root))
    return within_target(servers, servers.total, at, size, target)


def within_target(
    servers: Servers,
    amount: Callable[[Array], float],
    at: Callable[[float], tuple[Array, float, float]],
    size: float,
    target: float,
    rounding: float = SUMS,
) -> SizedRates:
    """Return the rates of least cost at which an amount, such as the total delay, is in its target.

    Parameters
    ----------
    servers : Servers
        n servers.
    amount : callable
        The amount at spare capacities, in which it falls and is convex.
    at : callable
        From a number y above 0 to the spare capacities that cost least together with the amount at
        a price of money that rises with y, the derivative of the amount in y, and that price.
    size : float
        Size of that derivative, from which the search of y starts.
    target : float
        Largest amount.
    rounding : float
        Relative rounding error of the amount.
    """
    at_most = amount(servers.most)

    def amount_at(y: float) -> tuple[float, float]:
        spare, slope, _ = at(y)
        return amount(spare), slope

    def cheapest(target: float) -> tuple[Array, float]:
        """Return the cheapest spare capacities within a target, and the price of money.

        It is infinite where the least will do, and 0 where the largest are needed.
        """
        if target >= amount(servers.least):
            return servers.least, math.inf
        start = (target - at_most) / size
        if not start > 0:
            return servers.most, 0.0
        spare, _, z = at(increasing_root(amount_at, target, start))
        return spare, z

    spare, z = cheapest(target)
    cost, error = servers.cost(spare), 2.0 * rounding * target
    if math.isinf(z):
        return servers.answer(spare, z, cost, cost, 0.0)
    if error < NEAR * cost * z:
        lower = cost + (amount(spare) - target) / z
        return servers.answer(spare, z, min(lower, cost), cost, error / z / SUMS)
    # next to the least amount: bounds for the targets that rounding cannot tell from this one
    larger, w = cheapest(target + error)
    lower = servers.cost(servers.least)
    if w > 0:
        lower = max(lower, servers.cost(larger) + (amount(larger) - target - error) / w)
    upper = servers.cost(cheapest(target - error)[0])
    return servers.answer(spare, z, min(lower, cost), max(cost, upper), 0.0)


def _spent(servers: Servers, q: float) -> tuple[float, float]:
    """Return the money spent at q, and its slope."""
    point = servers.at(q)
    return servers.cost(point.spare), point.slope


def increasing_root(
    function: Callable[[float], tuple[float, float]], target: float, start: float
) -> float:
    """Return the number above 0 at which an increasing function has a value.

    Newton steps, and where one leaves the bracket, its middle on a scale of logarithms.

    Parameters
    ----------
    function : callable
        From a number to a value and its slope, which may be 0.
    target : float
        Value, within the range of the function.
    start : float
        Number above 0.
    """
    low, high, at = 0.0, math.inf, start
    for _ in range(STEPS):
        value, slope = function(at)
        if value == target:
            break
        low, high = (at, high) if value < target else (low, at)
        step = (target - value) / slope if slope > 0 else math.nan
        found = at + step
        if not low < found < high:
            if abs(step) <= 4 * EPS * at:
                break
            found = 16.0 * low if math.isinf(high) else math.sqrt(max(low, high / 256) * high)
        if not low < found < high or found == at:
            break
        at = found
    return at


def _inverse(k: Array, g: Array) -> tuple[Array, Array]:
    """Return t with F(t) = g, and its derivative in g, shape (n,); see the module.

    From t = sqrt(k) g Newton steps rise to the root for k < 1 and fall to it for k > 1, where F is
    concave and convex.
    """
    t = np.sqrt(k) * g
    for _ in range(SERVER_STEPS):
        square = t * t + 2.0 * k * t + k
        slope = (((t + 3.0 * k) * t + 3.0 * k) * t + k) / (square * np.sqrt(square))
        step = (t * (1.0 + t) / np.sqrt(square) - g) / slope
        t = t - step
        if np.all(np.abs(step) <= CLOSE * t):
            break
    return t, 1.0 / slope


def rates_for_delay(flow: Array, k: Array, time: Array) -> Array:
    """Return the rate at which the mean time at each server is a given time, shape (n,).

    The larger root of t mu^2 - (t x + 1) mu + (1 - k) x = 0 at the time t, without network delay.

    Parameters
    ----------
    flow : ndarray, shape (n,)
        Flow of each server.
    k : ndarray, shape (n,)
        Variability of each server.
    time : ndarray, shape (n,)
        Time above 0 in the queue and in service.
    """
    work = time * flow
    return np.asarray((work + 1.0 + np.sqrt((work - 1.0) ** 2 + 4.0 * k * work)) / (2.0 * time))
