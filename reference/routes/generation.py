"""Routes generated as the prices of the stations ask for them, around the interior point."""

from __future__ import annotations

import numpy as np

from ..compensated_sum import EPS, TINY
from ..errors import Array
from ..server_bank import ServerBank
from .capacity import capacity, check_multiple, known_capacity
from .columns import Columns, RouteFlow
from .interior_point import MOST_SHARE, Point, advance, at_columns, with_columns, without_idle
from .routed import RoutedSystem

FIRST_ROUNDS = 3  # of all-or-nothing assignment, before the first point
NEARLY = 0.95  # utilisation at which stations are priced that have more
FIRST_PART = 0.1  # gap of the first point, relative to the total cost
MOST_ITERATIONS = 100
SHORT = 0.02  # part of a step that is short
MOST_SHORT = 5  # short steps in a row
START_SHARE = 0.1  # largest share of the load that the first point moves away from the start
WARM_PART = 1e-2  # gap of the first point next to a start, relative to the total cost
NEAR = 0.05  # gap relative to the total cost from which routes of next to no flow are left out
MANY = 4  # number of routes, relative to groups and stations, up to which none is left out
FEW = 20_000  # number of listed routes that are all taken at once
LEAST_TAKEN = 0.1  # of the rates by one job of a route, relative to the mean of all routes
SHARE_OF_ROOT = 30.0  # share of a new route relative to the root of the gap: it costs its square
OFF = 1e-6  # distance of prices from costs, relative to the total cost, that Newton's method closes
STEEP = 1e-11  # rounding of costs from which it does not
ALMOST = 0.95  # part of the capacity from which its flow is the first one, where it is known
CHEAPER = 1e-12  # relative difference of costs from which a route is cheaper


def almost_full(bank: ServerBank) -> Array:
    """Return a flow of each station next to its rate, shape (A,); infinite without a rate."""
    return np.where(np.isfinite(bank.rate), NEARLY * bank.rate, np.inf)


def steepness(bank: ServerBank, flow: Array, price: Array) -> float:
    """Return the largest relative change of a station's cost over that of its flow."""
    slope = bank.latency_slope(flow)
    elasticity = np.divide(slope * flow, price, out=np.zeros_like(flow), where=price > 0)
    return float(np.max(elasticity, initial=0.0))


def first_columns(system: RoutedSystem, bank: ServerBank, load: Array) -> Columns:
    """Return the cheapest routes at no load, and those at the prices of flows on them."""
    most = almost_full(bank)
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
    found = system.routes.cheapest(price)
    least = columns.least(columns.costs(price), system.load.size)
    return found.only(np.flatnonzero(found.costs(price) < least * (1.0 - CHEAPER)))


def started(bank: ServerBank, columns: Columns, load: Array, flow: Array, part: float) -> Point:
    """Return a first point next to flows that carry the load, with a flow on every route.

    Each route gets a share of its group's load, so small that a station that has spare capacity
    keeps half of it.
    """
    count = np.bincount(columns.group, minlength=load.size)
    even = (load / count)[columns.group]
    at_flow, at_even = columns.station_flow(flow), columns.station_flow(even)
    spare = bank.spare_capacity(at_flow)
    tight = np.isfinite(spare) & (spare > 0) & (at_even > at_flow)
    share = 0.5 * np.min(spare[tight] / (at_even - at_flow)[tight], initial=2.0 * START_SHARE)
    flow = (1.0 - share) * flow + share * even
    return at_columns(bank, columns, load, flow, part)


def shared(bank: ServerBank, columns: Columns, load: Array) -> Array:
    """Return flows on all routes, shape (R,), larger where one job takes less of the rates."""
    taken = columns.work @ (1.0 / bank.rate)
    weight = 1.0 / np.maximum(taken, LEAST_TAKEN * float(np.mean(taken)) or 1.0)
    return np.asarray(weight * (load / columns.group_flow(weight, load.size))[columns.group])


def first_point(
    system: RoutedSystem, bank: ServerBank, load: Array, start: RouteFlow | None
) -> Point:
    """Return the first point: next to the start, or with the load shared by the first routes."""
    if start is not None:
        used = start.fitted(load).used()
        price = bank.latency(np.minimum(used.station_flow, almost_full(bank)))
        columns, place = used.columns.joined(system.routes.cheapest(price))
        flow = np.zeros(len(columns))
        flow[place] = used.flow
        return started(bank, columns, load, flow, WARM_PART)
    listed = system.routes.listed
    if listed is not None and len(listed) <= FEW:
        columns = listed
    else:
        columns = first_columns(system, bank, load)
    return at_columns(bank, columns, load, shared(bank, columns, load), FIRST_PART)


def interior(
    system: RoutedSystem,
    bank: ServerBank,
    multiple: float,
    start: RouteFlow | None,
    target: float,
) -> RouteFlow:
    """Return flows whose gap, relative to the total cost, is at most `target`.

    Where the routes found so far cannot carry the load, it starts again with the flows of the least
    largest utilisation.

    Parameters
    ----------
    system : RoutedSystem
    bank : ServerBank
        Stations with the cost as latency.
    multiple : float
        Multiple of the loads.
    start : RouteFlow or None
        Flows of another load.
    target : float
        Relative gap.

    Raises
    ------
    LoadError
        Where the stations cannot carry the loads.
    """
    load = multiple * system.load
    known = known_capacity(system)
    if known is None or multiple < ALMOST * known.lower:
        first = first_point(system, bank, load, start)
        found, reached = _generated(system, bank, load, first, target)
        if found is not None and (reached or not _next_to_capacity(bank, found)):
            return found
    check_multiple(system, multiple)
    fitting, listed = capacity(system).flow, system.routes.listed
    first = first_point(system, bank, load, fitting)
    found, reached = _generated(system, bank, load, first, target)
    if not reached and listed is not None and len(listed) <= FEW:
        used, flow = fitting.fitted(load).used(), np.zeros(len(listed))
        flow[listed.places(used.columns)] = used.flow
        first = started(bank, listed, load, flow, WARM_PART)
        other, reached = _generated(system, bank, load, first, target, balanced=True)
        found = other if reached or found is None else found
    return fitting if found is None else found


def _next_to_capacity(bank: ServerBank, found: RouteFlow) -> bool:
    """Return whether a station has next to no spare capacity."""
    return bool(np.max(found.station_flow / bank.rate) > NEARLY)


def _generated(
    system: RoutedSystem,
    bank: ServerBank,
    load: Array,
    point: Point,
    target: float,
    *,
    balanced: bool = False,
) -> tuple[RouteFlow | None, bool]:
    """Return flows of a gap up to `target`, or the best before the steps become too short.

    Also whether the gap is so small. The flows are None where none were found that the stations can
    carry.
    """
    best, least, short = None, np.inf, 0
    for _ in range(MOST_ITERATIONS):
        point, part = advance(bank, point, load, balanced=balanced)
        short = short + 1 if part < SHORT else 0
        flow, price = point.station_flow, point.price
        total = float(price @ flow) + float(point.flow @ point.columns.delay)
        if short > MOST_SHORT or not np.isfinite(total):
            break
        new = cheaper(system, point.columns, np.maximum(price, 0.0))
        saved = point.level[new.group] - new.costs(price)
        # the prices are those of flows that carry the loads, and not of the station flows alone
        carried = RouteFlow(point.columns, point.flow).fitted(load).station_flow
        off = float(np.abs(bank.latency(carried) - price) @ carried)
        # free routes have a total cost of 0
        scale = max(total, EPS * float(np.sum(load) * np.max(price)), TINY)
        gap = (point.gap + float(load[new.group] @ np.maximum(saved, 0.0))) / scale
        if off <= 1e-2 * scale and gap + off / scale < least:
            best = RouteFlow(point.columns, point.flow, np.maximum(price, 0.0))
            least = gap + off / scale
            rounding = 100.0 * EPS * steepness(bank, flow, price)
            reached = max(target, rounding)
            close = rounding if rounding > STEEP else max(OFF, rounding)
            if part > 0.9 and gap <= reached and off <= close * scale:
                return best, True
        if not balanced and gap < NEAR and len(point.columns) > MANY * (load.size + flow.size):
            point = without_idle(bank, point, load)
        share = min(MOST_SHARE, SHARE_OF_ROOT * float(np.sqrt(gap)))
        point = with_columns(bank, point, new, load, share)
    return best, False
