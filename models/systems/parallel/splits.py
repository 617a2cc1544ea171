"""Splits of the load near a solver's flow: none is feasible to the last digit as it comes.

Here and in its neighbours a flow has shape (..., n) and a load (...): one answer, or one a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ....reference.parallel.limits import cheapest
from ....reference.queues import Queue
from ....reference.sums import exact_sum
from ...core.table import Mask

TRACE = 1e-6  # a flow below this part of an even share may be a solver's residue
ROUNDING = 2 * float(np.finfo(float).eps)  # part of a load or a budget that sums of floats may be wrong by


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of a split: bounds of the flows, and a budget.

    Attributes
    ----------
    least, most, price : ndarray, shape (n,)
        Jobs per unit of time, and money per job.
    money : float
        Per unit of time; infinite without a budget.
    """

    least: Array
    most: Array
    price: Array
    money: float

    @property
    def budgeted(self) -> bool:
        """Whether there is a budget."""
        return math.isfinite(self.money)

    def over(self, flow: Array) -> float:
        """What a flow, shape (n,), costs more than the budget; minus infinity without one."""
        return math.fsum([*(self.price * flow), -self.money]) if self.budgeted else -math.inf

    def violation(self, load: float, flow: Array) -> float:
        """Largest violation of a limit or of the balance, in parts of the load or the budget."""
        off = max(abs(math.fsum([*flow, -load])), float(np.max(self.least - flow)), float(np.max(flow - self.most)))
        return max(off / load, self.over(flow) / max(self.money, 1e-300) if self.budgeted else 0.0, 0.0)


def total(terms: Array) -> Array:
    """Sum over the last axis, right to the last digit whatever cancels."""
    high, low = exact_sum(terms)
    out: Array = high + low
    return out


def missing(load: Array, flow: Array) -> Array:
    """Load less the sum of the flows, exact."""
    return total(np.concatenate([load[..., None], -flow], axis=-1))


def clip(queue: Queue, flow: Array) -> Array:
    """Flow moved into [0, rate): at most to the last float below the rate, which leaves spare capacity."""
    return np.clip(flow, 0.0, np.nextafter(queue.rate, 0.0))


def feasible(queue: Queue, load: Array, flow: Array, *, trim: bool, limits: Limits | None = None) -> tuple[Array, Mask]:
    """Nearby splits of exactly the load, and whether there is one: not where the flow is too far from any.

    What is missing goes to the used servers by the room that they have, or to all where these have too little; what is too much is taken by
    flow. `trim` first empties servers with a trace. Within `limits` they are kept to rounding.
    """
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    x, least, most = clip(queue, np.where(there[..., None], flow, 0.0)), np.zeros(len(queue)), queue.rate
    if trim:
        x = np.where(x > TRACE * load[..., None] / x.shape[-1], x, 0.0)
    if limits is not None:
        least, most = limits.least, np.minimum(limits.most, queue.rate)
        x = np.clip(x, least, most)
    for _ in range(3):
        rest = missing(load, x)
        if not np.any(there & (rest != 0)):
            break
        room = np.where(np.isfinite(most), np.where(most < queue.rate, most - x, queue.spare_capacity(x)), 2.0 * load[..., None])
        used = np.where(x > 0, room, 0.0)
        room = np.where((total(used) > rest)[..., None], used, room)
        weight = np.where((rest > 0)[..., None], room, x - least)
        weights = total(weight)
        enough = weights > np.abs(rest)
        there = there & (enough | (np.abs(rest) <= ROUNDING * load))
        share = np.divide(rest, weights, out=np.zeros_like(rest), where=there & enough)
        x = x + weight * share[..., None]
    if limits is not None and limits.budgeted:
        for row in np.ndindex(there.shape):
            x[row], there[row] = _afford(limits, float(load[row]), x[row], bool(there[row]))
    return x, there & np.all((queue.spare_capacity(x) > 0) & (x >= 0), axis=-1)


def _afford(limits: Limits, load: float, flow: Array, there: bool) -> tuple[Array, bool]:
    """A split as near to the cheapest as the budget, less what rounding may add, asks for; and whether that is near enough."""
    over = limits.over(flow)
    least = ROUNDING * limits.money
    if not there or over <= -least:
        return flow, there
    saving, cost = cheapest(limits.least, limits.most, limits.price, load)
    gain = math.fsum([*(limits.price * flow), -cost])
    return (flow + ((over + least) / gain) * (saving - flow), True) if gain > over + least else (flow, over <= least)


def interior(queue: Queue, load: Array, flow: Array) -> tuple[Array, Mask]:
    """Splits half way from the flow to an even utilisation, strictly inside the stable region whatever the flow; and whether there is one."""
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1) & np.isfinite(queue.rate).all())
    if not there.any():
        return np.zeros_like(flow), there
    # in spare capacities, which near saturation keep the digits that flows lose
    whole, low = queue.total_rate
    slack = ((whole - load) + low)[..., None]
    spare = np.clip(queue.spare_capacity(np.where(there[..., None], flow, 0.0)), 0.0, queue.rate)
    even = queue.rate * (slack / whole)
    left = total(spare)[..., None]
    own = np.where(left > 0, spare * (slack / np.where(left > 0, left, 1.0)), even)
    x, found = feasible(queue, load, queue.rate - np.minimum(0.5 * (own + even), queue.rate), trim=False)
    return x, found & there
