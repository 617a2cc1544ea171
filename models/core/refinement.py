"""The points that a picture of a curve needs: where the curve has a kink, and where it bends more than a straight line may hide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...reference.errors import Array, InputError
from ...reference.pickling import as_raised
from ...reference.validation import as_float

TOLERANCE = 2e-3  # of what is drawn: a tenth of a line's width in a picture
ROUNDS = 24  # of points added
MOST = 1000  # points added
NARROWEST = 1e-5  # part of what is drawn of the axis that no picture shows


class CurveInterruptedError(KeyboardInterrupt):
    """The user stopped a sweep; `dataset` holds the loads, or fractions, that were done."""

    def __init__(self, dataset: xr.Dataset) -> None:
        over, done = next(iter(dataset.sizes.items()), ("load", 0))
        super().__init__(f"stopped after {done} {over}s")
        self.dataset = dataset

    __reduce__ = as_raised


class Drawn(NamedTuple):
    """A line of a picture at K points: where it is on its axis, and the number that an error there is a part of; shape (K,) each."""

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
    value = as_float("refine", refine)
    if not 1e-6 <= value < 1:
        raise InputError(
            "refine",
            refine,
            "is not a tolerance from 1e-6 to 1",
            "give True, or a part such as 0.002",
        )
    return value


def refined(
    solve: Callable[[Array], xr.Dataset],
    given: Array,
    refine: bool | float,
    breakpoints: Callable[[], npt.ArrayLike],
    drawn: Callable[[xr.Dataset], Sequence[Drawn]],
    over: str = "load",
    most: int = MOST,
) -> xr.Dataset:
    """Solve at given points and, where `refine` says so, at those that a picture needs between them.

    Parameters
    ----------
    solve : callable
        From points of shape (K,) to a dataset over `over` in their order; CurveInterruptedError with what was done on Ctrl-C.
    given : ndarray, shape (K,)
        Loads, or fractions.
    refine : bool or float
        Whether to add points, until between neighbours a straight line is nowhere off by more than this part of what is drawn;
        True for 0.002.
    kinks : callable
        To the points at which lines may have a corner; asked for where they are needed.
    drawn : callable
        From a dataset to the lines that a picture shows.
    over : str
        The dimension.
    most : int
        How many points are added at most, the worst first.

    Returns
    -------
    xarray.Dataset
        Without `refine`, of what is given, in its order. Else in the order of the points, with the coordinate ``added``, False at `given`.
        No point is added to an interval narrower than 1e-5 of what can be drawn. The attribute ``refined_within`` estimates how far off a
        straight line between neighbours can still be: more than the tolerance where there were too few points for it.

    Raises
    ------
    CurveInterruptedError
        On Ctrl-C, with what was done.
    """
    tolerance = check_refine(refine)
    if tolerance is None:
        return solve(given)
    done = _joined(solve, None, given, over, added=False)
    try:
        corners = _thinned(
            np.asarray(breakpoints(), dtype=float), float(given.min()), float(given.max())
        )
        more = corners[~np.isin(corners, given)][:most]
        for _ in range(ROUNDS):
            if more.size:
                done = _joined(solve, done, more, over, added=True)
                most -= more.size
            needed, off = _needed(done[over].values, drawn(done), corners, tolerance)
            more = needed[:most]
            if not more.size:
                break
    except CurveInterruptedError:
        raise
    except KeyboardInterrupt:
        raise CurveInterruptedError(done) from None
    return done.assign_attrs(refined_within=off)


def _thinned(breakpoints: Array, low: float, high: float) -> Array:
    """Kinks within the range, in order; of too many to be told apart some, evenly."""
    inside = np.unique(breakpoints[(breakpoints > low) & (breakpoints < high)])
    if inside.size > MOST // 2:
        inside = inside[np.linspace(0, inside.size - 1, MOST // 2).astype(int)]
    return inside


def _joined(
    solve: Callable[[Array], xr.Dataset],
    before: xr.Dataset | None,
    points: Array,
    over: str,
    *,
    added: bool,
) -> xr.Dataset:
    """What was solved before and the answers at further points, in their order."""

    def together(data: xr.Dataset) -> xr.Dataset:
        data = data.assign_coords(
            added=(over, np.full(data.sizes[over], added), {"long_name": "added for the picture"})
        )
        if before is not None:
            data = xr.concat(
                [before, data],
                over,
                data_vars="minimal",
                coords="minimal",
                compat="override",
                combine_attrs="override",
            )
        return data.sortby(over)

    try:
        return together(solve(points))
    except CurveInterruptedError as stop:
        raise CurveInterruptedError(together(stop.dataset)) from None


def _needed(
    points: Array, lines: Sequence[Drawn], corners: Array, tolerance: float
) -> tuple[Array, float]:
    """Points at which the lines have to be known too, those of the worst intervals first; and how far off a line can be.

    The second derivative at a point, from its neighbours, says how far the line is from its chord on both sides: half the square of half the
    interval times it. At a corner that is known it says nothing. Where nothing is known of either end, the middle is looked at; where one
    end says nothing, or they say opposite things, the neighbours beyond them are heard too.
    """
    at, where = np.unique(points, return_index=True)
    width = np.diff(at)
    if not width.size:
        return width, 0.0
    off, drawn = np.zeros(width.size), np.zeros(width.size, dtype=bool)
    for line in lines:
        with np.errstate(all="ignore"):
            height, unit = line.height[where], line.unit[where]
            slope = np.diff(height) / width
            bend = np.full(at.size, np.nan)
            bend[1:-1] = 2 * np.diff(slope) / (width[1:] + width[:-1])
            bend[np.isin(at, corners)] = np.nan
            left, right, size = bend[:-1], bend[1:], np.append(np.abs(bend), np.nan)
            worst, sure = np.fmax(size[:-2], size[1:-1]), left * right > 0
            beyond = np.fmax(np.append(np.nan, size[:-3]), size[2:])
            worst = np.where(sure | np.isnan(worst), worst, np.fmax(worst, beyond))
            worst *= width**2 / 8 / np.minimum(np.abs(unit[1:]), np.abs(unit[:-1]))
        known = np.isfinite(height[1:]) & np.isfinite(height[:-1])
        drawn |= known
        off = np.maximum(off, np.where(known, np.where(np.isnan(worst), tolerance, worst), 0.0))
    # at a corner that is not known the line can be off by twice what the second derivative says
    off = np.where(width > NARROWEST * width[drawn].sum(), 2 * off, 0.0)
    order = np.argsort(-off, kind="stable")
    order = order[off[order] > tolerance]
    return at[order] + width[order] / 2, float(off.max())
