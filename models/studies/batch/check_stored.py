"""Check of the stored rows of a study against the systems, code and data of today.

Delays and certificates are computed anew from the stored decisions, without a solver, where the
questions of the systems can do that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...core.stored import NotStoredError, StoredAnswers
from ...core.together import Cells
from ...core.tolerance import POLISHED
from .records import AskedSystem, SystemRecord, has_plan, solve_records
from .rows import Rows, missing_value, stack
from .spec import Chunk

NOT_COMPARED = ("gap", "bound", "price", "flow", "each", "share", "part", "ratio")
"""Roles of decisions, and of what follows from the compared delays and certificates."""

Stored = Mapping[str, tuple[tuple[Hashable, ...], npt.NDArray[Any]]]
"""Dimensions and values by name of variable, for one system."""


def check_stored(chunk: Chunk, stored: xr.Dataset) -> tuple[Rows, dict[int, str]]:
    """Return the stored rows that are valid today, and the reasons of those that are not.

    The curve of each system is taken with the stored decisions. Of the systems whose questions
    cannot recall them (see `sojourn.models.core.question.Question.certify_stored`) the first one is
    solved again instead, and its result decides for those after it.

    Parameters
    ----------
    chunk : Chunk
    stored : xarray.Dataset
        Rows of all systems of the chunk.

    Returns
    -------
    valid : Rows
    reasons : dict
        From the place in the chunk of each system to be solved again to the reason, a clause such
        as ``"that failed before"``.
    """
    failed = np.flatnonzero(stored["error"].values != "").tolist()
    reasons: dict[int, str] = dict.fromkeys(failed, "that failed before")
    columns = {str(name): (v.dims[1:], v.values) for name, v in stored.variables.items()}
    kept = {
        place: {name: (dims, values[place]) for name, (dims, values) in columns.items()}
        for place in range(len(chunk.names))
        if place not in reasons
    }
    found, sizes, decided = dict[int, str](), dict[int, dict[Any, Any]](), ""
    for place, today in _records_of_today(chunk, kept):
        decided = found[place] = _reason(kept[place], stored.attrs, today)
        sizes[place] = {
            dim: slice(n)
            for dims, values, _ in (today.coords | today.data).values()
            for dim, n in zip(dims, values.shape, strict=True)
        }
    reasons |= {place: why for place in kept if (why := found.get(place, decided))}
    if not reasons:
        return Rows.of(stored), reasons
    # cut each row to its own size: the padding may be that of a larger system which is dropped
    rows = [
        Rows.of(stored.isel({**sizes.get(place, {}), "system": [place]}))
        for place in kept
        if place not in reasons
    ]
    return stack(rows), reasons


def _records_of_today(
    chunk: Chunk, kept: Mapping[int, Stored]
) -> Iterator[tuple[int, SystemRecord]]:
    """Yield places and records of systems, taken from the stored rows where that is possible.

    Of the systems that need a solver, those after the first one that it solves are left out.
    """
    items = {place: item for place, item in enumerate(chunk.items()) if place in kept}
    solve = partial(solve_records, options=chunk.options, relative=chunk.relative)

    def asked(place: int, *, strict: bool = False) -> AskedSystem:
        answers = {name: values for name, (_, values) in kept[place].items()}
        return AskedSystem(place, *items[place][1:], StoredAnswers(answers, strict))

    forgotten = [place for place, (_, system, _) in items.items() if not has_plan(system)]
    for item, today in solve([asked(p, strict=True) for p in items if p not in forgotten]):
        if isinstance(today.exception, NotStoredError):
            forgotten.append(item.place)
        else:
            yield item.place, today
    for item in map(asked, sorted(forgotten)):
        for _, today in solve([item]):
            yield item.place, today
            if item.stored is not None and not item.stored.whole and today.exception is None:
                return


def _reason(stored: Stored, attrs: Mapping[Any, Any], today: SystemRecord) -> str:
    """Reason to solve a system again, as a clause; "" where its stored row is valid."""
    if today.error:
        return "that fail today"
    for key, value in today.attrs.items():
        if attrs.get(key) != value:
            return f"whose {key} differs today"
    return _difference(stored, today.coords | today.data)


def _difference(stored: Stored, today: Cells) -> str:
    """First difference as a clause, delays before other variables; "" where there is none."""
    for name, (dims, values, attrs) in _delays_first(today):
        role = attrs.get("role")
        if role in NOT_COMPARED:
            continue
        if name not in stored or not _fits(dims, values, *stored[name]):
            return f"whose {name} has other dimensions today"
        old = stored[name][1]
        new = np.full(old.shape, missing_value(role, values.dtype), values.dtype)
        new[tuple(slice(n) for n in values.shape)] = values
        same = old == new
        if role == "certified":
            same = new | ~old
        elif values.dtype.kind == "f":
            tolerance = _tolerance(attrs.get("ancillary_variables", ""), stored, today)
            with np.errstate(invalid="ignore"):
                close = np.abs(old - new) <= tolerance * np.abs(new)
            same = same | (np.isnan(old) & np.isnan(new)) | close
        if not np.all(same):
            return f"whose {name} differs today"
    return ""


def _delays_first(cells: Cells) -> Iterator[tuple[str, Any]]:
    yield from sorted(cells.items(), key=lambda cell: cell[1][2].get("role") != "delay")


def _fits(
    dims: tuple[str, ...],
    values: npt.NDArray[Any],
    stored_dims: tuple[Hashable, ...],
    stored_values: npt.NDArray[Any],
) -> bool:
    """Whether values fit into the stored ones, which may be padded."""
    return stored_dims == dims and all(
        n <= m for n, m in zip(values.shape, stored_values.shape, strict=True)
    )


def _tolerance(ancillary: str, stored: Stored, today: Cells) -> Any:
    """Relative difference that rounding and the certificates of both sides allow."""
    gap, certified = ([*ancillary.split(" "), ""])[:2]
    if not certified:
        return POLISHED
    before = np.where(stored[certified][1], stored[gap][1], 0.0)
    after = np.where(today[certified][1], today[gap][1], 0.0)
    return POLISHED + before + after
