"""Newton's method on flows with more digits than floats, for the last digits of spare capacities.

At a utilisation of 1 - h flows in floats leave the spare capacity of a station, and so its cost, a
relative error of EPS/h. Pairs of floats leave it none: the costs of all routes in use then agree to
rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from .columns import RouteFlow
from .generation import cheaper
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

    Routes that lose their flow in a step are left. Where the steps do not end, they are the flows
    given.

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
    settled, left = False, STEPS + len(flow.columns)
    while not settled and left:
        at, left = station_loads(system, flow, load), left - 1
        cost = player_costs(system.bank, at, 1.0 / players).cost
        slope = bank.latency_slope(at.flow)
        used = UsedRoutes.of(system, flow, int(np.count_nonzero(slope)))
        if used is None or not (np.isfinite(cost).all() and np.isfinite(slope).all()):
            break
        step = used.flow_change(used.unequal(cost), slope)
        change = flow.columns.station_flow(step)
        taken = float(np.max(change / (MOST_TAKEN * at.spare_capacity)))
        lost = float(np.max(-step / flow.flow))
        high, low = added(flow.flow, step / max(taken, lost, 1.0), at.correction)
        leaves = (lost >= max(taken, 1.0)) & (-step >= lost * (1.0 - CLOSE) * flow.flow)
        flow = replace(flow, flow=np.where(leaves, 0.0, high), rest=low).used()
        settled = not leaves.any() and bool((np.abs(change) <= CLOSE * at.spare_capacity).all())
        if settled:
            flow, settled = _with_cheaper(system, load, flow, cost)
    return flow if settled else found


def _with_cheaper(
    system: RoutedSystem, load: Array, found: RouteFlow, price: Array
) -> tuple[RouteFlow, bool]:
    """Return flows with next to no flow on each cheaper route, and whether there is none."""
    columns = found.columns
    new = cheaper(system, columns, price)
    if not len(new) or found.rest is None:
        return found, True
    joined, order = columns.with_new(new)
    flow = np.concatenate([found.flow, EPS**2 * load[new.group]])[order]
    rest = np.concatenate([found.rest, np.zeros(len(new))])[order]
    return replace(found, columns=joined, flow=flow, rest=rest), False
