"""`SharedModes`: stages that serve all service modes at once, and users who choose their mode."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy.typing as npt

from .....reference.guards import check_players
from .....reference.routes.worst_case import GAP as SEARCH_GAP
from .....reference.routes.worst_case import RouteWorstCase, Search
from .....reference.service_modes.shared import anarchy_bound, modes_in_use
from .....reference.service_modes.shared.routed import mode_delay
from .....reference.service_modes.shared.used_modes import GAP
from ....core.options import FormulationOptions, PolishOptions, check_solve_options
from ....core.signatures import show_options
from ....core.system import planned
from ...parallel.limits import no_limits
from .answers import (
    PriceOfReserving,
    SharedEvaluation,
    SharedTolls,
    parts_of,
)
from .given import evaluation
from .play import PlayedSharedModes
from .thresholds import SharedThresholds
from .worst_case import within_two_modes

if TYPE_CHECKING:
    import xarray as xr

    from ....core.curve import CurvePlan


@show_options
def _curve_plan(
    system: SharedModes,
    loads: npt.ArrayLike,
    which: str | None = None,
    refine: bool | float = False,
    players: float = math.inf,
    **options: Unpack[FormulationOptions],
) -> CurvePlan:
    """Return the plan of `SharedModes.curve`."""
    from .curve import curve_plan  # the import of xarray takes time

    return curve_plan(system, loads, which, refine, players, options)


class SharedModes(PlayedSharedModes):
    """Stages in series that serve the jobs of all service modes by processor sharing.

    Every job passes all S stages in one of M modes. `MultiMode` reserves a part of each stage for
    each mode; here a stage serves all jobs present at once, each at the same part of its speed. An
    operator chooses the part of the jobs in each mode, the *assignment*, for the least mean delay;
    selfish users take the fastest mode. All questions of systems with routes can be asked: a stage
    is a station, a mode is a route with its works there.

    Parameters
    ----------
    rate : array_like, shape (S, M)
        Service rates mu_sm of stage s for jobs of mode m alone, jobs per unit of time: 1 / a_sm for
        the mean work a_sm; ``inf`` where mode m needs no service. `from_work` takes works.
    stages, modes : sequence of str, optional
        Names; by default ``stage 1``, ... and ``mode 1``, ...
    time_unit : str, default "s"
        Unit of time of all numbers.
    delay : array_like, shape (M,), optional
        Fixed delay d_m of each mode, such as that of an upload that does not queue; by default 0.

    Attributes
    ----------
    rates : Modes
        Rates, works and fixed delays, for `sojourn.reference.service_modes`.
    stages, modes : tuple of str
        Names of the stages and of the modes.
    time_unit : str

    Raises
    ------
    InputError
        On a rate that is not above 0, a mode without work at any stage, a stage that no mode uses,
        a negative delay, and names of a wrong number.

    Notes
    -----
    With jobs of rate lambda and the assignment p, the mean delay of a job of mode m is

    L_m = d_m + sum over s of a_sm / (1 - rho_s),   rho_s = lambda sum over m of p_m a_sm.

    Assumed are Poisson arrivals and modes that are drawn independently of the state of the stages.
    The works of different jobs are independent; those of one job at the stages may have any joint
    law, on which no mean delay depends (F. P. Kelly, *Reversibility and Stochastic Networks*).
    Where a stage serves first come, first served, the formula needs exponential works there with
    the same mean in all modes, independent of those at other stages.

    Without fixed delays the price of anarchy is below S for S >= 2, and a best assignment uses at
    most S modes, as does an equilibrium; with fixed delays S + 1. The proofs are in
    `sojourn.reference.service_modes.shared`.

    Examples
    --------
    >>> from sojourn.models import SharedModes
    >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    >>> round(pair.optimum(load=4.0).mean_delay, 6), round(pair.equilibrium(load=4.0).mean_delay, 6)
    (1.75, 2.0)
    >>> pair.equilibrium(load=4.0).mode_delay.round(6)
    array([2., 2.])
    """

    def price_of_anarchy_bound(self, load: float, **options: Unpack[FormulationOptions]) -> float:
        """Return an upper bound of the price of anarchy from the optimum alone.

        Parameters
        ----------
        load : float
            As for `optimum`.
        **options
            As for `optimum`.

        Returns
        -------
        float
            At least 1; without fixed delays at most S.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `optimum`.

        Notes
        -----
        With the utilisations u of the optimum, z = 1 - u, and D the load times the mean fixed
        delay, it is (sum u + D) / (min z (sum u/z + D)). The proof is in
        `sojourn.reference.service_modes.shared.anarchy_bound`.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> round(pair.price_of_anarchy_bound(4.0), 6), round(pair.price_of_anarchy(4.0), 6)
        (1.285714, 1.142857)
        """
        best = self.optimum(load, **options)
        least = best.certificate.lower_bound
        return anarchy_bound(self.rates, best.load, best.assignment, least)

    def price_of_reserving(self, load: float, **options: Unpack[PolishOptions]) -> PriceOfReserving:
        """Return the least mean delay of reserved stages divided by that of shared ones.

        Parameters
        ----------
        load : float
            As for `optimum`.
        **options
            As for `MultiMode.assignment`.

        Returns
        -------
        PriceOfReserving
            A float with ``lower`` and ``upper``: the bounds that the two certificates prove.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `MultiMode.assignment` and `optimum`.

        Notes
        -----
        It is at least 1. Without fixed delays it is below S, for two stages and more: reserved for
        the n <= S modes of the shared optimum, the stages have at most n times its delay, by the
        Cauchy-Schwarz inequality.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> round(pair.price_of_reserving(4.0), 6)
        1.380952
        """
        best = self.optimum(load, **cast(FormulationOptions, options))
        return PriceOfReserving.of(self.reserved.assignment(best.load, **options), best)

    def thresholds(
        self,
        players: float = math.inf,
        high: float | None = None,
        gap: float = GAP,
    ) -> SharedThresholds:
        """Return the loads at which the modes in use change, at optimum and equilibrium.

        Parameters
        ----------
        players : int or inf, default inf
            Number of equal players of the equilibrium.
        high : float, optional
            Largest load; by default 0.999 of `max_load`.
        gap : float, default 1e-9
            Largest distance of the bounds of a threshold, relative to it.

        Returns
        -------
        SharedThresholds
            With proved bounds of each threshold. Between them the modes in use stay the same.

        Raises
        ------
        LoadError, InputError
            As `sojourn.reference.service_modes.shared.modes_in_use`, which finds them.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> found = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).thresholds()
        >>> found.optimum_loads.round(6), found.equilibrium_loads.round(6)
        (array([2.352941, 3.636364]), array([3.333333, 4.285714]))
        """
        best, selfish = (modes_in_use(self.rates, k, high=high, gap=gap) for k in (1.0, players))
        return SharedThresholds(best, selfish, self.modes)

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
        low, high : float, optional
            Smallest and largest load; by default 0 and 0.999 of `max_load`.
        players : int or inf, default inf
            Number of equal players, as for `equilibrium`.
        gap : float, default 1e-5
            Relative distance between the largest price of anarchy found and the bound that no load
            exceeds; at least 1e-6.
        **options
            As for `RouteSystem.worst_case`.

        Returns
        -------
        sojourn.reference.routes.worst_case.RouteWorstCase

        Raises
        ------
        LoadError, InputError
            Before any solver starts.
        WorstCaseInterruptedError
            On Ctrl-C, with the result so far.

        Notes
        -----
        As `RouteSystem.worst_case`, where not all jobs are in one mode at the optimum and at the
        equilibrium; there it is 1.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> worst = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)).worst_case(gap=1e-4)
        >>> round(worst.poa, 4), round(worst.load, 3), worst.certified
        (1.1765, 3.333, True)
        """
        check_solve_options("worst_case", options)
        no_limits(options)
        gap, players = options.get("gap"), check_players(players)
        search = Search(self.routed, low, high, players, SEARCH_GAP if gap is None else gap)
        settings: FormulationOptions = {**options, "gap": None}
        self._task("optimum", search.ends[1], **settings)  # checks the options, also if not solved
        run = partial(super().worst_case, players=players, **options)
        return within_two_modes(self, search, run)

    @planned(_curve_plan)
    def curve(
        self,
        loads: npt.ArrayLike,
        which: str | None = None,
        refine: bool | float = False,
        players: float = math.inf,
        **options: Unpack[FormulationOptions],
    ) -> xr.Dataset:
        """Return delays, assignments and the price of anarchy over loads.

        Parameters
        ----------
        loads : array_like, shape (K,)
            Jobs per unit of time, 0 or more, in any order.
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
            Dimensions ``load``, ``stage`` and ``mode``;
            `sojourn.models.systems.service_modes.shared.curve.curve_plan` describes the variables.

        Raises
        ------
        LoadError, InputError
            Before any solver starts, as of `RouteSystem.curve`.
        CurveInterruptedError
            On Ctrl-C, with the loads solved so far.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> data = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).curve([2.5, 3.75, 4.5])
        >>> data.price_of_anarchy.values.round(4)
        array([1.    , 1.1538, 1.125 ])
        >>> data.optimum_assignment.sel(mode="mode 1").values.round(4)
        array([1.    , 0.7222, 0.5741])
        """
        return _curve_plan(self, loads, which, refine, players, **options).solve()

    def evaluate(
        self,
        load: float | None = None,
        p: Any = None,
        *,
        flow: Any = None,
        share: Any = None,
        by_origin: Any = None,
        station_flow: Any = None,
        tolerance: float = 1e-6,
    ) -> SharedEvaluation:
        """Return the delays of a given assignment and its distance from the optimum.

        No solver is used.

        Parameters
        ----------
        load : float
            Jobs per unit of time, above 0 and below `max_load`.
        p, share : float, array_like of shape (M,), or mapping
            Part of the jobs in each mode, in order, or by name for the modes with jobs; of two
            modes also the part in the first. One of `p`, `share`, `flow` and `station_flow` is
            given.
        flow : array_like, shape (M,), or mapping
            Load of each mode, likewise.
        station_flow : array_like, shape (S,), or mapping
            Utilisation of each stage, for which modes are found, or a proof that there are none.
        by_origin : None
            For networks alone.
        tolerance : float, default 1e-6
            Part of the load that may be missing or too much.

        Returns
        -------
        SharedEvaluation
            Where a stage is overloaded, the delay is infinite and ``overloaded`` names it.

        Raises
        ------
        LoadError, InputError
            On a load that the stages cannot carry, and on parts that are negative or do not sum
            to 1.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> pair = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
        >>> even = pair.evaluate(load=4.0, p=0.5)
        >>> round(even.mean_delay, 6), round(even.ratio, 6), even.change
        (2.0, 1.142857, ('mode 2', 'mode 1'))
        """
        load = self._load(load)
        given = {
            "p": p,
            "share": share,
            "flow": flow,
            "station_flow": station_flow,
            "by_origin": by_origin,
        }
        return evaluation(self, load, given, partial(super().evaluate, load, tolerance=tolerance))

    def tolls(
        self, load: float | None = None, **options: Unpack[FormulationOptions]
    ) -> SharedTolls:
        """Return the tolls of modes under which selfish users choose the optimum.

        Parameters
        ----------
        load : float
            As for `optimum`.
        **options
            As for `optimum`, without ``subject_to``.

        Returns
        -------
        SharedTolls
            The toll of each mode, in units of time, and the proof that the equilibrium with the
            tolls has the mean delay of the optimum.

        Raises
        ------
        LoadError, InputError, SolverNameError, FormulationError, NotCertifiedError
            As for `equilibrium`.

        Notes
        -----
        The toll of mode m is sum over s of a_sm rho_s / (1 - rho_s)^2 at the optimum.

        Examples
        --------
        >>> from sojourn.models import SharedModes
        >>> SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).tolls(load=4.0).mode_toll.round(6)
        array([7.35, 7.05])
        """
        found = super().tolls(load, **options)
        toll = mode_delay(self.rates, found.toll) - self.rates.delay
        return SharedTolls(**parts_of(found), mode_names=self.modes, mode_toll=toll)
