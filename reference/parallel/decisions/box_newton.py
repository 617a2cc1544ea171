"""The least of a smooth function of few variables between bounds, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ...compensated_sum import TINY
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

    A step minimises the quadratic model, with the absolute values of the curvatures, between the
    bounds; it is halved until the function falls.

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
        step, part = _step(here, low - x, high - x), 1.0
        if not step.any():
            break
        for _ in range(HALVINGS):
            new = np.clip(x + part * step, low, high)
            there = at(new)
            if there.value <= here.value + DECREASE * part * float(here.gradient @ step):
                break
            part *= 0.5
        else:
            break
        moved = there.value < here.value
        x, here = (new, there) if moved else (x, here)
        if not moved:
            break
    return x, here


def _step(at: Point, low: Array, high: Array) -> Array:
    """Return the step between bounds that minimises the quadratic model at a point.

    With the curvatures a and axes Q it is the least of the norm of sqrt(a) Q' step + Q' slope /
    sqrt(a): a least-squares problem with bounds.
    """
    from scipy.optimize import lsq_linear

    step, free = np.zeros(low.size), low < high
    if not free.any():
        return step
    slope, bounds = at.gradient[free], (low[free], high[free])
    curvature, axes = np.linalg.eigh(at.hessian[np.ix_(free, free)])
    size = np.abs(curvature)
    # a direction without curvature goes to its bound
    flat = max(float(size.max()), float(np.abs(slope).max() / (bounds[1] - bounds[0]).max()))
    root = np.sqrt(np.maximum(size, max(FLAT * flat, TINY)))
    goal = -(axes.T @ slope) / root
    step[free] = lsq_linear(root[:, None] * axes.T, goal, bounds, method="bvls").x
    return step
