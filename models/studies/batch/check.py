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
from .rows import joined, row

DECIDED = ("gap", "bound", "price", "flow", "share", "part", "ratio")
"""Roles of variables that are not compared: what was decided, and what delays and certificates already tell of."""
SAID = ("error", "warning")


@dataclass(frozen=True, eq=False)
class Checked:
    """What was kept of a chunk, and which of its systems are to be solved again.

    Attributes
    ----------
    kept : sequence of Dataset
        A row of each system that is not.
    again : mapping
        Places in the chunk, and why.
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
    Of a kind whose questions cannot recall their answers (see `Question.recall`) the first system is solved again, and speaks for its chunk.
    """
    failed = stored["error"].values != ""
    again = dict.fromkeys(np.flatnonzero(failed).tolist(), "that failed before")
    looked: dict[int, xr.Dataset] = {}
    whole = True
    for place, (name, system, loads) in enumerate(chunk.each()):
        if place in again or (looked and not whole):
            continue
        kept = {str(key): variable.values[place] for key, variable in stored.variables.items() if variable.ndim and key != "system"}
        with recalling(kept) as recall:
            looked[place] = row(name, system, loads, chunk.how, relative=chunk.relative)
        whole = recall.whole
    changed = _changed(stored.isel(system=list(looked)), joined(list(looked.values())))
    again |= {place: why for place, why in zip(looked, changed, strict=True) if why}
    if not whole and changed[0]:  # one for all
        again |= dict.fromkeys(np.flatnonzero(~failed).tolist(), changed[0])
    sizes = {place: looked[place].sizes if place in looked else {} for place in range(len(chunk.names)) if place not in again}
    cut = [stored.isel(system=[i], **{str(d): slice(n) for d, n in sizes[i].items() if d != "system"}) for i in sizes]
    return Checked(cut if again else [stored], dict(sorted(again.items())))


def _changed(before: xr.Dataset, now: xr.Dataset) -> list[str]:
    """What differs first of each system, or ""."""
    both, changed = joined([before, now]), [""] * before.sizes["system"]
    for name in map(str, now.variables):
        role = both[name].attrs.get("role")
        if role in DECIDED or name in SAID:
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
