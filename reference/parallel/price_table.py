"""Prices of many loads from a table: total flows at some prices, and a cubic in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import Array
from .flow_balance import CELLS, Price, Rows, Servers
from .initial_price import proportional_price

EVEN = np.linspace(0, 1, 128)  # prices of the first table, in equal ratios from least to largest
FINE = 512  # further prices, of loads in equal steps of their rank
STARTS = 256  # largest number of servers whose starts, kinks of the total flow, are in the table
DECADES = 10.0 ** np.arange(-18, 1)  # prices over the largest, from the least
AFTER = 1e-9  # relative distance above a start at which the server is used


class Table(NamedTuple):
    """Total flow of all servers at M prices in rising order.

    Attributes
    ----------
    price : Price
    excess : ndarray, shape (M,)
        Prices less the idle latency of the nearest server.
    flow, slope : ndarray, shape (M,)
        Total flow, and its derivative in the price.
    """

    price: Price
    excess: Array
    flow: Array
    slope: Array

    def look_up(self, load: Array) -> Price:
        """Return the prices of loads."""
        row, further = self.interpolate(load)
        price = self.price.take(row)
        return price.to(price.above + further)

    def interpolate(self, load: Array) -> tuple[Rows, Array]:
        """Return the row below each load, and the price of the load less the price of that row.

        By the cubic with the values and slopes of the neighbouring rows (Hermite interpolation).
        """
        row = np.clip(np.searchsorted(self.flow, load) - 1, 0, self.flow.size - 2)
        width, up = np.diff(self.flow)[row], np.diff(self.excess)[row]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t = (load - self.flow[row]) / width
            start, end = (width / self.slope[i] for i in (row, row + 1))
            cubic = t * (start + t * ((3 * up - 2 * start - end) + t * (start + end - 2 * up)))
        between = (cubic >= -AFTER * up) & (cubic <= (1 + AFTER) * up)  # or not by rounding alone
        return row, np.where(between, cubic, 0.5 * up)


def tabulate(servers: Servers, load: Array) -> Table | None:
    """Return a table for loads that are not all 0, dense where the loads are.

    It is None where the price does not rise with the load.
    """
    largest = load.max(keepdims=True)
    nearest = np.array([servers.nearest])
    blocks = [servers.idle_differences(block, nearest) for block in servers.blocks]
    difference = np.concatenate(blocks)
    order = np.argsort(difference)
    most = np.maximum(4.0 * proportional_price(servers, largest).above, 2.0 * difference.max())
    if not (most > 0 and np.isfinite(most)):
        return None

    def table_at(excess: Array) -> Table:
        """Return the table of sums at rising prices."""
        last = order[np.maximum(np.searchsorted(difference[order], excess) - 1, 0)]
        price = servers.move(servers.lowest(excess).to(excess), last)
        parts = np.array_split(np.arange(excess.size), -(-excess.size * difference.size // CELLS))
        sums = [
            servers.total_flow(np.repeat(largest, part.size), price.take(part)) for part in parts
        ]
        flow = np.concatenate([s.total for s in sums])
        slope = np.concatenate([s.slope for s in sums])
        return Table(price, excess, np.maximum.accumulate(flow), slope)

    # the least price is the last decade at which the total flow is below half of the least load
    decades = most * DECADES
    flow = servers.total_flow(
        np.repeat(largest, DECADES.size), servers.lowest(decades).to(decades)
    ).total
    below = np.searchsorted(flow, 0.5 * load[load > 0].min())
    least = min(decades[max(below - 1, 0)], 1e-3 * most[0])
    starts = difference[difference > 0] if difference.size <= STARTS else np.empty(0)
    ratios = least * (most[0] / least) ** EVEN
    coarse = table_at(np.unique(np.concatenate([[0.0], ratios, starts, starts * (1 + AFTER)])))
    row, further = coarse.interpolate(np.sort(load)[:: -(-load.size // FINE)])
    return table_at(np.unique(np.concatenate([coarse.excess, coarse.excess[row] + further])))
