"""Delays, flows and price of anarchy over loads, as an `xarray.Dataset`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from sojourn.models.solving.chain import no_limits
from sojourn.models.solving.errors import NotCertifiedError
from sojourn.models.solving.solution import Solution
from sojourn.models.studies.progress import track
from sojourn.models.systems.formulations import for_goal
from sojourn.reference.errors import InputError, LoadError, numbers

if TYPE_CHECKING:
    from sojourn.models.solving.chain import How
    from sojourn.models.solving.prices import Goal
    from sojourn.models.systems.formulations import Model
    from sojourn.models.systems.parallel import ParallelServers

GOALS: tuple[Goal, Goal] = ("optimum", "equilibrium")


class CurveInterruptedError(KeyboardInterrupt):
    """The user stopped a sweep; `dataset` holds the loads, or fractions, that were done."""

    def __init__(self, dataset: xr.Dataset) -> None:
        over, done = next(iter(dataset.sizes.items()), ("load", 0))
        super().__init__(f"stopped after {done} {over}s")
        self.dataset = dataset


def curve(system: ParallelServers, loads: npt.ArrayLike, which: str | None = None, **how: Unpack[How]) -> xr.Dataset:
    """Solve a system at many loads.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : array_like, shape (K,)
        Total loads, each above 0 and below the total rate, in any order.
    which : {"optimum", "equilibrium"}, optional
        Both by default.
    **how
        As for `ParallelServers.optimum`. A load whose answer misses the gap does not stop the others: it is kept, with ``certified`` False;
        where no solver returns anything, the row is NaN.

    Returns
    -------
    xarray.Dataset
        Dimensions ``load`` (K) and ``server`` (n). For each goal ``<goal>_delay``, ``<goal>_multiplier``, ``<goal>_gap``,
        ``<goal>_certified`` over load and ``<goal>_flow`` over both; with both goals ``price_of_anarchy``. The coordinate ``utilisation`` is
        the load over the total rate; the thresholds are attributes, one number a server.

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
    """
    goals = _goals(which)
    if "equilibrium" in goals:
        no_limits(how)
    array = numbers("loads", loads)
    if array.ndim != 1 or array.size == 0:
        raise LoadError("loads", array.tolist(), "is not a list of loads", "give one or more numbers")
    checked = [_check(system, i, load) for i, load in enumerate(array)]
    solutions: dict[str, list[Solution | None]] = {goal: [] for goal in goals}
    models: dict[str, Model] = {}
    settings: How = {**how, "throw": False}
    each = {goal: for_goal(goal, settings) if len(goals) > 1 else settings for goal in goals}
    try:
        for load in track(checked, "loads"):
            found = [_best(system, goal, load, models, each[goal]) for goal in goals]
            for goal, solution in zip(goals, found, strict=True):
                solutions[goal].append(solution)
    except KeyboardInterrupt:
        done = min(len(s) for s in solutions.values())
        raise CurveInterruptedError(_dataset(system, checked[:done], {g: s[:done] for g, s in solutions.items()})) from None
    data = _dataset(system, checked, solutions)
    missed = sum(int((~data[f"{goal}_certified"]).sum()) for goal in goals)
    if missed:
        warnings.warn(
            f"{missed} of {len(checked) * len(goals)} answers are not certified; see <goal>_certified and <goal>_gap",
            stacklevel=2,
        )
    unsure = [s for answers in solutions.values() for s in answers if s is not None and s.caveats]
    if unsure:
        last = max(unsure, key=lambda s: s.load)
        first = min(s.load for s in unsure)
        warnings.warn(f"from load {first:g} on, answers go beyond what was measured: at load {last.load:g} {last.caveats[0]}", stacklevel=2)
    return data


def _goals(which: str | None) -> tuple[Goal, ...]:
    if which is None:
        return GOALS
    if which not in GOALS:
        raise InputError("which", which, "is not something to solve for", "use optimum, equilibrium, or leave it out for both")
    return (which,)


def _best(system: ParallelServers, goal: Goal, load: float, models: dict[str, Model], settings: How) -> Solution | None:
    """Best answer, certified or not; None where no solver returned any."""
    try:
        return system.solve(goal, load, models, **settings)
    except NotCertifiedError:
        return None


def _check(system: ParallelServers, index: int, load: float) -> float:
    try:
        return system.check_load(load)
    except LoadError as error:
        raise LoadError(f"loads[{index}]", error.value, error.problem, error.remedy) from None


def _dataset(system: ParallelServers, loads: Sequence[float], solutions: dict[str, list[Solution | None]]) -> xr.Dataset:
    time, rate = system.time_unit, f"1/{system.time_unit}"
    data: dict[str, Any] = {}
    nothing = np.full(len(system), np.nan)
    for goal, found in solutions.items():
        price = "marginal delay" if goal == "optimum" else "common latency"
        data[f"{goal}_delay"] = (
            "load",
            [np.nan if s is None else s.mean_delay for s in found],
            {"long_name": f"mean delay at the {goal}", "units": time},
        )
        data[f"{goal}_multiplier"] = (
            "load",
            [np.nan if s is None else s.multiplier for s in found],
            {"long_name": f"{price} of the used servers", "units": time},
        )
        flows = np.array([nothing if s is None else s.flow for s in found]).reshape(len(loads), len(system))
        data[f"{goal}_flow"] = (("load", "server"), flows, {"long_name": f"flow at the {goal}", "units": rate})
        data[f"{goal}_gap"] = (
            "load",
            [np.inf if s is None else s.certificate.gap for s in found],
            {"long_name": "certified relative error of the mean delay"},
        )
        data[f"{goal}_certified"] = ("load", np.array([s is not None and s.certified for s in found], dtype=bool))
    if len(solutions) == len(GOALS):
        ratio = np.array(data["equilibrium_delay"][1]) / np.array(data["optimum_delay"][1])
        data["price_of_anarchy"] = ("load", ratio, {"long_name": "price of anarchy"})
    points = np.asarray(loads, dtype=float)
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
