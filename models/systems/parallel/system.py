"""Parallel servers at a distance: which share of the load each should get, and which share selfish users give it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.errors import LoadError
from ....reference.guards import check_players
from ....reference.parallel import optimum_equilibrium as exact
from ....reference.parallel.sensitivity import Sensitivity, derivatives
from ....reference.validation import as_float, as_names, check_text
from ...core.options import FormulationOptions, check_solve_options
from ...core.ratio import PriceOfAnarchy
from ...core.solve import Task
from ...core.system import System
from ...core.tolerance import GapTolerance
from ...latency.base import Latency, as_latency
from ...latency.player_latency import player_latency
from .control import ControlledSplit, Tolls, control, tolls
from .evaluation import Evaluation, evaluate
from .formulations import FORMULATIONS, Model, build, for_goal
from .limited import WithinLimits
from .limits import limits_of, no_limits
from .prices import Goal, check_goal
from .questions import Followers, Players, Split, Splits, formulations
from .solution import Solution

if TYPE_CHECKING:
    import xarray as xr

    from ....reference.parallel.worst_case import WorstCase

NOT_ONE = ("is not a system of parallel servers", "give ParallelServers")


class ParallelServers(System):
    """Servers side by side, reached over delays, that share one stream of jobs.

    Parameters
    ----------
    *servers : Latency
        Banks of one or more families, such as `MM1`, `MD1`, `MG1`; n servers in all.
    names : sequence of str, optional
        One a server, all different, in a list or an array; by default ``server 1``, ``server 2``, ...
    time_unit : str, default "s"
        Written on tables, plots and files; the numbers are in whatever unit the rates and delays share.

    Raises
    ------
    InputError
        On no server, something that is not a bank, or names that do not fit.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> round(system.optimum(load=100.0).mean_delay, 6)
    0.023363
    """

    def __init__(
        self, *servers: Latency, names: Sequence[str] | None = None, time_unit: str = "s"
    ) -> None:
        self.bank = as_latency(servers)
        self.names = as_names("names", "server", names, len(self.bank))
        self.time_unit = check_text("time_unit", time_unit)

    def __repr__(self) -> str:
        return f"ParallelServers({len(self.bank)} servers, total rate {self.total_rate:g})"

    def __len__(self) -> int:
        return len(self.bank)

    @property
    def total_rate(self) -> float:
        """Sum of the service rates: the load must stay below it."""
        return float(self.bank.total_rate[0])

    @property
    def max_load(self) -> float:
        """The total rate."""
        return self.total_rate

    def optimum(self, load: float, **options: Unpack[FormulationOptions]) -> Solution:
        """Split of least mean delay: minimise sum x_i l_i(x_i) / load; eq. (2) of Mancuso et al.

        Parameters
        ----------
        load : float
            Total load, 0 < load < total rate.
        formulation : {"auto", "inv_pos", "quad_over_lin", "epigraph"}, default "auto"
            How the problem is written: the first two as second-order cones, for families of the form e + k/(mu - x); ``"epigraph"`` each
            family in its own way, by tangents where it has no cone.
        solver : str, optional
            By default Clarabel, then ECOS, then SCS, until one is certified.
        solver_options : mapping, optional
            Passed on to the solver, by its own names.
        polish : bool, default True
            Finish with Newton steps on the used servers; False gives the solver's own answer.
        gap : float, optional
            Relative error that the certificate must exclude: by default 1e-9 (more, up to 1e-4, where the used servers are so
            full that the rounding of their flows alone exceeds it), and 1e-4 for an answer that is not polished.
        throw : bool, default True
            Raise when the gap is not met; False returns the best answer, with ``certified`` False.
        subject_to : sequence of Limit, optional
            `MinShare`, `MaxShare`, `MaxUtilisation`, `ServerPercentile`, `Budget`, `GroupShare`, `LinearLimit`
            or a class of your own, see `Limit`; their shadow prices are in ``Solution.limits``.

        Returns
        -------
        Solution

        Raises
        ------
        LoadError
            Before any solver starts, when the load is not above 0 and below the total rate.
        SolverNameError, FormulationError
            Before any solver starts.
        NotCertifiedError
            With the best `Solution` inside.
        """
        load = self.check_load(load)
        return self.task("optimum", load, **options).one(load)

    def equilibrium(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> Solution:
        """Split that selfish users reach: used servers share a latency, no other is faster; eq. (13) of Mancuso et al.

        Parameters, result and errors as `optimum`, but for the formulation: ``"beckmann"`` minimises the potential (exponential cone);
        ``"minmax"`` the largest latency over prefixes of the servers (second-order cones, any family); ``"qp"`` and ``"geo_mean"`` hold for
        M/M/1 servers with equal delays.

        Parameters
        ----------
        players : int or inf, default inf
            K equal players, each of whom routes load/K at the least delay for himself: 1 is the optimum, infinitely many (no user counts) the
            Wardrop equilibrium. Between them it is the minimum of a weighted potential (``"beckmann"``; see
            `sojourn.reference.parallel.players`), and the multiplier is the price that a player sees.
        """
        load = self.check_load(load)
        return self.task("equilibrium", load, players, **options).one(load)

    def price_of_anarchy(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> PriceOfAnarchy:
        """Mean delay of the equilibrium over that of the optimum, >= 1; eq. (19) of Mancuso et al.

        Parameters as `equilibrium`. Returns a float, whose ``lower`` and ``upper`` both certificates prove.
        """
        selfish = self.equilibrium(load, players, **for_goal("equilibrium", options))
        return PriceOfAnarchy.of(selfish, self.optimum(load, **for_goal("optimum", options)))

    def evaluate(
        self,
        load: float,
        *,
        flow: npt.ArrayLike | None = None,
        share: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> Evaluation:
        """Judge a split that is already there: its delay, what it loses against the optimum, what a user gains by moving.

        No solver is asked: the optimum and the equilibrium are the closed forms, with certificates of their own.

        Parameters
        ----------
        load : float
            Total load, 0 < load < total rate.
        flow : array_like, shape (n,), optional
            Load of each server; they sum to the load within 1e-9 of it.
        share : array_like, shape (n,), optional
            Part of the load of each server; they sum to 1 within 1e-9.
        weights : array_like, shape (n,), optional
            Numbers in proportion to the shares, of any sum, such as those of a proxy; 0 for a server that is not used.

        Returns
        -------
        Evaluation
            Where a server gets its rate or more the delay is infinite and ``overloaded`` names it.

        Raises
        ------
        LoadError, InputError
            On a load that the system cannot carry; unless exactly one of the three is given, with a number for each server,
            none of them negative.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
        >>> found = system.evaluate(load=190.0, weights=[50, 30, 20])
        >>> round(found.mean_delay, 6), round(found.ratio, 6), found.move
        (0.122278, 4.298088, ('server 1', 'server 3'))
        """
        return evaluate(self, load, {"flow": flow, "share": share, "weights": weights})

    def thresholds(self) -> exact.Thresholds:
        """Load at which each server starts to be used, at the optimum and at the equilibrium; eqs. (12), (18), in closed form."""
        return exact.thresholds(self.bank)

    def curve(
        self,
        loads: npt.ArrayLike,
        which: str | None = None,
        refine: bool | float = False,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Delays, flows and price of anarchy over loads; see `sojourn.models.systems.parallel.curve.curve`."""
        from .curve import curve

        return curve(self, loads, which, refine, **options)

    def worst_case(
        self, up_to: float | None = None, **options: Unpack[FormulationOptions]
    ) -> WorstCase:
        """Largest price of anarchy over all loads, by branch and bound, with a certificate.

        Convex programs give the splits at the ends of the segments between activation loads, Newton steps from these most of the
        others; each split has its certificate, and a solver is asked wherever it misses.

        Where the gap cannot be had, as of a family whose slopes are differences of its latency, the
        bound and the gap that there are come back, with the reason in ``note``.

        Parameters
        ----------
        up_to : float, optional
            Search the loads up to this one alone; by default all below the total rate.
        gap : float, default 1e-8
            Relative distance between what is found and what is excluded.
        **how
            The rest as for `optimum`.

        Returns
        -------
        sojourn.reference.WorstCase
            With the paper's rule, Corollary 2, beside it in ``candidate_poa``: a lower bound that can be too low, also with one cv for all;
            see `sojourn.reference.candidate_worst_case`.

        Raises
        ------
        LoadError, InputError
            Before any solver starts.
        WorstCaseInterruptedError
            On Ctrl-C, with what was found.

        Examples
        --------
        >>> from sojourn.models import MG1, ParallelServers
        >>> found = ParallelServers(MG1(rate=[1.0, 1.0], cv=[1.0, 20.0])).worst_case()
        >>> round(found.poa, 6), round(found.candidate_poa, 6)
        (2.101683, 1.753549)
        """
        from .worst_case import worst_case

        return worst_case(self, up_to, **options)

    def control(
        self,
        load: float,
        fraction: float,
        strategy: str = "llf",
        **options: Unpack[FormulationOptions],
    ) -> ControlledSplit:
        """Route a fraction of the load centrally and leave the rest to itself (a Stackelberg game).

        Parameters
        ----------
        load : float
        fraction : float
            From 0 (the equilibrium) to 1 (the optimum).
        strategy : {"llf", "scale"}, default "llf"
            Largest latency first: the slowest servers get what the optimum gives them, until the fraction is used up; at most 1/fraction times
            the optimum (Roughgarden 2004). Or the optimum scaled down.
        **how
            As for `optimum`.

        Returns
        -------
        ControlledSplit
        """
        return control(self, load, fraction, strategy, **options)

    def tolls(self, load: float, **options: Unpack[FormulationOptions]) -> Tolls:
        """Marginal-cost tolls, and the equilibrium with them, which is the optimum. Parameters as `optimum`."""
        return tolls(self, load, **options)

    def sensitivity(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> Sensitivity:
        """Derivatives of the mean delay in every rate and delay; see `sojourn.reference.parallel.sensitivity`.

        Parameters
        ----------
        load : float
        players : int or inf, default inf
            1 for the optimum, infinitely many for the equilibrium.
        **how
            As for `optimum`.
        """
        count = check_players(players)
        remedy = (
            "leave the limits out; the shadow prices in the optimum's limits say what each costs"
        )
        no_limits(options, ("sensitivities are those of servers without limits", remedy))
        goal: Goal = "optimum" if count == 1 else "equilibrium"
        chosen = for_goal(goal, options)
        found = (
            self.optimum(load, **chosen) if count == 1 else self.equilibrium(load, count, **chosen)
        )
        return derivatives(
            self.bank, found.load, np.where(found.active, found.flow, 0.0), count, found.mean_delay
        )

    def model(self, goal: Goal, load: float, formulation: str = "auto") -> Model:
        """Return the CVXPY problem with its handles, to add constraints and solve it in one's own way.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
        load : float
        formulation : str
            As in `optimum` and `equilibrium`; ``"minmax"`` over all servers. A family without cones is there from below, by tangents
            (see `Latency.total_cone`).

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import MM1, ParallelServers
        >>> model = ParallelServers(MM1(rate=[10.0, 5.0])).model("optimum", load=6.0)
        >>> problem = cp.Problem(model.problem.objective, [*model.problem.constraints, model.flow[1] >= 2.5])
        >>> _ = problem.solve(solver="CLARABEL")
        >>> model.flow.value.round(4)
        array([3.5, 2.5])
        """
        check_goal(goal)
        check_solve_options("model", {"formulation": formulation})
        name = next(iter(formulations(self.bank, goal, formulation, self._kept.setdefault("", {}))))
        return build(FORMULATIONS[name], self.bank, self.check_load(load), self.unit(load))

    def unit(self, load: float) -> float:
        """Unit of time that the solver works in, so that seconds and milliseconds are the same problem."""
        load = as_float("load", load)
        finite = self.bank.rate[np.isfinite(self.bank.rate)]
        return float(1.0 / np.exp(np.mean(np.log(finite)))) if finite.size else 1.0 / (load or 1.0)

    def check_load(self, load: float) -> float:
        """Return the load as a float.

        Raises
        ------
        LoadError
            When it is not a number above 0 and below the total rate.
        """
        array = exact.check_load(self.bank, load)
        if array.ndim:
            raise LoadError(
                "load",
                array.tolist(),
                "is not one number",
                "give one load here; for many, use curve(loads)",
            )
        if array <= 0:
            raise LoadError(
                "load", float(array), "there is nothing to split", "give a load above 0"
            )
        return float(array)

    def task(
        self,
        goal: Goal,
        load: float,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> Task[Model, Splits, Solution]:
        """Return the question of a goal, to be put at many loads, such as this one: ``solve(loads)``.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
        load : float
            Any of them, which need not be one that the servers carry.
        players : int or inf, default inf
            Of the equilibrium.
        **how
            As in `optimum`.
        """
        return Task(self._question(goal, load, players, options), options)

    def _question(
        self, goal: Goal, load: float, players: float, options: FormulationOptions
    ) -> Split:
        check_goal(goal)
        players, limits = check_players(players), limits_of(options.get("subject_to"))
        if goal == "equilibrium":
            no_limits(options)
        own = self._own(goal, load, options)
        if math.isfinite(players):
            kinds = self._kept.setdefault(f"{players:g} players", {})
            return Players(
                player_latency(self.bank, players), *own, kinds, true=self.bank, players=players
            )
        if limits:
            return WithinLimits(self.bank, *own, self._kept.setdefault("", {}), limits=limits)
        return Split(self.bank, *own, self._kept.setdefault("", {}))

    def followers(
        self, load: float, **options: Unpack[FormulationOptions]
    ) -> Task[Model, Splits, Solution]:
        """Return the equilibrium of users who come to a leader's flows, to be put at many loads: ``solve(loads, flows)``."""
        no_limits(options)
        return Task(
            Followers(
                self.bank, *self._own("equilibrium", load, options), self._kept.setdefault("", {})
            ),
            options,
        )

    def _own(
        self, goal: Goal, load: float, options: FormulationOptions
    ) -> tuple[tuple[str, ...], Goal, float, GapTolerance, bool]:
        """What every question is told; a bank that cannot be trusted is refused before."""
        self.bank.validated  # noqa: B018
        return (
            self.names,
            goal,
            self.unit(load),
            GapTolerance.of(options),
            options.get("polish", True),
        )
