"""Splits of the load near a solver's flow: none is feasible to the last digit as it comes.

Here and in its neighbours a flow has shape (..., n) and a load (...): one answer, or one a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ....reference.compensated_sum import exact_sum
from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask

NEAR = 1e-6  # part of the way to a split inside the limits that rounding alone is worth
TRACE = 1e-6  # a flow below this part of an even share may be a solver's residue
ROUNDING = 2 * float(
    np.finfo(float).eps
)  # part of a load or a budget that sums of floats may be wrong by


@dataclass(frozen=True, eq=False)
class Limits:
    """Linear limits of a split: bounds of each flow, and rows ``matrix @ flow <= bound``.

    Attributes
    ----------
    least, most : ndarray, shape (n,)
        Jobs per unit of time.
    matrix : ndarray, shape (m, n)
    bound : ndarray, shape (m,)
    inside : ndarray, shape (n,)
        A split that keeps all of them and leaves the rows room, where there is any; unused without rows.
    """

    least: Array
    most: Array
    matrix: Array
    bound: Array
    inside: Array

    @classmethod
    def none(cls, n: int) -> Limits:
        """Return those of n servers that may carry what they can."""
        return cls(np.zeros(n), np.full(n, np.inf), np.zeros((0, n)), np.zeros(0), np.zeros(n))

    @property
    def bounded(self) -> bool:
        """Whether there is any but that no flow is below 0."""
        return bool(self.bound.size or self.least.any() or np.isfinite(self.most).any())

    def excess(self, flow: Array) -> Array:
        """How far flows, shape (..., n), are over the bounds of the rows; shape (..., m)."""
        side = np.broadcast_to(-self.bound[:, None], (*flow.shape[:-1], self.bound.size, 1))
        return total(np.concatenate([self.matrix * flow[..., None, :], side], axis=-1))

    def size(self, flow: Array) -> Array:
        """What the rounding errors of rows are relative to, shape (..., m)."""
        return np.asarray(np.maximum(np.abs(flow) @ np.abs(self.matrix).T, np.abs(self.bound)))

    def violation(self, load: float, flow: Array) -> float:
        """Largest violation of a limit or of the balance, in parts of the load or of the bound of a row."""
        off = max(
            abs(math.fsum([*flow, -load])),
            float(np.max(self.least - flow)),
            float(np.max(flow - self.most)),
        )
        unit = np.where(self.bound != 0, np.abs(self.bound), self.size(flow))
        return max(
            off / load,
            float(np.max(self.excess(flow) / np.maximum(unit, 1e-300), initial=0.0)),
            0.0,
        )


def total(terms: Array) -> Array:
    """Sum over the last axis, right to the last digit whatever cancels."""
    high, low = exact_sum(terms)
    out: Array = high + low
    return out


def missing(load: Array, flow: Array) -> Array:
    """Load less the sum of the flows, exact."""
    return total(np.concatenate([load[..., None], -flow], axis=-1))


def clip(bank: ServerBank, flow: Array) -> Array:
    """Flow moved into [0, rate): at most to the last float below the rate, which leaves spare capacity."""
    return np.clip(flow, 0.0, np.nextafter(bank.rate, 0.0))


def feasible(
    bank: ServerBank, load: Array, flow: Array, *, trim: bool, limits: Limits | None = None
) -> tuple[Array, Mask]:
    """Nearby splits of exactly the load, and whether there is one: not where the flow is too far from any.

    What is missing goes to the used servers by the room that they have, or to all where these have too little; what is too much is taken by
    flow. `trim` first empties servers with a trace. Within `limits` they are kept to rounding.
    """
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    x, least, most = (
        clip(bank, np.where(there[..., None], flow, 0.0)),
        np.zeros(len(bank)),
        bank.rate,
    )
    if trim:
        x = np.where(x > TRACE * load[..., None] / x.shape[-1], x, 0.0)
    if limits is not None:
        least, most = limits.least, np.minimum(limits.most, bank.rate)
        x = np.clip(x, least, most)
    for _ in range(3):
        rest = missing(load, x)
        if not np.any(there & (rest != 0)):
            break
        room = np.where(
            np.isfinite(most),
            np.where(most < bank.rate, most - x, bank.spare_capacity(x)),
            2.0 * load[..., None],
        )
        used = np.where(x > 0, room, 0.0)
        room = np.where((total(used) > rest)[..., None], used, room)
        weight = np.where((rest > 0)[..., None], room, x - least)
        weights = total(weight)
        there = there & (weights + ROUNDING * load >= np.abs(rest))
        share = np.divide(rest, weights, out=np.zeros_like(rest), where=there & (weights > 0))
        x = x + weight * np.clip(share, -1.0, 1.0)[..., None]
    if limits is not None and limits.bound.size:
        x, near = _within_rows(limits, x)
        there = there & near
    return x, there & np.all((bank.spare_capacity(x) > 0) & (x >= 0), axis=-1)


def _within_rows(limits: Limits, flow: Array) -> tuple[Array, Mask]:
    """Splits as near to the one inside as the rows, less what rounding may add, ask for; and whether that is near enough."""
    over, least = limits.excess(flow), ROUNDING * limits.size(flow)
    room = -limits.excess(limits.inside)
    gain, margin = over + room, np.minimum(least, NEAR * np.maximum(room, 0.0))
    part = np.where(gain > 0, (over + margin) / np.where(gain > 0, gain, 1.0), np.inf)
    part = np.where(over > -margin, part, 0.0).max(axis=-1)
    kept = np.all(over <= least, axis=-1)
    moves = (part <= 1) & ~(
        kept & (part > NEAR)
    )  # far away for the sake of rounding alone, a split is worse
    return flow + np.where(moves, part, 0.0)[..., None] * (limits.inside - flow), np.asarray(
        moves | kept
    )


def interior(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Mask]:
    """Splits half way from the flow to an even utilisation, strictly inside the stable region whatever the flow; and whether there is one."""
    there: Mask = np.asarray(np.isfinite(flow).all(axis=-1) & np.isfinite(bank.rate).all())
    if not there.any():
        return np.zeros_like(flow), there
    # in spare capacities, which near saturation keep the digits that flows lose
    whole, low = bank.total_rate
    slack = ((whole - load) + low)[..., None]
    spare_capacity = np.clip(
        bank.spare_capacity(np.where(there[..., None], flow, 0.0)), 0.0, bank.rate
    )
    even = bank.rate * (slack / whole)
    left = total(spare_capacity)[..., None]
    own = np.where(left > 0, spare_capacity * (slack / np.where(left > 0, left, 1.0)), even)
    x, found = feasible(
        bank, load, bank.rate - np.minimum(0.5 * (own + even), bank.rate), trim=False
    )
    return x, found & there
