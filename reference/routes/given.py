"""Routes that have given total flows of stations, or the proof that there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, eye_array, vstack

from ..errors import Array
from .columns import RouteFlow
from .route_rows import RouteRows, least
from .routed import RoutedSystem


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Flows of routes that come closest to given total flows of stations.

    Attributes
    ----------
    found : RouteFlow
        Flows of routes, whose sums are the loads of the groups.
    missing : float
        Sum over stations of the flow that the routes bring beyond the given one.
    surplus : float
        Sum over stations of the given flow that no route brings.
    price : ndarray, shape (A,)
        Prices of the stations, from 0 to 1, that prove how much is missing, and for listed routes
        from -1 to 1.
    proved : float
        Lower bound of the missing flow, for listed routes of the sum of missing flow and surplus.
    """

    found: RouteFlow
    missing: float
    surplus: float
    price: Array
    proved: float


def decompose(system: RoutedSystem, load: Array, station_flow: Array) -> Decomposition:
    """Return flows of routes that come closest to given total flows of the stations.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time, above 0.
    station_flow : ndarray, shape (A,)
        Total flow v of each station, jobs per unit of time, 0 or more.

    Notes
    -----
    A linear program over routes that its dual prices ask for: the least sum of the missing flow
    e >= 0, with W'x <= v + e and the loads of the groups. The prices y, from 0 to 1, prove it by
    cheapest routes alone: at least q.SP(y) - y.v is missing. For listed routes the sum of missing
    flow and surplus u is least, W'x = v + e - u, and of such flows the sum of fixed delays.
    Through a graph, where u would need the longest routes, the surplus of flows that are conserved
    at the nodes goes round in circles, or is that of other routes.
    """
    v, stations = station_flow, station_flow.size
    same, cost = eye_array(stations, format="csr"), np.ones(stations)
    if system.routes.listed is None:
        rows, others = RouteRows.of_stations(same, v), csr_array(-same)
    else:
        rows = RouteRows.of_stations(vstack([same, -same]), np.concatenate([v, -v]))
        others = csr_array(vstack([-same, -same]))
    answer = least(system.routes, load, rows, others, cost)
    found = RouteFlow(answer.columns, answer.flow).fitted(load)
    if answer.columns.delay.any():
        found = _least_delay(system, load, found, v)
    difference = found.station_flow - station_flow
    missing, surplus = (float(np.maximum(d, 0.0).sum()) for d in (difference, -difference))
    price = answer.z[:stations] - (answer.z[stations:] if len(rows) > stations else 0.0)
    return Decomposition(found.used(), missing, surplus, price, answer.lower_bound)


def _least_delay(
    system: RoutedSystem, load: Array, found: RouteFlow, station_flow: Array
) -> RouteFlow:
    """Return flows of routes with the least fixed delay, as close to given flows as those found."""
    ends, same = (found.station_flow, station_flow), eye_array(station_flow.size, format="csr")
    bound = np.concatenate([np.maximum(*ends), -np.minimum(*ends)])
    rows, none = RouteRows.of_stations(vstack([same, -same]), bound), np.zeros(0)
    idle = np.zeros(station_flow.size)
    best = least(system.routes, load, rows, csr_array((bound.size, 0)), none, price=idle)
    return RouteFlow(best.columns, best.flow).fitted(load)
