"""Solver tasks of parallel servers: a goal and its options become a question for the solvers."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.guards import check_players
from ....reference.validation import as_float
from ...core.options import FormulationOptions
from ...core.signatures import show_options
from ...core.solve import Task
from ...core.system import System
from ...core.tolerance import GapTolerance
from ...latency.base import Latency
from ...latency.player_latency import player_latency
from .formulations import Model
from .game_questions import Followers, Players
from .limited import WithinLimits
from .limits import limits_of, no_limits
from .prices import Goal, check_goal
from .questions import Split, Splits
from .solution import Solution

if TYPE_CHECKING:
    from ...core.curve import CurvePlan
    from .system import ParallelServers


class SplitTasks(System):
    """Base class of `ParallelServers`: everything between a public method and the solver loop.

    Attributes
    ----------
    bank : Latency
        All n servers as one bank.
    names : tuple of str
        The name of each server.
    """

    bank: Latency
    names: tuple[str, ...]

    def _unit(self, load: float) -> float:
        """Unit of time of the solver's problem, so that seconds and milliseconds give the same one.

        The geometric mean of the finite service times; where no rate is finite, 1/load.
        """
        load, rate = as_float("load", load), self.bank.rate
        if math.isinf(self.bank.total_rate[0]):
            rate = rate[np.isfinite(rate)]
        return float(1.0 / np.exp(np.log(rate).mean())) if rate.size else 1.0 / (load or 1.0)

    def _cones_of(self, view: str) -> dict[str, frozenset[str]]:
        """Cones that each formulation needs, by name, remembered for all banks of one shape.

        `view` is empty for the servers themselves, else names the way in which players see them.
        """
        shape = self.bank.cone_shape
        if shape is not None:
            return _cones_of_shape(shape, view)
        cones: dict[str, frozenset[str]] = self._kept.setdefault(view, {})
        return cones

    def _task(
        self,
        goal: Goal,
        load: float,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> Task[Model, Splits, Solution]:
        """Return the task whose ``solve(loads)`` solves for a goal at many loads.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
        load : float
            Any of the loads; it only sets the unit of time, and need not be below the total rate.
        players : int or inf, default inf
            Number of players of the equilibrium.
        **options
            As for `optimum`.
        """
        return Task(self._question(goal, load, players, options), options)

    def _question(
        self, goal: Goal, load: float, players: float, options: FormulationOptions
    ) -> Split:
        """Return the question of a goal: of players, within limits, or without either."""
        check_goal(goal)
        players, limits = check_players(players), limits_of(options.get("subject_to"))
        if goal == "equilibrium":
            no_limits(options)
        shared = self._question_fields(goal, load, options)
        if math.isfinite(players):
            return Players(
                player_latency(self.bank, players),
                *shared,
                self._cones_of(f"{players:g} players"),
                true=self.bank,
                players=players,
            )
        if limits:
            return WithinLimits(self.bank, *shared, self._cones_of(""), limits=limits)
        return Split(self.bank, *shared, self._cones_of(""))

    def _followers(
        self, load: float, **options: Unpack[FormulationOptions]
    ) -> Task[Model, Splits, Solution]:
        """Return the task whose ``solve(loads, flows)`` adds the users to a leader's flows."""
        no_limits(options)
        shared = self._question_fields("equilibrium", load, options)
        return Task(Followers(self.bank, *shared, self._cones_of("")), options)

    def _question_fields(
        self, goal: Goal, load: float, options: FormulationOptions
    ) -> tuple[tuple[str, ...], Goal, float, GapTolerance, bool]:
        """Fields that all questions have after the bank; a bank that is invalid raises here."""
        self.bank._validated  # noqa: B018
        tolerance, polish = GapTolerance.of(options), options.get("polish", True)
        return self.names, goal, self._unit(load), tolerance, polish


@lru_cache(256)
def _cones_of_shape(shape: Hashable, view: str) -> dict[str, frozenset[str]]:
    return {}


@show_options
def curve_plan(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> CurvePlan:
    """Return the plan of `ParallelServers.curve`."""
    from .curve import curve_plan  # the import of xarray takes time

    return curve_plan(system, loads, which, refine, options)
