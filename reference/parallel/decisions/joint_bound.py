"""Lower bounds of split and rates together, by prices of load and of delay: weak duality.

With h the least cost of a server at a flow, see `sojourn.reference.parallel.decisions.joint_costs`,
a price v of load and a price w of delay, every split with flows in a box costs at least

    G(v, w) = v L + sum over servers of min over a <= x <= b of h(x; w) - v x

in money and w times its total delay. Each minimum is in closed form: h is convex where the rate is
at a bound, and concave between, so the candidates are a, b and the stationary flow of either convex
part. With best prices, the bound of the least cost at a price w of delay is G; of the least total
delay within a budget B it is (G - B)/w; of the least cost at a mean delay of at most T it is
G - w L T. G is concave in (v, w), and (G - B)/w is concave in 1/w, so that tangents at two prices
bound the gain of better prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ...compensated_sum import EPS, exact_sum
from ...errors import Array
from .joint_costs import Servers

ROUNDING = 16 * EPS  # relative rounding error of a term of a bound
STEPS = 100  # largest number of prices between two that bracket the best one
FARTHEST = 1e12  # factor between the first price of a search and the last
INNER, OUTER = 1e-10, 1e-9  # relative errors of best prices of load, and of delay

What = TypeVar("What")


class Box(NamedTuple):
    """Bounds of the flows, shape (n,) each."""

    low: Array
    high: Array


class Minima(NamedTuple):
    """The cheapest flows within a box at prices.

    Attributes
    ----------
    excess : ndarray, shape (n,)
        Least cost of each server less the price of its flow.
    flow, gain : ndarray, shape (n,)
        Flow of each server; the gains sum to the flows less a constant, see `Servers.gain`.
    money, work : ndarray, shape (n,)
        Money and total delay of each server at its best rate.
    """

    excess: Array
    flow: Array
    gain: Array
    money: Array
    work: Array


class Relaxed(NamedTuple):
    """The best price of load at a price of delay, and flows that carry the load.

    Attributes
    ----------
    price, weight : float
        Prices v and w.
    value : float
        Bound G, up to rounding.
    flow : ndarray, shape (n,)
        Mixture of the cheapest flows at prices just below and just above v; sums to the load.
    money, work : float
        The same mixture of the money and of the total delay: the slopes of the bound.
    above : ndarray, shape (n,)
        The cheapest flows at a price just above v; they sum to the load or more.
    """

    price: float
    weight: float
    value: float
    flow: Array
    money: float
    work: float
    above: Array


class Point(NamedTuple, Generic[What]):
    """Point of a concave function: argument, value and slope, and what was found there."""

    at: float
    value: float
    slope: float
    found: What


class Costs:
    """The least costs of servers within a box, at a price of delay.

    Parameters
    ----------
    servers : Servers
    box : Box
    weight : float
        Price w of delay.
    """

    def __init__(self, servers: Servers, box: Box, weight: float) -> None:
        self.servers, self.box, self.weight = servers, box, weight
        ends = (self._best(flow) for flow in box)
        self.ends = [np.stack(rows) for rows in zip(*ends, strict=True)]
        full = servers.flow_at(servers.hi, weight)
        self.convex = [(servers.hi, np.clip(full, *box), box.high)]
        if servers.lo.any():
            least = servers.flow_at(servers.lo, weight)
            self.convex.append((servers.lo, box.low, np.clip(least, *box)))

    def _best(self, flow: Array) -> tuple[Array, ...]:
        """Return flow, gain, money and total delay at flows, with the best rates."""
        servers = self.servers
        spare = servers.spare_at(flow, self.weight)
        money = servers.money(flow, spare)
        return flow, servers.gain(flow), money, servers.work(flow, spare)

    def _stationary(self, price: float, rate: Array, first: Array, last: Array) -> list[Array]:
        """Return the same at the flows of a marginal cost at `rate`, between two flows."""
        servers = self.servers
        with np.errstate(all="ignore"):
            flow, spare = servers.at_rate(price, self.weight, rate)
            inside = (flow > first) & (flow < last)
            flow = np.where(inside, flow, np.clip(flow, first, last))
            spare = np.where(inside, spare, rate - flow)
            money = np.where(np.isfinite(rate), servers.price * rate + servers.opening, np.inf)
            gain = servers.gain(flow, spare if rate is servers.hi else None)
            return [flow, gain, money, servers.work(flow, spare)]

    def minima(self, price: float) -> Minima:
        """Return the cheapest flows at a price of load."""
        rows = [self._stationary(price, *part) for part in self.convex]
        flow, gain, money, work = (
            np.concatenate([ends, [row[i] for row in rows]]) for i, ends in enumerate(self.ends)
        )
        with np.errstate(invalid="ignore"):
            excess = money + self.weight * work - price * gain
        excess = np.where(np.isnan(excess), np.inf, excess)
        best = np.argmin(excess, axis=0)[None]
        return Minima(*(np.take_along_axis(m, best, 0)[0] for m in (excess, flow, gain, money, work)))

    def point(self, price: float) -> Point[Minima]:
        """Return the bound at a price of load."""
        found, rest = self.minima(price), self.servers.rest
        value = price * rest + float(found.excess.sum())
        return Point(price, value, rest - float(found.gain.sum()), found)

    def relaxed(self, start: float) -> Relaxed:
        """Return the best price of load, searched from a price above 0."""
        left, right = bracket(self.point, start, INNER)
        best = left if left.value >= right.value else right
        part = 1.0 if left is right else right.slope / (right.slope - left.slope)
        below, above = left.found, right.found

        def mixed(a: Array, b: Array) -> Array:
            return b + part * (a - b)

        return Relaxed(
            best.at,
            self.weight,
            best.value,
            mixed(below.flow, above.flow),
            float(mixed(below.money, above.money).sum()),
            float(mixed(below.work, above.work).sum()),
            above.flow,
        )


def bracket(
    function: Callable[[float], Point[What]], start: float, tolerance: float
) -> tuple[Point[What], Point[What]]:
    """Return points just below and just above the largest value of a concave function.

    The arguments are above 0. From `start` the search goes towards the largest value in growing
    steps; then between two points, by the intersection of their tangents and by the secant of the
    slopes in turn, until the tangents exclude a gain above the tolerance.

    Parameters
    ----------
    function : callable
        Function from an argument to a `Point`.
    start : float
    tolerance : float
        Gain, relative to the value, that ends the search.

    Returns
    -------
    left, right : Point
        Points of slopes of at least 0 and at most 0; one point twice where its slope is 0, or where
        the value still rises at the last argument.
    """
    point = function(start)
    rising, factor, last = point.slope > 0, 1.1, point
    while point.slope != 0 and (point.slope > 0) == rising:
        last, at = point, point.at * (factor if rising else 1.0 / factor)
        if not start / FARTHEST <= at <= start * FARTHEST:
            return last, last
        point, factor = function(at), factor**2
    if point.slope == 0:
        return point, point
    left, right = (last, point) if rising else (point, last)
    sides = 0
    for step in range(STEPS):
        width = right.at - left.at
        rise = right.value - left.value
        by_tangents = (rise - right.slope * width) / (left.slope - right.slope)
        best = max(left.value, right.value)
        most = left.value + left.slope * by_tangents
        if not most - best > tolerance * abs(best) or width <= 4 * EPS * right.at:
            break
        by_secant = width * left.slope / (left.slope - right.slope)
        move = by_tangents if step % 2 == 0 else by_secant
        if abs(sides) >= 3:
            move, sides = 0.5 * width, 0
        at = left.at + min(max(move, 0.0), width)
        if not left.at < at < right.at:
            at = left.at + 0.5 * width
        point = function(at)
        if point.slope == 0:
            return point, point
        if point.slope > 0:
            left, sides = point, max(sides, 0) + 1
        else:
            right, sides = point, min(sides, 0) - 1
    return left, right
