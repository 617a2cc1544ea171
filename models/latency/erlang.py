"""Erlang's formulas for M/M/c in closed form, to rounding error from one server to a million.

Unit of load: servers; unit of time: mean service time. At the offered load a = x/mu the spare
capacity is d = c - a and the mean wait w = C/d. With Erlang's loss probability B = pmf(c)/cdf(c)
of a Poisson variable of mean a, dB/da = B D/a where D = d + a B, the probability to wait is
C = c B/D, and

    C'/C = d/a + q,   C''/C = (d^2 - c)/a^2 + (2 d q - B)/a + q (2 q - B),   q = (1 - B)/D.

pmf(c) is computed in Loader's saddle-point form (2000), whose exponent is accurate next to a = c.
At a million servers B is right to 1e-12. The time of a job, 1 + w, is right to two rounding errors
at any number of servers: where the wait matters, C = 1/(a/c + d/(c B)) hardly depends on B.

A *price* is w + weight a w': the latency has weight 0, the marginal delay weight 1, the cost of one
of K equal players weight 1/K.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...reference.compensated_sum import TINY
from ...reference.errors import Array
from ...reference.pollaczek_khinchine import log_excess
from ...reference.tails import LateJobs

STIRLING = 30.0  # number of servers from which Stirling's series replaces the gamma function
MIN_PRICE = 1e-300  # smaller positive prices count as this one, against underflow
MAX_PRICE = 1e290  # larger prices count as this one, against overflow
SMALLEST_LOAD = 1e-100  # offered load below which ratios to it are those at this load
MAX_STEPS = 200  # of Newton's method: a dozen are usual, more where bisection steps are needed
LAST_STEP = 1e-6  # relative step after which one more step reaches rounding error


def log_full_probability(servers: Array) -> Array:
    """Return log P(N = c) of a Poisson variable N of mean c, log(c^c exp(-c)/c!), shape (n,)."""
    from scipy.special import gamma  # imported here: it would slow down the import of the package

    few = np.minimum(servers, STIRLING)
    exact = few**few * np.exp(-few) / gamma(few + 1.0)
    square = 1.0 / servers**2
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / servers
    stirling = np.exp(-series) / np.sqrt(2.0 * np.pi * servers)
    return np.asarray(np.log(np.where(servers <= STIRLING, exact, stirling)))


@dataclass(frozen=True, eq=False)
class Stations:
    """M/M/c stations at given offered loads.

    Parameters
    ----------
    servers : ndarray, shape (n,)
        Number of servers c.
    log_full : ndarray, shape (n,)
        `log_full_probability` of c.
    load : ndarray, shape (..., n)
        Offered load a >= 0.
    spare_capacity : ndarray, shape (..., n)
        d = c - a > 0, given beside the load so that both are accurate.
    """

    servers: Array
    log_full: Array
    load: Array
    spare_capacity: Array

    @cached_property
    def tail(self) -> Array:
        """Probability that a Poisson variable of mean a exceeds c, at most 1/2, shape (..., n)."""
        from scipy.special import pdtrc

        return np.asarray(pdtrc(self.servers, self.load))

    @cached_property
    def log_loss(self) -> Array:
        """Logarithm of B, accurate where B underflows, shape (..., n)."""
        used = np.maximum(self.load / self.servers, TINY)
        exponent = log_excess(self.spare_capacity / self.servers, used)
        return np.asarray(self.log_full - self.servers * exponent - np.log1p(-self.tail))

    @cached_property
    def loss(self) -> Array:
        """Erlang's loss probability B, shape (..., n)."""
        return np.asarray(np.exp(self.log_loss))

    @cached_property
    def denominator(self) -> Array:
        """D = d + a B, shape (..., n)."""
        return np.asarray(self.spare_capacity + self.load * self.loss)

    @property
    def wait(self) -> Array:
        """Mean wait w = C/d in service times, shape (..., n)."""
        return np.asarray(self.servers * self.loss / self.denominator / self.spare_capacity)

    @cached_property
    def log_wait(self) -> Array:
        """Logarithm of the mean wait, shape (..., n)."""
        per_loss = self.servers / self.denominator / self.spare_capacity
        return np.asarray(np.log(per_loss) + self.log_loss)

    @cached_property
    def wait_chance(self) -> LateJobs:
        """Probability C to wait, and its derivatives in the load, each of shape (..., n)."""
        a, d, c, loss = self.load, self.spare_capacity, self.servers, self.loss
        chance = c * loss / self.denominator
        ratio = np.maximum(a, SMALLEST_LOAD)
        q = (1.0 - loss) / self.denominator
        first = d / ratio + q
        second = (d * d - c) / ratio / ratio + (2.0 * d * q - loss) / ratio + q * (2.0 * q - loss)
        # one server: C is a; two: C'' is 1 at no load, where the quotient is 0/0
        one = c == 1
        return LateJobs(
            chance, np.where(one, 1.0, chance * first), np.where(one, 0.0, chance * second)
        )

    @property
    def log_states(self) -> Array:
        """Logarithm of Z = 1/P(station empty), shape (..., n).

        It is the integral of 1 + w from 0 to a, because a Z'/Z = a (1 + w).
        """
        waiting = np.log1p(self.load * self.loss / self.spare_capacity)
        return np.asarray(self.load + np.log1p(-self.tail) + waiting)

    @cached_property
    def relative_derivatives(self) -> tuple[Array, Array]:
        """Derivatives of the wait, w' a d/w and w'' (a d)^2/w, each of shape (..., n).

        With these factors they are finite at no load and next to saturation.
        """
        a, d, c, loss = self.load, self.spare_capacity, self.servers, self.loss
        aq = a * (1.0 - loss) / self.denominator
        second = d * d - c + aq * (2.0 * (d + aq)) - loss * (a + a * aq)
        return d * (d + aq) + a, d * d * second + 2.0 * a * d * (d + aq) + 2.0 * a * a

    def price(self, weight: float) -> Array:
        """Return w + weight a w', shape (..., n)."""
        return np.asarray(
            self.wait * (1.0 + weight * self.relative_derivatives[0] / self.spare_capacity)
        )

    def log_price(self, weight: float) -> Array:
        """Return the logarithm of the price, shape (..., n)."""
        return self.log_wait + np.log1p(weight * self.relative_derivatives[0] / self.spare_capacity)

    def price_slope(self, weight: float) -> Array:
        """Return the derivative of the price in the load, shape (..., n).

        For one server it is 1 + weight at no load.
        """
        first, second = self.relative_derivatives
        spare = self.spare_capacity
        at_no_load = np.where(self.servers == 1, 1.0, 0.0) + 0.0 * self.load
        loss_per_load = np.divide(self.loss, self.load, out=at_no_load, where=self.load > 0)
        chance_per_load = self.servers * loss_per_load / self.denominator
        with np.errstate(over="ignore"):  # the slope is infinite where it exceeds the largest float
            relative = ((1.0 + weight) * first * spare + weight * second) / spare / spare
            slope: Array = chance_per_load / spare * relative
        return slope

    def elasticity(self, weight: float) -> Array:
        """Return the derivative of log(price) in log(a/d), shape (..., n).

        It is c at no load and tends to 1 + weight next to saturation.
        """
        first, second = self.relative_derivatives
        rise = (1.0 + weight) * first * self.spare_capacity + weight * second
        return np.asarray(rise / (self.spare_capacity + weight * first) / self.servers)


class Root(NamedTuple):
    """Operating point at a price, in servers and service times.

    Attributes
    ----------
    load : ndarray, shape (..., n)
        Offered load a.
    spare_capacity : ndarray, shape (..., n)
        d = c - a.
    slope : ndarray, shape (..., n)
        Derivative of the price in the load.
    """

    load: Array
    spare_capacity: Array
    slope: Array


def at_price(price: Array, servers: Array, log_full: Array, weight: float) -> Root:
    """Return the operating point where w + weight a w' equals `price`, shape (..., n).

    Newton's method on log(price) as a function of log(r), r = a/d, which is nearly straight at both
    ends; d = c/(1 + r) and a = r d are then accurate at both. It starts where one server of c times
    the speed has the price. A step out of the bracket is replaced by a bisection step.
    """

    def stations(ratio: Array) -> Stations:
        spare_capacity = servers / (1.0 + ratio)
        return Stations(servers, log_full, ratio * spare_capacity, spare_capacity)

    target = np.clip(price, MIN_PRICE, MAX_PRICE)
    log_target = np.log(target)
    scaled = servers * target
    root = np.sqrt((1.0 + weight) ** 2 + 4.0 * weight * scaled)
    log_ratio = np.log(2.0 * scaled / (1.0 + weight + root))
    low, high = np.full(log_ratio.shape, -np.inf), np.full(log_ratio.shape, np.inf)
    for _ in range(MAX_STEPS):
        point = stations(np.exp(log_ratio))
        missing = log_target - point.log_price(weight)
        low = np.where(missing >= 0, log_ratio, low)
        high = np.where(missing <= 0, log_ratio, high)
        new = log_ratio + missing / point.elasticity(weight)
        new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
        step, log_ratio = np.abs(new - log_ratio), new
        if not np.any(step > LAST_STEP):
            break
    # Far from 0 the logarithm has too few digits of the ratio. The price itself has all digits
    # where it does not underflow: one more step uses its relative residual.
    point = stations(np.exp(log_ratio))
    reached = point.price(weight)
    residual = (target - reached) / np.maximum(reached, TINY)
    correction = np.where(reached > TINY / LAST_STEP, np.log1p(residual), 0.0)
    ratio = np.exp(log_ratio) * np.exp(correction / point.elasticity(weight))
    point = stations(np.where(price > 0, ratio, 0.0))
    return Root(point.load, point.spare_capacity, point.price_slope(weight))
