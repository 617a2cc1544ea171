"""Which of the answers that a study kept are those of today's systems and code: decided without a solver where the kind allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...core.recall import recalling
from ...core.table import Mask
from ...core.wanted import POLISHED
from .question import Chunk
from .rows import form, joined, row

DECIDED = ("gap", "bound", "price", "flow", "share", "part", "ratio")
"""Roles of variables that are not compared: what was decided, and what delays and certificates tell of."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What was kept of a chunk, and which of its systems are to be solved again.

    Attributes
    ----------
    kept : sequence of Dataset
        A row of each system that is not; all of them as one where none is.
    again : mapping
        Places in the chunk of those that are, and why.
    """

    kept: list[xr.Dataset]
    again: Mapping[int, str]

    def with_solved(self, rows: xr.Dataset) -> xr.Dataset:
        """Return the whole chunk, each system in its place."""
        kept, solved = iter(self.kept), iter([rows.isel(system=[i]) for i in range(rows.sizes["system"])])
        return joined([next(solved if i in self.again else kept) for i in range(len(self.kept) + len(self.again))])


def check(chunk: Chunk, stored: xr.Dataset) -> Checked:
    """Hold the rows of a chunk against its systems.

    The curve of each system is taken with the decisions that were kept: its delays, its certificates and what else it has are computed anew.
    Where a question cannot recall its answers (see `Question.recall`) the system is solved, and speaks for the rest of its chunk.
    """
    failed = stored["error"].values != ""
    again, looked = dict.fromkeys(np.flatnonzero(failed).tolist(), "that failed before"), dict[int, xr.Dataset]()
    good = [(place, *one) for place, one in enumerate(chunk.each()) if place not in again]
    for place, name, system, loads in good:
        kept = {str(key): variable.values[place] for key, variable in stored.variables.items()}
        with recalling(kept) as recall:
            looked[place] = row(name, system, loads, chunk.how, relative=chunk.relative)
        if not recall.whole and not looked[place]["error"].item():
            break
    changed = _changed(stored.isel(system=list(looked)), joined(list(looked.values())))
    again |= {place: why for place, why in zip(looked, changed, strict=True) if why}
    if changed and changed[-1]:
        again |= {place: changed[-1] for place, *_ in good if place not in looked}
    if not again:
        return Checked([stored], {})
    sizes = {place: looked[place].sizes if place in looked else {} for place, *_ in good if place not in again}
    kept = [stored.isel(system=[i], **{str(d): slice(n) for d, n in size.items() if d != "system"}) for i, size in sizes.items()]
    return Checked(kept, dict(sorted(again.items())))


def _changed(before: xr.Dataset, now: xr.Dataset) -> list[str]:
    """What differs first of each system, or ""."""
    if not before.sizes["system"]:
        return []
    changed, forms = [""] * before.sizes["system"], form(before)
    for name, one in form(now).items():
        if forms.get(name, one) != one:
            return [f"whose {name} is of another form today"] * len(changed)
    both = joined([before, now])
    roles = {str(name): both[name].attrs.get("role", "") for name in now.variables}
    for name, role in sorted(roles.items(), key=lambda of: (of[0] != "error", of[1] != "delay")):
        if role in DECIDED or name == "warning":
            continue
        old, new = np.split(both[name].values, 2)
        alike = _close(old, new, _slack(both, name)) if new.dtype.kind == "f" else (new | ~old) if role == "certified" else old == new
        for place in np.flatnonzero(~alike.reshape(len(alike), -1).all(axis=1)).tolist():
            changed[place] = changed[place] or f"whose {name} is another today"
    return changed


def _close(old: npt.NDArray[Any], new: npt.NDArray[Any], slack: Any) -> Mask:
    with np.errstate(invalid="ignore"):
        return (old == new) | (np.isnan(old) & np.isnan(new)) | (np.abs(old - new) <= slack * np.abs(new))


def _slack(both: xr.Dataset, name: str) -> Any:
    """Relative difference that is none: rounding, or what the certificates of both sides allow."""
    gap, certified = (both[name].attrs.get("ancillary_variables", "") + " ").split(" ")[:2]
    if not certified:
        return POLISHED
    sure, gaps = both[certified].values, both[gap].values
    return POLISHED + np.add(*np.split(np.where(sure, gaps, 0.0), 2))
