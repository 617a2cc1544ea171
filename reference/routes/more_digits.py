"""Newton's method on flows with more digits than floats, for the last digits of spare capacities.

At a utilisation of 1 - h a flow in floats leaves the spare capacity of a station a relative error of
EPS/h, and so its cost. Pairs of floats leave it none, so that the costs of all routes in use agree
to rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..compensated_sum import EPS
from .columns import RouteFlow
from .price_bounds import added
from .rerouting import player_costs
from .routed import RoutedSystem
from .station_loads import station_loads
from .used_routes import UsedRoutes

STEPS = 12
MOST_TAKEN = 0.5  # of the spare capacity of a station, in a step
CLOSE = 16.0 * EPS  # relative change of the spare capacities that ends the steps


@np.errstate(all="ignore")
def with_more_digits(
    system: RoutedSystem, players: float, multiple: float, found: RouteFlow
) -> RouteFlow:
    """Return flows as pairs at which the costs of the routes in use agree to rounding.

    Where the steps leave a route without flow, or do not end, they are the flows given.

    Parameters
    ----------
    system : RoutedSystem
    players : float
        Number of players K, 1 or more.
    multiple : float
        Multiple of the loads.
    found : RouteFlow
        Flows that carry the loads, near the equilibrium.
    """
    load, bank, flow = multiple * system.load, system.cost_bank(players), found.used()
    slope = bank.latency_slope(flow.station_flow)
    used = UsedRoutes.of(system, flow, int(np.count_nonzero(slope)))
    if used is None or not np.isfinite(slope).all():
        return found
    for _ in range(STEPS):
        at = station_loads(system, flow, load)
        cost = player_costs(system.bank, at, 1.0 / players).cost
        slope = bank.latency_slope(at.flow)
        if not (np.isfinite(cost).all() and np.isfinite(slope).all()):
            break
        step = used.flow_change(used.unequal(cost), slope)
        change = flow.columns.station_flow(step)
        taken = float(np.max(change / (MOST_TAKEN * at.spare_capacity)))
        high, low = added(flow.flow, step / max(taken, 1.0), at.correction)
        if not (high > 0).all():
            break
        flow = replace(flow, flow=high, rest=low)
        if (np.abs(change) <= CLOSE * at.spare_capacity).all():
            return flow
    return found
