"""Parallel servers: n servers, each reached over a network delay, that share one stream of jobs."""

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
from ....reference.plural import counted
from ....reference.validation import LEAST, as_names, as_single_load, check_text
from ...core.options import FormulationOptions, check_solve_options
from ...core.ratio import PriceOfAnarchy
from ...core.system import ONE_LOAD, planned
from ...latency.base import Latency, as_latency
from .control import ControlledSplit, Tolls, control, tolls
from .decisions.methods import SplitDecisions
from .evaluation import Evaluation, evaluate
from .formulations import FORMULATIONS, Model, build, for_goal, formulations
from .limits import no_limits
from .prices import Goal, check_goal
from .solution import Solution
from .tasks import curve_plan

if TYPE_CHECKING:
    import xarray as xr

    from ....reference.parallel.worst_case import WorstCase

FAR = 0.999  # part of the total rate below which rounding cannot decide on a load
NOT_PARALLEL_SERVERS = ("is not a system of parallel servers", "give ParallelServers")


class ParallelServers(SplitDecisions):
    """n servers, each reached over a network delay, that share one stream of jobs.

    Server i carries the flow x_i >= 0, the flows sum to the load, and a job sent to server i has
    the mean latency l_i(x_i): its network delay plus its time in the queue and in service. The
    methods answer which split of the load has the least mean delay (`optimum`), which split
    selfish users reach (`equilibrium`), and how much worse it is (`price_of_anarchy`,
    `worst_case`). Source: V. Mancuso et al., eqs. (1) to (19).

    Parameters
    ----------
    *servers : Latency
        Banks of servers of one or more families, such as `MM1`, `MD1`, `MG1`; n servers in all.
    names : sequence of str, shape (n,), optional
        A name for each server, all different; by default ``server 1``, ``server 2``, ...
    time_unit : str, default "s"
        The unit of time of all rates and delays, written on tables, plots and files. It converts
        nothing.

    Attributes
    ----------
    bank : Latency
        All n servers as one bank.
    names : tuple of str
        The name of each server.
    time_unit : str
        The unit of time.

    Raises
    ------
    InputError
        Where there is no server, an argument is not a bank, or the names do not fit.

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
        size = counted(len(self.bank), "server")
        return f"ParallelServers({size}, total rate {self.total_rate:g})"

    def __len__(self) -> int:
        return len(self.bank)

    @property
    def total_rate(self) -> float:
        """Sum of the service rates, jobs per unit of time; the load must be below it."""
        return float(self.bank.total_rate[0])

    @property
    def max_load(self) -> float:
        """Load that no split can carry, jobs per unit of time: the total rate."""
        return self.total_rate

    def optimum(self, load: float, **options: Unpack[FormulationOptions]) -> Solution:
        """Return the split of the load that has the least mean delay.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        formulation : {"auto", "inv_pos", "quad_over_lin", "epigraph"}, default "auto"
            How the problem is written. The first two named ones use second-order cones and fit
            families of the form e + k/(mu - x); ``"epigraph"`` writes each family in its own
            way, by tangents where the family has no cone.
        subject_to : sequence of Limit, optional
            `MinShare`, `MaxShare`, `MaxUtilisation`, `ServerPercentile`, `LateShare`, `Budget`,
            `GroupShare`, `LinearLimit` or a class of your own, see `Limit` and `ConvexLimit`. Their
            shadow prices are in ``Solution.limits``.

        Returns
        -------
        Solution
            Flows, mean delay, the marginal delay that the used servers share, and a certificate.

        Raises
        ------
        LoadError, SolverNameError, FormulationError
            Before any solver starts; also where no split meets the limits.
        NotCertifiedError
            When no answer meets the gap; the error holds the best `Solution`.

        Notes
        -----
        Minimise sum x_i l_i(x_i) / load over x >= 0 with sum x_i = load; eq. (2) of Mancuso et
        al. The problem is convex, and at its solution all used servers have one marginal delay
        l_i + x_i l_i'.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> best = ParallelServers(MM1(rate=[10.0, 5.0])).optimum(load=9.0)
        >>> best.flow.round(4), round(best.mean_delay, 6), best.certified
        (array([6.4853, 2.5147]), 0.317447, True)
        """
        load = self.check_load(load)
        return self._task("optimum", load, **options).one(load)

    def equilibrium(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> Solution:
        """Return the split that users reach when each of them takes the fastest server.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        players : int or inf, default inf
            Number K of equal players, each of whom routes load/K with the least delay for its
            own jobs. 1 is the optimum; inf is the Wardrop equilibrium, in which one user changes
            no delay.
        **options
            As for `optimum`, but for ``subject_to``, which an equilibrium does not take, and for
            ``formulation``: ``"beckmann"`` minimises the potential (exponential cone),
            ``"minmax"`` the largest latency over prefixes of the servers (second-order cones,
            any family); ``"qp"`` and ``"geo_mean"`` hold for M/M/1 servers with equal delays.
            ``"auto"`` begins with ``"qp"`` for 300 or more of these, else with ``"beckmann"``.

        Returns
        -------
        Solution
            Flows, mean delay, the latency that the used servers share, and a certificate. With
            K players the multiplier is the marginal delay of one player.

        Raises
        ------
        InputError
            On a number of players that is not a whole number from 1 on, or on limits.
        LoadError, SolverNameError, FormulationError, NotCertifiedError
            As for `optimum`.

        Notes
        -----
        All used servers have one latency, and no unused server has a lower one: eq. (13) of
        Mancuso et al. It is the minimum of the Beckmann potential, the sum of the integrals of
        l_i from 0 to x_i. With K players it is the minimum of a weighted potential, see
        `sojourn.reference.parallel.players`.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> selfish = ParallelServers(MM1(rate=[10.0, 5.0])).equilibrium(load=9.0)
        >>> selfish.flow.round(4), round(selfish.multiplier, 6)
        (array([7., 2.]), 0.333333)
        """
        load = self.check_load(load)
        return self._task("equilibrium", load, players, **options).one(load)

    def price_of_anarchy(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> PriceOfAnarchy:
        """Return the mean delay of the equilibrium divided by that of the optimum, >= 1.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        players : int or inf, default inf
            Number of equal players, as for `equilibrium`.
        **options
            As for `optimum` and `equilibrium`; a formulation is used for the one that it writes.

        Returns
        -------
        PriceOfAnarchy
            A float with ``lower`` and ``upper``: the bounds that the two certificates prove.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Notes
        -----
        Eq. (19) of Mancuso et al.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> ratio = ParallelServers(MM1(rate=[10.0, 5.0])).price_of_anarchy(load=9.0)
        >>> round(ratio, 6), ratio.lower <= ratio <= ratio.upper
        (1.050044, True)
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
        """Return the mean delay of a given split, compared with the optimum and the equilibrium.

        No solver runs: the optimum and the equilibrium are computed in closed form, and each has
        a certificate.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        flow : array_like, shape (n,), optional
            Load of each server, jobs per unit of time; the sum is the load within 1e-9 of it.
        share : array_like, shape (n,), optional
            Share of the load of each server; the sum is 1 within 1e-9.
        weights : array_like, shape (n,), optional
            Numbers in proportion to the shares, of any sum, such as the weights of a proxy; 0
            for a server that is not used.

        Returns
        -------
        Evaluation
            Where a server gets its rate or more, the mean delay is infinite and ``overloaded``
            names the server.

        Raises
        ------
        LoadError
            On a load that is not above 0 and below the total rate.
        InputError
            Unless exactly one of `flow`, `share` and `weights` is given, with a number for each
            server, none of them negative.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
        >>> today = system.evaluate(load=190.0, weights=[50, 30, 20])
        >>> round(today.mean_delay, 6), round(today.ratio, 6), today.move
        (0.122278, 4.298088, ('server 1', 'server 3'))
        """
        return evaluate(self, load, {"flow": flow, "share": share, "weights": weights})

    def thresholds(self) -> exact.Thresholds:
        """Return the load at which each server starts to be used, in closed form.

        Returns
        -------
        sojourn.reference.parallel.optimum_equilibrium.Thresholds
            ``optimum`` and ``equilibrium``, each of shape (n,), jobs per unit of time.

        Notes
        -----
        Eqs. (12) and (18) of Mancuso et al.: a server is used from the load on at which the
        common price of the other servers reaches its idle latency.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> ParallelServers(MM1(rate=[10.0, 5.0])).thresholds().equilibrium
        array([0., 5.])
        """
        return exact.thresholds(self.bank)

    @planned(curve_plan)
    def curve(
        self,
        loads: npt.ArrayLike,
        which: str | None = None,
        refine: bool | float = False,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Return delays, flows and the price of anarchy over loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Total loads, jobs per unit of time, 0 or more, in any order.
        which : {"optimum", "equilibrium"}, optional
            Both by default.
        refine : bool or float, default False
            Add loads between the given ones until straight lines show the curves to this relative
            accuracy; True is 0.002.
        **options
            As for `optimum` and `equilibrium`.

        Returns
        -------
        xarray.Dataset
            Dimensions ``load`` and ``server``; `sojourn.models.systems.parallel.curve.curve`
            describes the variables.

        Raises
        ------
        LoadError, InputError
            Before any solver starts: on a load that is negative or not finite, and where the
            system can carry none of the loads.
        CurveInterruptedError
            On Ctrl-C, with the loads solved so far.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> data = ParallelServers(MM1(rate=[10.0, 5.0])).curve([3.0, 9.0, 14.0])
        >>> data.price_of_anarchy.values.round(4)
        array([1.0001, 1.05  , 1.0316])
        """
        return curve_plan(self, loads, which, refine, **options).solve()

    def worst_case(
        self, up_to: float | None = None, **options: Unpack[FormulationOptions]
    ) -> WorstCase:
        """Return the largest price of anarchy over all loads, with a certificate.

        Parameters
        ----------
        up_to : float, optional
            Search only the loads up to this one; by default all loads below the total rate.
        gap : float, default 1e-8
            Relative distance between the largest price of anarchy found and the bound that no
            load exceeds.
        **options
            The rest as for `optimum`, without ``subject_to``.

        Returns
        -------
        sojourn.reference.WorstCase
            ``poa`` at ``load``, and ``upper_bound``. ``candidate_poa`` is the value of the
            paper's rule, Corollary 2: a lower bound that can be too low, also where all servers
            have one cv; see `sojourn.reference.candidate_worst_case`. Where the gap cannot be
            met, as for a family whose slopes are differences of its latency, ``certified`` is
            False and ``note`` gives the reason.

        Raises
        ------
        LoadError, InputError
            Before any solver starts.
        WorstCaseInterruptedError
            On Ctrl-C, with the result so far.

        Notes
        -----
        Branch and bound over loads. Convex programs give the splits at the ends of the segments
        between activation loads, and Newton steps from these give most of the others; each split
        has its certificate, and a solver runs wherever a certificate misses the gap.

        Examples
        --------
        >>> from sojourn.models import MG1, ParallelServers
        >>> worst = ParallelServers(MG1(rate=[1.0, 1.0], cv=[1.0, 20.0])).worst_case()
        >>> round(worst.poa, 6), round(worst.candidate_poa, 6)
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
        """Return the split when an operator routes a fraction of the load and users the rest.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        fraction : float
            Share of the load that the operator routes, from 0 (the equilibrium) to 1 (the
            optimum).
        strategy : {"llf", "scale"}, default "llf"
            ``"llf"``, largest latency first: the operator gives the slowest servers their optimal
            flows, until the fraction is used up. ``"scale"``: the operator gives every server
            this fraction of its optimal flow.
        **options
            As for `optimum`, without ``subject_to``.

        Returns
        -------
        ControlledSplit
            The operator's flows, all flows, and the mean delay with its ratio to the optimum.

        Raises
        ------
        InputError
            On a fraction outside [0, 1], another strategy, or limits.
        LoadError, SolverNameError, FormulationError, NotCertifiedError
            As for `optimum`.

        Notes
        -----
        A Stackelberg game: the users reach the Wardrop equilibrium on top of the operator's
        flows. With ``"llf"`` the mean delay is at most 1/fraction times the optimum: T.
        Roughgarden, *Stackelberg scheduling strategies*, SIAM J. Comput. 33 (2004).

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
        >>> [round(system.control(load=9.0, fraction=part).ratio, 4) for part in (0.0, 0.25, 0.3)]
        [1.05, 1.0133, 1.0]
        """
        return control(self, load, fraction, strategy, **options)

    def tolls(self, load: float, **options: Unpack[FormulationOptions]) -> Tolls:
        """Return marginal-cost tolls and the equilibrium under them, which is the optimum.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        **options
            As for `optimum`, without ``subject_to``.

        Returns
        -------
        Tolls
            The toll of each server, in units of time, and the proof that the equilibrium with
            the tolls has the mean delay of the optimum.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Notes
        -----
        The toll of server i is x_i l_i'(x_i) at the optimum: the delay that one more job adds to
        the other jobs (Pigou 1920).

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> ParallelServers(MM1(rate=[10.0, 5.0])).tolls(load=9.0).toll.round(6)
        array([0.524986, 0.407135])
        """
        return tolls(self, load, **options)

    def sensitivity(
        self, load: float, players: float = math.inf, **options: Unpack[FormulationOptions]
    ) -> Sensitivity:
        """Return the derivatives of the mean delay in every rate and delay, and in the load.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        players : int or inf, default inf
            1 for the optimum, inf for the equilibrium, as for `equilibrium`.
        **options
            As for `optimum`, without ``subject_to``.

        Returns
        -------
        sojourn.reference.Sensitivity
            ``rate`` and ``delay``, each of shape (n,), and ``load``.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Notes
        -----
        The envelope theorem at the optimum, the implicit function theorem at the equilibrium;
        `sojourn.reference.parallel.sensitivity` derives the equations.

        Examples
        --------
        >>> from sojourn.models import MM1, ParallelServers
        >>> found = ParallelServers(MM1(rate=[10.0, 5.0])).sensitivity(load=9.0, players=1)
        >>> found.delay.round(6)  # the shares
        array([0.720587, 0.279413])
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
        """Return the CVXPY problem, so that constraints can be added and any solver called.

        Parameters
        ----------
        goal : {"optimum", "equilibrium"}
            The problem to write.
        load : float
            Total load, jobs per unit of time, 0 < load < total rate.
        formulation : str, default "auto"
            As for `optimum` and `equilibrium`; ``"minmax"`` is over all servers. A family without
            a cone is bounded from below by tangents, see `Latency.total_cone`.

        Returns
        -------
        sojourn.models.systems.parallel.formulations.Model
            The problem, its flow as a CVXPY expression of shape (n,), and its load as a parameter.

        Raises
        ------
        LoadError, FormulationError, InputError
            On a load, a formulation or a goal that does not exist or does not fit.

        Examples
        --------
        >>> import cvxpy as cp
        >>> from sojourn.models import MM1, ParallelServers
        >>> model = ParallelServers(MM1(rate=[10.0, 5.0])).model("optimum", load=6.0)
        >>> own = [*model.problem.constraints, model.flow[1] >= 2.5]
        >>> _ = cp.Problem(model.problem.objective, own).solve(solver="CLARABEL")
        >>> model.flow.value.round(4)
        array([3.5, 2.5])
        """
        check_goal(goal)
        check_solve_options("model", {"formulation": formulation})
        name = next(iter(formulations(self.bank, goal, formulation, self._cones_of(""))))
        return build(FORMULATIONS[name], self.bank, self.check_load(load), self._unit(load))

    def check_load(self, load: float) -> float:
        """Return the load as a float.

        Parameters
        ----------
        load : float
            Total load, jobs per unit of time.

        Raises
        ------
        LoadError
            When it is not one number above 0 and below the total rate.
        """
        if isinstance(load, float) and LEAST < load < FAR * self.total_rate < math.inf:
            return float(load)  # the common case, far from both ends
        number = as_single_load(exact.check_load(self.bank, load), ONE_LOAD)
        if number <= 0:
            raise LoadError("load", number, "there is nothing to split", "give a load above 0")
        return number
