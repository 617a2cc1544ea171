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
import numpy.typing as npt
from scipy.linalg import LinAlgError
from scipy.linalg.blas import dgemv, dsyrk
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.sparse import csr_array

from ..compensated_sum import EPS
from ..errors import Array
from .columns import Columns, firsts

Index = npt.NDArray[np.intp]
MOST_RISE = 1e-6  # of the diagonal of a matrix that rounding has made indefinite
DENSE = 200_000  # largest number of entries of a dense array of routes by stations


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


def factored(matrix: Array) -> Array:
    """Return the Cholesky factor of a matrix, with a larger diagonal where rounding demands it.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        In Fortran order; its lower triangle counts.

    Raises
    ------
    LinAlgError
        Where the matrix is not finite.
    """
    diagonal, rise = matrix.diagonal().copy(), EPS
    while True:
        factor, failed = dpotrf(matrix, lower=1, clean=0)
        if not failed:
            return factor  # type: ignore[no-any-return]
        if rise > MOST_RISE:
            raise LinAlgError("the matrix is not positive definite")
        rise *= 16.0
        np.fill_diagonal(matrix, diagonal * (1.0 + rise))


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
        self.base = candidates[firsts(group[candidates])]
        self.total = np.add.reduceat(weight, self.starts)
        others = np.ones(len(columns), dtype=bool)
        others[self.base] = False
        self.others = np.flatnonzero(others)
        self.of_group = group[self.others]
        dense = self.others.size > 0 and len(columns) * slope.size <= DENSE
        work: Any = columns.dense if dense else columns.work
        self.base_work = work[self.base]
        rows = work[self.others]
        if dense:
            rows -= self.base_work[self.of_group]
        else:
            rows = csr_array(rows - self.base_work[self.of_group])
        self.rows, self.own = rows, weight[self.others]
        self.first = firsts(self.of_group)
        self.several = self.of_group[self.first]
        self._factor(dense)

    def _factor(self, dense: bool) -> None:
        """Store the sums of the differences by group, and the factor of I + D^1/2 N D^1/2.

        Only stations whose cost rises and at which routes of a group differ have more than the 1 of
        I.
        """
        rows, own, n = self.rows, self.own, self.slope.size
        places = np.arange(own.size), np.append(self.first, own.size)
        self.sums = csr_array((own, *places), shape=(self.first.size, own.size)) @ rows
        met = rows.any(axis=0) if dense else np.bincount(rows.indices, minlength=n) > 0
        self.root = np.sqrt(self.slope)
        self.coupled = np.flatnonzero(met & (self.slope > 0))
        root, sums = self.root[self.coupled], self.sums
        if not root.size:
            return
        if root.size < n:
            rows, sums = (_chosen(part, self.coupled) for part in (rows, sums))
        each = scaled(rows, np.sqrt(own))
        mean = scaled(sums, 1.0 / np.sqrt(self.total[self.several]))
        if dense:
            matrix = dsyrk(1.0, each.T, lower=1)
            matrix = dsyrk(-1.0, mean.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        else:
            matrix = (each.T @ each).toarray(order="F")
            matrix -= (mean.T @ mean).toarray(order="F")
        matrix *= root
        matrix *= root[:, None]
        matrix.T.flat[:: root.size + 1] += 1.0
        self.factor = factored(matrix)

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
        rest = pull[self.others] - pull[self.base[self.of_group]] - product(self.rows, lag)
        weighted = self.own * rest
        common = missing / total
        if self.others.size:
            common[several] -= np.add.reduceat(weighted, self.first) / total[several]
        free = product(self.rows.T, weighted) + product(self.sums.T, common[several])
        moved = self.root * (free + excess + product(self.base_work.T, missing))
        coupled = self.coupled
        if coupled.size:
            moved[coupled] = dpotrs(self.factor, moved[coupled], lower=1)[0]
        rise = self.root * moved
        common[several] += product(self.sums, rise) / total[several]
        flow = common[columns.group] * self.weight
        flow[self.others] += self.own * (rest - product(self.rows, rise))
        # the base, whose cost tells least of its flow, takes the rounding errors of its group
        flow[self.base] = missing - np.bincount(self.of_group, flow[self.others], missing.size)
        price = lag + rise
        level = common - pull[self.base] + product(self.base_work, price)
        return Step(flow, columns.station_flow(flow) + excess, price, level)


# Products use the BLAS of SciPy alone, like the factor: NumPy brings another one with threads of
# its own, and threads of both that wait for work take the cores from each other.


def product(matrix: Any, vector: Array) -> Array:
    """Return the product of a matrix, dense or sparse, and a vector."""
    if not isinstance(matrix, np.ndarray):
        return np.asarray(matrix @ vector)
    in_rows = matrix.flags.c_contiguous
    return np.asarray(dgemv(1.0, matrix.T if in_rows else matrix, vector, trans=in_rows))


def scaled(matrix: Any, row: Array) -> Any:
    """Return a matrix, dense or sparse, with its rows multiplied by numbers."""
    if isinstance(matrix, np.ndarray):
        return row[:, None] * matrix
    data = matrix.data * np.repeat(row, np.diff(matrix.indptr))
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _chosen(matrix: Any, columns: Index) -> Any:
    """Return some of the columns of a matrix, dense or sparse."""
    return (
        np.take(matrix, columns, axis=1) if isinstance(matrix, np.ndarray) else matrix[:, columns]
    )
