"""Points that a picture of a curve needs: at kinks, and where the curve bends.

A picture draws straight lines between neighbouring points. Points are added until the curve is
nowhere farther from these lines than a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, InputError
from ...reference.pickling import as_raised
from ...reference.validation import as_float

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 2e-3  # default tolerance, relative: a tenth of the width of a drawn line
MAX_ROUNDS = 24  # largest number of rounds of added points
MAX_POINTS = 1000  # default of the largest number of added points
MIN_WIDTH = 1e-5  # intervals below this part of the drawn axis are not divided


class CurveInterruptedError(KeyboardInterrupt):
    """Ctrl-C stopped a curve.

    Attributes
    ----------
    dataset : xarray.Dataset
        The curve at the points that were solved.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        over, done = next(iter(dataset.sizes.items()), ("load", 0))
        super().__init__(f"stopped after {done} {over}s")
        self.dataset = dataset

    __reduce__ = as_raised


class Drawn(NamedTuple):
    """A line of a picture at K points.

    Attributes
    ----------
    height : ndarray, shape (K,)
        Positions on the vertical axis; not finite where nothing is drawn.
    unit : ndarray, shape (K,)
        Numbers to which errors of the height are relative.
    """

    height: Array
    unit: Array


def on_log_axis(values: npt.ArrayLike) -> Drawn:
    """Return positive values on a logarithmic axis, where errors are relative to the value."""
    array = np.asarray(values, dtype=float)
    with np.errstate(all="ignore"):
        return Drawn(np.log(array), np.ones_like(array))


def on_axis(values: npt.ArrayLike, unit: float | None = None) -> Drawn:
    """Return values on a linear axis; errors are relative to `unit`, by default to the value."""
    array = np.asarray(values, dtype=float)
    return Drawn(array, array if unit is None else np.full_like(array, unit))


def check_refine(refine: bool | float) -> float | None:
    """Return the tolerance of a refinement, or None for no refinement.

    Parameters
    ----------
    refine : bool or float
        True for the default tolerance, 0.002; a number for a tolerance from 1e-6 to 1.

    Raises
    ------
    InputError
        On any other value.
    """
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
    most: int = MAX_POINTS,
) -> xr.Dataset:
    """Solve at the given points and, if `refine` is not False, at those that a picture needs.

    Parameters
    ----------
    solve : callable
        Function of points, shape (K,), that returns a dataset over the dimension `over` in their
        order. On Ctrl-C it raises CurveInterruptedError with the points that were solved.
    given : ndarray, shape (K,)
        Points, such as loads.
    refine : bool or float
        False for no further points. A number is the tolerance: points are added until straight
        lines between neighbours are nowhere farther from the curve than this part of its height.
        True for 0.002.
    breakpoints : callable
        Function without arguments that returns the points at which lines can have a kink. It is
        called for a refinement only.
    drawn : callable
        Function of a dataset that returns the lines of its picture.
    over : str
        Name of the dimension.
    most : int
        Largest number of added points; those of the largest errors come first.

    Returns
    -------
    xarray.Dataset
        Without refinement, the dataset of `given`, in its order. With refinement, the dataset of
        all points in ascending order; the coordinate ``added`` is False at `given`. No interval
        below 1e-5 of the drawn axis is divided. The attribute ``refined_within`` estimates the
        largest remaining error; it exceeds the tolerance if `most` was too small.

    Raises
    ------
    CurveInterruptedError
        On Ctrl-C, with the points that were solved.
    """
    tolerance = check_refine(refine)
    if tolerance is None:
        return solve(given)
    done = _with_points(solve, None, given, over, added=False)
    try:
        low, high = float(given.min()), float(given.max())
        corners = _thin_out(np.asarray(breakpoints(), dtype=float), low, high)
        more = corners[~np.isin(corners, given)][:most]
        for _ in range(MAX_ROUNDS):
            if more.size:
                done = _with_points(solve, done, more, over, added=True)
                most -= more.size
            needed, error = _points_needed(done[over].values, drawn(done), corners, tolerance)
            more = needed[:most]
            if not more.size:
                break
    except CurveInterruptedError:
        raise
    except KeyboardInterrupt:
        raise CurveInterruptedError(done) from None
    return done.assign_attrs(refined_within=error)


def _thin_out(breakpoints: Array, low: float, high: float) -> Array:
    """Return the breakpoints inside a range in ascending order; of many only `MAX_POINTS` // 2."""
    inside = np.unique(breakpoints[(breakpoints > low) & (breakpoints < high)])
    if inside.size > MAX_POINTS // 2:
        inside = inside[np.linspace(0, inside.size - 1, MAX_POINTS // 2).astype(int)]
    return inside


def _with_points(
    solve: Callable[[Array], xr.Dataset],
    before: xr.Dataset | None,
    points: Array,
    over: str,
    *,
    added: bool,
) -> xr.Dataset:
    """Return the earlier dataset with further points, in ascending order."""

    def merged(data: xr.Dataset) -> xr.Dataset:
        data = data.assign_coords(
            added=(over, np.full(data.sizes[over], added), {"long_name": "added for the picture"})
        )
        if before is not None:
            import xarray as xr

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
        return merged(solve(points))
    except CurveInterruptedError as stop:
        raise CurveInterruptedError(merged(stop.dataset)) from None


def _points_needed(
    points: Array, lines: Sequence[Drawn], corners: Array, tolerance: float
) -> tuple[Array, float]:
    """Return the midpoints of the intervals to divide, worst first, and the largest error.

    On an interval of width w, a curve with the second derivative b is at most b w^2 / 8 away from
    its chord. Divided differences of neighbouring points estimate b at every point but the known
    corners. An interval takes the larger estimate of its two ends. If an end has no estimate, or
    the two have opposite signs, the next point on each side counts too. Without any estimate the
    error is set to the tolerance, so that the interval is divided.
    """
    at, where = np.unique(points, return_index=True)
    width = np.diff(at)
    if not width.size:
        return width, 0.0
    error, drawn = np.zeros(width.size), np.zeros(width.size, dtype=bool)
    for line in lines:
        with np.errstate(all="ignore"):
            height, unit = line.height[where], line.unit[where]
            slope = np.diff(height) / width
            bend = np.full(at.size, np.nan)
            bend[1:-1] = 2 * np.diff(slope) / (width[1:] + width[:-1])
            bend[np.isin(at, corners)] = np.nan
            size = np.append(np.abs(bend), np.nan)
            largest, same_sign = np.fmax(size[:-2], size[1:-1]), bend[:-1] * bend[1:] > 0
            beyond = np.fmax(np.append(np.nan, size[:-3]), size[2:])
            largest = np.where(same_sign | np.isnan(largest), largest, np.fmax(largest, beyond))
            largest *= width**2 / 8 / np.minimum(np.abs(unit[1:]), np.abs(unit[:-1]))
        known = np.isfinite(height[1:]) & np.isfinite(height[:-1])
        drawn |= known
        estimate = np.where(np.isnan(largest), tolerance, largest)
        error = np.maximum(error, np.where(known, estimate, 0.0))
    # at an unknown corner the error can be twice the estimate
    error = np.where(width > MIN_WIDTH * width[drawn].sum(), 2 * error, 0.0)
    order = np.argsort(-error, kind="stable")
    order = order[error[order] > tolerance]
    return at[order] + width[order] / 2, float(error.max())
