"""Between optimum and equilibrium: over the number of players, and over the part of the load that is routed centrally."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, LoadError, numbers
from ....reference.parallel.control import check_fractions, check_strategy
from ....reference.parallel.players import check_players
from ....reference.parallel.thresholds import thresholds
from ...core.curve import CurveInterruptedError, Drawn, curve_of, on_axis
from ...core.errors import NotCertifiedError
from ...core.progress import track
from ...core.ratio import ratios
from ...core.solve import no_limits
from ...latency.seen import seen_by_players
from .control import follow, price_of_optimum
from .curve import ANARCHY
from .formulations import for_goal

if TYPE_CHECKING:
    from ...core.solve import How
    from ...latency.base import Latency
    from .formulations import Model
    from .solution import Solution
    from .system import ParallelServers

PLAYERS = (1.0, 2.0, 4.0, 16.0, math.inf)
FRACTIONS = np.linspace(0.0, 1.0, 21)
MOST_FRACTIONS = 40  # that refinement adds
FIELDS = ("delay", "lower_bound", "upper_bound", "gap", "certified")
Facts = tuple[float, float, float, float, bool]


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
    settings: How = {**how, "throw": False}
    best: dict[str, Model] = {}
    views: list[tuple[Latency | None, float, dict[str, Model]]] = [
        (seen_by_players(system.bank, k), k, {}) if math.isfinite(k) else (None, k, {}) for k in counts
    ]
    nobody = np.zeros(len(system))

    def at(load: float) -> list[Facts]:
        """Optimum, then every number of players."""
        row = [_facts(lambda: system.solve("optimum", load, best, **for_goal("optimum", settings)))]
        for seen, k, kept in views:
            chosen = for_goal("equilibrium", settings)
            if seen is None:
                row.append(_facts(lambda m=kept, c=chosen: system.solve("equilibrium", load, m, **c)))  # type: ignore[misc]
            else:
                row.append(_facts(lambda s=seen, n=k, m=kept, c=chosen: system.selfish(s, load, nobody, n, m, **c)))  # type: ignore[misc]
        return row

    def solve(points: Array) -> xr.Dataset:
        rows: list[list[Facts]] = []
        try:
            rows.extend(at(load) for load in track(points.tolist(), "loads"))
        except KeyboardInterrupt:
            raise CurveInterruptedError(_by_players(system, points[: len(rows)], counts, rows)) from None
        return _by_players(system, points, counts, rows)

    def starts() -> Array:
        seen_by_each = [system.bank if seen is None else seen for seen, _, _ in views]
        found = [system.thresholds().optimum, *(thresholds(seen).equilibrium for seen in seen_by_each)]
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
    settings: How = {**how, "throw": False}

    def solve(parts: Array) -> xr.Dataset:
        rows: list[list[Facts]] = []
        try:
            for part in track(parts.tolist(), "fractions"):
                rows.append([_facts(lambda p=part, k=kind: follow(system, best, p, k, **settings)) for kind in kinds])  # type: ignore[misc]
        except KeyboardInterrupt:
            raise CurveInterruptedError(_by_fraction(system, parts[: len(rows)], kinds, rows, best)) from None
        return _by_fraction(system, parts, kinds, rows, best)

    def lines(data: xr.Dataset) -> list[Drawn]:
        return [on_axis(data["ratio"].sel(strategy=kind)) for kind in kinds]

    return curve_of(solve, parts, refine, lambda: [price_of_optimum(best)], lines, over="fraction", most=MOST_FRACTIONS)


def _facts(solve: Callable[[], Any]) -> Facts:
    """Mean delay, its bounds, gap and whether it is certified; NaN where no solver returned anything."""
    try:
        found = solve()
    except NotCertifiedError:
        return math.nan, 0.0, math.inf, math.inf, False
    proof = found.certificate
    return found.mean_delay, proof.lower_bound, proof.upper_bound, proof.gap, found.certified


def _columns(rows: Sequence[Sequence[Facts]], width: int) -> dict[str, Any]:
    table = np.array(rows, dtype=float).reshape(len(rows), width, len(FIELDS))
    return {name: table[..., i] if name != "certified" else table[..., i].astype(bool) for i, name in enumerate(FIELDS)}


def _by_players(system: ParallelServers, loads: Array, counts: Sequence[float], rows: Sequence[Any]) -> xr.Dataset:
    columns, time = _columns(rows, 1 + len(counts)), system.time_unit
    dims, data = ("load", "players"), {name: column[:, 1:] for name, column in columns.items()}
    selfish, best = ([column[:, cut] for column in columns.values()][:3] for cut in (slice(1, None), slice(1)))
    return xr.Dataset(
        {
            "delay": (dims, data["delay"], {"long_name": "mean delay", "units": time}),
            "gap": (dims, data["gap"], {"long_name": "certified relative error of the mean delay"}),
            "certified": (dims, data["certified"] & columns["certified"][:, :1]),
            **{
                name: (dims, values, {"long_name": ANARCHY[name]})
                for name, values in zip(ANARCHY, ratios(tuple(selfish), tuple(best)), strict=True)
            },
        },
        coords={
            "load": ("load", loads, {"long_name": "total load", "units": f"1/{time}"}),
            "players": ("players", np.asarray(counts, dtype=float), {"long_name": "equal players; infinitely many: Wardrop"}),
        },
        attrs={"total_rate": system.total_rate, "time_unit": time},
    )


def _by_fraction(system: ParallelServers, parts: Any, kinds: Sequence[str], rows: Sequence[Any], best: Solution) -> xr.Dataset:
    data, time, dims = _columns(rows, len(kinds)), system.time_unit, ("fraction", "strategy")
    return xr.Dataset(
        {
            "delay": (dims, data["delay"], {"long_name": "mean delay", "units": time}),
            "ratio": (dims, data["delay"] / best.mean_delay, {"long_name": "mean delay over the optimum's"}),
            "gap": (dims, data["gap"], {"long_name": "certified relative error of the mean delay"}),
            "certified": (dims, data["certified"]),
            "optimum_delay": ((), best.mean_delay, {"long_name": "mean delay at the optimum", "units": time}),
        },
        coords={"fraction": ("fraction", parts, {"long_name": "part of the load under control"}), "strategy": list(kinds)},
        attrs={"load": best.load, "price_of_optimum": price_of_optimum(best), "time_unit": time},
    )
