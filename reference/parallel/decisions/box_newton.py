"""The least of a smooth function of few variables between bounds, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ...errors import Array

STEPS = 60  # largest number of steps
HALVINGS = 40  # largest number of halvings of a step
DECREASE = 1e-4  # part of the decrease that the slope promises, from which a step is taken
FLAT = 1e-9  # smallest curvature, relative to the largest


class Point(Protocol):
    """A function at a point.

    Attributes
    ----------
    value : float
        Its value; infinite where the function is not defined.
    gradient : ndarray, shape (n,)
    hessian : ndarray, shape (n, n)
    """

    value: float
    gradient: Array
    hessian: Array


def least_in_box(
    at: Callable[[Array], Any],
    start: Array,
    low: Array,
    high: Array,
    done: Callable[[Any], bool] = lambda point: False,
) -> tuple[Array, Any]:
    """Return a local minimiser between bounds, and the function there; of a convex one, the least.

    A step is Newton's with the absolute values of the curvatures, on the variables that do not
    press against a bound, projected on the bounds and halved until the function falls.

    Parameters
    ----------
    at : callable
        Function from a point of shape (n,) to a `Point`.
    start, low, high : ndarray, shape (n,)
        First point, where the function is finite, and the bounds.
    done : callable, optional
        Whether the search can stop at a `Point`.
    """
    x = np.clip(start, low, high)
    here = at(x)
    for _ in range(STEPS):
        if done(here):
            break
        slope = here.gradient
        free = ~((x <= low) & (slope >= 0) | (x >= high) & (slope <= 0))
        if not free.any():
            break
        step = np.zeros(x.size)
        curvature, axes = np.linalg.eigh(here.hessian[np.ix_(free, free)])
        size = np.abs(curvature)
        size = np.maximum(size, max(FLAT * float(size.max()), 1e-300))
        step[free] = -(axes @ ((axes.T @ slope[free]) / size))
        span = high - low
        step, part = np.clip(step, -span, span), 1.0
        for _ in range(HALVINGS):
            new = np.clip(x + part * step, low, high)
            there = at(new)
            if there.value <= here.value + DECREASE * float(slope @ (new - x)):
                break
            part *= 0.5
        else:
            break
        moved = there.value < here.value
        x, here = (new, there) if moved else (x, here)
        if not moved:
            break
    return x, here
