"""Reserved and shared stages side by side: assignments, delays and both prices over the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....reference.errors import Array
from ...core.variables import variable
from ...frontend.scenario import Scenario
from ..parallel.prices import GOALS
from .shared import SharedModes
from .system import MultiMode

if TYPE_CHECKING:
    import xarray as xr

OVER_MODES = ("load", "mode")
USED = 1e-9  # part of the jobs above which a mode is used
CLOSE = 1e-3  # relative distance of loads between which a change is marked


def shared_of(system: MultiMode) -> SharedModes:
    """Return the system with the same stages, each of which serves all modes at once."""
    names = (system.stages, system.modes, system.time_unit)
    shared = SharedModes._of_modes(system.rates, *names)
    shared.reserved = system  # a `DualMode` knows more than its stages
    return shared


def disciplines(scenario: Scenario[MultiMode | SharedModes], own: xr.Dataset) -> xr.Dataset:
    """Return what reserved and shared stages need at the loads of a curve that they carry.

    The loads of a curve of shared stages are refined for the jumps of the reserved mix.

    Parameters
    ----------
    scenario : Scenario
        The scenario, of either discipline.
    own : xarray.Dataset
        The curve of its system, in the units of the file.

    Returns
    -------
    xarray.Dataset
        Over ``load``, in the units of the file: ``reserved_delay`` of the best reserved mix,
        ``optimum_delay`` and ``equilibrium_delay`` of shared stages, ``single_delay`` of the best
        single mode, infinite where none is stable, ``tunable_delay`` where the system has one,
        ``price_of_anarchy`` and ``price_of_reserving``. Over ``load`` and ``mode``:
        ``<answer>_assignment``. The attribute ``breakaway_loads`` has the loads at which the modes
        of the reserved mix change, where two loads of the curve are close on both sides.
    """
    import xarray as xr  # the import takes time

    system, units, unit = scenario.system, scenario.units, scenario.delay_unit
    own = own.isel(load=own["load"].values < system.max_load)
    if isinstance(system, MultiMode):
        reserved, shared = own, shared_of(system)
    else:  # refined for the jumps of the reserved mix
        shared = system
        reserved = units.present(system.reserved.curve(own["load"].values, refine=True))
    selfish = units.present(shared.curve(reserved["load"].values))
    parts, delay = _assignment(reserved), reserved["delay"].values
    single = reserved["single_mode_delay"].min("mode").values
    ratio = delay / selfish["optimum_delay"].values
    found = {
        "reserved_delay": variable(delay, "mean delay of reserved stages", "delay", units=unit),
        "single_delay": variable(single, "mean delay of the best mode", "beside", units=unit),
        "price_of_reserving": variable(ratio, "price of reserving", "ratio"),
        "reserved_assignment": variable(parts, "part of the jobs in a mode", "part", OVER_MODES),
    }
    kept = [f"{goal}_{what}" for goal in GOALS for what in ("delay", "assignment")]
    data = xr.Dataset(found, {name: reserved[name] for name in OVER_MODES}, own.attrs)
    data = data.assign({name: selfish[name].variable for name in (*kept, "price_of_anarchy")})
    if "tunable_delay" in reserved:
        data["tunable_delay"] = reserved["tunable_delay"]
    data.attrs["breakaway_loads"] = _changes(reserved["load"].values, parts)
    return data


def _changes(load: Array, parts: Array) -> list[float]:
    """Return the loads at which the set of used modes changes, between close loads of a curve."""
    order = np.argsort(load)
    load, parts = load[order], parts[order]
    used = np.greater(parts, USED)
    known = np.asarray(np.isfinite(parts).all(axis=1))
    changed = np.any(used[1:] != used[:-1], axis=1) & known[1:] & known[:-1]
    close = np.diff(load) <= CLOSE * load[1:]
    middle: list[float] = (0.5 * (load[1:] + load[:-1])[changed & close]).tolist()
    return middle


def _assignment(reserved: xr.Dataset) -> Array:
    """Return the part of the jobs in each mode, shape (K, M); of two modes a curve has one part."""
    if "assignment" in reserved:
        return np.asarray(reserved["assignment"].transpose(*OVER_MODES).values)
    first = reserved["p"].values
    return np.stack([first, 1 - first], axis=-1)
