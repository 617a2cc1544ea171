"""Servers divided over pools with given loads: least mean wait for a budget, or least cost.

With c_i servers at the price p_i, the cost is the sum of p_i c_i, and the mean wait over all jobs
the sum of v_i(c_i), with v_i(c) the wait of the pool times its part of all jobs. Each v_i is
convex, see `sojourn.reference.parallel.decisions.staffing`. At a *level* z, the wait that one unit
of money must save, the numbers

    c_i(z) = least c with v_i(c) - v_i(c + 1) <= z p_i

minimise the sum of v_i(c) + z p_i c over whole numbers: a certificate, by weak duality. With equal
prices the numbers at the level where the budget is spent are the answer: no server that is given
saves less than the next one would (*marginal analysis*). With others they miss the limit by less
than one server, and the rest is a knapsack problem, exact by a list of sums; see
`sojourn.reference.parallel.decisions.knapsack`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...amounts import SMALL, as_amounts
from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import as_positive, place, raise_at_first
from .knapsack import Found, Knapsack
from .staffing import (
    LoadedPools,
    Measure,
    as_counts,
    as_pools,
    first_within,
    waits_error,
)
from .weight_units import Counts

SUM = 1.0 + 8 * EPS  # part of a limit that sums may have, by rounding
LEAST_LEVEL = 1e-300


@dataclass(frozen=True, eq=False)
class StaffedNumbers:
    """Numbers of servers of pools, with a bound of the best possible ones.

    Attributes
    ----------
    servers : ndarray of int, shape (n,)
        Number of servers of each pool.
    cost : float
        Sum of price times number.
    mean : float
        Mean wait over the jobs of all pools, or the share of them that wait longer than a time.
    lower_bound : float
        Bound of the minimised one of the two, without rounding errors.
    rounding : float
        Relative rounding error of the values and bounds of the mean.
    last_gain, next_gain : float
        Least decrease of the mean per unit of money by a server that could be given up, and largest
        decrease by one more server; inf and 0 where there is none. With equal prices the numbers
        are exact if the first is not below the second.
    states : int
        Sums of costs and waits that were compared; 0 where the level alone gives the answer.
    """

    servers: Counts
    cost: float
    mean: float
    lower_bound: float
    rounding: float
    last_gain: float
    next_gain: float
    states: int


def staff_pools(
    rate: npt.ArrayLike,
    load: npt.ArrayLike,
    *,
    budget: float | None = None,
    at_most: float | None = None,
    price: npt.ArrayLike = 1.0,
    late: float | None = None,
    least: npt.ArrayLike = 0,
    most: npt.ArrayLike = 1_000_000,
) -> StaffedNumbers:
    """Return the numbers of servers of least mean wait for a budget, or of least cost for a wait.

    Parameters
    ----------
    rate : array_like, shape (n,) or ()
        Service rate of one server of each pool.
    load : array_like, shape (n,) or ()
        Load of each pool.
    budget : float, optional
        Largest cost; with the price 1 the total number of servers.
    at_most : float, optional
        Largest mean wait over all jobs, > 0; with `late` the largest share of late jobs.
    price : array_like, shape (n,) or (), default 1
        Money per server, > 0.
    late : float, optional
        Measure the share of the jobs that wait longer than this time, instead of the mean wait.
    least, most : array_like of int, shape (n,) or ()
        Bounds of the numbers of servers.

    Returns
    -------
    StaffedNumbers

    Raises
    ------
    InputError
        Unless one of `budget` and `at_most` is given, and where it cannot be met: the error has the
        least budget, or the best mean, that can.

    Examples
    --------
    >>> found = staff_pools([3.0, 10.0, 1.0], [20.0, 50.0, 8.0], budget=26)
    >>> found.servers, round(found.mean, 12)
    (array([ 9,  7, 10]), 0.042847585338)
    >>> found = staff_pools([3.0, 10.0, 1.0], [20.0, 50.0, 8.0], at_most=0.1, price=[2.0, 5.0, 1.5])
    >>> found.servers, found.cost
    (array([ 8,  6, 10]), 61.0)
    """
    if (budget is None) == (at_most is None):
        given, problem = {"budget": budget, "at_most": at_most}, "is not one limit"
        raise InputError("staff_pools", given, problem, "give budget= or at_most=")
    pools = as_pools(rate, load)
    n = len(pools.rate)
    prices = as_amounts("price", price, n)
    raise_at_first("price", prices, prices > 0, "is not a price above 0", "give money per server")
    time = None if late is None else as_positive("late", late, "give a time")
    low = np.maximum(pools.least, as_counts("least", least, n))
    high = as_counts("most", most, n)
    for i in np.flatnonzero(high < low)[:1]:
        problem = f"is less than the {low[i]} servers that the pool needs"
        raise InputError(place("most", (int(i),)), int(high[i]), problem, f"allow {low[i]} or more")
    if budget is not None:
        budget = as_positive("budget", budget, "give money")
    else:
        at_most = as_positive("at_most", at_most, "give a time, or a share")
    return divide(pools, prices, low, high, budget=budget, at_most=at_most, late=time)


def divide(
    pools: LoadedPools,
    price: Array,
    low: Counts,
    high: Counts,
    *,
    budget: float | None = None,
    at_most: float | None = None,
    late: float | None = None,
    field: str = "",
) -> StaffedNumbers:
    """Return the best numbers of servers between bounds; see `staff_pools`.

    Where a price is 0, both bounds are the same. Errors name the limit as the field `field`.
    """
    if not pools.load.any():
        raise InputError("load", pools.load.tolist(), "has no jobs", "give a load above 0")
    high = np.where(pools.load > 0, high, low)
    mean = mean_of(pools, late)

    def money(servers: Counts) -> Array:
        return np.asarray(price * servers)

    def gain(servers: Counts) -> Array:
        return _per_money(mean(servers) - mean(servers + 1), price)

    if budget is not None:
        problem = Knapsack(mean, money, budget * SUM, low, high)
        if problem.spare(low) < 0:
            least = math.fsum(money(low).tolist())
            text = f"is less than the servers cost that the pools need, {least:.12g}"
            raise InputError(field or "budget", budget, text, f"give {least:.12g} or more")
        found = _by_level(problem, gain, high, +1)
    else:
        assert at_most is not None  # noqa: S101  one of the two is given
        if at_most < SMALL:
            text = "is so small that its gains are no floats"
            raise InputError(field or "at_most", at_most, text, f"give {SMALL} or more")
        problem = Knapsack(money, mean, at_most * SUM, low, high)
        if problem.spare(high) < 0:
            best = math.fsum(mean(high).tolist())
            text = f"is below the mean with the largest numbers of servers, {best:.9g}"
            raise InputError(field or "at_most", at_most, text, "allow more, or more servers")
        found = _by_level(problem, gain, low, -1)
    servers = found.numbers
    rounding = waits_error(servers) + EPS * (late or 0.0) * pools.spare_capacity(servers)
    return StaffedNumbers(
        servers,
        math.fsum(money(servers).tolist()),
        math.fsum(mean(servers).tolist()),
        found.lower_bound,
        float(rounding.max()),
        *gains(mean, price, servers, low, high),
        found.states,
    )


def mean_of(pools: LoadedPools, late: float | None = None) -> Measure:
    """Return the function from numbers of servers to the part of each pool in the mean, (n,) both.

    It is the mean of the wait over all jobs, or with `late` of the jobs that wait longer.
    """
    part = pools.load / math.fsum(pools.load.tolist())

    def mean(servers: Counts) -> Array:
        waits = pools.waits(servers).mean if late is None else pools.late_wait(servers, late)
        return np.where(part > 0, part * waits, 0.0)

    return mean


def gains(
    mean: Measure, price: Array, servers: Counts, low: Counts, high: Counts
) -> tuple[float, float]:
    """Return `StaffedNumbers.last_gain` and `StaffedNumbers.next_gain`."""
    at = mean(servers)
    given, free = servers > low, servers < high
    last = _per_money(mean(np.where(given, servers - 1, servers)) - at, price)
    more = _per_money(at - mean(servers + 1), price)
    least = float(np.min(last, where=given, initial=np.inf))
    return least, float(np.max(more, where=free, initial=0.0))


def _per_money(gain: Array, price: Array) -> Array:
    """Return gains per unit of money; 0 where the price is 0 and the number cannot change."""
    return np.divide(gain, price, out=np.zeros_like(gain), where=price > 0)


def _by_level(problem: Knapsack, gain: Measure, best: Counts, way: int) -> Found:
    """Return the numbers that solve a problem, by bisection over the level.

    Parameters
    ----------
    problem : Knapsack
    gain : callable
        Function from numbers of servers to the decrease of the mean per unit of money.
    best : ndarray of int, shape (n,)
        Numbers of least objective, which may be beyond the limit.
    way : {1, -1}
        Whether more servers use more of the limit, or less.
    """
    low, high = problem.low, problem.high
    if problem.spare(best) >= 0:
        return Found(best, problem.total(best), 0)
    few, many, top, bottom = low, high, float(gain(low).max()), LEAST_LEVEL
    while (many - few).sum() > 1:
        level = math.sqrt(top) * math.sqrt(bottom)
        if not bottom < level < top:
            break
        middle, _ = first_within(gain, level, few, many)
        if (problem.spare(middle) < 0) == (way > 0):
            many, bottom = middle, level
        else:
            few, top = middle, level
    # the level at which both numbers are best
    level = min(max(float(gain(few)[many > few].max()), bottom), top)
    if level <= 2 * LEAST_LEVEL:  # no gain of a server is a float: none is better than another
        numbers = problem.towards(few, many)
        return Found(numbers, problem.total(numbers), 0)
    return problem.solve(few, many, level) if way > 0 else problem.solve(many, few, 1.0 / level)
