"""Linear limits on flows over routes, and linear programs over the routes that they ask for.

A row bounds a weighted sum of station flows, of all groups together or of one group, or the flow of
one listed route. Multipliers z >= 0 of the rows B are prices of the stations, which may differ
between groups. The cheapest routes at these prices are those that a linear program still lacks, and
they prove its lower bound by duality: see `least`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from ..errors import Array
from .columns import Columns
from .graph import GraphRoutes, Index
from .route_set import RouteSet

Mask = npt.NDArray[np.bool_]

CLOSE = 1e-10  # relative error of a linear program's value at which no further route is added
ROUNDS = 500  # largest number of linear programs
SHORT = 1e-7  # price of every station that prefers the shortest of routes with equal prices


@dataclass(frozen=True, eq=False)
class RouteRows:
    """m rows B of limits B x <= b on the flows x of routes.

    Attributes
    ----------
    station : csr_array, shape (m, A)
        Weight of the flow of each station; 0 in a row of one route.
    group : ndarray of int, shape (m,)
        Index of the group whose flow counts; -1 for that of all groups.
    route : tuple of hashable, length m
        Key of the route whose flow counts, see `Columns.keys`; None in a row of stations.
    bound : ndarray, shape (m,)
        Bounds b.
    """

    station: csr_array
    group: Index
    route: tuple[Hashable, ...]
    bound: Array

    @classmethod
    def of_stations(cls, station: csr_array, bound: Array) -> RouteRows:
        """Return rows that bound flows of all groups together."""
        return cls(csr_array(station), np.full(bound.size, -1), (None,) * bound.size, bound)

    @classmethod
    def joined(cls, parts: Sequence[RouteRows]) -> RouteRows:
        """Return the rows of one or more parts, one after another."""
        stations = csr_array(vstack([own.station for own in parts], format="csr"))
        group, bound = (
            np.concatenate(columns)
            for columns in zip(*((own.group, own.bound) for own in parts), strict=True)
        )
        return cls(stations, group, tuple(key for own in parts for key in own.route), bound)

    def only(self, rows: Mask) -> RouteRows:
        """Return some of the rows; `rows` is an array of bools, shape (m,)."""
        keys = tuple(key for key, chosen in zip(self.route, rows, strict=True) if chosen)
        return RouteRows(csr_array(self.station[rows]), self.group[rows], keys, self.bound[rows])

    def __len__(self) -> int:
        return int(self.bound.size)

    def matrix(self, columns: Columns) -> csr_array:
        """Return B of some routes, shape (m, R)."""
        every = csr_array(self.station @ columns.transposed).tocoo()
        counts = (self.group[every.row] < 0) | (self.group[every.row] == columns.group[every.col])
        own = [(j, key) for j, key in enumerate(self.route) if key is not None]
        at = {key: r for r, key in enumerate(columns.keys)} if own else {}
        known = np.array([(j, at[key]) for j, key in own if key in at], dtype=np.intp)
        known = known.reshape(-1, 2)
        data = np.concatenate([every.data[counts], np.ones(len(known))])
        row = np.concatenate([every.row[counts], known[:, 0]])
        place = np.concatenate([every.col[counts], known[:, 1]])
        return csr_array((data, (row, place)), shape=(len(self), len(columns)))

    def cheapest(
        self, routes: RouteSet, z: Array, price: Array, *, delays: bool = True
    ) -> tuple[Columns, Array]:
        """Return one cheapest route of each group at prices and multipliers, and its cost, (G,).

        Parameters
        ----------
        routes : RouteSet
            Routes of G groups over A stations.
        z : ndarray, shape (m,)
            Multipliers of the rows, 0 or more.
        price : ndarray, shape (A,)
            Prices of the stations, to which the multipliers are added.
        delays : bool, default True
            Whether the fixed delays of the routes count.
        """
        listed = routes.listed
        columns = self._through_graph(routes, z, price) if listed is None else listed
        costs = np.asarray(columns.work @ price + self.matrix(columns).T @ z)
        if delays:
            costs += columns.delay
        if listed is None:
            return columns, costs
        least = columns.least(costs, routes.groups)
        best = np.flatnonzero(costs == least[columns.group])
        return columns.only(best[np.unique(columns.group[best], return_index=True)[1]]), least

    def _through_graph(self, routes: RouteSet, z: Array, price: Array) -> Columns:
        """Return one cheapest route of each group; groups with rows of their own by themselves."""
        common, own = self.group < 0, np.unique(self.group[(self.group >= 0) & (z > 0)])
        base = np.asarray(price + self.station[common].T @ z[common])
        found = routes.cheapest(base)
        if not (own.size and isinstance(routes, GraphRoutes)):
            return found
        parts = [found.only(np.flatnonzero(~np.isin(found.group, own)))]
        for k in own.tolist():
            rows, mine = self.group == k, slice(k, k + 1)
            origin, destination = routes.origin[mine], routes.destination[mine]
            alone = replace(routes, origin=origin, destination=destination)
            one = alone.cheapest(np.asarray(base + self.station[rows].T @ z[rows]))
            parts.append(Columns(np.array([k]), one.work, one.delay))
        work = csr_array(vstack([part.work for part in parts], format="csr"))
        columns = zip(*((part.group, part.delay) for part in parts), strict=True)
        group, delay = map(np.concatenate, columns)
        return Columns.of(group, work, delay)


@dataclass(frozen=True, eq=False)
class LeastRows:
    """Solution of a linear program over routes; see `least`.

    Attributes
    ----------
    columns : Columns
        R routes.
    flow : ndarray, shape (R,)
        Flow of each route.
    others : ndarray, shape (s,)
        The other variables.
    z : ndarray, shape (m,)
        Multipliers of the rows, 0 or more.
    value, lower_bound : float
        Value of the program, and the lower bound that the multipliers prove.
    """

    columns: Columns
    flow: Array
    others: Array
    z: Array
    value: float
    lower_bound: float


def least(
    routes: RouteSet,
    load: Array,
    rows: RouteRows,
    others: csr_array,
    cost: Array,
    *,
    price: Array | None = None,
    free: bool = False,
    start: Columns | None = None,
) -> LeastRows:
    """Minimise a linear cost of flows over routes and of other variables, within rows.

    The program is the least ``price.v + cost.y`` with ``B x + others y <= b``, flows x >= 0 of the
    routes with the loads of the groups as sums, station flows v, and y >= 0 or free. For
    multipliers z >= 0 with ``others' z + cost >= 0`` (equal 0 where y is free) the value is at
    least ``q.SP(price + B'z) - z.b``, with the loads q and the costs SP of cheapest routes.

    Parameters
    ----------
    routes : RouteSet
        Routes of G groups over A stations.
    load : ndarray, shape (G,)
        Load of each group.
    rows : RouteRows
        m rows B and their bounds b.
    others : csr_array, shape (m, s)
        Coefficients of the other variables.
    cost : ndarray, shape (s,)
        Costs of the other variables.
    price : ndarray, shape (A,), optional
        Prices of the stations, and the fixed delays of the routes count, too; by default both are
        0.
    free : bool, default False
        Whether the other variables may be negative.
    start : Columns, optional
        Routes to start with.

    Raises
    ------
    ArithmeticError
        Where the solver of linear programs fails, or no flow meets the rows.
    """
    groups, stations, unit = load.size, routes.stations, float(np.mean(load))
    prices, delays = np.zeros(stations) if price is None else price, price is not None
    columns = routes.listed or start
    if columns is None:
        columns = rows.cheapest(routes, np.zeros(len(rows)), np.ones(stations))[0]
    for _ in range(ROUNDS):
        member = (np.ones(len(columns)), (columns.group, np.arange(len(columns))))
        sums = csr_array(member, shape=(groups, len(columns)))
        costs = columns.work @ prices + (columns.delay if delays else 0.0)
        # flows in units of the mean load and costs of at most 1 suit the solver's tolerances
        scaled = np.concatenate([costs * unit, cost])
        most = float(np.max(np.abs(scaled), initial=0.0)) or 1.0
        out = linprog(
            scaled / most,
            A_ub=hstack([rows.matrix(columns), others / unit], format="csr"),
            b_ub=rows.bound / unit,
            A_eq=hstack([sums, csr_array((groups, cost.size))], format="csr"),
            b_eq=load / unit,
            bounds=[(0, None)] * len(columns) + [(None if free else 0, None)] * cost.size,
            method="highs",
        )
        if out.x is None:
            raise ArithmeticError(out.message)
        z = np.maximum(-out.ineqlin.marginals, 0.0) * (most / unit)
        best, lengths = rows.cheapest(routes, z, prices, delays=delays)
        value, bound = float(out.fun) * most, float(load @ lengths - z @ rows.bound)
        flow, y = np.split(out.x, [len(columns)])
        found = LeastRows(columns, np.maximum(flow, 0.0) * unit, y, z, value, bound)
        scale = max(abs(value), abs(float(z @ rows.bound)))
        if routes.listed is not None or value - bound <= CLOSE * scale:
            break
        # of routes with equal prices the shortest, so that later programs need fewer of them
        shortest = best if delays else rows.cheapest(routes, z, prices + SHORT * z.max())[0]
        columns, before = columns.joined(shortest)[0], columns
        if len(columns) == len(before):
            break
    return found
