"""Activation thresholds: the loads at which servers start to be used, in O(n log n) operations.

Server k starts at the load that the other servers carry at the price m_k, its idle latency: for
every k a sum over the servers before it. The plain double sum costs n^2. Here the sorted servers
are halved: as a function of the price, the total flow of the left half is smooth over the prices of
the right half, and a few Chebyshev interpolants give it to rounding error. Blocks of up to `LEAF`
servers are summed directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.polynomial import Chebyshev

from ..bank_rows import BankRows
from ..composed import as_bank
from ..errors import Array
from ..server_bank import ServerBank

LEAF = 256
# on [h, 2h], with a singularity at 0, an interpolant of 24 nodes has an error below 1e-17
NODES = 24
TAIL = 4e-15  # relative size of the last coefficients that is the rounding error of the sums
CELLS = 65_536  # prices times servers computed at once: half a megabyte an array, in the cache


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Load at which each server starts to be used, in the given order of the servers.

    Attributes
    ----------
    optimum, equilibrium : ndarray, shape (n,)
        Jobs per unit of time; eqs. (12) and (18) of Mancuso et al. That of the optimum is never
        larger (Theorem 4).
    """

    optimum: Array
    equilibrium: Array


def thresholds(servers: ServerBank | Sequence[ServerBank]) -> Thresholds:
    """Return the load at which each server starts, at the optimum and at the equilibrium.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers, in any order.

    Returns
    -------
    Thresholds

    Raises
    ------
    InputError
        On servers that are no banks.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> thresholds(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])).equilibrium.round(3)
    array([ 0., 20., 80.])
    """
    bank = as_bank(servers)
    return Thresholds(_activation_loads(bank, "at_marginal"), _activation_loads(bank, "at_latency"))


def thresholds_of_rows(rows: BankRows) -> list[Thresholds]:
    """Return the thresholds of each of several banks, computed in one pass.

    Parameters
    ----------
    rows : BankRows
        K banks of at most `LEAF` servers of one family.
    """
    loads = (_activation_rows(rows, operate) for operate in ("at_marginal", "at_latency"))
    return [Thresholds(*of_system) for of_system in zip(*loads, strict=True)]


def _activation_rows(rows: BankRows, operate: str) -> Array:
    """Return the load at which each server of each row starts, shape (K, n)."""
    order = np.argsort(rows.idle_latency, axis=-1, kind="stable")
    delay, service = (np.take_along_axis(v, order, -1) for v in (rows.delay, rows.service))
    # from server i of the sorted row k to server j of the given one, shape (n, K, n)
    excess = (delay.T[..., None] - rows.delay) + (service.T[..., None] - rows.service)
    flow = getattr(rows, operate)(np.maximum(excess, 0.0)).flow
    load: Array = np.take_along_axis(flow, order[None], -1).sum(axis=-1).T
    out: Array = np.empty_like(load)
    np.put_along_axis(out, order, np.maximum.accumulate(load, axis=-1), -1)
    return out


def _activation_loads(bank: ServerBank, operate: str) -> Array:
    """Return the load at which each server starts, by a method that returns operating points."""
    order = np.argsort(bank.idle_latency, kind="stable")
    delay, service = bank.delay[order], bank.service[order]
    load = np.zeros(order.size)
    todo = [(0, order.size)]
    while todo:
        low, high = todo.pop()
        if high - low <= LEAF:
            block, own = bank.take(order[low:high]), slice(low, high)
            excess = (delay[own, None] - block.delay) + (service[own, None] - block.service)
            load[own] += getattr(block, operate)(np.maximum(excess, 0.0)).flow.sum(axis=-1)
            continue
        middle = (low + high) // 2
        left, last, right = bank.take(order[low:middle]), middle - 1, slice(middle, high)
        head = np.maximum((delay[last] - left.delay) + (service[last] - left.service), 0.0)
        beyond = np.maximum((delay[right] - delay[last]) + (service[right] - service[last]), 0.0)
        _add_smooth(partial(_total_flow, left, head, operate), beyond, load[right])
        todo += [(low, middle), (middle, high)]
    out = np.empty_like(load)
    out[order] = np.maximum.accumulate(load)  # rounding must not change the order
    return out


def _total_flow(block: ServerBank, head: Array, operate: str, prices: Array) -> Array:
    """Return the total flow of a block at prices above the idle latency of its last server.

    Parameters
    ----------
    block : ServerBank
    head : ndarray, shape (n,)
        Idle latency of the last server less that of each server.
    operate : str
        Name of the method that returns operating points.
    prices : ndarray, shape (K,)
        Less the idle latency of the last server.
    """
    size = max(1, CELLS // len(block))
    sums = [
        getattr(block, operate)(prices[i : i + size, None] + head).flow.sum(axis=-1)
        for i in range(0, prices.size, size)
    ]
    return np.concatenate(sums)


def _add_smooth(function: Callable[[Array], Array], points: Array, out: Array) -> None:
    """Add the values of a smooth function at sorted points to `out`, in place.

    By interpolants, on intervals that are halved until the last coefficients vanish.
    """
    todo = [(0, points.size)]
    while todo:
        low, high = todo.pop()
        first, last = points[low], points[high - 1]
        if high - low <= NODES or first == last:  # equal points need one value
            out[low:high] += function(points[low : low + 1 if first == last else high])
            continue
        fit = Chebyshev.interpolate(function, NODES - 1, [first, last])
        size = np.abs(fit.coef)
        if size[-2:].max() <= TAIL * size.max():
            out[low:high] += fit(points[low:high])
            continue
        place = np.searchsorted(points[low:high], (first + last) / 2)
        middle = int(np.clip(low + place, low + 1, high - 1))
        todo += [(low, middle), (middle, high)]
