"""Optimum and equilibrium of groups over routes, in numbers: interior point, then Newton."""

from __future__ import annotations

import numpy as np

from .columns import RouteFlow
from .crossover import crossed_over
from .generation import interior
from .routed import RoutedSystem

TARGET = 1e-11  # relative gap at which Newton's method on the routes in use takes over


def solve(
    system: RoutedSystem,
    players: float = np.inf,
    multiple: float = 1.0,
    start: RouteFlow | None = None,
) -> RouteFlow:
    """Return the route flows of the equilibrium of K equal players; of one player the optimum.

    Parameters
    ----------
    system : RoutedSystem
    players : float, default infinity
        Number of players K, 1 or more.
    multiple : float, default 1
        Multiple of the loads.
    start : RouteFlow, optional
        Flows of another multiple or number of players, from which the search starts.
    """
    bank, load = system.cost_bank(players), multiple * system.load
    found = interior(system, bank, load, start, TARGET).fitted(load)
    return crossed_over(system, bank, load, found)[0].used()


def polish(
    system: RoutedSystem, players: float, multiple: float, start: RouteFlow
) -> tuple[RouteFlow, int]:
    """Return flows nearer to the equilibrium of K equal players, by Newton's method.

    Parameters
    ----------
    system : RoutedSystem
    players : float
        Number of players K, 1 or more.
    multiple : float
        Multiple of the loads.
    start : RouteFlow
        Flows from any source; they are rescaled to the loads.

    Returns
    -------
    found : RouteFlow
        Flows whose potential gap is at most that of the rescaled start.
    steps : int
        Number of steps.
    """
    bank, load = system.cost_bank(players), multiple * system.load
    return crossed_over(system, bank, load, start.fitted(load))
