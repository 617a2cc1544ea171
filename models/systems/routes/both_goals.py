"""Optimum and equilibrium beside each other: tables of the stations and of the groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ....reference.errors import Array
from ...core.variables import Variable, variable
from ...frontend.units import Units

if TYPE_CHECKING:
    import xarray as xr

    from .solution import RouteSolution
    from .system import RouteSystem


def gains(system: RouteSystem, found: RouteSolution) -> Array:
    """Return the most that a user of each group gains by another route, shape (G,).

    The flow is that of the answer, one of many with the same loads of stations. At the optimum,
    users of slow routes may gain; at the equilibrium nobody does, up to rounding.

    Parameters
    ----------
    system : RouteSystem
        The system of the answer.
    found : RouteSolution
        The answer, in the unit of time of the system.
    """
    used = found.route_flow.used()
    costs = used.columns.costs(found.station_latency)
    largest = np.zeros(len(system.groups))
    np.maximum.at(largest, used.columns.group, costs)
    least = system.routed.routes.least_cost(found.station_latency)
    return np.maximum(largest - least, 0.0)


def stations_of(answers: Mapping[str, RouteSolution], units: Units, **coords: Any) -> xr.Dataset:
    """Return load, utilisation and latency of each station for both goals.

    Parameters
    ----------
    answers : mapping of str to RouteSolution
        Optimum and equilibrium, in the units of the file.
    units : Units
        Units of the file.
    **coords
        Further coordinates, one entry a station.
    """
    import xarray as xr  # the import takes time

    variables: dict[str, Variable] = {}
    for goal, found in answers.items():
        variables |= {
            f"{goal}_load": variable(
                found.station_flow, f"load, {goal}", "flow", ("station",), units.rate
            ),
            f"{goal}_utilisation": variable(
                found.utilisation, f"utilisation, {goal}", "share", ("station",)
            ),
            f"{goal}_latency": variable(
                found.station_latency, f"latency, {goal}", "beside", ("station",), units.delay
            ),
        }
    names = list(next(iter(answers.values())).station_names)
    along = {name: (("station",), values) for name, values in coords.items()}
    return xr.Dataset(variables, {"station": names, **along})


def groups_of(
    answers: Mapping[str, RouteSolution], gain: Mapping[str, Array], units: Units
) -> xr.Dataset:
    """Return load, mean delay and largest gain of each group for both goals.

    Parameters
    ----------
    answers : mapping of str to RouteSolution
        Optimum and equilibrium, in the units of the file.
    gain : mapping of str to ndarray, shape (G,)
        Result of `gains` for each goal, in the unit of delays.
    units : Units
        Units of the file.
    """
    import xarray as xr

    first, dims = next(iter(answers.values())), ("group",)
    variables = {"load": variable(first.group_load, "load", "flow", dims, units.rate)}
    for goal, found in answers.items():
        label = f"mean delay, {goal}"
        variables[f"{goal}_delay"] = variable(found.group_delay, label, "delay", dims, units.delay)
        label = f"most that a user gains by another route, {goal}"
        variables[f"{goal}_gain"] = variable(gain[goal], label, "beside", dims, units.delay)
    return xr.Dataset(variables, {"group": list(first.group_names)})
