"""One system's curve as a row of a study: padded to the largest system, its attributes as variables, or the error it ended in."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from sojourn.models.studies.progress import unwatched
from sojourn.models.systems.dual_mode import MultiMode
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference.errors import Array

System = ParallelServers | MultiMode
Row = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]  # dimensions, values and attributes of each variable
TOLD = ("total_rate", "max_load", "capacity", "breakaway_load", "breakaway_from", "breakaway_p")  # attributes that are one number a system
LISTED = {"optimum_thresholds": "server", "equilibrium_thresholds": "server"}  # and those that are one number a server


def largest(system: System) -> float:
    """Load that a system cannot reach."""
    return system.total_rate if isinstance(system, ParallelServers) else system.max_load


def widths(systems: Sequence[System]) -> dict[str, int]:
    """Size of each dimension but that of the systems: that of the largest."""
    if all(isinstance(s, ParallelServers) for s in systems):
        return {"server": max(len(s) for s in systems if isinstance(s, ParallelServers))}
    two = [s for s in systems if isinstance(s, MultiMode)]
    return {"stage": max(len(s.stages) for s in two), "mode": max(len(s.modes) for s in two)}


def solved(system: System, loads: Array, sizes: Mapping[str, int], how: Mapping[str, Any]) -> Row:
    """Return a system's row: its curve at the loads, whatever happens."""
    row: Row = {"load": (("point",), np.asarray(loads, dtype=float), {"long_name": "load", "units": f"1/{system.time_unit}"})}
    for name, labels in _labels(system).items():
        row[f"{name}_name"] = ((name,), np.array([*labels, *[""] * (sizes[name] - len(labels))], dtype=object), {})
    try:
        with warnings.catch_warnings(record=True) as said, unwatched():
            warnings.simplefilter("always")
            found = system.curve(loads, **how)
    except Exception as error:  # whatever a user's own latency raises is that system's alone
        return row | _words(error=f"{type(error).__name__}: {error}", warning="")
    row["utilisation"] = _widened(found["utilisation"].variable, sizes)
    row |= {str(name): _widened(variable.variable, sizes) for name, variable in found.data_vars.items()}
    for name in TOLD:
        if name in found.attrs:
            row[name] = ((), np.asarray(found.attrs[name], dtype=float), {})
    for name, dimension in LISTED.items():
        if name in found.attrs:
            row[name] = _widened(xr.Variable(dimension, np.asarray(found.attrs[name], dtype=float)), sizes)
    return row | _words(error="", warning="; ".join(dict.fromkeys(str(w.message) for w in said)))


def joined(rows: Sequence[Row], names: Sequence[str]) -> xr.Dataset:
    """Return rows as one dataset over ``system``; what a system lacks is NaN, or not certified."""
    data: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        dims, like, attrs = next(row[name] for row in rows if name in row)
        empty = np.zeros_like(like) if like.dtype == bool else np.full_like(like, np.nan)
        data[name] = (("system", *dims), np.stack([row[name][1] if name in row else empty for row in rows]), attrs)
    load = data.pop("load")
    return xr.Dataset(data, coords={"system": np.array(names, dtype=object), "load": load})


def together(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the systems of all parts, one after the other; what a part lacks is NaN, or not certified."""
    data = xr.concat(parts, dim="system", data_vars="all", coords="all", join="outer", combine_attrs="override")
    for name in data.data_vars:
        if str(name).endswith("certified") and data[name].dtype != bool:
            data[name] = data[name].fillna(0).astype(bool)
    return data


def _labels(system: System) -> dict[str, Sequence[str]]:
    if isinstance(system, ParallelServers):
        return {"server": system.names}
    return {"stage": system.stages, "mode": system.modes}


def _words(**words: str) -> Row:
    return {name: ((), np.array(text, dtype=object), {}) for name, text in words.items()}


def _widened(variable: xr.Variable, sizes: Mapping[str, int]) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
    """The same over ``point`` in the place of ``load``, the other dimensions filled up with NaN."""
    values, dims = variable.values, tuple(str(d) for d in variable.dims)
    more = [(0, sizes[d] - n if d in sizes else 0) for d, n in zip(dims, values.shape, strict=True)]
    if any(rest for _, rest in more):
        values = np.pad(values.astype(float), more, constant_values=np.nan)
    return tuple("point" if d == "load" else d for d in dims), values, dict(variable.attrs)
