"""Erlang's formulas for M/M/c in closed form, right to rounding error from one server to a million.

All is counted in servers and their service times: a load a = x/mu, the spare capacity d = c - a, the wait w = C/d. With Erlang's loss
B = pmf(c)/cdf(c) of a Poisson variable of mean a, dB/da = B D/a where D = d + a B, and the chance to wait is C = c B/D, so that

    C'/C = d/a + q,    C''/C = (d^2 - c)/a^2 + (2 d q - B)/a + q (2 q - B),    q = (1 - B)/D.

pmf(c) is Loader's saddle-point form (2000), whose exponent keeps its digits next to a = c. At a million servers B is right to 1e-12.
The time of a job, 1 + w, is right to two rounding errors at any number of servers: where the wait counts, C = 1/(a/c + d/(c B)) hardly
depends on B.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...reference.compensated_sum import TINY
from ...reference.errors import Array
from ...reference.mg1 import log_excess

STIRLING = 30.0  # servers from which the next term of Stirling's series is below rounding error
LEAST, LARGEST = 1e-300, 1e290  # prices between which loads and spare capacities are told apart
STEPS = (
    200  # of a root: a dozen are usual, and more only where Newton's method is helped by halving
)
CLOSE = 1e-6  # relative step after which one more is at rounding error


def log_chance_of_all(servers: Array) -> Array:
    """Logarithm of the Poisson chance of c at a mean of c, c^c exp(-c)/c!, shape (n,)."""
    from scipy.special import gamma  # the import of the package does not wait for it

    few = np.minimum(servers, STIRLING)
    square = 1.0 / servers**2
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / servers
    many = np.exp(-series) / np.sqrt(2.0 * np.pi * servers)
    return np.asarray(
        np.log(np.where(servers <= STIRLING, few**few * np.exp(-few) / gamma(few + 1.0), many))
    )


@dataclass(frozen=True, eq=False)
class Stations:
    """M/M/c stations at a load.

    Parameters
    ----------
    servers : ndarray, shape (n,)
        c.
    log_all : ndarray, shape (n,)
        `log_chance_of_all` of c.
    load, spare : ndarray, shape (..., n)
        a >= 0 and d = c - a > 0, each as exactly as it is known.
    """

    servers: Array
    log_all: Array
    load: Array
    spare_capacity: Array

    @cached_property
    def beyond(self) -> Array:
        """Poisson chance of more than c at a mean of a; at most 1/2."""
        from scipy.special import pdtrc

        return np.asarray(pdtrc(self.servers, self.load))

    @cached_property
    def log_loss(self) -> Array:
        """Logarithm of B, which has digits where B is too small for a float."""
        exponent = log_excess(
            self.spare_capacity / self.servers, np.maximum(self.load / self.servers, TINY)
        )
        return np.asarray(self.log_all - self.servers * exponent - np.log1p(-self.beyond))

    @cached_property
    def loss(self) -> Array:
        """B."""
        return np.asarray(np.exp(self.log_loss))

    @cached_property
    def mixed(self) -> Array:
        """D."""
        return np.asarray(self.spare_capacity + self.load * self.loss)

    @property
    def wait(self) -> Array:
        """Mean wait w = C/d."""
        return np.asarray(self.servers * self.loss / self.mixed / self.spare_capacity)

    @cached_property
    def log_wait(self) -> Array:
        """Logarithm of the wait."""
        return np.asarray(np.log(self.servers / self.mixed / self.spare_capacity) + self.log_loss)

    @property
    def log_states(self) -> Array:
        """Logarithm of Z, the inverse of the chance that a station is empty: the integral of 1 + w from 0 to a, as a Z'/Z = a (1 + w)."""
        return np.asarray(
            self.load
            + np.log1p(-self.beyond)
            + np.log1p(self.load * self.loss / self.spare_capacity)
        )

    @cached_property
    def rises(self) -> tuple[Array, Array]:
        """First and second derivative of the wait, times a d/w and (a d)^2/w: finite at no load and next to saturation."""
        a, d, c, loss = self.load, self.spare_capacity, self.servers, self.loss
        part = a * (1.0 - loss) / self.mixed
        second = d * d - c + part * (2.0 * (d + part)) - loss * (a + a * part)
        return d * (d + part) + a, d * d * second + 2.0 * a * d * (d + part) + 2.0 * a * a

    def price(self, own: float) -> Array:
        """Wait of a job, and a part of what it adds to those of others: w + own a w'."""
        return np.asarray(self.wait * (1.0 + own * self.rises[0] / self.spare_capacity))

    def log_price(self, own: float) -> Array:
        """Logarithm of the price."""
        return self.log_wait + np.log1p(own * self.rises[0] / self.spare_capacity)

    def price_slope(self, own: float) -> Array:
        """Derivative of the price in the load; in that of one server it is 1 + own at no load."""
        once, twice = self.rises
        per_load = np.divide(
            self.loss,
            self.load,
            out=np.where(self.servers == 1, 1.0, 0.0) + 0.0 * self.load,
            where=self.load > 0,
        )
        chance = self.servers * per_load / self.mixed
        with np.errstate(over="ignore"):  # it is infinite where it is too steep for a float
            out: Array = (
                chance
                / self.spare_capacity
                * (
                    ((1.0 + own) * once * self.spare_capacity + own * twice)
                    / self.spare_capacity
                    / self.spare_capacity
                )
            )
        return out

    def elasticity(self, own: float) -> Array:
        """Derivative of the logarithm of the price in that of load over spare capacity: from c at no load to 1 + own next to saturation."""
        once, twice = self.rises
        return np.asarray(
            ((1.0 + own) * once * self.spare_capacity + own * twice)
            / (self.spare_capacity + own * once)
            / self.servers
        )


class Root(NamedTuple):
    """Load, spare capacity, and the slope of the price there; shapes (..., n)."""

    load: Array
    spare_capacity: Array
    slope: Array


def at_price(price: Array, servers: Array, log_all: Array, own: float) -> Root:
    """Return where the price w + own a w' is as given, shape (..., n).

    Newton's method on its logarithm, in that of r = a/d, where it is all but straight at either end; d = c/(1 + r) and a = r d keep
    their digits. It starts where one server of c times the speed has the price; the middle of the bracket replaces steps out of it.
    """

    def stations(ratio: Array) -> Stations:
        spare_capacity = servers / (1.0 + ratio)
        return Stations(servers, log_all, ratio * spare_capacity, spare_capacity)

    tolerance = np.clip(price, LEAST, LARGEST)
    target = np.log(tolerance)
    used = servers * tolerance
    ratio = 2.0 * used / (1.0 + own + np.sqrt((1.0 + own) ** 2 + 4.0 * own * used))
    log, low, high = np.log(ratio), np.full(ratio.shape, -np.inf), np.full(ratio.shape, np.inf)
    for _ in range(STEPS):
        here = stations(np.exp(log))
        short = target - here.log_price(own)
        low, high = np.where(short >= 0, log, low), np.where(short <= 0, log, high)
        new = log + short / here.elasticity(own)
        outside = (new < low) | (new > high)
        new = np.where(outside, 0.5 * (low + high), new)
        step, log = np.abs(new - log), new
        if not np.any(step > CLOSE):
            break
    here = stations(np.exp(log))
    # a logarithm far from 0 keeps too few digits of the ratio; the price itself, where it is no underflow, has them all
    now = here.price(own)
    rest = np.where(now > TINY / CLOSE, np.log1p((tolerance - now) / np.maximum(now, TINY)), 0.0)
    ratio = np.exp(log) * np.exp(rest / here.elasticity(own))
    here = stations(np.where(price > 0, ratio, 0.0))
    return Root(here.load, here.spare_capacity, here.price_slope(own))
