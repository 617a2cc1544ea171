"""The linear equations of Newton's method where each route is one visit to one station.

So are the routes of groups that share servers. The equations are those of ``link_space``, with the
difference of a route from its base written as two stations in place of a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrs
from scipy.sparse import csr_array

from ..errors import Array
from .columns import Columns, firsts
from .link_space import Differences, Step, factored, product, scaled

STEEP = 1e12  # largest weight of a route, over the slope of its cost in its flow
DENSE_PART = 8  # groups times stations over routes up to which sums by group are an array


def equations(
    columns: Columns, groups: int, weight: Array, slope: Array
) -> Differences | SingleStations:
    """Return the equations of some routes, in the form that suits them; see `Differences`."""
    kind = SingleStations if columns.single else Differences
    return kind(columns, groups, weight, slope)


def weights_within_digits(columns: Columns, weight: Array, slope: Array) -> Array:
    """Return weights of routes, cut where the equations would lose the digits of steep costs.

    Parameters
    ----------
    columns : Columns
        R routes.
    weight : ndarray, shape (R,)
    slope : ndarray, shape (A,)
        Slope of the cost of each station.
    """
    steep = columns.work @ slope
    with np.errstate(over="ignore"):
        most = np.divide(STEEP, steep, out=np.full(steep.size, np.inf), where=steep > 0)
    return np.asarray(np.minimum(weight, most))


class SingleStations:
    """The equations of routes of one station each.

    Parameters
    ----------
    columns : Columns
        R routes, at least one for each group, each with work 1 at one station.
    groups : int
        Number of groups G.
    weight : ndarray, shape (R,)
        Weight theta of each route, above 0.
    slope : ndarray, shape (A,)
        Slope D of the cost of each station, 0 or more.
    """

    def __init__(self, columns: Columns, groups: int, weight: Array, slope: Array) -> None:
        self.group, self.station, self.weight = columns.group, columns.work.indices, weight
        self.starts = columns.starts(groups)
        largest = np.maximum.reduceat(weight, self.starts)
        candidates = np.flatnonzero(weight == largest[self.group])
        self.base = candidates[firsts(self.group[candidates])]
        self.base_station = self.station[self.base]
        self.total = np.add.reduceat(weight, self.starts)
        self.own = weight.copy()
        self.own[self.base] = 0.0
        self._factor(groups, slope)

    def _factor(self, groups: int, slope: Array) -> None:
        """Store the sums of the differences by group, and the factor of I + D^1/2 N D^1/2."""
        n, base = slope.size, self.base_station
        self.root = np.sqrt(slope)
        sums = np.add.reduceat(self.own, self.starts)
        pair = self.station * np.int64(n) + base[self.group]
        moved = np.bincount(pair, weights=self.own, minlength=n * n).reshape(n, n)
        matrix: Array = -(moved + moved.T).astype(np.float64)
        matrix.flat[:: n + 1] += self._by_station(self.own)
        matrix.flat[:: n + 1] += np.bincount(base, weights=sums, minlength=n)
        if DENSE_PART * self.own.size > groups * n:
            place = self.group * np.int64(n) + self.station
            by_group = np.bincount(place, weights=self.own, minlength=groups * n)
            self.sums: Any = by_group.reshape(groups, n)
            self.sums[np.arange(groups), base] -= sums
            mean = scaled(self.sums, 1.0 / np.sqrt(self.total))
            matrix = dsyrk(-1.0, mean.T, beta=1.0, c=matrix.T, lower=1, overwrite_c=1)
        else:
            entries = np.concatenate([self.own, -sums])
            rows = np.concatenate([self.group, np.arange(groups)])
            places = np.concatenate([self.station, base])
            self.sums = csr_array((entries, (rows, places)), shape=(groups, n))
            mean = scaled(self.sums, 1.0 / np.sqrt(self.total))
            matrix = matrix.T - (mean.T @ mean).toarray(order="F")
        matrix *= self.root[:, None]
        matrix *= self.root
        matrix.T.flat[:: n + 1] += 1.0
        self.factor = factored(matrix)

    def _by_station(self, flow: Array) -> Array:
        """Return the sums of a number of each route by station, shape (A,)."""
        return np.asarray(np.bincount(self.station, flow, self.root.size), dtype=np.float64)

    def _differences(self, price: Array) -> Array:
        """Return the price of each route less that of its base, shape (R,)."""
        return np.asarray(price[self.station] - price[self.base_station][self.group])

    def solve(self, pull: Array, missing: Array, excess: Array, lag: Array) -> Step:
        """Return the step; see `Differences.solve`."""
        base, group = self.base_station, self.group
        rest = pull - pull[self.base][group] - self._differences(lag)
        weighted = self.own * rest
        alone = missing - np.add.reduceat(weighted, self.starts)
        common = alone / self.total
        free = self._by_station(weighted) + product(self.sums.T, common)
        free += excess + np.bincount(base, weights=alone, minlength=lag.size)
        rise = self.root * dpotrs(self.factor, self.root * free, lower=1)[0]
        common += product(self.sums, rise) / self.total
        flow = common[group] * self.weight + self.own * (rest - self._differences(rise))
        flow[self.base] = 0.0  # see `Differences.solve`
        flow[self.base] = missing - np.add.reduceat(flow, self.starts)
        price = lag + rise
        level = common - pull[self.base] + price[base]
        return Step(flow, self._by_station(flow) + excess, price, level)
