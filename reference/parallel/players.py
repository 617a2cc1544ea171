"""K equal players, between the optimum (K = 1) and the Wardrop equilibrium (K infinite).

Each player routes load/K so that its own jobs have the least mean delay (an atomic splittable
routing game). With x_i/K of its jobs on server i, the marginal delay of a player is
l_i(x_i) + x_i l_i'(x_i)/K: the latency, and the delay that a further job adds to its own jobs. The
marginal delay is the same on all servers that a player uses. So the equilibrium of K players is the
Wardrop equilibrium of servers with this *player cost* as their latency. It minimises
sum f_i/K + (1 - 1/K) sum of the integrals of l_i, with f_i = x_i l_i(x_i).

Players of different size have no such potential: the derivative of player j's marginal delay in
player k's flow is l' + x_j l'', which is not symmetric in j and k unless l'' = 0.
"""

from __future__ import annotations

import numpy as np

from ..composed import MixedBank, View
from ..errors import Array
from ..server_bank import ArrayLike, Operation, ServerBank


class PlayerCost(View):
    """Servers with the marginal delay of one of K equal players, l(x) + x l'(x)/K, as latency.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    players : float
        Number of players K, 1 or more.
    """

    def __init__(self, bank: ServerBank, players: float) -> None:
        super().__init__(bank, players)
        self.players, self.own = players, 1.0 / players

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay of one player, (g(x) + (K - 1) l(x))/K, shape (..., n)."""
        marginal = self.bank.marginal(flow, spare_capacity)
        return self._mixture(marginal, self.bank.latency(flow, spare_capacity))

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the player cost: x l(x)/K + (1 - 1/K) the integral of l."""
        total = np.asarray(flow) * self.bank.latency(flow)
        return self._mixture(total, self.bank.potential(flow))

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the player cost."""
        return self._mixture(self.bank.marginal_slope(flow), self.bank.latency_slope(flow))

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point of player cost `excess` >= 0 above the idle latency."""
        return self.bank.at_player(excess, self.players)  # type: ignore[no-any-return]

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow at a player cost; 0 below the idle latency."""
        return self.at_latency(np.maximum(np.asarray(latency) - self.idle_latency, 0.0)).flow

    def _mixture(self, own: Array, others: Array) -> Array:
        """Return own/K + (1 - 1/K) others."""
        return self.own * own + (1.0 - self.own) * others


def player_cost(bank: ServerBank, players: float) -> ServerBank:
    """Return the bank with the player cost of K equal players as latency."""
    costs = [PlayerCost(part, players) for part in bank.banks]
    return MixedBank(costs) if len(costs) > 1 else costs[0]
