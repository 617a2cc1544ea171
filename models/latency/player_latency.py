"""Banks whose latency is the cost of a player in a game, with the cones that an equilibrium needs.

The players are K equal splittable players, or the users who follow a Stackelberg leader. The
equilibrium solvers take these banks like any other.
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
from .cone_numbers import numbers_of_parts

NO_CONE = "has no cone of its own"


class PlayerLatency(PlayerCost, ComposedLatency):
    """Servers with the cost per job of one of K equal players, l(x) + x l'(x)/K, as their latency.

    See `sojourn.reference.parallel.players`. Of the three cones only the potential is written: the
    equilibrium needs no other, and the total x l(x) + x^2 l'(x)/K is not convex in general.
    """

    cone_numbers = numbers_of_parts

    @property
    def cone_structure(self) -> float:
        """Number of players; see `Latency`."""
        return self.players

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the weighted potential, x l(x)/K + (1 - 1/K) times the integral of l."""
        total, potential = self.bank.total_cone(flow), self.bank.potential_cone(flow)
        value = self.own * total.value + (1.0 - self.own) * potential.value
        return Cone(value, total.constraints + potential.constraints, total.kinds | potential.kinds)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Raise InputError: the total is not convex in general, and no equilibrium needs it."""
        raise InputError("total_cone", "players", NO_CONE, "use the servers' own total_cone")

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Raise InputError: the equilibrium needs the potential only."""
        raise InputError("latency_cone", "players", NO_CONE, "use potential_cone")

    def has_cone(self, cone: str) -> bool:
        """Return whether the bank has both cones of which the potential is the weighted sum."""
        return bool(self.bank.has_cone("total") and self.bank.has_cone("potential"))


class FollowerLatency(ResidualLatency, ComposedLatency):
    """Servers that already carry a leader's flow b: the latency of a follower's flow x is l(b + x).

    See `sojourn.reference.parallel.control`. The potential is the integral of l from 0 to b + x: it
    differs from that of the followers by a constant.
    """

    @property
    def full_load(self) -> Array:
        """Load at a utilisation of 1 less the leader's flow; see `Latency.full_load`."""
        return np.asarray(self.bank.full_load - self.base)

    @property
    def base_utilisation(self) -> Array:
        """Utilisation of each server by its base jobs and the leader's flow, shape (n,)."""
        return np.asarray(self.bank.utilisation(self.base))

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Raise InputError: no equilibrium needs the total."""
        raise InputError("total_cone", "followers", NO_CONE, "use the servers' own total_cone")

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.bank.scaled(rate, time), self.base * rate)


def player_latency(bank: Latency, players: float) -> Latency:
    """Return the servers with the latency of one of K equal players, bank by bank."""
    return as_latency(tuple(PlayerLatency(b, players) for b in bank.banks))


def follower_latency(bank: Latency, base: Array) -> Latency:
    """Return the servers with a leader's flow `base`, shape (n,), on them, bank by bank."""
    ends = np.cumsum([len(b) for b in bank.banks])[:-1]
    return as_latency(tuple(map(FollowerLatency, bank.banks, np.split(base, ends))))
