"""Report of the solver benchmark, and its rows as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ....reference.errors import InputError
from ...frontend.report import File, Report
from ..report import BenchOptions, machine, report_rows
from .compare import LIMIT, compare
from .row import Row
from .tables import error_table, summaries, summary_table

SUFFIXES = (".csv", ".nc")


def report(options: BenchOptions) -> Iterator[Report]:
    """Yield the report of all solvers; ``--out`` is a .csv or .nc file with one row a case."""
    path, limit = options.out, LIMIT if options.limit is None else options.limit
    # checked before the work, because the file is written after it
    if path is not None and path.suffix not in SUFFIXES:
        problem = "is neither a .csv nor a .nc file"
        raise InputError("--out", str(path), problem, "give a name such as solvers.csv")

    def to_report(rows: list[Row]) -> Report:
        files: list[File] = [] if path is None else [(str(path), lambda part: save(rows, part))]
        result = {"summary": summaries(rows), "rows": rows}
        return Report(result, [summary_table(rows), error_table(rows)], [files], name="")

    sizes = _as_sizes(options.sizes)
    return report_rows(compare(sizes=sizes, settings=options.settings, limit=limit), to_report)


def _as_sizes(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        problem, remedy = (
            "is not a list of whole numbers",
            "give numbers of servers such as 3,30,300",
        )
        raise InputError("--sizes", text, problem, remedy) from None


def save(rows: Sequence[Row], path: Path) -> None:
    """Write one row a case, as NetCDF or CSV by the suffix of the path."""
    data = to_dataset(rows)
    if path.suffix == ".nc":
        data.to_netcdf(path, engine="scipy")
    else:
        data.to_dataframe().to_csv(path, index=False)


def to_dataset(rows: Sequence[Row]) -> xr.Dataset:
    """Return a dataset of the fields of all rows.

    Parameters
    ----------
    rows : sequence of Row

    Returns
    -------
    xarray.Dataset
        One variable a field of `Row`, over the dimension ``question``; the machine and the versions
        of packages are attributes.
    """
    plain = [row.to_dict() for row in rows]
    columns = {name: np.array([row[name] for row in plain]) for name in (plain[0] if plain else ())}
    # NetCDF 3 has neither booleans nor 64-bit integers
    columns = {
        name: column.astype(np.int32) if column.dtype.kind in "bi" else column
        for name, column in columns.items()
    }
    attributes = {name.lower(): value for name, value in machine().items()}
    variables = {name: ("question", column) for name, column in columns.items()}
    return xr.Dataset(variables, attrs=attributes)
