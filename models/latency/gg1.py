"""Latencies of the form e + k/(mu - x) beyond Pollaczek and Khinchine's: their cones and numbers are those of M/G/1.

In all of them the stream that a server gets is taken for what it is said to be, however it is split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...reference.errors import Array
from ...reference.mg1 import OneVariability
from ...reference.server_bank import check_servers
from ...reference.validation import as_fractions, raise_at_first
from .base import Latency
from .mg1 import PollaczekKhinchineCones


@dataclass(frozen=True, eq=False)
class GG1(Latency):
    """Servers of any times between arrivals and service times, by their coefficients of variation."""

    rate: Any
    arrival_cv: Any
    cv: Any
    delay: Any = 0.0

    rates = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)

    def __post_init__(self) -> None:
        check_servers(self, "arrival_cv", "cv")
        with np.errstate(over="ignore"):
            varied = self.arrival_cv**2 + self.cv**2
        raise_at_first(
            "cv",
            self.cv,
            np.isfinite(varied),
            "is so large that its square is no float",
            "give less",
        )
        varied = varied > math.ulp(0.0)
        remedy = "give an arrival_cv or a cv above 0; for a latency that does not depend on the load, use Constant"
        raise_at_first(
            "cv", self.cv, varied, "as arrival_cv: such a queue never waits below its rate", remedy
        )


class Kingman(PollaczekKhinchineCones, GG1):
    """G/G/1 in heavy traffic: l(x) = delay + 1/rate + (ca^2 + cs^2)/2 x / (rate (rate - x)).

    Kingman, *The single server queue in heavy traffic* (1961). With ca = 1 it is exact, and `MG1`.

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
    >>> Kingman(rate=100.0, arrival_cv=1.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    example: ClassVar[Mapping[str, Any]] = {"arrival_cv": 1.2, "cv": 0.7}

    @property
    def k(self) -> Array:
        """Variability (ca^2 + cs^2)/2, shape (n,)."""
        return np.asarray((self.arrival_cv**2 + self.cv**2) / 2.0)


class MG1PS(PollaczekKhinchineCones, OneVariability):
    """M/G/1 with processor sharing: l(x) = delay + 1/(rate - x), whatever the service times; Kleinrock (1967), Sakata et al. (1969).

    Parameters and errors as `MM1`.

    Examples
    --------
    >>> MG1PS(rate=100.0).latency([50.0])
    array([0.02])
    """

    one_cv = 1.0  # as if they were exponential


@dataclass(frozen=True, eq=False)
class MM1Vacations(PollaczekKhinchineCones):
    """M/M/1 whose server, when it finds no job, is away again and again: l(x) = delay + 1/(rate - x) + E[V^2]/(2 E[V]).

    A job's wait grows by the rest of a vacation; Fuhrmann and Cooper (1985). An exponential set-up time of the same mean costs as much; for
    other set-up times see `MM1Setup`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    vacation : array_like, shape (n,) or ()
        Mean length E[V] of a vacation, in the unit of time, >= 0.
    vacation_cv : array_like, shape (n,) or (), default 1
        Its coefficient of variation, >= 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MM1Vacations(rate=100.0, vacation=0.01).latency([50.0])
    array([0.03])
    """

    rate: Any
    vacation: Any
    vacation_cv: Any = 1.0
    delay: Any = 0.0

    times: ClassVar[tuple[str, ...]] = ("delay", "vacation")
    example: ClassVar[Mapping[str, Any]] = {"vacation": 0.01, "vacation_cv": 2.0}

    def __post_init__(self) -> None:
        check_servers(self, "vacation", "vacation_cv")

    @property
    def k(self) -> Array:
        """Variability, 1."""
        return np.broadcast_to(1.0, self.rate.shape)

    @property
    def pause(self) -> Array:
        """Mean rest of a vacation, E[V^2]/(2 E[V]) = E[V] (1 + cv^2)/2, shape (n,)."""
        return np.asarray(self.vacation * (1.0 + self.vacation_cv**2) / 2.0)


@dataclass(frozen=True, eq=False)
class MM1Percentile(PollaczekKhinchineCones):
    """Flow-weighted mean of the p-th percentiles of M/M/1 servers, no percentile of all jobs; l(x) = delay - log(1 - p)/(rate - x).

    First come first served, the time at a server is exponential with rate mu - x, and l is its p-th percentile. The "mean delay" of
    a split is then the mean of the servers' percentiles, each weighted by its flow: the p-th percentile of the times of all jobs is
    another number. The equilibrium is that of users who go by the percentile.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    p : array_like, shape (n,) or ()
        Above 0 and below 1, such as 0.99.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MM1Percentile(rate=100.0, p=0.99).latency([50.0]).round(6)
    array([0.092103])
    """

    rate: Any
    p: Any
    delay: Any = 0.0

    example: ClassVar[Mapping[str, Any]] = {"p": 0.99}

    def __post_init__(self) -> None:
        check_servers(self, p=as_fractions("p", self.p, "the jobs", ends=False))

    @property
    def k(self) -> Array:
        """Number of mean times, -log(1 - p), shape (n,)."""
        return np.asarray(-np.log1p(-self.p))

    @property
    def work(self) -> Array:
        """The same: an empty server's percentile is that many service times."""
        return self.k
