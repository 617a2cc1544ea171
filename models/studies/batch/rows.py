"""Rows of systems of different sizes, and their join into one dataset."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

Variables = dict[str, tuple[tuple[str, ...], npt.NDArray[Any], Mapping[Any, Any]]]
"""Dimensions, values and attributes by name of variable; the first dimension is ``system``."""


class Rows(NamedTuple):
    """The rows of some systems.

    Attributes
    ----------
    size : int
        Count of systems.
    variables : dict
    coords : set of str
        Names of the variables that are coordinates.
    attrs : mapping
    """

    size: int
    variables: Variables
    coords: set[str]
    attrs: Mapping[Any, Any]

    @classmethod
    def of(cls, data: xr.Dataset) -> Rows:
        """Return the rows of a dataset."""
        variables: Variables = {
            str(name): (tuple(map(str, v.dims)), text_as_str(v.values), v.attrs)
            for name, v in data.variables.items()
        }
        return cls(data.sizes["system"], variables, set(map(str, data.coords)), data.attrs)

    def take(self, places: Sequence[int]) -> Rows:
        """Return the systems at some places, in that order."""
        taken = {
            name: (dims, values[places], attrs)
            for name, (dims, values, attrs) in self.variables.items()
        }
        return self._replace(size=len(places), variables=taken)

    def dataset(self) -> xr.Dataset:
        """Return the rows as a dataset."""
        data, coords = (
            {name: v for name, v in self.variables.items() if (name in self.coords) == wanted}
            for wanted in (False, True)
        )
        return xr.Dataset(data, coords, self.attrs)


def concatenate(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the systems of all datasets, one after the other; see `stack`."""
    return stack(list(map(Rows.of, datasets))).dataset()


def stack(parts: Sequence[Rows]) -> Rows:
    """Return the systems of all parts, one after the other.

    Variables that a system lacks, and servers, stages or modes beyond its own, hold the
    `missing_value`.
    """
    parts = [part for part in parts if part.size]
    if not parts:
        return Rows(0, {"system": (("system",), np.empty(0, np.str_), {})}, {"system"}, {})
    # sorted by name: files keep no other order, and a study read back must equal the one written
    names, sizes = sorted({name for part in parts for name in part.variables}), _sizes(parts)
    return Rows(
        sizes["system"],
        {name: _padded_variable(name, parts, sizes) for name in names},
        {name for part in parts for name in part.coords},
        {key: value for part in reversed(parts) for key, value in part.attrs.items()},
    )


def _sizes(parts: Sequence[Rows]) -> dict[str, int]:
    """Return the size of each dimension, the largest of all parts."""
    shapes = {(dims, v.shape) for part in parts for dims, v, _ in part.variables.values()}
    sizes: dict[str, int] = {}
    for dims, shape in shapes:
        for dim, size in zip(dims, shape, strict=True):
            sizes[dim] = max(size, sizes.get(dim, 0))
    return sizes | {"system": sum(part.size for part in parts)}


def _padded_variable(
    name: str, parts: Sequence[Rows], sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], npt.NDArray[Any], Mapping[Any, Any]]:
    """One variable of all parts, each padded at its end to the common size."""
    variables = [part.variables.get(name) for part in parts]
    given = [variable for variable in variables if variable is not None]
    dims, arrays = given[0][0], [values for _, values, _ in given]
    attrs = next((attrs for *_, attrs in given if attrs), {})
    shape = tuple(sizes[dim] for dim in dims)
    if len(given) == len(parts) and all(array.shape[1:] == shape[1:] for array in arrays):
        return dims, np.concatenate(arrays), attrs
    dtype = np.result_type(*{array.dtype for array in arrays})
    out = np.full(shape, missing_value(attrs.get("role"), dtype), dtype)
    start = 0
    for part, variable in zip(parts, variables, strict=True):
        stop = start + part.size
        if variable is not None:
            values = variable[1]
            out[(slice(start, stop), *(slice(n) for n in values.shape[1:]))] = values
        start = stop
    return dims, out, attrs


def schema(data: xr.Dataset) -> dict[str, tuple[tuple[Hashable, ...], str]]:
    """Return dimensions and kind of each variable, which datasets must share to be joined."""
    return {
        str(name): (v.dims, "U" if v.dtype.kind in "OSUT" else v.dtype.kind)
        for name, v in data.variables.items()
    }


def text_as_str(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return text, which files give back as objects, as NumPy strings."""
    return values.astype(np.str_) if values.dtype.kind in "OST" else values


def missing_value(role: str | None, dtype: np.dtype[Any]) -> Any:
    """Return inf for a gap, NaN for another number, False or ""."""
    if dtype.kind == "f":
        return np.inf if role == "gap" else np.nan
    return dtype.type()
