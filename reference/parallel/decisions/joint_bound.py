"""Lower bounds of split and rates together, by prices of load and of delay: weak duality.

With h(x; w) the least cost of a server, see `sojourn.reference.parallel.decisions.joint_costs`, a
price v of load and a price w of delay, every split with flows in a box costs at least

    G(v, w) = v L + sum over servers of min over a <= x <= b of h(x; w) - v x

in money and w times its total delay. Each minimum is a closed form: h is convex where the rate is
at a bound, and concave between, so that the candidates are a, b, and the stationary flow of either
convex part. Then G bounds the least cost at a price w of delay, (G - B)/w the least total delay
within a budget B, and G - w L T the least money for a mean delay of at most T. G is concave in
(v, w), and (G - B)/w is concave in 1/w: tangents at two prices bound the gain of other prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ...compensated_sum import EPS, exact_sum
from ...errors import Array
from .joint_costs import FreeServers

ROUNDING = 16 * EPS  # relative rounding error of a term of a bound
STEPS = 100  # largest number of prices between two that bracket the best one
FARTHEST, LONGEST = (
    1e40,
    1e3,
)  # factors from the first price of a search to the last, and of one step
SAME_SIDE = 3  # prices in a row on one side of the best one, after which the bracket is halved

What = TypeVar("What")


class Box(NamedTuple):
    """Bounds of the flows, shape (n,) each."""

    low: Array
    high: Array


class Minima(NamedTuple):
    """The cheapest flows within a box at prices, shape (n,) each.

    Attributes
    ----------
    excess : ndarray
        Least cost of each server less the price of its gain.
    flow, gain : ndarray
        Flow of each server, and the same less a constant; see `FreeServers.gain`.
    money, work : ndarray
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
        Cheapest flows of all servers but one, a mixture of two of them; they sum to the load.
    money, work : ndarray, shape (n,)
        Money and total delay of the same mixtures; their sums are the slopes of the bound.
    above : ndarray, shape (n,)
        The cheapest flows at a price just above v; they sum to the load or more.
    """

    price: float
    weight: float
    value: float
    flow: Array
    money: Array
    work: Array
    above: Array


@dataclass(frozen=True)
class Point(Generic[What]):
    """Point of a concave function: argument, value and slope, and the answer there."""

    at: float
    value: float
    slope: float
    found: What


class Costs:
    """The least costs of servers within a box, at a price of delay.

    Parameters
    ----------
    servers : FreeServers
        n servers.
    box : Box
        Bounds of their flows.
    weight : float
        Price w of delay.
    """

    def __init__(self, servers: FreeServers, box: Box, weight: float) -> None:
        self.servers, self.weight = servers, weight
        ends = [self.at(flow) for flow in box]
        self.ends = [np.stack(rows) for rows in zip(*ends, strict=True)]
        full = servers.flow_at(servers.high, weight)
        self.convex = [(servers.high, np.clip(full, *box), box.high)]
        if servers.low.any():
            least = servers.flow_at(servers.low, weight)
            self.convex.append((servers.low, box.low, np.clip(least, *box)))

    def at(self, flow: Array) -> tuple[Array, Array, Array, Array]:
        """Return flow, gain, money and total delay at flows with the best rates, (n,) each."""
        servers = self.servers
        spare = servers.spare_at(flow, self.weight)
        money = servers.money(flow, flow + spare)
        return flow, servers.gain(flow), money, servers.work(flow, spare)

    def excess(self, flow: Array, price: float) -> Array:
        """Return the least cost at flows less the price of the gain, shape (n,)."""
        _, gain, money, work = self.at(flow)
        return money + self.weight * work - price * gain

    def minima(self, price: float) -> Minima:
        """Return the cheapest flows at a price of load."""
        rows = [self._stationary(price, *part) for part in self.convex]
        flow, gain, money, work = (
            np.concatenate([end, [row[i] for row in rows]]) for i, end in enumerate(self.ends)
        )
        with np.errstate(invalid="ignore"):
            excess = money + self.weight * work - price * gain
        excess[np.isnan(excess)] = np.inf
        best = excess.argmin(axis=0), np.arange(excess.shape[1])
        return Minima(*(rows[best] for rows in (excess, flow, gain, money, work)))

    def _stationary(
        self, price: float, rate: Array, first: Array, last: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Return the same as `at` where the marginal cost at `rate` is the price.

        The flows are clipped to the convex part, from `first` to `last`.
        """
        servers = self.servers
        with np.errstate(all="ignore"):
            flow, spare = servers.flow_of(price, self.weight, rate)
            inside = (flow > first) & (flow < last)
            flow = np.where(inside, flow, np.clip(flow, first, last))
            spare = np.where(inside, spare, rate - flow)
            gain = servers.gain(flow, spare if rate is servers.high else None)
            return flow, gain, servers.money(flow, rate), servers.work(flow, spare)

    def relaxed(self, start: float, tolerance: float) -> Relaxed:
        """Return the best price of load, searched from `start` to a relative error of the bound."""
        servers = self.servers

        def point(price: float) -> Point[Minima]:
            found = self.minima(price)
            value = price * servers.rest + float(found.excess.sum())
            return Point(price, value, servers.rest - float(found.gain.sum()), found)

        left, right = bracket(point, start, tolerance)
        best = left if left.value >= right.value else right
        below, above = left.found, right.found
        rise = np.maximum(above.flow - below.flow, 0.0)
        filled = np.clip(left.slope - (np.cumsum(rise) - rise), 0.0, rise)
        part = np.divide(filled, rise, out=np.zeros_like(rise), where=rise > 0)
        return Relaxed(
            best.at,
            self.weight,
            best.value,
            below.flow + filled,
            (1.0 - part) * below.money + part * above.money,
            (1.0 - part) * below.work + part * above.work,
            above.flow,
        )

    def bound(self, price: float) -> tuple[float, Minima]:
        """Return the bound G at a price of load less its rounding error, and the cheapest flows."""
        found, rest = self.minima(price), price * self.servers.rest
        size = np.abs(found.money) + self.weight * found.work + price * np.abs(found.gain)
        value = rest + float(exact_sum(found.excess)[0])
        return value - ROUNDING * (rest + float(size.sum())), found


def share_of_right(left: Point[What], right: Point[What]) -> float:
    """Return the share of the right one in the mixture of two points whose slope is 0."""
    return 0.0 if left is right else left.slope / (left.slope - right.slope)


def bracket(
    function: Callable[[float], Point[What]], start: float, tolerance: float
) -> tuple[Point[What], Point[What]]:
    """Return points just below and just above the largest value of a concave function.

    The arguments are above 0. From `start` the search moves in growing steps to where the slope
    changes its sign; then it takes the intersection of the tangents at the two points and the root
    of the secant of the slopes in turn, until the tangents exclude a gain above the tolerance.

    Parameters
    ----------
    function : callable
        Function from an argument to a `Point`.
    start : float
        First argument.
    tolerance : float
        Gain, relative to the value, at which the search ends.

    Returns
    -------
    left, right : Point
        Points with slopes of at least 0 and at most 0; one point twice where its slope is 0, and
        where the slope has one sign at all arguments.
    """
    point = last = function(start)
    rising, factor = point.slope > 0, 1.05
    while point.slope != 0 and (point.slope > 0) == rising:
        last, at = point, point.at * (factor if rising else 1.0 / factor)
        if not start / FARTHEST <= at <= start * FARTHEST:
            return last, last
        point, factor = function(at), min(factor**2, LONGEST)
    left, right = (last, point) if rising else (point, last)
    side = 0
    for step in range(STEPS):
        if point.slope == 0:
            return point, point
        width, turn = right.at - left.at, left.slope - right.slope
        meet = (right.value - left.value - right.slope * width) / turn
        best = max(left.value, right.value)
        if left.value + left.slope * meet - best <= tolerance * abs(best):
            break
        move = width * left.slope / turn if step % 2 else meet
        if abs(side) >= SAME_SIDE:
            move, side = 0.5 * width, 0
        at = left.at + move
        if not left.at < at < right.at:
            at = left.at + 0.5 * width
            if not left.at < at < right.at:
                break
        point = function(at)
        if point.slope > 0:
            left, side = point, max(side, 0) + 1
        else:
            right, side = point, min(side, 0) - 1
    return left, right
