"""Between optimum and equilibrium: over the number of players, and over the part of the load that is routed centrally."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array
from ....reference.guards import check_players
from ....reference.parallel.control import check_fractions, check_strategy, leader_flow
from ....reference.parallel.thresholds import thresholds
from ....reference.validation import check_instance, check_list
from ...core import curve as driver
from ...core.curve import Delays, anarchy, answers, variable
from ...core.signatures import show_options
from ...frontend.curve_dataset import Curve
from ...latency.player_latency import player_latency
from .control import followed, price_of_optimum
from .formulations import for_goal
from .limits import no_limits
from .system import NOT_ONE, ParallelServers

if TYPE_CHECKING:
    from ....reference.parallel.control import Strategy
    from ...core.curve import Sweep, Variable
    from ...core.options import FormulationOptions
    from ...core.solve import Task
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
    """Equilibria of K equal players over loads.

    Parameters
    ----------
    system : ParallelServers
    loads : array_like, shape (K,)
        As for `ParallelServers.curve`.
    players : sequence of float, default 1, 2, 4, 16, inf
    refine : bool or float, default False
        Whether to add loads for a picture: those at which the optimum, or a number of players, starts a server, and others until a straight
        line between neighbours is nowhere off by more than this part of a price of anarchy; True for 0.002.
    **how
        As for `ParallelServers.optimum`. What misses the gap is kept, with ``certified`` False; what has no answer is NaN.

    Returns
    -------
    xarray.Dataset
        ``delay``, ``gap``, ``certified``, ``price_of_anarchy`` and its bounds ``price_of_anarchy_lower`` and
        ``price_of_anarchy_upper`` over ``load`` and ``players``. Refined, it is in the order of the loads,
        and the coordinate ``added`` says which were not given.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with the loads that were done.
    """
    no_limits(options)
    system = check_instance("system", system, ParallelServers, *NOT_ONE)
    counts, points = (
        [check_players(k) for k in check_list("players", players)],
        system.screen_loads(loads)[0],
    )
    some, of_users = float(points[0] or points.max()), for_goal("equilibrium", options)
    best = system.task("optimum", some, **for_goal("optimum", options))
    tasks = {
        f"equilibrium {i}": system.task("equilibrium", some, k, **of_users)
        for i, k in enumerate(counts)
    }

    def starts() -> Array:
        seen = [player_latency(system.bank, k) if math.isfinite(k) else system.bank for k in counts]
        return np.concatenate(
            [system.thresholds().optimum, *(thresholds(bank).equilibrium for bank in seen)]
        )

    def variables(_: Array, rows: Mapping[str, Any]) -> dict[str, Variable]:
        dims, tables = ("load", "players"), list(rows.values())
        least, each = Delays.beside(tables[:1]), Delays.beside(tables[1:])
        each = replace(each, certified=each.certified & least.certified)
        return answers(each, system.time_unit, dims=dims) | anarchy(each, least, dims)

    return driver.curve(
        system,
        points,
        {"optimum": best, **tasks},
        variables,
        refine=refine,
        breakpoints=starts,
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
    )


@show_options
def control_curve(
    system: ParallelServers,
    load: float,
    fractions: npt.ArrayLike | None = None,
    strategies: Sequence[str] = ("llf", "scale"),
    refine: bool | float = False,
    **options: Unpack[FormulationOptions],
) -> xr.Dataset:
    """What control of a part of the load buys.

    Parameters
    ----------
    system : ParallelServers
    load : float
    fractions : array_like, shape (K,), optional
        By default 0, 0.05, ..., 1, and the least whose control can bring the optimum about.
    strategies : sequence of {"llf", "scale"}
    refine : bool or float, default False
        Whether to add fractions for a picture, as in `players_curve`: where the ratio bends, 40 at most.
    **how
        As for `ParallelServers.optimum`; as in `players_curve`.

    Returns
    -------
    xarray.Dataset
        ``delay``, ``gap``, ``certified`` and ``ratio`` (to the optimum) over ``fraction`` and ``strategy``; ``optimum_delay``, one number;
        the attribute ``price_of_optimum`` is the least fraction whose control can bring the optimum about. Refined as `players_curve`.

    Raises
    ------
    LoadError, InputError, NotCertifiedError
        The last where the optimum, on which all stands, has no certificate.
    CurveInterruptedError
        On Ctrl-C, with the fractions that were done.
    """
    no_limits(options)
    system, kinds = (
        check_instance("system", system, ParallelServers, *NOT_ONE),
        [check_strategy(s) for s in check_list("strategies", strategies)],
    )
    parts = check_fractions(FRACTIONS if fractions is None else fractions)
    best = system.optimum(system.check_load(load), **for_goal("optimum", options))
    enough = price_of_optimum(best)
    if fractions is None:
        parts = np.unique([*parts, enough])
    task = system.followers(best.load, **for_goal("equilibrium", options))

    def variables(_: Array, rows: Mapping[str, Any]) -> dict[str, Variable]:
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
    return driver.curve(
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
        coords={"strategy": list(sweeps)},
        attrs={"load": best.load, "price_of_optimum": enough},
        dataset_type=Curve,
    )


@dataclass(frozen=True, eq=False)
class _Control:
    """Equilibria of the rest where K parts of an optimum are under control."""

    task: Task[Model, Splits, Solution]
    best: Solution
    strategy: Strategy

    @property
    def block(self) -> int:
        return self.task.block

    def solve(self, parts: Array) -> Splits:
        best = self.best
        led = [
            leader_flow(best.flow, best.latency, best.load, part, self.strategy)
            for part in parts.tolist()
        ]
        return followed(self.task, best, np.reshape(led, (parts.size, best.flow.size)))
