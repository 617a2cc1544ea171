"""M/M/1, M/D/1 and M/G/1 servers: Pollaczek and Khinchine's mean delay, its inverses and operating points in closed form."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .errors import Array
from .server_bank import ArrayLike, Operated, Operation, check_servers


def log_excess(used: Array, left: Array | None = None) -> Array:
    """-log(1 - u) - u for 0 <= u < 1 to rounding error; at light load the plain difference keeps none of its digits.

    ``left`` is 1 - u, where the caller knows it better than the subtraction does (next to 1).
    With s = u/(2 - u) the logarithm is 2 atanh(s) and u is 2 s/(1 + s), so what is left is 2 s^2/(1 + s) + 2 (s^3/3 + s^5/5 + ...).
    """
    s = np.minimum(used, 0.25) / (2.0 - np.minimum(used, 0.25))
    square = s * s
    tail = np.zeros_like(s)
    for power in range(19, 1, -2):
        tail = tail * square + 1.0 / power
    light = 2.0 * square * (1.0 / (1.0 + s) + s * tail)
    return np.where(
        used <= 0.25, light, -(np.log1p(-used) if left is None else np.log(left)) - used
    )


class PollaczekKhinchine(Operated):
    """M/G/1 in its general form, l(x) = d + s + k x / (mu (mu - x)), with the service time s = 1/mu; M/M/1 and M/D/1 differ in k alone.

    Pollaczek and Khinchine's mean; eq. (28) of Mancuso et al. k = (1 + cv^2)/2, with cv the coefficient of variation of the service time.
    Families with another latency of an empty server, s = pause + work/mu, override these two.
    """

    work: Any = 1.0
    pause: Any = 0.0

    rate: Array
    delay: Array

    @property
    @abstractmethod
    def k(self) -> Array:
        """Variability (1 + cv^2)/2, shape (n,)."""

    @cached_property
    def service(self) -> Array:
        """Latency of an empty server beyond its delay, shape (n,): the mean service time 1/mu."""
        return np.asarray(self.pause + self.work / self.rate)

    @property
    def fixed(self) -> Array:
        """The part e of the latency e + k/(mu - x) that no load moves, shape (n,)."""
        return np.asarray(self.delay + self.pause + (self.work - self.k) / self.rate)

    @cached_property
    def _pace(self) -> Array:
        """Rate over variability, shape (n,)."""
        k = self.k
        return (
            self.rate if k.strides == (0,) and k[0] == 1.0 else self.rate / k
        )  # no second array where all k are 1

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time l(x) = d + s + k x / (mu (mu - x)); see `ServerBank.latency`."""
        flow, spare_capacity = self._point(flow, spare_capacity)
        return np.asarray(
            self.delay + self.pause + (self.work + self.k * flow / spare_capacity) / self.rate
        )

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay g(x) = d + s + k (mu^2/(mu - x)^2 - 1)/mu; see `ServerBank.marginal`."""
        flow, spare_capacity = self._point(flow, spare_capacity)
        return np.asarray(
            self.delay
            + self.pause
            + (self.work + self.k * flow * (self.rate + spare_capacity) / spare_capacity**2)
            / self.rate
        )

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of the latency, (d + s) x - k (x/mu + log(1 - x/mu))."""
        used = np.asarray(flow, dtype=np.float64) / self.rate
        return self.idle_latency * self.rate * used + self.k * log_excess(used)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency, k/(mu - x)^2."""
        flow, spare_capacity = self._point(flow)
        return self.k / spare_capacity**2

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay, 2 k mu/(mu - x)^3."""
        flow, spare_capacity = self._point(flow)
        return 2.0 * self.k * self.rate / spare_capacity**3

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point at a latency above the idle one; no cancellation at light or heavy load."""
        z = np.asarray(excess) * self._pace
        more = 1.0 + z
        spare_capacity = self.rate / more
        return Operation(spare_capacity * z, spare_capacity, spare_capacity * self._pace / more)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point at a marginal delay above the idle latency; no cancellation at light or heavy load."""
        z = np.asarray(excess) * self._pace
        more = 1.0 + z
        root = np.sqrt(more)
        spare_capacity = self.rate / root
        return Operation(
            spare_capacity * (z / (1.0 + root)),
            spare_capacity,
            0.5 * spare_capacity * self._pace / more,
        )

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point as one of K players sees it: with v = mu/spare, (v - 1) (1 + v/K) = excess mu/k; see `ServerBank.at_player`."""
        z, own = np.asarray(excess) * self._pace, 1.0 / players
        root = np.sqrt((1.0 + own) ** 2 + 4.0 * own * z)
        above = 2.0 * z / (1.0 + own + root)
        spare_capacity = self.rate / (1.0 + above)
        return Operation(
            spare_capacity * above,
            spare_capacity,
            spare_capacity * spare_capacity / (self.k * root),
        )

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate; a pause is as long at any."""
        return np.asarray(-(self.marginal(flow) - self.delay - self.pause) / self.rate)


@dataclass(frozen=True, eq=False)
class OneVariability(PollaczekKhinchine):
    """Servers whose service times are all of one coefficient of variation, `one_cv`."""

    rate: Any
    delay: Any = 0.0

    one_cv: ClassVar[float]

    def __post_init__(self) -> None:
        check_servers(self)

    @property
    def cv(self) -> Array:
        """Coefficient of variation of the service time, shape (n,)."""
        return np.broadcast_to(self.one_cv, self.rate.shape)

    @property
    def k(self) -> Array:
        """Variability, shape (n,)."""
        return np.broadcast_to((1.0 + self.one_cv**2) / 2.0, self.rate.shape)


class MM1(OneVariability):
    """M/M/1 servers at a distance: l(x) = delay + 1/(rate - x); eq. (20) of Mancuso et al.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MM1(rate=[100.0, 80.0], delay=0.005).latency([50.0, 0.0])
    array([0.025 , 0.0175])
    """

    one_cv = 1.0


class MD1(OneVariability):
    """M/D/1 servers at a distance: `MG1` with cv = 0; parameters as `MM1`.

    Examples
    --------
    >>> MD1(rate=100.0).latency([50.0])
    array([0.015])
    """

    one_cv = 0.0


@dataclass(frozen=True, eq=False)
class MG1(PollaczekKhinchine):
    """M/G/1 servers at a distance: l(x) = delay + 1/rate + (1 + cv^2)/2 x / (rate (rate - x)); eq. (28) of Mancuso et al.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    cv : array_like, shape (n,) or ()
        Coefficients of variation of the service time, >= 0: standard deviation over mean.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MG1(rate=100.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    rate: Any
    cv: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        check_servers(self, "cv")

    @property
    def k(self) -> Array:
        """Variability (1 + cv^2)/2, shape (n,)."""
        return np.asarray((1.0 + self.cv**2) / 2.0)
