"""Loads at which servers start to be used, all n of them in O(n log n) operations.

Server k starts at the load that the others carry when the price reaches its idle latency m_k: a sum over the servers before it, for every k.
The plain double sum costs n^2. Here the sorted servers are halved; seen from the right half, the left half's total is a smooth function of
the price, and a few Chebyshev interpolants give it to rounding error. Blocks of up to `LEAF` servers are summed directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.polynomial import Chebyshev

from ..composed import as_bank
from ..errors import Array
from ..server_bank import ServerBank

LEAF = 256
NODES = (
    24  # on [h, 2h] with a singularity at 0 an interpolant of 24 nodes is wrong by less than 1e-17
)
TAIL = 4e-15  # last coefficients this small, relative, are the rounding of the sums
CELLS = 65_536  # prices times servers evaluated at once: half a megabyte an array stays in cache


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Load at which each server starts to be used, in the order the servers were given.

    Attributes
    ----------
    optimum, equilibrium : ndarray, shape (n,)
        Eqs. (12) and (18) of Mancuso et al.; the optimum's is never the later (Theorem 4).
    """

    optimum: Array
    equilibrium: Array


def thresholds(servers: ServerBank | Sequence[ServerBank]) -> Thresholds:
    """Return the load at which each server starts to be used, at the optimum and at the equilibrium.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers, in any order.

    Returns
    -------
    Thresholds

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> thresholds(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])).equilibrium.round(3)
    array([ 0., 20., 80.])
    """
    bank = as_bank(servers)
    return Thresholds(_activation_loads(bank, "at_marginal"), _activation_loads(bank, "at_latency"))


def _activation_loads(bank: ServerBank, operate: str) -> Array:
    order = np.argsort(bank.idle_latency, kind="stable")
    delay, service = bank.delay[order], bank.service[order]
    load = np.zeros(order.size)
    todo = [(0, order.size)]
    while todo:
        lo, hi = todo.pop()
        if hi - lo <= LEAF:
            block = bank.take(order[lo:hi])
            excess = (delay[lo:hi, None] - block.delay) + (service[lo:hi, None] - block.service)
            load[lo:hi] += getattr(block, operate)(np.maximum(excess, 0.0)).flow.sum(axis=-1)
            continue
        mid = (lo + hi) // 2
        left, last = bank.take(order[lo:mid]), mid - 1
        head = np.maximum((delay[last] - left.delay) + (service[last] - left.service), 0.0)
        beyond = np.maximum((delay[mid:hi] - delay[last]) + (service[mid:hi] - service[last]), 0.0)
        _add_smooth(partial(_total_flow, left, head, operate), beyond, load[mid:hi])
        todo += [(lo, mid), (mid, hi)]
    out = np.empty_like(load)
    out[order] = np.maximum.accumulate(load)  # rounding must not undo the order
    return out


def _total_flow(block: ServerBank, head: Array, operate: str, prices: Array) -> Array:
    """Sum of the block's flows at prices above that of its last server, which server i has left behind by head[i]."""
    rows = max(1, CELLS // len(block))
    parts = [
        getattr(block, operate)(prices[i : i + rows, None] + head).flow.sum(axis=-1)
        for i in range(0, prices.size, rows)
    ]
    return np.concatenate(parts)


def _add_smooth(function: Callable[[Array], Array], points: Array, out: Array) -> None:
    """Add a smooth function of sorted points, by interpolants on intervals halved until their last coefficients vanish."""
    todo = [(0, points.size)]
    while todo:
        lo, hi = todo.pop()
        a, b = points[lo], points[hi - 1]
        if hi - lo <= NODES or a == b:  # one point stands for all where they are the same
            out[lo:hi] += function(points[lo : lo + 1] if a == b else points[lo:hi])
            continue
        fit = Chebyshev.interpolate(function, NODES - 1, [a, b])
        size = np.abs(fit.coef)
        if size[-2:].max() <= TAIL * size.max():
            out[lo:hi] += fit(points[lo:hi])
            continue
        middle = int(np.clip(lo + np.searchsorted(points[lo:hi], (a + b) / 2), lo + 1, hi - 1))
        todo += [(lo, middle), (middle, hi)]
