"""Families whose latency has the form e + k/(mu - x), with the cones of M/G/1.

Each server's arrivals are assumed to have the stated variability however the stream is split (no
thinning correction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...reference.bank_fields import check_servers, constant
from ...reference.errors import Array
from ...reference.validation import as_fractions, raise_at_first
from .base import Latency
from .mg1 import PollaczekKhinchineCones


@dataclass(frozen=True, eq=False)
class GG1(Latency):
    """G/G/1 servers, described by the variability of the interarrival and of the service times."""

    rate: Any
    arrival_cv: Any
    cv: Any
    delay: Any = 0.0

    rates: ClassVar[tuple[str, ...]] = ("rate",)
    times: ClassVar[tuple[str, ...]] = ("delay",)

    def __post_init__(self) -> None:
        check_servers(self, "arrival_cv", "cv")
        with np.errstate(over="ignore"):
            variability = self.arrival_cv**2 + self.cv**2
        problem = "is so large that its square is no float"
        raise_at_first("cv", self.cv, np.isfinite(variability), problem, "give less")
        problem = "and arrival_cv are both 0: no job then waits below the rate"
        remedy = (
            "give an arrival_cv or a cv above 0; "
            "for a latency that does not depend on the load, use Constant"
        )
        raise_at_first("cv", self.cv, variability > math.ulp(0.0), problem, remedy)


class Kingman(PollaczekKhinchineCones, GG1):
    """G/G/1 in heavy traffic: l(x) = delay + 1/rate + (ca^2 + cs^2)/2 x / (rate (rate - x)).

    Kingman, *The single server queue in heavy traffic* (1961). With ca = 1 the formula is exact,
    and that of `MG1`.

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
    The cones are those of `MM1`: second-order cones for the total delay and the latency,
    exponential cones for the potential.

    Examples
    --------
    >>> Kingman(rate=100.0, arrival_cv=1.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    example: ClassVar[Mapping[str, Any]] = {"arrival_cv": 1.2, "cv": 0.7}

    @cached_property
    def k(self) -> Array:
        """Variability (ca^2 + cs^2)/2, shape (n,)."""
        return np.asarray((self.arrival_cv**2 + self.cv**2) / 2.0)


@dataclass(frozen=True, eq=False)
class MG1PS(PollaczekKhinchineCones):
    """M/G/1 with processor sharing: l(x) = delay + 1/(rate - x), whatever the service times.

    Kleinrock (1967), Sakata et al. (1969). The mean depends on the mean service time only and
    equals that of `MM1`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The cones are those of `MM1`: second-order cones for the total delay and the latency,
    exponential cones for the potential.

    Examples
    --------
    >>> MG1PS(rate=100.0).latency([50.0])
    array([0.02])
    """

    rate: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        check_servers(self)

    @cached_property
    def k(self) -> Array:
        """Variability k = 1 of exponential service times, shape (n,)."""
        return constant(1.0, self.rate.size)


@dataclass(frozen=True, eq=False)
class MM1Vacations(PollaczekKhinchineCones):
    """M/M/1 with multiple vacations: l(x) = delay + 1/(rate - x) + E[V^2]/(2 E[V]).

    The server starts a vacation V whenever it finds no job, also at the end of a vacation. The wait
    grows by the mean residual vacation: Fuhrmann and Cooper (1985). An exponential set-up time with
    the same mean adds as much; for other set-up times see `MM1Setup`.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    vacation : array_like, shape (n,) or ()
        Mean length E[V] of a vacation, in the unit of time, >= 0.
    vacation_cv : array_like, shape (n,) or (), default 1
        Coefficient of variation of a vacation, >= 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The cones are those of `MM1`: second-order cones for the total delay and the latency,
    exponential cones for the potential.

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

    @cached_property
    def k(self) -> Array:
        """Variability k = 1 of an M/M/1 server, shape (n,)."""
        return constant(1.0, self.rate.size)

    @property
    def pause(self) -> Array:
        """Mean residual vacation, E[V^2]/(2 E[V]) = E[V] (1 + cv^2)/2, shape (n,)."""
        return np.asarray(self.vacation * (1.0 + self.vacation_cv**2) / 2.0)


@dataclass(frozen=True, eq=False)
class MM1Percentile(PollaczekKhinchineCones):
    """Flow-weighted mean of the p-th percentiles of M/M/1 servers, no percentile of all jobs.

    The latency l(x) = delay - log(1 - p)/(rate - x) is the p-th percentile of the time at a server:
    under first come, first served that time is exponential with rate mu - x. The "mean delay" of a
    split is the mean of these percentiles, weighted by the flows; the p-th percentile of the times
    of all jobs is a different number. The equilibrium is that of users who minimise the percentile.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rate of each server, jobs per unit of time, > 0.
    p : array_like, shape (n,) or ()
        Fraction of the jobs, above 0 and below 1, such as 0.99.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    The cones are those of `MM1`: second-order cones for the total delay and the latency,
    exponential cones for the potential.

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

    @cached_property
    def k(self) -> Array:
        """Percentile over mean of an exponential time, -log(1 - p), shape (n,)."""
        return np.asarray(-np.log1p(-self.p))

    @property
    def work(self) -> Array:
        """Percentile at an empty server in mean service times, -log(1 - p), shape (n,)."""
        return self.k
