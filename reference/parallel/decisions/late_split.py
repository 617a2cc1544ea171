"""The split with the fewest late jobs, exactly, with a lower bound that needs no solver.

Minimise sum f_i(x_i), f_i(x) = x P_i(T > t; x), with sum x = load and 0 <= x <= most: the used
servers between their bounds share a marginal number c of late jobs, which is one scalar root.

*Bound.* f_i is convex, so for every split y of the load, with m_i = f_i'(x_i) and any c,

    sum f_i(y_i) >= sum f_i(x_i) + c (load - sum x_i) + sum (m_i - c) (y_i - x_i),

and each term of the last sum is at least -(m_i - c) (x_i - least_i) where m_i > c,
and else at least -(c - m_i) (most_i - x_i). At the flows of the price c all these terms are
rounding errors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS, TINY, exact_sum
from ...errors import Array
from ...server_bank import ServerBank
from .late_price import LateFlow, LatePrices

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
STEPS = 120  # of the search for a price; a few are usual
BALANCED = 4 * EPS  # imbalance, relative to load and spare capacity, that is rounding error


class LateSplits(NamedTuple):
    """K splits of fewest late jobs.

    Attributes
    ----------
    servers : LateFlow
        Flows and spare capacities, shape (K, n).
    price : ndarray, shape (K,)
        Logarithm of the common price c.
    share : ndarray, shape (K,)
        Share of the jobs that are late.
    bound : ndarray, shape (K,)
        Share of late jobs that no split is below, rounding errors included.
    """

    servers: LateFlow
    price: Array
    share: Array
    bound: Array

    def put(self, rows: Rows, new: LateSplits) -> LateSplits:
        """Return the splits with those of some of the rows replaced."""

        def replaced(old: Array, changed: Array) -> Array:
            out = old.copy()
            out[rows] = changed
            return out

        servers = LateFlow(*map(replaced, self.servers, new.servers))
        return LateSplits(servers, *map(replaced, self[1:], new[1:]))

    def take(self, rows: Rows) -> LateSplits:
        """Return the splits of some of the rows."""
        return LateSplits(LateFlow(*(v[rows] for v in self.servers)), *(v[rows] for v in self[1:]))


def started(bank: ServerBank, load: Array, least: Array, most: Array) -> LateSplits:
    """Return K splits from which `fewest_late` can start: all servers are used alike."""
    room = most - least
    part = ((load - least.sum()) / max(float(room.sum()), TINY))[:, None]
    flow = least + np.clip(part, 0.0, 1.0) * room
    servers = LateFlow(flow, bank.spare_capacity(flow), np.zeros_like(flow))
    unknown = np.zeros_like(load)
    return LateSplits(servers, unknown, unknown, unknown)


def fewest_late(
    bank: ServerBank, load: Array, time: Array, least: Array, most: Array, start: LateSplits
) -> LateSplits:
    """Return the splits of fewest late jobs.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Total loads.
    time : ndarray, shape (K,)
        Time after which a job is late.
    least, most : ndarray, shape (n,)
        Bounds of the flow of each server, from 0 to its rate, within which the load fits.
    start : LateSplits
        Splits near which the search starts.
    """
    prices = LatePrices(bank, least, most, time)
    low, high = np.full(load.shape, -np.inf), np.full(load.shape, np.inf)
    price, servers = start.price, start.servers
    if np.any(prices.hopeless):
        # the flow of a server at which every job is late jumps at the price 1
        price = np.zeros_like(price)
    at_one = np.where(prices.hopeless, most - least, 0.0).sum(axis=-1)
    reach = np.ones_like(load)
    end = servers, np.zeros_like(load)
    ends = end, end
    for _ in range(STEPS):
        servers = prices.at(price, servers)
        residual = imbalance(bank, load, servers)
        scale = np.minimum(load, servers.spare_capacity.sum(axis=-1))
        settled = np.abs(residual) <= BALANCED * scale
        short, long = residual >= 0, residual <= 0
        low, high = np.where(short, price, low), np.where(long, price, high)
        ends = (
            _chosen(short, servers, residual, *ends[0]),
            _chosen(long, servers, residual, *ends[1]),
        )
        # the servers at which every job is late take what is missing at the price 1
        settled |= (price == 0) & (residual >= 0) & (residual <= at_one)
        bounded = np.isfinite(low) & np.isfinite(high)
        width = np.where(bounded, high, 1.0) - np.where(bounded, low, 0.0)
        settled |= width <= 2 * EPS * np.maximum(1.0, np.abs(price))
        if np.all(settled):
            break
        response = servers.response.sum(axis=-1)
        with np.errstate(all="ignore"):
            newton = price + residual / response
            beyond = np.where(residual > 0, price + reach, price - reach)
            middle = np.where(bounded, 0.5 * (low + high), beyond)
            inside = (newton > low) & (newton < high) & np.isfinite(newton)
        reach = np.where(inside, reach, 2.0 * reach)
        price = np.where(settled, price, np.where(inside, newton, middle))
    servers = _between(*ends, servers, settled & (np.abs(residual) > BALANCED * scale))
    servers = _balanced(bank, load, prices, servers, price)
    return _bounded(bank, load, prices, servers, price)


def _chosen(
    rows: Mask, servers: LateFlow, residual: Array, old: LateFlow, old_residual: Array
) -> tuple[LateFlow, Array]:
    """Return the servers and residuals of the chosen rows, and the old ones of the others."""
    pairs = zip(servers, old, strict=True)
    kept = LateFlow(*(np.where(rows[:, None], *pair) for pair in pairs))
    return kept, np.where(rows, residual, old_residual)


def _between(
    low: tuple[LateFlow, Array], high: tuple[LateFlow, Array], servers: LateFlow, rows: Mask
) -> LateFlow:
    """Return flows between those at the ends of a bracket of prices, where the price is flat.

    At neighbouring prices the flows of a server may be far apart, and all between are as good.
    """
    (first, short), (last, long) = low, high
    rows = rows & (short > 0) & (long < 0)
    if not np.any(rows):
        return servers
    part = np.where(rows, short / np.where(rows, short - long, 1.0), 0.0)[:, None]
    mixed = (a + part * (b - a) for a, b in zip(first, last, strict=True))
    pairs = zip(mixed, servers, strict=True)
    return LateFlow(*(np.where(rows[:, None], *pair) for pair in pairs))


def imbalance(bank: ServerBank, load: Array, servers: LateFlow) -> Array:
    """Return load - sum x_i, shape (K,), with R - s for the x of a server that is nearly full."""
    full = servers.spare_capacity < servers.flow
    flow = np.where(full, bank.rate, servers.flow)
    spare = np.where(full, servers.spare_capacity - bank.rate_error, 0.0)
    high, low = exact_sum(np.concatenate([load[:, None], -flow, spare], axis=-1))
    return np.asarray(high + low)


def _balanced(
    bank: ServerBank,
    load: Array,
    prices: LatePrices,
    servers: LateFlow,
    price: Array,
) -> LateFlow:
    """Return flows that sum to the load: what is missing goes to servers that respond to the price.

    At a price of 1 those respond at which every job is late, whatever their flow is. Where that is
    not enough, as where no float is the probability of late jobs, all used servers take their part.
    """
    for of_all in (False, False, True, True):
        residual = imbalance(bank, load, servers)[:, None]
        if of_all:
            scale = np.minimum(load, servers.spare_capacity.sum(axis=-1))[:, None]
            residual = np.where(np.abs(residual) > BALANCED * scale, residual, 0.0)
            if not residual.any():
                break
        level = prices.hopeless & (np.abs(price) <= 4 * EPS)[:, None]
        able = np.where(residual > 0, prices.most - servers.flow, servers.flow - prices.least)
        weight = np.where(level, able, 0.0)
        alone = weight.sum(axis=-1, keepdims=True)
        response = servers.flow - prices.least if of_all else servers.response
        weight = np.where((alone > 0) & (not of_all), weight, np.minimum(response, able))
        total = weight.sum(axis=-1, keepdims=True)
        part = np.where(total > 0, residual / np.where(total > 0, total, 1.0), 0.0)
        step = weight * np.clip(part, -1.0, 1.0)
        flow, spare = servers.flow + step, servers.spare_capacity - step
        spare = np.where(level & (servers.spare_capacity < able), bank.spare_capacity(flow), spare)
        servers = LateFlow(flow, np.maximum(spare, 0.0), servers.response)
    return servers


def _bounded(
    bank: ServerBank, load: Array, prices: LatePrices, servers: LateFlow, price: Array
) -> LateSplits:
    """Return the splits with their shares of late jobs and the bounds of the header."""
    x, s = servers.flow, servers.spare_capacity
    late = bank.late_jobs(x, prices.time, s)
    jobs, marginal = x * late.share, late.share + x * late.slope
    c = np.exp(price)[:, None]
    # a flow can grow to its largest, or to the load, and fall by what the others can take
    room = np.minimum(np.maximum(s - prices.least_spare, 0.0), load[:, None])
    missing = imbalance(bank, load, servers)
    others = room.sum(axis=-1, keepdims=True) * (1 + 8 * EPS) + np.abs(missing)[:, None]
    above, below = np.maximum(marginal - c, 0.0), np.maximum(c - marginal, 0.0)
    # a server is at its rate only where its marginal number is below the price, or rounded to it
    above = np.where(s > 0, above, 8 * EPS * c)
    first = above * np.minimum(np.maximum(x - prices.least, 0.0), others) + below * room
    rounding = 4.0 * jobs * late.rounding  # also of the slopes
    of_load = c[:, 0] * missing
    terms = np.concatenate([jobs, -first, -rounding, of_load[:, None]], axis=-1)
    total, rest = exact_sum(terms)
    late_jobs, tail = exact_sum(jobs)
    bound = (total + rest - np.abs(of_load) * 8 * EPS) / load * (1 - 4 * EPS)
    return LateSplits(servers, price, (late_jobs + tail) / load, np.maximum(bound, 0.0))
