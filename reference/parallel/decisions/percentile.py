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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...compensated_sum import exact_sum
from ...composed import as_bank
from ...errors import Array, LoadError
from ...server_bank import ServerBank
from ...tails import check_tails
from ...validation import as_floats, as_fraction, as_server_array, raise_at_first
from ..flow_balance import CELLS
from ..limits import check_limits
from ..optimum_equilibrium import check_load, optimum
from .falling_root import falling_root
from .late_split import LateSplits, fewest_late, started

CLOSER = (0.95, 0.8, 0.4)  # parts of a time at which a lower one is looked for
FIRST_STEP, STEP_GROWTH, LAST_STEP = 4e-15, 8.0, 0.1  # relative, from a percentile to its bound
GROWTH = 4.0  # factor by which a time grows until few enough jobs are late
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

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> percentile_of(bank, [57.0, 38.0, 95.0], 0.99).round(6)
    array(0.097212)
    """
    bank = as_bank(servers)
    check_tails(bank)
    p = as_fraction("p", p, "the jobs", ends=False)
    x = as_floats("flow", flow)
    s = bank.spare_capacity(x) if spare_capacity is None else as_floats("spare", spare_capacity)
    found = _percentile(bank, x.reshape(-1, len(bank)), s.reshape(-1, len(bank)), 1.0 - p)
    return found.reshape(x.shape[:-1])


def least_percentile(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    p: float = 0.99,
    *,
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
    most : array_like, shape (n,) or ()
        Largest flow of each server, default its rate. Without it the split may fill a server to
        its rate: all its jobs are late then, which costs nothing where they are late anyway.

    Returns
    -------
    LeastPercentile

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On servers without a probability of late jobs; on largest flows below the load together.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> least = least_percentile(bank, 190.0)
    >>> least.percentile.round(6), least.flow.round(3)
    (array(0.081416), array([ 43.402,  27.673, 118.926]))
    """
    p = as_fraction("p", p, "the jobs", ends=False)
    bank, loads, high = _checked(servers, load, most)
    columns = [_least(bank, some, high, 1.0 - p) for some in _blocks(bank, loads)]
    return LeastPercentile(loads, *_joined(columns, loads.ndim))


def least_late_share(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    within: float,
    *,
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
    most : array_like, shape (n,) or ()
        Largest flow of each server, default its rate.

    Returns
    -------
    LeastLateShare

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On servers without a probability of late jobs; on largest flows below the load together.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> least_late_share(bank, 190.0, within=0.1).share.round(6)
    array(0.002956)
    """
    time = as_floats("within", within)
    good = (time > 0) & np.isfinite(time) & (time.ndim == 0)
    raise_at_first("within", time, good, "is not one time above 0", "give it in units of time")
    bank, loads, high = _checked(servers, load, most)
    columns = []
    for some in _blocks(bank, loads):
        times = np.full(some.shape, float(time))
        found = fewest_late(bank, some, times, high, started(bank, some, high))
        columns.append((*found.servers[:2], found.share, found.bound))
    return LeastLateShare(loads, *_joined(columns, loads.ndim))


def _checked(
    servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike, most: npt.ArrayLike
) -> tuple[ServerBank, Array, Array]:
    """Return the bank, the loads and the largest flows, shape (n,)."""
    bank = as_bank(servers)
    check_tails(bank)
    loads = check_load(bank, load)
    problem, remedy = "there is nothing to split", "give a load above 0"
    raise_at_first("load", loads, loads > 0, problem, remedy, LoadError)
    high = np.minimum(as_server_array("most", most, len(bank)), bank.rate)
    if np.any(high < bank.rate) and loads.size:
        check_limits(np.zeros(len(bank)), high, float(loads.max()))
    return bank, loads, high


def _blocks(bank: ServerBank, loads: Array) -> list[Array]:
    """Return the loads in blocks, shape (k,) each."""
    flat, size = np.atleast_1d(loads), max(1, CELLS // len(bank))
    return [flat[i : i + size] for i in range(0, flat.size, size)]


def _joined(columns: list[tuple[Array, ...]], axes: int) -> list[Array]:
    """Return the columns of all blocks; of one load without the leading axis."""
    joined = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return joined if axes else [column[0] for column in joined]


def _late_share(bank: ServerBank, flow: Array, spare: Array, time: Array) -> Array:
    """Return the share of late jobs of splits, shape (K,)."""
    jobs = flow * bank.late_jobs(flow, time[:, None], spare).share
    (late, low), (total, rest) = exact_sum(jobs), exact_sum(flow)
    return np.asarray((late + low) / (total + rest))


def _log_ratio(share: Array, late: float) -> Array:
    """Return log(share/late); -inf where no job is late."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(share / late))


def _percentile(bank: ServerBank, flow: Array, spare: Array, late: float) -> Array:
    """Return the times after which the part `late` of the jobs of each split is late, (K,)."""

    def excess(time: Array, rows: npt.NDArray[np.intp]) -> Array:
        return _log_ratio(_late_share(bank, flow[rows], spare[rows], time), late)

    used = flow > 0
    full = np.where(used & (spare <= 0), flow, 0.0).sum(axis=-1) / flow.sum(axis=-1)
    first = np.where(used, bank.delay, np.inf).min(axis=-1)
    latency = np.where(used & (spare > 0), bank.latency(flow, spare), 0.0).max(axis=-1)
    high = np.maximum(first, 0.0) + latency - math.log(late) * (latency - 0.5 * first)
    low, at_low = first.copy(), np.full(first.shape, -math.log(late))
    rows, at_high = np.flatnonzero(full <= late), np.zeros_like(high)
    todo = rows
    for _ in range(MOST_DOUBLINGS):
        at_high[todo] = excess(high[todo], todo)
        todo = todo[at_high[todo] > 0]
        if not todo.size:
            break
        low[todo], at_low[todo] = high[todo], at_high[todo]
        high[todo] = first[todo] + GROWTH * (high[todo] - first[todo])
    out = np.full(first.shape, np.inf)
    ends = (v[rows] for v in (low, high, at_low, at_high))
    out[rows] = falling_root(lambda time, k: excess(time, rows[k]), *ends)[1]
    out[todo] = np.inf
    return out


def _feasible(bank: ServerBank, load: Array, most: Array) -> tuple[Array, Array]:
    """Return splits near those of least mean delay, within the largest flows, shape (K, n) each."""
    best = optimum(bank, load)
    if np.all(best.flow <= most):
        return best.flow, best.spare_capacity
    flow = np.minimum(best.flow, most)
    able = most - flow
    part = (load - flow.sum(axis=-1)) / able.sum(axis=-1)
    flow = flow + np.clip(part, 0.0, 1.0)[:, None] * able
    return flow, bank.spare_capacity(flow)


def _least(bank: ServerBank, load: Array, most: Array, late: float) -> tuple[Array, ...]:
    """Return flows, spare capacities, least percentiles and their lower bounds for K loads."""
    found = started(bank, load, most)
    everyone = np.arange(load.size)

    def solved(time: Array, rows: npt.NDArray[np.intp]) -> LateSplits:
        nonlocal found
        new = fewest_late(bank, load[rows], time, most, found.take(rows))
        found = found.put(rows, new)
        return new

    def excess(time: Array, rows: npt.NDArray[np.intp]) -> Array:
        return _log_ratio(solved(time, rows).share, late)

    first = float(bank.delay.min())
    high = _percentile(bank, *_feasible(bank, load, most), late)
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
