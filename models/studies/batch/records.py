"""Record of one system: its curve, or its error; and records of different sizes joined into one."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, LoadError
from ...core.progress import no_progress
from ...core.system import System

LONGEST = 500
"""Characters of an error or a warning that are kept: a text column is as wide as its longest."""
KEPT_WARNINGS = (UserWarning, RuntimeWarning)
"""Other categories are for programmers and depend on what the process has imported before."""
_capture_lock = threading.RLock()
"""`warnings.catch_warnings` acts on the whole process; a Dask worker may have several threads."""

Cells = dict[str, tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]]
"""Dimensions, values and attributes by name of variable, for one system."""


@dataclass(frozen=True, eq=False)
class SystemRecord:
    """Curve of one system, or its error.

    Attributes
    ----------
    data, coords : dict
        Variables and coordinates; the dimension of the loads is ``point``.
    attrs : mapping of str to str
    error : str
        Type and message of the exception that the curve raised; "" where it raised none.
    warning : str
        Messages of the warnings of the curve, separated by "; ".
    """

    data: Cells
    coords: Cells
    attrs: Mapping[str, str]
    error: str
    warning: str


def record_dataset(
    name: str, system: System, loads: Array, options: Mapping[str, Any], *, relative: bool
) -> xr.Dataset:
    """Return the record of one system with a dimension ``system`` of size 1; see `solve_record`."""
    record = solve_record(system, loads, options, relative=relative)
    data, coords = (
        {key: (("system", *dims), values[None], attrs) for key, (dims, values, attrs) in c.items()}
        for c in (record.data, record.coords)
    )
    texts = {key: ("system", np.array([getattr(record, key)])) for key in ("error", "warning")}
    return xr.Dataset(data | texts, {"system": [name], **coords}, record.attrs)


def solve_record(
    system: System, loads: Array, options: Mapping[str, Any], *, relative: bool
) -> SystemRecord:
    """Solve the curve of one system and return its record.

    Parameters
    ----------
    system : System
    loads : ndarray, shape (K,)
        Jobs per unit of time; fractions of the largest load where `relative`.
    options : mapping
        Options of the ``curve`` method of the system.
    relative : bool
    """
    error, curve = "", xr.Dataset()
    points = np.full(loads.size, np.nan) if relative else loads
    with _captured_warnings() as messages:
        try:
            points = _absolute(system, loads) if relative else loads
            # a copy has no compiled programs: an answer must not depend on earlier questions
            curve = copy.copy(system).curve(points, **options)
        except Exception as problem:  # any failure of one system must not stop the others
            error = f"{type(problem).__name__}: {problem}"
    # numeric attributes become variables, because each system has its own values
    data = {str(key): _cell(variable) for key, variable in curve.data_vars.items()}
    data |= {
        key: (_attribute_dims(key, value), np.array(value, dtype=np.float64), {})
        for key, value in curve.attrs.items()
        if not isinstance(value, str)
    }
    coords = {
        f"{key}_name" if key in curve.dims and key != "load" else str(key): _cell(coord)
        for key, coord in curve.coords.items()
    }
    coords = {"load": (("point",), points, {}), **coords}
    attrs = {key: value for key, value in curve.attrs.items() if isinstance(value, str)}
    return SystemRecord(data, coords, attrs, *map(_storable, (error, "; ".join(messages))))


def _absolute(system: System, fractions: Array) -> Array:
    if not np.isfinite(system.max_load):
        problem = "are parts of the largest load, which is infinite"
        raise LoadError("loads", fractions.tolist(), problem, "give absolute loads")
    out: Array = fractions * system.max_load
    return out


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """Collect the messages of warnings, each once, and show no progress bar."""
    messages: list[str] = []
    with _capture_lock, no_progress(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield messages
        finally:
            kept = (str(w.message) for w in caught if issubclass(w.category, KEPT_WARNINGS))
            messages.extend(dict.fromkeys(kept))


def _storable(text: str) -> str:
    """Return a text that NetCDF can hold: bounded, valid UTF-8, without null characters."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")


def _cell(variable: xr.DataArray) -> tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]:
    dims = tuple("point" if dim == "load" else str(dim) for dim in variable.dims)
    return dims, variable.values, dict(variable.attrs)


def _attribute_dims(key: str, value: Any) -> tuple[str, ...]:
    """Dimension of a numeric attribute: none, the servers for thresholds, else one of its own."""
    if np.ndim(value) == 0:
        return ()
    return ("server",) if key.endswith("_thresholds") else (key.removesuffix("_loads"),)


def concatenate(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the systems of all datasets, one after the other.

    Variables that a system lacks, and servers, stages or modes beyond its own, hold the
    `missing_value`.
    """
    datasets = [data for data in datasets if data.sizes["system"]]
    if not datasets:
        return xr.Dataset(coords={"system": np.empty(0, np.str_)})
    sizes = {"system": sum(data.sizes["system"] for data in datasets)}
    for dim in sorted({str(dim) for data in datasets for dim in data.dims} - {"system"}):
        sizes[dim] = max(data.sizes.get(dim, 0) for data in datasets)
    # sorted by name: files keep no other order, and a study read back must equal the one written
    variables = {
        name: _padded_variable(name, datasets, sizes)
        for name in sorted({str(name) for data in datasets for name in data.variables})
    }
    coords = {str(name) for data in datasets for name in data.coords}
    attrs = {key: value for data in reversed(datasets) for key, value in data.attrs.items()}
    return xr.Dataset(
        {name: variable for name, variable in variables.items() if name not in coords},
        {name: variable for name, variable in variables.items() if name in coords},
        attrs,
    )


def _padded_variable(
    name: str, datasets: Sequence[xr.Dataset], sizes: Mapping[str, int]
) -> xr.Variable:
    """One variable of all datasets, each padded at its end to the common size."""
    variables = [data.variables.get(name) for data in datasets]
    given = [variable for variable in variables if variable is not None]
    arrays = [None if v is None else _text_as_str(v.values) for v in variables]
    dtype = np.result_type(*(array.dtype for array in arrays if array is not None))
    attrs = next((variable.attrs for variable in given if variable.attrs), {})
    dims = given[0].dims
    out = np.full([sizes[str(d)] for d in dims], missing_value(attrs.get("role"), dtype), dtype)
    start = 0
    for data, array in zip(datasets, arrays, strict=True):
        stop = start + data.sizes["system"]
        if array is not None:
            out[(slice(start, stop), *(slice(n) for n in array.shape[1:]))] = array
        start = stop
    return xr.Variable(dims, out, attrs)


def schema(data: xr.Dataset) -> dict[str, tuple[tuple[Hashable, ...], str]]:
    """Return dimensions and kind of each variable, which datasets must share to be joined."""
    return {
        str(name): (v.dims, "U" if v.dtype.kind in "OSUT" else v.dtype.kind)
        for name, v in data.variables.items()
    }


def _text_as_str(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return text, which files give back as objects, as NumPy strings."""
    return values.astype(np.str_) if values.dtype.kind in "OSUT" else values


def missing_value(role: str | None, dtype: np.dtype[Any]) -> Any:
    """Return inf for a gap, NaN for another number, False or ""."""
    if dtype.kind == "f":
        return np.inf if role == "gap" else np.nan
    return dtype.type()
