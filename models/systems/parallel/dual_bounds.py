"""Bounds of the mean delay that hold for any flows and multipliers: the theory of certificates.

**Lower bound of the optimum: weak duality.** Let f_i(x) = x l_i(x) be the delay that server i
carries per unit of time; f_i is convex. The optimum minimises sum f_i(x_i) over x >= 0 with
sum x_i = load and, within limits, least <= x <= most and A x <= b. Take any multiplier c of the
load and any multipliers z >= 0 of the rows. For every split x that meets the limits

    sum f_i(x_i) >= sum f_i(x_i) + c (load - sum x_i) + z' (A x - b)
                  = sum [f_i(x_i) - (c - (A' z)_i) x_i] + c load - z' b
                 >= sum min_v [f_i(v) - (c - (A' z)_i) v] + c load - z' b.

The first step adds 0 and a number <= 0; the last one minimises each server alone, over
0 <= v, or least_i <= v <= most_i within limits. So the last line is a lower bound of the
optimum whatever c and z are: they need not be optimal, only inserted. The minimum of server i is
where its marginal delay f_i' is c - (A' z)_i, clipped to its bounds. For the multipliers of the
optimum the bound is the optimum itself (Boyd and Vandenberghe, *Convex optimization*, section
5.5); at flows that are off by e, the bound and the delay are off by the order of e^2.
A convex row h(x) <= b is at least as tight as its tangent at any flows, which takes its place in A
and b; at the flows of the optimum the two have the same multiplier.

**Upper bound of the optimum.** The delay of any feasible split: the given flow, with the rounding
residual of its sum moved to one server.

**Bounds of the equilibrium.** At any split of the load, the common latency L of the equilibrium
lies between the least latency of all servers and the largest latency of the used ones. If L were
above the largest, every used server would carry more at the equilibrium than in the split, and
the flows would sum to more than the load; if L were below the least, every server would carry
less. The mean delay of the equilibrium is L.

**Why spare capacity.** A server with the rate mu and the flow x has the spare capacity y = mu - x.
Near saturation, x = (1 - e) mu, a float x has a relative rounding error u = 1e-16, so the
difference mu - x has the relative error u/e, while l = 1/y and c = mu/y^2 amplify it: the term
c (load - sum x_i) alone may be wrong by u/e^2, and the delay to be certified is of the size 1/e.
Therefore every operating point holds the flow *and* the spare capacity, each with full relative
accuracy, and the residual load - sum x_i is summed exactly, with rate - y in the place of x
where a server is closer to full than to empty.

Flows have shape (..., n), loads and multipliers shape (...): rows are bounded in one pass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .splits import Limits, clip, compensated_sum, load_residual, weighted

EPS = float(np.finfo(float).eps)
SUM_ERROR = 8 * EPS  # relative rounding error of a sum of products, or of an operating point
KINK_GAP = 1e-10  # gap above which the marginal delay of each server is tried as a multiplier
MAX_TRIED = 16  # servers up to which it is


class Point(NamedTuple):
    """Operating points of servers: flow and spare capacity, both of shape (..., n).

    Each has full relative accuracy, which the difference rate - flow would not have near
    saturation.
    """

    flow: Array
    spare_capacity: Array


def exact_split(bank: ServerBank, load: Array, flow: Array, limits: Limits | None = None) -> Point:
    """Return a split of exactly the load: one used server takes the rounding residual.

    It is the server that can take the most: the spare capacity (or, for a negative residual, the
    flow) is largest, within the limits.
    """
    spare_capacity, residual = bank.spare_capacity(flow), load_residual(load, flow)[..., None]
    if not np.count_nonzero(residual):
        return Point(flow, spare_capacity)
    least, most = (0.0, np.inf) if limits is None else (limits.least, limits.most)
    within_bounds = np.where(residual < 0, flow - least, most - flow)
    takes = np.minimum(spare_capacity, within_bounds)
    largest = np.where(flow > 0, takes, -1.0).argmax(axis=-1)[..., None]
    residual = np.where(np.arange(flow.shape[-1]) == largest, residual, 0.0)
    return Point(flow + residual, spare_capacity - residual)


def total_delay(bank: ServerBank, point: Point) -> Array:
    """Return sum x_i l_i(x_i), shape (...): delay per unit of time, by Little's law jobs."""
    return compensated_sum(point.flow * bank.latency(*point))


def residual_at(bank: ServerBank, load: Array, point: Point) -> Array:
    """Return load - sum x_i, shape (...), with rate - y for x where a server is nearly full."""
    full = point.spare_capacity < point.flow
    if not np.count_nonzero(full):
        return load_residual(load, point.flow)
    flow = np.where(full, bank.rate, point.flow)
    correction = np.where(full, bank.rate_error - point.spare_capacity, 0.0)
    return load_residual(load, np.concatenate([flow, correction], axis=-1))


def lagrangian(bank: ServerBank, load: Array, price: Array, point: Point, cost: Array) -> Array:
    """Return sum cost + c (load - sum x_i), shape (...), for the multiplier c = `price`.

    Parameters
    ----------
    price : ndarray, shape (...)
        Multiplier of the load, in units of time.
    point : Point
        Operating points, shape (..., n).
    cost : ndarray, shape (..., m)
        Terms of the cost, such as x_i l_i(x_i) for each server.
    """
    of_load = (price * residual_at(bank, load, point))[..., None]
    return compensated_sum(np.concatenate([cost, of_load], axis=-1))


def optimum_bounds(bank: ServerBank, load: Array, flow: Array, price: Array) -> tuple[Array, Array]:
    """Return a lower and an upper bound of the optimal mean delay, shape (K,).

    Parameters
    ----------
    load : ndarray, shape (K,)
        Total loads.
    flow : ndarray, shape (K, n)
        Splits of the loads.
    price : ndarray, shape (K,)
        Their multipliers.
    """
    upper = total_delay(bank, exact_split(bank, load, flow)) / load
    lower = lower_bound(bank, load, price)
    if len(bank) <= MAX_TRIED:
        rows = np.flatnonzero(upper - lower > KINK_GAP * upper)
        if rows.size:
            # a server at a kink of its latency has a range of marginal delays, so the multiplier
            # of the optimum may be the marginal delay of another server
            some = bank.at(rows)
            tried = np.moveaxis(some.marginal(clip(some, flow[rows])), -1, 0)
            proved = lower_bound(some, np.broadcast_to(load[rows], tried.shape), tried)
            lower[rows] = np.fmax(lower[rows], proved.max(axis=0))
    return lower, upper


def lower_bound(
    bank: ServerBank,
    load: Array,
    price: Array,
    limits: Limits | None = None,
    row_prices: Array | None = None,
    touch: Point | None = None,
) -> Array:
    """Return a lower bound of the optimal mean delay from any multipliers, shape (...).

    Minus infinity where the multipliers prove nothing. The module describes the bound.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (...)
        Total loads.
    price : ndarray, shape (...)
        Multiplier c of the load, in units of time.
    limits : Limits, optional
        Limits that the splits meet.
    row_prices : ndarray, shape (..., m), optional
        Multipliers z >= 0 of the rows of the limits.
    touch : Point, optional
        Any operating points, shape (..., n), at which tangents take the place of convex rows.
    """
    if limits is None:
        return _dual_value(bank, load, price)
    # x_i <= load follows from the balance; it keeps the bound finite for constant latencies
    most = np.minimum(limits.most, load[..., None])
    ends = (
        Point(limits.least, bank.spare_capacity(limits.least)),
        Point(most, bank.spare_capacity(most)),
    )
    if row_prices is None or not row_prices.any():
        return _dual_value(bank, load, price, ends)
    if limits.convex is None or touch is None:
        charge, income = row_prices @ limits.matrix, compensated_sum(row_prices * limits.bound)
        return _dual_value(bank, load, price, ends, charge, -income[..., None])
    charge, cost = weighted(row_prices, limits.slopes(*touch)), row_prices * limits.excess(*touch)
    return _dual_value(bank, load, price, ends, charge, cost, touch)


def _dual_value(
    bank: ServerBank,
    load: Array,
    price: Array,
    ends: tuple[Point, Point] | None = None,
    charge: Array | None = None,
    row_cost: Array | None = None,
    origin: Point | None = None,
) -> Array:
    """Return the dual function divided by the load, shape (...); minus infinity where undefined.

    Parameters
    ----------
    price : ndarray, shape (...)
        Multiplier c of the load.
    ends : tuple of Point, optional
        Least and largest operating point of each server; by default empty and full.
    charge : ndarray, shape (..., n), optional
        A' z: charge for a job at each server.
    row_cost : ndarray, shape (..., m), optional
        Terms of z' (A x - b) at the origin.
    origin : Point, optional
        Operating points from which charges count; by default empty servers.
    """
    own = price[..., None] if charge is None else price[..., None] - charge
    best = bank.at_marginal(np.maximum((own - bank.delay) - bank.service, 0.0))
    least, most = np.zeros(1), load[..., None]
    if ends is None:
        point = Point(np.where(np.isinf(best.flow), most, best.flow), best.spare_capacity)
    else:
        (least, widest), (most, narrowest) = ends
        point = Point(
            np.clip(best.flow, least, most), np.clip(best.spare_capacity, narrowest, widest)
        )
    cost = point.flow * bank.latency(*point)
    if bank.uses_finite_differences:
        # the minimiser is inexact: lower its value by what the differences may be wrong by
        own, *bounds = (np.broadcast_to(a, cost.shape) for a in (own, least, most))
        cost = cost - bank.difference_error_bound(own, point.flow, *bounds)
    if charge is not None and row_cost is not None:
        moved = point.flow
        if origin is not None:  # differences of the smaller of flow and spare capacity
            by_spare_capacity = origin.spare_capacity - point.spare_capacity
            full = point.spare_capacity < point.flow
            moved = np.where(full, by_spare_capacity, point.flow - origin.flow)
        cost = np.concatenate([cost, charge * moved, row_cost], axis=-1)
    bound = lagrangian(bank, load, price, point, cost) / load
    return np.where(np.isfinite(bound), bound, -np.inf)


def supporting_lines(bank: ServerBank, load: Array, price: Array) -> tuple[Array, Array]:
    """Return lines below the least total delay as a function of the load.

    For a fixed multiplier c the dual function is c load plus a constant, so it bounds the least
    total delay from below at every load by a line of slope c.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Loads at which the lines are to be high.
    price : ndarray, shape (K,)
        Any multipliers; the nearer to those of the optimum, the higher the lines.

    Returns
    -------
    tuple of ndarray, shape (K,)
        The value of each line at its load, and its slope.
    """
    # no job is faster than in the empty server with the least idle latency
    fastest = bank.idle_latency.min(axis=-1)
    proved = lower_bound(bank, load, price) * load
    better = proved > fastest * load
    return np.where(better, proved, fastest * load), np.where(better, price, fastest)


def delay_between(bank: ServerBank, load: Array, low: Point, high: Point) -> tuple[Array, Array]:
    """Return bounds of the mean delay of all splits whose flows are between two points.

    For any c a split has the total delay sum [f_i(x_i) - c x_i] + c load. Each term is convex, so
    its maximum over the interval is at an end; its minimum is that of the dual function. The
    bounds hold for every c; the weighted mean of the marginal delays makes them narrow.

    Parameters
    ----------
    load : ndarray, shape (K,)
        Total loads.
    low, high : Point
        Least and largest operating points, shape (K, n).
    """
    by_flow = high.flow - low.flow
    by_spare_capacity = low.spare_capacity - high.spare_capacity
    width = np.where(high.spare_capacity < high.flow, by_spare_capacity, by_flow)
    weight = np.where(width.any(axis=-1, keepdims=True), width, high.flow)
    marginal = np.where(weight > 0, bank.marginal(*high), 0.0)
    c = compensated_sum(marginal * weight) / compensated_sum(weight)
    at_low, at_high = (point.flow * bank.latency(*point) for point in (low, high))
    is_high = at_high - at_low > c[..., None] * width
    largest = Point(*(np.where(is_high, b, a) for a, b in zip(low, high, strict=True)))
    upper = lagrangian(bank, load, c, largest, np.where(is_high, at_high, at_low)) / load
    return _dual_value(bank, load, c, (low, high)), np.where(np.isfinite(upper), upper, np.inf)


def latency_bounds(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    """Return a lower and an upper bound of the equilibrium's latency from splits, (..., n)."""
    split = exact_split(bank, load, flow)
    latency = bank.latency(*split)
    return latency.min(axis=-1), np.where(split.flow > 0, latency, -np.inf).max(axis=-1)


def relative_potential_gap(bank: ServerBank, load: Array, flow: Array, price: Array) -> Array:
    """Return the relative duality gap of the Beckmann potential at splits, shape (...).

    The lower bound is the dual function with the potential in the place of x l(x) and the common
    latency of the used servers, `price`, as the multiplier.
    """
    best = bank.at_latency(np.maximum((price[..., None] - bank.delay) - bank.service, 0.0))
    point = Point(best.flow, best.spare_capacity)
    lower = lagrangian(bank, load, price, point, bank.potential(clip(bank, best.flow)))
    gap = np.abs(compensated_sum(bank.potential(flow)) - lower) / lower
    return np.where(lower > 0, gap, np.inf)
