"""The delay of two modes as a ratio of polynomials on [0, 1]: the exact assignment problem.

With p = c^2, 1 - p = s^2 the delay under the best partition is a sum over stages of ratios of two
quadratic forms in (c, s):

    (c sqrt(a_1) + s sqrt(a_2))^2 / (c^2 (1 - load a_1) + s^2 (1 - load a_2)).

The stable interval of p is a segment of directions (c, s) = (1-u) start + u end, 0 <= u <= 1. In
powers u^k (1-u)^(n-k) (a scaled Bernstein basis) the coefficients of both forms are never negative,
and a stage that is full at an end has a coefficient of exactly 0 there.

Fixed delays of the modes are one more ratio, (c^2 d_1 + s^2 d_2) / (c^2 + s^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array, LoadError
from ..validation import as_floats, as_index
from .modes import Modes, of_modes
from .stability import check_load, ends, one_load


@dataclass(frozen=True, eq=False)
class Segment:
    """Delay over the stable interval; u = 0 is its end of largest p, u = 1 that of least p.

    At K loads every field has a leading axis of length K.

    Attributes
    ----------
    start, end : ndarray, shape (2,)
        Directions (sqrt(p), sqrt(1 - p)) at the ends, the second one scaled so that the delay's
        numerator has the same value at both.
    above, below : ndarray, shape (S, 3)
        Coefficients of each stage's numerator and denominator, in u^k (1-u)^(2-k). With fixed
        delays there are S + 1 rows, the last one for the mean fixed delay; the degrees below are
        then those of S + 1 stages.
    fixed : bool
        Whether the last row is that of the mean fixed delay.
    """

    start: Array
    end: Array
    above: Array
    below: Array
    fixed: bool = False

    @cached_property
    def denominator(self) -> Array:
        """Coefficients of D, the product of the stages' denominators, in u^k (1-u)^(2S-k).

        Shape (2S + 1,).
        """
        return _product(self.below)

    @cached_property
    def numerator(self) -> Array:
        """Coefficients of N, with delay = N/D, in u^k (1-u)^(2S-k); shape (2S + 1,)."""
        stages = range(self.below.shape[-2])
        terms = (
            _times(self.above[..., s, :], _product(np.delete(self.below, s, axis=-2)))
            for s in stages
        )
        return np.asarray(sum(terms))

    def rows(self, index: npt.NDArray[np.intp] | int) -> Segment:
        """Return the segments of some of K loads, or of one."""
        count = len(self.start)
        if not (isinstance(index, int) and -count <= index < count):
            index = as_index("index", index, count)
        ends, forms = (self.start[index], self.end[index]), (self.above[index], self.below[index])
        return Segment(*ends, *forms, self.fixed)

    def delay(self, u: npt.ArrayLike) -> Array:
        """Return the mean delay at u, shape (...), or (K, ...) at K loads.

        It is infinite where a stage is full.
        """
        return np.asarray(self._rows_at(u).sum(axis=-1))

    def stage_delay(self, u: npt.ArrayLike) -> Array:
        """Return the mean time of a job at each stage, shape (..., S)."""
        rows = self._rows_at(u)
        return rows[..., :-1] if self.fixed else rows

    @np.errstate(all="ignore")
    def _rows_at(self, u: npt.ArrayLike) -> Array:
        """Return the ratio of each row at u: the stages' delays, and the mean fixed delay."""
        point = as_floats("u", u)
        basis = np.stack([(1 - point) ** 2, point * (1 - point), point**2], axis=-1)
        above = basis @ np.swapaxes(self.above, -1, -2)
        below = basis @ np.swapaxes(self.below, -1, -2)
        infinite = np.full(below.shape, np.inf)
        return np.asarray(np.divide(above, below, out=infinite, where=below > 0))

    @np.errstate(all="ignore")
    def assignment(self, u: npt.ArrayLike) -> Array:
        """Return the fractions (p, 1 - p) at u, each to full accuracy, shape (..., 2)."""
        point = as_floats("u", u)[..., None]
        squares = ((1 - point) * self.start + point * self.end) ** 2
        return np.asarray(squares / squares.sum(axis=-1, keepdims=True))

    def slope_numerator(self) -> Array:
        """Return the coefficients of 2S (N'D - ND'), shape (4S - 1,).

        Its roots include the critical points of the delay.

        The degree is 4S - 2. For two stages that is 6, where the quotient rule on two quartics
        gives 7 and the paper expects 8: by Euler's rule for homogeneous polynomials the numerator
        is their Jacobian, one degree lower in each. Coefficients of the size of rounding error are
        replaced by 0: at an end they would give a root far away, which costs the others digits.
        """
        top, bottom = self.numerator, self.denominator
        n = np.arange(top.shape[-1])
        # derivatives in u and in 1 - u, as if the two were independent
        powers, other_powers = n, n[::-1]
        first = _times((top * powers)[..., 1:], (bottom * other_powers)[..., :-1])
        second = _times((top * other_powers)[..., :-1], (bottom * powers)[..., 1:])
        difference, rounding = first - second, 4 * n.size * EPS * (first + second)
        return np.where(np.abs(difference) > rounding, difference, 0.0)


@of_modes
def segment(modes: Modes, load: float) -> Segment:
    """Return the delay of two modes at a load as a ratio of polynomials.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    Segment

    Raises
    ------
    LoadError
        On a load outside this range, or so close to the largest load that no float p is stable.
    InputError
        On another number of modes than two.
    """
    return segments(modes, np.array([one_load(modes, load)])).rows(0)


@of_modes
def segments(modes: Modes, loads: Array) -> Segment:
    """Return the delay of two modes at many loads as ratios of polynomials; see `segment`.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    loads : array_like, shape (K,)
        Total loads above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    Segment
        Every field has a leading axis of length K.

    Raises
    ------
    LoadError, InputError
        As `segment`.
    """
    loads = np.atleast_1d(check_load(modes, loads))
    start, end = np.empty((loads.size, 2)), np.empty((loads.size, 2))
    for k, load in enumerate(loads.tolist()):
        high, low = ends(modes, load)
        if not low.rest * high.p > high.rest * low.p * (1 + 4 * EPS):
            raise too_close(load)
        start[k], end[k] = (high.p, high.rest), (low.p, low.rest)
    start, end = np.sqrt(start), np.sqrt(end)
    above, below = _forms(modes, loads, start, end)
    fixed = bool(modes.delay.any())
    unscaled = Segment(start, end, above, below, fixed)
    full = ~unscaled.denominator.any(axis=1)
    if full.any():
        raise too_close(float(loads[full][0]))
    first, last = unscaled.numerator[:, 0], unscaled.numerator[:, -1]
    # scaling one end changes the parameter u alone, and makes the coefficients of similar size
    both = (first > 0) & (last > 0)
    ratio = np.where(both, np.where(both, first, 1.0) / np.where(both, last, 1.0), 1.0)
    factor = ratio[:, None] ** (1 / (2 * above.shape[1]))
    powers = factor[:, None] ** np.arange(3)
    return Segment(start, end * factor, above * powers, below * powers, fixed)


def too_close(load: float) -> LoadError:
    """Return the error for a load too close to the largest load."""
    problem = "is so close to the maximum that no assignment in floating point is stable"
    return LoadError("load", load, problem, "lower it a little")


def _forms(modes: Modes, loads: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Return the coefficients of each row's numerator and denominator, shape (K, S or S + 1, 3)."""
    root, spare_capacity = np.sqrt(modes.time), 1 - loads[:, None, None] * modes.time
    at_start, at_end = start @ root.T, end @ root.T
    above = np.stack([at_start**2, 2 * at_start * at_end, at_end**2], axis=-1)
    squares = np.stack([start**2, 2 * start * end, end**2], axis=-1)
    below, size = spare_capacity @ squares, np.abs(spare_capacity) @ squares
    # a stage that is full at an end has spare capacity 0 there, without rounding error
    noise = np.array([16, 0, 16]) * EPS * size
    below = np.where(below > noise, below, 0.0)
    if not modes.delay.any():
        return above, below
    rows = np.stack([modes.delay, np.ones(2)]) @ squares
    return np.append(above, rows[:, :1], axis=1), np.append(below, rows[:, 1:], axis=1)


def _times(a: Array, b: Array) -> Array:
    """Return the coefficients of the product of two polynomials, over the last axis."""
    width = b.shape[-1]
    out = np.zeros((*a.shape[:-1], a.shape[-1] + width - 1))
    for i in range(a.shape[-1]):
        out[..., i : i + width] += a[..., i : i + 1] * b
    return out


def _product(factors: Array) -> Array:
    """Return the coefficients of the product of S quadratic polynomials of shape (..., S, 3)."""
    out = np.ones((*factors.shape[:-2], 1))
    for s in range(factors.shape[-2]):
        out = _times(out, factors[..., s, :])
    return out


def lowest(along: Segment) -> tuple[float, float]:
    """Return the point u of least delay on the stable interval, and that delay.

    Of points with equal delay it is that of the largest p.
    """
    points = np.concatenate([[0.0, 1.0], critical_points(along)])
    values = along.delay(points)
    best = int(np.argmin(values))
    return float(points[best]), float(values[best])


def critical_points(along: Segment) -> Array:
    """Return points u inside (0, 1) among which are all zeros of the delay's slope.

    They are the real parts of the roots of the slope's numerator; some may be no zeros.
    """
    # u / (1 - u) turns the scaled Bernstein basis into powers, without a change of coefficients
    roots = np.roots(along.slope_numerator()[::-1])
    ratio = roots.real[(roots.real > 0) & np.isfinite(roots.real)]
    points: Array = ratio / (1 + ratio)
    return points[points < 1]
