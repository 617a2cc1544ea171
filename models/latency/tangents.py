"""A convex function from below: the largest of its tangents, for latencies that no cone of CVXPY says.

What a solver makes of them is a lower bound; it becomes the truth as tangents are added where its answers land.
"""

from __future__ import annotations

from collections.abc import Callable

import cvxpy as cp
import numpy as np

from ...reference.errors import Array
from ...reference.server_bank import ServerBank
from .cone import Cone

USED = np.array(
    [0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.99]
)  # parts of the capacity, or of the load, that the first tangents touch
FULL = 1.0 - 1e-9
LEAST = 1e-4  # part of a rate that the last tangent leaves free
LOOSE = 1e-3  # part of a rate, left free, from which on fewer will do
FAR = 100.0  # times the flow that doubles a latency, up to which there are tangents where there is no rate
ENOUGH = 10.0  # such times from which on fewer will do
TIGHT = 2.0**13  # what the equation of a flow and its parts is multiplied by
TRIED = np.concatenate(
    [[0.0], np.geomspace(1e-6, 0.5, 200), 1.0 - np.geomspace(0.49, LEAST, 300), [1.0]]
)


def tangents(
    flow: cp.Expression,
    points: Array,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    rate: Array,
) -> Cone:
    """Return the largest of the tangents at points of shape (m, n), within the capacity.

    It is straight from where one tangent meets the next on, with slopes that rise. So it is the least sum of slope times part over the parts
    of the flow, one a stretch, none above the length of its stretch: minimised, they fill up one after the other. Each is a part of its
    stretch, so that all that a solver works with is of one size; as rows, one a tangent, their slopes are decades apart.
    """
    points = np.sort(points, axis=0)
    rise, height = np.maximum.accumulate(slope(points), axis=0), value(points)
    start = height - rise * points
    bent = np.diff(rise, axis=0)
    meet = np.where(bent > 0, -np.diff(start, axis=0) / np.where(bent > 0, bent, 1.0), points[1:])
    meet = np.maximum.accumulate(np.clip(meet, points[:-1], points[1:]), axis=0)
    edges = np.vstack(
        [
            np.zeros(points.shape[1]),
            meet,
            np.where(np.isfinite(rate), FULL * rate, meet[-1] + points[-1] + 1.0),
        ]
    )
    length = np.maximum(np.diff(edges, axis=0), 0.0)
    part = cp.Variable(length.shape, nonneg=True)
    open_ended = np.zeros(length.shape, dtype=bool)
    open_ended[-1] = ~np.isfinite(rate)
    # the price of the flow is the slope, and a solver that keeps itself from dividing by 0 is off by a part of the price of the equation
    constraints = [TIGHT * flow == cp.sum(cp.multiply(TIGHT * length, part), axis=0)]
    constraints += (
        [part[:-1] <= 1.0, part[-1, ~open_ended[-1]] <= 1.0] if open_ended.any() else [part <= 1.0]
    )
    return Cone(
        start[0] + cp.sum(cp.multiply(rise * length, part), axis=0), tuple(constraints), frozenset()
    )


def placed(
    flow: cp.Expression,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    rate: Array,
    reach: Array,
    count: int,
) -> Array:
    """Points of `count` tangents a server, shape (count, n), such that the largest is below the function f by an even part of it.

    Between tangents at a distance h it is below by f'' h^2/8 at most. With G(x) the integral of sqrt(f''/(8 f)) up to x, a part e of f is
    dG = sqrt(e): points at even steps of G are off by ((G(last) - G(first))/(count - 1))^2. Next to the rate, and far beyond the flow that
    doubles a latency, a part grows with what is left, or is beyond, so that not all points gather there.
    """
    low, high = _bounds(flow)
    bounded = np.isfinite(rate)
    top = np.minimum(
        np.where(bounded, (1.0 - LEAST) * rate, FAR * reach), np.where(high > 0, high, np.inf)
    )
    low = np.clip(low, 0.0, top)
    # even in the logarithm of the distance from no load, and from the rate
    tried = np.where(bounded, rate, top) * TRIED[:, None]
    inner = np.sort(np.clip(tried, low, top), axis=0)
    with np.errstate(all="ignore"):
        steep = np.maximum.accumulate(slope(inner), axis=0)
    step, middle = np.diff(inner, axis=0), 0.5 * (inner[1:] + inner[:-1])
    size = value(inner[:1]) + np.cumsum(0.5 * (steep[1:] + steep[:-1]) * step, axis=0)
    left = np.where(
        bounded,
        (np.where(bounded, rate, 1.0) - middle) / (LOOSE * reach),
        ENOUGH * reach / np.maximum(middle, 1e-300),
    )
    gain = np.sqrt(
        np.diff(steep, axis=0) * step * np.minimum(left, 1.0) / (8.0 * np.maximum(size, 1e-300))
    )
    total = np.vstack(
        [np.zeros(len(rate)), np.cumsum(np.where(np.isfinite(gain), gain, 0.0), axis=0)]
    )
    even = np.linspace(0.0, 1.0, count)
    return np.array(
        [np.interp(even * t[-1], t, x) for t, x in zip(total.T, inner.T, strict=True)]
    ).T


def _bounds(flow: cp.Expression) -> tuple[Array, Array]:
    """Least and largest value that a flow can have by the bounds of its variables, each of shape (n,)."""
    low, high = flow.get_bounds()
    return np.broadcast_to(low, flow.shape), np.broadcast_to(high, flow.shape)


def default_tangent_points(bank: ServerBank) -> Array:
    """Points for any load, shape (m, n): closer and closer to the rate, or over nine decades where there is none."""
    finite, steps = np.isfinite(bank.rate), np.linspace(0.0, 1.0, 60)[:, None]
    bounded = np.where(finite, bank.rate, 1.0) * (1.0 - 10 ** (-4.0 * steps))
    return np.asarray(np.where(finite, bounded, 10 ** (9.0 * steps - 3.0)))


def initial_tangent_points(bank: ServerBank, load: float) -> Array:
    """Points to start from at a load, shape (m, n)."""
    finite = np.isfinite(bank.rate)
    reach = np.where(finite, np.minimum(bank.rate, 2.0 * load), load)
    total = bank.rate[finite].sum()
    even = np.where(
        finite,
        bank.rate * min(load / total, FULL) if np.all(finite) else 0.5 * reach,
        load / len(bank),
    )
    return np.vstack([USED[:, None] * reach, even])


def add_tangents(bank: ServerBank, points: Array, flow: Array) -> Array:
    """Points and where a solver's answer landed; what landed beyond the last point next to the rate goes half of the way there."""
    edge = points.max(axis=0)
    finite = np.isfinite(bank.rate)
    limit = np.where(finite, edge + 0.75 * (np.where(finite, bank.rate, edge) - edge), np.inf)
    return np.vstack([points, np.clip(flow, 0.0, limit)])
