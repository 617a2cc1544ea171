"""Between optimum and equilibrium: over the number of players, and over the part of the load that is routed centrally."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, LoadError, numbers
from ....reference.parallel.control import check_fractions, check_strategy, leader_flow
from ....reference.parallel.players import check_players
from ....reference.parallel.thresholds import thresholds
from ...core.curve import CurveInterruptedError, Drawn, curve_of, on_axis
from ...core.progress import track
from ...core.ratio import ratios
from ...latency.seen import seen_by_players
from .control import followed, price_of_optimum
from .curve import ANARCHY
from .formulations import for_goal
from .limits import no_limits
from .questions import Splits

if TYPE_CHECKING:
    from ...core.solve import How
    from .solution import Solution
    from .system import ParallelServers

PLAYERS = (1.0, 2.0, 4.0, 16.0, math.inf)
FRACTIONS = np.linspace(0.0, 1.0, 21)
MOST_FRACTIONS = 40  # that refinement adds
FIELDS = ("mean_delay", "lower_bound", "upper_bound", "gap", "certified")


def players_curve(
    system: ParallelServers, loads: npt.ArrayLike, players: Sequence[float] = PLAYERS, refine: bool | float = False, **how: Unpack[How]
) -> xr.Dataset:
    """Equilibria of K equal players over loads.

    Parameters
    ----------
    system : ParallelServers
    loads : array_like, shape (K,)
        Each above 0 and below the total rate.
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
    no_limits(how)
    counts = [check_players(k) for k in players]
    array = numbers("loads", loads)
    if array.ndim != 1 or array.size == 0:
        raise LoadError("loads", array.tolist(), "is not a list of loads", "give one or more numbers")
    points = np.array([system.check_load(load) for load in array])
    best = system.task("optimum", float(points[0]), **for_goal("optimum", how))
    tasks = [system.task("equilibrium", float(points[0]), k, **for_goal("equilibrium", how)) for k in counts]
    width = min(task.block for task in (best, *tasks))

    def solve(points: Array) -> xr.Dataset:
        done: list[list[Splits]] = []
        try:
            for block in track([points[i : i + width] for i in range(0, points.size, width)], "loads", weigh=len):
                done.append([task.solve(block) for task in (best, *tasks)])
        except KeyboardInterrupt:
            raise CurveInterruptedError(_by_players(system, points, counts, done)) from None
        return _by_players(system, points, counts, done)

    def starts() -> Array:
        seen = [seen_by_players(system.bank, k) if math.isfinite(k) else system.bank for k in counts]
        found = [system.thresholds().optimum, *(thresholds(bank).equilibrium for bank in seen)]
        return np.concatenate(found)

    def lines(data: xr.Dataset) -> list[Drawn]:
        return [on_axis(data["price_of_anarchy"].sel(players=k)) for k in counts]

    return curve_of(solve, points, refine, starts, lines)


def control_curve(
    system: ParallelServers,
    load: float,
    fractions: npt.ArrayLike | None = None,
    strategies: Sequence[str] = ("llf", "scale"),
    refine: bool | float = False,
    **how: Unpack[How],
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
    no_limits(how)
    parts, kinds = check_fractions(FRACTIONS if fractions is None else fractions), [check_strategy(s) for s in strategies]
    best = system.optimum(system.check_load(load), **for_goal("optimum", how))
    if fractions is None:
        parts = np.unique([*parts, price_of_optimum(best)])
    task, width = system.followers(best.load, **for_goal("equilibrium", how)), len(kinds)

    def solve(parts: Array) -> xr.Dataset:
        done: list[Splits] = []
        some = max(task.block // width, 1)
        try:
            for block in track([parts[i : i + some] for i in range(0, parts.size, some)], "fractions", weigh=len):
                led = [leader_flow(best.flow, best.latency, best.load, part, kind) for part in block.tolist() for kind in kinds]
                done.append(followed(task, best, np.array(led)))
        except KeyboardInterrupt:
            raise CurveInterruptedError(_by_fraction(system, parts, kinds, done, best)) from None
        return _by_fraction(system, parts, kinds, done, best)

    def lines(data: xr.Dataset) -> list[Drawn]:
        return [on_axis(data["ratio"].sel(strategy=kind)) for kind in kinds]

    return curve_of(solve, parts, refine, lambda: [price_of_optimum(best)], lines, over="fraction", most=MOST_FRACTIONS)


def _columns(done: Sequence[Splits], width: int) -> dict[str, Any]:
    """Columns of answers, shape (K, width)."""
    return {name: np.concatenate([getattr(part, name) for part in done] or [[]]).reshape(-1, width) for name in FIELDS}


def _by_players(system: ParallelServers, loads: Array, counts: Sequence[float], done: Sequence[Sequence[Splits]]) -> xr.Dataset:
    each = [_columns([row[i] for row in done], 1) for i in range(1 + len(counts))]
    loads, best, time = loads[: len(each[0]["gap"])], each[0], system.time_unit
    data = {name: np.concatenate([column[name] for column in each[1:]], axis=1) for name in FIELDS}
    dims = ("load", "players")
    found = ratios(*((side["mean_delay"], side["lower_bound"], side["upper_bound"]) for side in (data, best)))
    return xr.Dataset(
        {
            "delay": (dims, data["mean_delay"], {"long_name": "mean delay", "units": time}),
            "gap": (dims, data["gap"], {"long_name": "certified relative error of the mean delay"}),
            "certified": (dims, data["certified"].astype(bool) & best["certified"].astype(bool)),
            **{name: (dims, values, {"long_name": ANARCHY[name]}) for name, values in zip(ANARCHY, found, strict=True)},
        },
        coords={
            "load": ("load", loads, {"long_name": "total load", "units": f"1/{time}"}),
            "players": ("players", np.asarray(counts, dtype=float), {"long_name": "equal players; infinitely many: Wardrop"}),
        },
        attrs={"total_rate": system.total_rate, "time_unit": time},
    )


def _by_fraction(system: ParallelServers, parts: Array, kinds: Sequence[str], done: Sequence[Splits], best: Solution) -> xr.Dataset:
    data, time, dims = _columns(done, len(kinds)), system.time_unit, ("fraction", "strategy")
    parts = parts[: len(data["gap"])]
    return xr.Dataset(
        {
            "delay": (dims, data["mean_delay"], {"long_name": "mean delay", "units": time}),
            "ratio": (dims, data["mean_delay"] / best.mean_delay, {"long_name": "mean delay over the optimum's"}),
            "gap": (dims, data["gap"], {"long_name": "certified relative error of the mean delay"}),
            "certified": (dims, data["certified"].astype(bool)),
            "optimum_delay": ((), best.mean_delay, {"long_name": "mean delay at the optimum", "units": time}),
        },
        coords={"fraction": ("fraction", parts, {"long_name": "part of the load under control"}), "strategy": list(kinds)},
        attrs={"load": best.load, "price_of_optimum": price_of_optimum(best), "time_unit": time},
    )
