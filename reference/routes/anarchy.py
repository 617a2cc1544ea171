r"""Price of anarchy of flows over routes, and upper bounds of it between two multiples.

Let the loads be s times q, with Q their sum at s = 1, and let C* be the total delay of the optimum,
F* the least Beckmann potential, t* the latencies and D the total delay of the equilibrium. All sums
are over stations.

**No mean delay falls.** C* and F* are minima over flows whose loads are linear in s, so they are
convex in s, and 0 at s = 0. So C*/s does not fall. The slope of F* in s is what one more unit of
all loads pays, sum q_k SP_k(t*) = D/s, and does not fall either. So on an interval [a, b] of
multiples

    PoA(s) <= (D(b)/b) / (C*(a)/a).                                                            (1)

Of K players the slope of the potential is P(s) = sum q_k SP_k(T*), with the cost T = l + v l'/K:
P does not fall, but the mean delay D/s = P - sum v^2 l'(v)/(K s) may. So P(b) takes the place of
D(b)/b: with loads w of the stations that are at least those of the equilibrium at b,

    D(s)/s <= P(b) <= D(b)/b + sum w^2 l'(w)/(K b).                                            (2)

**A bound of second order.** Both are off by the growth of the delays from a to b. Better: for flows
v_a, v_b at both ends with costs T_a, T_b, the flow v = (1 - f) v_a + f v_b is feasible at
s = (1 - f) a + f b, and p = (1 - f) T_a + f T_b are prices for it. Let phi be the integral of T. By
duality

    F(v) - F* <= sum [phi(v) + phi*(p) - p v] + p.v - s sum q_k SP_k(p) = Gamma.

As SP is concave, the part with SP is at most max(G_a, G_b) + X/4, where G_a, G_b are the potential
gaps of both ends and X = T_a.v_b - b sum q_k SP_k(T_a) + T_b.v_a - a sum q_k SP_k(T_b) is what
the flows of one end lose at the prices of the other: nothing while the same routes are cheapest.
Each term of the first sum is an area between the chord p and T, at most the largest distance h of
both times the distance of v from the load where T = p. Where T is the convex latency, h is at most
|dv| (t'_high - t'_low)/4, and the area at most min(h |dv|, h^2/(2 t'_low)). Of K players, T rises
but need not be convex: values at loads in between bound it from both sides.

The sum of the divergences phi(v) - phi(v*) - T*(v - v*) is at most F(v) - F*. As T - (1 + 1/K) l
does not fall (see `sojourn.reference.routes.bounds`), each is at least
(l(v) - l*)^2/(2 rho l'_max), rho = 1/(1 + 1/K), where l'_max is the largest slope between v and v*.
So with c = 1 - 1/K, by the bound of the mean delay from above there, and the Cauchy-Schwarz
inequality

    D(s) <= l(v).v + c sqrt(2 rho Gamma sum w^2 l'(w)),

with w at least v and v*: (l(w) - l(v_high))(w - v_high) <= 2 rho Gamma. By convexity l(v).v is at
most the product of v and the chord of l, a quadratic in f that bends up. C* is at least each of two
lines, its tangents from duality at a and b. A quadratic that bends up over a line is quasi-convex:
its largest value is at an end of the part on which that line is used, so three values of f bound
the price of anarchy in [a, b]. The error falls with the square of b - a while the same routes are
used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .bounds import RouteCertificate, certify
from .columns import RouteFlow
from .engine import solve
from .price_bounds import largest_load
from .rerouting import farthest
from .routed import RoutedSystem

Mask = npt.NDArray[np.bool_]

ROUNDING = 64.0 * EPS  # relative rounding error of sums of products, and of costs of routes
PIECES = 256  # of the way between two loads, at which the costs of players are computed


class Node(NamedTuple):
    """Equilibrium and optimum at one multiple of the loads.

    Totals are mean delays times the load: numbers of jobs.

    Attributes
    ----------
    multiple : float
        Multiple s of the loads.
    selfish, best : RouteFlow or None
        Flows of the equilibrium and of the optimum; None at the multiple 0.
    flow, latency, slope, cost : ndarray, shape (A,)
        Station loads of the equilibrium, latencies, their slopes, and what a player pays.
    fixed : float
        Sum of flows times fixed delays of the equilibrium.
    least : float
        Sum over groups of the load at multiple 1 times the least cost of a route, at the costs of
        the equilibrium's players.
    potential_gap : float
        What rerouting saves at the equilibrium.
    slowest : float
        Upper bound of the mean delay of the equilibrium.
    fastest : float
        Lower bound of the mean delay of the optimum.
    line : tuple of float
        Level at `multiple` and slope of a line in the multiple below the optimum's total delay.
    load : float
        Total load.
    poa, most : float
        Lower and upper bound of the price of anarchy.
    """

    multiple: float
    selfish: RouteFlow | None
    best: RouteFlow | None
    flow: Array
    latency: Array
    slope: Array
    cost: Array
    fixed: float
    least: float
    potential_gap: float
    slowest: float
    fastest: float
    line: tuple[float, float]
    load: float
    poa: float
    most: float

    @property
    def total(self) -> float:
        """Total delay of the equilibrium."""
        return float(self.flow @ self.latency) + self.fixed


def price_of_anarchy(
    system: RoutedSystem, multiple: float = 1.0, players: float = np.inf
) -> tuple[float, float]:
    """Return a lower and an upper bound of the price of anarchy.

    Parameters
    ----------
    system : RoutedSystem
    multiple : float, default 1
        Multiple of the loads, above 0.
    players : float, default infinity
        Number of equal players K of the equilibrium.
    """
    found = solved(system, multiple, players)
    return found.poa, found.most


def solved(
    system: RoutedSystem, multiple: float, players: float, start: Node | None = None
) -> Node:
    """Return the node of a multiple, from the flows of another."""
    if multiple == 0:
        return at_no_load(system)
    selfish = solve(system, players, multiple, start.selfish if start else None)
    best = solve(system, 1.0, multiple, start.best if start else None)
    proofs = (certify(system, multiple, selfish, players), certify(system, multiple, best, 1.0))
    return node(system, multiple, players, (selfish, best), proofs)


def at_no_load(system: RoutedSystem) -> Node:
    """Return the node of multiple 0: all users take the route that is fastest when empty."""
    bank, none = system.bank, np.zeros(len(system.bank))
    idle = bank.idle_latency
    least = float(system.load @ system.routes.least_cost(idle)) * (1.0 - ROUNDING)
    mean = least / system.total_load
    slope = bank.latency_slope(none)
    line = (0.0, least)
    known = (0.0, least, 0.0, mean, mean, line, 0.0, 1.0, 1.0)
    return Node(0.0, None, None, none, idle, slope, idle, *known)


def node(
    system: RoutedSystem,
    multiple: float,
    players: float,
    flows: tuple[RouteFlow, RouteFlow],
    proofs: tuple[RouteCertificate, RouteCertificate],
) -> Node:
    """Return the node of an equilibrium and an optimum.

    Parameters
    ----------
    flows : tuple of RouteFlow
        Flows of the equilibrium and of the optimum, which carry the loads.
    proofs : tuple of RouteCertificate
        Their certificates.
    """
    bank, load = system.bank, multiple * system.total_load
    selfish, best = flows
    flow = selfish.station_flow
    latency, slope = bank.latency(flow), bank.latency_slope(flow)
    cost = system.cost_bank(players).latency(flow)
    least = float(system.load @ system.routes.least_cost(cost))
    paid = float(flow @ cost) + selfish.fixed_delay
    gap = max(paid - multiple * least, proofs[0].mean_saving * load) + ROUNDING * paid
    # the line of the prices p: s sum q_k SP_k(p) - sum (v p - v l(v)), which is highest at p(v)
    at = best.station_flow
    marginal = bank.marginal(at)
    rate = float(system.load @ system.routes.least_cost(marginal)) * (1.0 - ROUNDING)
    own = float(at @ (marginal - bank.latency(at))) + ROUNDING * float(at @ marginal)
    poa = proofs[0].lower_bound / proofs[1].upper_bound if proofs[1].upper_bound > 0 else 1.0
    most = proofs[0].upper_bound / proofs[1].lower_bound if proofs[1].lower_bound > 0 else np.inf
    return Node(
        multiple=multiple,
        selfish=selfish,
        best=best,
        flow=flow,
        latency=latency,
        slope=slope,
        cost=cost,
        fixed=selfish.fixed_delay,
        least=least,
        potential_gap=gap,
        slowest=proofs[0].upper_bound,
        fastest=proofs[1].lower_bound,
        line=(multiple * rate - own, rate),
        load=load,
        poa=max(poa, 1.0),
        most=max(most, 1.0),
    )


def bound_between(system: RoutedSystem, a: Node, b: Node, players: float) -> float:
    """Return an upper bound of the price of anarchy at all multiples between two nodes."""
    with np.errstate(all="ignore"):
        slowest = b.slowest if np.isinf(players) else _mean_cost(system, b, players)
        bound = slowest / a.fastest if a.fastest > 0 else np.inf
        if a.multiple > 0 and not system.bank.uses_finite_differences:
            bound = min(bound, _chord_bound(system, a, b, players))
    return max(float(bound) * (1.0 + ROUNDING), a.most, b.most) if bound == bound else np.inf


def _mean_cost(system: RoutedSystem, b: Node, players: float) -> float:
    """Return the bound (2) of the mean cost of a player."""
    own, rising = 1.0 / players, np.isinf(system.bank.latency_limit)
    distance = b.potential_gap / (1.0 + own)
    return b.slowest + own * _spread(system, b.multiple, b.flow, rising, distance) / b.load


def _chord_bound(system: RoutedSystem, a: Node, b: Node, players: float) -> float:
    """Return the bound of second order of the module."""
    own = 1.0 / players
    width, rho = b.multiple - a.multiple, 1.0 / (1.0 + own)
    areas = _areas(a, b) if own == 0 else _player_areas(system.cost_bank(players), a, b)
    paid = float(a.cost @ b.flow) + b.fixed, float(b.cost @ a.flow) + a.fixed
    lost = paid[0] - b.multiple * a.least + paid[1] - a.multiple * b.least
    gamma = float(np.sum(areas)) + max(a.potential_gap, b.potential_gap) + max(lost, 0.0) / 4
    gamma += ROUNDING * sum(paid)
    flow = np.maximum(a.flow, b.flow)
    rising = (flow > 0) & np.isinf(system.bank.latency_limit)
    spread = _spread(system, b.multiple, flow, rising, 2.0 * rho * gamma)
    error = (1.0 - own) * np.sqrt(2.0 * rho * gamma * spread)
    mixed = float(a.latency @ b.flow) + b.fixed + float(b.latency @ a.flow) + a.fixed
    bend = mixed - a.total - b.total
    (left, rate), (right, last) = a.line, b.line
    # where the two lines meet; an error in it cannot make the bound wrong
    turn = (rate - last) * width
    meet = (right - left - last * width) / turn if turn != 0 else 0.5
    ratios = []
    for f in (0.0, min(max(meet, 0.0), 1.0), 1.0):
        total = (1 - f) * a.total + f * b.total + f * (1 - f) * bend + error
        # each line is below the optimum everywhere, so the lower one holds on both sides
        least = min(left + rate * f * width, right - last * (1 - f) * width)
        ends = (left, right)
        least = ends[int(f)] if f in (0.0, 1.0) else least
        ratios.append(total / least if least > 0 else np.inf)
    return max(ratios)


def _areas(a: Node, b: Node) -> Array:
    """Return bounds of the areas between convex latencies and their chords, shape (A,)."""
    move = np.abs(b.flow - a.flow)
    low, high = np.minimum(a.slope, b.slope), np.maximum(a.slope, b.slope)
    height = np.minimum(np.abs(b.latency - a.latency), 0.25 * move * (high - low))
    area = height * move
    return np.asarray(np.where(low > 0, np.minimum(area, height**2 / (2.0 * low)), area))


def _player_areas(costs: ServerBank, a: Node, b: Node) -> Array:
    """Return bounds of the areas between rising costs and their chords, shape (A,)."""
    part = np.arange(PIECES + 1)[:, None] / PIECES
    move = b.flow - a.flow
    cost = costs.latency(a.flow + part * move)
    cost[0], cost[-1] = a.cost, b.cost
    chord = a.cost + part * (b.cost - a.cost)
    # both are monotone within a piece
    height = np.maximum(np.abs(chord[1:] - cost[:-1]), np.abs(cost[1:] - chord[:-1]))
    sign, at = np.where(move < 0, -1.0, 1.0), part[:, 0]
    met = [np.interp(sign[i] * chord[:, i], sign[i] * cost[:, i], at) for i in range(move.size)]
    away = np.abs(np.transpose(met) - part) + 2.0 / PIECES
    away = np.minimum(np.maximum(away[1:], away[:-1]), 1.0)
    return np.asarray(np.max(height * away, axis=0) * np.abs(move))


def _spread(
    system: RoutedSystem, multiple: float, flow: Array, rising: Mask, distance: float
) -> float:
    """Return the sum of w^2 l'(w) over the rising stations, for loads w up to a multiple.

    Each w is at least the largest with (l(w) - l(v))(w - v) <= distance.
    """
    bank, most = system.bank, largest_load(system, multiple * system.load) * (1.0 + ROUNDING)
    spare = bank.spare_capacity(flow)
    step = farthest(bank, flow, spare, distance, most - flow, np.where(rising, 0.0, np.inf))
    highest = np.where(rising, flow + step, 0.0)
    return float(np.sum(np.where(rising, highest**2 * bank.latency_slope(highest), 0.0)))


__all__ = ["Node", "bound_between", "node", "price_of_anarchy", "solved"]
