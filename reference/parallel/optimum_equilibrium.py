"""The exact optimum and equilibrium of parallel servers at a distance, for any `ServerBank`.

Both splits are one scalar root. At the optimum the used servers have the same marginal delay, at
the equilibrium the same latency. With x_i(.) the inverse of either function, 0 below the idle
latency m_i, the price solves sum_i x_i(price) = load: eqs. (9) and (16) of Mancuso et al. The EPM
algorithm of the paper first counts the active servers; a server is active when the price exceeds
its m_i, so the root gives both at once.

The price is found in `sojourn.reference.parallel.initial_price` and
`sojourn.reference.parallel.flow_balance`; this module computes the split from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS, TINY
from ..composed import as_bank
from ..errors import Array, LoadError
from ..guards import check_players
from ..server_bank import Operation, ServerBank, halved
from ..validation import as_float, as_loads, raise_at_first
from .flow_balance import (
    CELLS,
    FlowBalance,
    Price,
    Rows,
    Servers,
    Which,
    find_price,
    memory_order,
)
from .initial_price import CLOSE, initial_price, re_anchor
from .players import player_cost
from .price_table import STARTS, Table, tabulate
from .thresholds import Thresholds, thresholds

__all__ = ["Split", "Thresholds", "check_load", "equilibrium", "optimum", "thresholds"]

# numbers of loads from which their prices are tabulated first: of many servers, and of few one load
# for each SERVERS_A_LOAD of them, as a table costs the passes of some loads over all servers
LOADS, SERVERS_A_LOAD = 64, 8
NOISE = 1e-14  # error of a plain sum of flows, relative to the load
LINEAR = 1e-8  # relative imbalance that one linear correction takes to rounding error
# relative imbalances that Newton's method leaves where the flow jumps at a price: a first limit
# after a rough search, a second after a search to rounding error
JUMP, FINAL_JUMP = 1e-4, 1e-7


@dataclass(frozen=True, eq=False)
class Split:
    """Split of a load over n servers; for K loads every field has a leading axis of length K.

    Attributes
    ----------
    load : ndarray, shape (...)
        Total load, jobs per unit of time.
    flow : ndarray, shape (..., n)
        Load of each server, jobs per unit of time; sums to `load`.
    spare_capacity : ndarray, shape (..., n)
        ``rate - flow``, accurate up to saturation.
    mean_delay : ndarray, shape (...)
        Mean delay of a job.
    multiplier : ndarray, shape (...)
        Marginal delay of the used servers (optimum) or their common latency (equilibrium).
    first_share : ndarray, shape (n,)
        Limit of the shares as the load falls to 0: all on the nearest servers.
    """

    load: Array
    flow: Array
    spare_capacity: Array
    mean_delay: Array
    multiplier: Array
    first_share: Array

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Whether each server is used, shape (..., n)."""
        return self.flow > 0

    @property
    def share(self) -> Array:
        """Fraction of the load on each server, shape (..., n); at load 0 its limit."""
        load = self.load[..., None]
        return np.where(load > 0, self.flow / np.where(load > 0, load, 1.0), self.first_share)


def optimum(servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike) -> Split:
    """Return the split of least mean delay: minimise sum x_i l_i(x_i) / load.

    Eq. (2) of Mancuso et al.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers, in any order.
    load : array_like, shape () or (K,)
        Total loads, 0 <= load < total rate, jobs per unit of time. At load 0 the mean delay is
        that of the first job: the least idle latency.

    Returns
    -------
    Split

    Raises
    ------
    LoadError
        On a load that is negative, not a number, or not below the total rate.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> optimum(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 190.0).flow.round(3)
    array([ 48.789,  34.196, 107.015])
    """
    return _solve(as_bank(servers), load, "optimum")


def equilibrium(
    servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike, players: float = math.inf
) -> Split:
    """Return the split of selfish users: all used servers have one latency, no other is faster.

    The Wardrop equilibrium, eq. (13) of Mancuso et al.; with a finite number of players the Nash
    equilibrium of a routing game, see `sojourn.reference.parallel.players`.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers, in any order.
    load : array_like, shape () or (K,)
        Total loads, 0 <= load < total rate, jobs per unit of time. At load 0 the mean delay is
        that of the first job: the least idle latency.
    players : int or inf, default inf
        Number K of equal players. Each routes load/K with the least mean delay for its own jobs.
        One player is the optimum, infinitely many the Wardrop equilibrium. The multiplier is the
        marginal delay of one player.

    Returns
    -------
    Split

    Raises
    ------
    LoadError
        On a load that is negative, not a number, or not below the total rate.
    InputError
        On a number of players that is not a whole number from 1 or infinity.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> [equilibrium(bank, 190.0, k).mean_delay.round(6).item() for k in (1, 2, 10, math.inf)]
    [0.028449, 0.028486, 0.02886, 0.029289]
    """
    bank, count = as_bank(servers), check_players(players)
    if math.isinf(count):
        return _solve(bank, load, "equilibrium")
    split = _solve(player_cost(bank, count), load, "equilibrium")
    # the mean delay is of the latencies of the servers, not of the players' costs
    total = (split.flow * bank.latency(split.flow, split.spare_capacity)).sum(axis=-1)
    first = np.full_like(total, bank.idle_latency.min())
    delay = np.divide(total, split.load, out=first, where=split.load > 0)
    return replace(split, mean_delay=delay)


def check_load(bank: ServerBank, load: npt.ArrayLike) -> Array:
    """Return the loads as an array of shape () or (K,).

    Raises
    ------
    LoadError
        On a load that is negative, not a number, or not below the total rate.
    InputError
        Where the methods of a family from outside this library contradict each other.
    """
    bank._validated  # noqa: B018  the check of a family, before any answer
    array = as_loads(load)
    problem = "a load cannot be negative"
    raise_at_first("load", array, array >= 0, problem, "give a load above 0", LoadError)
    total, low = bank.total_rate
    stable = (total - array) + low > 0
    problem = f"not below the total rate {total:.12g}: the queues grow without bound"
    raise_at_first("load", array, stable, problem, "lower the load or add rate", LoadError)
    return array


def check_one_load(bank: ServerBank, load: float) -> float:
    """Return one load above 0 as a float; InputError and LoadError as `check_load`."""
    total = float(check_load(bank, as_float("load", load)))
    if total <= 0:
        raise LoadError("load", total, "there is nothing to split", "give a load above 0")
    return total


def _solve(bank: ServerBank, load: npt.ArrayLike, which: Which) -> Split:
    """Return the optimum or the equilibrium."""
    loads = check_load(bank, load)
    flat = np.atleast_1d(loads)
    split = Splitter(bank, which, flat).split(flat)
    if loads.ndim:
        return split
    rows = {name: getattr(split, name)[0, ...] for name in Fields._fields}
    return replace(split, load=loads, **rows)


class Splitter:
    """Optimum or equilibrium of one bank at loads, with a table of prices that is made once.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    which : {"optimum", "equilibrium"}
    load : ndarray, shape (K,)
        Loads for which the table is made: it is dense where they are, and right elsewhere.
    """

    def __init__(self, bank: ServerBank, which: Which, load: Array) -> None:
        self.servers = Servers(bank, which)
        enough = load.size >= min(LOADS, max(2, len(bank) // SERVERS_A_LOAD)) and np.any(load > 0)
        self.table = tabulate(self.servers, load) if enough else None

    def split(self, load: Array) -> Split:
        """Return the splits of loads of shape (K,) that are stable, computed in blocks."""
        servers, n = self.servers, len(self.servers.bank)
        _keep_freed_memory()
        if load.size == 0:
            rows, none = np.empty((0, n)), np.empty(0)
            return Split(load, rows, rows, none, none, np.zeros(n))
        size = max(1, CELLS // n)
        blocks = [
            _split(servers, load[i : i + size], self.table) for i in range(0, load.size, size)
        ]
        first = _first_share(servers) if np.any(load == 0) else np.zeros(n)
        flow, spare_capacity, delay, multiplier = (
            np.concatenate(f) if len(blocks) > 1 else np.ascontiguousarray(f[0])
            for f in zip(*blocks, strict=True)
        )
        return Split(load, flow, spare_capacity, delay, multiplier, first)


@cache
def _keep_freed_memory() -> None:
    """Free 32 MB once, after which glibc keeps smaller freed blocks for the next arrays."""
    np.empty(32 * 2**17 - 1024)


class Fields(NamedTuple):
    """Fields of `Split` for K loads: two of shape (K, n), then two of shape (K,)."""

    flow: Array
    spare_capacity: Array
    mean_delay: Array
    multiplier: Array

    def put(self, rows: Rows, new: Fields) -> Fields:
        """Store the fields of some of the loads, in place."""
        for field, values in zip(self, new, strict=True):
            field[rows] = values
        return self


def _split(servers: Servers, load: Array, table: Table | None) -> Fields:
    """Split loads of shape (K,)."""
    rows = np.arange(load.size)
    price = initial_price(servers, load) if table is None else table.look_up(load)
    if table is not None and len(servers.bank) > STARTS:  # not all starts are rows of the table
        price = re_anchor(servers, load, price)
    out, exact, balance = _correct(servers, load, price, first=True)
    imbalance = balance.imbalance
    # Usually the linear correction is exact. Otherwise continue Newton's method, first to a
    # relative imbalance of CLOSE, then to rounding error.
    for tolerance in (CLOSE, 0.0):
        again = ~exact & ((tolerance == CLOSE) | (balance.imbalance <= JUMP))
        rows, balance = rows[again], balance.take(again)
        if not rows.size:
            break
        better = find_price(servers, load[rows], price.take(rows), tolerance, balance)
        new, exact, balance = _correct(servers, load[rows], better)
        imbalance[rows] = balance.imbalance
        price = price.put(rows, better)
        out = new if rows.size == load.size else out.put(rows, new)
    jumps = np.flatnonzero(~(imbalance <= FINAL_JUMP))
    if jumps.size:
        out = out.put(jumps, _split_at_flat_price(servers, load[jumps], price.take(jumps)))
    if servers.which == "equilibrium":
        out = out._replace(mean_delay=out.multiplier.copy())
    out.mean_delay[load == 0] = servers.idle[servers.nearest]
    return out


def _correct(
    servers: Servers, load: Array, price: Price, *, first: bool = False
) -> tuple[Fields, npt.NDArray[np.bool_], FlowBalance]:
    """Return the split after one linear correction of the flows at a price.

    Parameters
    ----------
    servers : Servers
    load : ndarray, shape (K,)
    price : Price
    first : bool, default False
        Whether to leave the fields empty if the correction is exact for none of the loads.

    Returns
    -------
    fields : Fields
    exact : ndarray of bool, shape (K,)
        Whether the correction is exact: small, and no server starts or stops within it, or at
        rounding error.
    balance : FlowBalance
        Sums at the price, before the correction.
    """
    n = len(servers.bank)
    layout = memory_order(load.size, n)
    flow, spare_capacity, slope = (np.empty((load.size, n), order=layout) for _ in range(3))

    def keep(cut: slice, point: Operation) -> None:
        """Store the operating points of a block."""
        flow[:, cut], spare_capacity[:, cut], slope[:, cut] = point

    balance, cost = servers.total_flow(load, price, keep), np.zeros_like(load)
    limit = LINEAR * np.minimum(load, balance.spare_capacity) + NOISE * load
    if not first or np.any(np.abs(balance.residual) <= limit):
        stored = (
            Operation(*(field[:, cut] for field in (flow, spare_capacity, slope)))
            for cut in servers.cuts
        )
        servers.refine(balance, stored)
    zero = np.zeros_like(load)
    change = np.divide(balance.residual, balance.slope, out=zero, where=balance.slope > 0)
    alone = np.abs(change) <= balance.next_activation
    # at rounding error nothing is gained by a server that starts or stops within the change
    exact = (balance.imbalance <= LINEAR) & alone | (balance.imbalance <= NOISE) & (load > 0)
    if first and not np.any(exact):
        return Fields(*(np.empty(0) for _ in range(4))), exact, balance
    for block, cut in zip(servers.blocks, servers.cuts, strict=True):
        shift = slope[:, cut]
        shift *= change[:, None]
        flow[:, cut] += shift
        if not np.all(alone):
            np.maximum(flow[:, cut], 0.0, out=flow[:, cut])
        spare_capacity[:, cut] -= shift
        if servers.which == "optimum":  # at the equilibrium the mean delay is the multiplier
            latency = block.latency(flow[:, cut], spare_capacity[:, cut])
            cost += (flow[:, cut] * latency).sum(axis=-1)
    delay = np.divide(cost, load, out=cost, where=load > 0)
    multiplier = servers.idle[price.anchor] + price.above + change
    return Fields(flow, spare_capacity, delay, multiplier), exact, balance


def _split_at_flat_price(servers: Servers, load: Array, price: Price) -> Fields:
    """Split loads at prices where the total flow jumps, as that of a server of constant latency.

    Such a server takes the load that the other servers do not. The jump lies between two
    neighbouring floats; the split is the mixture of the splits at the two that carries the load.
    """

    def residual(above: Array) -> Array:
        """Return load less total flow at prices."""
        at_price = price.to(above)
        balance = servers.total_flow(load, at_price)
        servers.refine(balance, servers.points(load, at_price))
        return balance.residual

    floor, low, high = price.floor, price.above.copy(), price.above.copy()
    width = 4.0 * EPS * (low - floor) + TINY
    while np.any(short := residual(high) > 0):
        high, width = np.where(short, high + width, high), 4.0 * width
    while np.any(long := (low > floor) & (residual(low) <= 0)):
        low, width = np.where(long, np.maximum(low - width, floor), low), 4.0 * width
    low, high = halved(lambda above: -residual(above), low, high)
    weight = residual(low)
    weight /= weight - residual(high)
    blocks = []
    ends = (servers.points(load, price.to(above)) for above in (low, high))
    for block, start, end in zip(servers.blocks, *ends, strict=True):
        flow, spare_capacity = (
            (1 - weight[:, None]) * a + weight[:, None] * b
            for a, b in zip(start[:2], end[:2], strict=True)
        )
        cost = (flow * block.latency(flow, spare_capacity)).sum(axis=-1)
        blocks.append((flow, spare_capacity, cost))
    flow, spare_capacity = (np.concatenate([b[i] for b in blocks], axis=-1) for i in (0, 1))
    delay = np.sum([b[2] for b in blocks], axis=0) / load
    return Fields(flow, spare_capacity, delay, servers.idle[price.anchor] + low)


def _first_share(servers: Servers) -> Array:
    """Return the limit of the shares as the load falls to 0: all on the nearest servers.

    Equally near servers share in proportion to the slope of their flow in the price.
    """
    nearest = np.array([servers.nearest])
    slopes = []
    for block in servers.blocks:
        difference = servers.idle_differences(block, nearest)
        slope = block.operate(np.zeros_like(difference)).slope
        slopes.append(np.where(difference <= 0, slope, 0.0))
    slope = np.concatenate(slopes)
    return np.asarray(slope / slope.sum())
