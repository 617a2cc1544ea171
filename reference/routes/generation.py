"""Routes generated as the prices of the stations ask for them, around the interior point."""

from __future__ import annotations

import numpy as np

from ..errors import Array
from ..server_bank import ServerBank
from .columns import Columns, RouteFlow
from .interior_point import Point, advance, at_columns, with_columns
from .routed import RoutedSystem

FIRST_ROUNDS = 3  # of all-or-nothing assignment, before the first point
FIRST_PART = 0.1  # gap of the first point, relative to the total cost
MOST_ITERATIONS = 100
CHEAPER = 1e-12  # relative difference of costs from which a route is cheaper


def first_columns(system: RoutedSystem, bank: ServerBank, load: Array) -> Columns:
    """Return the cheapest routes at no load, and those at the prices of flows on them."""
    groups = load.size
    most = np.where(np.isfinite(bank.rate), 0.95 * bank.rate, np.inf)
    columns = system.routes.cheapest(bank.idle_latency)
    flow = columns.station_flow(load)
    for i in range(1, FIRST_ROUNDS):
        price = bank.latency(np.minimum(flow, most))
        cheapest = system.routes.cheapest(price)
        columns, _ = columns.joined(cheapest)
        flow += (cheapest.station_flow(load) - flow) / (i + 1.0)
    return columns


def cheaper(system: RoutedSystem, columns: Columns, price: Array) -> Columns:
    """Return the cheapest route of each group whose columns all cost more."""
    groups = system.load.size
    found = system.routes.cheapest(price)
    least = columns.least(columns.costs(price), groups)
    return found.only(found.costs(price) < least[found.group] * (1.0 - CHEAPER))


def interior(
    system: RoutedSystem,
    bank: ServerBank,
    load: Array,
    start: RouteFlow | None,
    target: float,
) -> RouteFlow:
    """Return flows whose gap, relative to the total cost, is at most `target`.

    Parameters
    ----------
    system : RoutedSystem
    bank : ServerBank
        Stations with the cost as latency.
    load : ndarray, shape (G,)
        Load of each group.
    start : RouteFlow or None
        Flows of another load.
    target : float
        Relative gap.
    """
    columns = first_columns(system, bank, load)
    count = np.bincount(columns.group, minlength=load.size)
    point = at_columns(bank, columns, load, (load / count)[columns.group], FIRST_PART)
    for _ in range(MOST_ITERATIONS):
        point, part = advance(bank, point, load)
        total = float(point.price @ point.station_flow) + float(point.flow @ point.columns.delay)
        new = cheaper(system, point.columns, np.maximum(point.price, 0.0))
        if TRACE:
            v = point.columns.station_flow(point.flow)
            print(f"gap {point.gap/total:.2e} part {part:.3f} new {len(new)} R {len(point.columns)} rv {abs(v-point.station_flow).max()/v.max():.1e} rp {np.max(abs(bank.latency(point.station_flow)/point.price-1)):.1e}")
        if point.gap <= target * total and not len(new) and part > 0.9:
            break
        point = with_columns(point, new, load)
    return RouteFlow(point.columns, point.flow)
TRACE=0
