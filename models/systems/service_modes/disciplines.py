"""Reserved and shared stages side by side: assignments, delays and both prices over the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.variables import variable
from ...frontend.scenario import Scenario
from ..parallel.prices import GOALS
from .shared import SharedModes
from .system import MultiMode

if TYPE_CHECKING:
    import xarray as xr

OVER_MODES = ("load", "mode")


def shared_of(system: MultiMode) -> SharedModes:
    """Return the system with the same stages, each of which serves all modes at once."""
    names, rates = (system.stages, system.modes, system.time_unit), system.rates
    shared = SharedModes.from_work(rates.time, None, *names, rates.delay)
    shared.reserved = system  # a `DualMode` knows more than its stages
    return shared


def disciplines(scenario: Scenario[MultiMode | SharedModes], own: xr.Dataset) -> xr.Dataset:
    """Return what reserved and shared stages need at the loads of a curve, and more for jumps.

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
        of the reserved mix change, as far as they are known.
    """
    import xarray as xr  # the import takes time

    system, units, unit = scenario.system, scenario.units, scenario.delay_unit
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
    breakaway = reserved.attrs.get("breakaway_load")
    data.attrs["breakaway_loads"] = [] if breakaway is None else [breakaway]
    return data


def _assignment(reserved: xr.Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the part of the jobs in each mode, shape (K, M); of two modes a curve has one part."""
    if "assignment" in reserved:
        return np.asarray(reserved["assignment"].transpose(*OVER_MODES).values)
    first = reserved["p"].values
    return np.stack([first, 1 - first], axis=-1)
