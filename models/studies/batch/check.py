"""Which of the answers that a study kept are those of today's systems, code and data, told without a solver where questions recall theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...core.recall import recalling
from ...core.wanted import POLISHED
from .question import Chunk
from .rows import form, joined, row

DECIDED = ("gap", "bound", "price", "flow", "share", "part", "ratio")
"""Roles of variables that are not compared: what was decided, and what delays and certificates tell of."""


def check(chunk: Chunk, stored: xr.Dataset) -> tuple[xr.Dataset, dict[int, str]]:
    """Return what is good of the rows of a chunk, and the places of the systems to be solved again, with the reason.

    The curve of each system is taken with the decisions that were kept: its delays, its certificates and what else it has are computed anew.
    Where a question cannot recall its answers (see `Question.recall`) the system is solved, and speaks for the rest of its chunk.
    """
    failed = stored["error"].values != ""
    again, now = dict.fromkeys(np.flatnonzero(failed).tolist(), "that failed before"), dict[int, xr.Dataset]()
    good = [(place, *one) for place, one in enumerate(chunk.each()) if place not in again]
    for place, name, system, loads in good:
        with recalling({str(key): variable.values[place] for key, variable in stored.variables.items()}) as recall:
            now[place] = row(name, system, loads, chunk.how, relative=chunk.relative)
        if not recall.whole and not now[place]["error"].item():
            break
    reasons = _differences(stored.isel(system=list(now)), joined(list(now.values()))) if now else []
    again |= {place: why for place, why in zip(now, reasons, strict=True) if why}
    if reasons and reasons[-1]:
        again |= {place: reasons[-1] for place, *_ in good if place not in now}
    if not again:
        return stored, again
    # without what only larger systems have room for
    sizes = {place: now[place].sizes if place in now else {} for place, *_ in good if place not in again}
    cuts: list[dict[Any, Any]] = [{**{d: slice(n) for d, n in size.items()}, "system": [place]} for place, size in sizes.items()]
    return joined([stored.isel(cut) for cut in cuts]), again


def _differences(before: xr.Dataset, now: xr.Dataset) -> list[str]:
    """What differs first of each system, or ""."""
    found, forms = [""] * before.sizes["system"], form(before)
    for name, one in form(now).items():
        if forms.get(name, one) != one:
            return [f"whose {name} is of another form today"] * len(found)
    both = joined([before, now])
    roles = {str(name): both[name].attrs.get("role", "") for name in now.variables}
    for name, role in sorted(roles.items(), key=lambda of: (of[0] != "error", of[1] != "delay")):
        if role in DECIDED or name == "warning":
            continue
        old, new = np.split(both[name].values, 2)
        same = old == new
        if role == "certified":
            same = new | ~old
        elif new.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                same = same | (np.isnan(old) & np.isnan(new)) | (np.abs(old - new) <= _slack(both, name) * np.abs(new))
        for place in np.flatnonzero(~same.reshape(len(same), -1).all(axis=1)).tolist():
            found[place] = found[place] or f"whose {name} is another today"
    return found


def _slack(both: xr.Dataset, name: str) -> Any:
    """Relative difference that is none: rounding, or what the certificates of both sides allow."""
    gap, certified = (both[name].attrs.get("ancillary_variables", "") + " ").split(" ")[:2]
    if not certified:
        return POLISHED
    return POLISHED + np.add(*np.split(np.where(both[certified].values, both[gap].values, 0.0), 2))
