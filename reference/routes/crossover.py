"""Newton's method on the routes in use: from nearly optimal flows to the rounding floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .columns import Columns, RouteFlow
from .generation import steepness
from .routed import RoutedSystem
from .single_station import equations, weights_within_digits

SOFTNESS = 1e-8  # cost of moving all of a route's flow, relative to the cost of the route
NEW_SHARE = 0.01  # part of its group's load that weighs a route without flow
MOST_STEPS = 30
MOST_FAILURES = 3  # steps in a row that do not lower the gap
FLOOR = 1e-16  # relative gap at which no further step is tried
NEAR_FLOOR = 2e-15  # relative gap at which a step that does not halve it is the last


@dataclass(frozen=True, eq=False)
class Priced:
    """Flows of routes with the prices of the stations at them, and the cheapest routes.

    Attributes
    ----------
    found : RouteFlow
    price : ndarray, shape (A,)
        Cost of each station at its flow.
    cheapest : Columns
        A cheapest route of each group.
    total, gap : float
        Total cost of the flows, and its excess over that of the cheapest routes.
    """

    found: RouteFlow
    price: Array
    cheapest: Columns
    total: float
    gap: float

    @classmethod
    def of(
        cls, system: RoutedSystem, bank: ServerBank, load: Array, found: RouteFlow
    ) -> Priced | None:
        """Return the flows with their prices, or None where a station is full."""
        price = bank.latency(found.station_flow)
        if not np.isfinite(price).all():
            return None
        cheapest = system.routes.cheapest(price)
        costs, least = found.columns.costs(price), cheapest.costs(price)
        # difference by difference: the sums themselves have fewer digits
        gap = float(found.flow @ (costs - least[found.columns.group]))
        return cls(found, price, cheapest, float(load @ least) + gap, gap)

    @property
    def relative(self) -> float:
        """Gap relative to the total cost; 0 where nothing costs anything."""
        return self.gap / self.total if self.total > 0 else 0.0


def crossed_over(
    system: RoutedSystem, bank: ServerBank, load: Array, start: RouteFlow
) -> tuple[RouteFlow, int]:
    """Return flows of a smaller gap, or the start, and the number of steps.

    Parameters
    ----------
    system : RoutedSystem
    bank : ServerBank
        Stations with the cost as latency.
    load : ndarray, shape (G,)
        Load of each group.
    start : RouteFlow
        Flows that carry the load.
    """
    best = current = Priced.of(system, bank, load, start)
    steps, failures, slow = 0, 0, False
    while current is not None and best is not None and failures < MOST_FAILURES:
        floor = NEAR_FLOOR if slow else FLOOR
        if steps == MOST_STEPS or (steps and best.relative <= floor):
            break
        moved = newton_step(bank, load, current)
        current = None if moved is None else Priced.of(system, bank, load, moved)
        steps += 1
        slow = current is None or current.gap > 0.5 * best.gap
        if current is not None and current.gap < best.gap:
            failures = failures if slow else 0
            best = current
        else:
            failures += 1
    return (start if best is None else best.found), steps


def newton_step(bank: ServerBank, load: Array, at: Priced) -> RouteFlow | None:
    """Return the flows after one step of Newton's method on the routes in use.

    Routes that would get a flow below 0 are left, then the step is computed again.
    """
    used = at.found.used()
    columns, place = used.columns.joined(at.cheapest)
    x = np.zeros(len(columns))
    x[place] = used.flow
    slope = bank.latency_slope(used.station_flow)
    groups = load.size
    if not (at.total > 0 and np.isfinite(slope).all()):
        return None
    softness = max(SOFTNESS, 1e3 * EPS * steepness(bank, used.station_flow, at.price))
    # costs of groups may differ by many orders of magnitude
    mean = np.maximum(at.cheapest.costs(at.price), SOFTNESS * at.total / np.sum(load))
    weight = np.maximum(x, NEW_SHARE * load[columns.group])
    weight /= (softness * mean)[columns.group]
    weight = weights_within_digits(columns, weight, slope)
    station_flow = used.station_flow
    while True:
        costs = columns.costs(at.price)
        least = columns.least(costs, groups)
        missing = load - columns.group_flow(x, groups)
        excess = columns.station_flow(x) - station_flow
        system = equations(columns, groups, weight, slope)
        pull = least[columns.group] - costs
        step = system.solve(pull, missing, excess, np.zeros(slope.size)).flow
        ratio = np.divide(x, -step, out=np.full(x.size, np.inf), where=step < 0)
        # the first to lose their flow may push others
        left = ratio <= min(1.0, 1e3 * float(np.min(ratio)))
        # a group keeps its largest flow
        stays = np.maximum.reduceat(x, columns.starts(groups))[columns.group] == x
        left &= ~stays
        if not left.any():
            break
        rows = np.flatnonzero(~left)
        columns, x, weight = columns.only(rows), x[rows], weight[rows]
    part = min(1.0, float(np.min(ratio)))
    part *= _damped(bank, columns, x, part * step)
    return RouteFlow(columns, x + part * step).fitted(load)


def _damped(bank: ServerBank, columns: Columns, x: Array, change: Array) -> float:
    """Return a part of the step at whose end the total cost does not rise steeply."""
    start, move = columns.station_flow(x), columns.station_flow(change)
    fixed = float(change @ columns.delay)
    part = 1.0
    before = float(bank.latency(start) @ move) + fixed
    for _ in range(30):
        price = bank.latency(np.maximum(start + part * move, 0.0))
        if np.isfinite(price).all():
            rise = float(price @ move) + fixed
            if rise <= 0.5 * abs(before) or before >= 0:
                break
        part *= 0.5
    return part
