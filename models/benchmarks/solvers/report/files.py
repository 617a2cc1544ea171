"""The rows of a run as CSV, JSON and NetCDF."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ....frontend.tables import as_json, plain
from ..row import Row


def to_dataset(rows: Sequence[Row], metadata: Mapping[str, Any]) -> xr.Dataset:
    """Return a dataset of the fields of all rows.

    Parameters
    ----------
    rows : sequence of Row
    metadata : mapping
        Machine, versions, settings and limits of the run.

    Returns
    -------
    xarray.Dataset
        One variable a field of `Row`, over the dimension ``question``; the metadata are attributes,
        as JSON where they are neither texts nor numbers.
    """
    found = [row.to_dict() for row in rows]
    columns = {name: np.array([row[name] for row in found]) for name in (found[0] if found else ())}
    # NetCDF 3 has neither booleans nor 64-bit integers
    columns = {
        name: column.astype(np.int32) if column.dtype.kind in "bi" else column
        for name, column in columns.items()
    }
    variables = {name: ("question", column) for name, column in columns.items()}
    return xr.Dataset(variables, attrs={str(k): _attribute(v) for k, v in metadata.items()})


def _attribute(value: Any) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return json.dumps(plain(value), default=str)
    return value


def _to_json(rows: Sequence[Row], metadata: Mapping[str, Any], path: Path) -> None:
    # JSON has neither NaN nor inf: null stands for NaN, and a text for inf
    plain_rows = [
        {name: "inf" if value == math.inf else value for name, value in row.to_dict().items()}
        for row in rows
    ]
    found = {"metadata": dict(metadata), "rows": plain_rows}
    path.write_text(as_json(found), encoding="utf-8")


def _to_csv(rows: Sequence[Row], metadata: Mapping[str, Any], path: Path) -> None:
    to_dataset(rows, metadata).to_dataframe().to_csv(path, index=False)


def _to_netcdf(rows: Sequence[Row], metadata: Mapping[str, Any], path: Path) -> None:
    to_dataset(rows, metadata).to_netcdf(path, engine="scipy")


FORMATS: Mapping[str, Callable[[Sequence[Row], Mapping[str, Any], Path], None]] = {
    ".csv": _to_csv,
    ".json": _to_json,
    ".nc": _to_netcdf,
}
"""Functions that write all rows, by the ending of the file; JSON and NetCDF have the metadata."""


def save(rows: Sequence[Row], metadata: Mapping[str, Any], path: Path) -> None:
    """Write one row a cell, in the format of `FORMATS` that the ending of the path names."""
    FORMATS[path.suffix](rows, metadata, path)
