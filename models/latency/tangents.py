"""Maximum of tangents of a convex function, for latencies that no CVXPY atom represents.

A program with tangents gives a lower bound. The systems add tangents at the flows of its answer and
solve again, until the certificate is met.
"""

from __future__ import annotations

from collections.abc import Callable

import cvxpy as cp
import numpy as np

from ...reference.errors import Array
from ...reference.server_bank import ServerBank
from .cone import Cone

# Points of the initial tangents, as fractions of the rate, or of the load where there is no rate.
INITIAL_FRACTIONS = np.array([0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 0.99])
ALMOST_FULL = 1.0 - 1e-9  # largest utilisation in a program of tangents
# Spare capacity, as a fraction of the rate, at the last tangent and from where they get sparser.
LAST_SPARE = 1e-4
SPARSER_SPARE = 1e-3
# The same for a server without a rate: its flow, in multiples of that which doubles its latency.
LAST_FLOW = 100.0
SPARSER_FLOW = 10.0
# Factor of the equation between a flow and its segments. A solver that regularises its linear
# systems violates an equation in proportion to its multiplier, here the slope over this factor.
BALANCE_SCALE = 2.0**13
# Fractions of a rate, even in the logarithms of the load and of the spare capacity.
GRID = np.concatenate(
    [[0.0], np.geomspace(1e-6, 0.5, 200), 1.0 - np.geomspace(0.49, LAST_SPARE, 300), [1.0]]
)


def tangent_cone(
    flow: cp.Expression,
    points: Array,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    rate: Array,
) -> Cone:
    """Return the maximum of the tangents at points of shape (m, n), with flows below the rates.

    The maximum is piecewise linear with increasing slopes. It equals the minimum of the sum of
    slope times length of segment used, over one variable per segment between 0 and the segment's
    length: minimised, the segments fill up one after the other. The variables are fractions of
    their segments, so that a solver works with numbers of one size; one row per tangent would have
    coefficients that are decades apart.

    Parameters
    ----------
    flow : cvxpy.Expression, shape (n,)
    points : ndarray, shape (m, n)
        Flows at which the tangents touch the function.
    value, slope : callable
        The convex function and its derivative, from flows (m, n) to arrays of that shape.
    rate : ndarray, shape (n,)
        Upper bounds of the flows, which may be infinite.
    """
    points = np.sort(points, axis=0)
    slopes, height = np.maximum.accumulate(slope(points), axis=0), value(points)
    intercept = height - slopes * points
    rise = np.diff(slopes, axis=0)
    crossing = np.where(
        rise > 0, -np.diff(intercept, axis=0) / np.where(rise > 0, rise, 1.0), points[1:]
    )
    crossing = np.maximum.accumulate(np.clip(crossing, points[:-1], points[1:]), axis=0)
    bounded = np.isfinite(rate)
    end = np.where(bounded, ALMOST_FULL * rate, crossing[-1] + points[-1] + 1.0)
    edges = np.vstack([np.zeros(points.shape[1]), crossing, end])
    length = np.maximum(np.diff(edges, axis=0), 0.0)
    fraction = cp.Variable(length.shape, nonneg=True)
    balance = cp.sum(cp.multiply(BALANCE_SCALE * length, fraction), axis=0)
    constraints = [BALANCE_SCALE * flow == balance]
    if bounded.all():
        constraints.append(fraction <= 1.0)
    else:  # the last segment of a server without a rate has no end
        constraints += [fraction[:-1] <= 1.0, fraction[-1, bounded] <= 1.0]
    maximum = intercept[0] + cp.sum(cp.multiply(slopes * length, fraction), axis=0)
    return Cone(maximum, tuple(constraints), frozenset())


def place_tangents(
    flow: cp.Expression,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    rate: Array,
    flow_scale: Array,
    count: int,
) -> Array:
    """Return points of `count` tangents per server, shape (count, n), with an even relative error.

    Between tangents at a distance h the maximum is below the function f by at most f'' h^2/8. With
    G(x) the integral of sqrt(f''/(8 f)) up to x, a relative error e is (dG)^2: points at even steps
    of G have the error ((G(last) - G(first))/(count - 1))^2. Next to the rate, and far beyond the
    flow that doubles a latency, the error may grow in proportion to 1/(spare capacity), or to the
    flow, so that not all points gather there.

    Parameters
    ----------
    flow : cvxpy.Expression, shape (n,)
        Its bounds bound the points.
    value, slope : callable
        The convex function and its derivative, from flows (m, n) to arrays of that shape.
    rate : ndarray, shape (n,)
        Upper bounds of the flows, which may be infinite.
    flow_scale : ndarray, shape (n,)
        The rate, or the flow that doubles the latency; see `Latency`.
    count : int
    """
    low, high = (np.broadcast_to(bound, flow.shape) for bound in flow.get_bounds())
    bounded = np.isfinite(rate)
    last = np.where(bounded, (1.0 - LAST_SPARE) * rate, LAST_FLOW * flow_scale)
    last = np.minimum(last, np.where(high > 0, high, np.inf))
    first = np.clip(low, 0.0, last)
    grid = np.where(bounded, rate, last) * GRID[:, None]
    grid = np.sort(np.clip(grid, first, last), axis=0)
    with np.errstate(all="ignore"):
        slopes = np.maximum.accumulate(slope(grid), axis=0)
    step, middle = np.diff(grid, axis=0), 0.5 * (grid[1:] + grid[:-1])
    size = value(grid[:1]) + np.cumsum(0.5 * (slopes[1:] + slopes[:-1]) * step, axis=0)
    spare = (np.where(bounded, rate, 1.0) - middle) / (SPARSER_SPARE * flow_scale)
    weight = np.where(bounded, spare, SPARSER_FLOW * flow_scale / np.maximum(middle, 1e-300))
    curvature = np.diff(slopes, axis=0) * step  # f'' h^2
    error = curvature * np.minimum(weight, 1.0) / (8.0 * np.maximum(size, 1e-300))
    steps = np.sqrt(error)
    steps = np.cumsum(np.where(np.isfinite(steps), steps, 0.0), axis=0)
    integral = np.vstack([np.zeros(len(rate)), steps])
    even = np.linspace(0.0, 1.0, count)
    columns = zip(integral.T, grid.T, strict=True)
    return np.array([np.interp(even * total[-1], total, x) for total, x in columns]).T


def default_tangent_points(bank: ServerBank) -> Array:
    """Return 60 points for any load, shape (60, n).

    They approach the rate geometrically, or span nine decades where there is no rate.
    """
    finite, steps = np.isfinite(bank.rate), np.linspace(0.0, 1.0, 60)[:, None]
    bounded = np.where(finite, bank.rate, 1.0) * (1.0 - 10 ** (-4.0 * steps))
    return np.asarray(np.where(finite, bounded, 10 ** (9.0 * steps - 3.0)))


def initial_tangent_points(bank: ServerBank, load: float) -> Array:
    """Return the points of the first program at a total load, shape (8, n).

    The last row is a split in proportion to the rates, or an even one where not all have a rate.
    """
    finite = np.isfinite(bank.rate)
    scale = np.where(finite, np.minimum(bank.rate, 2.0 * load), load)
    if np.all(finite):
        split = bank.rate * min(load / bank.rate.sum(), ALMOST_FULL)
    else:
        split = np.where(finite, 0.5 * scale, load / len(bank))
    return np.vstack([INITIAL_FRACTIONS[:, None] * scale, split])


def add_tangents(bank: ServerBank, points: Array, flow: Array) -> Array:
    """Return the points (m, n) and below them the flows of a program's answer, shape (m + 1, n).

    A flow beyond the last point moves at most 3/4 of the way from it to the rate.
    """
    last = points.max(axis=0)
    finite = np.isfinite(bank.rate)
    spare = np.where(finite, bank.rate, last) - last
    limit = np.where(finite, last + 0.75 * spare, np.inf)
    return np.vstack([points, np.clip(flow, 0.0, limit)])
