"""A primal-dual interior point on route flows, to which routes can be added at any iteration.

The cost of a station is T(v), increasing in its flow v. The conditions of the optimum are

    sum of x in each group = load,   W'x = v,   p = T(v),   W p + delay - u = s,   x s = 0

with x, s >= 0. The method keeps x, s > 0 and lowers their products together to 0. The price p is a
variable beside the flow: a station with a finite rate keeps a spare capacity above 0 with a price
of its own, so that the method also converges where the cost is very steep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import Array
from ..server_bank import ServerBank
from .columns import Columns
from .link_space import Differences, Step
from .single_station import SingleStations, equations, weights_within_digits

TO_BOUNDARY = 0.995  # part of the longest step
LOADED = 0.1  # utilisation from which the price takes part in the slope of the cost
MOST_SHARE = 0.05  # largest share of its group's load that a new route gets
NEW_PART = 0.2  # largest part of a station's spare capacity that new routes take
IDLE = 0.01  # flow, as a part of the mean of its group's routes, below which a route is left out
KEPT = 0.5  # least part of the spare capacity of a station after a balanced step
CORRECTORS = 2  # largest number of further corrections of a step, each for a longer one
WHOLE = 0.7  # part of a step that needs none of these
LONGER = 0.3  # by which a correction is to lengthen the step
WORTH = 0.1  # least part of this that is worth the correction
OUTLIER = 0.1  # product, relative to the mean, that holds a step back; likewise its inverse
TUBE = 10.0  # largest ratio of the rise of a station's cost to that of its price


class Solvable(Protocol):
    """Equations of a step; see `Differences`."""

    def solve(self, pull: Array, missing: Array, excess: Array, lag: Array) -> Step:
        """Return the step."""


Equations = Callable[[Columns, int, Array, Array], Solvable]


@dataclass(eq=False)
class Point:
    """A point of the interior point method.

    Attributes
    ----------
    columns : Columns
        R routes.
    flow, reduced : ndarray, shape (R,)
        Flow x and reduced cost s of each route.
    level : ndarray, shape (G,)
        Cost u of each group.
    station_flow, price : ndarray, shape (A,)
        Flow v and price p of each station.
    """

    columns: Columns
    flow: Array
    reduced: Array
    level: Array
    station_flow: Array
    price: Array

    @property
    def gap(self) -> float:
        """Sum over routes of flow times reduced cost."""
        return float(self.flow @ self.reduced)


def at_columns(bank: ServerBank, columns: Columns, load: Array, flow: Array, part: float) -> Point:
    """Return a first point from flows above 0 of routes.

    Parameters
    ----------
    bank : ServerBank
        Stations with the cost as latency.
    columns : Columns
        R routes, at least one for each group.
    load : ndarray, shape (G,)
        Load of each group.
    flow : ndarray, shape (R,)
        Flow of each route, above 0.
    part : float
        Gap of the point, relative to the total cost.
    """
    station_flow = columns.station_flow(flow)
    limited = np.isfinite(bank.rate)
    full = limited & (bank.spare_capacity(station_flow) <= 0)
    station_flow = np.where(full, 0.95 * bank.rate, station_flow)
    price = bank.latency(station_flow)
    groups = load.size
    total = float(columns.costs(price) @ flow)
    each = part * (total if total > 0 else 1.0) / len(columns)
    price = np.where(full, np.maximum(price, each / bank.spare_capacity(station_flow)), price)
    costs = columns.costs(price)
    least = columns.least(costs, groups)
    count = np.bincount(columns.group, minlength=groups)
    level = least - each * count / load
    reduced = np.maximum(costs - level[columns.group], each / flow)
    return Point(columns, flow, reduced, level, station_flow, price)


def with_columns(
    bank: ServerBank, point: Point, new: Columns, load: Array, share: float = MOST_SHARE
) -> Point:
    """Return the point with further routes, of a flow so small that no station is full.

    Each gets at most a share of its group's load.
    """
    if not len(new):
        return point
    mean = point.gap / len(point.columns)
    costs = new.costs(point.price) - point.level[new.group]
    spare = bank.spare_capacity(point.station_flow)
    entered = enter(
        point.columns, point.flow, point.reduced, new, costs, mean, share * load, load, spare
    )
    return Point(
        entered.columns,
        entered.flow,
        entered.reduced,
        point.level,
        point.station_flow + entered.change,
        point.price,
    )


class Entered(NamedTuple):
    """Routes with new ones, their flows and reduced costs, and the change of station flows."""

    columns: Columns
    flow: Array
    reduced: Array
    change: Array


def enter(
    columns: Columns,
    flow: Array,
    reduced: Array,
    new: Columns,
    costs: Array,
    mean: float,
    most: Array,
    load: Array,
    spare: Array,
) -> Entered:
    """Return the routes and new ones, of a flow so small that no station is full.

    Parameters
    ----------
    columns : Columns
        R routes.
    flow, reduced : ndarray, shape (R,)
        Their flow and reduced cost.
    new : Columns
        N new routes.
    costs : ndarray, shape (N,)
        Their reduced costs, which may be below 0.
    mean : float
        Product of flow and reduced cost that a new route has at least.
    most, load : ndarray, shape (G,)
        Largest flow of a new route of each group, and load of the group.
    spare : ndarray, shape (A,)
        Spare capacity of the stations, infinite without a rate.
    """
    joined, order = columns.with_new(new)
    own = mean / np.maximum(costs, mean / most[new.group])
    # the other routes of the group make way
    taken = np.bincount(new.group, weights=own, minlength=load.size) / load
    change = new.station_flow(own) - columns.station_flow(flow * taken[columns.group])
    rising = (change > 0) & np.isfinite(spare)
    part = min(1.0, float(np.min(NEW_PART * spare[rising] / change[rising], initial=1.0)))
    return Entered(
        joined,
        np.concatenate([flow * (1.0 - part * taken)[columns.group], part * own])[order],
        np.concatenate([reduced, np.maximum(costs, mean / (part * own))])[order],
        part * change,
    )


def without_idle(bank: ServerBank, point: Point, load: Array) -> Point:
    """Return the point without the routes of next to no flow, which the others of a group take.

    It is the same point while that would take much of the spare capacity of a station.
    """
    columns, x = point.columns, point.flow
    each = load / np.bincount(columns.group, minlength=load.size)
    stays = x > IDLE * each[columns.group]
    if np.count_nonzero(stays) > 0.9 * x.size:
        return point
    flow = np.where(stays, x, 0.0)
    flow *= (load / columns.group_flow(flow, load.size))[columns.group]
    change = columns.station_flow(flow - x)
    if np.any(change > NEW_PART * bank.spare_capacity(point.station_flow)):
        return point
    rows = np.flatnonzero(stays)
    return replace(
        point,
        columns=columns.only(rows),
        flow=flow[rows],
        reduced=point.reduced[rows],
        station_flow=point.station_flow + change,
    )


def linear_costs(bank: ServerBank, point: Point) -> tuple[Array, Array]:
    """Return the slope D of each station's price, and what the price lacks of the cost, (A,).

    Newton's method is applied to the power 1/m of (p - T(0))/(T(v) - T(0)) = 1, which is nearly
    linear in v where the cost is steep: as p (mu - v) = 1 is for T = 1/(mu - v), with m = 1, and
    the root of p (mu - v)^2 = mu for T = mu/(mu - v)^2, with m = 2.
    """
    flow, price = point.station_flow, point.price
    cost, slope, idle = bank.latency(flow), bank.latency_slope(flow), bank.idle_latency
    lag = cost - price
    steep = np.flatnonzero((flow > LOADED * bank.rate) & (np.minimum(cost, price) > idle))
    rise, above = (cost - idle)[steep], (price - idle)[steep]
    ratio, spare = above / rise, bank.spare_capacity(flow)[steep]
    power = np.clip(spare * slope[steep] / rise, 1.0, 2.0)
    lag[steep] = power * above * (ratio ** (-1.0 / power) - 1.0)
    slope[steep] *= ratio
    return slope, lag


def longest(value: Array, change: Array) -> float:
    """Return the longest step up to 1 that keeps all values above 0."""
    return 1.0 / max(TO_BOUNDARY, float(np.max(-change / value, initial=0.0)))


def _within_digits(
    columns: Columns, groups: int, weight: Array, slope: Array
) -> Differences | SingleStations:
    return equations(columns, groups, weights_within_digits(columns, weight, slope), slope)


def advance(
    bank: ServerBank,
    point: Point,
    load: Array,
    equations: Equations = _within_digits,
    *,
    balanced: bool = False,
) -> tuple[Point, float]:
    """Return the point after one predictor-corrector iteration, and the length of its step.

    Parameters
    ----------
    bank : ServerBank
        Stations with the cost as latency.
    point : Point
    load : ndarray, shape (G,)
        Load of each group.
    equations : callable, optional
        Returns the equations of routes, groups, weights and slopes; see `Differences`. By default
        large weights are cut; see `weights_within_digits`.
    balanced : bool, default False
        Whether the products fall no faster than what the other conditions are off, and stations
        keep half of their spare capacity: shorter steps, which do not stall next to capacity.
    """
    columns, x, s = point.columns, point.flow, point.reduced
    groups, v, price = load.size, point.station_flow, point.price
    spare = bank.spare_capacity(v)
    limited = np.isfinite(spare)
    slope, lag = linear_costs(bank, point)
    residual = columns.costs(price) - point.level[columns.group] - s
    missing = load - columns.group_flow(x, groups)
    excess = columns.station_flow(x) - v
    system = equations(columns, groups, x / s, slope)

    def direction(product: Array, lag: Array) -> tuple[Step, Array]:
        step = system.solve(product / x - residual, missing, excess, lag)
        return step, (product - s * step.flow) / x

    def length(step: Step, reduced: Array) -> float:
        steps = [longest(x, step.flow), longest(s, reduced)]
        most = KEPT if balanced else 1.0
        steps.append(longest(most * spare[limited], -step.station_flow[limited]))
        return TO_BOUNDARY * min(steps)

    mean = point.gap / x.size
    step, reduced = direction(-x * s, lag)
    part = min(1.0, length(step, reduced))
    after = float((x + part * step.flow) @ (s + part * reduced)) / x.size
    centring = (max(after, 0.0) / mean) ** 3 if mean > 0 else 0.0
    # a price of spare capacity is kept from falling ahead of the other products
    idle, lifted = bank.idle_latency, centring * mean / spare
    lag = np.where(lifted > bank.latency(v) - idle, lifted - (price - idle), lag)
    if balanced and mean > 0:
        off = np.abs(bank.latency(v) - price) @ v + np.abs(excess) @ price
        off += x @ np.abs(residual)
        centring = max(centring, min(float(off) / (mean * x.size), 1.0))
    product = centring * mean - x * s - step.flow * reduced
    step, reduced = direction(product, lag)
    part = min(1.0, length(step, reduced))
    for _ in range(CORRECTORS if part < WHOLE else 0):
        # products that a longer step would leave too small or too large hold it back
        aim = min(1.0, part + LONGER)
        ahead = (x + aim * step.flow) * (s + aim * reduced)
        low, high = OUTLIER * centring * mean, centring * mean / OUTLIER
        product = product + np.maximum(np.clip(ahead, low, high) - ahead, -high)
        others = direction(product, lag)
        longer = min(1.0, length(*others))
        if longer < part + WORTH * (aim - part):
            break
        (step, reduced), part = others, longer
    v, price = v + part * step.station_flow, price + part * step.price
    lowest = idle + (bank.latency(v) - idle) / TUBE
    raised = np.maximum(lowest - price, 0.0)
    return (
        Point(
            columns,
            x + part * step.flow,
            s + part * reduced + columns.work @ raised,
            point.level + part * step.level,
            v,
            price + raised,
        ),
        part,
    )
