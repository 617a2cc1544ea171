"""The answer of a simulation: each number with its interval, and the closed form beside it.

Every variable has the last dimension ``number``: ``simulated``, ``low`` and ``high``, the ends of
the confidence interval of the level in the attributes, and ``closed form``, NaN where there is
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, InputError
from ...reference.validation import check_choice

if TYPE_CHECKING:
    import xarray as xr

NUMBERS = ("simulated", "low", "high", "closed form")
PERCENTILES = (0.5, 0.9, 0.95, 0.99)
"""Shares of the jobs of whose times there are percentiles."""


def beside(estimates: Any, closed_form: npt.ArrayLike = np.nan) -> Array:
    """Return estimates with closed forms beside them, shape (..., 4): the `NUMBERS`.

    Parameters
    ----------
    estimates : Estimate, or nested sequences of it
        Estimates of shape (...).
    closed_form : array_like, shape (...), optional
        Closed forms; NaN where there is none.

    Examples
    --------
    >>> from sojourn.models.simulation.statistics import Estimate
    >>> beside([Estimate(1.0, 0.9, 1.1), Estimate(2.0, 1.8, 2.2)], [1.0, 2.1]).tolist()
    [[1.0, 0.9, 1.1, 1.0], [2.0, 1.8, 2.2, 2.1]]
    """
    found = np.array(estimates, dtype=np.float64)
    known = np.broadcast_to(np.asarray(closed_form, dtype=np.float64), found.shape[:-1])
    return np.concatenate([found, known[..., None]], axis=-1)


def answer(
    variables: Mapping[str, tuple[Sequence[str], Array, str]],
    coordinates: Mapping[str, Sequence[Any]],
    *,
    jobs: int,
    seed: int,
    level: float,
    time_unit: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Return the answer of a simulation as a dataset that netCDF files can hold.

    Parameters
    ----------
    variables : mapping of str to (dimensions, values, long name)
        Values of shape (..., 4) as from `beside`, their dimensions without ``number``, and what
        they are. A long name that ends with ``time`` or ``delay`` has the unit of time.
    coordinates : mapping of str to sequence
        Labels of the dimensions besides ``number``.
    jobs, seed, level, time_unit
        Stored as attributes.
    notes : sequence of str
        What a reader has to know, such as that the run is too short; attribute ``notes``.
    """
    import xarray as xr

    data = {}
    for name, (dims, values, meaning) in variables.items():
        attrs = {"long_name": meaning}
        if meaning.endswith(("time", "delay")):
            attrs["units"] = time_unit
        data[name] = ((*dims, "number"), values, attrs)
    coords = {**{k: list(v) for k, v in coordinates.items()}, "number": list(NUMBERS)}
    how = {"jobs": jobs, "seed": seed, "level": level, "time_unit": time_unit}
    return xr.Dataset(data, coords, {**how, "notes": "\n".join(notes)})


def covered(data: xr.Dataset) -> xr.Dataset:
    """Return for each number of an answer whether the closed form lies in its interval.

    It is True where there is no closed form.

    Parameters
    ----------
    data : xarray.Dataset
        As from `answer`.
    """
    low, high, known = (data.sel(number=name, drop=True) for name in NUMBERS[1:])
    return known.isnull() | ((low <= known) & (known <= high))


def split_of(split: str | None, known: Sequence[str], given: Mapping[str, object]) -> str:
    """Return the name of the split to simulate, "" where flows are given in another way.

    Parameters
    ----------
    split : str, optional
        Name that the user gives; by default the first of `known`.
    known : sequence of str
        Names of the splits of the system.
    given : mapping of str to object
        Other ways to give flows; None for those that are not used.

    Raises
    ------
    InputError
        On another name, and on a name beside given flows.

    Examples
    --------
    >>> split_of(None, ["optimum", "equilibrium"], {"share": None})
    'optimum'
    """
    others = [name for name, value in given.items() if value is not None]
    if split is None:
        return "" if others else known[0]
    name = check_choice("split", split, known, "is no split of the system")
    if others:
        problem = f"stands beside {' and '.join(others)}"
        raise InputError("split", split, problem, f"leave out split, or {' and '.join(others)}")
    return name


def too_short(what: str, jobs: int, factor: float) -> list[str]:
    """Return the note on a run that is too short, or none.

    Parameters
    ----------
    what : str
        Name of the station or system.
    jobs : int
        Number of its jobs.
    factor : float
        Factor by which there should be more jobs; 1 or less where there are enough.
    """
    if factor <= 1.0:
        return []
    return [
        f"the run is too short: {what} has {jobs:,} jobs and needs {factor:.3g} times as many; "
        "until then its intervals may be too narrow"
    ]


def rows(data: xr.Dataset) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    """Yield each number of an answer: its name, the labels of its place, and the `NUMBERS`."""
    for name, array in data.data_vars.items():
        if "number" not in array.dims:
            continue
        labels = [array.coords[d].values for d in array.dims[:-1]]
        for place in np.ndindex(array.shape[:-1]):
            of = " ".join(str(axis[i]) for axis, i in zip(labels, place, strict=True))
            yield str(name), of, tuple(array.values[place].tolist())
