"""Which of the answers that a study kept are those of today's systems, code and data, told without a solver where questions recall theirs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...core.stored import use_stored_answers
from ...core.tolerance import POLISHED
from .question import Chunk
from .rows import Cells, joined, nothing, take

DECIDED = ("gap", "bound", "price", "flow", "share", "part", "ratio")
"""Roles of variables that are not compared: what was decided, and what delays and certificates tell of."""


def check(chunk: Chunk, stored: xr.Dataset) -> tuple[xr.Dataset, dict[int, str]]:
    """Return what is good of the rows of a chunk, and the places of the systems to be solved again, with the reason.

    The curve of each system is taken with the decisions that were kept: its delays, its certificates and what else it has are computed anew.
    Where a question cannot recall its answers (see `Question.certify_stored`) the system is solved, and speaks for the rest of its chunk.
    """
    failed = stored["error"].values != ""
    again, sizes = (
        dict.fromkeys(np.flatnonzero(failed).tolist(), "that failed before"),
        dict[int, dict[Any, Any]](),
    )
    good = [(place, *one[1:]) for place, one in enumerate(chunk.each()) if place not in again]
    for place, system, loads in good:
        kept = {str(name): (v.dims[1:], v.values[place]) for name, v in stored.variables.items()}
        with use_stored_answers({name: values for name, (_, values) in kept.items()}) as recall:
            now = take(system, loads, chunk.options, relative=chunk.relative)
        cells = now.coords | now.data
        units = (
            f"whose {key} is another today"
            for key, value in now.attrs.items()
            if stored.attrs.get(key) != value
        )
        why = "that fail today" if now.error else next(units, "") or _difference(kept, cells)
        if why:
            again[place] = why
        sizes[place] = {
            d: slice(n)
            for dims, values, _ in cells.values()
            for d, n in zip(dims, values.shape, strict=True)
        }
        if not recall.whole and not now.error:
            again |= {other: why for other, *_ in good if other not in sizes and why}
            break
    if not again:
        return stored, again
    # without what only larger systems have room for
    rows = [
        stored.isel({**sizes.get(place, {}), "system": [place]})
        for place, *_ in good
        if place not in again
    ]
    return joined(rows), again


def _difference(
    kept: Mapping[str, tuple[tuple[Hashable, ...], npt.NDArray[Any]]], now: Cells
) -> str:
    """What differs first, the delays before the rest; or ""."""
    for name, (dims, new, attrs) in sorted(
        now.items(), key=lambda cell: cell[1][2].get("role") != "delay"
    ):
        role = attrs.get("role")
        if role in DECIDED:
            continue
        if (
            name not in kept
            or kept[name][0] != dims
            or any(n > m for n, m in zip(new.shape, kept[name][1].shape, strict=True))
        ):
            return f"whose {name} is of another form today"
        old = kept[name][1]
        whole = np.full(old.shape, nothing(role, new.dtype), new.dtype)
        whole[tuple(slice(n) for n in new.shape)] = new
        same = old == whole
        if role == "certified":
            same = whole | ~old
        elif new.dtype.kind == "f":
            gap, certified = ([*attrs.get("ancillary_variables", "").split(" "), ""])[:2]
            slack: Any = POLISHED
            if certified:  # what the certificates of both sides allow
                slack = (
                    slack
                    + np.where(kept[certified][1], kept[gap][1], 0.0)
                    + np.where(now[certified][1], now[gap][1], 0.0)
                )
            with np.errstate(invalid="ignore"):
                same = (
                    same
                    | (np.isnan(old) & np.isnan(whole))
                    | (np.abs(old - whole) <= slack * np.abs(whole))
                )
        if not np.all(same):
            return f"whose {name} is another today"
    return ""
