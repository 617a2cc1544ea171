"""Curves between optimum and equilibrium: over the number of players, and over partial control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.guards import check_players
from ....reference.parallel.control import check_fractions, check_strategy, leader_flow
from ....reference.parallel.thresholds import thresholds
from ....reference.validation import check_instance, check_list
from ...core.curve import CurvePlan
from ...core.signatures import show_options
from ...core.variables import Delays, anarchy, answers, variable
from ...latency.player_latency import player_latency
from .control import followed, price_of_optimum
from .formulations import for_goal
from .limits import no_limits
from .system import NOT_PARALLEL_SERVERS, ParallelServers

if TYPE_CHECKING:
    import xarray as xr

    from ....reference.parallel.control import Strategy
    from ...core.curve import Sweep
    from ...core.options import FormulationOptions
    from ...core.solve import Task
    from ...core.variables import Variable
    from .formulations import Model
    from .questions import Splits
    from .solution import Solution

PLAYERS = (1.0, 2.0, 4.0, 16.0, math.inf)
FRACTIONS = np.linspace(0.0, 1.0, 21)
MOST_FRACTIONS = 40  # that refinement adds


@show_options
def players_curve(
    system: ParallelServers,
    loads: npt.ArrayLike,
    players: Sequence[float] = PLAYERS,
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Return the equilibria of several numbers of equal players over loads.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : array_like, shape (K,)
        Total loads, jobs per unit of time, as for `ParallelServers.curve`.
    players : sequence of float, default 1, 2, 4, 16, inf
        Numbers of players, as for `ParallelServers.equilibrium`.
    refine : bool or float, default False
        Whether to add loads for a plot: those at which the optimum or a number of players starts
        to use a server, and others, until straight lines between neighbours are off by no more
        than this part of the price of anarchy. True is 0.002.
    **options
        As for `ParallelServers.optimum`. An answer that misses the gap is kept, with
        ``certified`` False; where there is no answer, the values are NaN.

    Returns
    -------
    xarray.Dataset
        ``delay``, ``gap``, ``certified``, ``price_of_anarchy`` and its bounds
        ``price_of_anarchy_lower`` and ``price_of_anarchy_upper`` over ``load`` and ``players``. A
        refined dataset is sorted by load, and the coordinate ``added`` marks the loads that were
        not given.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with the loads solved so far.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> data = players_curve(ParallelServers(MM1(rate=[10.0, 5.0])), [9.0], players=[1, 2, 4])
    >>> data.price_of_anarchy.values.round(4)
    array([[1.    , 1.0015, 1.0074]])
    """
    from ...frontend.curve_dataset import Curve  # xarray takes long to import

    no_limits(options)
    system = check_instance("system", system, ParallelServers, *NOT_PARALLEL_SERVERS)
    counts = [check_players(k) for k in check_list("players", players)]
    points = system.screen_loads(loads)[0]
    some_load = float(points[0] or points.max())
    of_equilibrium = for_goal("equilibrium", options)
    best = system._task("optimum", some_load, **for_goal("optimum", options))
    tasks = {
        f"equilibrium {i}": system._task("equilibrium", some_load, k, **of_equilibrium)
        for i, k in enumerate(counts)
    }

    def all_thresholds() -> Array:
        """Return the loads at which the optimum or a number of players starts to use a server."""
        bank = system.bank
        perceived = [player_latency(bank, k) if math.isfinite(k) else bank for k in counts]
        of_players = [thresholds(bank).equilibrium for bank in perceived]
        return np.concatenate([system.thresholds().optimum, *of_players])

    def variables(_: Array, rows: Mapping[str, Any]) -> dict[str, Variable]:
        """Return the variables of the dataset from the answers of each task."""
        dims, tables = ("load", "players"), list(rows.values())
        least, each = Delays.beside(tables[:1]), Delays.beside(tables[1:])
        each = replace(each, certified=each.certified & least.certified)
        return answers(each, system.time_unit, dims=dims) | anarchy(each, least, dims)

    return CurvePlan(
        system,
        points,
        {"optimum": best, **tasks},
        variables,
        refine=refine,
        breakpoints=all_thresholds,
        drawn=("ratio",),
        coords={
            "players": (
                "players",
                np.array(counts, dtype=float),
                {"long_name": "equal players; infinitely many: Wardrop"},
            )
        },
        attrs={"total_rate": system.total_rate},
        dataset_type=Curve,
    ).solve()


@show_options
def control_curve(
    system: ParallelServers,
    load: float,
    fractions: npt.ArrayLike | None = None,
    strategies: Sequence[str] = ("llf", "scale"),
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """Return the delay over the fraction of the load that an operator routes.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    load : float
        Total load, jobs per unit of time, 0 < load < total rate.
    fractions : array_like, shape (K,), optional
        Fractions from 0 to 1; by default 0, 0.05, ..., 1, and the least fraction whose control
        can bring about the optimum.
    strategies : sequence of {"llf", "scale"}
        Strategies of the operator, as for `ParallelServers.control`.
    refine : bool or float, default False
        Whether to add fractions for a plot, at most 40, as for `players_curve`.
    **options
        As for `players_curve`.

    Returns
    -------
    xarray.Dataset
        ``delay``, ``gap``, ``certified`` and ``ratio`` (to the optimum) over ``fraction`` and
        ``strategy``; ``optimum_delay``, one number. The attribute ``price_of_optimum`` is the
        least fraction whose control can bring about the optimum. Refined as `players_curve`.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    NotCertifiedError
        When the optimum, from which all flows of the operator are taken, is not certified.
    CurveInterruptedError
        On Ctrl-C, with the fractions solved so far.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> data = control_curve(ParallelServers(MM1(rate=[10.0, 5.0])), 9.0, [0.0, 0.25, 1.0])
    >>> data.ratio.sel(strategy="llf").values.round(4), round(data.price_of_optimum, 4)
    (array([1.05  , 1.0133, 1.    ]), 0.2794)
    """
    from ...frontend.curve_dataset import Curve  # xarray takes long to import

    no_limits(options)
    system = check_instance("system", system, ParallelServers, *NOT_PARALLEL_SERVERS)
    kinds = [check_strategy(s) for s in check_list("strategies", strategies)]
    parts = check_fractions(FRACTIONS if fractions is None else fractions)
    best = system.optimum(system.check_load(load), **for_goal("optimum", options))
    enough = price_of_optimum(best)
    if fractions is None:
        parts = np.unique([*parts, enough])
    task = system._followers(best.load, **for_goal("equilibrium", options))

    def variables(_: Array, rows: Mapping[str, Any]) -> dict[str, Variable]:
        """Return the variables of the dataset from the answers of each strategy."""
        dims, each = ("fraction", "strategy"), Delays.beside(list(rows.values()))
        ratio = (
            each.mean_delay / best.mean_delay
            if best.mean_delay > 0
            else np.ones_like(each.mean_delay)
        )
        return answers(each, system.time_unit, dims=dims) | {
            "ratio": variable(ratio, "mean delay over the optimum's", "ratio", dims),
            "optimum_delay": variable(
                best.mean_delay, "mean delay at the optimum", "delay", (), system.time_unit
            ),
        }

    sweeps: dict[str, Sweep] = {kind: _Control(task, best, kind) for kind in kinds}
    return CurvePlan(
        system,
        parts,
        sweeps,
        variables,
        over="fraction",
        long_name="part of the load under control",
        refine=refine,
        breakpoints=lambda: [enough],
        drawn=("ratio",),
        most=MOST_FRACTIONS,
        coords={"strategy": ("strategy", list(sweeps))},
        attrs={"load": best.load, "price_of_optimum": enough},
        dataset_type=Curve,
    ).solve()


@dataclass(frozen=True, eq=False)
class _Control:
    """The users' equilibria over the fraction that an operator routes with one strategy."""

    task: Task[Model, Splits, Solution]
    best: Solution
    strategy: Strategy

    @property
    def block(self) -> int:
        return self.task.block

    def solve(self, fractions: Array) -> Splits:
        """Return the users' equilibria at K fractions."""
        best = self.best
        leaders = leader_flow(best.flow, best.latency, best.load, fractions, self.strategy)
        return followed(self.task, best, leaders)
