"""The cost of a day as a function of the rates, and its relaxation in a box of rates.

`sojourn.reference.parallel.decisions.day_sizes` has the formulas.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array
from ...pollaczek_khinchine import PollaczekKhinchine
from ..optimum_equilibrium import optimum
from .day_numbers import Costs
from .day_rates import TERMS

STABLE = 1 + 1e-13  # least total rate, relative to the largest load
PART = 1e-12  # part of a server below which it carries no flow


class Servers(PollaczekKhinchine):
    """Servers of which only a part is there: l(x) = d + (1 - k)/mu + k part/(part mu - x)."""

    def __init__(self, rate: Array, variability: Array, delay: Array, part: Array) -> None:
        self.rate, self.delay, self.work = rate * part, delay, part
        self._k = variability * part

    @property
    def k(self) -> Array:
        """Weight k of the latency, shape (n,)."""
        return self._k


class Response(NamedTuple):
    """Servers at prices c of a job, shape (m, n) each.

    Attributes
    ----------
    gain : ndarray
        G, the largest of c x - x l(x).
    flow, flow_slope : ndarray
        The flow x of that gain, and its derivative in c.
    flow_by_rate : ndarray
        Derivative of the flow in the rate.
    gain_by_rate, gain_bend : ndarray
        First and second derivative of the gain in the rate.
    """

    gain: Array
    flow: Array
    flow_slope: Array
    flow_by_rate: Array
    gain_by_rate: Array
    gain_bend: Array


class Evaluated(NamedTuple):
    """The cost, or its relaxation in a box, at a point.

    Attributes
    ----------
    value : float
    gradient : ndarray, shape (n,)
    hessian : ndarray, shape (n, n)
    price : ndarray, shape (m,)
        Price of a job at each load.
    bound : float
        Lower bound of the cost in the box.
    """

    value: float
    gradient: Array
    hessian: Array
    price: Array
    bound: float = -math.inf


NOWHERE = Evaluated(math.inf, np.zeros(0), np.zeros((0, 0)), np.zeros(0))


class Day:
    """The cost of a day as a function of the rates.

    Parameters
    ----------
    load : ndarray, shape (m,)
        Loads above 0.
    weight : ndarray, shape (m,)
        Delay cost times the part of the time of each load.
    costs : Costs
        Numbers of n servers.
    opening : ndarray, shape (n,)
        Money for a server with a rate above 0.
    """

    def __init__(self, load: Array, weight: Array, costs: Costs, opening: Array) -> None:
        self.load, self.weight, self.costs, self.opening = load, weight, costs, opening
        self.peak = float(load.max())

    def money(self, rate: Array) -> Array:
        """Return the money for the rate and opening of each server, shape (n,).

        A server with the rate 0 has its least rate and no jobs.
        """
        price, least = self.costs.price, self.costs.least
        return np.where(rate > 0, price * rate + self.opening, price * least)

    def respond(self, price: Array, rate: Array) -> Response:
        """Return the servers of given rates at a price of a job for each load."""
        k, above = self.costs.variability, price[:, None] - self.costs.delay
        excess = rate * above - 1.0
        used = excess > 0
        excess = np.where(used, excess, 0.0)
        root, least = np.sqrt(excess + k), np.sqrt(k)
        spare = least / root  # spare capacity, relative to the rate
        busy, bend = excess / (root * (root + least)), 0.5 * spare / (excess + k)
        found = (
            (excess / (root + least)) ** 2,
            rate * busy,
            rate * rate * bend,
            busy + rate * above * bend,
            above * busy,
            above * above * bend,
        )
        return Response(*(np.where(used, number, 0.0) for number in found))

    def servers(
        self, rate: Array, there: npt.NDArray[np.bool_], part: Array | None = None
    ) -> Servers:
        """Return some of the servers, or of several sets of them, with a part of each."""
        k, delay = (np.resize(a, rate.size)[there] for a in self.costs[:2])
        return Servers(rate[there], k, delay, np.ones(k.size) if part is None else part[there])

    def split(self, rate: Array, part: Array) -> tuple[float, Array]:
        """Return the weighted jobs at the best splits, and the price of a job at each load."""
        there = (part > PART) & (rate > 0)
        if not float((rate * part)[there].sum()) > self.peak * STABLE:
            return math.inf, np.zeros(0)
        found = optimum(self.servers(rate, there, part), self.load)
        jobs = math.fsum((self.weight * self.load * found.mean_delay).tolist())
        return jobs, found.multiplier

    def cost(self, rate: Array) -> Evaluated:
        """Return the cost at given rates, with its derivatives in them."""
        jobs, price = self.split(rate, np.ones(rate.size))
        if not math.isfinite(jobs):
            return NOWHERE
        at, weight = self.respond(price, rate), self.weight
        value = math.fsum(self.money(rate).tolist()) + jobs
        gradient = self.costs.price - weight @ at.gain_by_rate
        by_rate = at.flow_by_rate * _root(weight, at.flow_slope.sum(axis=1))[:, None]
        hessian = by_rate.T @ by_rate - np.diag(weight @ at.gain_bend)
        return Evaluated(value, gradient, hessian, price)

    def relaxed(self, low: Array, high: Array, part: Array) -> Evaluated:
        """Return the relaxation of the cost in a box, with its derivatives in the parts.

        Parameters
        ----------
        low, high : ndarray, shape (n,)
            Ends of the rates.
        part : ndarray, shape (n,)
            Part of each server at its upper end.
        """
        weight = self.weight
        ends, parts = np.concatenate([low, high]), np.concatenate([1.0 - part, part])
        jobs, price = self.split(ends, parts)
        if not math.isfinite(jobs):
            return NOWHERE
        at = [self.respond(price, rate) for rate in (low, high)]
        money, gain = [self.money(rate) for rate in (low, high)], [weight @ a.gain for a in at]
        of = [m - g for m, g in zip(money, gain, strict=True)]
        jobs_price = weight * price * self.load
        size = [*jobs_price.tolist(), *np.concatenate([*money, *gain]).tolist()]
        bound = math.fsum([*jobs_price.tolist(), *np.minimum(*of).tolist()])
        bound -= TERMS * EPS * math.fsum(size)
        value = math.fsum(((1.0 - part) * money[0] + part * money[1]).tolist()) + jobs
        slope = ((1.0 - part) * at[0].flow_slope + part * at[1].flow_slope).sum(axis=1)
        change = (at[1].flow - at[0].flow) * _root(weight, slope)[:, None]
        return Evaluated(value, of[1] - of[0], change.T @ change, price, bound)

    def shortfall(self, low: Array, high: Array, part: Array, price: Array) -> Array:
        """Return how much each server at its mean rate costs above its mixture, shape (n,)."""
        terms = [
            self.money(rate) - self.weight @ self.respond(price, rate).gain
            for rate in (low, low + part * (high - low), high)
        ]
        return np.maximum(terms[1] - (1.0 - part) * terms[0] - part * terms[2], 0.0)


def _root(weight: Array, slope: Array) -> Array:
    """Return the square root of weights over slopes; 0 where a slope is lost in rounding."""
    return np.sqrt(np.divide(weight, slope, out=0.0 * slope, where=slope > 0))
