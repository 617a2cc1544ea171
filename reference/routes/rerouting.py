"""What rerouting a flow saves, and how far the loads of the equilibrium can be from its loads.

These are the parts of the proofs in ``bounds``, whose symbols they use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compensated_sum import EPS, exact_sum
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow
from .price_bounds import (
    ROUNDING,
    LeastCosts,
    exact_prices,
    has_exact_costs,
    largest_load,
    least_costs,
    route_costs,
)
from .routed import RoutedSystem
from .station_loads import StationLoads
from .used_routes import UsedRoutes

PROBE = 3e-6  # relative step of secants, for the slopes of families without slopes
NEAR = 1.1  # ratio of both ends of an interval at which its search stops
HALVINGS = 200  # largest number of halvings
SHORT = 1e-2  # least step of a secant, relative to the smaller of load and spare capacity
BEYOND = 1 / 64  # step of a secant beyond a flow, relative to the smaller of the same two
NEARBY = 0.25  # distance of a price and a cost, relative to v l'(v), up to which squares are used
WIDER = 4.0  # E0 over the first guess of E1
REFINEMENTS = 3  # of prices with more digits than floats


class PlayerCosts(NamedTuple):
    """Latency of each station, what a player pays there, and bounds of their errors, (A,)."""

    latency: Array
    latency_error: Array
    cost: Array
    cost_error: Array


class Rerouting(NamedTuple):
    """What rerouting at fixed prices saves.

    Attributes
    ----------
    price, rest : ndarray, shape (A,)
        Prices p of the stations, as pairs price + rest.
    least : LeastCosts
        Costs of the cheapest routes.
    saving : float
        Bound of G(p): the sum over jobs of what rerouting saves.
    paid : float
        Sum over jobs of what a player pays.
    largest : float
        Largest saving of a job.
    """

    price: Array
    rest: Array
    least: LeastCosts
    saving: float
    paid: float
    largest: float


class Correction(NamedTuple):
    """Prices of the equilibrium as pairs, and the change of the total delay, to first order."""

    price: Array
    rest: Array
    total_delay: float


def player_costs(bank: ServerBank, at: StationLoads, own: float) -> PlayerCosts:
    """Return the latencies and costs at the loads of the stations.

    A family may compute a value from the flow where it has the spare capacity with more digits; the
    value at the next floats shows the error.

    Parameters
    ----------
    own : float
        1/K.
    """
    v, y = at.flow, at.spare_capacity
    next_flow = v * (1.0 + 2.0 * EPS)
    latency = bank.latency(v, y)
    latency_error = ROUNDING * latency + np.abs(bank.latency(next_flow, y) - latency)
    if own == 0:
        return PlayerCosts(latency, latency_error, latency, latency_error)
    marginal = bank.marginal(v, y)
    error = ROUNDING * marginal + np.abs(bank.marginal(next_flow, y) - marginal)
    if bank.uses_finite_differences:
        # secants on both sides enclose the slope of a convex function
        step = PROBE * np.minimum(v, y)
        right = (bank.latency(v + step, y - step) - latency + 2.0 * latency_error) / step
        left = (latency - bank.latency(v - step, y + step) - 2.0 * latency_error) / step
        highest, lowest = latency + v * right, latency + v * np.maximum(left, 0.0)
        error = error + np.where(v > 0, np.maximum(highest - marginal, marginal - lowest), 0.0)
    cost = own * marginal + (1.0 - own) * latency
    return PlayerCosts(latency, latency_error, cost, own * error + (1.0 - own) * latency_error)


def rerouting(
    system: RoutedSystem,
    load: Array,
    found: RouteFlow,
    at: StationLoads,
    costs: PlayerCosts,
    price: Array,
    rest: Array | None = None,
) -> Rerouting:
    """Return what rerouting saves, as the sum over routes of flow times cost above the least.

    Parameters
    ----------
    price : ndarray, shape (A,)
        Any prices; they are rounded down to `exact_prices`.
    rest : ndarray, shape (A,), optional
        What they have beyond these floats; left out where costs are not exact.
    """
    columns = found.columns
    rest = np.where(price > 0, rest, 0.0) if rest is not None and has_exact_costs(system) else None
    price = np.maximum(price, 0.0)
    largest = float(np.max(columns.least(columns.costs(price), load.size)))
    price = exact_prices(system, price, largest)
    least = least_costs(system, price, rest)
    cost, low = route_costs(system, columns, price, rest)
    above = (cost - least.high[columns.group]) + (low - least.low[columns.group])
    above = np.maximum(above, 0.0)
    paid = float(at.flow @ costs.cost) + at.fixed_delay
    saving = float(exact_sum((found.flow + at.correction) * above)[0])
    # each saving is a difference of two costs with rounding errors, and so are sums of flows
    error = 2.0 * least.error + (EPS * (3.0 + np.max(np.bincount(columns.group)))) ** 2
    saving = saving * (1.0 + ROUNDING) + error * paid
    rest = np.zeros_like(price) if rest is None else rest
    largest = float(np.max(above[found.flow > 0], initial=0.0))
    return Rerouting(price, rest, least, saving, paid, largest)


def distance_bound(
    bank: ServerBank, at: StationLoads, costs: PlayerCosts, saved: Rerouting, rho: float
) -> tuple[float, float]:
    """Return G and E1 of ``bounds``; infinite where the prices prove nothing.

    Parameters
    ----------
    rho : float
        1/(1 + 1/K).
    """
    v = at.flow
    highest = costs.cost + costs.cost_error - saved.price - saved.rest
    lowest = costs.cost - costs.cost_error - saved.price - saved.rest
    size = np.maximum(highest, -lowest)
    direct = np.where(v > 0, highest * v, 0.0)
    proofs = []
    if not np.any(lowest < 0):
        gap = saved.saving + float(np.sum(direct))
        proofs.append((gap, rho * gap))
    # stations whose price differs so much from the cost that the first kind is better
    slope = bank.latency_slope(v)
    squared = size < NEARBY * slope * v
    if not np.any((lowest < 0) & ~squared):
        rest = saved.saving + float(np.sum(direct, where=~squared))
        guess = WIDER * _root(rho, rest, float(np.sum(2.0 * size**2 / slope, where=squared)))
        secant = least_secant(bank, at, costs, guess)
        if np.all((secant > 0) | ~squared):
            weight = float(np.sum(size**2 / secant, where=squared))
            distance = _root(rho, rest, weight)
            if distance < guess:
                proofs.append((rest + float(np.sqrt(weight * distance)), distance))
    gap, distance = min(proofs, default=(np.inf, np.inf))
    return gap * (1.0 + ROUNDING), distance * (1.0 + ROUNDING)


def _root(rho: float, rest: float, weight: float) -> float:
    """Return the largest E with E = rho (rest + sqrt(weight E))."""
    half = 0.5 * rho * np.sqrt(weight)
    return float((half + np.sqrt(half * half + rho * rest)) ** 2)


def least_secant(bank: ServerBank, at: StationLoads, costs: PlayerCosts, distance: float) -> Array:
    """Return the slope of a secant of each latency to a load that the equilibrium is not below.

    Parameters
    ----------
    distance : float
        E0: the largest product of the differences of latency and load.

    Returns
    -------
    ndarray, shape (A,)
        With rounding errors, so it may be negative.
    """
    v, y = at.flow, at.spare_capacity
    step = np.minimum(v, SHORT * np.minimum(v, y))
    for _ in range(HALVINGS):
        rise = costs.latency - bank.latency(v - step, y + step) * (1.0 + ROUNDING)
        rise = rise - costs.latency_error
        near = (rise * step <= distance) & (step < v)
        if not np.any(near):
            break
        step = np.where(near, np.minimum(4.0 * step, v), step)
    return np.where(near | (step <= 0), -1.0, rise / np.where(step > 0, step, 1.0))


def largest_loads(
    system: RoutedSystem, load: Array, at: StationLoads, distance: float
) -> tuple[Array, Array]:
    """Return loads that no station exceeds at the equilibrium, and their spare capacities, (A,).

    Parameters
    ----------
    load : ndarray, shape (G,)
        Load of each group.
    distance : float
        E1.
    """
    bank, v, y = system.bank, at.flow, at.spare_capacity
    rising = (v > 0) & np.isinf(bank.latency_limit)
    most = largest_load(system, load) * (1.0 + ROUNDING) - v
    step = farthest(bank, v, y, distance, most, np.where(rising, 1e-4 * np.minimum(v, y), np.inf))
    return v + step, y - step


def farthest(
    bank: ServerBank,
    flow: Array,
    spare_capacity: Array,
    distance: float,
    most: Array,
    close: Array,
    *,
    up: bool = True,
) -> Array:
    """Return steps t, at least the largest with |l(v + t) - l(v)| t <= E, shape (A,).

    They are at most a little longer, found by halving. Downwards, v - t takes the place of v + t.

    Parameters
    ----------
    bank : ServerBank
        A stations.
    flow, spare_capacity : ndarray, shape (A,)
        Load v of each station and its spare capacity.
    distance : float
        E.
    most : ndarray, shape (A,)
        Longest step upwards; 0 where it is negative.
    close : ndarray, shape (A,)
        Length up to which a step need not be shortened.
    up : bool, default True
        Whether the loads rise.
    """
    sign = 1.0 if up else -1.0
    latency = bank.latency(flow, spare_capacity)
    low = np.zeros_like(flow)
    high = np.minimum(np.maximum(most, 0.0), spare_capacity) if up else flow
    for _ in range(HALVINGS):
        # towards 0 by factors, as the interval may be many powers of ten shorter than the first
        middle = np.where(low > 0, np.sqrt(low * high), 1e-3 * high)
        after = bank.latency(flow + sign * middle, spare_capacity - sign * middle)
        beyond = (np.abs(after - latency) - ROUNDING * (after + latency)) * middle > distance
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
        if np.all((high <= NEAR * low) | (high <= close)):
            break
    step = np.where(high > 0, high + 4.0 * EPS * (flow + high), 0.0)
    return np.asarray(step if up else np.minimum(step, flow))


def spread(bank: ServerBank, at: StationLoads, flow: Array, spare_capacity: Array) -> float:
    """Return the sum of v^2 times a slope that the latency does not exceed up to a flow.

    A secant beyond the flow is steeper than the latency before it, and needs no derivative.
    """
    step = np.minimum(flow, spare_capacity) * BEYOND
    after = bank.latency(flow + step, spare_capacity - step)
    rise = after - bank.latency(flow, spare_capacity) + 2.0 * ROUNDING * after
    slope = np.where(step > 0, rise / step, np.inf)
    rising = (at.flow > 0) & np.isinf(bank.latency_limit)
    return float(np.sum(np.where(rising, at.flow * at.flow * slope, 0.0)))


def correction(
    system: RoutedSystem, found: RouteFlow, at: StationLoads, costs: PlayerCosts, own: float
) -> Correction | None:
    """Return prices at which all used routes of each group cost the same, near the present costs.

    To first order it leads to the equilibrium if that uses the same routes. With D the differences
    of the work of each used route and of one of its group, r those of the costs and T' the slopes,
    the changes T' dv of the costs are the shortest in the norm of dv' T' dv with D T' dv = -r. None
    where the matrix is too large, or where no group uses two routes.

    Where a change is so large that the costs are no guide to it, the price is the cost. Where costs
    are exact the rounding errors of the prices are corrected likewise.

    The total delay changes by c sum v l' dv, as -r.dv is of second order.
    """
    latency_slope = system.bank.latency_slope(at.flow)
    slope = own * system.bank.marginal_slope(at.flow) + (1.0 - own) * latency_slope
    rising = at.flow * latency_slope
    touched = (at.flow > 0) & (slope > 0) & np.isfinite(slope)
    used = UsedRoutes.of(system, found, int(np.count_nonzero(touched)))
    if used is None:
        return None
    change = used.price_change(used.unequal(costs.cost), np.where(touched, slope, 0.0))
    size = np.abs(change) + costs.cost_error
    small = size < 0.5 * NEARBY * rising
    price = costs.cost + np.where(small, change, -costs.cost_error)
    rest = np.zeros_like(price)
    for _ in range(REFINEMENTS if has_exact_costs(system) else 0):
        free = np.where(touched & small, slope, 0.0)
        rest += used.price_change(used.unequal(price, rest), free, EPS * len(used.rows))
    delay = (1.0 - own) * rising[touched] * change[touched] / slope[touched]
    return Correction(price, rest, float(np.sum(delay)))
