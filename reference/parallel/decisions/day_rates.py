"""Rates of servers whose flows are given at each load of a day: one set of rates for all loads.

Load t of m holds for the part q_t of the time, with the flow x_ti at server i. The jobs at the
servers are, in the mean over time, D(mu) = sum_ti q_t x_ti l_i(x_ti), where

    l_i(x) = d_i + (1 - k_i)/mu_i + k_i/(mu_i - x),  k = (1 + cv^2)/2,

is the mean delay of Pollaczek and Khinchine with cv the same at every rate. D is convex in the
rates and a sum over the servers. So at a weight w of the delay the cost per unit of time,

    p.mu + w D(mu),

is least where sum_t q_t x_ti ((1 - k_i)/mu_i^2 + k_i/(mu_i - x_ti)^2) = p_i/w: one root a server,
clipped to the bounds of its rate. The left side is written psi(s) in the spare capacity s at the
peak; psi^(-1/2) is concave for k <= 1, so that Newton's method rises to the root without a step
beyond it. A budget B and a mean delay T over all jobs of the day are met at one weight, a second
root. Weak duality bounds the answer: for every w > 0, with the jobs per unit of time J,

    J T >= (min_mu (p.mu + w D) - B)/w  and  p.mu >= min_mu (p.mu + w D) - w T J.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...amounts import enough
from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import (
    as_float,
    as_floats,
    raise_at_first,
)
from .day_numbers import Costs, check_amount, check_sizes, durations
from .sizes import NEAR, check_budget, increasing_root

STEPS = 100  # largest number of steps of Newton's method; a bracket halves where it fails
TERMS = 16  # rounding errors of one term of a sum, in units of the last place
ROUNDED = TERMS * EPS


@dataclass(frozen=True, eq=False)
class DayRates:
    """One set of rates for m loads.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Rate of each server, jobs per unit of time.
    flow : ndarray, shape (m, n)
        Flow of each server at each load.
    latency : ndarray, shape (m, n)
        Mean latency of each server at each load.
    spending : float
        Money for the rates, per unit of time.
    mean_delay : float
        Mean delay over all jobs of the day.
    value : float
        The least quantity: a mean delay within a budget, else a cost per unit of time.
    lower_bound : float
        Lower bound of `value` by weak duality, rounding included.
    weight : float
        Delay cost, money for one job during one unit of time, at which the rates have the least
        cost; infinite where every rate is the largest, 0 where every rate is the least.
    nodes : int
        Number of boxes that a search has divided; 0 without a search.
    """

    rate: Array
    flow: Array
    latency: Array
    spending: float
    mean_delay: float
    value: float
    lower_bound: float
    weight: float
    nodes: int = 0


class GivenFlows:
    """Servers with given flows at each load of a day, as a function of their rates.

    Parameters
    ----------
    flow : ndarray, shape (m, n)
        Flows. The rate of a server has to be above the largest of them.
    duration : ndarray, shape (m,)
        Part of the time in which each load holds; sums to 1.
    costs : Costs
        Numbers of the servers.
    """

    def __init__(self, flow: Array, duration: Array, costs: Costs) -> None:
        self.flow, self.costs = flow, costs
        self.jobs = duration[:, None] * flow  # arrivals at each load, per unit of time
        self.peak = flow.max(axis=0)
        self.below_peak = self.peak - flow
        self.used = self.peak > 0
        self.least, self.most = np.maximum(costs.least, self.peak), costs.most

    def latency(self, rate: Array) -> Array:
        """Return the latency at each load, shape (m, n); 0 for a server without a flow."""
        rate = np.where(self.used, rate, 1.0)
        spare = (rate - self.peak) + self.below_peak
        with np.errstate(divide="ignore", invalid="ignore"):
            queue = np.where(self.flow > 0, self.costs.variability * self.flow / spare, 0.0)
        return np.where(self.used, self.costs.delay + (1.0 + queue) / rate, 0.0)

    def present(self, rate: Array) -> Array:
        """Return the mean number of jobs at each server or on their way, shape (n,)."""
        terms = np.multiply(self.jobs, self.latency(rate), where=self.jobs > 0, out=0 * self.jobs)
        return np.asarray(terms.sum(axis=0))

    def fall(self, rate: Array) -> Array:
        """Return the derivative of `present` in the rate, with the other sign, shape (n,)."""
        return self._fall(np.where(self.used, rate - self.peak, 1.0))[0]

    def _fall(self, spare: Array) -> tuple[Array, Array]:
        """Return psi, and its derivative, at a spare capacity at the peak, shape (n,) each."""
        k, inverse = self.costs.variability, 1.0 / (self.peak + spare)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = 1.0 / (self.below_peak + spare)
            ratio = each * each
            first = (self.jobs * (k * ratio + (1.0 - k) * inverse**2)).sum(axis=0)
            second = (self.jobs * (k * ratio * each + (1.0 - k) * inverse**3)).sum(axis=0)
        return first, -2.0 * second

    def rates(self, weight: float) -> Array:
        """Return the rates of least cost at a weight of the delay, shape (n,)."""
        price, most = self.costs.price, self.most
        bought = self.used & (price > 0)
        target = weight / np.where(bought, price, 1.0)
        low, high = (np.where(bought, end, 1.0) for end in self._bracket(target))
        spare, goal = low, np.sqrt(target)
        for _ in range(STEPS):
            psi, slope = self._fall(spare)
            psi, slope = np.where(bought, psi, 1.0), np.where(bought, slope, -1.0)
            root = 1.0 / np.sqrt(psi)
            short = root < goal
            low, high = np.where(short, spare, low), np.where(short, high, spare)
            new = spare + (goal - root) * 2.0 * psi / (-slope * root)
            new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
            close = np.abs(new - spare) <= 2.0 * EPS * spare
            spare = new
            if np.all(close | ~bought):
                break
        stable = np.nextafter(self.peak, math.inf)
        free = np.clip(self.peak + spare, np.maximum(self.least, stable), most)
        return np.where(self.used, np.where(price > 0, free, most), self.costs.least)

    def _bracket(self, target: Array) -> tuple[Array, Array]:
        """Return bounds of the spare capacity at the peak where psi is 1/target, shape (n,)."""
        k = self.costs.variability
        at_peak = np.where(self.below_peak == 0, self.jobs, 0.0).sum(axis=0)
        low = np.sqrt(np.minimum(k, 1.0) * at_peak * target)
        return low, np.sqrt(np.maximum(k, 1.0) * self.jobs.sum(axis=0) * target)

    def slopes(self, weight: float, rate: Array) -> tuple[float, float]:
        """Return the derivatives of `spending` and of the jobs present in the weight.

        They are those at the `rates` of the weight, with the servers at their bounds fixed.
        """
        price, inside = self.costs.price, self.used & (rate > self.least) & (rate < self.most)
        psi, fall = self._fall(np.where(inside, rate - self.peak, 1.0))
        change = np.divide(psi, -weight * fall, out=np.zeros(rate.size), where=inside & (price > 0))
        return float(price @ change), -float(psi @ change)

    @cached_property
    def size(self) -> float:
        """Sum of sqrt(price jobs): the money for the spare capacity of M/M/1 at the weight 1."""
        return float(np.sqrt(self.costs.price * self.jobs.sum(axis=0)).sum())

    def spending(self, rate: Array) -> float:
        """Return the money for the rates."""
        return math.fsum((self.costs.price * rate).tolist())

    def least_cost(self, weight: float, rate: Array) -> tuple[float, float]:
        """Return a lower bound of the least of p.mu + w D, and the error of its rounding.

        By convexity the cost of a server is at most its derivative, times the distance to the
        minimiser, below the cost at `rate`; the minimiser is within a known bracket.
        """
        price, used = self.costs.price, self.used
        slope = np.where(used, price - weight * self.fall(rate), 0.0)
        ends = self._bracket(weight / np.where(price > 0, price, 1.0))
        low, high = (np.clip(self.peak + end, self.least, self.most) for end in ends)
        high = np.where(price > 0, high, self.most)
        distance = np.where(slope > 0, rate - low, high - rate)
        distance = np.where(np.isfinite(distance), np.maximum(distance, 0.0), 0.0)
        terms = [*(price * rate).tolist(), *(weight * self.present(rate)).tolist()]
        lost = math.fsum((np.abs(slope) * distance).tolist())
        total = math.fsum(terms)
        return total - lost, TERMS * EPS * total


def rates_for_flows(
    flow: npt.ArrayLike,
    duration: npt.ArrayLike | None,
    variability: npt.ArrayLike,
    delay: npt.ArrayLike,
    rate_price: npt.ArrayLike,
    *,
    delay_cost: float | None = None,
    budget: float | None = None,
    mean_delay: float | None = None,
    min_rate: npt.ArrayLike = 0.0,
    max_rate: npt.ArrayLike = math.inf,
    opening: float = 0.0,
) -> DayRates:
    """Return the best rates of M/G/1 servers for given flows at the loads of a day.

    Parameters
    ----------
    flow : array_like, shape (m, n)
        Flow of each server at each load, jobs per unit of time.
    duration : array_like, shape (m,), or None
        Part of the time in which each load holds, above 0, summing to 1; None for equal parts.
    variability : array_like, shape (n,) or ()
        k = (1 + cv^2)/2 of the service times, which do not change with the rate.
    delay : array_like, shape (n,) or ()
        Network delays.
    rate_price : array_like, shape (n,) or ()
        Money for a unit of rate, per unit of time. At a price of 0 a server needs a `max_rate`.
    delay_cost : float, optional
        Money for one job during one unit of time: the cost ``rate_price @ rate + delay_cost *
        (jobs at the servers)`` is least.
    budget : float, optional
        Largest money for the rates: the mean delay over all jobs of the day is least.
    mean_delay : float, optional
        Largest mean delay over all jobs of the day: the money for the rates is least.
    min_rate, max_rate : array_like, shape (n,) or ()
        Bounds of the rates. The largest has to be above the flow at every load.
    opening : float, default 0
        Money that the budget pays besides the rates.

    Returns
    -------
    DayRates

    Raises
    ------
    InputError
        Unless exactly one of `delay_cost`, `budget` and `mean_delay` is given; on a budget or mean
        delay that no rates meet: the error names the least; on numbers that do not fit.

    Examples
    --------
    >>> night, day = [6.0, 4.0, 10.0], [40.5, 27.0, 67.5]
    >>> found = rates_for_flows([night, day], None, 1.0, 0.01, [1.0, 1.0, 0.5], delay_cost=20.0)
    >>> found.rate.round(3), round(found.value, 6)
    (array([ 60.829,  43.645, 104.659]), 229.771737)
    """
    flows = as_floats("flow", flow)
    if flows.ndim != 2 or not flows.size:
        problem = "is not a row of flows for each load"
        raise InputError("flow", flows.tolist(), problem, "give shape (loads, servers)")
    check_sizes("flow", flows)
    if not flows.any():
        raise InputError("flow", flows.tolist(), "has no jobs", "give flows above 0")
    costs = Costs.checked(flows.shape[1], variability, delay, rate_price, min_rate, max_rate)
    servers = GivenFlows(flows, durations(duration, len(flows)), costs)
    problem = "is not above the largest flow of the server"
    good = ~servers.used | (costs.most > servers.peak)
    raise_at_first("max_rate", costs.most, good, problem, "give a larger rate")
    given = {"delay_cost": delay_cost, "budget": budget, "mean_delay": mean_delay}
    chosen = {field: value for field, value in given.items() if value is not None}
    if len(chosen) != 1:
        remedy = f"give one of {', '.join(given)}"
        raise InputError("minimise", list(chosen), "does not name one quantity", remedy)
    ((field, value),) = chosen.items()
    number = check_amount(field, value, endless=field == "mean_delay")
    check_sizes("opening", np.array(as_float("opening", opening)))
    if field == "budget":
        return _within_budget(servers, number, opening)
    return _within_delay(servers, number) if field == "mean_delay" else _at_cost(servers, number)


def _at_cost(servers: GivenFlows, weight: float) -> DayRates:
    """Return the rates of least cost at a delay cost."""
    rate = servers.rates(weight)
    lower, error = servers.least_cost(weight, rate)
    value = servers.spending(rate) + weight * math.fsum(servers.present(rate).tolist())
    return day_answer(servers, rate, weight, value, lower - error)


def _within_budget(servers: GivenFlows, budget: float, opening: float) -> DayRates:
    """Return the rates of least mean delay within a budget."""
    money = budget - opening
    arrivals = math.fsum(servers.jobs.ravel().tolist())
    ends = _ends(servers)
    needed, largest = (servers.spending(rate) for rate in ends)
    full = bool(np.any(servers.used & (ends[0] <= servers.peak)))
    check_budget(budget, money, needed, opening, above=full)

    def spent(q: float) -> tuple[float, float]:
        """Return the money spent at the weight q^2, and its slope."""
        rate = servers.rates(q * q)
        return servers.spending(rate), 2.0 * q * servers.slopes(q * q, rate)[0]

    def bought(money: float) -> tuple[Array, float, float]:
        """Return the best rates for some money, their weight, and a bound of the least jobs."""
        if money >= largest:
            return ends[1], math.inf, math.fsum(servers.present(ends[1]).tolist()) * (1 - ROUNDED)
        start = (money - needed) / servers.size
        if not start > 0:
            return ends[0], 0.0, 0.0
        q = increasing_root(spent, money, start)
        weight = q * q
        rate = servers.rates(weight)
        lower, error = servers.least_cost(weight, rate)
        return rate, weight, (lower - budget + opening - error - 2 * EPS * budget) / weight

    rate, weight, lower = bought(money)
    present = math.fsum(servers.present(rate).tolist())
    if not lower >= present * (1 - NEAR):  # the bound of more money loses less to rounding
        lower = max(lower, bought(money + 2 * ROUNDED * budget)[2])
    return day_answer(servers, rate, weight, present / arrivals, lower / arrivals)


def _within_delay(servers: GivenFlows, time: float) -> DayRates:
    """Return the rates of least money within a mean delay."""
    arrivals = math.fsum(servers.jobs.ravel().tolist())
    ends = _ends(servers)
    slowest, fastest = (
        math.fsum(servers.present(np.where(servers.used, rate, 1.0)).tolist()) / arrivals
        for rate in ends
    )
    endless = bool(np.any(servers.used & np.isinf(ends[1])))
    if time < fastest or (endless and time == fastest):
        problem = f"is {'not above' if endless else 'below'} that of the largest rates"
        raise InputError("mean_delay", time, problem, enough(fastest, above=endless))
    if time >= slowest:
        value = servers.spending(ends[0])
        return day_answer(servers, ends[0], 0.0, value, value * (1 - ROUNDED))
    jobs, cheapest = time * arrivals, servers.spending(ends[0]) * (1 - ROUNDED)

    def waiting(y: float) -> tuple[float, float]:
        """Return the jobs at the servers at the weight 1/y^2, and their slope."""
        rate = servers.rates(1.0 / (y * y))
        slope = servers.slopes(1.0 / (y * y), rate)[1]
        return math.fsum(servers.present(rate).tolist()), -2.0 * slope / y**3

    def hastened(jobs: float) -> tuple[Array, float, float]:
        """Return the cheapest rates for some jobs present, their weight, and a bound of money."""
        start = (jobs - fastest * arrivals) / servers.size
        if not start > 0 or jobs >= slowest * arrivals:
            return (ends[0], 0.0, cheapest) if start > 0 else (ends[1], math.inf, cheapest)
        y = increasing_root(waiting, jobs, start)
        weight = 1.0 / (y * y)
        rate = servers.rates(weight)
        lower, error = servers.least_cost(weight, rate)
        return rate, weight, lower - error - weight * time * arrivals * (1 + 2 * EPS)

    rate, weight, lower = hastened(jobs)
    value = servers.spending(rate)
    if not lower >= value * (1 - NEAR):  # the bound of more jobs loses less to rounding
        lower = max(lower, cheapest, hastened(jobs * (1 + 2 * ROUNDED))[2])
    return day_answer(servers, rate, weight, value, lower)


def _ends(servers: GivenFlows) -> tuple[Array, Array]:
    """Return the least and the largest rates, shape (n,) each.

    A server without a price has its largest rate, and one without a flow its least.
    """
    costs, used = servers.costs, servers.used
    free = used & (costs.price == 0)
    least = np.where(free, servers.most, np.where(used, servers.least, costs.least))
    return least, np.where(used, servers.most, costs.least)


def day_answer(
    servers: GivenFlows, rate: Array, weight: float, value: float, lower: float
) -> DayRates:
    """Return rates with their numbers."""
    arrivals = math.fsum(servers.jobs.ravel().tolist())
    delay = math.fsum(servers.present(rate).tolist()) / arrivals
    latency, spending = servers.latency(rate), servers.spending(rate)
    lower = min(lower, value)
    return DayRates(rate, servers.flow, latency, spending, delay, value, lower, weight)
