"""Samples of loads and latencies from arrays or files, one row per server, and their checks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, InputError
from ...reference.plural import counted
from ...reference.validation import as_floats, as_server_array, list_or_none, raise_at_first
from ..core.reading import read_table
from ..core.suggest import suggest

COLUMNS = ("load", "latency")
FILE_REMEDY = "give a CSV file of samples, its columns named in the first line"

# From a column and the index of a sample in it (None: the whole column) to its name in an error.
SampleName = Callable[[str, int | None], str]


def is_nested(samples: Any) -> bool:
    """Return whether the samples are a row per server, not one row of numbers."""
    if isinstance(samples, np.ndarray) and samples.ndim > 1:
        return True
    return any(list_or_none(row) is not None for row in list_or_none(samples) or ())


def rows(field: str, samples: Any) -> list[Array]:
    """Return the samples of each server, of shapes (m,)."""
    if not is_nested(samples):
        return [_row(field, samples)]
    return [_row(f"{field}[{i}]", row) for i, row in enumerate(samples)]


def _row(field: str, samples: Any) -> Array:
    row = as_floats(field, samples)
    if row.ndim != 1:
        raise InputError(field, samples, "is not a row of numbers", "give one number per sample")
    return row


def sample_names(server: int | None) -> SampleName:
    """Return the names of samples in errors; `server` is None if there is one row only."""
    row = "" if server is None else f"[{server}]"
    return lambda column, k: f"{column}{row}" if k is None else f"{column}{row}[{k}]"


def check_samples(load: Array, latency: Array, name: SampleName) -> None:
    """Raise InputError if no curve can be fitted to the samples of a server, each of shape (m,)."""
    if not load.size:
        remedy = "give samples at three loads or more"
        raise InputError(name("load", None), [], "there is no sample", remedy)
    if latency.size != load.size:
        problem = f"has {counted(latency.size, 'value')} where {name('load', None)} has {load.size}"
        remedy = "give one latency for every load"
        raise InputError(name("latency", None), latency.tolist(), problem, remedy)
    finite = "is not finite", "give a finite number"
    _check_column("load", load, np.isfinite(load), *finite, name)
    _check_column("load", load, load >= 0, "a load cannot be negative", "give 0 or more", name)
    _check_column("latency", latency, np.isfinite(latency), *finite, name)
    remedy = "give a positive number, or leave the sample out"
    _check_column("latency", latency, latency > 0, "a latency is above 0", remedy, name)
    loads = np.unique(load)
    if loads.size < 3:
        problem = f"has {counted(loads.size, 'different load')}, too few for a curve"
        remedy = "give samples at three loads or more"
        raise InputError(name("load", None), loads.tolist(), problem, remedy)


def _check_column(
    column: str,
    values: Array,
    valid: npt.NDArray[np.bool_],
    problem: str,
    remedy: str,
    name: SampleName,
) -> None:
    """Raise InputError at the first value that is not valid."""
    for k in np.flatnonzero(~valid):
        raise InputError(name(column, int(k)), values[k], problem, remedy)


def check_delay(given: Any, latencies: list[Array]) -> Array:
    """Return the delay of each server, shape (n,): below the median latency of its samples."""
    delay = _server_array("delay", given, len(latencies))
    raise_at_first("delay", delay, delay >= 0, "a delay cannot be negative", "give 0 or more")
    median = np.array([np.median(latency) for latency in latencies])
    problem = "is as long as half of the latencies of its server"
    remedy = "give less: it is a part of them all"
    raise_at_first("delay", delay, delay < median, problem, remedy)
    return delay


def check_capacity(given: Any, n: int) -> Array:
    """Return the capacity of each of n servers, shape (n,)."""
    capacity = _server_array("capacity", given, n)
    remedy = "give a load, or leave it out: it is then the largest sample"
    raise_at_first("capacity", capacity, capacity > 0, "is not above 0", remedy)
    return capacity


def _server_array(field: str, given: Any, n: int) -> Array:
    """Return one finite number for each of n servers, shape (n,)."""
    array = as_server_array(field, given, n)
    raise_at_first(field, array, np.isfinite(array), "is not finite", "give a finite number")
    return array


def read(path: Any, columns: Mapping[str, str] | None = None) -> list[Array]:
    """Return the loads and the latencies in a file, each of shape (m,).

    A row with an empty cell in one of the two columns is skipped, with a warning. `columns` maps
    ``"load"`` and ``"latency"`` to the names of their columns where these differ.
    """
    headings = _headings(columns)
    header, table = read_table(path, "path", FILE_REMEDY, list(headings.values()))
    for heading in headings.values():
        if heading not in header:
            remedy = "name the columns in the first line, with commas between; or say columns="
            hint = suggest(heading, header, remedy)
            raise InputError(f"{path}, row 1", ",".join(header), f"has no column {heading}", hint)
    position = {column: header.index(headings[column]) for column in COLUMNS}
    skipped = _rows_with_empty_cells(path, table, headings, position)
    kept = [row for k, row in enumerate(table) if k not in skipped]

    def name(column: str, k: int | None) -> str:
        row = "" if k is None else f", row {kept[k][0]}"
        return f"{path}{row}, column {headings[column]}"

    cells = {column: [row[i : i + 1] for _, row in kept] for column, i in position.items()}
    load, latency = (_floats(column, cells[column], name) for column in COLUMNS)
    check_samples(load, latency, name)
    return [load, latency]


def _headings(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the heading of each of `COLUMNS` in a file."""
    given = {} if columns is None else columns
    if not isinstance(given, Mapping) or not all(
        column in COLUMNS and isinstance(heading, str) for column, heading in given.items()
    ):
        problem = f"does not say the column of {' or '.join(COLUMNS)}"
        raise InputError("columns", columns, problem, 'give {"load": "rps", "latency": "p50"}')
    return {**dict(zip(COLUMNS, COLUMNS, strict=True)), **given}


def _rows_with_empty_cells(
    path: Any,
    table: list[tuple[int, list[str]]],
    headings: Mapping[str, str],
    position: Mapping[str, int],
) -> set[int]:
    """Return the indices of the rows to skip, after a warning that counts them."""
    empty = {
        column: {k for k, (_, row) in enumerate(table) if i < len(row) and not row[i].strip()}
        for column, i in position.items()
    }
    skipped = set().union(*empty.values())
    if skipped:
        where = " and ".join(headings[column] for column, indices in empty.items() if indices)
        warnings.warn(
            f"{path}: {len(skipped)} of {len(table)} rows are skipped: "
            f"an empty cell in column {where}",
            stacklevel=5,
        )
    return skipped


def _floats(column: str, cells: list[list[str]], name: SampleName) -> Array:
    """Return the numbers in a column, whose cells are lists of one text, or of none if missing."""
    values = np.zeros(len(cells))
    for k, cell in enumerate(cells):
        try:
            values[k] = float(cell[0])
        except (IndexError, ValueError):
            text, remedy = cell[0] if cell else "", "give a number, or leave the row out"
            raise InputError(name(column, k), text, "is not a number", remedy) from None
    return values


def pairs(loads: Sequence[Array], latencies: Sequence[Array]) -> npt.NDArray[np.object_]:
    """Return one (load, latency) per server as an array of shape (n,), which a bank can index."""
    out = np.empty(len(loads), dtype=object)
    for i, pair in enumerate(zip(loads, latencies, strict=True)):
        out[i] = pair
    return out
