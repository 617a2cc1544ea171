"""Delays, flows and the price of anarchy of a system with routes over loads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ....reference.errors import Array
from ...core.curve import CurvePlan
from ...core.variables import Variable, anarchy, answers, variable
from ..parallel.curve import check_goals
from ..parallel.limits import no_limits
from .questions import RouteSplits

if TYPE_CHECKING:
    from ...core.options import FormulationOptions
    from .system import RouteSystem


def curve_plan(
    system: RouteSystem,
    loads: npt.ArrayLike,
    which: str | None,
    refine: bool | float,
    players: float,
    options: FormulationOptions,
) -> CurvePlan:
    """Return the plan of `RouteSystem.curve`.

    The dataset has the dimensions ``load`` (K), ``station`` (A) and ``group`` (G). For each goal
    there are ``<goal>_delay``, ``<goal>_gap`` and ``<goal>_certified`` over load, ``<goal>_flow``
    over load and station, and ``<goal>_group_delay`` over load and group. Where the routes are
    listed, up to 10,000 of them, there is also ``<goal>_route_flow`` over load and ``route``, the
    routes sorted by group: stored answers are certified again from it. With both goals there are
    ``price_of_anarchy`` and its bounds. At a load of 0 the flows are 0, and each group has the
    delay of its fastest route through an empty system. Every variable has an attribute ``role``,
    see `sojourn.models.core.variables`.
    """
    from ...frontend.curve_dataset import Curve  # xarray takes long to import

    goals = check_goals(which)
    no_limits(options)
    points, errors = system.screen_loads(loads)
    carried = [load for k, load in enumerate(points.tolist()) if k not in errors]
    unit = max(carried, default=system.load)  # the largest load is the hardest for a solver
    tasks: dict[str, Any] = {goal: system._task(goal, unit, players, **options) for goal in goals}
    return CurvePlan(
        system,
        points,
        tasks,
        partial(variables_of, system),
        screened=(points, errors),
        refine=refine,
        coords={
            "station": ("station", list(system.stations)),
            "group": ("group", list(system.groups)),
            **_route_names(system),
        },
        dataset_type=Curve,
    )


def variables_of(
    system: RouteSystem, _: Array, rows: Mapping[str, RouteSplits]
) -> dict[str, Variable]:
    """Return the variables of a curve by name, from the answers of each goal."""
    time, found, listed = system.time_unit, dict[str, Variable](), system.stored_routes
    for goal, table in rows.items():
        found |= answers(table, time, goal, f"mean delay at the {goal}")
        found[f"{goal}_flow"] = variable(
            table.flow, f"station flow at the {goal}", "flow", ("load", "station"), f"1/{time}"
        )
        found[f"{goal}_group_delay"] = variable(
            table.group_delay, f"delay of a group at the {goal}", "each", ("load", "group"), time
        )
        if listed is not None:
            flow, label = table.flow_on(listed), f"route flow at the {goal}, one of many"
            dims = ("load", "route")
            found[f"{goal}_route_flow"] = variable(flow, label, "flow", dims, f"1/{time}")
    return found | (anarchy(rows["equilibrium"], rows["optimum"]) if len(rows) == 2 else {})


def _route_names(system: RouteSystem) -> dict[str, tuple[str, list[str]]]:
    """Return the coordinate of listed routes: the group and the stations of each."""
    listed = system.stored_routes
    if listed is None:
        return {}
    stations = [[system.stations[a] for a in passed] for passed in listed.stations]
    groups = [system.groups[k] for k in listed.group.tolist()]
    names = [f"{k}: {', '.join(passed)}" for k, passed in zip(groups, stations, strict=True)]
    return {"route": ("route", names)}
