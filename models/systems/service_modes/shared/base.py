"""Stages shared by service modes as a system with routes: construction, checks and goals."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Self, Unpack, cast

import numpy as np

from .....reference.errors import LoadError
from .....reference.routes.capacity import capacity
from .....reference.service_modes import Modes
from .....reference.service_modes.shared.routed import JOBS, assignment_of, routes_of
from ....core.options import FormulationOptions
from ....latency import MM1
from ...routes.limited import LimitedRouteSplit
from ...routes.limits import RouteLimits
from ...routes.questions import RouteSplit
from ...routes.system import RouteSystem
from ..dual_mode import DualMode
from ..mode_system import GivenNames, ModeSystem
from ..system import MultiMode
from .answers import SharedMaxLoad, SharedSolution
from .questions import LimitedModeSplit, ModeSplit

GIVE_LOAD = "give the load, in jobs per unit of time"


class SharedStages(ModeSystem, RouteSystem):
    """Base class of `sojourn.models.SharedModes`: a station for each stage, a route for each mode.

    The parameters are those of `sojourn.models.SharedModes`.
    """

    def _store(self, rates: Modes, stages: GivenNames, modes: GivenNames, time_unit: str) -> None:
        super()._store(rates, stages, modes, time_unit)
        bank, load = MM1(np.ones(rates.stages)), np.ones(1)
        RouteSystem.__init__(self, bank, routes_of(rates), load, self.stages, JOBS, time_unit)

    @classmethod
    def canonical(
        cls, *, mu0: float, K: float, f: tuple[float, float], time_unit: str = "s"
    ) -> Self:
        """Return the system of given capacities and local parts of the work of two modes.

        The dual-mode system of D. Jeff and E. Modiano with shared servers: its optimum is that of
        their tunable-mode system for local parts from f_1 to f_2.

        Parameters
        ----------
        mu0 : float
            Capacity of the local server, jobs per unit of time.
        K : float
            Capacity of the cloud server divided by that of the local server.
        f : pair of float
            (f1, f2): part of a job's work that each mode does locally, 0 <= f1 < f2 <= 1.
        time_unit : str, default "s"

        Returns
        -------
        SharedModes

        Raises
        ------
        InputError
            On a capacity that is not above 0, and on local parts that are not as above.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> round(SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).price_of_anarchy(3.75), 6)
        1.153846
        """
        pair = DualMode.canonical(mu0=mu0, K=K, f=f)
        return cls._of_modes(pair.rates, pair.stages, pair.modes, time_unit)

    @property
    def load(self) -> float:
        """The load of which others are multiples: 1 job per unit of time."""
        return super().load

    @cached_property
    def reserved(self) -> MultiMode:
        """The same stages, with a part of each reserved for each mode."""
        return MultiMode._of_modes(self.rates, self.stages, self.modes, self.time_unit)

    def check_load(self, load: float) -> float:
        """Return the load as a float; LoadError where it is not above 0 and below the largest."""
        most = capacity(self.routed)
        try:
            return super().check_load(load)
        except LoadError as error:
            number = error.value
            if not isinstance(number, float) or not most.lower <= number < math.inf:
                raise
            names = " and ".join(self.stages[s] for s in most.limiting)
            problem = f"is not below {most.max_load:.10g}, the largest load of {names}"
            raise LoadError("load", number, problem, "lower it or add capacity") from None

    def _load(self, load: float | None) -> float:
        """Return the load, checked; LoadError where it is None."""
        if load is None:
            raise LoadError("load", None, "is missing: modes have no load of their own", GIVE_LOAD)
        return self.check_load(load)

    def _split(self, *shared: Any) -> RouteSplit:
        return ModeSplit(*shared, rates=self.rates, modes=self.modes)

    def _limited_split(self, *shared: Any, limits: RouteLimits) -> LimitedRouteSplit:
        return LimitedModeSplit(*shared, limits=limits, rates=self.rates, modes=self.modes)

    def optimum(
        self, load: float | None = None, **options: Unpack[FormulationOptions]
    ) -> SharedSolution:
        """Return the assignment of least mean delay.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`. It has no default.
        formulation, solver, subject_to, **options
            As for `RouteSystem.optimum`; the limits are of the stages.

        Returns
        -------
        SharedSolution

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts.
        NotCertifiedError
            When no answer meets the gap; the error holds the best `SharedSolution`.

        Notes
        -----
        Minimise sum over s of A_s / (1 - lambda A_s) with the mean works A_s of a job, and the mean
        fixed delay; in the loads of the modes this is convex, with second-order cones.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> best = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).optimum(load=4.0)
        >>> round(best.p, 4), best.utilisation.round(4), round(best.mean_delay, 6)
        (0.6667, array([0.6667, 0.8333]), 1.75)
        """
        return cast(SharedSolution, super().optimum(load, **options))

    def equilibrium(
        self,
        load: float | None = None,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> SharedSolution:
        """Return the assignment that selfish users reach: each of them takes the fastest mode.

        Parameters
        ----------
        load : float
            As for `optimum`.
        players : int or inf, default inf
            Number K of equal players, each of whom assigns the part 1/K of the jobs for the least
            delay of its own; 1 is the optimum.
        gap : float, default 1e-6
            Relative error of the mean delay that the certificate must exclude.
        **options
            As for `RouteSystem.equilibrium`.

        Returns
        -------
        SharedSolution
            ``largest_saving`` is the most that a user can gain by another mode.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `optimum`, and on a number of players that is not a whole number from 1 on.

        Notes
        -----
        All modes in use have one delay, and no other mode has a lower one. The loads of the modes
        minimise the convex -sum over s of log(1 - rho_s) + sum over m of x_m d_m, with exponential
        cones; so the utilisations are unique.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> selfish = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).equilibrium(load=4.0)
        >>> round(selfish.p, 4), selfish.mode_delay.round(6)
        (0.875, array([2., 2.]))
        """
        return cast(SharedSolution, super().equilibrium(load, players, **options))

    def capacity(self) -> SharedMaxLoad:
        """Return the largest load that the stages can carry, with a proof.

        Returns
        -------
        SharedMaxLoad
            The load, the stages that limit it, and the assignment as the load tends to it.

        Notes
        -----
        It is that of reserved stages, Theorem 2 of Jeff and Modiano.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).capacity()
        largest load 5
          limited by local, cloud
          jobs: 0.5000 mode 1, 0.5000 mode 2
        """
        parts = assignment_of(self.rates, capacity(self.routed).flow.used())
        return SharedMaxLoad.of(self.routed, mode_names=self.modes, assignment=parts)
