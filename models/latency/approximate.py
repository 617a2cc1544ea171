"""Single servers whose convex latency no cone says: solved by tangents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...reference.errors import Array
from ...reference.server_bank import check_servers
from ...reference.validation import raise_at_first
from .base import ArrayLike, Latency
from .gg1 import GG1


class KraemerLangenbachBelz(GG1):
    """G/G/1 in any traffic: Kingman's wait times a factor G(u) of the utilisation u; Kraemer and Langenbach-Belz (1976).

    G = exp(-2 (1 - u) (1 - ca^2)^2 / (3 u (ca^2 + cs^2))) for ca <= 1, and exp(-(1 - u) (ca^2 - 1)/(ca^2 + 4 cs^2)) above. Convex for every
    ca and cs: with r = 1/u - 1 the wait is exp(-c r)/r in the first case, (1/(1 - u) - 1) exp(-c (1 - u)) with c <= 1 in the second.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    arrival_cv, cv : array_like, shape (n,) or ()
        Coefficients of variation of the times between arrivals (ca) and of the service times (cs), >= 0, not both 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> KraemerLangenbachBelz(rate=100.0, arrival_cv=1.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    example: ClassVar[Mapping[str, Any]] = {"arrival_cv": [0.5, 1.0, 2.0], "cv": [0.3, 0.0, 2.0]}

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time; see `ServerBank.latency`."""
        x, left = self._point(flow, spare_capacity)
        ratio, free = left / np.maximum(x, 1e-300), left / self.rate
        both = self.arrival_cv**2 + self.cv**2
        smooth = -2.0 * ratio * (1.0 - self.arrival_cv**2) ** 2 / (3.0 * both)
        rough = -free * (self.arrival_cv**2 - 1.0) / (self.arrival_cv**2 + 4.0 * self.cv**2)
        factor = np.exp(np.where(self.arrival_cv <= 1.0, smooth, np.minimum(rough, 0.0)))
        return np.asarray(self.delay + (1.0 + both / 2.0 * x / left * factor) / self.rate)


@dataclass(frozen=True, eq=False)
class MM1Setup(Latency):
    """M/M/1 that must be set up when a job finds it empty: l(x) = delay + 1/(rate - x) + (2 E[S] + x E[S^2])/(2 (1 + x E[S])).

    Welch (1964). With an exponential set-up the last term is E[S] at any load. Jobs share a set-up: where it varies little, more load means
    less of it for each, and next to an empty server the latency can fall; such servers are refused, as their split is no convex problem.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    setup : array_like, shape (n,) or ()
        Mean set-up time E[S], >= 0.
    setup_cv : array_like, shape (n,) or (), default 1
        Its coefficient of variation, >= 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value; also where the latency is not increasing and convex.

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
        long, squared = self.rate * self.setup, self.setup_cv**2
        # both derivatives are least at no load
        rising = long**2 * (1.0 - squared) <= 2.0
        remedy = "shorten it to at most sqrt(2/(1 - cv^2)) service times"
        raise_at_first(
            "setup",
            self.setup,
            rising,
            "is so long that the latency falls with the load at first",
            remedy,
        )
        bent = long**3 * (squared - 1.0) <= 2.0
        remedy = "shorten it to at most (2/(cv^2 - 1))^(1/3) service times"
        raise_at_first(
            "setup", self.setup, bent, "varies so much that the latency is not convex", remedy
        )

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time; see `ServerBank.latency`."""
        x, left = self._point(flow, spare_capacity)
        shared = 1.0 + x * self.setup
        # E[S] (1 + (1 - cv^2)/2 (1/shared - 1)), written so that an exponential set-up is E[S] to the digit
        setting = self.setup * (1.0 - (1.0 - self.setup_cv**2) / 2.0 * (x * self.setup / shared))
        return np.asarray(self.delay + 1.0 / left + setting)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency."""
        x, left = self._point(flow)
        return np.asarray(
            1.0 / left**2
            - (1.0 - self.setup_cv**2) / 2.0 * (self.setup / (1.0 + x * self.setup)) ** 2
        )

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate: the set-up is as long at any."""
        return np.asarray(-1.0 / self.spare_capacity(flow) ** 2)
