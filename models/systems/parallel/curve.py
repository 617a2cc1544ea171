"""Delays, flows and price of anarchy over loads, as an `xarray.Dataset`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, InputError, LoadError, numbers
from ....reference.parallel.optimum_equilibrium import check_load
from ...core.curve import CurveInterruptedError, Drawn, curve_of, on_axis, on_log_axis
from ...core.progress import track
from ...core.ratio import ratios
from ...core.solve import no_limits
from ...latency.base import Latency
from .formulations import for_goal
from .sweep import Answers

if TYPE_CHECKING:
    from ...core.solve import How
    from .prices import Goal
    from .system import ParallelServers

GOALS: tuple[Goal, Goal] = ("optimum", "equilibrium")
ANARCHY = {
    "price_of_anarchy": "price of anarchy",
    "price_of_anarchy_lower": "certified lower bound of the price of anarchy",
    "price_of_anarchy_upper": "certified upper bound of the price of anarchy",
}


def curve(
    system: ParallelServers, loads: npt.ArrayLike, which: str | None = None, refine: bool | float = False, **how: Unpack[How]
) -> xr.Dataset:
    """Solve a system at many loads.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : array_like, shape (K,)
        Total loads, each above 0 and below the total rate, in any order.
    which : {"optimum", "equilibrium"}, optional
        Both by default.
    refine : bool or float, default False
        Whether to add loads for a picture: those at which a server starts, and others until a straight line between neighbours is
        nowhere off by more than this part of the price of anarchy, or of a delay on a logarithmic axis; True for 0.002.
    **how
        As for `ParallelServers.optimum`. A load whose answer misses the gap does not stop the others: it is kept, with ``certified`` False;
        where no solver returns anything, the row is NaN.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load`` (K) and ``server`` (n). For each goal ``<goal>_delay``, ``<goal>_multiplier``, ``<goal>_gap``,
        ``<goal>_certified`` over load and ``<goal>_flow`` over both; with both goals ``price_of_anarchy`` and its bounds
        ``price_of_anarchy_lower`` and ``price_of_anarchy_upper``. The coordinate ``utilisation`` is the load over the total rate; the
        thresholds are attributes, one number a server. Refined, it is in the order of the loads, and the coordinate ``added`` says
        which were not given; see `sojourn.models.core.curve.curve_of`.

    Raises
    ------
    LoadError, InputError
        Before any solver starts.
    CurveInterruptedError
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> data = ParallelServers(MM1(rate=[10.0, 5.0])).curve([3.0, 9.0, 14.0])
    >>> data.price_of_anarchy.values.round(4)
    array([1.0001, 1.05  , 1.0316])
    >>> data = ParallelServers(MM1(rate=[10.0, 5.0])).curve([3.0, 9.0, 14.0], refine=True)
    >>> data["load"].values[~data.added].tolist(), int(data.added.sum()) > 20
    ([3.0, 9.0, 14.0], True)
    """
    data = solved(system, loads, which, refine, how)
    warn(system, data)
    return data


def solved(
    system: ParallelServers,
    loads: npt.ArrayLike,
    which: str | None,
    refine: bool | float,
    how: How,
    paid: Callable[[xr.Dataset], xr.Dataset] = lambda data: data,
) -> xr.Dataset:
    """Return a curve as users then have it; `paid` says what, where it is not what the system says."""
    goals = check_goals(which)
    if "equilibrium" in goals:
        no_limits(how)
    points = check_loads(loads, partial(check_load, system.bank), system.check_load)
    each = {goal: for_goal(goal, how) if len(goals) > 1 else how for goal in goals}
    sweeps = {goal: system.sweep(goal, float(points[0]), **each[goal]) for goal in goals}
    width = min(sweep.block for sweep in sweeps.values())

    def solve(points: Array) -> xr.Dataset:
        parts: dict[str, list[Answers]] = {goal: [] for goal in goals}
        done = 0
        try:
            for block in track([points[i : i + width] for i in range(0, points.size, width)], "loads", weigh=len):
                found = {goal: sweep.solve(block) for goal, sweep in sweeps.items()}
                for goal in goals:
                    parts[goal].append(found[goal])
                done += len(block)
        except KeyboardInterrupt:
            raise CurveInterruptedError(paid(_dataset(system, points[:done], _rows(system, parts, done)))) from None
        return paid(_dataset(system, points, _rows(system, parts, done)))

    return curve_of(solve, points, refine, lambda: starts(system, goals), lines)


def starts(system: ParallelServers, goals: Sequence[Goal] = GOALS) -> Array:
    """Loads at which a server starts to be used, at one goal or the other."""
    found = system.thresholds()
    return np.concatenate([getattr(found, goal) for goal in goals])


def lines(data: xr.Dataset) -> list[Drawn]:
    """What a picture of a curve shows: delays on a logarithmic axis, and their ratio on a plain one."""
    delays = [on_log_axis(data[f"{goal}_delay"]) for goal in GOALS if f"{goal}_delay" in data]
    return delays + ([on_axis(data["price_of_anarchy"])] if "price_of_anarchy" in data else [])


def _rows(system: ParallelServers, parts: dict[str, list[Answers]], done: int) -> dict[str, Answers]:
    """Answers to each goal at the loads where every goal has one."""
    return {goal: Answers.joined([Answers.nothing(0, len(system)), *found]).only(slice(done)) for goal, found in parts.items()}


def warn(system: ParallelServers, data: xr.Dataset) -> None:
    """Say what is not certified, and what goes beyond what was measured."""
    loads, goals = data["load"].values, [goal for goal in GOALS if f"{goal}_flow" in data]
    missed = sum(int((~data[f"{goal}_certified"]).sum()) for goal in goals)
    if missed:
        warnings.warn(f"{missed} of {loads.size * len(goals)} answers are not certified; see <goal>_certified and <goal>_gap", stacklevel=4)
    if all(type(bank).caveats is Latency.caveats for bank in system.bank.banks):
        return  # none of these families ever has anything to say
    said = [
        (float(load), caveats[0])
        for goal in goals
        for load, flow in zip(loads, data[f"{goal}_flow"].values, strict=True)
        if np.isfinite(flow).all() and (caveats := system.bank.caveats(flow, system.names))
    ]
    if said:
        first, (last, caveat) = min(said)[0], max(said)
        warnings.warn(f"from load {first:g} on, answers go beyond what was measured: at load {last:g} {caveat}", stacklevel=4)


def check_goals(which: str | None) -> tuple[Goal, ...]:
    """Return the goals of a sweep; InputError on a name that is none."""
    if which is None:
        return GOALS
    if which not in GOALS:
        raise InputError("which", which, "is not something to solve for", "use optimum, equilibrium, or leave it out for both")
    return (which,)


def check_loads(loads: npt.ArrayLike, check: Callable[[Array], Any], check_one: Callable[[float], float]) -> Array:
    """Return loads as an array of shape (K,); `check` takes all at once, `check_one` says what is wrong with the first that is."""
    array = numbers("loads", loads)
    if array.ndim != 1 or array.size == 0:
        raise LoadError("loads", array.tolist(), "is not a list of loads", "give one or more numbers")
    try:
        check(array)
        if np.all(array > 0):
            return array
    except LoadError:
        pass
    for i, load in enumerate(array):
        try:
            check_one(load)
        except LoadError as error:
            raise LoadError(f"loads[{i}]", error.value, error.problem, error.remedy) from None
    return array


def _dataset(system: ParallelServers, points: Array, answers: dict[str, Answers]) -> xr.Dataset:
    time, rate = system.time_unit, f"1/{system.time_unit}"
    data: dict[str, Any] = {}
    for goal, found in answers.items():
        price = "marginal delay" if goal == "optimum" else "common latency"
        data[f"{goal}_delay"] = ("load", found.mean_delay, {"long_name": f"mean delay at the {goal}", "units": time})
        data[f"{goal}_multiplier"] = ("load", found.multiplier, {"long_name": f"{price} of the used servers", "units": time})
        data[f"{goal}_flow"] = (("load", "server"), found.flow, {"long_name": f"flow at the {goal}", "units": rate})
        data[f"{goal}_gap"] = ("load", found.gap, {"long_name": "certified relative error of the mean delay"})
        data[f"{goal}_certified"] = ("load", found.certified)
    if len(answers) == len(GOALS):
        sides = [(a.mean_delay, a.lower_bound, a.upper_bound) for a in (answers["equilibrium"], answers["optimum"])]
        for name, values in zip(ANARCHY, ratios(*sides), strict=True):
            data[name] = ("load", values, {"long_name": ANARCHY[name]})
    thresholds = system.thresholds()
    return xr.Dataset(
        data,
        coords={
            "load": ("load", points, {"long_name": "total load", "units": rate}),
            "utilisation": ("load", points / system.total_rate, {"long_name": "load over total rate"}),
            "server": ("server", list(system.names)),
        },
        attrs={
            "total_rate": system.total_rate,
            "time_unit": time,
            "optimum_thresholds": thresholds.optimum,
            "equilibrium_thresholds": thresholds.equilibrium,
        },
    )
