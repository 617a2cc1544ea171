"""The solver benchmark as an `xarray.Dataset`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import fields

import cvxpy as cp
import numpy as np
import xarray as xr

from .row import Row


def to_dataset(rows: Sequence[Row]) -> xr.Dataset:
    """Return one variable a field of `Row`, over the dimension ``question``; the machine and versions are attributes."""
    names = [field.name for field in fields(Row)] + ["claimed", "right", "false_claim"]
    table = [row.to_dict() for row in rows]
    data = xr.Dataset({name: ("question", _column([row[name] for row in table])) for name in names})
    return data.assign_attrs(machine=platform.machine(), python=platform.python_version(), numpy=np.__version__, cvxpy=cp.__version__)


def _column(values: list[str | int | float | bool]) -> np.ndarray:
    array = np.array(values)
    # NetCDF 3 has neither booleans nor integers of 64 bits
    return array.astype(np.int32) if array.dtype.kind in "bi" else array
