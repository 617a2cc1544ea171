"""The linear equations of Newton's method on route flows, solved over the stations.

A step changes the route flows x, the station flows v, the prices p of the stations and the cost
level u of each group. With the work W, the slope D of the cost of a station in its flow, and a
weight theta of each route, it solves

    dx = theta (a - W dp + du)    the routes of group k get du_k
    sum of dx in each group = missing
    dv = W' dx + excess
    dp = D dv + lag

Each group has a *base*, its route of the largest weight. With the differences B of the rows of W
from the base's row, dv = g - N dp where N = sum theta (B - mean)(B - mean)', a matrix over
the stations. The differences keep the digits where one route has almost all of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

from ..compensated_sum import EPS
from ..errors import Array
from .columns import Columns

MOST_RISE = 1e-6  # of the diagonal of a matrix that rounding has made indefinite
DENSE = 400_000  # largest number of entries of a dense array of routes by stations


@dataclass(frozen=True, eq=False)
class Step:
    """A change of all variables; see the module.

    Attributes
    ----------
    flow : ndarray, shape (R,)
    station_flow, price : ndarray, shape (A,)
    level : ndarray, shape (G,)
    """

    flow: Array
    station_flow: Array
    price: Array
    level: Array


def factored(matrix: Array) -> tuple[Array, bool]:
    """Return the Cholesky factors of a matrix, with a larger diagonal where rounding demands it.

    Raises
    ------
    LinAlgError
        Where the matrix is not finite.
    """
    diagonal, rise = matrix.diagonal().copy(), EPS
    while True:
        try:
            return cho_factor(matrix, lower=True, check_finite=False)  # type: ignore[no-any-return]
        except LinAlgError:
            if rise > MOST_RISE:
                raise
        rise *= 16.0
        matrix.flat[:: diagonal.size + 1] = diagonal * (1.0 + rise)


class Differences:
    """The routes of each group as differences from its base, and the factored matrix.

    Parameters
    ----------
    columns : Columns
        R routes, at least one for each group.
    groups : int
        Number of groups G.
    weight : ndarray, shape (R,)
        Weight theta of each route, above 0.
    slope : ndarray, shape (A,)
        Slope D of the cost of each station, 0 or more.
    """

    def __init__(self, columns: Columns, groups: int, weight: Array, slope: Array) -> None:
        self.columns, self.weight, self.slope = columns, weight, slope
        group = columns.group
        self.starts = columns.starts(groups)
        largest = np.maximum.reduceat(weight, self.starts)
        candidates = np.flatnonzero(weight == largest[group])
        self.base = candidates[np.unique(group[candidates], return_index=True)[1]]
        self.total = np.add.reduceat(weight, self.starts)
        others = np.ones(len(columns), dtype=bool)
        others[self.base] = False
        self.others = np.flatnonzero(others)
        self.of_group = group[self.others]
        dense = self.others.size * slope.size <= DENSE
        work: Any = columns.dense if dense else columns.work
        self.base_work = work[self.base]
        rows = work[self.others] - self.base_work[self.of_group]
        self.rows = rows if dense else csr_array(rows)
        self.own = weight[self.others]
        self.first = np.flatnonzero(np.diff(self.of_group, prepend=-1))
        self.several = self.of_group[self.first]
        self._factor(dense)

    def _factor(self, dense: bool) -> None:
        """Store the sums of the differences by group, and the factors of I + D^1/2 N D^1/2.

        Only stations whose cost rises and at which routes of a group differ have more than the 1 of
        I.
        """
        self.root = np.sqrt(self.slope)
        scale = np.sqrt(self.total[self.several])
        rows, own = self.rows, self.own
        if dense:
            met = rows.any(axis=0)
            self.sums: Array = np.zeros((0, met.size))
            if own.size:
                self.sums = np.add.reduceat(own[:, None] * rows, self.first, axis=0)
        else:
            met = np.bincount(rows.indices, minlength=rows.shape[1]) > 0
            places = np.arange(own.size), np.append(self.first, own.size)
            group_sum = csr_array((own, *places), shape=(self.first.size, own.size))
            self.sums = csr_array(group_sum @ rows)
        self.coupled = np.flatnonzero(met & (self.slope > 0))
        root, sums = self.root[self.coupled], self.sums
        if root.size < met.size:
            rows, sums = rows[:, self.coupled], sums[:, self.coupled]
        each = _scaled(rows, np.sqrt(own), root)
        mean = _scaled(sums, 1.0 / scale, root)
        matrix = each.T @ each - mean.T @ mean
        matrix = matrix if dense else matrix.toarray()
        matrix.flat[:: root.size + 1] += 1.0
        self.factors = factored(matrix)

    def solve(self, pull: Array, missing: Array, excess: Array, lag: Array) -> Step:
        """Return the step.

        Parameters
        ----------
        pull : ndarray, shape (R,)
            Right-hand side a of each route, in units of time.
        missing : ndarray, shape (G,)
            Load of each group less the flow of its routes.
        excess : ndarray, shape (A,)
            Load that the routes bring to each station less its flow.
        lag : ndarray, shape (A,)
            Cost of each station at its flow less its price.
        """
        columns, total, several = self.columns, self.total, self.several
        rest = pull[self.others] - pull[self.base[self.of_group]] - self.rows @ lag
        weighted = self.own * rest
        common = missing / total
        if self.others.size:
            common[several] -= np.add.reduceat(weighted, self.first) / total[several]
        free = self.rows.T @ weighted + self.sums.T @ common[several]
        moved = self.root * (free + excess + self.base_work.T @ missing)
        coupled = self.coupled
        if coupled.size:
            moved[coupled] = cho_solve(self.factors, moved[coupled], check_finite=False)
        rise = self.root * moved
        common[several] += (self.sums @ rise) / total[several]
        flow = common[columns.group] * self.weight
        flow[self.others] += self.own * (rest - self.rows @ rise)
        price = lag + rise
        level = common - pull[self.base] + self.base_work @ price
        return Step(flow, columns.station_flow(flow) + excess, price, level)


def _scaled(matrix: Any, row: Array, column: Array) -> Any:
    """Return a matrix, dense or sparse, with its rows and columns multiplied by numbers."""
    if isinstance(matrix, np.ndarray):
        return row[:, None] * matrix * column
    return csr_array(diags_array(row) @ matrix @ diags_array(column))
