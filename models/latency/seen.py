"""Servers as those see them who choose: one of K equal players, or users who come on top of a leader's flow.

Both are banks again, with cones, so that what solves for an equilibrium solves for theirs.
"""

from __future__ import annotations

from typing import Self

import cvxpy as cp

from ...reference.errors import Array, InputError
from ...reference.parallel.control import Led
from ...reference.parallel.players import Perceived
from .base import Latency, LatencyPool
from .cone import Cone

REFUSED = "has no cone of its own"


class SeenByPlayers(Perceived, Latency):
    """Servers as one of K equal players sees them; see `sojourn.reference.parallel.players`."""

    queue: Latency

    @property
    def full_load(self) -> Array:
        """That of the servers; see `Latency.full_load`."""
        return self.queue.full_load

    @property
    def full_load_is(self) -> tuple[str, ...]:
        """What it is; see `Latency.full_load_is`."""
        return self.queue.full_load_is

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Weighted potential f/K + (1 - 1/K) times the integral of the latency."""
        own = 1.0 / self.players
        total, potential = self.queue.total_cone(flow), self.queue.potential_cone(flow)
        value = own * total.value + (1.0 - own) * potential.value
        return Cone(value, total.constraints + potential.constraints, total.kinds | potential.kinds)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Not convex in general, and no equilibrium needs it."""
        raise InputError("total_cone", "players", REFUSED, "use the servers' own total_cone")

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Not written: the potential is enough."""
        raise InputError("latency_cone", "players", REFUSED, "use potential_cone")

    def exact(self, cone: str) -> bool:
        """Whether the potential is written: as both of the servers' own; see `Latency.exact`."""
        return self.queue.exact("total") and self.queue.exact("potential")

    def touching(self, points: Array) -> Self:
        """Return the servers with tangents at the points; see `Latency.touching`."""
        return type(self)(self.queue.touching(points), self.players)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.queue.scaled(rate, time), self.players)


class SeenByFollowers(Led, Latency):
    """Servers that already carry a leader's flow; see `sojourn.reference.parallel.control`."""

    queue: Latency
    base: Array

    @property
    def full_load(self) -> Array:
        """What the base leaves of it; see `Latency.full_load`."""
        return self.queue.full_load - self.base

    @property
    def full_load_is(self) -> tuple[str, ...]:
        """What it is; see `Latency.full_load_is`."""
        return self.queue.full_load_is

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Integral of the latency from 0 on: the part below the base is a constant."""
        return self.queue.potential_cone(flow + self.base)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency with the base."""
        return self.queue.latency_cone(flow + self.base)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Not needed by any equilibrium."""
        raise InputError("total_cone", "followers", REFUSED, "use the servers' own total_cone")

    def exact(self, cone: str) -> bool:
        """Whether a cone is written; see `Latency.exact`."""
        return self.queue.exact(cone)

    def touching(self, points: Array) -> Self:
        """Return the servers with tangents at the points, on top of the base; see `Latency.touching`."""
        return type(self)(self.queue.touching(points + self.base), self.base)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.queue.scaled(rate, time), self.base * rate)


def seen_by_players(bank: Latency, players: float) -> Latency:
    """Return the servers as one of K equal players sees them, bank by bank."""
    if isinstance(bank, LatencyPool):
        return LatencyPool([SeenByPlayers(b, players) for b in bank.banks])
    return SeenByPlayers(bank, players)


def seen_by_followers(bank: Latency, base: Array) -> Latency:
    """Return the servers with a leader's flow on them, bank by bank."""
    if isinstance(bank, LatencyPool):
        parts = zip(bank.banks, bank.edges[:-1], bank.edges[1:], strict=True)
        return LatencyPool([SeenByFollowers(b, base[lo:hi]) for b, lo, hi in parts])
    return SeenByFollowers(bank, base)
