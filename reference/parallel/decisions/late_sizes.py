"""Rates of least cost at a given split, for a largest share of late jobs over all M/M/1 servers.

With tau = t - d the time at a server until a job is late, the flow x_i has x_i exp(-s_i tau_i) late
jobs, convex in the spare capacity s_i; all are late where tau <= 0. At the price w of a late job
the best spare capacity is s_i = log(w x_i tau_i/p_i)/tau_i within its bounds, where the late jobs
of a server inside them are p_i/(w tau_i). So the late jobs are piecewise linear in 1/w. For any
w >= 0 the sum of the minima of p mu + w x exp(-s tau), less w times the allowed late jobs, is at
most the cost of any rates that allow no more (weak duality).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...amounts import LARGE, SMALL, enough
from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import as_fraction, check_within
from .sizes import Servers, SizedRates, within_target

LATE = 1024 * EPS  # relative rounding error of a probability that is a float above 0


def rates_for_late_share(
    flow: npt.ArrayLike,
    delay: npt.ArrayLike,
    price: npt.ArrayLike,
    low: npt.ArrayLike = 0.0,
    high: npt.ArrayLike = math.inf,
    *,
    within: float,
    at_most: float,
) -> SizedRates:
    """Return the rates of least cost at which at most a share of all jobs is late.

    Parameters
    ----------
    flow, delay, price, low, high : array_like, shape (n,) or ()
        As for `rates_at_split`.
    within : float
        Time after which a job is late, the network delay included.
    at_most : float
        Largest share of late jobs.

    Returns
    -------
    SizedRates
        The price of money is that in late jobs. A server can be left without spare capacity: the
        limit of ever smaller ones, at which its queue is not stable.

    Raises
    ------
    InputError
        As `rates_at_split`; on a share that no rates can meet, with the least share.

    Examples
    --------
    >>> x, delay, price = [60.0, 40.0, 90.0], [0.005, 0.005, 0.020], [1.0, 1.0, 0.5]
    >>> found = rates_for_late_share(x, delay, price, within=0.150, at_most=0.01)
    >>> found.rate.round(6), round(found.cost, 6)
    (array([ 90.28687 ,  67.490558, 131.392378]), 223.473617)
    """
    servers = Servers.checked(flow, 1.0, delay, price, low, high)
    remedy = "give a time above 0"
    latest = check_within("within", within, SMALL, LARGE, "is not a time", remedy)
    time = latest - servers.delay
    share = as_fraction("at_most", at_most, "the jobs")
    some = (time > 0) & servers.used
    tau = np.where(some, time, 1.0)
    certain = float(np.sum(servers.flow, where=servers.used & ~some))  # late at any rate
    target = share * servers.load

    def late(spare: Array) -> float:
        jobs = servers.flow * np.exp(-spare * tau)
        return certain + float(np.sum(jobs, where=some))

    free = some & (servers.least < servers.most)
    worth = np.where(free, servers.flow * tau, 1.0) / np.where(free, servers.price, 1.0)

    def at(y: float) -> tuple[Array, float, float]:
        with np.errstate(divide="ignore", over="ignore"):
            spare = np.log(worth / y) / tau
        spare = np.clip(np.where(free, spare, servers.least), servers.least, servers.most)
        inside = free & (spare > servers.least) & (spare < servers.most)
        return spare, float(np.sum(servers.price / tau, where=inside)), y

    best = late(servers.most)
    endless = bool(np.any(some & np.isinf(servers.most)))
    if target < best or (endless and target <= best):
        problem = "is not met by any rates within their bounds"
        remedy = enough(best / servers.load, above=endless)
        raise InputError("at_most", at_most, problem, remedy)
    size = float(np.sum(servers.price / tau, where=free))
    return within_target(servers, late, at, size, target, LATE)
