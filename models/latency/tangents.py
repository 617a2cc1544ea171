"""A convex function from below: the largest of its tangents, for latencies that no cone of CVXPY says.

What a solver makes of them is a lower bound; it becomes the truth as tangents are added where its answers land.
"""

from __future__ import annotations

from collections.abc import Callable

import cvxpy as cp
import numpy as np

from sojourn.models.latency.cone import Cone
from sojourn.reference.errors import Array
from sojourn.reference.queues import Queue

USED = np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.99])  # parts of the capacity, or of the load, that the first tangents touch
FULL = 1.0 - 1e-9


def tangents(flow: cp.Expression, points: Array, value: Callable[[Array], Array], slope: Callable[[Array], Array], rate: Array) -> Cone:
    """Return the largest of the tangents at points of shape (m, n), as linear constraints, within the capacity."""
    rise, height = slope(points), value(points)
    start = height - rise * points
    top = cp.Variable(flow.shape)
    rows = np.ones((len(points), 1))
    below = cp.multiply(rise, rows @ cp.reshape(flow, (1, flow.size), order="C")) + start <= rows @ cp.reshape(top, (1, top.size), order="C")
    finite = np.flatnonzero(np.isfinite(rate))
    inside = (flow[finite] <= FULL * rate[finite],) if finite.size else ()
    return Cone(top, (below, *inside), frozenset())


def general_points(queue: Queue) -> Array:
    """Points for any load, shape (m, n): closer and closer to the rate, or over nine decades where there is none."""
    finite, steps = np.isfinite(queue.rate), np.linspace(0.0, 1.0, 60)[:, None]
    bounded = np.where(finite, queue.rate, 1.0) * (1.0 - 10 ** (-4.0 * steps))
    points: Array = np.where(finite, bounded, 10 ** (9.0 * steps - 3.0))
    return points


def first_points(queue: Queue, load: float) -> Array:
    """Points to start from at a load, shape (m, n)."""
    finite = np.isfinite(queue.rate)
    reach = np.where(finite, np.minimum(queue.rate, 2.0 * load), load)
    total = queue.rate[finite].sum()
    even = np.where(finite, queue.rate * min(load / total, FULL) if np.all(finite) else 0.5 * reach, load / len(queue))
    return np.vstack([USED[:, None] * reach, even])


def with_landing(queue: Queue, points: Array, flow: Array) -> Array:
    """Points and where a solver's answer landed; what landed beyond the last point next to the rate goes half of the way there."""
    edge = points.max(axis=0)
    finite = np.isfinite(queue.rate)
    limit = np.where(finite, edge + 0.75 * (np.where(finite, queue.rate, edge) - edge), np.inf)
    return np.vstack([points, np.clip(flow, 0.0, limit)])
