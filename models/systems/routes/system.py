"""Groups of users whose loads take routes through shared stations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.routes.worst_case import RouteWorstCase
from ...core.options import FormulationOptions, check_solve_options
from ...core.ratio import PriceOfAnarchy
from ...core.system import planned
from ..parallel.prices import Goal, check_goal
from .evaluation import RouteEvaluation, evaluate
from .formulations import RouteModel, formulations
from .inputs import as_table
from .play import PlayedRoutes
from .solution import LargestLoad, RouteSolution
from .tasks import curve_plan
from .tolls import RouteTolls, tolls

if TYPE_CHECKING:
    import xarray as xr


class RouteSystem(PlayedRoutes):
    """Base class of `Groups`, `Routes` and `Network`: stations, groups, and their routes.

    Parameters
    ----------
    bank : Latency
        The A stations as one bank.
    routes : RouteSet
        Routes of G groups over the stations.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    stations, groups : tuple of str
        Names.
    time_unit : str
        Unit of time of all numbers.

    Attributes
    ----------
    routed : RoutedSystem
        The system for the functions of `sojourn.reference.routes`.
    group_load : ndarray, shape (G,)
        The loads of the groups.
    bank, stations, groups, time_unit
        As given.
    """

    def optimum(
        self, load: float | None = None, **options: Unpack[FormulationOptions]
    ) -> RouteSolution:
        """Return the flows over routes that have the least mean delay of all jobs.

        Parameters
        ----------
        load : float, optional
            Total load, jobs per unit of time, divided among the groups in proportion to their
            loads; by default the sum of these.
        formulation : {"auto", "routes", "node_arc", "columns"}, default "auto"
            How the problem is written: with a variable for each listed route, for each origin and
            link of a network, or for the routes that prices ask for, round by round.
        solver : str, optional
            CVXPY's name of the solver, or ``"INTERIOR-POINT"``: the method on routes of
            `sojourn.reference.routes`, without CVXPY. By default the installed ones of Clarabel,
            ECOS and SCS are tried, and that method after the first of them; it comes first where
            there are more than 1,000 variables.
        subject_to : sequence of Limit, optional
            Limits on the flows of stations, such as `MaxUtilisation`, and of groups,
            `MaxGroupFlow`. The answer has their shadow prices in ``limits``. A network takes none
            from below. With limits the solver is one of CVXPY.

        Returns
        -------
        RouteSolution
            Flows and delays of stations and groups, and a certificate.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError
            Before any solver starts. A load that the stations cannot carry is refused with the
            names of those that limit it.
        NotCertifiedError
            When no answer meets the gap; the error holds the best `RouteSolution`.

        Notes
        -----
        Minimise sum v l(v) over the stations, plus the flows times the fixed delays of routes,
        over flows x >= 0 of routes that sum to the load of each group; v are the station flows.
        Prices p of the stations and shortest paths prove the lower bound
        q.SP(p) - sum (v l)*(p) of the total delay.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> regions = Groups(
        ...     MM1([100.0, 80.0, 400.0]),
        ...     load={"north": 90.0, "south": 60.0},
        ...     delay=[[0.005, 0.020, 0.030], [0.020, 0.005, float("inf")]],
        ... )
        >>> best = regions.optimum()
        >>> round(best.mean_delay, 6), best.certified
        (0.031132, True)
        """
        load = self._load(load)
        return self._task("optimum", load, **options).one(load)

    def equilibrium(
        self,
        load: float | None = None,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> RouteSolution:
        """Return the flows that users reach when each of them takes the fastest route.

        Parameters
        ----------
        load : float, optional
            As for `optimum`.
        players : int or inf, default inf
            Number K of equal players, each of whom routes the part 1/K of every group's load with
            the least delay for its own jobs. 1 is the optimum; inf is the Wardrop equilibrium, in
            which one user changes no delay.
        gap : float, default 1e-6
            Relative error of the mean delay that the certificate must exclude. The proved interval
            is as wide as the square root of the gap of the potential.
        **options
            As for `optimum`, but for ``subject_to``, which an equilibrium does not take.

        Returns
        -------
        RouteSolution

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `optimum`, and on a number of players that is not a whole number from 1 on.

        Notes
        -----
        All used routes of a group have one delay, and no unused one has a lower delay (Wardrop
        1952). The flows minimise the Beckmann potential, the sum of the integrals of the latencies
        from 0 to v; of K players, 1/K of the total delay and 1 - 1/K of the potential.

        Examples
        --------
        Braess's paradox: with the bridge every traveller takes it, and all are slower than the 83
        without it.

        >>> from sojourn.models import Network, Polynomial
        >>> roads = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])
        >>> ends = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
        >>> braess = Network(roads, ends=ends, load={("s", "t"): 6.0})
        >>> round(braess.equilibrium().mean_delay, 6), round(braess.optimum().mean_delay, 6)
        (92.0, 83.0)
        """
        load = self._load(load)
        return self._task("equilibrium", load, players, **options).one(load)

    def price_of_anarchy(
        self,
        load: float | None = None,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> PriceOfAnarchy:
        """Return the mean delay of the equilibrium divided by that of the optimum, >= 1.

        Parameters
        ----------
        load : float, optional
            As for `optimum`.
        players : int or inf, default inf
            Number of equal players, as for `equilibrium`.
        **options
            As for `optimum` and `equilibrium`.

        Returns
        -------
        PriceOfAnarchy
            A float with ``lower`` and ``upper``: the bounds that the two certificates prove.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Examples
        --------
        >>> from sojourn.models import Constant, Polynomial, Routes
        >>> links = {"short": Polynomial([[0.0, 1.0]]), "long": Constant([1.0])}
        >>> pigou = Routes(links, {"all": [["short"], ["long"]]}, load={"all": 1.0})
        >>> round(pigou.price_of_anarchy(), 6)
        1.333333
        """
        return PriceOfAnarchy.of(
            self.equilibrium(load, players, **options), self.optimum(load, **options)
        )

    def worst_case(
        self,
        low: float | None = None,
        high: float | None = None,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> RouteWorstCase:
        """Return the largest price of anarchy over an interval of loads, with a certificate.

        Parameters
        ----------
        low : float, optional
            Smallest total load, 0 or more, divided among the groups in proportion to their loads;
            by default 0, or 1e-6 of `high` where the mean delay at no load is 0.
        high : float, optional
            Largest total load; by default 0.999 of the largest that the stations can carry.
        players : int or inf, default inf
            Number of equal players, as for `equilibrium`.
        gap : float, default 1e-5
            Relative distance between the largest price of anarchy found and the bound that no load
            exceeds; at least 1e-6, as the mean delay of an equilibrium has an interval of that
            order.
        **options
            The rest as for `optimum`, without ``subject_to``.

        Returns
        -------
        sojourn.reference.routes.worst_case.RouteWorstCase
            ``poa`` at ``load``, ``upper_bound``, and the loads that were looked at with the bounds
            between them.

        Raises
        ------
        LoadError, InputError
            Before any solver starts, also without `high` where the stations can carry any load.
        WorstCaseInterruptedError
            On Ctrl-C, with the result so far.

        Notes
        -----
        Branch and bound over loads. The mean delays of both goals do not fall with the load, which
        bounds the price of anarchy between two loads; close ones have a bound of second order. The
        proofs are in `sojourn.reference.routes.anarchy`.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> worst = Groups(MM1([10.0, 5.0]), load={"all": 9.0}).worst_case(gap=1e-4)
        >>> round(worst.poa, 3), round(worst.load, 2), worst.certified
        (1.094, 5.0, True)
        """
        from .worst_case import worst_case

        return worst_case(self, low, high, players, **options)

    @planned(curve_plan)
    def curve(
        self,
        loads: npt.ArrayLike,
        which: str | None = None,
        refine: bool | float = False,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Return delays, flows and the price of anarchy over loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Total loads, jobs per unit of time, 0 or more, in any order; each is divided among the
            groups in proportion to their loads.
        which : {"optimum", "equilibrium"}, optional
            Both by default.
        refine : bool or float, default False
            Add loads between the given ones until straight lines show the curves to this relative
            accuracy; True is 0.002.
        players : int or inf, default inf
            Number of equal players of the equilibrium.
        **options
            As for `optimum` and `equilibrium`.

        Returns
        -------
        xarray.Dataset
            Dimensions ``load``, ``station`` and ``group``; `sojourn.models.systems.routes.curve`
            describes the variables.

        Raises
        ------
        LoadError, InputError
            Before any solver starts: on a load that is negative or not finite, and where the
            stations can carry none of the loads.
        CurveInterruptedError
            On Ctrl-C, with the loads solved so far.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> regions = Groups(MM1([10.0, 5.0]), load=[3.0, 2.0], delay=[[0.1, 0.3], [0.3, 0.1]])
        >>> regions.curve([5.0, 10.0, 14.0]).price_of_anarchy.values.round(4)
        array([1.0188, 1.0007, 1.0155])
        """
        return curve_plan(self, loads, which, refine, players, **options).solve()

    def capacity(self) -> LargestLoad:
        """Return the largest multiple of the loads that the stations can carry, with a proof.

        Returns
        -------
        LargestLoad
            The multiple, the stations that limit it, and the prices that prove it.

        Notes
        -----
        A linear program minimises the largest utilisation. Lengths p >= 0 of the stations, 0 where
        there is no rate, prove that no flow stays below the rates mu at the multiple s where
        s q.SP(p) >= mu.p, with SP the shortest paths without fixed delays.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> Groups(MM1([10.0, 5.0]), load={"a": 6.0, "b": 4.0}).capacity()
        largest load 15, 1.5 times the loads
          limited by server 1, server 2
        """
        return LargestLoad.of(self.routed)

    def evaluate(
        self,
        load: float | None = None,
        *,
        flow: Any = None,
        share: Any = None,
        by_origin: Any = None,
        station_flow: Any = None,
        tolerance: float = 1e-6,
    ) -> RouteEvaluation:
        """Return the mean delay of given flows and its distance from the optimum, without a solver.

        Parameters
        ----------
        load : float, optional
            As for `optimum`.
        flow, share : mapping or array_like, optional
            Flow of each route, jobs per unit of time, or the part of its group's load: a row for
            each group, or a mapping by the name of the group. A row has a number for each server of
            `Groups`, for each listed route of `Routes`, and in a `Network` a pair of a route and a
            number for each route, the route as its nodes or as the names of its links.
        by_origin : mapping, optional
            Flows of the links of a `Network` by origin: a number for each link, or a mapping by the
            name of the link. They are checked at every node.
        station_flow : array_like or mapping, optional
            Total flow of each station, or a mapping by name. A linear program finds routes that
            have these flows, with the least fixed delays, or proves that there are none.
        tolerance : float, default 1e-6
            Part of a load, or of all flow, by which the given flows may miss those of the loads.

        Returns
        -------
        RouteEvaluation

        Raises
        ------
        LoadError, InputError
            On a load that the stations cannot carry, and on flows that are not flows of the loads:
            jobs that vanish or appear are named with their number, node and origin.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> pair = Groups(MM1([10.0, 5.0]), load={"a": 6.0, "b": 3.0})
        >>> even = pair.evaluate(share={"a": [0.75, 0.25], "b": [0.5, 0.5]})
        >>> round(even.mean_delay, 4), round(even.ratio, 4), even.move.end
        (0.3333, 1.05, ('server 1',))
        """
        given = {
            "flow": as_table("flow", flow),
            "share": as_table("share", share),
            "by_origin": by_origin,
            "station_flow": station_flow,
        }
        return evaluate(self, self._load(load), given, tolerance)

    def tolls(self, load: float | None = None, **options: Unpack[FormulationOptions]) -> RouteTolls:
        """Return marginal-cost tolls and the equilibrium under them, which is the optimum.

        Parameters
        ----------
        load : float, optional
            As for `optimum`.
        **options
            As for `optimum`, without ``subject_to``.

        Returns
        -------
        RouteTolls
            The toll of each station, in units of time, and the proof that the equilibrium with the
            tolls has the mean delay of the optimum.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Notes
        -----
        The toll of a station is v l'(v) at the optimum: the delay that one more job adds to the
        other jobs (Pigou 1920).

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> Groups(MM1([10.0, 5.0]), load={"all": 9.0}).tolls().toll.round(6)
        array([0.524986, 0.407135])
        """
        return tolls(self, load, **options)

    def model(self, goal: Goal, load: float | None = None, formulation: str = "auto") -> RouteModel:
        """Return the CVXPY problem, so that constraints can be added and any solver called.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
            The problem to write.
        load : float, optional
            As for `optimum`.
        formulation : str, default "auto"
            As for `optimum`; ``"columns"`` is with the routes of the first round. A family without
            a cone is bounded from below by tangents, see `Latency.total_cone`.

        Returns
        -------
        sojourn.models.systems.routes.formulations.RouteModel
            The problem, the station flows as a CVXPY expression of shape (A,), and the load as a
            parameter.

        Raises
        ------
        LoadError, FormulationError, InputError
            On a load, a formulation or a goal that does not exist or does not fit.

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import Groups, MM1
        >>> model = Groups(MM1([10.0, 5.0]), load={"all": 6.0}).model("optimum")
        >>> own = [*model.problem.constraints, model.flow[1] >= 2.5]
        >>> _ = cp.Problem(model.problem.objective, own).solve(solver="CLARABEL")
        >>> model.flow.value.round(4)
        array([3.5, 2.5])
        """
        check_goal(goal)
        check_solve_options("model", {"formulation": formulation})
        load = self._load(load)
        form = formulations(self.routed, formulation)[0]
        question = self._task(goal, load).question
        return question.write(form, (np.array([load]),))
