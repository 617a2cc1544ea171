"""K equal players: between the optimum (one) and the Wardrop equilibrium (infinitely many).

Each routes load/K so that his own jobs are served fastest (an atomic splittable routing game). He minds the latency and what his own jobs
add to it: with x_i/K of his on server i, a marginal delay of l_i(x_i) + x_i l_i'(x_i)/K, the same on all the servers that he uses. So the
equilibrium of K players is the Wardrop equilibrium of the servers *as a player sees them*, and the least point of
sum f_i/K + (1 - 1/K) sum of the integrals of l_i, f_i = x_i l_i(x_i).

Players of different size have no such potential: how player j's price on a server moves with player k's flow is l' + x_j l'', which is not
the same the other way round unless l'' = 0.
"""

from __future__ import annotations

import numpy as np

from ..composed import MixedBank, View
from ..errors import Array
from ..server_bank import ArrayLike, Operation, ServerBank


class PlayerCost(View):
    """Servers as one of K equal players sees them: l(x) + x l'(x)/K in the place of the latency.

    Parameters
    ----------
    queue : Queue
        n servers.
    players : float
        K, 1 or more.
    """

    def __init__(self, bank: ServerBank, players: float) -> None:
        super().__init__(bank, players)
        self.players, self.own = players, 1.0 / players

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay of one player, (g(x) + (K - 1) l(x))/K."""
        return self._mixed(
            self.bank.marginal(flow, spare_capacity), self.bank.latency(flow, spare_capacity)
        )

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of what a player sees, f(x)/K + (1 - 1/K) times the integral of the latency."""
        return self._mixed(np.asarray(flow) * self.bank.latency(flow), self.bank.potential(flow))

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of what a player sees."""
        return self._mixed(self.bank.marginal_slope(flow), self.bank.latency_slope(flow))

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point where a player sees `excess` above the idle latency."""
        return self.bank.at_player(excess, self.players)  # type: ignore[no-any-return]

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at which a player sees a price; 0 below the idle latency."""
        return self.at_latency(np.maximum(np.asarray(latency) - self.idle_latency, 0.0)).flow

    def _mixed(self, own: Array, others: Array) -> Array:
        """What a player minds: a part of what is his own, the rest of what is all players'."""
        return self.own * own + (1.0 - self.own) * others


def player_cost(bank: ServerBank, players: float) -> ServerBank:
    """Return the servers as one of K equal players sees them, bank by bank."""
    seen = [PlayerCost(part, players) for part in bank.banks]
    return MixedBank(seen) if len(seen) > 1 else seen[0]
