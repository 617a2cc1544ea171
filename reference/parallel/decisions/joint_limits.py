"""Checks of split and rates together before a search, and a split that fits to start from."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...amounts import LARGEST, SMALLEST, enough, fits
from ...errors import Array, InputError
from ...mg1 import MG1, MM1
from ...validation import raise_at_first
from ..limits import cheapest
from ..optimum_equilibrium import Split, optimum
from .joint_costs import FreeServers

HALVINGS = 60  # of the rate that a budget buys beyond the load


def check_servers(servers: FreeServers) -> None:
    """Raise InputError on numbers that no servers have, and on rates that cannot carry the load."""
    for name in ("k", "delay", "price", "low", "high", "opening"):
        array = getattr(servers, name)
        good = fits(array, SMALLEST, LARGEST)
        good = (good & (array >= 0.5)) if name == "k" else good
        good = (good | np.isposinf(array)) if name == "high" else good
        remedy = f"give a number up to {LARGEST:g}, 0 or more"
        raise_at_first(name, array, good, "is not in its range", remedy)
    in_order, remedy = servers.high >= servers.low, "let the bounds not cross"
    raise_at_first("high", servers.high, in_order, "is below the least rate", remedy)
    bounded = (servers.price > 0) | np.isfinite(servers.high)
    remedy = "give high, or a price above 0"
    raise_at_first("price", servers.price, bounded, "needs a largest rate", remedy)
    if not servers.spare_of_load > 0:
        total = float(servers.high.sum())
        problem = f"sum to {total:.12g}, not above the load {servers.load:g}"
        raise InputError("high", servers.high.tolist(), problem, "allow higher rates")


def rates_for(
    servers: FreeServers, is_open: npt.NDArray[np.bool_], capacity: float
) -> tuple[float, Array]:
    """Return the least money for a total rate of some servers, and the rates, shape (n,)."""
    free = np.where(servers.price > 0, servers.low, servers.high)
    rate = servers.low.copy()
    own = np.flatnonzero(is_open)
    rate[own] = cheapest(free[own], servers.high[own], servers.price[own], capacity)[0]
    opening = servers.opening[own].tolist()
    return math.fsum([*(servers.price * rate).tolist(), *opening]), rate


def split_at(servers: FreeServers, rate: Array, is_open: npt.NDArray[np.bool_]) -> Split | None:
    """Return the best split over open servers at rates; None where these do not carry the load.

    Its flow and spare capacity have shape (n,); that of a closed server is its rate.
    """
    own = np.flatnonzero(is_open & (rate > 0))
    if not float(rate[own].sum()) > servers.load:
        return None
    k, delay = servers.k[own], servers.delay[own]
    alike = servers.exponential
    bank = MM1(rate[own], delay) if alike else MG1(rate[own], np.sqrt(2.0 * k - 1.0), delay)
    if not servers.load < float(bank.total_rate[0]):
        return None
    found = optimum(bank, servers.load)
    flow, spare = np.zeros(len(rate)), rate.copy()
    flow[own], spare[own] = found.flow, found.spare_capacity
    first = np.zeros(len(rate))
    return Split(found.load, flow, spare, found.mean_delay, found.multiplier, first)


def start_for_budget(servers: FreeServers, budget: float, is_open: npt.NDArray[np.bool_]) -> Array:
    """Return flows that have rates within a budget; InputError where there are none.

    Parameters
    ----------
    servers : FreeServers
        n servers.
    budget : float
        Money for rates and openings.
    is_open : ndarray of bool, shape (n,)
        Servers that carry the load for the least money.
    """
    least, _ = rates_for(servers, is_open, servers.load)
    free = np.where(servers.price > 0, servers.low, servers.high)
    able = math.fsum(free[is_open].tolist()) > servers.load
    if budget < least or (budget == least and not able):
        problem = f"cannot carry the load {servers.load:g}"
        raise InputError("budget", budget, problem, enough(least, above=not able))
    more = servers.load
    for _ in range(HALVINGS):
        money, rate = rates_for(servers, is_open, servers.load + more)
        split = split_at(servers, rate, is_open) if money <= budget else None
        if split is not None:
            return split.flow
        more *= 0.5
    problem = f"is so close to {least:.12g}, the least, that rounding hides its split"
    raise InputError("budget", budget, problem, "give a little more")


def start_for_delay(servers: FreeServers, mean_delay: float) -> Array:
    """Return flows that have rates for a mean delay; InputError where there are none."""
    best, is_enough = least_delay(servers)
    if mean_delay < best or (mean_delay == best and not is_enough):
        amount = f"{best:.12g} or more" if is_enough else f"more than {best:.12g}"
        problem = f"cannot be met at the load {servers.load:g} by any split and rates"
        raise InputError("mean_delay", mean_delay, problem, f"give {amount}")
    return _start_with_rates(servers, mean_delay)


def _start_with_rates(servers: FreeServers, mean_delay: float) -> Array:
    """Return the best flows at the largest rates, of those without a bound one that is enough."""
    every, most = np.ones(len(servers.price), bool), 2.0 * servers.load
    while True:
        rate = np.minimum(servers.high, np.maximum(most, servers.low))
        split = split_at(servers, rate, every)
        enough = split is not None and float(split.mean_delay) <= mean_delay
        if enough or not most < 1e15 * servers.load:
            break
        most *= 4.0
    if split is None:
        problem = "are so close to the load that rounding hides its split"
        raise InputError("high", servers.high.tolist(), problem, "allow higher rates")
    return split.flow


def start_for_cost(servers: FreeServers) -> Array:
    """Return flows that the servers can carry."""
    return _start_with_rates(servers, math.inf)


def least_delay(servers: FreeServers) -> tuple[float, bool]:
    """Return the least mean delay at any money, and whether rates attain it.

    A server of infinite rate has the latency d; the others carry jobs up to this marginal delay.
    """
    finite = np.isfinite(servers.high)
    whole = split_at(servers, np.where(finite, servers.high, 0.0), finite)
    if finite.all():
        if whole is None:
            return math.inf, False
        return float(whole.mean_delay), True
    nearest = float(servers.delay[~finite].min())
    if whole is not None and float(whole.multiplier) <= nearest:
        return float(whole.mean_delay), True
    high = np.where(finite, servers.high, 1.0)
    flow, spare = servers.flow_of(nearest, 1.0, high)
    flow = np.where(finite, flow, 0.0)
    work = math.fsum(servers.work(flow, spare).tolist())
    rest = max(servers.load - math.fsum(flow.tolist()), 0.0)
    return (work + rest * nearest) / servers.load, False
