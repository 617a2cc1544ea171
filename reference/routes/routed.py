"""Stations, the routes of groups over them, and the load of each group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import Array
from ..parallel.players import player_cost
from ..pickling import state
from ..server_bank import ServerBank
from ..validation import as_names
from .route_set import RouteSet


@dataclass(frozen=True, eq=False)
class RoutedSystem:
    """A stations, and G groups that send their loads over routes through them.

    Attributes
    ----------
    bank : ServerBank
        The A stations.
    routes : RouteSet
        Routes that each group may take.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time, above 0. A *multiple* s stands for s times these
        loads.
    stations, groups : tuple of str, optional
        Names, for messages; by default ``station 1``, ... and ``group 1``, ...
    """

    bank: ServerBank
    routes: RouteSet
    load: Array
    stations: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    __getstate__ = state

    def __post_init__(self) -> None:
        for name, word, n in (
            ("stations", "station", len(self.bank)),
            ("groups", "group", self.load.size),
        ):
            object.__setattr__(self, name, as_names(name, word, getattr(self, name) or None, n))

    @cached_property
    def total_load(self) -> float:
        """Sum of the loads of the groups, jobs per unit of time."""
        return float(np.sum(self.load))

    def cost_bank(self, players: float) -> ServerBank:
        """Return the stations with the cost that K equal players see, l + x l'/K, as latency.

        Each player has the part 1/K of every group's load. Of one player the equilibrium is the
        optimum, with the marginal delay as cost; of infinitely many it is the Wardrop equilibrium,
        with the latency as cost.

        Parameters
        ----------
        players : float
            Number of players K, 1 or more, or infinite.
        """
        return self.bank if np.isinf(players) else player_cost(self.bank, players)
