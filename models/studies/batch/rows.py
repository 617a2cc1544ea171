"""One system's curve as a row of a study, an error where it has none; rows of systems of different sizes one under the other."""

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

LONGEST = 500  # letters of an error or a warning that are kept: a table of text is as wide as its longest entry
SAID = (
    UserWarning,
    RuntimeWarning,
)  # not what concerns programmers: it would depend on what a process has imported before
_one_at_a_time = (
    threading.RLock()
)  # warnings are caught for a whole process, and a Dask worker may have several threads


Cells = dict[str, tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]]
"""Dimensions, values and attributes of each variable that one system has in a study."""


@dataclass(frozen=True, eq=False)
class Taken:
    """One system's curve, or the error that it failed with; and what it warned of."""

    data: Cells
    coords: Cells
    attrs: Mapping[str, str]
    error: str
    warning: str


def row(
    name: str, system: System, loads: Array, options: Mapping[str, Any], *, relative: bool
) -> xr.Dataset:
    """Return the curve of one system with a dimension ``system`` of size 1; see `take`."""
    found = take(system, loads, options, relative=relative)
    data, coords = (
        {key: (("system", *d), v[None], a) for key, (d, v, a) in cells.items()}
        for cells in (found.data, found.coords)
    )
    said = {key: ("system", np.array([getattr(found, key)])) for key in ("error", "warning")}
    return xr.Dataset(data | said, {"system": [name], **coords}, found.attrs)


def take(system: System, loads: Array, options: Mapping[str, Any], *, relative: bool) -> Taken:
    """Return the curve of one system, or the error with which that fails.

    Parameters
    ----------
    system : System
    loads : ndarray, shape (K,)
        Of the largest load where `relative`.
    how : mapping
        Options of the system's own `curve`.
    """
    error, points, found = "", np.full(loads.size, np.nan) if relative else loads, xr.Dataset()
    with _warnings() as said:
        try:
            points = _absolute(system, loads) if relative else loads
            # a copy has no programs of earlier questions, so that an answer depends on the question alone
            found = copy.copy(system).curve(points, **options)
        except Exception as problem:  # one system's, whatever it is: the others go on
            error = f"{type(problem).__name__}: {problem}"
    # what a curve holds beside its variables are variables too: another system has other ones
    data = {str(key): _cell(variable) for key, variable in found.data_vars.items()}
    data |= {
        key: (_axis(key, v), np.array(v, dtype=np.float64), {})
        for key, v in found.attrs.items()
        if not isinstance(v, str)
    }
    coords = {
        f"{key}_name" if key in found.dims and key != "load" else str(key): _cell(coord)
        for key, coord in found.coords.items()
    }
    attrs = {key: value for key, value in found.attrs.items() if isinstance(value, str)}
    return Taken(
        data,
        {"load": (("point",), points, {}), **coords},
        attrs,
        *map(_kept, (error, "; ".join(said))),
    )


def _absolute(system: System, parts: Array) -> Array:
    if not np.isfinite(system.max_load):
        raise LoadError(
            "loads",
            parts.tolist(),
            "are parts of the largest load, which is infinite",
            "give absolute loads",
        )
    out: Array = parts * system.max_load
    return out


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what is warned of, each message once, and show no bar."""
    said: list[str] = []
    with _one_at_a_time, no_progress(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield said
        finally:
            said.extend(
                dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, SAID))
            )


def _kept(text: str) -> str:
    """What a file can hold of a text that users' code made."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")


def _cell(variable: xr.DataArray) -> tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]:
    return (
        tuple("point" if d == "load" else str(d) for d in variable.dims),
        variable.values,
        dict(variable.attrs),
    )


def _axis(key: str, value: Any) -> tuple[str, ...]:
    """Thresholds are one number a server; other lists, such as the loads where delays touch, have a length of their own."""
    if np.ndim(value) == 0:
        return ()
    return ("server",) if key.endswith("_thresholds") else (key.removesuffix("_loads"),)


def joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the systems of all parts, one after the other; what one of them lacks is NaN, False or "", and its gap infinite."""
    parts = [p for p in parts if p.sizes["system"]]
    if not parts:
        return xr.Dataset(coords={"system": np.empty(0, np.str_)})
    sizes = {"system": sum(p.sizes["system"] for p in parts)}
    for dim in sorted({str(d) for p in parts for d in p.dims} - {"system"}):
        sizes[dim] = max(p.sizes.get(dim, 0) for p in parts)
    # in the order of names: files do not keep any other, and what is read back is to be what was written
    whole = {
        name: _stacked(name, parts, sizes)
        for name in sorted({str(n) for p in parts for n in p.variables})
    }
    coords = {str(n) for p in parts for n in p.coords}
    attrs = {key: value for p in reversed(parts) for key, value in p.attrs.items()}
    return xr.Dataset(
        {n: v for n, v in whole.items() if n not in coords},
        {n: v for n, v in whole.items() if n in coords},
        attrs,
    )


def _stacked(name: str, parts: Sequence[xr.Dataset], sizes: Mapping[str, int]) -> xr.Variable:
    """One variable of all parts, each in the first corner of what is there for it."""
    there = [p.variables.get(name) for p in parts]
    like = next(v for v in there if v is not None)
    values = [None if v is None else _plain(v.values) for v in there]
    dtype = np.result_type(*(v.dtype for v in values if v is not None))
    attrs = next((v.attrs for v in there if v is not None and v.attrs), {})
    out = np.full([sizes[str(d)] for d in like.dims], nothing(attrs.get("role"), dtype), dtype)
    start = 0
    for part, value in zip(parts, values, strict=True):
        if value is not None:
            out[
                (slice(start, start + part.sizes["system"]), *(slice(n) for n in value.shape[1:]))
            ] = value
        start += part.sizes["system"]
    return xr.Variable(like.dims, out, attrs)


def form(data: xr.Dataset) -> dict[str, tuple[tuple[Hashable, ...], str]]:
    """Return dimensions and kind of each variable: what must be the same for rows to be joined."""
    return {
        str(name): (v.dims, "U" if v.dtype.kind in "OSUT" else v.dtype.kind)
        for name, v in data.variables.items()
    }


def _plain(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Files give text back as objects."""
    return values.astype(np.str_) if values.dtype.kind in "OSUT" else values


def nothing(role: str | None, dtype: np.dtype[Any]) -> Any:
    """Return what is written where there is nothing."""
    if dtype.kind == "f":
        return np.inf if role == "gap" else np.nan
    return dtype.type()
