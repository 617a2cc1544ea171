"""The optimum of flows over routes within limits as a question, with the price of every limit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.compensated_sum import EPS
from ....reference.errors import Array
from ....reference.routes import RouteFlow
from ....reference.routes.bounds import RouteCertificate
from ....reference.routes.engine import solve
from ....reference.routes.limited import LimitedFlow, certified, moved_inside
from ....reference.routes.limited_newton import refined
from ...core.certificate import bounds
from ...core.errors import FormulationError
from ...core.question import Points
from ...core.solution import Provenance
from ...latency.tangents import initial_tangent_points
from .formulations import RouteModel, formulations
from .limits import RouteLimits
from .questions import RouteSplit, RouteSplits
from .solution import RouteSolution

if TYPE_CHECKING:
    pass

ROUNDING = 16.0 * EPS  # relative rounding error of a value of a bank, or of a sum of products


@dataclass(frozen=True, eq=False)
class LimitedRouteSplits(RouteSplits):
    """Certified flows within limits, with the multipliers of the rows.

    Attributes
    ----------
    row_prices : ndarray of object, shape (K,)
        Multipliers of the rows of each answer, an array of shape (m,).
    """

    row_prices: npt.NDArray[np.object_]

    absent: ClassVar[Mapping[str, Any]] = {**RouteSplits.absent, "row_prices": None}


@dataclass(frozen=True, eq=False)
class LimitedRouteSplit(RouteSplit):
    """The optimum within limits of a system with routes at one total load.

    Attributes
    ----------
    limits : RouteLimits
        The limits at this load.
    """

    limits: RouteLimits = field(kw_only=True)

    rows: ClassVar[type[Any]] = LimitedRouteSplits
    own_solver = None

    @property
    def prefers_own(self) -> bool:  # type: ignore[override]
        """False: limits need a solver of CVXPY."""
        return False

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the formulations with a variable for each route; see `Question.formulations`."""
        if chosen == "node_arc":
            problem, remedy = "does not take limits", "use auto or columns"
            raise FormulationError("formulation", chosen, problem, remedy)
        names = [name for name in formulations(self.system, chosen) if name != "node_arc"]
        return dict.fromkeys(names or ["columns"], self._kinds)

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return ``...``: the limits belong to one load."""
        return ...

    def write(self, form: str, points: Points) -> RouteModel:
        """Return the program; on a graph with the routes of the optimum without the limits."""
        if form != "columns":
            return super().write(form, points)
        load = float(points[0][0])
        free = solve(self.system, 1.0, load / self.system.total_load)
        own = not (self.cost.exact or self.polish)
        tangents = initial_tangent_points(self.bank, load) if own else None
        return self._build(load, free.columns, tangents)

    def _build(self, load: float, columns: Any, tangents: Array | None, **more: Any) -> RouteModel:
        """Return the program with the limits as constraints."""
        if columns is not self.system.routes.listed:
            columns = columns.joined(self.limits.safe.columns)[0]
        model, rows = super()._build(load, columns, tangents, **more), self.limits.rows
        limit = rows.matrix(columns) @ model.variable <= rows.bound / model.unit
        problem = cp.Problem(model.problem.objective, [*model.problem.constraints, limit])
        return replace(model, problem=problem)

    def _answer(self, load: float, found: RouteFlow) -> RouteSplits:
        """Return one row: flows within the limits, with their certificate."""
        system, limits = self.system, self.limits
        loads = load / system.total_load * system.load
        found = found.fitted(loads)
        if self.polish:
            none = np.zeros(len(limits.rows))
            answer = refined(system, loads, limits.rows, found, limits.safe, none)
        else:
            within = moved_inside(system, limits.rows, loads, found, limits.safe)
            answer = certified(system, loads, limits.rows, within)[0]
        prices = np.empty(1, dtype=object)
        prices[0] = answer.z
        proof = self._proof(loads, answer)
        return self._row(answer.found.used(), proof, answer.steps, row_prices=prices)

    def _proof(self, load: Array, answer: LimitedFlow) -> RouteCertificate:
        """Return the certificate of flows within the limits."""
        system, rows, total = self.system, self.limits.rows, float(load.sum())
        found, v = answer.found, answer.found.station_flow
        price = system.bank.marginal(v)
        paid = float(v @ price) + found.fixed_delay + float(answer.z @ np.abs(rows.bound))
        slack, delay = ROUNDING * paid, answer.total_delay
        proof = bounds(delay / total, (answer.lower_bound - slack) / total, (delay + slack) / total)
        least = rows.cheapest(system.routes, answer.z, price)[1]
        columns = found.columns
        costs = columns.costs(price) + rows.matrix(columns).T @ answer.z
        saved = max(delay + slack - answer.lower_bound, 0.0)
        with np.errstate(all="ignore"):
            utilisation = float(np.nanmax(v / system.bank.rate, initial=0.0))
        carried = columns.group_flow(found.flow, load.size)
        return RouteCertificate(
            mean_delay=delay / total,
            **vars(proof),
            potential_gap=saved / paid if paid > 0 else 0.0,
            mean_saving=saved / total,
            largest_saving=float(
                np.max(costs - least[columns.group], where=found.flow > 0, initial=0.0)
            ),
            utilisation=utilisation,
            balance=float(np.max(np.abs(carried - load) / load)),
            rounding=2.0 * slack / delay if delay > 0 else 0.0,
        )

    def refine(self, program: RouteModel, found: RouteSplits) -> RouteModel | None:
        """Return the next program, with the routes of the last answer or more tangents, or None."""
        if program.columns is not None and program.columns is not self.system.routes.listed:
            columns = program.columns.joined(found.routes[0].columns)[0]
            program = replace(program, columns=columns)
        return super().refine(program, found)

    def solution(self, found: Any, points: Points, provenance: Provenance) -> RouteSolution:
        """See `Question.solution`."""
        answer = super().solution(found, points, provenance)
        prices = self.limits.shadow_prices(
            self.bank, found.routes[0], found.row_prices[0], answer.group_load
        )
        return replace(answer, limits=prices)
