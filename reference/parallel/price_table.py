"""Prices of many loads from a table: what the servers carry at some prices, and a cubic in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compensated_sum import TINY
from ..errors import Array
from .flow_balance import CELLS, Price, Rows, Servers
from .initial_price import even_use

COARSE = 128  # prices between the least and the largest, in equal ratios
FINE = 512  # prices of loads in equal steps of their rank
STARTS = 256  # servers whose starts, where the flow has a kink, are in the table
LEAST = 1e-18  # of the largest price: none is below
AFTER = 1e-9  # relative: where a server has just started


class Table(NamedTuple):
    """What all servers carry at M prices in rising order.

    Attributes
    ----------
    price : Price
    excess : ndarray, shape (M,)
        The prices, above the idle latency of the nearest server.
    flow, rise : ndarray, shape (M,)
        Sum of the flows, and its derivative in the price.
    """

    price: Price
    excess: Array
    flow: Array
    rise: Array

    def look_up(self, load: Array) -> Price:
        """Return the prices of loads."""
        row, further = self.between(load)
        price = self.price.take(row)
        return price.to(price.above + further)

    def between(self, load: Array) -> tuple[Rows, Array]:
        """Row below each load, and how much further its price is: by the cubic with the values and slopes around it (Hermite's)."""
        row = np.clip(np.searchsorted(self.flow, load) - 1, 0, self.flow.size - 2)
        width, up = np.diff(self.flow)[row], np.diff(self.excess)[row]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t = (load - self.flow[row]) / width
            start, end = (width / self.rise[i] for i in (row, row + 1))
            cubic = t * (start + t * ((3 * up - 2 * start - end) + t * (start + end - 2 * up)))
        return row, np.where((cubic >= 0) & (cubic <= up), cubic, 0.5 * up)


def tabulate(servers: Servers, load: Array) -> Table | None:
    """Return a table for loads that are not all 0, dense where they are; none where the price does not rise with them."""
    largest = load.max(keepdims=True)
    gap = np.concatenate(
        [servers.gaps(block, np.array([servers.nearest])) for block in servers.blocks]
    )
    order = np.argsort(gap)
    most = np.maximum(4.0 * even_use(servers, largest).above, 2.0 * gap.max())
    if not (most > 0 and np.isfinite(most)):
        return None

    def weigh(excess: Array) -> Table:
        last = order[np.maximum(np.searchsorted(gap[order], excess) - 1, 0)]
        price = servers.move(servers.lowest(excess).to(excess), last)
        parts = np.array_split(np.arange(excess.size), -(-excess.size * gap.size // CELLS))
        found = [servers.weigh(np.repeat(largest, part.size), price.take(part)) for part in parts]
        flow, rise = (
            np.concatenate([getattr(f, name) for f in found]) for name in ("carried", "rise")
        )
        return Table(price, excess, np.maximum.accumulate(flow), rise)

    # the price of the least load is about that over how fast the flow of the nearest server rises at first
    first = servers.weigh(largest, servers.lowest(most).to(AFTER * most)).rise
    least = np.clip(0.5 * load[load > 0].min() / np.maximum(first, TINY), LEAST * most, 1e-3 * most)
    starts = gap[gap > 0] if gap.size <= STARTS else np.empty(0)
    coarse = weigh(
        np.unique(
            np.concatenate(
                [[0.0], np.geomspace(least[0], most[0], COARSE), starts, starts * (1 + AFTER)]
            )
        )
    )
    row, further = coarse.between(np.sort(load)[:: -(-load.size // FINE)])
    return weigh(np.unique(np.concatenate([coarse.excess, coarse.excess[row] + further])))
