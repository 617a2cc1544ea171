"""The loads that a picture of a curve needs: where the curve has a kink, and where it bends more than a straight line may hide."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from sojourn.reference.errors import Array, InputError, one_number

TOLERANCE = 2e-3  # of what is drawn: a tenth of a line's width in a picture
ROUNDS = 24  # of loads added
MOST = 1000  # loads added
NARROWEST = 1e-5  # part of the loads' range that no picture shows
PARTS = 8  # into which an interval is cut at once


class CurveInterruptedError(KeyboardInterrupt):
    """The user stopped a sweep; `dataset` holds the loads, or fractions, that were done."""

    def __init__(self, dataset: xr.Dataset) -> None:
        over, done = next(iter(dataset.sizes.items()), ("load", 0))
        super().__init__(f"stopped after {done} {over}s")
        self.dataset = dataset


class Drawn(NamedTuple):
    """A line of a picture at K loads: where it is on its axis, and the number that an error there is a part of; shape (K,) each."""

    height: Array
    unit: Array


def on_log_axis(values: npt.ArrayLike) -> Drawn:
    """Return positive values as a logarithmic axis shows them: an error is relative."""
    array = np.asarray(values, dtype=float)
    with np.errstate(all="ignore"):
        return Drawn(np.log(array), np.ones_like(array))


def on_axis(values: npt.ArrayLike, unit: float | None = None) -> Drawn:
    """Return values as a plain axis shows them: an error is a part of the unit, by default of the value."""
    array = np.asarray(values, dtype=float)
    return Drawn(array, array if unit is None else np.full_like(array, unit))


def check_refine(refine: bool | float) -> float | None:
    """Return the tolerance that `refine` asks for, or None for no refinement; InputError on what is neither."""
    if isinstance(refine, bool | np.bool_):
        return TOLERANCE if refine else None
    value = one_number("refine", refine)
    if not 1e-6 <= value < 1:
        raise InputError("refine", refine, "is not a tolerance from 1e-6 to 1", "give True, or a part such as 0.002")
    return value


def curve_of(
    solve: Callable[[Array], xr.Dataset],
    loads: Array,
    refine: bool | float,
    kinks: Callable[[], npt.ArrayLike],
    drawn: Callable[[xr.Dataset], Sequence[Drawn]],
) -> xr.Dataset:
    """Solve at loads and, where `refine` says so, at those that a picture needs between them.

    Parameters
    ----------
    solve : callable
        From loads of shape (K,) to a dataset over ``load`` in their order; CurveInterruptedError with what was done on Ctrl-C.
    loads : ndarray, shape (K,)
    refine : bool or float
        Whether to add loads, until between neighbours a straight line is nowhere off by more than this part of what is drawn;
        True for 0.002.
    kinks : callable
        To the loads at which lines may have a corner; asked for where they are needed.
    drawn : callable
        From a dataset to the lines that a picture shows.

    Returns
    -------
    xarray.Dataset
        Without `refine`, of `loads` alone, as given. Else in the order of the loads, with the coordinate ``added`` (False at `loads`).
        Not more than 1,000 loads are added, and none to an interval narrower than 1e-5 of the range; a warning says when that is
        not enough.

    Raises
    ------
    CurveInterruptedError
        On Ctrl-C, with what was done.
    """
    tolerance = check_refine(refine)
    if tolerance is None:
        return solve(loads)
    done = _joined(solve, None, loads, added=False)
    try:
        corners = _thinned(np.asarray(kinks(), dtype=float), float(loads.min()), float(loads.max()))
    except KeyboardInterrupt:
        raise CurveInterruptedError(done) from None
    more, budget = corners[~np.isin(corners, loads)], MOST
    for _ in range(ROUNDS):
        if more.size:
            done = _joined(solve, done, more, added=True)
        budget -= more.size
        needed = _needed(done["load"].values, drawn(done), corners, tolerance)
        more = needed[:budget]
        if not more.size:
            break
    if needed.size:
        said = f"a straight line between two loads may be off by more than {tolerance:g}: {MOST - budget} loads were added"
        warnings.warn(said, stacklevel=5)
    return done


def _thinned(kinks: Array, low: float, high: float) -> Array:
    """Kinks within the loads, in order; of too many to be told apart some, evenly."""
    inside = np.unique(kinks[(kinks > low) & (kinks < high)])
    if inside.size > MOST // 2:
        inside = inside[np.linspace(0, inside.size - 1, MOST // 2).astype(int)]
    return inside


def _joined(solve: Callable[[Array], xr.Dataset], before: xr.Dataset | None, loads: Array, *, added: bool) -> xr.Dataset:
    """What was solved before and the answers at further loads, in the order of the loads."""

    def together(data: xr.Dataset) -> xr.Dataset:
        data = data.assign_coords(added=("load", np.full(data.sizes["load"], added), {"long_name": "added for the picture"}))
        if before is not None:
            data = xr.concat([before, data], "load", data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")
        return data.sortby("load")

    try:
        return together(solve(loads))
    except CurveInterruptedError as stop:
        raise CurveInterruptedError(together(stop.dataset)) from None


def _needed(load: Array, lines: Sequence[Drawn], corners: Array, tolerance: float) -> Array:
    """Loads at which the lines have to be known too, those of the worst intervals first.

    The second derivative at a load, from its neighbours, says how far the line is from its chord on both sides: half the square of half the
    interval times it. At a corner that is known it says nothing. Where nothing is known of either end, the middle is looked at.
    """
    at, where = np.unique(load, return_index=True)
    width = np.diff(at)
    if not width.size:
        return width
    off = np.zeros(width.size)
    for line in lines:
        with np.errstate(all="ignore"):
            height, unit = line.height[where], line.unit[where]
            slope = np.diff(height) / width
            bend = np.full(at.size, np.nan)
            bend[1:-1] = 2 * np.abs(np.diff(slope)) / (width[1:] + width[:-1])
            bend[np.isin(at, corners)] = np.nan
            # where a line turns from convex to concave its neighbours know more
            bend = np.fmax.reduce([bend, np.append(bend[1:], np.nan), np.append(np.nan, bend[:-1])])
            worst = np.fmax(bend[1:], bend[:-1]) * width**2 / 8 / np.minimum(np.abs(unit[1:]), np.abs(unit[:-1]))
        known = np.isfinite(height[1:]) & np.isfinite(height[:-1])
        off = np.maximum(off, np.where(known, np.where(np.isnan(worst), 2 * tolerance, worst), 0.0))
    # at a corner that is not known the line can be off by twice what the second derivative says
    parts = np.clip(np.ceil(np.sqrt(2 * off / tolerance)), 1, PARTS).astype(int)
    parts[width <= NARROWEST * (at[-1] - at[0])] = 1
    order = np.argsort(-off, kind="stable")
    new = [at[i] + width[i] * np.arange(1, parts[i]) / parts[i] for i in order if parts[i] > 1]
    return np.concatenate(new) if new else np.empty(0)
