"""The solver benchmark as the command's report, and its rows as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ....reference.errors import InputError
from ...frontend.report import File, Report
from ..report import Asked, machine, reported
from .compare import LIMIT, compare
from .row import Row
from .tables import error_table, summaries, summary_table


def report(asked: Asked) -> Iterator[Report]:
    """Ask all solvers; ``--out`` is a .csv or .nc file with one row a question."""
    path, limit = asked.out, LIMIT if asked.limit is None else asked.limit
    if path is not None and path.suffix not in (
        ".csv",
        ".nc",
    ):  # before the work what could not be written after it
        raise InputError(
            "--out",
            str(path),
            "is neither a .csv nor a .nc file",
            "give a name such as solvers.csv",
        )

    def said(rows: list[Row]) -> Report:
        files: list[File] = [] if path is None else [(str(path), lambda part: save(rows, part))]
        found = {"summary": summaries(rows), "rows": rows}
        return Report(found, [summary_table(rows), error_table(rows)], [files], name="")

    return reported(
        compare(sizes=_whole_numbers(asked.sizes), settings=asked.settings, limit=limit), said
    )


def _whole_numbers(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            "--sizes",
            text,
            "is not a list of whole numbers",
            "give numbers of servers such as 3,30,300",
        ) from None


def save(rows: Sequence[Row], path: Path) -> None:
    """Write one row a question, as CSV or NetCDF by the name of the file."""
    data = to_dataset(rows)
    if path.suffix == ".nc":
        data.to_netcdf(path, engine="scipy")
    else:
        data.to_dataframe().to_csv(path, index=False)


def to_dataset(rows: Sequence[Row]) -> xr.Dataset:
    """Return one variable a field of `Row`, over the dimension ``question``; the machine and versions are attributes."""
    plain = [row.to_dict() for row in rows]
    columns = {name: np.array([row[name] for row in plain]) for name in (plain[0] if plain else ())}
    # NetCDF 3 has neither booleans nor integers of 64 bits
    columns = {
        name: column.astype(np.int32) if column.dtype.kind in "bi" else column
        for name, column in columns.items()
    }
    attributes = {name.lower(): value for name, value in machine().items()}
    return xr.Dataset(
        {name: ("question", column) for name, column in columns.items()}, attrs=attributes
    )
