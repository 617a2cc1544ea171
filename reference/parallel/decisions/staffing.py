"""Numbers of servers of M/M/c pools, each with a load of its own: waits and least numbers.

A pool of c servers of the rate r with the load x has the spare capacity s = c r - x. With Erlang's
probability C to wait, the mean wait is C/s, and the wait exceeds t with probability C exp(-s t).
The time in the pool, wait and service, exceeds t with probability

    exp(-r t) + C r (exp(-r t) - exp(-s t))/(s - r),

which is (1 + C r t) exp(-r t) at s = r. All three fall with c, so the least number of servers for a
target is found by bisection. The mean wait is convex in c: M. Dyer and L. Proll, *On the validity
of marginal analysis for allocating servers in M/M/c queues* (1977). So is C: A. Jagers and E. van
Doorn, *Convexity of functions which are generalizations of the Erlang loss function and the Erlang
delay function* (1991). So is the product of C and another convex function that falls.

Square-root staffing: the least c for a given C is near a + b sqrt(a) at the offered load a = x/r,
with one b for all loads. So large pools need less spare capacity for their size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import LARGE, RANGE, SMALL
from ...compensated_sum import EPS, exact_product
from ...erlang import MAX_SERVERS, Stations, log_full_probability
from ...errors import Array, InputError
from ...validation import (
    as_floats,
    as_server_array,
    check_flag,
    place,
    raise_at_first,
)
from .weight_units import Counts

Measure = Callable[[Counts], Array]


class PoolWaits(NamedTuple):
    """Waits of pools, each an array of shape (..., n).

    Attributes
    ----------
    probability : ndarray
        Probability C that a job waits.
    mean : ndarray
        Mean wait of a job, in units of time.
    """

    probability: Array
    mean: Array


@dataclass(frozen=True, eq=False)
class LoadedPools:
    """M/M/c pools with given loads, whose numbers of servers are to be chosen.

    Numbers of servers are arrays of shape (..., n). With too few of them for the load the waits are
    infinite and the probabilities 1; a pool without a load has waits of 0.

    Parameters
    ----------
    rate : ndarray, shape (n,)
        Service rate of one server of each pool, > 0.
    load : ndarray, shape (n,)
        Load of each pool, jobs per unit of time, 0 or more.
    """

    rate: Array
    load: Array

    @property
    def least(self) -> Counts:
        """Least numbers of servers with which the pools are stable, shape (n,); 0 without a load.

        Raises
        ------
        InputError
            Where a load needs more than a million servers.
        """
        offered = self.load / self.rate
        fits = offered < MAX_SERVERS
        remedy = f"give less than {MAX_SERVERS} times the rate of one server"
        raise_at_first("load", self.load, fits, f"needs more than {MAX_SERVERS} servers", remedy)
        near = np.floor(offered).astype(np.int64)
        # the quotient may be rounded across a whole number
        steps = (near - 1, near, near + 1)
        enough = [self.spare_capacity(np.maximum(c, 0)) > 0 for c in steps]
        found = np.where(enough[0], steps[0], np.where(enough[1], steps[1], steps[2]))
        return np.where(self.load > 0, np.maximum(found, 1), 0)

    def spare_capacity(self, servers: Counts) -> Array:
        """Return c r - x, right to its last digits, shape (..., n)."""
        high, low = exact_product(self.rate, servers.astype(np.float64))
        return np.asarray((high - self.load) + low)

    def waits(self, servers: Counts) -> PoolWaits:
        """Return the probabilities to wait and the mean waits, shape (..., n)."""
        chance, spare, stable = self._chance(servers)
        return PoolWaits(chance, np.where(stable, chance / spare, np.inf))

    def late_wait(self, servers: Counts, time: Array | float) -> Array:
        """Return the probability that a job waits longer than a time, shape (..., n)."""
        chance, spare, stable = self._chance(servers)
        with np.errstate(over="ignore"):  # a product that is no float is late with probability 0
            return np.where(stable, chance * np.exp(-spare * time), 1.0)

    def late_job(self, servers: Counts, time: Array) -> Array:
        """Return the probability that wait and service exceed a time, shape (..., n)."""
        from scipy.special import exprel  # imported here: it would slow down the package's import

        chance, spare, stable = self._chance(servers)
        time = np.maximum(time, 0.0)
        time = np.minimum(time, LARGE / self.rate)  # far beyond the last job
        apart, slower = np.abs(spare - self.rate) * time, np.minimum(spare, self.rate) * time
        both = self.rate * time * np.exp(-slower) * exprel(-apart)
        late = np.minimum(np.exp(-self.rate * time) + chance * both, 1.0)
        return np.where(stable | (self.load == 0), late, 1.0)

    def _chance(self, servers: Counts) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        """Return the probability to wait, the spare capacity, and whether that is above 0."""
        spare = self.spare_capacity(servers)
        idle = self.load == 0
        stable = (spare > 0) | idle
        c = np.maximum(servers, 1).astype(np.float64)
        known = stable & ~idle
        load, spare = np.where(known, self.load, 0.0), np.where(known, spare, c * self.rate)
        point = Stations(c, log_full_probability(c), load / self.rate, spare / self.rate)
        return np.where(idle, 0.0, np.where(stable, point.chance, 1.0)), spare, stable


def as_pools(rate: npt.ArrayLike, load: npt.ArrayLike) -> LoadedPools:
    """Return pools from rates and loads of shape (n,) or (); InputError where they do not fit."""
    rates, loads = (np.atleast_1d(as_floats(*v)) for v in (("rate", rate), ("load", load)))
    good = (rates >= SMALL) & (rates <= LARGE)
    raise_at_first("rate", rates, good, "is not a service rate", f"give a rate above 0{RANGE}")
    problem, remedy = "is not a load", "give jobs per unit of time, 0 or more"
    raise_at_first("load", loads, (loads >= 0) & np.isfinite(loads), problem, remedy)
    n = max(rates.size, loads.size)
    for name, a in (("rate", rates), ("load", loads)):
        if a.ndim != 1 or a.size not in (1, n):
            problem = f"has the shape {a.shape} for {n} pools"
            raise InputError(name, a.tolist(), problem, "give one number per pool, or one for all")
    return LoadedPools(*(np.array(np.broadcast_to(a, n)) for a in (rates, loads)))


def as_counts(field: str, value: npt.ArrayLike, n: int) -> Counts:
    """Return n numbers of servers, 0 or more; InputError on others than whole numbers."""
    given = as_server_array(field, as_floats(field, value), n)
    good = (given >= 0) & (given <= MAX_SERVERS) & (given == np.floor(given))
    remedy = f"give a whole number from 0 to {MAX_SERVERS}"
    raise_at_first(field, given, good, "is not a number of servers", remedy)
    return given.astype(np.int64)


def first_within(
    measure: Measure, at_most: Array | float, low: Counts, high: Counts
) -> tuple[Counts, npt.NDArray[np.bool_]]:
    """Return the least numbers between bounds at which a measure is at most a value.

    Parameters
    ----------
    measure : callable
        Function from numbers of servers to a measure that falls with them, both of shape (n,).
    at_most : ndarray, shape (n,), or float
        The value.
    low, high : ndarray of int, shape (n,)
        Bounds of the numbers.

    Returns
    -------
    numbers : ndarray of int, shape (n,)
        `high` where no number is large enough.
    missed : ndarray of bool, shape (n,)
        Where that is so.
    """
    lower, upper, step = low - 1, low.copy(), 1
    while np.any((missed := measure(upper) > at_most) & (upper < high)):
        lower = np.where(missed, upper, lower)
        upper, step = np.where(missed, np.minimum(low + step, high), upper), 2 * step
    lower = np.where(missed, upper - 1, lower)
    while np.any(upper - lower > 1):
        middle = (lower + upper + 1) // 2  # the upper end itself where the ends are neighbours
        met = (measure(middle) <= at_most) | missed
        upper, lower = np.where(met, middle, upper), np.where(met, lower, middle)
    return upper, missed


def least_for(field: str, measure: Measure, at_most: Array, low: Counts, high: Counts) -> Counts:
    """Return the least numbers of servers that meet a target: each is met, and not by one less.

    Parameters are those of `first_within`, and the name of the target for errors.

    Raises
    ------
    InputError
        Where the largest number does not meet the target; it names the pool and the best target.
    """
    found, missed = first_within(measure, at_most, low, high)
    for i in np.flatnonzero(missed)[:1]:
        best = float(measure(found)[i])
        problem = f"is not met by {found[i]} servers: with them it is {best:.9g}"
        remedy = "allow more, or more servers"
        raise InputError(place(field, (int(i),)), float(at_most[i]), problem, remedy)
    return found


def waits_error(servers: Counts) -> Array:
    """Return bounds of the relative rounding errors of mean waits and probabilities to wait."""
    return np.asarray(EPS * (1024.0 + 4.0 * np.sqrt(servers)))


def least_servers(
    rate: npt.ArrayLike,
    load: npt.ArrayLike,
    at_most: npt.ArrayLike,
    *,
    late: npt.ArrayLike | None = None,
    with_service: bool = False,
) -> Counts:
    """Return the least number of servers of each pool for a mean wait or a share of late jobs.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rate of one server of each pool.
    load : array_like, shape (n,) or ()
        Load of each pool.
    at_most : array_like, shape (n,) or ()
        Largest mean wait, or with `late` the largest share of late jobs.
    late : array_like, shape (n,) or (), optional
        Time after which a job is late.
    with_service : bool, default False
        Whether wait and service together, not the wait alone, make a job late.

    Returns
    -------
    ndarray of int, shape (n,)
        With one server less the target is missed, or the pool is not stable.

    Raises
    ------
    InputError
        Where no number of servers meets the target.

    Examples
    --------
    300 calls an hour of 180 s each, of which at most 5 % may wait longer than 20 s:

    >>> int(least_servers(20.0, 300.0, 0.05, late=20 / 3600)[0])
    22
    """
    pools = as_pools(rate, load)
    n = len(pools.rate)
    target = as_server_array("at_most", as_floats("at_most", at_most), n)
    raise_at_first("at_most", target, target > 0, "is not above 0", "give a number above 0")
    most, whole_time = np.full(n, MAX_SERVERS), check_flag("with_service", with_service)
    if late is None:
        return least_for("at_most", lambda c: pools.waits(c).mean, target, pools.least, most)
    time = as_server_array("late", as_floats("late", late), n)
    raise_at_first("late", time, time >= 0, "is not a time", "give 0 or more")
    measure = pools.late_job if whole_time else pools.late_wait
    return least_for("at_most", lambda c: measure(c, time), target, pools.least, most)
