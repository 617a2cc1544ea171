"""The answer of a simulation: each number with its interval, and the closed form beside it.

Every variable has the last dimension ``number``: ``simulated``, ``low`` and ``high``, the ends of
the confidence interval of the level in the attributes, and ``closed form``, NaN where there is
none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array
from ..core.ratio import BoundedValue

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


def for_verify(quantity: str, data: xr.Dataset) -> tuple[str, BoundedValue, tuple[str, ...]]:
    """Return a quantity of `sojourn.models.verify`, the simulated mean delay and its notes.

    Parameters
    ----------
    quantity : str
        Name of the quantity.
    data : xarray.Dataset
        Answer with the variable ``mean_delay``.
    """
    value, low, high = data["mean_delay"].values[:3].tolist()
    return quantity, BoundedValue(value, low, high), tuple(data.attrs["notes"].splitlines())


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


def text(data: xr.Dataset) -> str:
    """Return an answer as lines of text: each number, its interval and the closed form."""
    head = f"simulated {data.attrs['jobs']:,} jobs, intervals of {100 * data.attrs['level']:g} %"
    lines = [f"{head}, seed {data.attrs['seed']}"]
    for name, array in data.data_vars.items():
        if "number" not in array.dims:
            continue
        labels = [array.coords[d].values for d in array.dims[:-1]]
        for place in np.ndindex(array.shape[:-1]):
            of = " ".join(str(axis[i]) for axis, i in zip(labels, place, strict=True))
            value, low, high, known = array.values[place].tolist()
            closed = "" if np.isnan(known) else f"  closed form {known:.6g}"
            found = f"{value:.6g} [{low:.6g}, {high:.6g}]{closed}"
            lines.append("  ".join(["", str(name), *([of] if of else []), found]))
    return "\n".join([*lines, *(f"  {note}" for note in data.attrs["notes"].splitlines())])
