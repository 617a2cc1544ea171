"""The delay of two modes as a ratio of polynomials on [0, 1]: the exact form of the assignment problem, whatever solves it.

With p = c^2, 1 - p = s^2 the delay under the best partition is a sum over stages of two quadratic forms in (c, s) divided by one another:

    (c sqrt(a_1) + s sqrt(a_2))^2 / (c^2 (1 - load a_1) + s^2 (1 - load a_2)).

The stable interval of p is a segment of directions (c, s) = (1-u) start + u end, 0 <= u <= 1. In powers u^k (1-u)^(n-k) (a scaled Bernstein
basis) the coefficients of both forms are never negative, and a stage that fills up at an end has exactly 0 there.
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

    At many loads every field has a leading axis, one row a load.

    Attributes
    ----------
    start, end : ndarray, shape (2,)
        Directions (sqrt(p), sqrt(1 - p)) at the ends, the second one stretched so that the delay's numerator is as large at both.
    above, below : ndarray, shape (S, 3)
        Coefficients of each stage's numerator and denominator, in u^k (1-u)^(2-k).
    """

    start: Array
    end: Array
    above: Array
    below: Array

    @cached_property
    def denominator(self) -> Array:
        """Coefficients of the product of the stages' denominators D, shape (2S + 1,), in u^k (1-u)^(2S-k)."""
        return _product(self.below)

    @cached_property
    def numerator(self) -> Array:
        """Coefficients of N with delay = N/D, shape (2S + 1,)."""
        stages = range(self.below.shape[-2])
        return np.asarray(
            sum(
                _times(self.above[..., s, :], _product(np.delete(self.below, s, axis=-2)))
                for s in stages
            )
        )

    def rows(self, index: npt.NDArray[np.intp] | int) -> Segment:
        """Return some of the loads, or one."""
        count = len(self.start)
        index = (
            index
            if isinstance(index, int) and -count <= index < count
            else as_index("index", index, count)
        )
        return Segment(self.start[index], self.end[index], self.above[index], self.below[index])

    def delay(self, u: npt.ArrayLike) -> Array:
        """Mean delay at u, shape (...), or (K, ...) at K loads; infinite where a stage is full."""
        return np.asarray(self.stage_delay(u).sum(axis=-1))

    @np.errstate(all="ignore")
    def stage_delay(self, u: npt.ArrayLike) -> Array:
        """Mean time of a job at each stage, shape (..., S)."""
        point = as_floats("u", u)
        basis = np.stack([(1 - point) ** 2, point * (1 - point), point**2], axis=-1)
        above, below = (
            basis @ np.swapaxes(self.above, -1, -2),
            basis @ np.swapaxes(self.below, -1, -2),
        )
        return np.asarray(
            np.divide(above, below, out=np.full(below.shape, np.inf), where=below > 0)
        )

    @np.errstate(all="ignore")
    def assignment(self, u: npt.ArrayLike) -> Array:
        """Parts (p, 1 - p) at u, each to full accuracy, shape (..., 2)."""
        point = as_floats("u", u)[..., None]
        squares = ((1 - point) * self.start + point * self.end) ** 2
        return np.asarray(squares / squares.sum(axis=-1, keepdims=True))

    def slope_numerator(self) -> Array:
        """Coefficients of 2S (N'D - ND'), shape (4S - 1,), of degree 4S - 2: its roots are the critical points of the delay.

        For two stages that is degree 6, though the quotient rule on two quartics gives 7 and the paper expects 8: by Euler's rule for
        homogeneous polynomials it is their Jacobian, one degree lower in each. What is only rounding is 0: at an end it would be a root
        far away, and blur the others.
        """
        top, bottom = self.numerator, self.denominator
        n = np.arange(top.shape[-1])
        # derivatives by 1 - u and by u, as if the two did not depend on each other
        rest, at = n[::-1], n
        one = _times((top * at)[..., 1:], (bottom * rest)[..., :-1])
        other = _times((top * rest)[..., :-1], (bottom * at)[..., 1:])
        return np.where(np.abs(one - other) > 4 * n.size * EPS * (one + other), one - other, 0.0)


@of_modes
def segment(modes: Modes, load: float) -> Segment:
    """Return the delay of two modes at a load as a ratio of polynomials.

    Raises
    ------
    LoadError
        Where the load is so close to the largest that no float p is stable.
    """
    return segments(modes, np.array([one_load(modes, load)])).rows(0)


@of_modes
def segments(modes: Modes, loads: Array) -> Segment:
    """Return the delay at K loads below the largest, shape (K,); see `segment`."""
    loads = np.atleast_1d(check_load(modes, loads))
    start, end = np.empty((loads.size, 2)), np.empty((loads.size, 2))
    for k, load in enumerate(loads.tolist()):
        high, low = ends(modes, load)
        if not low.rest * high.p > high.rest * low.p * (1 + 4 * EPS):
            raise _too_close(load)
        start[k], end[k] = (high.p, high.rest), (low.p, low.rest)
    start, end = np.sqrt(start), np.sqrt(end)
    above, below = _forms(modes, loads, start, end)
    plain = Segment(start, end, above, below)
    full = ~plain.denominator.any(axis=1)
    if full.any():
        raise _too_close(float(loads[full][0]))
    first, last = plain.numerator[:, 0], plain.numerator[:, -1]
    # stretching one end only relabels u; it keeps the coefficients within sight of each other
    both = (first > 0) & (last > 0)
    stretch = np.where(both, np.where(both, first, 1.0) / np.where(both, last, 1.0), 1.0)[
        :, None
    ] ** (1 / (2 * modes.stages))
    scale = stretch[:, None] ** np.arange(3)
    return Segment(start, end * stretch, above * scale, below * scale)


def _too_close(load: float) -> LoadError:
    return LoadError(
        "load",
        load,
        "is so close to the maximum that no assignment in floating point is stable",
        "lower it a little",
    )


def _forms(modes: Modes, loads: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Coefficients of each stage's numerator and denominator, shape (K, S, 3)."""
    root, left = np.sqrt(modes.time), 1 - loads[:, None, None] * modes.time
    at_start, at_end = start @ root.T, end @ root.T
    above = np.stack([at_start**2, 2 * at_start * at_end, at_end**2], axis=-1)
    squares = np.stack([start**2, 2 * start * end, end**2], axis=-1)
    below, size = left @ squares, np.abs(left) @ squares
    # a stage that fills up at an end has nothing left there, not even rounding
    noise = np.array([16, 0, 16]) * EPS * size
    return above, np.where(below > noise, below, 0.0)


def _times(one: Array, other: Array) -> Array:
    """Coefficients of the product of two polynomials, over the last axis."""
    width = other.shape[-1]
    out = np.zeros((*one.shape[:-1], one.shape[-1] + width - 1))
    for i in range(one.shape[-1]):
        out[..., i : i + width] += one[..., i : i + 1] * other
    return out


def _product(factors: Array) -> Array:
    """Coefficients of the product of S polynomials, shape (..., S, 3)."""
    out = np.ones((*factors.shape[:-2], 1))
    for s in range(factors.shape[-2]):
        out = _times(out, factors[..., s, :])
    return out
