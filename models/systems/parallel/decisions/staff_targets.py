"""Targets of numbers of servers: money, mean waits and late shares, of all jobs or of each pool."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .....reference.amounts import TIME_REMEDY, as_server_fractions, as_server_times
from .....reference.errors import Array, InputError
from .....reference.parallel.decisions.staffing import LoadedPools, Measure
from .....reference.parallel.decisions.weight_units import Counts
from .....reference.validation import (
    as_floats,
    as_fraction,
    as_positive,
    as_server_array,
    check_instance,
    list_or_none,
    raise_at_first,
)
from ..limits import ServerPercentile


@dataclass(frozen=True)
class ServerBudget:
    """At most a given amount of money for servers per unit of time, for `Pools.staff`.

    Parameters
    ----------
    money : float
        Money above 0 per unit of time: the sum of price times number of servers.

    Examples
    --------
    >>> from sojourn.models import MMc, Pools
    >>> pools = Pools(MMc(rate=[3.0, 10.0, 1.0]))
    >>> budget = ServerBudget(70.0)
    >>> pools.staff([20, 50, 8], price=[2, 5, 1.5], subject_to=[budget]).servers
    array([ 9,  7, 11])
    """

    money: float


@dataclass(frozen=True)
class MeanWait:
    """At most a given mean wait over the jobs of all pools together, for `Pools.staff`.

    Parameters
    ----------
    time : float
        Time above 0, in the unit of the delays. Service and network delay do not count.

    Examples
    --------
    >>> from sojourn.models import MMc, Pools
    >>> Pools(MMc(rate=[3.0, 10.0])).staff([20, 50], subject_to=[MeanWait(0.02)]).servers
    array([10,  7])
    """

    time: float

    times: ClassVar[tuple[str, ...]] = ("time",)


@dataclass(frozen=True)
class PoolWait:
    """At most a given mean wait in every pool, for `Pools.staff`.

    Parameters
    ----------
    time : array_like, shape (n,) or ()
        Times above 0, in the unit of the delays: one for each pool, or one for all. Service and
        network delay do not count. Infinity is no limit.

    Examples
    --------
    >>> from sojourn.models import MMc, Pools
    >>> Pools(MMc(rate=[3.0, 10.0])).staff([20, 50], subject_to=[PoolWait(0.02)]).servers
    array([10,  7])
    """

    time: Any

    times: ClassVar[tuple[str, ...]] = ("time",)


@dataclass(frozen=True)
class LateWait:
    """At most a given share of the jobs of all pools waits longer than a time, for `Pools.staff`.

    Parameters
    ----------
    within : float
        Time of 0 or more, in the unit of the delays; with 0 all jobs that wait are late.
    at_most : float
        Largest share of late jobs, above 0 and below 1.

    Examples
    --------
    >>> from sojourn.models import MMc, Pools
    >>> pools = Pools(MMc(rate=[3.0, 10.0]))
    >>> pools.staff([20, 50], subject_to=[LateWait(within=0.1, at_most=0.05)]).servers
    array([10,  7])
    """

    within: float
    at_most: float

    times: ClassVar[tuple[str, ...]] = ("within",)


@dataclass(frozen=True)
class PoolLateWait:
    """At most a given share of the jobs of every pool waits longer than a time, for `Pools.staff`.

    Parameters
    ----------
    within : array_like, shape (n,) or ()
        Times of 0 or more, in the unit of the delays; with 0 all jobs that wait are late.
    at_most : array_like, shape (n,) or ()
        Largest share of late jobs, above 0 and below 1.

    Examples
    --------
    300 calls an hour of 180 s each, of which at most 5 % may wait longer than 20 s:

    >>> from sojourn.models import MMc, Pools
    >>> pool = Pools(MMc(rate=1 / 180))
    >>> pool.staff(300 / 3600, subject_to=[PoolLateWait(within=20, at_most=0.05)]).servers
    array([22])
    """

    within: Any
    at_most: Any

    times: ClassVar[tuple[str, ...]] = ("within",)


WaitTarget = MeanWait | PoolWait | LateWait | PoolLateWait | ServerPercentile
StaffTarget = ServerBudget | WaitTarget
KINDS = (ServerBudget, MeanWait, PoolWait, LateWait, PoolLateWait, ServerPercentile)


def targets_of(given: object) -> tuple[StaffTarget, ...]:
    """Return the targets of ``subject_to`` as a tuple; InputError on anything but targets."""
    targets = list_or_none(given)
    if targets is None:
        remedy = "write subject_to=[MeanWait(0.01)]"
        raise InputError("subject_to", given, "is not a list of targets", remedy)
    problem = "is not a target of numbers of servers"
    remedy = f"give one of {', '.join(kind.__name__ for kind in KINDS)}"
    for i, target in enumerate(targets):
        check_instance(f"subject_to[{i}]", target, KINDS, problem, remedy)  # type: ignore[arg-type]
    return tuple(targets)


@dataclass(frozen=True, eq=False)
class Bound:
    """A target of pools in numbers.

    Attributes
    ----------
    field : str
        Name of the bounded field, for errors.
    text : str
        Noun for results, such as ``"mean wait"``.
    at_most : ndarray, shape (n,)
        Bound of each pool; of all jobs the same number n times.
    measure : callable
        Function from numbers of servers, shape (n,), to the bounded quantity of each pool.
    late : float or None
        Time after which a job of any pool is late, for a share of all jobs.
    of_all : bool
        Whether the mean over all jobs is bounded, not each pool.
    of_time : bool
        Whether a time is bounded, not a share.
    """

    field: str
    text: str
    at_most: Array
    measure: Measure
    late: float | None = None
    of_all: bool = False
    of_time: bool = False


def bound_of(target: WaitTarget, pools: LoadedPools, delay: Array) -> Bound:
    """Return a target of waits in numbers.

    Parameters
    ----------
    target : WaitTarget
    pools : sojourn.reference.parallel.decisions.staffing.LoadedPools
        n pools with their loads.
    delay : ndarray, shape (n,)
        Network delay of each pool.

    Raises
    ------
    InputError
        On numbers that are out of range or that do not fit the pools.
    """
    n, name = len(pools.rate), type(target).__name__
    if isinstance(target, ServerPercentile):
        return _percentile(target, pools, delay)
    if isinstance(target, MeanWait):
        field = f"{name}.time"
        time = as_positive(field, target.time, TIME_REMEDY)
        wait = _mean_wait(pools)
        return Bound(field, "mean wait", np.full(n, time), wait, of_all=True, of_time=True)
    if isinstance(target, PoolWait):
        field = f"{name}.time"
        times = as_server_times(field, target.time, n, finite=False)
        return Bound(field, "mean wait in each pool", times, _mean_wait(pools), of_time=True)
    return _late_wait(target, pools)


def _mean_wait(pools: LoadedPools) -> Measure:
    return lambda servers: pools.waits(servers).mean


def _late_wait(target: LateWait | PoolLateWait, pools: LoadedPools) -> Bound:
    """Return a bound of the late share."""
    n, name = len(pools.rate), type(target).__name__
    field = f"{name}.within"
    times = as_server_array(field, as_floats(field, target.within), n)
    good = (times >= 0) & np.isfinite(times)
    raise_at_first(field, times, good, "is not a time", "give 0 or more, in the unit of the delays")
    field = f"{name}.at_most"
    share = as_server_fractions(field, target.at_most, n, "the jobs", ends=False)

    def late(servers: Counts) -> Array:
        return pools.late_wait(servers, times)

    if isinstance(target, PoolLateWait):
        return Bound(field, "late share in each pool", share, late)
    for where, value in (("within", target.within), ("at_most", target.at_most)):
        if np.ndim(value):
            remedy = "give one number, or PoolLateWait for numbers of each pool"
            raise InputError(f"{name}.{where}", value, "is not one number for all jobs", remedy)
    return Bound(field, "late share", share, late, late=float(times[0]), of_all=True)


def _percentile(target: ServerPercentile, pools: LoadedPools, delay: Array) -> Bound:
    """Return a bound of the share of jobs whose time, service and network delay included, is long.

    Raises
    ------
    InputError
        Where network delay and service alone take longer.
    """
    n = len(pools.rate)
    p = as_fraction("ServerPercentile.p", target.p, "the jobs", ends=False)
    field = "ServerPercentile.within"
    within = as_server_times(field, target.within, n)
    at_pool, alone = within - delay, -math.log1p(-p) / pools.rate
    for i in np.flatnonzero((at_pool <= alone) & (pools.load > 0))[:1]:
        least = delay[i] + alone[i]
        problem = "is too short even without a wait: network delay and service take longer"
        remedy = f"give more than {least:.9g}"
        raise InputError(f"{field}[{i}]", float(within[i]), problem, remedy)

    def late(servers: Counts) -> Array:
        return np.where(pools.load > 0, pools.late_job(servers, at_pool), 0.0)

    text = f"share beyond the {100 * p:g}th percentile"
    return Bound(field, text, np.full(n, 1.0 - p), late)
