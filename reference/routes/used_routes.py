"""The routes in use: changes of prices and of flows at which those of each group cost the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lstsq
from scipy.sparse import csr_array

from ..compensated_sum import EPS
from ..errors import Array
from .columns import Columns, RouteFlow
from .price_bounds import route_costs
from .routed import RoutedSystem
from .station_loads import Index

SMALL = 20_000_000  # numbers of a matrix times its smaller side up to which there are changes
NOISE = 1e-12  # relative singular value below which equations are noise


@dataclass(frozen=True, eq=False)
class UsedRoutes:
    """The used routes, each of which but one of its group differs from that one, its base.

    Attributes
    ----------
    system : RoutedSystem
    columns : Columns
        The used routes.
    rows, base : ndarray of int, shape (N,)
        Position of each route with a base, and of the base.
    """

    system: RoutedSystem
    columns: Columns
    rows: Index
    base: Index

    @classmethod
    def of(cls, system: RoutedSystem, found: RouteFlow, touched: int) -> UsedRoutes | None:
        """Return the routes in use; None where no group uses two, or the equations are too many.

        Parameters
        ----------
        found : RouteFlow
        touched : int
            Number of stations whose prices may change.
        """
        columns = found.used().columns
        first = columns.starts(system.load.size)[columns.group]
        rows = np.flatnonzero(first != np.arange(len(columns)))
        size = rows.size * touched * min(rows.size, touched)
        return cls(system, columns, rows, first[rows]) if 0 < size <= SMALL else None

    @cached_property
    def work(self) -> csr_array:
        """Difference of the works D of each route and its base, shape (N, A)."""
        work = self.columns.work
        return csr_array(work[self.rows] - work[self.base])

    def unequal(self, price: Array, rest: Array | None = None) -> Array:
        """Return the differences of the costs, shape (N,), at prices that may be pairs."""
        if rest is None:
            delay = self.columns.delay
            return np.asarray(self.work @ price + delay[self.rows] - delay[self.base])
        high, low = route_costs(self.system, self.columns, price, rest)
        return (high[self.rows] - high[self.base]) + (low[self.rows] - low[self.base])

    def price_change(self, unequal: Array, slope: Array, noise: float = NOISE) -> Array:
        """Return the change of prices, shape (A,), that takes away the differences of costs.

        Of those of stations with a slope T' other than 0, it has the least sum of change^2/T'.
        """
        free = np.flatnonzero(slope)
        change = np.zeros_like(slope)
        root = np.sqrt(slope[free])
        change[free] = root * _solved(self._matrix(free, root), -unequal, noise)
        return change

    def flow_change(self, unequal: Array, slope: Array) -> Array:
        """Return the change of flows, shape (R,), that takes away the differences of costs.

        It is one step of Newton's method.
        """
        free, noise = np.flatnonzero(slope), EPS * float(self.rows.size)
        root = np.sqrt(slope[free])
        matrix = self._matrix(free, root)
        moved = _solved(matrix.T, _solved(matrix, -unequal, noise), noise)
        change = np.zeros(len(self.columns))
        change[self.rows] = moved
        np.add.at(change, self.base, -moved)
        return change

    def _matrix(self, free: Index, root: Array) -> Array:
        """Return D times the roots of the slopes."""
        return np.asarray(self.work[:, free].toarray() * root)


def _solved(matrix: Array, right: Array, noise: float) -> Array:
    """Return the shortest solution of linear equations, or of the least squares."""
    found = lstsq(matrix, right, cond=noise, lapack_driver="gelsy", check_finite=False)[0]
    return np.asarray(found)
