"""Parallel servers at a distance: the exact optimum and the exact equilibrium of any `ServerBank`, in one code path.

Both splits are one scalar root. At the optimum the used servers share a marginal delay, at the equilibrium a latency; with x_i(.) the
inverse of either function, 0 below the idle latency m_i, the price solves sum_i x_i(price) = load: eqs. (9) and (16) of Mancuso et al.
The paper's EPM algorithm counts the active servers first; a server is active when the price exceeds its m_i, so the root finds both at once.
The price is found in `sojourn.reference.parallel.initial_price` and `sojourn.reference.parallel.flow_balance`; here is what is made of it.
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
from .flow_balance import CELLS, Balance, Price, Rows, Servers, Which, balance, order
from .initial_price import CLOSE, anchored, first_price
from .players import player_cost
from .price_table import Table, tabulate
from .thresholds import Thresholds, thresholds

__all__ = ["Split", "Thresholds", "check_load", "equilibrium", "optimum", "thresholds"]

LOADS = 64  # from which their prices are tabulated first
NOISE = 1e-14  # of the load: what a plain sum of flows may be wrong by
LINEAR = 1e-8  # relative imbalance that a linear correction takes to rounding error
JUMP = 1e-4  # relative imbalance that no step took to `LINEAR`: there the flow jumps
TORN = 1e-7  # and that in the end is a jump too


@dataclass(frozen=True, eq=False)
class Split:
    """How a load is split over n servers; for K loads every field has a leading axis of length K.

    Attributes
    ----------
    load : ndarray, shape (...)
        Total load, jobs per unit of time.
    flow : ndarray, shape (..., n)
        Load of each server; sums to `load`.
    spare : ndarray, shape (..., n)
        ``rate - flow``, accurate up to saturation.
    mean_delay : ndarray, shape (...)
        Mean delay of a job.
    multiplier : ndarray, shape (...)
        Marginal delay of the used servers (optimum) or their common latency (equilibrium).
    first_share : ndarray, shape (n,)
        Limit of the shares as the load falls to 0: all on the nearest.
    """

    load: Array
    flow: Array
    spare_capacity: Array
    mean_delay: Array
    multiplier: Array
    first_share: Array

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which servers get jobs, shape (..., n)."""
        return self.flow > 0

    @property
    def share(self) -> Array:
        """Fraction of the load on each server, ``flow / load``; at load 0 its limit. Shape (..., n)."""
        load = self.load[..., None]
        return np.where(load > 0, self.flow / np.where(load > 0, load, 1.0), self.first_share)


def optimum(servers: ServerBank | Sequence[ServerBank], load: npt.ArrayLike) -> Split:
    """Split of least mean delay: minimise sum x_i l_i(x_i) / load; eq. (2) of Mancuso et al.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers, in any order.
    load : array_like, shape () or (K,)
        0 <= load < total rate. At 0 the delay is that of the first job: the least idle latency.

    Returns
    -------
    Split

    Raises
    ------
    LoadError
        A load that is negative, not a number, or not below the total rate.

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
    """Split that selfish users reach: every used server has the same latency, no other is faster; eq. (13) of Mancuso et al.

    Parameters, result and errors as `optimum`, and

    Parameters
    ----------
    players : int or inf, default inf
        K equal players, each of whom routes load/K at the least delay for himself; see `sojourn.reference.parallel.players`. One is the
        optimum, infinitely many (no user counts) the Wardrop equilibrium. The multiplier is then the price that a player sees.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> [equilibrium(bank, 190.0, players).mean_delay.round(6).item() for players in (1, 2, 10, math.inf)]
    [0.028449, 0.028486, 0.02886, 0.029289]
    """
    bank, count = as_bank(servers), check_players(players)
    if math.isinf(count):
        return _solve(bank, load, "equilibrium")
    split = _solve(player_cost(bank, count), load, "equilibrium")
    # what a player minds is not the delay: that is the servers' own
    carried = (split.flow * bank.latency(split.flow, split.spare_capacity)).sum(axis=-1)
    delay = np.divide(
        carried,
        split.load,
        out=np.full_like(carried, bank.idle_latency.min()),
        where=split.load > 0,
    )
    return replace(split, mean_delay=delay)


def check_load(bank: ServerBank, load: npt.ArrayLike) -> Array:
    """Return the loads as an array of shape () or (K,).

    Raises
    ------
    LoadError
        Naming the load, the total rate and the remedy.
    """
    bank.validated  # noqa: B018  looked at before any answer
    array = as_loads(load)
    raise_at_first(
        "load", array, array >= 0, "a load cannot be negative", "give a load above 0", LoadError
    )
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
    loads = check_load(bank, load)
    flat, n = np.atleast_1d(loads), len(bank)
    _keep_memory()
    if flat.size == 0:
        return Split(
            loads, np.empty((0, n)), np.empty((0, n)), np.empty(0), np.empty(0), np.zeros(n)
        )
    servers, rows = Servers(bank, which), max(1, CELLS // n)
    table = tabulate(servers, flat) if flat.size >= LOADS and np.any(flat > 0) else None
    parts = [_split(servers, flat[i : i + rows], table) for i in range(0, flat.size, rows)]
    first = _first_share(servers) if np.any(flat == 0) else np.zeros(n)
    fields = (
        np.concatenate(f) if len(parts) > 1 else np.ascontiguousarray(f[0])
        for f in zip(*parts, strict=True)
    )
    row = ... if loads.ndim else (0, ...)
    flow, spare_capacity, delay, multiplier = (field[row] for field in fields)
    return Split(loads, flow, spare_capacity, delay, multiplier, first)


@cache
def _keep_memory() -> None:
    """Free 32 MB once: from then on glibc keeps what is freed in smaller pieces; else the arrays of every block are faulted in anew."""
    np.empty(32 * 2**17 - 1024)


class Fields(NamedTuple):
    """Fields of `Split` for K loads: the two of shape (K, n), then those of shape (K,)."""

    flow: Array
    spare_capacity: Array
    mean_delay: Array
    multiplier: Array

    def put(self, rows: Rows, new: Fields) -> Fields:
        """Store those of some of the loads, in place."""
        for mine, theirs in zip(self, new, strict=True):
            mine[rows] = theirs
        return self


def _split(servers: Servers, load: Array, table: Table | None) -> Fields:
    """Split loads of shape (K,)."""
    rows = np.arange(load.size)
    price = (
        first_price(servers, load)
        if table is None
        else anchored(servers, load, table.look_up(load))
    )
    out, good, known = _correct(servers, load, price, first=True)
    imbalance = known.imbalance
    # mostly that is all; else Newton's method goes on from there, and in the end to the end of the digits
    for close in (CLOSE, 0.0):
        again = ~good & ((close == CLOSE) | (known.imbalance <= JUMP))
        rows, known = rows[again], known.take(again)
        if not rows.size:
            break
        better = balance(servers, load[rows], price.take(rows), close, known)
        new, good, known = _correct(servers, load[rows], better)
        imbalance[rows] = known.imbalance
        price = price.put(rows, better)
        out = new if rows.size == load.size else out.put(rows, new)
    torn = np.flatnonzero(~(imbalance <= TORN))
    if torn.size:
        out = out.put(torn, _share_jump(servers, load[torn], price.take(torn)))
    if servers.which == "equilibrium":
        out = out._replace(mean_delay=out.multiplier.copy())
    out.mean_delay[load == 0] = servers.idle[servers.nearest]
    return out


def _correct(
    servers: Servers, load: Array, price: Price, *, first: bool = False
) -> tuple[Fields, npt.NDArray[np.bool_], Balance]:
    """The split after one linear correction at a price; where that is exact, for no server starts or stops within; and the balance before.

    At a `first` price, where it is exact for none of the loads, nothing is corrected, and the fields are empty.
    """
    n = len(servers.bank)
    flow, spare_capacity, slope = (
        np.empty((load.size, n), order=order(load.size, n)) for _ in range(3)
    )

    def keep(cut: slice, point: Operation) -> None:
        flow[:, cut], spare_capacity[:, cut], slope[:, cut] = point

    found, cost = servers.weigh(load, price, keep), np.zeros_like(load)
    if not first or np.any(
        np.abs(found.residual) <= LINEAR * np.minimum(load, found.left) + NOISE * load
    ):
        servers.refine(
            found,
            (
                Operation(*(field[:, cut] for field in (flow, spare_capacity, slope)))
                for cut in servers.cuts
            ),
        )
    change = np.divide(found.residual, found.rise, out=np.zeros_like(load), where=found.rise > 0)
    good = (found.imbalance <= LINEAR) & (np.abs(change) <= found.next_start)
    if first and not np.any(good):
        return Fields(*(np.empty(0) for _ in range(4))), good, found
    for block, cut in zip(servers.blocks, servers.cuts, strict=True):
        shift = slope[:, cut]
        shift *= change[:, None]
        flow[:, cut] += shift
        spare_capacity[:, cut] -= shift
        if servers.which == "optimum":  # at the equilibrium the mean is what all have
            cost += (flow[:, cut] * block.latency(flow[:, cut], spare_capacity[:, cut])).sum(
                axis=-1
            )
    delay = np.divide(cost, load, out=cost, where=load > 0)
    return (
        Fields(flow, spare_capacity, delay, servers.idle[price.anchor] + price.above + change),
        good,
        found,
    )


def _share_jump(servers: Servers, load: Array, price: Price) -> Fields:
    """The split where the flow jumps at the price: a server whose price does not rise with its flow takes what is left.

    The jump is between neighbouring prices; the split is the point between theirs that carries the load.
    """

    def residual(above: Array) -> Array:
        there = price.to(above)
        found = servers.weigh(load, there)
        servers.refine(found, servers.points(load, there))
        return found.residual

    floor, low, high = price.floor, price.above.copy(), price.above.copy()
    wide = 4.0 * EPS * (low - floor) + TINY
    while np.any(short := residual(high) > 0):
        high, wide = np.where(short, high + wide, high), 4.0 * wide
    while np.any(long := (low > floor) & (residual(low) <= 0)):
        low, wide = np.where(long, np.maximum(low - wide, floor), low), 4.0 * wide
    low, high = halved(lambda above: -residual(above), low, high)
    part = residual(low)
    part /= part - residual(high)
    parts = []
    ends = (servers.points(load, price.to(above)) for above in (low, high))
    for block, start, end in zip(servers.blocks, *ends, strict=True):
        flow, spare_capacity = (
            (1 - part[:, None]) * a + part[:, None] * b
            for a, b in zip(start[:2], end[:2], strict=True)
        )
        parts.append(
            (flow, spare_capacity, (flow * block.latency(flow, spare_capacity)).sum(axis=-1))
        )
    flow, spare_capacity = (np.concatenate([p[i] for p in parts], axis=-1) for i in (0, 1))
    return Fields(
        flow,
        spare_capacity,
        np.sum([p[2] for p in parts], axis=0) / load,
        servers.idle[price.anchor] + low,
    )


def _first_share(servers: Servers) -> Array:
    """Limit of the shares as the load falls to 0: all on the nearest, ties by how fast they fill."""
    nearest = np.array([servers.nearest])
    gaps = [servers.gaps(block, nearest) for block in servers.blocks]
    rise = np.concatenate(
        [
            np.where(g <= 0, b.operate(np.zeros_like(g)).slope, 0.0)
            for b, g in zip(servers.blocks, gaps, strict=True)
        ]
    )
    return np.asarray(rise / rise.sum())
