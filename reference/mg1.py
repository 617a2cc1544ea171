"""M/M/1, M/D/1 and M/G/1 servers in numbers, by NumPy.

The classes of the same names in `sojourn.models` are subclasses that add the cones of CVXPY.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .bank_fields import constant
from .base_load import SharedServers
from .deterministic_wait import deterministic_wait
from .errors import Array
from .tails import APPROXIMATION, EXACT, LateJobs, after_wait, exponential_late


@dataclass(frozen=True, eq=False, repr=False)
class OneVariability(SharedServers):
    """Servers whose service times all have the coefficient of variation `_one_cv` of the class."""

    rate: Any
    delay: Any = 0.0

    _one_cv: ClassVar[float]

    @property
    def cv(self) -> Array:
        """Coefficient of variation of the service time, shape (n,)."""
        return np.broadcast_to(self._one_cv, self.rate.shape)

    @cached_property
    def variability(self) -> Array:
        """Variability (1 + cv^2)/2 of the service time, shape (n,)."""
        return constant((1.0 + self._one_cv**2) / 2.0, self.rate.size)


class MM1(OneVariability):
    """M/M/1 servers in numbers, by NumPy; `sojourn.models.MM1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/(rate - x); eq. (20) of Mancuso et al. With a base load or
    batches it is the mean of the jobs that are split; see `sojourn.reference.base_load`.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.
    base : array_like, shape (n,) or (), default 0
        Base loads b, jobs per unit of time, 0 <= b < rate: jobs that each server has to serve
        besides, one by one in a Poisson stream, with the same service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is "equal": one queue,
        first come, first served. Base jobs go first with "non-preemptive", and then also interrupt
        a job in service, which later resumes, with "preemptive". They go "last" after all others,
        which do not interrupt them.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; the flow counts jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative delay, a base load from the rate on, batches of
        less than one job, a number that is not finite, or arrays of different lengths; the error
        names the field, the index and the value.

    Examples
    --------
    >>> MM1(rate=[100.0, 80.0], delay=0.005).latency([50.0, 0.0])
    array([0.025 , 0.0175])
    >>> MM1(rate=100.0, base=40.0, base_priority="non-preemptive").latency([30.0]).round(6)
    array([0.048889])
    """

    _one_cv = 1.0

    def _late(self, flow: Array, at_server: Array, spare_capacity: Array) -> LateJobs:
        return exponential_late(at_server, spare_capacity)


class MD1(OneVariability):
    """M/D/1 servers in numbers, by NumPy; `sojourn.models.MD1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/rate + x / (2 rate (rate - x)): that of `MG1` with cv = 0. With
    a base load or batches it is the mean of the jobs that are split; see
    `sojourn.reference.base_load`.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.
    base : array_like, shape (n,) or (), default 0
        Base loads b, jobs per unit of time, 0 <= b < rate: jobs that each server has to serve
        besides, one by one in a Poisson stream, with the same service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is "equal": one queue,
        first come, first served. Base jobs go first with "non-preemptive", and then also interrupt
        a job in service, which later resumes, with "preemptive". They go "last" after all others,
        which do not interrupt them.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; the flow counts jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative delay, a base load from the rate on, batches of
        less than one job, a number that is not finite, or arrays of different lengths; the error
        names the field, the index and the value.

    Examples
    --------
    >>> MD1(rate=100.0).latency([50.0])
    array([0.015])
    """

    _one_cv = 0.0

    def _late(self, flow: Array, at_server: Array, spare_capacity: Array) -> LateJobs:
        return deterministic_late(self, flow, at_server, spare_capacity)


@dataclass(frozen=True, eq=False, repr=False)
class MG1(SharedServers):
    """M/G/1 servers in numbers, by NumPy; `sojourn.models.MG1` adds the cones of CVXPY.

    The latency is l(x) = delay + 1/rate + (1 + cv^2)/2 x / (rate (rate - x)); eq. (28) of Mancuso
    et al. With a base load or batches it is the mean of the jobs that are split; see
    `sojourn.reference.base_load`.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rates mu > 0, jobs per unit of time.
    cv : array_like, shape (n,) or ()
        Coefficients of variation of the service time >= 0: standard deviation over mean.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays d >= 0, in the unit of time. A single number holds for all servers.
    base : array_like, shape (n,) or (), default 0
        Base loads b, jobs per unit of time, 0 <= b < rate: jobs that each server has to serve
        besides, one by one in a Poisson stream, with the same service times.
    base_priority : {None, "equal", "non-preemptive", "preemptive", "last"}, default None
        Priority of the base jobs; one word, or a sequence of n words. None is "equal": one queue,
        first come, first served. Base jobs go first with "non-preemptive", and then also interrupt
        a job in service, which later resumes, with "preemptive". They go "last" after all others,
        which do not interrupt them.
    batch : array_like, shape (n,) or (), default 1
        Mean number of jobs in a batch, 1 or more. All jobs of a batch come at the same time, to one
        server; the flow counts jobs.
    batch_cv : array_like, shape (n,) or (), default 0
        Coefficient of variation of this number: with 0 all batches are of one whole size.

    Raises
    ------
    InputError
        On a rate that is not above 0, a negative cv or delay, a base load from the rate on, batches
        of less than one job, a number that is not finite, or arrays of different lengths; the error
        names the field, the index and the value.

    Examples
    --------
    >>> MG1(rate=100.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    rate: Any
    cv: Any
    delay: Any = 0.0

    _not_negative = ("cv",)

    @cached_property
    def variability(self) -> Array:
        """Variability (1 + cv^2)/2 of the service time, shape (n,)."""
        return np.asarray((1.0 + self.cv**2) / 2.0)

    @property
    def _law_kind(self) -> Any:
        return np.where(self.cv == 0, EXACT, APPROXIMATION)

    def _late(self, flow: Array, at_server: Array, spare_capacity: Array) -> LateJobs:
        """See `ServerBank._late`: exact where cv is 0.

        Elsewhere the tail of the wait is the exponential rho e^{-rho w/E[W]}, and the service time
        has the mean and the cv: a constant and an exponential time up to cv = 1, one of two
        exponential times of equal weight in the mean beyond. For cv = 1 it is the tail of M/M/1.
        Each x P is convex, as that of the true tail is.
        """
        mu, cv, k = self.service_rate, self.cv, self.variability
        chance = LateJobs((self.base + flow) / mu, 1.0 / mu, np.zeros(()))
        wide = cv > 1
        ratio = np.sqrt(np.where(wide, cv**2 - 1.0, 0.0) / (cv**2 + 1.0))
        slow = np.where(wide, 1.0 / ((cv**2 + 1.0) * (1.0 + ratio)), 0.0)
        constant_part = np.where(wide, 0.0, 1.0 - cv) / mu
        left = at_server - constant_part
        served = np.where(wide, 2.0 * (1.0 - slow), 1.0 / np.where(cv > 0, cv, 1.0)) * mu
        point = chance, spare_capacity / k, 1.0 / k, np.where(left > 0, left, 1.0 / mu)
        found = after_wait(served, *point)
        if np.any(wide):
            second = after_wait(np.where(wide, 2.0 * slow, 1.0) * mu, *point)
            pairs = zip(found, second, strict=True)
            found = LateJobs(*((1.0 - slow) * f + slow * s for f, s in pairs))
        full = zip(found, (1.0, 0.0, 0.0), strict=True)
        found = LateJobs(*(np.where(left > 0, v, none) for v, none in full))
        if np.all(cv > 0):
            return found
        exact = deterministic_late(self, flow, at_server, spare_capacity)
        return LateJobs(*(np.where(cv > 0, *pair) for pair in zip(found, exact, strict=True)))


def deterministic_late(
    servers: SharedServers, flow: Array, at_server: Array, spare_capacity: Array
) -> LateJobs:
    """Return the late jobs of servers of constant service times; see `ServerBank._late`."""
    mu = servers.service_rate
    wait = at_server * mu - 1.0
    waits = wait >= 0
    found = deterministic_wait(
        (servers.base + flow) / mu, spare_capacity / mu, np.where(waits, wait, 0.0)
    )
    parts = zip(found, (1.0, 0.0, 0.0), (1.0, mu, mu * mu), strict=True)
    return LateJobs(*(np.where(waits, v / unit, none) for v, none, unit in parts))
