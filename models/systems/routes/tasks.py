"""Solver tasks of systems with routes: a goal and its options become a question for the solvers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Unpack

import numpy.typing as npt

from ....reference.errors import Array, LoadError
from ....reference.guards import check_players
from ....reference.plural import counted
from ....reference.routes import Columns, RoutedSystem, RouteSet
from ....reference.routes.capacity import capacity, check_multiple
from ....reference.validation import as_loads, as_single_load, check_text
from ...core.options import FormulationOptions, check_solve_options
from ...core.signatures import show_options
from ...core.solve import Task
from ...core.system import ONE_LOAD, System
from ...latency.base import Latency
from ..parallel.limits import limits_of, no_limits
from ..parallel.prices import Goal
from .formulations import RouteModel
from .inputs import is_mapping
from .limited import LimitedRouteSplit
from .limits import RouteLimits, route_limits
from .questions import RouteSplit, RouteSplits, tolerance_of
from .solution import RouteSolution

if TYPE_CHECKING:
    from ...core.curve import CurvePlan
    from .system import RouteSystem

STORED = 10_000  # listed routes whose flows a curve holds


class RouteTasks(System):
    """Base class of `RouteSystem`: its stations, groups and loads, and the tasks of its solvers."""

    def __init__(
        self,
        bank: Latency,
        routes: RouteSet,
        load: Array,
        stations: tuple[str, ...],
        groups: tuple[str, ...],
        time_unit: str,
    ) -> None:
        self.bank = bank
        self.routed = RoutedSystem(bank, routes, load, stations, groups)
        self.stations, self.groups = self.routed.stations, self.routed.groups
        self.group_load = load
        self.time_unit = check_text("time_unit", time_unit)

    def __repr__(self) -> str:
        size = f"{counted(len(self.groups), 'group')}, {counted(len(self.stations), 'station')}"
        return f"{type(self).__name__}({size}, load {self.load:g})"

    @property
    def load(self) -> float:
        """Sum of the loads of the groups, jobs per unit of time."""
        return self.routed.total_load

    @property
    def max_load(self) -> float:
        """Total load that the stations cannot carry, jobs per unit of time; see `capacity`."""
        return capacity(self.routed).max_load

    @property
    def stored_routes(self) -> Columns | None:
        """The routes whose flows a curve holds: all that are listed, up to 10,000; else None."""
        listed = self.routed.routes.listed
        return listed if listed is not None and len(listed) <= STORED else None

    def check_load(self, load: float) -> float:
        """Return the load as a float.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time.

        Raises
        ------
        LoadError
            When it is not one number above 0, or the stations cannot carry it: the message names
            those that limit it, and the largest load.
        """
        if is_mapping(load):
            problem, remedy = "is not one number", "give the total load; groups keep their parts"
            raise LoadError("load", load, problem, remedy)
        number = as_single_load(as_loads(load), ONE_LOAD)
        if number <= 0:
            problem = "a load cannot be negative" if number < 0 else "there are no jobs to serve"
            raise LoadError("load", number, problem, "give a load above 0")
        try:
            check_multiple(self.routed, number / self.load)
        except LoadError as error:  # its load is the multiple times all loads, and has rounding
            raise LoadError("load", number, error.problem, error.remedy) from None
        return number

    def _load(self, load: float | None) -> float:
        """Return the load, or that of the system where it is None, checked."""
        return self.check_load(self.load if load is None else load)

    def _task(
        self,
        goal: Goal,
        load: float,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> Task[RouteModel, RouteSplits, RouteSolution]:
        """Return the task whose ``solve(loads)`` solves for a goal at many loads.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
        load : float
            Any of the loads; it only sets the units of the programs.
        players : int or inf, default inf
            Number of players of the equilibrium.
        **options
            As for `optimum`.
        """
        players = check_players(players)
        if goal == "equilibrium":
            no_limits(options)
        self.bank._validated  # noqa: B018
        tolerance = tolerance_of(goal, players, options)
        polish = options.get("polish", True)
        shared = (self.routed, self.bank, goal, players, load, tolerance, polish)
        if limits_of(options.get("subject_to")):
            check_solve_options(goal, options)  # before the search of a flow within the limits
            loads = load / self.load * self.group_load
            limits = route_limits(self.routed, self.bank, options["subject_to"] or (), loads)
            return Task(self._limited_split(*shared, limits=limits), options)
        return Task(self._split(*shared), options)

    def _split(self, *shared: Any) -> RouteSplit:
        """Return the question of a goal; a subclass may return one with answers of its own."""
        return RouteSplit(*shared)

    def _limited_split(self, *shared: Any, limits: RouteLimits) -> LimitedRouteSplit:
        """Return the question of the optimum within limits; see `_split`."""
        return LimitedRouteSplit(*shared, limits=limits)


@show_options
def curve_plan(
    system: RouteSystem,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    players: float = math.inf,
    **options: Unpack[FormulationOptions],
) -> CurvePlan:
    """Return the plan of `RouteSystem.curve`."""
    from .curve import curve_plan  # the import of xarray takes time

    return curve_plan(system, loads, which, refine, players, options)
