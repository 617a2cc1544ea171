"""Where many decreasing functions change sign, also where they jump: Chandrupatla's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array

STEPS = 200  # about ten are usual; a jump takes as many as bisection
CLOSE = 2 * EPS  # relative distance of the ends at which a root is found
LARGEST = 1e3  # values beyond are of no use to interpolation


def falling_root(
    value: Callable[[Array, npt.NDArray[np.intp]], Array],
    low: Array,
    high: Array,
    at_low: Array,
    at_high: Array,
) -> tuple[Array, Array]:
    """Return the ends of brackets of neighbouring floats, or nearly, each of shape (K,).

    T. R. Chandrupatla, *A new hybrid quadratic/bisection algorithm for finding the zero of a
    nonlinear function without using derivatives*, Adv. Eng. Softw. 28 (1997).

    Parameters
    ----------
    value : callable
        From points, shape (m,), and the indices of their rows to the values of the functions.
    low, high : ndarray, shape (K,)
        Ends, between which a function changes from above 0 to 0 or less.
    at_low, at_high : ndarray, shape (K,)
        Values there.
    """
    # a is the newest point, b the other end of the bracket, c the point before
    a, b, c = high.copy(), low.copy(), low.copy()
    fa, fb = (np.clip(f, -LARGEST, LARGEST) for f in (at_high, at_low))
    fc, part = fb.copy(), np.full(low.shape, 0.5)
    todo = np.flatnonzero((fa < 0) & (low < high))
    for _ in range(STEPS):
        if not todo.size:
            break
        x = a[todo] + part[todo] * (b[todo] - a[todo])
        f = np.clip(value(x, todo), -LARGEST, LARGEST)
        same = (f > 0) == (fa[todo] > 0)
        c[todo], fc[todo] = np.where(same, a[todo], b[todo]), np.where(same, fa[todo], fb[todo])
        b[todo], fb[todo] = np.where(same, b[todo], a[todo]), np.where(same, fb[todo], fa[todo])
        a[todo], fa[todo] = x, f
        width = np.abs(b[todo] - a[todo])
        least = CLOSE * np.abs(a[todo]) / np.where(width > 0, width, 1.0)
        done = (width == 0) | (least > 0.5) | (f == 0)
        with np.errstate(all="ignore"):
            p, q, r = fa[todo], fb[todo], fc[todo]
            distance = (a[todo] - b[todo]) / (c[todo] - b[todo])
            height = (p - q) / (r - q)
            smooth = (height**2 < distance) & ((1 - height) ** 2 < 1 - distance)
            inverse = p / (q - p) * r / (q - r)
            inverse += (c[todo] - a[todo]) / (b[todo] - a[todo]) * p / (r - p) * q / (r - q)
        smooth &= np.isfinite(inverse)
        part[todo] = np.clip(np.where(smooth, inverse, 0.5), least, 1 - least)
        todo = todo[~done]
    above = fa > 0
    first, last = np.where(above, a, b), np.where(above, b, a)
    return np.where(fa == 0, a, first), np.where(fa == 0, a, last)
