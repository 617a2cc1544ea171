"""Certificates of equilibria of users who perceive other latencies."""

from __future__ import annotations

import numpy as np

from ....reference.compensated_sum import TINY
from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .certificate import Certificates, certificates_of
from .dual_bounds import EPS, SURE, Point, delay_between, residual_at

ROUNDS = 60  # of a search for a price
WIDER = 4.0  # factor by which a bracket grows until it holds


def certify_seen(
    true: ServerBank,
    seen: ServerBank,
    base: Array,
    load: Array,
    flow: Array,
    lowest: Array,
    highest: Array,
) -> Certificates:
    """Return the certificates, in true delays, of K equilibria of users who see the servers otherwise.

    Parameters
    ----------
    true : Queue
        n servers as they are.
    seen : Queue
        As the users see them: l' in the place of l, increasing with the flow too.
    base : ndarray, shape (n,) or (K, n)
        What the servers carry before; the users see what comes on top of it.
    load : ndarray, shape (K,)
        All of it.
    flow : ndarray, shape (K, n)
        All of it, at each server.
    lowest, highest : ndarray, shape (K,)
        Bounds of what the users see at their equilibrium.
    """
    with np.errstate(all="ignore"):
        low, high, there = _ends(true, seen, base, load, lowest, highest)
        lower, upper = delay_between(true, load, low, high)
        lower, upper = (
            np.where(there, lower * (1 - SURE), 0.0),
            np.where(there, upper * (1 + SURE), np.inf),
        )
        return certificates_of(true, load, flow, "equilibrium", lower, upper)


def _ends(
    true: ServerBank, seen: ServerBank, base: Array, load: Array, lowest: Array, highest: Array
) -> tuple[Point, Point, Mask]:
    """Points, shape (K, n), below and above where users bring what the base leaves of the loads, and whether there are such.

    The bounds of the prices may be wrong by rounding, so they only say where to look: at either end the sum of the flows decides.
    """
    whole, empty = load[:, None], true.spare_capacity(base)

    def at(price: Array, shift: float = 0.0) -> tuple[Point, Array]:
        """Where the servers operate at prices and the slopes of their flows, or below (shift -1) and above all that rounding may have done.

        The price is moved, not the flow: where a latency is flat, a rounding error of it is worth more flow than its slope says.
        """
        excess = (price[:, None] - seen.delay) - seen.service
        point = seen.at_latency(np.maximum(excess, 0.0))
        if shift:
            # a price above the latency that a server has at any load is no price of its own
            follows = (excess > 0) & np.isfinite(point.flow)
            latency = seen.latency(np.where(follows, point.flow, 0.0), point.spare_capacity)
            off = (
                np.where(follows, np.abs(latency - price[:, None]), 0.0) + 2 * EPS * price[:, None]
            )
            excess = excess + 2 * shift * off
            point = seen.at_latency(np.maximum(excess, 0.0))
        used = excess > 0
        flow = np.where(used, base + np.where(np.isinf(point.flow), 2 * whole, point.flow), base)
        spare_capacity = np.where(used, point.spare_capacity, empty)
        error = np.where(used, shift * SURE * np.minimum(flow, spare_capacity), 0.0)
        return Point(flow + error, spare_capacity - error), np.where(used, point.slope, 0.0)

    there: Mask = np.isfinite(lowest) & np.isfinite(highest)
    low, high = 0.5 * lowest, 2.0 * highest
    price, moves = np.where(there, 0.5 * (lowest + highest), 0.0), there
    for _ in range(ROUNDS):
        point, slope = at(price)
        rest = residual_at(true, load, point)
        low, high = (
            np.where(moves & (rest > 0), price, low),
            np.where(moves & ~(rest > 0), price, high),
        )
        steep = np.minimum(price[:, None] * slope, whole).sum(axis=-1)
        enough = SURE * np.minimum(point.flow, point.spare_capacity).sum(axis=-1) + 2 * EPS * steep
        moves = moves & ~((np.abs(rest) <= enough) | (high - low <= EPS * high))
        if not moves.any():
            break
        grows = slope.sum(axis=-1)
        newton = price + np.divide(rest, grows, out=np.full_like(rest, np.inf), where=grows > 0)
        price = np.where(
            moves, np.where((low < newton) & (newton < high), newton, 0.5 * (low + high)), price
        )
    ends = []
    for side in (-1.0, 1.0):
        step, grows = np.maximum(8 * EPS * price, TINY), there  # a price may be 0
        for _ in range(ROUNDS):
            grows = grows & ~(
                side * residual_at(true, load, at(price + side * step, -side)[0]) <= 0
            )
            if not grows.any():
                break
            step = np.where(grows, WIDER * step, step)
        there = there & ~grows
        ends.append(at(price + side * step, side)[0])
    below, above = ends
    # what one server carries is the load less what the others do
    more, less = (residual_at(true, load, end)[:, None] for end in ends)
    sure = SURE * np.minimum(above.flow, above.spare_capacity)
    below, above = (
        Point(
            np.maximum(below.flow, above.flow + less - sure),
            np.minimum(below.spare_capacity, above.spare_capacity - less + sure),
        ),
        Point(
            np.minimum(above.flow, below.flow + more + sure),
            np.maximum(above.spare_capacity, below.spare_capacity - more - sure),
        ),
    )
    # no server carries more than there is
    below, above = (
        Point(np.clip(x, base, whole), np.maximum(y, true.spare_capacity(whole)))
        for x, y in (below, above)
    )
    return below, above, there & np.all(above.spare_capacity > 0, axis=-1)
