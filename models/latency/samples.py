"""Samples of loads and latencies, from arrays or files, one row of them a server: read, and refused where no curve fits them."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, InputError
from ...reference.validation import as_floats, as_server_array, list_or_none, raise_at_first
from ..core.reading import read_table

COLUMNS = ("load", "latency")

Place = Callable[[str, int | None], str]
"""From a column and the place of a sample in it (None: all of it) to what a message calls it."""


def nested(given: Any) -> bool:
    """Whether there is a row of samples a server, not one of numbers."""
    if isinstance(given, np.ndarray) and given.ndim > 1:
        return True
    return any(list_or_none(item) is not None for item in list_or_none(given) or ())


def rows(field: str, given: Any) -> list[Array]:
    """Samples of each server."""
    if not nested(given):
        return [_row(field, given)]
    return [_row(f"{field}[{i}]", row) for i, row in enumerate(given)]


def _row(field: str, given: Any) -> Array:
    row = as_floats(field, given)
    if row.ndim != 1:
        raise InputError(field, given, "is not a row of numbers", "give one number a sample")
    return row


def places(server: int | None) -> Place:
    """What messages call the samples of a server, of one alone by default."""
    which = "" if server is None else f"[{server}]"
    return lambda column, k: f"{column}{which}" if k is None else f"{column}{which}[{k}]"


def check_samples(load: Array, latency: Array, place: Place) -> None:
    """Raise InputError on samples that no curve can be fitted to."""
    if not load.size:
        raise InputError(
            place("load", None), [], "there is no sample", "give samples at three loads or more"
        )
    if latency.size != load.size:
        problem = f"has {latency.size} values where {place('load', None)} has {load.size}"
        raise InputError(
            place("latency", None), latency.tolist(), problem, "give one latency for every load"
        )
    _refuse("load", load, np.isfinite(load), "is not finite", "give a finite number", place)
    _refuse("load", load, load >= 0, "a load cannot be negative", "give 0 or more", place)
    _refuse(
        "latency", latency, np.isfinite(latency), "is not finite", "give a finite number", place
    )
    _refuse(
        "latency",
        latency,
        latency > 0,
        "a latency is above 0",
        "give a positive number, or leave the sample out",
        place,
    )
    if (distinct := np.unique(load)).size < 3:
        problem = (
            f"has {distinct.size} different load{'s' * (distinct.size > 1)}, too few for a curve"
        )
        raise InputError(
            place("load", None), distinct.tolist(), problem, "give samples at three loads or more"
        )


def _refuse(
    column: str, values: Array, good: npt.NDArray[np.bool_], problem: str, remedy: str, place: Place
) -> None:
    """Raise InputError at the first value that is not good."""
    for k in np.flatnonzero(~good):
        raise InputError(place(column, int(k)), values[k], problem, remedy)


def check_delay(given: Any, latencies: list[Array]) -> Array:
    """Delay of each server."""
    delay = _one_each("delay", given, len(latencies))
    raise_at_first("delay", delay, delay >= 0, "a delay cannot be negative", "give 0 or more")
    middle = np.array([np.median(y) for y in latencies])
    raise_at_first(
        "delay",
        delay,
        delay < middle,
        "is as long as half of the latencies of its server",
        "give less: it is a part of them all",
    )
    return delay


def check_capacity(given: Any, n: int) -> Array:
    """Capacity of each of n servers."""
    capacity = _one_each("capacity", given, n)
    raise_at_first(
        "capacity",
        capacity,
        capacity > 0,
        "is not above 0",
        "give a load, or leave it out: it is then the largest sample",
    )
    return capacity


def _one_each(field: str, given: Any, n: int) -> Array:
    """One finite number for each of n servers."""
    array = as_server_array(field, given, n)
    raise_at_first(field, array, np.isfinite(array), "is not finite", "give a finite number")
    return array


def read(path: Any, columns: Mapping[str, str] | None = None) -> list[Array]:
    """Columns of a file of samples, by the names of its columns; a row with an empty cell in one of them is skipped, with a warning."""
    given = {} if columns is None else columns
    if not isinstance(given, Mapping) or not all(
        field in COLUMNS and isinstance(column, str) for field, column in given.items()
    ):
        raise InputError(
            "columns",
            columns,
            f"does not say the column of {' or '.join(COLUMNS)}",
            'give {"load": "rps", "latency": "p50"}',
        )
    named = {**dict(zip(COLUMNS, COLUMNS, strict=True)), **given}
    header, rows = read_table(
        path,
        "path",
        "give a CSV file of samples, its columns named in the first line",
        list(named.values()),
    )
    for name in named.values():
        if name not in header:
            near = difflib.get_close_matches(name, header, 1)
            remedy = (
                f"did you mean {near[0]}?"
                if near
                else "name the columns in the first line, with commas between; or say columns="
            )
            raise InputError(f"{path}, row 1", ",".join(header), f"has no column {name}", remedy)
    at = {column: header.index(named[column]) for column in COLUMNS}
    empty = {
        column: {k for k, (_, row) in enumerate(rows) if i < len(row) and not row[i].strip()}
        for column, i in at.items()
    }
    skipped = set().union(*empty.values())
    if skipped:
        where = " and ".join(named[column] for column, its in empty.items() if its)
        warnings.warn(
            f"{path}: {len(skipped)} of {len(rows)} rows are skipped: an empty cell in column {where}",
            stacklevel=4,
        )
    kept = [row for k, row in enumerate(rows) if k not in skipped]

    def place(column: str, k: int | None) -> str:
        return (
            f"{path}, column {named[column]}"
            if k is None
            else f"{path}, row {kept[k][0]}, column {named[column]}"
        )

    read = [_column(column, [row[i:] for _, row in kept], place) for column, i in at.items()]
    check_samples(read[0], read[1], place)
    return read


def _column(name: str, cells: list[list[str]], place: Place) -> Array:
    """Numbers at the head of rows of cells."""
    out = np.zeros(len(cells))
    for k, row in enumerate(cells):
        try:
            out[k] = float(row[0])
        except (IndexError, ValueError):
            raise InputError(
                place(name, k),
                row[0] if row else "",
                "is not a number",
                "give a number, or leave the row out",
            ) from None
    return out


def pairs(loads: Sequence[Array], latencies: Sequence[Array]) -> npt.NDArray[np.object_]:
    """One (load, latency) a server, that a bank can take servers from."""
    out = np.empty(len(loads), dtype=object)
    for i, pair in enumerate(zip(loads, latencies, strict=True)):
        out[i] = pair
    return out
