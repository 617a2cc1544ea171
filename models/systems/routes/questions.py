"""The optimum and the equilibrium of flows over routes as questions for the solver loop.

A solver's flows, or those of the interior-point method of `sojourn.reference.routes`, become flows
on routes, Newton steps refine these, and shortest paths certify them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.routes import Columns, GraphRoutes, RoutedSystem, RouteFlow
from ....reference.routes.bounds import (
    RouteCertificate,
    certify,
    group_delay,
    station_latency,
)
from ....reference.routes.capacity import capacity
from ....reference.routes.engine import polish, solve
from ....reference.routes.threads import one_thread
from ...core.certificate import bounds
from ...core.options import FormulationOptions
from ...core.question import AnswerRows, Points, Question, SolverOutput
from ...core.solution import Provenance
from ...core.stored import Column
from ...core.tolerance import POLISHED, GapTolerance
from ...latency.base import Latency
from ...latency.tangents import add_tangents, initial_tangent_points
from ..parallel.prices import Goal
from .flows import link_ends_of
from .formulations import Cost, RouteModel, build, formulations
from .solution import RouteSolution

EQUILIBRIUM_GAP = 1e-6
"""Default gap of a polished equilibrium.

The interval of its mean delay is as wide as the square root of the gap of the potential.
"""
# variables up to which a solver of CVXPY has its turn before the interior-point method
FEW_VARIABLES = 1000
# tangents a station in a program for all loads, from whose solution Newton steps start
FEW_TANGENTS = 30
# rounds of tangents or routes without half the gap, after which the solver's own error is left
MAX_STALLED = 6
# part of its rate at which a price is taken for a station that a solver's flow overloads
ALMOST_FULL = 1.0 - 1e-6
OF_CERTIFICATE = tuple(f.name for f in fields(RouteCertificate))


@dataclass(frozen=True, eq=False)
class RouteSplits(AnswerRows):
    """Certified flows of K loads of G groups over A stations, as columns.

    Attributes
    ----------
    flow : ndarray, shape (K, A)
        Load of each station.
    group_delay : ndarray, shape (K, G)
        Mean delay of each group.
    routes : ndarray of RouteFlow, shape (K,)
        Flows of the routes; None where there is no answer.
    steps : ndarray of int, shape (K,)
        Newton steps; 0 for the solver's own flows.
    mean_delay, potential_gap, mean_saving, largest_saving, utilisation, balance, rounding, estimate
        Fields of `RouteCertificate`, of shape (K,).
    """

    flow: Array
    group_delay: Array
    routes: npt.NDArray[np.object_]
    steps: npt.NDArray[np.intp]
    mean_delay: Array
    potential_gap: Array
    mean_saving: Array
    largest_saving: Array
    utilisation: Array
    balance: Array
    rounding: Array
    estimate: Array

    key: ClassVar[str] = "flow"
    absent: ClassVar[Mapping[str, Any]] = {**AnswerRows.absent, "routes": None}

    def flow_on(self, listed: Columns) -> Array:
        """Return the flows on listed routes, shape (K, R); NaN where there is no answer."""
        out = np.full((len(self.routes), len(listed)), np.nan)
        for row, found in zip(out, self.routes, strict=True):
            if found is not None:
                row[:] = 0.0
                row[listed.places(found.columns)] = found.flow
        return out

    @property
    def certificate(self) -> RouteCertificate:
        """Certificate of the first answer."""
        return RouteCertificate(*(float(getattr(self, name)[0]) for name in OF_CERTIFICATE))


@dataclass(frozen=True, eq=False)
class RouteSplit(Question[RouteModel, RouteSplits, RouteSolution]):
    """The optimum or the equilibrium of a system with routes at K total loads.

    Attributes
    ----------
    system : RoutedSystem
        A stations, G groups and their routes.
    bank : Latency
        The stations.
    goal : {"optimum", "equilibrium"}
        The problem to solve.
    players : float
        Number of equal players of an equilibrium.
    unit : float
        Load that sets the units of the programs.
    tolerance : GapTolerance
        Gap that certifies an answer.
    polish : bool
        Whether Newton steps improve the solver's flows.
    last : list of RouteFlow
        The last answer of the interior-point method, from which its next one starts.
    """

    system: RoutedSystem
    bank: Latency
    goal: Goal
    players: float
    unit: float
    tolerance: GapTolerance
    polish: bool = True
    last: list[RouteFlow] = field(default_factory=list)

    options = FormulationOptions
    rows: ClassVar[type[RouteSplits]] = RouteSplits
    own_solver: ClassVar[str | None] = "INTERIOR-POINT"

    @property
    def name(self) -> str:  # type: ignore[override]
        """The goal, for messages."""
        return self.goal

    @property
    def quick(self) -> bool:  # type: ignore[override]
        """Whether Newton steps improve the flows, so that loose tolerances come first."""
        return self.polish

    @property
    def prefers_own(self) -> bool:  # type: ignore[override]
        """Whether the programs are so large that the interior-point method comes first."""
        routes = self.system.routes
        if routes.listed is not None:
            return len(routes.listed) > FEW_VARIABLES
        assert isinstance(routes, GraphRoutes)  # noqa: S101
        return routes.origins.size * routes.stations > FEW_VARIABLES

    @property
    def size(self) -> int:
        """Count of numbers in one answer, without the flows of routes."""
        return len(self.bank) + self.system.load.size

    @property
    def seen_by(self) -> float:
        """Number of players of the game whose equilibrium is sought: 1 at the optimum."""
        return 1.0 if self.goal == "optimum" else self.players

    @cached_property
    def cost(self) -> Cost:
        """The function of the station flows that the programs minimise."""
        return Cost.of(self.bank, self.goal, self.players)

    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """See `Question.formulations`."""
        return dict.fromkeys(formulations(self.system, chosen), self._kinds)

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return self.cost.kinds()

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return None, one program for all loads, but for added routes and tangents."""
        serves_all = form != "columns" and (self.polish or self.cost.exact)
        return None if serves_all else ...

    def write(self, form: str, points: Points) -> RouteModel:
        """Return the program; with few tangents, or few routes, that `refine` adds to."""
        load = float(points[0][0])
        columns = self.system.routes.listed if form == "routes" else None
        if form == "columns":
            idle = self.system.routes.cheapest(self._price(np.zeros(len(self.bank))))
            columns = capacity(self.system).flow.used().columns.joined(idle)[0]
        own = not (self.cost.exact or self.polish)
        tangents = initial_tangent_points(self.bank, load) if own else None
        return self._build(self.unit, columns, tangents)

    def _build(
        self, load: float, columns: Columns | None, tangents: Array | None, **more: Any
    ) -> RouteModel:
        return build(
            self.system, self.cost, load, columns, tangents=FEW_TANGENTS, points=tangents, **more
        )

    def parameters(
        self, program: RouteModel, points: Points
    ) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the loads in the unit of the program."""
        return ((program.load, points[0] / program.unit),)

    def finish(self, program: RouteModel, returned: SolverOutput, points: Points) -> RouteSplits:
        """Return certified answers, polished where that lowers the gap."""
        # of 427 random answers, none had a smaller gap with the solver's dual values as prices
        return self._answers(points[0], returned.value(program.variable), program.found)

    def compute(self, points: Points) -> RouteSplits:
        """Return certified answers of the interior-point method, each started from the last one."""
        rows = []
        for load in points[0].tolist():
            start, multiple = self.last[-1] if self.last else None, load / self.system.total_load
            with one_thread(len(self.bank)):
                found = solve(self.system, self.seen_by, multiple, start)
                rows.append(self._certified(multiple, found, 0))
            self.last[:] = rows[-1].routes.tolist()
        return RouteSplits.joined(rows)

    def certify_stored(self, points: Points, column: Column) -> RouteSplits:
        """Return stored flows of listed routes as they are, certified."""
        listed = self.system.routes.listed
        if listed is None:
            raise LookupError(self.name)
        as_stored = replace(self, polish=False)
        flows = column(f"{self.goal}_route_flow", len(listed))
        return as_stored._answers(points[0], flows, partial(RouteFlow, listed))

    def _answers(
        self, loads: Array, flows: Array, found: Callable[[Array], RouteFlow]
    ) -> RouteSplits:
        """Return one row for each load, from flows of shape (K, m); none where they are NaN."""
        with one_thread(len(self.bank)):
            rows = [
                self._answer(load, found(flow)) if np.isfinite(flow).all() else self.empty(1)
                for load, flow in zip(loads.tolist(), flows, strict=True)
            ]
        return self.rows.joined(rows) if rows else self.empty(0)

    def _answer(self, load: float, found: RouteFlow) -> RouteSplits:
        """Return one row: flows, polished, with their certificate."""
        multiple, steps = load / self.system.total_load, 0
        found = found.fitted(multiple * self.system.load)
        if self.polish:
            start = self._below_rates(found, multiple)
            found, steps = polish(self.system, self.seen_by, multiple, start)
        return self._certified(multiple, found, steps)

    def _certified(self, multiple: float, found: RouteFlow, steps: int) -> RouteSplits:
        """Return one row: flows of a multiple of the loads as they are, with their certificate."""
        proof = certify(self.system, multiple, found, self.seen_by)
        met = self.tolerance.met(proof.gap, proof.rounding)
        if not (self.polish or met or np.isinf(proof.mean_delay)):
            proof = self._tightened(proof, multiple, found)
        return self._row(found, proof, steps)

    def _row(
        self, found: RouteFlow, proof: RouteCertificate, steps: int, **more: Any
    ) -> RouteSplits:
        """Return flows and their certificate as one row."""
        routes = np.empty(1, dtype=object)
        routes[0] = found
        return self.rows(
            flow=found.station_flow[None],
            group_delay=group_delay(self.system, found)[None],
            routes=routes,
            steps=np.array([steps]),
            certified=self.tolerance.met(proof.gap, proof.rounding)[None],
            **{name: np.array([value]) for name, value in vars(proof).items()},
            **more,
        )

    def _below_rates(self, found: RouteFlow, multiple: float) -> RouteFlow:
        """Return flows that leave spare capacity at each station: mixed with the least loaded."""
        rate, v = self.system.bank.rate, found.station_flow
        if (v < rate).all():
            return found
        safe = capacity(self.system).flow
        columns, place = safe.columns.joined(found.columns)
        least = multiple * safe.station_flow
        most = 0.5 * (rate + np.max(least / rate) * rate)
        with np.errstate(all="ignore"):
            part = np.max(np.where(v > most, (v - most) / (v - least), 0.0))
        flow = np.zeros(len(columns))
        flow[place] = part * multiple * safe.flow
        flow[columns.places(found.columns)] += (1.0 - part) * found.flow
        return RouteFlow(columns, flow).fitted(multiple * self.system.load)

    def _tightened(
        self, proof: RouteCertificate, multiple: float, found: RouteFlow
    ) -> RouteCertificate:
        """Return the certificate of a solver's own flows with the bounds of refined ones.

        Prices at a solver's flows are as wrong as these, and give wide bounds.
        """
        finer = polish(self.system, self.seen_by, multiple, found)[0]
        other = certify(self.system, multiple, finer, self.seen_by)
        low, high = (
            max(proof.lower_bound, other.lower_bound),
            min(proof.upper_bound, other.upper_bound),
        )
        return replace(proof, **vars(bounds(proof.mean_delay, low, high)))

    def _price(self, flow: Array) -> Array:
        """Return the cost of the stations at their flows, below the rate of each."""
        bank = self.system.cost_bank(self.seen_by)
        return np.asarray(bank.latency(np.minimum(flow, ALMOST_FULL * bank.rate)))

    def refine(self, program: RouteModel, found: RouteSplits) -> RouteModel | None:
        """Return the next program, with the cheapest routes or with more tangents, or None."""
        columns, points, gap = program.columns, program.points, float(found.gap[0])
        stalled = 0 if gap < 0.5 * program.least_gap else program.stalled + 1
        if found.certified[0] or stalled >= MAX_STALLED:
            return None
        if columns is not None and columns is not self.system.routes.listed:
            cheapest = self.system.routes.cheapest(self._price(found.flow[0]))
            columns = columns.joined(cheapest)[0]
        if points is not None:
            points = add_tangents(self.bank, points, np.asarray(program.flow.value))
        if columns is program.columns and points is None:
            return None
        load, least = program.unit * self.system.load.size, min(gap, program.least_gap)
        return self._build(load, columns, points, least_gap=least, stalled=stalled)

    def empty(self, count: int) -> RouteSplits:
        """See `Question.empty`."""
        stations, groups = len(self.bank), self.system.load.size
        return self.rows.empty(count, flow=(stations,), group_delay=(groups,))

    def idle(self, points: Points) -> RouteSplits:
        """Return the limit as the load tends to 0: the cheapest routes of an empty system."""
        out, price = self.empty(len(points[0])), self.system.bank.idle_latency
        delays = self.system.routes.least_cost(np.asarray(price))
        mean = float(self.system.load @ delays) / self.system.total_load
        times = dict.fromkeys(("mean_delay", "lower_bound", "upper_bound"), mean)
        zero = dict.fromkeys(("flow", "gap", "potential_gap", "mean_saving", "utilisation"), 0.0)
        for name, value in {**times, **zero, "group_delay": delays, "certified": True}.items():
            getattr(out, name)[:] = value
        return out

    def solution(self, found: RouteSplits, points: Points, provenance: Provenance) -> RouteSolution:
        """See `Question.solution`."""
        load, system, proof = float(points[0][0]), self.system, found.certificate
        flow, routes = found.flow[0], found.routes[0]
        utilisation = self.bank.utilisation(flow)
        named = ("mean_delay", "potential_gap", "mean_saving", "largest_saving", "estimate")
        return RouteSolution(
            goal=self.goal,
            players=self.players if self.goal == "equilibrium" else 1.0,
            load=load,
            multiple=load / system.total_load,
            station_names=system.stations,
            group_names=system.groups,
            station_flow=flow,
            station_latency=self.bank.latency(flow)
            if routes is None
            else station_latency(system, routes),
            utilisation=utilisation,
            group_load=load / system.total_load * system.load,
            group_delay=found.group_delay[0],
            route_flow=routes,
            certificate=proof,
            certified=bool(found.certified[0]),
            polished=int(found.steps[0]),
            link_ends=link_ends_of(system.routes),
            caveats=tuple(self.bank.caveats(flow, system.stations)),
            **{name: getattr(proof, name) for name in named},
            **vars(provenance),
        )


def tolerance_of(goal: Goal, players: float, options: FormulationOptions) -> GapTolerance:
    """Return the tolerance of a goal: by default 1e-9 for an optimum, 1e-6 for an equilibrium."""
    exact = goal == "optimum" or math.isclose(players, 1.0)
    return GapTolerance.of(options, POLISHED if exact else EQUILIBRIUM_GAP)
