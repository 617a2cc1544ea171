"""Certificates, in true delays, of equilibria of users who perceive other latencies.

One of K players perceives l + x l'/K; a user with a toll perceives l + toll; a user who comes on
top of a leader's flows perceives the latency of the servers that already carry them. Each of
these users reaches an equilibrium at which the used servers share a *perceived* price, so bounds
of that price alone say nothing about the true mean delay.

The bounds are made in three steps. (1) The flow of each server rises with the perceived price.
(2) So a price at which the flows sum to less than the load, and one at which they sum to more,
give flows below and above those of the equilibrium. (3) The true mean delay is bounded over all
splits between these flows, see `sojourn.models.systems.parallel.dual_bounds.delay_between`.
"""

from __future__ import annotations

import numpy as np

from ....reference.compensated_sum import TINY
from ....reference.errors import Array
from ....reference.server_bank import Operation, ServerBank
from ...core.table import Mask
from .certificate import Certificates, certificates_of
from .dual_bounds import EPS, SUM_ERROR, Point, delay_between, residual_at

MAX_ITERATIONS = 60  # of the search for the price, and of the growth of a bracket
GROWTH = 4.0  # factor by which a bracket grows until it holds


def certify_perceived(
    true: ServerBank,
    perceived: ServerBank,
    base: Array,
    load: Array,
    flow: Array,
    lowest: Array,
    highest: Array,
) -> Certificates:
    """Return certificates in true delays of K equilibria of users who perceive other latencies.

    Parameters
    ----------
    true : ServerBank
        n servers with their true latencies.
    perceived : ServerBank
        The same servers with the perceived latencies, also increasing in the flow.
    base : ndarray, shape (n,) or (K, n)
        Flows that the servers carry before these users come; the perceived latency is a function
        of what the users add.
    load : ndarray, shape (K,)
        Total loads, the base included.
    flow : ndarray, shape (K, n)
        Flow of each server, the base included.
    lowest, highest : ndarray, shape (K,)
        Approximate bounds of the perceived price of the equilibrium, in units of time.
    """
    with np.errstate(all="ignore"):
        low, high, valid = _flows_around(true, perceived, base, load, lowest, highest)
        lower, upper = delay_between(true, load, low, high)
        lower = np.where(valid, lower * (1 - SUM_ERROR), 0.0)
        upper = np.where(valid, upper * (1 + SUM_ERROR), np.inf)
        return certificates_of(true, load, flow, "equilibrium", lower, upper)


class _Servers:
    """Operating points of the servers at perceived prices, for K loads at once."""

    def __init__(self, true: ServerBank, perceived: ServerBank, base: Array, load: Array) -> None:
        self.true, self.perceived, self.base, self.load = true, perceived, base, load
        self.whole, self.empty = load[:, None], true.spare_capacity(base)

    def residual(self, point: Point) -> Array:
        """Return the load less the flows, shape (K,)."""
        return residual_at(self.true, self.load, point)

    def at(self, price: Array) -> tuple[Point, Array]:
        """Return operating points, shape (K, n), and the slopes of the flows in the price."""
        excess = self._excess(price)
        point = self.perceived.at_latency(np.maximum(excess, 0.0))
        return self._moved(point, excess, 0.0), np.where(excess > 0, point.slope, 0.0)

    def around(self, price: Array) -> tuple[Point, Point]:
        """Return points below and above those at the price whatever the rounding errors are.

        To this end the price is moved, not the flow: where a latency is flat, a rounding error of
        the price changes the flow by more than its slope tells.
        """
        excess = self._excess(price)
        point = self.perceived.at_latency(np.maximum(excess, 0.0))
        # a server whose latency never reaches the price does not respond to it
        responds = (excess > 0) & np.isfinite(point.flow)
        flow = np.where(responds, point.flow, 0.0)
        latency = self.perceived.latency(flow, point.spare_capacity)
        error = np.where(responds, np.abs(latency - price[:, None]), 0.0)
        width = 2 * (error + 2 * EPS * price[:, None])
        low, high = excess - width, excess + width
        below, above = (self.perceived.at_latency(np.maximum(e, 0.0)) for e in (low, high))
        return self._moved(below, low, -1.0), self._moved(above, high, 1.0)

    def _excess(self, price: Array) -> Array:
        """Return prices less the perceived latencies of the servers before the users come."""
        return np.asarray((price[:, None] - self.perceived.delay) - self.perceived.service)

    def _moved(self, point: Operation, excess: Array, side: float) -> Point:
        """Return points with the base, moved by rounding errors below (-1) or above (1)."""
        used = excess > 0
        added = np.where(np.isinf(point.flow), 2 * self.whole, point.flow)
        flow = np.where(used, self.base + added, self.base)
        spare_capacity = np.where(used, point.spare_capacity, self.empty)
        if not side:
            return Point(flow, spare_capacity)
        moved = np.where(used, side * SUM_ERROR * np.minimum(flow, spare_capacity), 0.0)
        return Point(flow + moved, spare_capacity - moved)


def _flows_around(
    true: ServerBank, perceived: ServerBank, base: Array, load: Array, lowest: Array, highest: Array
) -> tuple[Point, Point, Mask]:
    """Return points below and above the equilibrium, shape (K, n), and whether each row is valid.

    The given bounds of the price may be wrong by rounding, so they only start the search: whether
    a price is too low or too high is decided by the sum of the flows at it.
    """
    servers = _Servers(true, perceived, base, load)
    valid: Mask = np.isfinite(lowest) & np.isfinite(highest)
    price = _balanced_price(servers, lowest, highest, valid)
    ends = []
    for own, side in enumerate((-1.0, 1.0)):
        step, grows = np.maximum(8 * EPS * price, TINY), valid  # a price may be 0
        for _ in range(MAX_ITERATIONS):
            points = servers.around(price + side * step)
            reached = side * servers.residual(points[1 - own]) <= 0
            grows = grows & ~reached
            if not grows.any():
                break
            step = np.where(grows, GROWTH * step, step)
        valid = valid & ~grows
        ends.append(points[own])
    below, above = _narrowed(servers, *ends)
    return below, above, valid & np.all(above.spare_capacity > 0, axis=-1)


def _balanced_price(servers: _Servers, lowest: Array, highest: Array, valid: Mask) -> Array:
    """Return prices at which the flows sum to the loads, shape (K,): Newton and bisection."""
    low, high = 0.5 * lowest, 2.0 * highest
    price, moves = np.where(valid, 0.5 * (lowest + highest), 0.0), valid
    for _ in range(MAX_ITERATIONS):
        point, slope = servers.at(price)
        residual = servers.residual(point)
        low = np.where(moves & (residual > 0), price, low)
        high = np.where(moves & ~(residual > 0), price, high)
        by_price = np.minimum(price[:, None] * slope, servers.whole).sum(axis=-1)
        by_flow = np.minimum(point.flow, point.spare_capacity).sum(axis=-1)
        near = np.abs(residual) <= SUM_ERROR * by_flow + 2 * EPS * by_price
        moves = moves & ~(near | (high - low <= EPS * high))
        if not moves.any():
            break
        rises = slope.sum(axis=-1)
        step = np.divide(residual, rises, out=np.full_like(residual, np.inf), where=rises > 0)
        newton = price + step
        inside = (low < newton) & (newton < high)
        price = np.where(moves, np.where(inside, newton, 0.5 * (low + high)), price)
    return price


def _narrowed(servers: _Servers, below: Point, above: Point) -> tuple[Point, Point]:
    """Return tighter points: the flow of one server is the load less the flows of the others."""
    more, less = (servers.residual(end)[:, None] for end in (below, above))
    error = SUM_ERROR * np.minimum(above.flow, above.spare_capacity)
    low = Point(
        np.maximum(below.flow, above.flow + less - error),
        np.minimum(below.spare_capacity, above.spare_capacity - less + error),
    )
    high = Point(
        np.minimum(above.flow, below.flow + more + error),
        np.maximum(above.spare_capacity, below.spare_capacity - more - error),
    )
    # no server carries more than the load
    full = servers.true.spare_capacity(servers.whole)
    low, high = (
        Point(np.clip(x, servers.base, servers.whole), np.maximum(y, full)) for x, y in (low, high)
    )
    return low, high
