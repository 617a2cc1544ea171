"""The least largest utilisation of many routes: an interior point to which routes are added.

The linear program and its dual, with the flows x of the routes, the utilisation t, the lengths l of
the stations and the cost u of each group,

    minimise t    subject to  sum of x in each group = load,  y = t mu - W'x >= 0,  x >= 0
    maximise q'u  subject to  s = W l - u >= 0,  mu'l = 1,  l >= 0

have the products x s and y l at 0 where both are best. The method lowers the products together, by
Mehrotra's predictor and corrector: Nocedal and Wright, *Numerical Optimization*, section 14.2. The
equations of a step are those of ``link_space``, solved twice with the same factors, since t is one
variable more. The weights of routes and the slopes of stations are held below a limit, which adds
a proximal term to both programs and keeps the last digits (Friedlander and Orban, *Mathematical
Programming Computation* 4, 2012). In each iteration the lengths ask for the shortest routes, which
also prove a lower bound of t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError

from ..errors import Array
from .columns import Columns, RouteFlow
from .interior_point import MOST_SHARE, enter, longest
from .routed import RoutedSystem
from .single_station import equations

MOST_ITERATIONS = 100
TO_BOUNDARY = 0.995  # part of the longest step
EXACT = 1e-13  # relative distance of flow and lengths at which they are exact
LATE = 1e-6  # relative distance from which on little progress ends the search
MOST_SLOW = 5  # iterations without progress
ABOVE = 1.1  # first utilisation over the largest one of the first flows
EVEN = 0.1  # part of the first flows that is even over the routes of a group
PROXIMAL = 1e-6  # part of a cost, and of a rate, that weights and slopes have at least
AHEAD = 0.01  # least sum of the products, relative to the distance that all routes leave
SHORTER = 1e-12  # relative difference of lengths from which a route is shorter


class LeastUse(NamedTuple):
    """Flows of the loads with the least largest utilisation, and the lengths that prove it."""

    flow: RouteFlow
    length: Array


@dataclass(eq=False)
class Point:
    """A point of the interior point method; see the module.

    Attributes
    ----------
    columns : Columns
        R routes.
    flow, reduced : ndarray, shape (R,)
        Flow x and reduced cost s of each route.
    spare_capacity, length : ndarray, shape (A,)
        Of each station: y and l; 1 and 0 where the rate is infinite.
    level : ndarray, shape (G,)
        Cost u of each group.
    utilisation : float
        Utilisation t.
    """

    columns: Columns
    flow: Array
    reduced: Array
    spare_capacity: Array
    length: Array
    level: Array
    utilisation: float

    @property
    def products(self) -> float:
        """Sum of the products of routes and of stations."""
        return float(self.flow @ self.reduced + self.spare_capacity @ self.length)


class Change(NamedTuple):
    """Change of the variables of a `Point`."""

    flow: Array
    reduced: Array
    spare_capacity: Array
    length: Array
    level: Array
    utilisation: float


def least_use(system: RoutedSystem, columns: Columns, share: Array, per_rate: Array) -> LeastUse:
    """Return flows with the least largest utilisation, and the lengths that prove it.

    Parameters
    ----------
    columns : Columns
        First routes, at least one of each group; their fixed delays do not count.
    share : ndarray, shape (R,)
        Part of its group's load that takes each of them.
    per_rate : ndarray, shape (A,)
        Inverse of the rate of each station, 0 where it is infinite; not all are 0.
    """
    load, routes = system.load, system.routes
    rate = np.where(per_rate > 0, system.bank.rate, 0.0)
    point = _started(columns, share, load, rate, per_rate)
    best, carried, proved, slow = LeastUse(RouteFlow(columns, share), per_rate), np.inf, 0.0, 0
    least_products = 0.0
    for _ in range(MOST_ITERATIONS):
        try:
            point = _advance(point, load, rate, least_products)
        except LinAlgError:
            break
        before = carried - proved
        flow = RouteFlow(point.columns, point.flow).fitted(load)
        used = float(np.max(flow.station_flow * per_rate))
        shortest = routes.cheapest(np.maximum(point.length, 0.0), delays=False)
        least = shortest.work @ point.length
        needed = float(load[shortest.group] @ least) / float(rate @ point.length)
        if not np.isfinite(used + needed):
            break
        if used < carried:
            carried, best = used, best._replace(flow=flow)
        gap = carried - max(needed, proved)
        if needed > proved:
            proved, best = needed, best._replace(length=_limiting(point, rate, gap < LATE * used))
        slow = slow + 1 if 0.9 * before < gap < LATE * carried else 0
        if gap <= EXACT * carried or slow > MOST_SLOW:
            break
        least_products = AHEAD * (used - needed)
        own = point.columns.least(point.columns.work @ point.length, load.size)
        new = least < own[shortest.group] * (1.0 - SHORTER)
        point = _with_routes(point, shortest.only(new), load, per_rate > 0)
    return best


def _limiting(at: Point, rate: Array, late: bool) -> Array:
    """Return the lengths; late in the search 0 where the spare capacity is the larger part.

    The lengths that are left out prove less than the distance that is left.
    """
    limits = at.length * rate**2 * at.utilisation > at.spare_capacity
    return np.where(limits, at.length, 0.0) if late else at.length


def _started(columns: Columns, share: Array, load: Array, rate: Array, per_rate: Array) -> Point:
    """Return a first point next to the shares, with a flow above 0 on every route."""
    group, limited = columns.group, per_rate > 0
    count = np.bincount(group, minlength=load.size)
    flow = load[group] * ((1.0 - EVEN) * share + EVEN / count[group])
    used = columns.station_flow(flow)
    utilisation = ABOVE * float(np.max(used * per_rate))
    spare = np.where(limited, utilisation * rate - used, 1.0)
    length = limited / spare
    length /= length @ rate
    costs = columns.work @ length
    product = EVEN * utilisation / (len(columns) + np.count_nonzero(limited))
    level = columns.least(costs, load.size) - product * count / load
    reduced = np.maximum(costs - level[group], product / flow)
    return Point(columns, flow, reduced, spare, length, level, utilisation)


def _advance(at: Point, load: Array, rate: Array, least_products: float) -> Point:
    """Return the point after one predictor-corrector iteration.

    Parameters
    ----------
    least_products : float
        Sum of the products at which the step aims at least, unless it is above the present one.
    """
    columns, x, s, y, length = at.columns, at.flow, at.reduced, at.spare_capacity, at.length
    limited, stations, t = rate > 0, rate.size, at.utilisation
    group = columns.group
    lifted = np.where(limited, y + PROXIMAL * t * rate, 1.0)
    slope = np.where(limited, length / lifted, 0.0)
    weight = x / (s + PROXIMAL * at.level[group])
    system = equations(columns, load.size, weight, slope)
    missing = load - columns.group_flow(x, load.size)
    true_spare = t * rate - columns.station_flow(x)
    true_reduced = columns.work @ length - at.level[group]
    none = np.zeros(stations)
    along = system.solve(np.zeros(x.size), np.zeros(load.size), none, -slope * rate)

    def direction(route: Array, station: Array) -> Change:
        lag = np.where(limited, (station - length * true_spare) / lifted, 0.0)
        step = system.solve(route / x - true_reduced, missing, none, lag)
        part = (1.0 - float(rate @ (length + step.price))) / float(rate @ along.price)
        flow, price = step.flow + part * along.flow, step.price + part * along.price
        rest = np.where(limited, station - y * length - y * price, 0.0)
        return Change(
            flow,
            (route - x * s - s * flow) / x,
            np.divide(rest, length, out=np.zeros(stations), where=limited),
            np.where(limited, price, 0.0),
            step.level + part * along.level,
            part,
        )

    def steps(change: Change) -> tuple[float, float]:
        primal = min(longest(x, change.flow), longest(y, change.spare_capacity))
        dual = min(longest(s, change.reduced), longest(length[limited], change.length[limited]))
        return min(1.0, TO_BOUNDARY * primal), min(1.0, TO_BOUNDARY * dual)

    count, products = x.size + np.count_nonzero(limited), at.products
    change = direction(np.zeros(x.size), np.zeros(stations))
    after = max(_moved(at, change, *steps(change)).products, 0.0)
    aim = max(products * (after / products) ** 3, min(2.0 * products, least_products)) / count
    second = aim - change.spare_capacity * change.length
    change = direction(aim - change.flow * change.reduced, second)
    return _moved(at, change, *steps(change))


def _moved(at: Point, change: Change, primal: float, dual: float) -> Point:
    """Return the point after steps of different lengths in flows and in lengths."""
    return Point(
        at.columns,
        at.flow + primal * change.flow,
        at.reduced + dual * change.reduced,
        at.spare_capacity + primal * change.spare_capacity,
        at.length + dual * change.length,
        at.level + dual * change.level,
        at.utilisation + primal * change.utilisation,
    )


def _with_routes(at: Point, new: Columns, load: Array, limited: npt.NDArray[np.bool_]) -> Point:
    """Return the point with further routes, of a flow so small that no station is full."""
    if not len(new):
        return at
    mean = at.products / (len(at.columns) + np.count_nonzero(limited))
    costs = new.work @ at.length - at.level[new.group]
    spare = np.where(limited, at.spare_capacity, np.inf)
    most = MOST_SHARE * load
    entered = enter(at.columns, at.flow, at.reduced, new, costs, mean, most, load, spare)
    return Point(
        entered.columns,
        entered.flow,
        entered.reduced,
        at.spare_capacity - np.where(limited, entered.change, 0.0),
        at.length,
        at.level,
        at.utilisation,
    )
