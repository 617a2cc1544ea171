"""The delay of Pollaczek and Khinchine in numbers, and its inverses: all in closed form, by NumPy.

The families are in `sojourn.reference.mg1`, and in `sojourn.models.latency` with cones.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from .errors import Array
from .server_bank import ArrayLike, Operated, Operation

LIGHT = 0.25  # utilisation up to which -log(1 - u) - u is a series


def log_excess(used: Array, unused: Array | None = None) -> Array:
    """Return -log(1 - u) - u to rounding error; the plain difference loses its digits at small u.

    With s = u/(2 - u) the logarithm is 2 atanh(s) and u is 2 s/(1 + s), so the difference is
    2 s^2/(1 + s) + 2 (s^3/3 + s^5/5 + ...).

    Parameters
    ----------
    used : ndarray
        Utilisation u, 0 <= u < 1.
    unused : ndarray, optional
        1 - u, where the caller has more digits of it than the subtraction gives (next to u = 1).
    """
    heavy = -(np.log1p(-used) if unused is None else np.log(unused)) - used
    is_light = used <= LIGHT
    if not np.count_nonzero(is_light):
        return np.asarray(heavy)
    light = np.minimum(used, LIGHT)
    s = light / (2.0 - light)
    square = s * s
    tail = np.full_like(s, 1.0 / 19.0)
    for power in range(17, 1, -2):
        tail = tail * square + 1.0 / power
    return np.where(is_light, 2.0 * square * (1.0 / (1.0 + s) + s * tail), heavy)


class PollaczekKhinchine(Operated):
    """M/G/1 servers in general form: l(x) = d + s + k x / (mu (mu - x)), s the service time.

    The mean delay of Pollaczek and Khinchine; eq. (28) of Mancuso et al. The variability is
    k = (1 + cv^2)/2, with cv the coefficient of variation of the service time. The service time is
    s = pause + work/mu, by default 1/mu; a family may override `work` and `pause`.

    So every latency is e + k/(mu - x), and a family may give it other numbers: its `rate` is where
    the latency is infinite, its `k` the weight there, and its `work` the latency of an empty
    server, times that rate.
    """

    work: Any = 1.0
    pause: Any = 0.0

    rate: Array
    delay: Array

    @property
    @abstractmethod
    def k(self) -> Array:
        """Weight k of the latency e + k/(mu - x), shape (n,): the variability (1 + cv^2)/2."""

    @cached_property
    def service(self) -> Array:
        """Latency of an empty server less its delay, shape (n,): the mean service time."""
        return np.asarray(self.pause + self.work / self.rate)

    @property
    def fixed(self) -> Array:
        """Part e of the latency e + k/(mu - x) that does not depend on the load, shape (n,)."""
        return np.asarray(self.delay + self.pause + (self.work - self.k) / self.rate)

    @cached_property
    def _fixed_time(self) -> Array:
        """Delay and pause, shape (n,): the time that does not depend on the rate."""
        # no second array where there is no pause
        has_pause = np.ndim(self.pause) > 0 or self.pause != 0
        return np.asarray(self.delay + self.pause) if has_pause else self.delay

    @cached_property
    def _rate_per_k(self) -> Array:
        """Rate over variability, shape (n,)."""
        k = self.k
        # no second array where every k is 1
        return self.rate if k.strides == (0,) and k[0] == 1.0 else self.rate / k

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time l(x) = d + s + k x / (mu (mu - x)).

        Parameters are those of `sojourn.reference.ServerBank.latency`.
        """
        flow, spare_capacity = self._point(flow, spare_capacity)
        work = self.work + self.k * flow / spare_capacity
        return np.asarray(self._fixed_time + work / self.rate)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay g(x) = d + s + k (mu^2/(mu - x)^2 - 1)/mu."""
        flow, spare_capacity = self._point(flow, spare_capacity)
        work = self.work + self.k * flow * (self.rate + spare_capacity) / spare_capacity**2
        return np.asarray(self._fixed_time + work / self.rate)

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the latency, (d + s) x - k (x/mu + log(1 - x/mu))."""
        used = np.asarray(flow, dtype=np.float64) / self.rate
        return self.idle_latency * self.rate * used + self.k * log_excess(used)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency, k/(mu - x)^2."""
        flow, spare_capacity = self._point(flow)
        return self.k / spare_capacity**2

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay, 2 k mu/(mu - x)^3."""
        flow, spare_capacity = self._point(flow)
        cube = spare_capacity * spare_capacity * spare_capacity  # a power takes ten times as long
        return 2.0 * self.k * self.rate / cube

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a latency `excess` above the idle latency.

        Without cancellation at light or heavy load: with z = excess mu/k the spare capacity is
        mu/(1 + z).
        """
        z = np.asarray(excess) * self._rate_per_k
        ratio = 1.0 + z
        spare_capacity = self.rate / ratio
        slope = spare_capacity * self._rate_per_k / ratio
        return Operation(spare_capacity * z, spare_capacity, slope)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a marginal delay `excess` above the idle latency.

        Without cancellation at light or heavy load: with z = excess mu/k the spare capacity is
        mu/sqrt(1 + z).
        """
        z = np.asarray(excess) * self._rate_per_k
        square = 1.0 + z
        root = np.sqrt(square)
        spare_capacity = self.rate / root
        slope = 0.5 * spare_capacity * self._rate_per_k / square
        return Operation(spare_capacity * (z / (1.0 + root)), spare_capacity, slope)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Return the operating point of K equal players at a price.

        With v the rate over the spare capacity, (v - 1) (1 + v/K) = excess mu/k. Parameters are
        those of `sojourn.reference.ServerBank.at_player`.
        """
        z, own = np.asarray(excess) * self._rate_per_k, 1.0 / players
        root = np.sqrt((1.0 + own) ** 2 + 4.0 * own * z)
        above = 2.0 * z / (1.0 + own + root)
        spare_capacity = self.rate / (1.0 + above)
        slope = spare_capacity * spare_capacity / (self.k * root)
        return Operation(spare_capacity * above, spare_capacity, slope)

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the rate; a pause does not depend on the rate."""
        return np.asarray(-(self.marginal(flow) - self._fixed_time) / self.rate)

    def marginal_rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay in the rate; see `rate_slope`."""
        flow = np.asarray(flow, dtype=np.float64)
        work = self.marginal(flow) - self._fixed_time + flow * self.marginal_slope(flow)
        return np.asarray(-work / self.rate)
