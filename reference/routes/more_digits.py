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
from .columns import Columns, RouteFlow
from .generation import cheaper
from .independent_routes import independent
from .price_bounds import added, has_exact_costs, route_costs
from .rerouting import PlayerCosts, correction, player_costs
from .routed import RoutedSystem
from .station_loads import StationLoads, station_loads
from .used_routes import UsedRoutes

STEPS = 12
MOST_TAKEN = 0.5  # of the spare capacity of a station, in a step
NOISE = 1e-28  # relative rounding error of costs of pairs
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
    load, bank = multiple * system.load, system.cost_bank(players)
    flow = independent(bank, found, load.size)
    settled, left = False, STEPS + len(flow.columns)
    while not settled and left:
        at, left = station_loads(system, flow, load), left - 1
        costs = player_costs(system.bank, at, 1.0 / players)
        slope = bank.latency_slope(at.flow)
        used = UsedRoutes.of(system, flow, int(np.count_nonzero(slope)))
        if used is None or not (np.isfinite(costs.cost).all() and np.isfinite(slope).all()):
            settled = len(flow.columns) == load.size  # each group has one route
            break
        step = used.flow_change(used.unequal(costs.cost), slope)
        change = flow.columns.station_flow(step)
        taken = float(np.max(change / (MOST_TAKEN * at.spare_capacity)))
        lost = float(np.max(-step / flow.flow))
        high, low = added(flow.flow, step / max(taken, lost, 1.0), at.correction)
        leaves = (lost >= max(taken, 1.0)) & (-step >= lost * (1.0 - CLOSE) * flow.flow)
        flow = replace(flow, flow=np.where(leaves, 0.0, high), rest=low).used()
        settled = not leaves.any() and bool((np.abs(change) <= CLOSE * at.spare_capacity).all())
        if settled:
            at = station_loads(system, flow, load)
            new = _cheaper(system, flow, at, player_costs(system.bank, at, 1.0 / players), players)
            settled = not len(new)
            flow = flow if settled else independent(bank, _joined(flow, new, load), load.size)
    return flow if settled else found


def _cheaper(
    system: RoutedSystem, found: RouteFlow, at: StationLoads, costs: PlayerCosts, players: float
) -> Columns:
    """Return the cheapest route of each group that is cheaper than those in use.

    At prices with more digits than floats, where costs are exact, and otherwise at the costs.
    """
    columns, listed = found.columns, system.routes.listed
    prices = correction(system, found, at, costs, 1.0 / players)
    if prices is None or listed is None or not has_exact_costs(system):
        return cheaper(system, columns, costs.cost)
    own, own_low = route_costs(system, columns, prices.price, prices.rest)
    every, low = route_costs(system, listed, prices.price, prices.rest)
    base = columns.starts(system.load.size)[listed.group]
    saved = (own[base] - every) + (own_low[base] - low)
    most = -listed.least(-saved, system.load.size)[listed.group]
    best = np.flatnonzero((saved == most) & (saved > NOISE * every))
    return listed.only(best[np.unique(listed.group[best], return_index=True)[1]])


def _joined(found: RouteFlow, new: Columns, load: Array) -> RouteFlow:
    """Return flows with next to no flow on new routes."""
    joined, order = found.columns.with_new(new)
    flow = np.concatenate([found.flow, EPS**2 * load[new.group]])[order]
    rest = np.zeros(len(found.columns)) if found.rest is None else found.rest
    rest = np.concatenate([rest, np.zeros(len(new))])[order]
    return replace(found, columns=joined, flow=flow, rest=rest)
