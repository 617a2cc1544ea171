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

from sojourn.reference.dual_mode.modes import Modes
from sojourn.reference.dual_mode.stability import ends, one_load
from sojourn.reference.errors import Array, LoadError

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Segment:
    """Delay over the stable interval; u = 0 is its end of largest p, u = 1 that of least p.

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
        others = [_product(np.delete(self.below, s, axis=0)) for s in range(len(self.below))]
        return np.asarray(sum(np.convolve(a, o) for a, o in zip(self.above, others, strict=True)))

    def delay(self, u: npt.ArrayLike) -> Array:
        """Mean delay at u; infinite where a stage is full."""
        total: Array = self.stage_delay(u).sum(axis=-1)
        return total

    def stage_delay(self, u: npt.ArrayLike) -> Array:
        """Mean time of a job at each stage, shape (..., S)."""
        point = np.asarray(u, dtype=float)
        basis = np.stack([(1 - point) ** 2, point * (1 - point), point**2], axis=-1)
        above, below = basis @ self.above.T, basis @ self.below.T
        stage: Array = np.divide(above, below, out=np.full(below.shape, np.inf), where=below > 0)
        return stage

    def assignment(self, u: float) -> Array:
        """Parts (p, 1 - p) at u, each to full accuracy."""
        squares = ((1 - u) * self.start + u * self.end) ** 2
        parts: Array = squares / squares.sum()
        return parts

    def slope_numerator(self) -> Array:
        """Coefficients of 2S (N'D - ND'), shape (4S - 1,), of degree 4S - 2: its roots are the critical points of the delay.

        For two stages that is degree 6, though the quotient rule on two quartics gives 7 and the paper expects 8: by Euler's rule for
        homogeneous polynomials it is their Jacobian, one degree lower in each. What is only rounding is 0: at an end it would be a root
        far away, and blur the others.
        """
        n = np.arange(len(self.numerator))
        top, bottom = self.numerator, self.denominator
        # derivatives by 1 - u and by u, as if the two did not depend on each other
        rest, at = n[::-1], n
        one, other = np.convolve((top * at)[1:], (bottom * rest)[:-1]), np.convolve((top * rest)[:-1], (bottom * at)[1:])
        return np.where(np.abs(one - other) > 4 * len(top) * EPS * (one + other), one - other, 0.0)


def segment(modes: Modes, load: float) -> Segment:
    """Return the delay of two modes at a load as a ratio of polynomials.

    Raises
    ------
    LoadError
        Where the load is so close to the largest that no float p is stable.
    """
    load = one_load(modes, load)
    high, low = ends(modes, load)
    if not low.rest * high.p > high.rest * low.p * (1 + 4 * EPS):
        raise _too_close(load)
    start, end = np.sqrt([high.p, high.rest]), np.sqrt([low.p, low.rest])
    above, below = _forms(modes, load, start, end)
    plain = Segment(start, end, above, below)
    if not plain.denominator.any():
        raise _too_close(load)
    first, last = plain.numerator[0], plain.numerator[-1]
    # stretching one end only relabels u; it keeps the coefficients within sight of each other
    stretch = (first / last) ** (1 / (2 * modes.stages)) if first > 0 and last > 0 else 1.0
    scale = stretch ** np.arange(3)
    return Segment(start, end * stretch, above * scale, below * scale)


def _too_close(load: float) -> LoadError:
    return LoadError("load", load, "is so close to the maximum that no assignment in floating point is stable", "lower it a little")


def _forms(modes: Modes, load: float, start: Array, end: Array) -> tuple[Array, Array]:
    root, left = np.sqrt(modes.time), 1 - load * modes.time
    at_start, at_end = root @ start, root @ end
    above = np.stack([at_start**2, 2 * at_start * at_end, at_end**2], axis=1)
    squares = np.stack([start**2, 2 * start * end, end**2])
    below, size = left @ squares.T, np.abs(left) @ squares.T
    # a stage that fills up at an end has nothing left there, not even rounding
    noise = np.array([16, 0, 16]) * EPS * size
    return above, np.where(below > noise, below, 0.0)


def _product(factors: Array) -> Array:
    out = np.ones(1)
    for factor in factors:
        out = np.convolve(out, factor)
    return out
