"""Servers as those see them who choose: one of K equal players, or users who come on top of a leader's flow.

Both are banks again, with cones, so that what solves for an equilibrium solves for theirs.
"""

from __future__ import annotations

from typing import Self

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.parallel.control import ResidualLatency
from ...reference.parallel.players import PlayerCost
from .base import ComposedLatency, Latency, as_latency
from .cone import Cone

REFUSED = "has no cone of its own"


class PlayerLatency(PlayerCost, ComposedLatency):
    """Servers as one of K equal players sees them; see `sojourn.reference.parallel.players`."""

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Weighted potential f/K + (1 - 1/K) times the integral of the latency."""
        total, potential = self.bank.total_cone(flow), self.bank.potential_cone(flow)
        value = self.own * total.value + (1.0 - self.own) * potential.value
        return Cone(value, total.constraints + potential.constraints, total.kinds | potential.kinds)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Not convex in general, and no equilibrium needs it."""
        raise InputError("total_cone", "players", REFUSED, "use the servers' own total_cone")

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Not written: the potential is enough."""
        raise InputError("latency_cone", "players", REFUSED, "use potential_cone")

    def exact(self, cone: str) -> bool:
        """Whether the potential is written: as both of the servers' own; see `Latency.exact`."""
        return bool(self.bank.exact("total") and self.bank.exact("potential"))


class FollowerLatency(ResidualLatency, ComposedLatency):
    """Servers that already carry a leader's flow; see `sojourn.reference.parallel.control`.

    The potential is counted from no flow on: the part below the base is a constant.
    """

    @property
    def full_load(self) -> Array:
        """What the base leaves of it; see `Latency.full_load`."""
        return np.asarray(self.bank.full_load - self.base)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Not needed by any equilibrium."""
        raise InputError("total_cone", "followers", REFUSED, "use the servers' own total_cone")

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.bank.scaled(rate, time), self.base * rate)


def player_latency(bank: Latency, players: float) -> Latency:
    """Return the servers as one of K equal players sees them, bank by bank."""
    return as_latency(tuple(PlayerLatency(b, players) for b in bank.banks))


def follower_latency(bank: Latency, base: Array) -> Latency:
    """Return the servers with a leader's flow on them, bank by bank."""
    parts = np.split(base, np.cumsum([len(b) for b in bank.banks])[:-1])
    return as_latency(tuple(map(FollowerLatency, bank.banks, parts)))
