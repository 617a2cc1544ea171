"""The convex programs whose solutions are the optimum or the equilibrium of flows over routes.

With flows x of routes or of links by origin, and v of the stations, each program minimises
sum Phi(v) plus the fixed delays, where Phi is x l(x) at the optimum, the Beckmann potential at the
equilibrium, and a weighted sum of both for equal players. The programs are in a unit of time of
their own, in which the mean load of a group is 1. The objective is in multiples of the number of
jobs in an empty system, so that it is near 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cvxpy as cp
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ....reference.errors import Array
from ....reference.routes import Columns, GraphRoutes, RoutedSystem, RouteFlow
from ...core.errors import FormulationError
from ...latency.base import Latency
from ...latency.cone import Cone, as_written
from ...latency.player_latency import player_latency
from ..parallel.prices import Goal

Index = npt.NDArray[np.intp]
ConeName = Literal["total", "potential"]
FORMULATIONS: Mapping[str, str] = {
    "routes": "one variable for each listed route",
    "node_arc": "one variable for each origin and link of a network",
    "columns": "one variable for each route that prices ask for, round by round",
}
"""All formulations by name, in the order in which ``"auto"`` tries them."""


@dataclass(frozen=True, eq=False)
class Cost:
    """The function of the station flows that a program minimises.

    Attributes
    ----------
    bank : Latency
        Stations; the latency of this bank, or its marginal delay, is the cost that users see.
    cone : {"total", "potential"}
        The function: x l(x) or the integral of the latency of this bank.
    """

    bank: Latency
    cone: ConeName

    @classmethod
    def of(cls, bank: Latency, goal: Goal, players: float) -> Cost:
        """Return the cost of a goal, and of a number of players of an equilibrium."""
        if goal == "optimum" or players == 1:
            return cls(bank, "total")
        return cls(bank if np.isinf(players) else player_latency(bank, players), "potential")

    @property
    def exact(self) -> bool:
        """Whether the program is exact, and does not consist of tangents."""
        return self.bank.has_cone(self.cone)

    def write(self, bank: Latency, flow: cp.Expression, tangents: int) -> Cone:
        """Return the cone of this function for stations in other units."""
        with as_written(tangents):
            cone: Cone = getattr(bank, f"{self.cone}_cone")(flow)
        return cone

    def kinds(self) -> frozenset[str]:
        """Return the names of the cones that a solver must take."""
        n = len(self.bank)
        # two tangents need the same cones as many
        few_tangents = self.bank.with_tangents_at(np.zeros((2, n)))
        return self.write(few_tangents, cp.Variable(n), 2).kinds


@dataclass(frozen=True, eq=False)
class RouteModel:
    """A CVXPY problem of flows over routes, with its flows and its load.

    The problem has units of its own; the expressions are in the user's.

    Attributes
    ----------
    problem : cvxpy.Problem
        The problem.
    flow : cvxpy.Expression, shape (A,)
        Load of each station, jobs per unit of time; affine, for constraints of one's own.
    variable : cvxpy.Variable, shape (m,)
        Flows of the routes, or of the links by origin, in multiples of `unit`.
    load : cvxpy.Parameter, shape ()
        Total load in multiples of `unit`; `set_load` sets it in the user's unit.
    unit : float
        The problem's unit of flow, jobs per unit of time.
    columns : Columns or None
        The routes; None where the variables are flows of links.
    arcs : Arcs or None
        The links by origin, where these are the variables.
    points : ndarray, shape (p, A), or None
        Flows at which tangents touch, where each load has tangents of its own.
    least_gap : float
        Smallest gap of the earlier programs of an iterative method.
    stalled : int
        Rounds since the gap was halved.
    """

    problem: cp.Problem
    flow: cp.Expression
    variable: cp.Variable
    load: cp.Parameter
    unit: float
    columns: Columns | None
    arcs: Arcs | None = None
    points: Array | None = None
    least_gap: float = np.inf
    stalled: int = 0

    @property
    def route_flow(self) -> cp.Expression:
        """Flow of each variable's route, or of its link by origin, jobs per unit of time."""
        flow: cp.Expression = self.variable * self.unit
        return flow

    def set_load(self, load: float) -> None:
        """Set the total load, in jobs per user's unit of time."""
        self.load.value = load / self.unit

    def found(self, values: Array) -> RouteFlow:
        """Return flows on routes from values of the variable, shape (m,)."""
        if self.columns is not None:
            return RouteFlow(self.columns, values * self.unit)
        assert self.arcs is not None  # noqa: S101
        return self.arcs.found(np.maximum(values, 0.0) * self.unit)


@dataclass(frozen=True, eq=False)
class Arcs:
    """The links that users from each origin may take: m pairs of an origin and a link.

    Attributes
    ----------
    routes : GraphRoutes
        The network.
    origin, link : ndarray of int, shape (m,)
        Index in ``routes.origins``, and link, of each pair.
    """

    routes: GraphRoutes
    origin: Index
    link: Index

    @classmethod
    def of(cls, routes: GraphRoutes) -> Arcs:
        """Return the pairs of a network, without links out of nodes that are closed to others."""
        own = routes.tail == routes.origins[:, None]
        origin, link = np.nonzero(own | ~routes.closed[routes.tail])
        return cls(routes, origin, link)

    def balance(self, share: Array) -> tuple[csr_array, Array]:
        """Return the conservation of flow: a matrix, and its right-hand side for a load of 1.

        Parameters
        ----------
        share : ndarray, shape (G,)
            Share of each group in the load.
        """
        routes, m = self.routes, self.link.size
        n, count, pairs = routes.split_nodes, routes.origins.size, np.arange(m)
        start, end = (
            self.origin * n + node[self.link]
            for node in (routes.departure[routes.tail], routes.head)
        )
        sign = np.repeat([1.0, -1.0], m)
        places = np.concatenate([end, start]), np.tile(pairs, 2)
        matrix = csr_array((sign, places), shape=(n * count, m))
        # the equation of the origin follows from the others
        rows = np.diff(matrix.indptr) > 0
        rows[np.arange(count) * n + routes.departure[routes.origins]] = False
        return csr_array(matrix[np.flatnonzero(rows)]), routes.demand(share).ravel()[rows]

    @property
    def sums(self) -> csr_array:
        """Matrix from the flows of the pairs to those of the links, shape (A, m)."""
        m = self.link.size
        shape = (self.routes.stations, m)
        return csr_array((np.ones(m), (self.link, np.arange(m))), shape=shape)

    def found(self, flow: Array) -> RouteFlow:
        """Return flows on routes from the flows of the pairs."""
        by_origin = np.zeros((self.routes.origins.size, self.routes.stations))
        by_origin[self.origin, self.link] = flow
        return self.routes.columns_of(by_origin)


def formulations(system: RoutedSystem, chosen: str) -> list[str]:
    """Return the names of the formulations that fit the routes, in the order to try them.

    Raises
    ------
    FormulationError
        On a name that does not exist, or does not fit the routes.
    """
    is_graph = isinstance(system.routes, GraphRoutes)
    fit = ["routes"] if system.routes.listed is not None else []
    fit += ["node_arc"] if is_graph else []
    if chosen == "auto":
        return fit or ["columns"]
    if chosen not in FORMULATIONS:
        remedy = f"use auto, {', '.join(FORMULATIONS)}"
        raise FormulationError("formulation", chosen, "is no formulation of routes", remedy)
    if chosen not in (*fit, "columns"):
        problem = f"does not fit these routes: it has {FORMULATIONS[chosen]}"
        raise FormulationError("formulation", chosen, problem, f"use auto, {fit[0]} or columns")
    return [chosen]


def build(
    system: RoutedSystem,
    cost: Cost,
    load: float,
    columns: Columns | None,
    *,
    tangents: int,
    points: Array | None = None,
    least_gap: float = np.inf,
    stalled: int = 0,
) -> RouteModel:
    """Return the model at a load.

    Parameters
    ----------
    system : RoutedSystem
        A stations, routes and G groups.
    cost : Cost
        The function to minimise.
    load : float
        Total load, jobs per unit of time; it also sets the problem's unit of flow.
    columns : Columns or None
        Routes; None for the links of a network by origin.
    tangents : int
        Number of tangents of each station without a cone, where there are no `points`.
    points, least_gap, stalled
        See `RouteModel`.
    """
    groups = system.load.size
    unit = load / groups
    bank = cost.bank.in_unit(1.0 / unit)
    if points is not None:
        bank = bank.with_tangents_at(points / unit)
    total = cp.Parameter(nonneg=True, name="load")
    stations = cp.Variable(len(bank), name="station_flow", nonneg=True)
    share, arcs = system.load / system.total_load, None
    if columns is None:
        assert isinstance(system.routes, GraphRoutes)  # noqa: S101
        arcs = Arcs.of(system.routes)
        matrix, right = arcs.balance(share)
        variable = cp.Variable(arcs.link.size, name="flow", nonneg=True)
        delay: cp.Expression = cp.Constant(0.0)
        constraints = [matrix @ variable == total * right, stations == arcs.sums @ variable]
    else:
        variable = cp.Variable(len(columns), name="flow", nonneg=True)
        rows = np.arange(len(columns))
        ones, shape = np.ones(rows.size), (groups, rows.size)
        matrix = csr_array((ones, (columns.group, rows)), shape=shape)
        delay = (columns.delay * unit) @ variable
        constraints = [
            matrix @ variable == total * share,
            stations == columns.transposed @ variable,
        ]
    cone = cost.write(bank, stations, tangents)
    objective = cp.Minimize((cp.sum(cone.value) + delay) / (load * idle_delay(system)))
    problem = cp.Problem(objective, [*constraints, *cone.constraints])
    model = RouteModel(
        problem,
        stations * unit,
        variable,
        total,
        unit,
        columns,
        arcs,
        points,
        least_gap,
        stalled,
    )
    model.set_load(load)
    return model


def idle_delay(system: RoutedSystem) -> float:
    """Return the mean delay of an empty system; 1 where that is 0."""
    idle = system.bank.idle_latency
    least = system.routes.least_cost(np.where(np.isfinite(idle), idle, 0.0))
    mean = float(system.load @ least) / system.total_load
    return mean if 0 < mean < np.inf else 1.0
