r"""Certificates of flows over routes: bounds that hold whatever computed the flow.

Let x be a feasible flow with the station loads v = W'x and the fixed delays Delta = sum of x times
the delays. T = l + v l'/K is the cost that K equal players see, SP_k the cost of the cheapest route
of group k at station costs T(v), with the fixed delay, and q_k its load. What rerouting saves is

    G = T(v)'v + Delta - sum_k q_k SP_k >= 0.

Let v* belong to the equilibrium of the K players (K = 1: the optimum; K infinite: the Wardrop
equilibrium), l* = l(v*) and T* = T(v*). It is not cheaper to reroute it: T*'(v* - v) + Delta* -
Delta <= 0; and rerouting x saves at most G: T(v)'(v - v*) + Delta - Delta* <= G. All sums below are
over stations.

**Potential.** F, the sum of the integrals of T and Delta, is convex, so F(v) - F* <= G.

**Distance.** The sum of both inequalities is sum (T(v) - T*)(v - v*) <= G; no term is negative.
The latency l is convex, so x l' - l does not fall, and T - (1 + 1/K) l = (x l' - l)/K neither:
with rho = 1/(1 + 1/K),

    sum (l(v) - l*)(v - v*) <= rho G.

So each v*_a is at most the largest w_a with (l(w_a) - l(v_a))(w_a - v_a) <= rho G.

**Mean delay.** C = sum v l(v) + Delta is the total delay, and c = 1 - 1/K.

- *Above.* C* - C <= sum [v* l* - v l - T*(v* - v)], by the first inequality. A term is
  v (l* - l) - (v* - v) v* l'*/K. By convexity (v* - v) l'* >= l* - l, so where v* > v it is at most
  v (l* - l) - v* (l* - l)/K <= c v (l* - l). Where v* < v it is at most
  (l - l*)(v*/K - v) <= 0.
- *Below.* C* - C >= sum [v* l* - v l - T(v)(v* - v)] - G, by the second. A term is
  v* (l* - l) - (v* - v) v l'(v)/K. Where v* > v, (v* - v) l'(v) <= l* - l and the term is at least
  (v* - v/K)(l* - l) >= 0. Where v* < v, (v - v*) l'(v) >= l - l* and the term is at least
  -(v* - v/K)(l - l*) >= -c v (l - l*).

For numbers s_a that no slope of l_a exceeds between v_a and v*_a, (l - l*)^2/s <= (l - l*)(v - v*),
so by the Cauchy-Schwarz inequality sum v |l - l*| <= sqrt(rho G sum v^2 s). Above, v* <= w and
s = l'(w); below, v* < v and s = l'(v):

    C - G - c sqrt(rho G sum v^2 l'(v)) <= C* <= C + c sqrt(rho G sum v^2 l'(w)).

At the optimum, c = 0, this is the bound of duality. The proof needs that each latency does not fall
and is convex, and holds at kinks, with any slope there between those of both sides.

**Rounding.** The bounds are those of a flow of exactly the load of each group, next to the given
one, whose station loads and spare capacities have more digits than floats (``station_loads``).
Instead of T(v) prices p a little below are used, so that the costs of routes in graphs have no
rounding error: with the sum of (T(v) - p) v added, G is a bound for them too. The rounding errors
of the other values are added as well, so that no bound is false by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..compensated_sum import EPS, exact_sum
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow
from .price_bounds import (
    ROUNDING,
    cost_error,
    largest_load,
    on_grid,
    price_bound,
    total_delay_bound,
)
from .routed import RoutedSystem
from .station_loads import StationLoads, station_loads

BALANCED = 1e-9  # relative distance of flows from the load up to which one route may take it
PROBE = 3e-6  # relative step of secants, for the slopes of families without slopes
NEAR = 1.1  # ratio of both ends of an interval at which its search stops
HALVINGS = 60  # largest number of halvings


@dataclass(frozen=True)
class RouteCertificate:
    """Bounds of the true mean delay over all jobs, and how good a flow is.

    Times are in the system's unit of time.

    Attributes
    ----------
    mean_delay : float
        Mean delay of the flow.
    lower_bound, upper_bound : float
        The mean delay of the optimum or equilibrium lies between them.
    gap : float
        Largest relative error that the mean delay can have.
    potential_gap : float
        What rerouting at the present costs saves, relative to the sum of these costs: a bound of
        the distance of the flow's potential from its minimum.
    mean_saving : float
        What rerouting saves on average: the largest mean decrease of cost.
    largest_saving : float
        Largest cost of a used route less that of the cheapest of its group.
    utilisation : float
        Largest ratio of a load to the rate of its station.
    balance : float
        Largest distance of the flows of a group from its load, divided by the load.
    rounding : float
        Relative error of the mean delay that the rounding of flows to floats alone can cause.
    estimate : float
        Estimate, not a bound, of the mean delay of the optimum or equilibrium; NaN where it was not
        computed.
    """

    mean_delay: float
    lower_bound: float
    upper_bound: float
    gap: float
    potential_gap: float
    mean_saving: float
    largest_saving: float
    utilisation: float
    balance: float
    rounding: float
    estimate: float = np.nan


def certify(
    system: RoutedSystem, multiple: float, found: RouteFlow, players: float
) -> RouteCertificate:
    """Return the certificate of a flow; the module has the bounds and their proofs.

    It takes one search of the cheapest routes.

    Parameters
    ----------
    system : RoutedSystem
        A stations and G groups.
    multiple : float
        Multiple of the loads, above 0.
    found : RouteFlow
        The flow. If its groups miss their loads, the bounds are those of its `RouteFlow.fitted`.
    players : float
        Number of equal players K of the equilibrium: 1 for the optimum, infinite for the Wardrop
        equilibrium.
    """
    load = multiple * system.load
    with np.errstate(all="ignore"):
        carried = found.columns.group_flow(found.flow, load.size)
        balance = float(np.max(np.abs(carried - load) / load))
        valid = balance <= BALANCED and bool(np.min(found.flow) >= 0)
        flow = found if valid else found.fitted(load)
        at = station_loads(system, flow, load)
        utilisation = float(np.max(at.flow / system.bank.rate))
        if not np.min(at.spare_capacity) > 0:
            inf = np.inf
            return RouteCertificate(inf, 0.0, inf, inf, inf, inf, inf, utilisation, balance, 0.0)
        return _certify(system, load, flow, at, players, utilisation, balance)


def _certify(
    system: RoutedSystem,
    load: Array,
    found: RouteFlow,
    at: StationLoads,
    players: float,
    utilisation: float,
    balance: float,
) -> RouteCertificate:
    """Return the certificate of a flow below the rates of all stations."""
    bank, v, own = system.bank, at.flow, 1.0 / players
    others, rho, demand = 1.0 - own, 1.0 / (1.0 + own), float(exact_sum(load)[0])
    costs = _player_costs(bank, at, own)
    total = float(exact_sum(v * costs.latency)[0]) + at.fixed_delay
    reroute = _rerouting(system, load, found, at, costs)
    gap, slack = reroute.gap, ROUNDING * total + float(v @ costs.latency_error)
    lower = total - gap
    if own == 1.0:
        proved, error = total_delay_bound(system, load, reroute.price, reroute.least)
        lower = max(lower, proved - error)
        if bank.uses_finite_differences:
            lower = proved - error
            gap = max(total + slack - lower, 0.0)
    below = above = 0.0
    if others > 0:
        below = _spread(bank, at, v, at.spare_capacity)
        highest, least_spare = _largest_loads(system, load, at, rho * gap)
        above = _spread(bank, at, highest, least_spare)
        lower -= others * np.sqrt(rho * gap * below)
    upper = total + slack + others * np.sqrt(rho * gap * above)
    delays = np.array([total, lower - slack, upper]) / demand
    rounding = _rounding(bank, at, own, total, above)
    mean, low, high = (float(d) for d in delays * np.array([1.0, 1 - ROUNDING, 1 + ROUNDING]))
    low, error = max(low, 0.0), max(high - mean, mean - low)
    return RouteCertificate(
        mean_delay=mean,
        lower_bound=low,
        upper_bound=high,
        gap=error / low if low > 0 else (0.0 if high == 0 else np.inf),
        potential_gap=gap / reroute.paid if reroute.paid > 0 else 0.0,
        mean_saving=gap / demand,
        largest_saving=reroute.largest,
        utilisation=utilisation,
        balance=balance,
        rounding=rounding,
    )


class PlayerCosts(NamedTuple):
    """Latency of each station, what a player pays there, and bounds of their errors, (A,)."""

    latency: Array
    latency_error: Array
    cost: Array
    cost_error: Array


def _player_costs(bank: ServerBank, at: StationLoads, own: float) -> PlayerCosts:
    """Return the latencies and costs at the loads of the stations.

    A family may compute a value from the flow where it has the spare capacity with more digits; the
    value at the next floats shows the error.
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
        step = PROBE * np.where(v > 0, np.minimum(v, y), np.minimum(y, 1.0))
        right = (bank.latency(v + step, y - step) - latency + 2.0 * latency_error) / step
        left = (latency - bank.latency(v - step, y + step) - 2.0 * latency_error) / step
        highest, lowest = latency + v * right, latency + v * np.maximum(left, 0.0)
        error = error + np.maximum(highest - marginal, marginal - lowest)
    cost = own * marginal + (1.0 - own) * latency
    return PlayerCosts(latency, latency_error, cost, own * error + (1.0 - own) * latency_error)


class Rerouting(NamedTuple):
    """What rerouting at fixed prices saves.

    Attributes
    ----------
    price : ndarray, shape (A,)
        Prices, a little below the costs of the stations.
    least : ndarray, shape (G,)
        Cost of the cheapest route of each group.
    gap : float
        Bound of the sum over jobs of what rerouting saves, with rounding errors.
    paid : float
        Sum over jobs of the cost.
    largest : float
        Largest saving of a job.
    """

    price: Array
    least: Array
    gap: float
    paid: float
    largest: float


def _rerouting(
    system: RoutedSystem, load: Array, found: RouteFlow, at: StationLoads, costs: PlayerCosts
) -> Rerouting:
    """Return what rerouting saves, as the sum over routes of flow times cost above the least."""
    columns, x = found.columns, found.flow + at.correction
    upper = columns.costs(costs.cost)
    used = found.flow > 0
    price = np.maximum(costs.cost - costs.cost_error, 0.0)
    price = on_grid(price, float(np.max(columns.least(upper, load.size))))
    least = system.routes.least_cost(price)
    saving = np.maximum(columns.costs(price) - least[columns.group], 0.0)
    paid = float(at.flow @ costs.cost) + at.fixed_delay
    lowered = (costs.cost + costs.cost_error) - price
    # each saving is a difference of two costs with rounding errors
    errors = float(at.flow @ lowered) + 2.0 * cost_error(system) * paid
    gap = float(exact_sum(x * saving)[0]) + errors
    largest = float(np.max(saving, where=used, initial=0.0))
    return Rerouting(price, least, gap * (1.0 + ROUNDING), paid, largest)


def _largest_loads(
    system: RoutedSystem, load: Array, at: StationLoads, gap: float
) -> tuple[Array, Array]:
    """Return loads that no station exceeds at the equilibrium, and their spare capacities, (A,).

    They are at most a little above the largest w with (l(w) - l(v))(w - v) <= gap, found by
    halving.
    """
    bank, v, y = system.bank, at.flow, at.spare_capacity
    latency = bank.latency(v, y) * (1.0 + ROUNDING)
    rising = (v > 0) & np.isinf(bank.latency_limit)
    most = np.maximum(largest_load(system, load) * (1.0 + ROUNDING) - v, 0.0)
    low, high = np.zeros_like(v), np.where(np.isfinite(y), np.minimum(most, y), most)
    for _ in range(HALVINGS):
        # towards 0 by factors, as the interval may be many powers of ten shorter than the first
        middle = np.where(low > 0, np.sqrt(low * high), 1e-3 * high)
        after = bank.latency(v + middle, y - middle) * (1.0 - ROUNDING)
        beyond = (after - latency) * middle > gap
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
        if np.all(~rising | (high <= NEAR * low) | (high <= 1e-4 * np.minimum(v, y))):
            break
    high += 4.0 * EPS * (v + high)
    return v + high, y - high


def _spread(bank: ServerBank, at: StationLoads, flow: Array, spare_capacity: Array) -> float:
    """Return the sum of v^2 times a slope that the latency does not exceed up to a flow."""
    if bank.uses_finite_differences:
        step = np.minimum(flow, spare_capacity) / 64.0
        after = bank.latency(flow + step, spare_capacity - step)
        rise = after - bank.latency(flow, spare_capacity) + 2.0 * ROUNDING * after
        slope = np.where(step > 0, rise / step, 0.0)
    else:
        slope = bank.latency_slope(flow * (1.0 + 4.0 * EPS)) * (1.0 + ROUNDING)
    rising = (at.flow > 0) & np.isinf(bank.latency_limit)
    return float(np.sum(np.where(rising, at.flow * at.flow * slope, 0.0)))


def _rounding(bank: ServerBank, at: StationLoads, own: float, total: float, above: float) -> float:
    """Return the relative error of the mean delay that rounding alone can cause.

    With flows off by their rounding error the costs of routes differ, so rerouting saves something.
    """
    v, y = at.flow, at.spare_capacity
    step = 1e-3 * np.minimum(v, y)
    rise = v * (bank.marginal(v + step, y - step) - bank.marginal(v, y)) / step
    paid = bank.marginal(v, y)
    error = ROUNDING * float(v @ paid)
    if own < 1:
        rise = own * rise + (1.0 - own) * v * bank.latency_slope(v)
        saved = ROUNDING * float(v @ np.where(v > 0, paid + rise, 0.0))
        error += (1.0 - own) * float(np.sqrt(saved * above))
    return error / total if total > 0 else 0.0


def group_delay(system: RoutedSystem, found: RouteFlow) -> Array:
    """Return the mean delay of each group, shape (G,), in units of time.

    Infinite where a route of the group passes a station without spare capacity.
    """
    columns, groups = found.columns, system.load.size
    at = station_loads(system, found)
    latency = system.bank.latency(at.flow, at.spare_capacity)
    used = found.flow > 0
    cost = np.where(used, columns.costs(np.where(at.flow > 0, latency, 0.0)), 0.0)
    carried = columns.group_flow(found.flow, groups)
    return columns.group_flow(found.flow * cost, groups) / carried


__all__ = ["RouteCertificate", "certify", "group_delay", "price_bound"]
