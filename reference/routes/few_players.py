r"""Bounds of the total delay of K equal players next to saturation, from prices near the latencies.

Symbols are those of ``bounds``; D = v* - v and H = Delta* - Delta. From T* = l* + v* l'*/K and from
l'(v) D <= l* - l <= l'* D, by convexity,

    C* - C - K (T* D + H) = sum [v (l* - l) - v* l'* D] + (1 - K)(l* D + H)
                         <= (1 - K)(l D + H),
    C* - C - K (T(v) D + H) = sum [v (l* - l) - v l' D + (l* - l) D] + (1 - K)(l D + H)
                         >= (1 - K)(l D + H).

As T* D + H <= 0 and T(v) D + H >= -G, with B = l D + H

    -K G - (K - 1) B <= C* - C <= -(K - 1) B.

Next to saturation B is nearly 0: T is there so much more than l that it keeps D to directions in
which l D is small. Let y be prices near l at which the used routes of each group cost the same, and
s the slopes of secants. Then

    |(l - y) D| <= R = sqrt(E1 sum (l - y)^2/s),    y D + H >= -G(y),

which bounds B below. Above, with p the prices of ``bounds``, at which p D + H <= G,

    y D + H = 2 (p D + H) - ((2p - y) D + H) <= 2 G + G(2p - y).

Where there is no slope s > 0, D is at most the largest load of the station.
"""

from __future__ import annotations

import numpy as np

from ..errors import Array
from .columns import RouteFlow
from .price_bounds import added, largest_load
from .rerouting import WIDER, PlayerCosts, Rerouting, least_secant, rerouting
from .routed import RoutedSystem
from .station_loads import StationLoads
from .used_routes import UsedRoutes


def changes_by_latencies(
    system: RoutedSystem,
    load: Array,
    found: RouteFlow,
    at: StationLoads,
    costs: PlayerCosts,
    own: float,
    saved: Rerouting,
    proved: tuple[float, float],
) -> tuple[float, float]:
    """Return bounds of C* - C, with rounding errors; infinite where they prove nothing.

    Parameters
    ----------
    own : float
        1/K, above 0.
    saved : Rerouting
        At the prices p.
    proved : pair of float
        G and E1.
    """
    (gap, distance), others = proved, 1.0 / own - 1.0
    secant = least_secant(system.bank, at, costs, WIDER * distance)

    def away(apart: Array) -> float:
        """Return the bound R of the sum of D times numbers."""
        size = np.abs(apart) + costs.latency_error
        steep = secant > 0
        most = np.broadcast_to(largest_load(system, load), size.shape)
        squares = float(np.sum(size**2 / secant, where=steep))
        return float(np.sqrt(distance * squares) + np.sum(size * most, where=~steep))

    near = rerouting(system, load, found, at, costs, _near_latencies(system, found, at, costs))
    upper = others * (away(costs.latency - near.price - near.rest) + near.saving)
    high, low = added(2.0 * saved.price, -near.price, 2.0 * saved.rest - near.rest)
    beyond = rerouting(system, load, found, at, costs, high, low)
    # the prices y that these prices stand for, which may be rounded
    price, rest = added(2.0 * saved.price, -beyond.price, 2.0 * saved.rest - beyond.rest)
    above = away(costs.latency - price - rest) + 2.0 * gap + beyond.saving
    return -others * above - gap / own, upper


def _near_latencies(
    system: RoutedSystem, found: RouteFlow, at: StationLoads, costs: PlayerCosts
) -> Array:
    """Return prices near the latencies at which the used routes of each group cost the same."""
    slope = system.bank.latency_slope(at.flow)
    slope = np.where((at.flow > 0) & np.isfinite(slope), slope, 0.0)
    used = UsedRoutes.of(system, found, int(np.count_nonzero(slope)))
    if used is None or not slope.any():
        return costs.latency
    return costs.latency + used.price_change(used.unequal(costs.latency), slope)
