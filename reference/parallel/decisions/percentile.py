"""The percentile of the times of all jobs of a split, and the split that makes it least.

At the split x of a load, P(T > t) = sum x_i P_i(T > t; x_i) / load over all jobs, and the p-th
percentile is the least t with P(T > t) <= 1 - p. For each t the split with the fewest late jobs is
a convex program (`sojourn.reference.parallel.decisions.late_split`), and its share of late jobs
falls with t. So the percentile is quasi-convex in the split, and the least one is the t at which
the fewest late jobs are the part 1 - p. A time at which the lower bound of the share of late jobs
is above 1 - p is a lower bound of the percentile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...compensated_sum import TINY, exact_sum
from ...composed import as_bank
from ...errors import Array, InputError, LoadError
from ...server_bank import ServerBank, halved
from ...tails import check_tails
from ...validation import (
    as_floats,
    as_fraction,
    as_positive,
    as_server_array,
    as_shape,
    raise_at_first,
)
from ..flow_balance import CELLS
from ..limits import check_limits
from ..optimum_equilibrium import check_load, optimum
from .falling_root import falling_root
from .late_split import LateSplits, fewest_late, started

CLOSER = (0.95, 0.8, 0.4)  # parts of a time at which a lower one is looked for
FIRST_STEP, STEP_GROWTH, LAST_STEP = 4e-15, 8.0, 0.1  # relative, from a percentile to its bound
LONGEST = 1e250  # times beyond are of no use to bracket a percentile
GROWTH = 4.0  # factor by which a time grows until few enough jobs are late
TIME_STEP = 1e-5  # relative, of differences
MOST_DOUBLINGS = 600


@dataclass(frozen=True, eq=False)
class LeastPercentile:
    """Splits whose percentile over all jobs is least; for K loads with a leading axis of length K.

    Attributes
    ----------
    load : ndarray, shape (...)
        Total load, jobs per unit of time.
    flow, spare_capacity : ndarray, shape (..., n)
        Load of each server, and its rate less its load.
    percentile : ndarray, shape (...)
        The p-th percentile of the times of all jobs at this split.
    lower : ndarray, shape (...)
        Bound of the percentile of every split, rounding errors included.
    """

    load: Array
    flow: Array
    spare_capacity: Array
    percentile: Array
    lower: Array


@dataclass(frozen=True, eq=False)
class LeastLateShare:
    """Splits with the smallest share of late jobs; for K loads with a leading axis of length K.

    Attributes
    ----------
    load : ndarray, shape (...)
        Total load, jobs per unit of time.
    flow, spare_capacity : ndarray, shape (..., n)
        Load of each server, and its rate less its load.
    share : ndarray, shape (...)
        Share of the jobs that are late.
    lower : ndarray, shape (...)
        Bound of the share of every split, rounding errors included.
    """

    load: Array
    flow: Array
    spare_capacity: Array
    share: Array
    lower: Array


def percentile_of(
    servers: ServerBank | Sequence[ServerBank],
    flow: npt.ArrayLike,
    p: float,
    spare_capacity: npt.ArrayLike | None = None,
) -> Array:
    """Return the p-th percentile of the times of all jobs of splits, shape (...).

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    flow : array_like, shape (..., n)
        Load of each server, not all 0.
    p : float
        Part of the jobs, above 0 and below 1.
    spare_capacity : array_like, shape (..., n), optional
        ``rate - flow``, where it is known better than by subtraction.

    Returns
    -------
    ndarray, shape (...)
        Infinite where servers with a flow of their rate or more have more than the part 1 - p.

    Raises
    ------
    InputError
        On servers without a probability of late jobs; on flows that are negative or all 0.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> float(percentile_of(bank, [57.0, 38.0, 95.0], 0.99).round(6))
    0.097212
    """
    bank = as_bank(servers)
    check_tails(bank)
    p = as_fraction("p", p, "the jobs", ends=False)
    x = _of_servers("flow", flow, len(bank))
    good = np.isfinite(x) & (x >= 0)
    raise_at_first("flow", x, good, "is not a flow", "give 0 or more jobs per unit of time")
    problem, remedy = "is 0 at every server", "give at least one a flow above 0"
    raise_at_first("flow", x.max(axis=-1), x.any(axis=-1), problem, remedy)
    s = bank.spare_capacity(x)
    if spare_capacity is not None:
        s = as_shape("spare_capacity", spare_capacity, x.shape)
    found = _percentile(bank, x.reshape(-1, len(bank)), s.reshape(-1, len(bank)), 1.0 - p)
    return found.reshape(x.shape[:-1])


def server_percentiles(bank: ServerBank, flow: Array, p: float, *, of_wait: bool = False) -> Array:
    """Return the p-th percentile of the time at each server, shape (n,); NaN where it is unused.

    Parameters
    ----------
    bank : ServerBank
        n servers with `ServerBank.late_jobs`.
    flow : ndarray, shape (n,)
        Load of each server.
    p : float
        Part of the jobs, above 0 and below 1.
    of_wait : bool, default False
        Whether the wait for service alone counts, without service and network delay.
    """
    tail, late = bank.late_waits if of_wait else bank.late_jobs, 1.0 - p
    first = np.zeros(len(bank)) if of_wait else np.array(bank.delay)
    unit = bank.latency(flow) - bank.delay
    out = np.where(flow > 0, np.inf, np.nan)
    idle = (flow > 0) & (tail(flow, first).share <= late)  # most jobs do not wait at all
    out[idle] = first[idle]
    rows = np.flatnonzero((flow > 0) & np.isfinite(unit) & ~idle)

    def excess(time: Array, k: npt.NDArray[np.intp]) -> Array:
        everyone = first + 1.0
        everyone[rows[k]] = time
        return _log_ratio(tail(flow, everyone).share[rows[k]], late)

    out[rows] = _root_after(excess, first[rows], unit[rows], late)
    return out


def largest_flows(
    bank: ServerBank, within: Array, p: float, *, of_wait: bool = False
) -> tuple[Array, Array]:
    """Return the flow up to which the p-th percentile at each server is within a time.

    Parameters
    ----------
    bank : ServerBank
        n servers with `ServerBank.late_jobs`, whose late jobs rise with the flow.
    within : ndarray, shape (n,)
        Times above 0.
    p : float
        Part of the jobs, above 0 and below 1.
    of_wait : bool, default False
        Whether the wait for service alone counts, without service and network delay.

    Returns
    -------
    flow, slope : ndarray, shape (n,)
        The flow, 0 for a server that cannot be used, and its derivative in the time.
    """
    tail, late = bank.late_waits if of_wait else bank.late_jobs, 1.0 - p
    zero = np.zeros(len(bank))
    usable = tail(zero, within).share < late

    def above(flow: Array) -> Array:
        return np.asarray(tail(flow, within).share - late)

    flow = np.where(usable, halved(above, zero, bank.rate)[0], 0.0)
    # the derivative in the time, by differences of the time at the server
    step = TIME_STEP * np.where(usable, within if of_wait else within - bank.delay, 1.0)
    sooner, later = (tail(flow, within + side * step).share for side in (-1.0, 1.0))
    rise = tail(flow, within).slope
    falls = usable & (rise > 0)
    slope = (sooner - later) / (2.0 * step) / np.where(falls, rise, 1.0)
    return flow, np.where(falls, slope, 0.0)


def least_percentile(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    p: float = 0.99,
    *,
    least: npt.ArrayLike = 0.0,
    most: npt.ArrayLike = math.inf,
) -> LeastPercentile:
    """Return the split whose p-th percentile over all jobs is least, for one load or many.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers with `ServerBank.late_jobs`: M/M/1, M/D/1, M/G/1, M/M/c.
    load : array_like, shape () or (K,)
        Total loads above 0 and below the total rate, jobs per unit of time.
    p : float, default 0.99
        Part of the jobs, above 0 and below 1.
    least, most : array_like, shape (n,) or ()
        Least and largest flow of each server, default 0 and its rate. Without a largest flow the
        split may fill a server to its rate, where its jobs are late at any flow.

    Returns
    -------
    LeastPercentile

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On servers without a probability of late jobs; on bounds that no split of a load keeps.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> least = least_percentile(bank, 190.0)
    >>> float(least.percentile.round(6)), least.flow.round(3)
    (0.081416, array([ 43.402,  27.673, 118.926]))
    """
    p = as_fraction("p", p, "the jobs", ends=False)
    bank, loads, low, high = _checked(servers, load, least, most)
    columns = [_least(bank, some, low, high, 1.0 - p) for some in _blocks(bank, loads)]
    return LeastPercentile(loads, *_joined(columns, loads.ndim))


def least_late_share(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    within: float,
    *,
    least: npt.ArrayLike = 0.0,
    most: npt.ArrayLike = math.inf,
) -> LeastLateShare:
    """Return the split with the smallest share of jobs that take longer than a given time.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers with `ServerBank.late_jobs`: M/M/1, M/D/1, M/G/1, M/M/c.
    load : array_like, shape () or (K,)
        Total loads above 0 and below the total rate, jobs per unit of time.
    within : float
        Time above 0 after which a job is late, its network delay included.
    least, most : array_like, shape (n,) or ()
        Least and largest flow of each server, default 0 and its rate.

    Returns
    -------
    LeastLateShare

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On servers without a probability of late jobs; on bounds that no split of a load keeps.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> float(least_late_share(bank, 190.0, within=0.1).share.round(6))
    0.002956
    """
    time = as_positive("within", within, "give a time in the unit of the delays")
    bank, loads, low, high = _checked(servers, load, least, most)
    columns = []
    for some in _blocks(bank, loads):
        times = np.full(some.shape, time)
        found = fewest_late(bank, some, times, low, high, started(bank, some, low, high))
        columns.append((*found.servers[:2], found.share, found.bound))
    return LeastLateShare(loads, *_joined(columns, loads.ndim))


def _checked(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    least: npt.ArrayLike,
    most: npt.ArrayLike,
) -> tuple[ServerBank, Array, Array, Array]:
    """Return the bank, the loads and the bounds of the flows, shape (n,) each."""
    bank = as_bank(servers)
    check_tails(bank)
    loads = check_load(bank, load)
    problem, remedy = "there is nothing to split", "give a load above 0"
    raise_at_first("load", loads, loads > 0, problem, remedy, LoadError)
    low = as_server_array("least", least, len(bank))
    high = np.minimum(as_server_array("most", most, len(bank)), bank.rate)
    for one in (loads.min(), loads.max()) if loads.size else ():
        check_limits(low, high, float(one))
    return bank, loads, low, high


def _of_servers(field: str, value: npt.ArrayLike, n: int) -> Array:
    """Return numbers of shape (..., n); InputError on another number of servers."""
    given = as_floats(field, value)
    if given.shape[-1:] != (n,):
        problem = f"does not have one number for each of {n} servers"
        raise InputError(field, given.tolist(), problem, f"give shape (..., {n})")
    return given


def _blocks(bank: ServerBank, loads: Array) -> list[Array]:
    """Return the loads in blocks, shape (k,) each."""
    flat, size = np.atleast_1d(loads), max(1, CELLS // len(bank))
    return [flat[i : i + size] for i in range(0, flat.size, size)]


def _joined(columns: Sequence[tuple[Array, ...]], axes: int) -> list[Array]:
    """Return the columns of all blocks; of one load without the leading axis."""
    joined = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return joined if axes else [column[0] for column in joined]


def _sum(terms: Array) -> Array:
    """Return the sums over the last axis, rounded once."""
    high, low = exact_sum(terms)
    return np.asarray(high + low)


def _log_ratio(share: Array, late: float) -> Array:
    """Return log(share/late); -inf where no job is late."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(share / late))


def _percentile(bank: ServerBank, flow: Array, spare: Array, late: float) -> Array:
    """Return the times after which the part `late` of the jobs of each split is late, (K,)."""
    weight = flow / flow.max(axis=-1, keepdims=True)  # their sum is no overflow
    total = _sum(weight)

    def excess(time: Array, rows: npt.NDArray[np.intp]) -> Array:
        share = bank.late_jobs(flow[rows], time[:, None], spare[rows]).share
        return _log_ratio(_sum(weight[rows] * share) / total[rows], late)

    used = flow > 0
    full = np.where(used & (spare <= 0), weight, 0.0).sum(axis=-1) / total
    first = np.where(used, bank.delay, np.inf).min(axis=-1)
    with np.errstate(over="ignore"):
        latency = np.where(used & (spare > 0), bank.latency(flow, spare), 0.0).max(axis=-1)
        latency = np.minimum(latency, LONGEST)
    out, rows = np.full(first.shape, np.inf), np.flatnonzero(full <= late)
    some = first[rows], (latency - first)[rows]
    out[rows] = _root_after(lambda time, k: excess(time, rows[k]), *some, late)
    return out


def _root_after(
    excess: Callable[[Array, npt.NDArray[np.intp]], Array], first: Array, unit: Array, late: float
) -> Array:
    """Return where log(P(T > t)/late) falls to 0, shape (m,), for times from `first` on.

    Parameters
    ----------
    excess : callable
        That logarithm, from times and the indices of their rows; see `falling_root`.
    first, unit : ndarray, shape (m,)
        Times up to which every job is late, and mean times after them.
    late : float
        Part of the jobs.
    """
    low, at_low = first.copy(), np.full(first.shape, -math.log(late))
    high, at_high = first + (1.0 - math.log(late)) * unit, np.zeros(first.shape)
    todo = np.arange(first.size)
    for _ in range(MOST_DOUBLINGS):
        at_high[todo] = excess(high[todo], todo)
        todo = todo[at_high[todo] > 0]
        if not todo.size:
            break
        low[todo], at_low[todo] = high[todo], at_high[todo]
        high[todo] = first[todo] + GROWTH * (high[todo] - first[todo])
    root = falling_root(excess, low, high, at_low, at_high)[1]
    root[todo] = np.inf
    return root


def _feasible(bank: ServerBank, load: Array, least: Array, most: Array) -> tuple[Array, Array]:
    """Return splits near those of least mean delay, within the bounds, shape (K, n) each."""
    best = optimum(bank, load)
    if np.all((best.flow <= most) & (best.flow >= least)):
        return best.flow, best.spare_capacity
    flow = np.clip(best.flow, least, most)
    missing = (load - flow.sum(axis=-1))[:, None]
    able = np.where(missing > 0, most - flow, flow - least)
    total = np.maximum(able.sum(axis=-1, keepdims=True), TINY)
    flow = flow + np.clip(missing / total, -1.0, 1.0) * able
    return flow, bank.spare_capacity(flow)


def _least(
    bank: ServerBank, load: Array, least: Array, most: Array, late: float
) -> tuple[Array, ...]:
    """Return flows, spare capacities, least percentiles and their lower bounds for K loads."""
    found = started(bank, load, least, most)
    everyone = np.arange(load.size)

    def solved(time: Array, rows: npt.NDArray[np.intp]) -> LateSplits:
        nonlocal found
        new = fewest_late(bank, load[rows], time, least, most, found.take(rows))
        found = found.put(rows, new)
        return new

    def excess(time: Array, rows: npt.NDArray[np.intp]) -> Array:
        return _log_ratio(solved(time, rows).share, late)

    first = float(bank.delay.min())
    high = _percentile(bank, *_feasible(bank, load, least, most), late)
    at_high = np.minimum(excess(high, everyone), 0.0)
    low, at_low = np.full(load.shape, first), np.full(load.shape, -math.log(late))
    todo = everyone
    for part in CLOSER:
        time = first + part * (high[todo] - first)
        value = excess(time, todo)
        below, rows = value > 0, todo
        low[rows[below]], at_low[rows[below]] = time[below], value[below]
        high[rows[~below]], at_high[rows[~below]] = time[~below], value[~below]
        todo = rows[~below]
        if not todo.size:
            break
    high = falling_root(excess, low, high, at_low, at_high)[1]
    solved(high, everyone)
    flow, spare = found.servers[:2]
    percentile = _percentile(bank, flow, spare, late)
    lower, step, todo = np.full(load.shape, first), FIRST_STEP, everyone
    while todo.size and step < LAST_STEP:
        time = percentile[todo] * (1.0 - step)
        proved = solved(time, todo).bound > late
        lower[todo[proved]] = time[proved]
        todo, step = todo[~proved], step * STEP_GROWTH
    return flow, spare, percentile, lower
