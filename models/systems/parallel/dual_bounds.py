"""Bounds of the mean delay."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .prices import multiplier
from .splits import Limits, clip, feasible, missing, total

EPS = float(np.finfo(float).eps)
KINKED = 1e-10  # gap above which other prices than the common one are tried
MANY = 16  # servers above which they are not
SURE = 8 * EPS  # relative rounding error of a sum of products, or of an operating point


class Point(NamedTuple):
    """Where servers operate: flow and spare capacity, shape (..., n), each as precise as it is small."""

    flow: Array
    spare_capacity: Array


def supporting_lines(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    """Lines below the least total delay at every load: their values at K loads and their slopes, from any flows, shape (K, n)."""
    nearest = float(bank.idle_latency.min())
    # no job is ever served faster than by the nearest server, empty
    value, slope = nearest * load, np.full_like(load, nearest)
    for trim in (False, True):
        point, there = feasible(bank, load, flow, trim=trim)
        price = multiplier(bank, load, point, "optimum")
        proved = lower_bound(bank, load, price) * load
        better = there & (proved > value)
        value, slope = np.where(better, proved, value), np.where(better, price, slope)
    return value, slope


def exact_split(bank: ServerBank, load: Array, flow: Array, limits: Limits | None = None) -> Point:
    """Split of exactly the load: what rounding left over goes to the used server with the most room for it."""
    spare_capacity, rest = bank.spare_capacity(flow), missing(load, flow)[..., None]
    least, most = (0.0, np.inf) if limits is None else (limits.least, limits.most)
    room = np.minimum(spare_capacity, np.where(rest < 0, flow - least, most - flow))
    roomy = np.where(flow > 0, room, -1.0).argmax(axis=-1)[..., None]
    rest = np.where(np.arange(flow.shape[-1]) == roomy, rest, 0.0)
    return Point(flow + rest, spare_capacity - rest)


def total_delay(bank: ServerBank, point: Point) -> Array:
    """Total delay per unit of time."""
    return total(point.flow * bank.latency(*point))


def residual_at(bank: ServerBank, load: Array, point: Point) -> Array:
    """Load less what servers carry; the flow of one that is closer to full than to empty is its rate less its spare capacity."""
    full = point.spare_capacity < point.flow
    return missing(
        load,
        np.concatenate(
            [
                np.where(full, bank.rate, point.flow),
                np.where(full, bank.rate_error - point.spare_capacity, 0.0),
            ],
            axis=-1,
        ),
    )


def lagrangian(bank: ServerBank, load: Array, price: Array, point: Point, cost: Array) -> Array:
    """Lagrangian at flows: what they cost, and the price of the load that they leave."""
    return total(
        np.concatenate([cost, (price * residual_at(bank, load, point))[..., None]], axis=-1)
    )


def optimum_bounds(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    upper = total_delay(bank, exact_split(bank, load, flow)) / load
    lower = lower_bound(bank, load, multiplier(bank, load, flow, "optimum"))
    if len(bank) <= MANY:
        rows = np.flatnonzero(upper - lower > KINKED * upper)
        if rows.size:
            # at a kink a server has any price between two, and the common one is that of another server
            others = bank.marginal(clip(bank, flow[rows]))
            proved = lower_bound(bank, np.broadcast_to(load[rows, None], others.shape), others)
            lower[rows] = np.fmax(lower[rows], proved.max(axis=-1))
    return lower, upper


def lower_bound(
    bank: ServerBank,
    load: Array,
    price: Array,
    limits: Limits | None = None,
    row_prices: Array | None = None,
) -> Array:
    """Least mean delay that a price of the load proves, and those of rows; minus infinity where they prove none. Shape (...)."""
    if limits is None:
        return _least(bank, load, price)
    # that no server carries more than the load is no new limit, and bounds what a flat price does not
    most = np.minimum(limits.most, load[..., None])
    ends = (
        Point(limits.least, bank.spare_capacity(limits.least)),
        Point(most, bank.spare_capacity(most)),
    )
    if row_prices is None or not row_prices.any():
        return _least(bank, load, price, ends)
    return _least(
        bank, load, price, ends, row_prices @ limits.matrix, math.fsum(row_prices * limits.bound)
    )


def _least(
    bank: ServerBank,
    load: Array,
    price: Array,
    ends: tuple[Point, Point] | None = None,
    charge: Array | None = None,
    money: float = 0.0,
) -> Array:
    """Least mean delay that a price of the load proves over flows between two points; of a `charge` a job there is `money` in all."""
    own = price[..., None] if charge is None else price[..., None] - charge
    shape = np.broadcast_shapes(np.shape(own), (*price.shape, len(bank)))
    found = bank.at_marginal(np.maximum((own - bank.delay) - bank.service, 0.0))
    if ends is None:
        most = np.broadcast_to(load[..., None], shape)
        least, point = (
            np.zeros(shape),
            Point(np.where(np.isinf(found.flow), most, found.flow), found.spare_capacity),
        )
    else:
        (least, widest), (most, narrowest) = ends
        point = Point(
            np.clip(found.flow, least, most), np.clip(found.spare_capacity, narrowest, widest)
        )
    cost = point.flow * bank.latency(*point)
    if bank.uses_finite_differences:
        cost = cost - bank.difference_error_bound(
            np.broadcast_to(own, shape),
            point.flow,
            np.broadcast_to(least, shape),
            np.broadcast_to(most, shape),
        )
    if charge is not None:
        cost = np.concatenate(
            [cost, charge * point.flow, np.full((*price.shape, 1), -money)], axis=-1
        )
    bound = lagrangian(bank, load, price, point, cost) / load
    return np.where(np.isfinite(bound), bound, -np.inf)


def delay_between(bank: ServerBank, load: Array, low: Point, high: Point) -> tuple[Array, Array]:
    """Bounds of the mean delay of every split of the load whose flows lie between two points.

    With f the convex delay carried, and any c, a split carries sum f(x) - c x + c load, and f - c x is largest at an end.
    """
    width = np.where(
        high.spare_capacity < high.flow,
        low.spare_capacity - high.spare_capacity,
        high.flow - low.flow,
    )
    weight = np.where(width.any(axis=-1, keepdims=True), width, high.flow)
    marginal = np.where(weight > 0, bank.marginal(*high), 0.0)
    c = total(marginal * weight) / total(weight)
    costs = [point.flow * bank.latency(*point) for point in (low, high)]
    dear = costs[1] - costs[0] > c[..., None] * width
    top = Point(*(np.where(dear, b, a) for a, b in zip(low, high, strict=True)))
    upper = lagrangian(bank, load, c, top, np.where(dear, costs[1], costs[0])) / load
    return _least(bank, load, c, (low, high)), np.where(np.isfinite(upper), upper, np.inf)


def latency_bounds(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    split = exact_split(bank, load, flow)
    latency = bank.latency(*split)
    return latency.min(axis=-1), np.where(split.flow > 0, latency, -np.inf).max(axis=-1)


def potential_gap_of(bank: ServerBank, load: Array, flow: Array) -> Array:
    price = multiplier(bank, load, flow, "equilibrium")
    point = bank.at_latency(np.maximum((price[..., None] - bank.delay) - bank.service, 0.0))
    lower = lagrangian(
        bank,
        load,
        price,
        Point(point.flow, point.spare_capacity),
        bank.potential(clip(bank, point.flow)),
    )
    return np.where(lower > 0, np.abs(total(bank.potential(flow)) - lower) / lower, np.inf)
