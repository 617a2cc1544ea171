"""Single servers whose convex latency has no cone in CVXPY; programs use tangents instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...reference.bank_fields import check_servers
from ...reference.errors import Array
from ...reference.validation import raise_at_first
from .base import ArrayLike, Latency
from .gg1 import GG1


class KraemerLangenbachBelz(GG1):
    """G/G/1 in any traffic: Kingman's wait times a factor G(u) of the utilisation u.

    Kraemer and Langenbach-Belz (1976): l(x) = delay + 1/rate + G (ca^2 + cs^2)/2 x/(rate (rate-x)),
    where G = exp(-2 (1 - u) (1 - ca^2)^2 / (3 u (ca^2 + cs^2))) for ca <= 1, and
    G = exp(-(1 - u) (ca^2 - 1)/(ca^2 + 4 cs^2)) for ca > 1. The latency is convex for all ca and
    cs: with r = 1/u - 1 the wait is proportional to exp(-c r)/r in the first case, and to
    (1/(1 - u) - 1) exp(-c (1 - u)) with c <= 1 in the second.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    arrival_cv, cv : array_like, shape (n,) or ()
        Coefficients of variation of the times between arrivals (ca) and of the service times (cs),
        >= 0, not both 0. The ca of a server is assumed not to depend on the split.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The family has no cones: programs use tangents (`sojourn.models.Latency.total_cone`).

    Examples
    --------
    >>> KraemerLangenbachBelz(rate=100.0, arrival_cv=1.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    example: ClassVar[Mapping[str, Any]] = {"arrival_cv": [0.5, 1.0, 2.0], "cv": [0.3, 0.0, 2.0]}

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time; see `ServerBank.latency`."""
        x, spare = self._point(flow, spare_capacity)
        arrival, both = self.arrival_cv**2, self.arrival_cv**2 + self.cv**2
        # logarithms of G for ca <= 1 and for ca > 1; spare/x is (1 - u)/u
        low = -2.0 * (spare / np.maximum(x, 1e-300)) * (1.0 - arrival) ** 2 / (3.0 * both)
        high = -(spare / self.rate) * (arrival - 1.0) / (arrival + 4.0 * self.cv**2)
        factor = np.exp(np.where(self.arrival_cv <= 1.0, low, np.minimum(high, 0.0)))
        return np.asarray(self.delay + (1.0 + both / 2.0 * x / spare * factor) / self.rate)


@dataclass(frozen=True, eq=False)
class MM1Setup(Latency):
    """M/M/1 with set-up: l(x) = delay + 1/(rate - x) + (2 E[S] + x E[S^2])/(2 (1 + x E[S])).

    Welch (1964). A job that finds the server empty waits for a set-up time S before its service.
    With an exponential set-up time the last term is E[S] at any load. Jobs share a set-up, so where
    S varies little a higher load means less set-up time per job, and the latency of a nearly empty
    server can fall. Such parameters are refused: the optimal split is then not a convex problem.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    setup : array_like, shape (n,) or ()
        Mean set-up time E[S], in the unit of time, >= 0.
    setup_cv : array_like, shape (n,) or (), default 1
        Coefficient of variation of the set-up time, >= 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range, or the latency is not increasing and
        convex; it names the field, index and value.

    Notes
    -----
    The family has no cones: programs use tangents (`sojourn.models.Latency.total_cone`).

    Examples
    --------
    >>> MM1Setup(rate=100.0, setup=0.01).latency([50.0])
    array([0.03])
    """

    rate: Any
    setup: Any
    setup_cv: Any = 1.0
    delay: Any = 0.0

    rates = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay", "setup")
    example: ClassVar[Mapping[str, Any]] = {"setup": 0.008, "setup_cv": [0.0, 1.0, 1.2]}

    def __post_init__(self) -> None:
        check_servers(self, "setup", "setup_cv")
        services, squared_cv = self.rate * self.setup, self.setup_cv**2
        # the first and the second derivative of the latency are smallest at load 0
        increasing = services**2 * (1.0 - squared_cv) <= 2.0
        problem = "is so long that the latency falls with the load at first"
        remedy = "shorten it to at most sqrt(2/(1 - cv^2)) service times"
        raise_at_first("setup", self.setup, increasing, problem, remedy)
        convex = services**3 * (squared_cv - 1.0) <= 2.0
        problem = "varies so much that the latency is not convex"
        remedy = "shorten it to at most (2/(cv^2 - 1))^(1/3) service times"
        raise_at_first("setup", self.setup, convex, problem, remedy)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time; see `ServerBank.latency`."""
        x, spare = self._point(flow, spare_capacity)
        # (1 - cv^2)/2 x E[S]/(1 + x E[S]): 0 for an exponential set-up, which stays exact
        saving = (1.0 - self.setup_cv**2) / 2.0 * (x * self.setup / (1.0 + x * self.setup))
        return np.asarray(self.delay + 1.0 / spare + self.setup * (1.0 - saving))

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the load; see `ServerBank.latency_slope`."""
        x, spare = self._point(flow)
        saving = (1.0 - self.setup_cv**2) / 2.0 * (self.setup / (1.0 + x * self.setup)) ** 2
        return np.asarray(1.0 / spare**2 - saving)

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the rate; the set-up does not depend on it."""
        return np.asarray(-1.0 / self.spare_capacity(flow) ** 2)

    def marginal_rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay in the rate; see `rate_slope`."""
        x, spare = self._point(flow)
        return np.asarray(-(1.0 + 2.0 * x / spare) / spare**2)
