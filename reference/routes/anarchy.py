r"""Price of anarchy of flows over routes, and upper bounds of it between two multiples.

Let the loads be s times q, with Q their sum at s = 1, and let C* be the total delay of the optimum,
F* the least Beckmann potential, t* the latencies and D the total delay of the equilibrium. All sums
are over stations.

**No mean delay falls.** C* and F* are minima over flows whose loads are linear in s, so they are
convex in s, and 0 at s = 0. So C*/s does not fall. The slope of F* in s is what one more unit of
all loads pays, sum q_k SP_k(t*) = D/s, and does not fall either. So on an interval [a, b] of
multiples

    PoA(s) <= (D(b)/b) / (C*(a)/a).                                                            (1)

Of K players the slope of the potential is P = sum q_k SP_k(T*), with the cost T = l + v l'/K:
P does not fall, but the mean delay D/s = P - sum v^2 l'(v)/(K s) may. With loads w_b of the
stations that are at least those of the equilibrium at b, and w that are at most those anywhere in
[a, b],

    D(s)/s <= D(b)/b + sum w_b^2 l'(w_b)/(K b) - sum w^2 l'(w)/(K b).                          (2)

The loads w follow from the flow v at a, with the potential gap G: the variational inequalities of
both flows give sum (T(v) - T*)(v - v*) <= G + (b - a)(P(b) - sum q_k SP_k(T(v))).

**A bound of second order.** (1) is off by the growth of the delays from a to b. Better: for flows
v_a, v_b at both ends with latencies t_a, t_b, the flow v = (1 - f) v_a + f v_b is feasible at
s = (1 - f) a + f b, and p = (1 - f) t_a + f t_b are prices for it. By duality

    F(v) - F* <= sum [phi(v) + phi*(p) - p v] + p.v - s sum q_k SP_k(p) = Gamma.

As SP is concave, the part with SP is at most max(G_a, G_b) + X/4, where G_a, G_b are the potential
gaps of both ends and X = t_a.v_b - b sum q_k SP_k(t_a) + t_b.v_a - a sum q_k SP_k(t_b) is what
the flows of one end lose at the prices of the other: nothing while the same routes are cheapest.
Each term of the first sum is an area between the chord p of the convex latency and the latency
itself: at most min(h |dv|, h^2/(2 t'_low)), where h, the largest height of the chord above the
latency, is at most |dv| (t'_high - t'_low)/4. The sum of the divergences phi(v) - phi(v*) -
t*(v - v*) is at most F(v) - F*, and each is at least (t(v) - t*)^2/(2 t'_max), so by the
Cauchy-Schwarz inequality and t*.(v* - v) <= 0

    D(s) <= t(v).v + sqrt(2 Gamma sum w^2 t'(w)),

with w at least v and v*: (t(w) - t(v_high))(w - v_high) <= 2 Gamma. By convexity t(v).v is at most
p.v, a quadratic in f that bends up. C* is at least each of two lines, its tangents from duality at
a and b. A quadratic that bends up over a line is quasi-convex: its largest value is at an end of
the part on which that line is used, so three values of f bound the price of anarchy in [a, b]. The
error falls with the square of b - a while the same routes are used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .bounds import RouteCertificate, certify
from .columns import RouteFlow
from .engine import solve
from .routed import RoutedSystem

ROUNDING = 64.0 * EPS  # relative rounding error of sums of products, and of costs of routes
HALVINGS = 60


class Node(NamedTuple):
    """Equilibrium and optimum at one multiple of the loads.

    Totals are mean delays times the load: numbers of jobs.

    Attributes
    ----------
    multiple : float
        Multiple s of the loads.
    selfish, best : RouteFlow or None
        Flows of the equilibrium and of the optimum; None at the multiple 0.
    flow, latency, slope : ndarray, shape (A,)
        Station loads of the equilibrium, latencies and their slopes.
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
    poa, most : float
        Lower and upper bound of the price of anarchy.
    """

    multiple: float
    selfish: RouteFlow | None
    best: RouteFlow | None
    flow: Array
    latency: Array
    slope: Array
    fixed: float
    least: float
    potential_gap: float
    slowest: float
    fastest: float
    line: tuple[float, float]
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
    return Node(0.0, None, None, none, idle, slope, 0.0, least, 0.0, mean, mean, line, 1.0, 1.0)


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
        fixed=selfish.fixed_delay,
        least=least,
        potential_gap=gap,
        slowest=proofs[0].upper_bound,
        fastest=proofs[1].lower_bound,
        line=(multiple * rate - own, rate),
        poa=max(poa, 1.0),
        most=max(most, 1.0),
    )


def bound_between(system: RoutedSystem, a: Node, b: Node, players: float) -> float:
    """Return an upper bound of the price of anarchy at all multiples between two nodes."""
    with np.errstate(all="ignore"):
        of_players = np.isfinite(players)
        slowest = _slowest(system, a, b, players) if of_players else b.slowest
        bound = slowest / a.fastest if a.fastest > 0 else np.inf
        exact = not of_players and not system.bank.uses_finite_differences
        if exact and a.multiple > 0:
            bound = min(bound, _chord_bound(system.bank, a, b))
    return max(float(bound) * (1.0 + ROUNDING), a.most, b.most) if bound == bound else np.inf


def _chord_bound(bank: ServerBank, a: Node, b: Node) -> float:
    """Return the bound of second order of the module."""
    width, move = b.multiple - a.multiple, np.abs(b.flow - a.flow)
    low, high = np.minimum(a.slope, b.slope), np.maximum(a.slope, b.slope)
    rise = np.minimum(np.abs(b.latency - a.latency), 0.25 * move * (high - low))
    areas = np.where(low > 0, np.minimum(rise * move, rise**2 / (2.0 * low)), rise * move)
    mixed = float(a.latency @ b.flow) + b.fixed, float(b.latency @ a.flow) + a.fixed
    lost = mixed[0] - b.multiple * a.least + mixed[1] - a.multiple * b.least
    gamma = float(np.sum(areas)) + max(a.potential_gap, b.potential_gap) + max(lost, 0.0) / 4
    gamma += ROUNDING * sum(mixed)
    top = np.maximum(a.flow, b.flow)
    most = top + _reach(bank, top, 2.0 * gamma, 1.0)
    rising = (top > 0) & np.isinf(bank.latency_limit)
    steep = np.where(rising, bank.latency_slope(np.where(rising, most, 0.0)), 0.0)
    error = np.sqrt(2.0 * gamma * float(np.sum(np.where(rising, most**2 * steep, 0.0))))
    bend = sum(mixed) - a.total - b.total
    # where the two lines meet; an error in it cannot make the bound wrong
    (left, rate), (right, last) = a.line, b.line
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


def _slowest(system: RoutedSystem, a: Node, b: Node, players: float) -> float:
    """Return a bound (2) of the mean delay of K players at all multiples between two nodes."""
    bank, own = system.bank, 1.0 / players
    rho, demand = 1.0 / (1.0 + own), b.multiple * system.total_load
    highest = b.flow + _reach(bank, b.flow, rho * b.potential_gap, 1.0)
    rising = (b.flow > 0) & np.isinf(bank.latency_limit)
    slope = bank.latency_slope(np.where(rising, highest, 0.0))
    most = b.slowest + own * float(np.sum(np.where(rising, highest**2 * slope, 0.0))) / demand
    growth = (b.multiple - a.multiple) * max(most * system.total_load - a.least, 0.0)
    lowest = a.flow - _reach(bank, a.flow, rho * (a.potential_gap + growth), -1.0)
    kept = np.where(lowest > 0, lowest**2 * bank.latency_slope(np.maximum(lowest, 0.0)), 0.0)
    return most - own * float(np.sum(kept)) * (1.0 - ROUNDING) / demand


def _reach(bank: ServerBank, flow: Array, gap: float, sign: float) -> Array:
    """Return a distance d from a flow, up or down, beyond which |l(w) - l(v)| d > gap.

    It is found by halving, and a little too large.
    """
    latency, limit = bank.latency(flow), bank.spare_capacity(flow)
    if sign < 0:
        most = flow
    else:
        most = np.where(np.isfinite(limit), limit, np.maximum(flow, 1.0))
        for _ in range(HALVINGS):  # servers without a rate
            short = np.isinf(limit) & ((bank.latency(flow + most) - latency) * most <= gap)
            short &= np.isinf(bank.latency_limit)
            if not np.any(short):
                break
            most = np.where(short, 4.0 * most, most)
    low, high = np.zeros_like(flow), most
    for _ in range(HALVINGS):
        middle = np.where(low > 0, np.sqrt(low * high), 1e-3 * high)
        beyond = np.abs(bank.latency(flow + sign * middle) - latency) * middle > gap
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
        if np.all(high <= 1.1 * low):
            break
    return np.asarray(high)


__all__ = ["Node", "bound_between", "node", "price_of_anarchy", "solved"]
