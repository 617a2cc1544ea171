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

**Prices.** T(v) need not be exact: let p >= 0 be any prices, e = T(v) - p, and G(p) what rerouting
saves at them. Then sum p (v - v*) + Delta - Delta* <= G(p), and

    sum T(v)(v - v*) + Delta - Delta* <= G(p) + sum e (v - v*).

**Distance.** The sum of this and the first inequality bounds sum (T(v) - T*)(v - v*), in which no
term is negative. The latency l is convex, so x l' - l does not fall, and T - (1 + 1/K) l =
(x l' - l)/K neither: with rho = 1/(1 + 1/K),

    E = sum (l(v) - l*)(v - v*) <= rho (G(p) + sum e (v - v*)).

Where e >= 0, e (v - v*) <= e v. Elsewhere let s_a be a slope that no secant of l_a from v_a to v*_a
falls below, so that s (v - v*)^2 <= (l(v) - l*)(v - v*): by the Cauchy-Schwarz inequality the sum
of e (v - v*) is at most b sqrt(E) with b^2 = sum e^2/s. So E is at most the root E1 of
E = rho (G1 + b sqrt(E)), with G1 = G(p) + sum e v over the stations of the first kind, and

    sum T(v)(v - v*) + Delta - Delta* <= G = G1 + b sqrt(E1).

With prices that correct T(v) for the rounding errors of the flow, G is of the order of the square
of these errors. The slopes s hold as long as E <= E0, for some E0 > E1; that suffices, since all
that is said of v* is true of each point between v and v*, and E grows continuously on the way.

Each v*_a is at most the largest w_a with (l(w_a) - l(v_a))(w_a - v_a) <= E1.

**Mean delay.** C = sum v l(v) + Delta is the total delay, and c = 1 - 1/K.

- *Above.* C* - C <= sum [v* l* - v l - T*(v* - v)], by the first inequality. A term is
  v (l* - l) - (v* - v) v* l'*/K. By convexity (v* - v) l'* >= l* - l, so where v* > v it is at most
  v (l* - l) - v* (l* - l)/K <= c v (l* - l). Where v* < v it is at most
  (l - l*)(v*/K - v) <= 0.
- *Below.* C* - C >= sum [v* l* - v l - T(v)(v* - v)] - G. A term is
  v* (l* - l) - (v* - v) v l'(v)/K. Where v* > v, (v* - v) l'(v) <= l* - l and the term is at least
  (v* - v/K)(l* - l) >= 0. Where v* < v, (v - v*) l'(v) >= l - l* and the term is at least
  -(v* - v/K)(l - l*) >= -c v (l - l*).

For numbers t_a that no slope of l_a exceeds between v_a and v*_a, (l - l*)^2/t <= (l - l*)(v - v*),
so sum v |l - l*| <= sqrt(E1 sum v^2 t). Above, v* <= w and t = l'(w); below, v* < v and t = l'(v):

    C - G - c sqrt(E1 sum v^2 l'(v)) <= C* <= C + c sqrt(E1 sum v^2 l'(w)).

At the optimum, c = 0, this is the bound of duality. The proof needs that each latency does not fall
and is convex, and holds at kinks, with any slope there between those of both sides.

For a few players next to saturation ``few_players`` has other bounds.

**Rounding.** The bounds are those of a flow of exactly the load of each group, next to the given
one, whose station loads and spare capacities have more digits than floats (``station_loads``).
Prices are such that the costs of routes in graphs have no rounding error (``exact_prices``). The
rounding errors of all other values are added, so that no bound is false by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..compensated_sum import exact_sum
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow
from .few_players import changes_by_latencies
from .price_bounds import ROUNDING, least_costs, price_bound, total_delay_bound
from .rerouting import (
    PlayerCosts,
    Rerouting,
    correction,
    distance_bound,
    largest_loads,
    player_costs,
    rerouting,
    spread,
)
from .routed import RoutedSystem
from .station_loads import StationLoads, station_loads

EXACT = 1e-13  # relative distance of bounds that no correction of the prices is to narrow
ALMOST_FULL = 0.9  # utilisation from which the bounds of ``few_players`` can be the better ones
BALANCED = 1e-9  # relative distance of flows from the load up to which one route may take it


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
        Bound of the distance of the flow's potential from its minimum, relative to the sum of what
        the jobs pay.
    mean_saving : float
        What rerouting saves on average: the largest mean decrease of cost. Times the load it
        bounds the distance of the potential too, but it is of first order in rounding errors.
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

    times: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "lower_bound",
        "upper_bound",
        "mean_saving",
        "largest_saving",
        "estimate",
    )


def certify(
    system: RoutedSystem, multiple: float, found: RouteFlow, players: float
) -> RouteCertificate:
    """Return the certificate of a flow; the module has the bounds and their proofs.

    It takes one search of the cheapest routes, and another where prices can be corrected.

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
    own = 1.0 / players
    demand = float(exact_sum(load)[0])
    costs = player_costs(system.bank, at, own)
    total = float(exact_sum(at.flow * costs.latency)[0]) + at.fixed_delay
    slack = ROUNDING * total + float(at.flow @ costs.latency_error)
    given = system, load, found, at, costs
    first = rerouting(*given, costs.cost - costs.cost_error)
    proofs = [_bounds(given, own, (total, slack), first)]
    estimate = np.nan
    if found.price is not None and not _exact(proofs, total):
        other = rerouting(*given, found.price)
        proofs.append(_bounds(given, own, (total, slack), other))
    step = None if _exact(proofs, total) else correction(system, found, at, costs, own)
    if step is not None:
        estimate = (total + step.total_delay) / demand
        other = rerouting(*given, step.price, step.rest)
        proofs.append(_bounds(given, own, (total, slack), other))
    lower = max(proof.lower for proof in proofs) - slack
    upper = min(proof.upper for proof in proofs) + slack
    gap = min(proof.gap for proof in proofs)
    # of rerouting at the costs, not at prices a little below them
    saving = first.saving + float(at.flow @ (costs.cost + costs.cost_error - first.price))
    mean = total / demand
    low, high = max(lower / demand * (1.0 - ROUNDING), 0.0), upper / demand * (1.0 + ROUNDING)
    error = max(high - mean, mean - low)
    return RouteCertificate(
        mean_delay=mean,
        lower_bound=low,
        upper_bound=high,
        gap=error / low if low > 0 else (0.0 if high == 0 else np.inf),
        potential_gap=gap / first.paid if first.paid > 0 else 0.0,
        mean_saving=saving / demand,
        largest_saving=first.largest,
        utilisation=utilisation,
        balance=balance,
        rounding=_rounding(system.bank, at, own, total),
        estimate=estimate,
    )


class Proof(NamedTuple):
    """Bounds of the total delay, and G of the module."""

    lower: float
    upper: float
    gap: float


def _exact(proofs: list[Proof], total: float) -> bool:
    """Return whether better prices would prove no more."""
    width = min(proof.upper for proof in proofs) - max(proof.lower for proof in proofs)
    return width <= EXACT * total


def _bounds(
    given: tuple[RoutedSystem, Array, RouteFlow, StationLoads, PlayerCosts],
    own: float,
    judged: tuple[float, float],
    saved: Rerouting,
) -> Proof:
    """Return the bounds of the total delay from what rerouting saves at some prices.

    `given` is what `rerouting` takes, `judged` has the total delay and its rounding error, which
    the bounds leave out.
    """
    system, load, _, at, costs = given
    (total, slack), bank, others, rho = judged, system.bank, 1.0 - own, 1.0 / (1.0 + own)
    gap, distance = distance_bound(bank, at, costs, saved, rho)
    lower, upper = total - gap, total
    if own == 1.0:
        least = least_costs(system, saved.price) if saved.rest.any() else saved.least
        proved, error = total_delay_bound(system, load, saved.price, least)
        lower = max(lower, proved - error)
        gap = min(gap, max(total - lower, 0.0) + slack)
    else:
        below = spread(bank, at, at.flow, at.spare_capacity)
        above = spread(bank, at, *largest_loads(system, load, at, distance))
        lower -= others * float(np.sqrt(distance * below))
        upper += others * float(np.sqrt(distance * above))
    few = own > 0 and others > 0 and float(np.max(at.flow / bank.rate)) > ALMOST_FULL
    if few and np.isfinite(distance):
        changes = changes_by_latencies(*given, own, saved, (gap, distance))
        lower, upper = max(lower, total + changes[0]), min(upper, total + changes[1])
    return Proof(
        lower if np.isfinite(lower) else -np.inf,
        upper if np.isfinite(upper) else np.inf,
        gap if np.isfinite(gap) else np.inf,
    )


def _rounding(bank: ServerBank, at: StationLoads, own: float, total: float) -> float:
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
        error += (1.0 - own) * float(np.sqrt(saved * spread(bank, at, v, y)))
    return error / total if total > 0 else 0.0


def station_latency(system: RoutedSystem, found: RouteFlow) -> Array:
    """Return the latency of each station at a flow with all its digits, shape (A,)."""
    at = station_loads(system, found)
    return np.asarray(system.bank.latency(at.flow, at.spare_capacity))


def group_delay(system: RoutedSystem, found: RouteFlow) -> Array:
    """Return the mean delay of each group, shape (G,), in units of time.

    Infinite where a route of the group passes a station without spare capacity.
    """
    columns, groups = found.columns, system.load.size
    used = found.flow > 0
    latency = np.where(columns.station_flow(found.flow) > 0, station_latency(system, found), 0.0)
    cost = np.where(used, columns.costs(latency), 0.0)
    carried = columns.group_flow(found.flow, groups)
    return columns.group_flow(found.flow * cost, groups) / carried


__all__ = ["RouteCertificate", "certify", "group_delay", "price_bound", "station_latency"]
