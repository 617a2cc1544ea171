"""Optimum and equilibrium of groups over routes, in numbers: interior point, then Newton."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import Array
from .bounds import RouteCertificate, certify, group_delay
from .columns import RouteFlow
from .crossover import crossed_over
from .endgame import followed, sharpened
from .generation import interior
from .routed import RoutedSystem

TARGET = 1e-9  # relative gap at which Newton's method on the routes in use takes over


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

    Raises
    ------
    LoadError
        Where the stations cannot carry the loads.
    """
    bank, load = system.cost_bank(players), multiple * system.load
    inside = interior(system, bank, multiple, start, TARGET).fitted(load)
    found = crossed_over(system, bank, load, inside)[0].used()
    found = replace(found, price=inside.price)
    found, close = sharpened(system, players, multiple, found)
    if close or np.isinf(players):
        return found
    equilibrium = solve(system, np.inf, multiple, start)
    return followed(system, players, multiple, found, equilibrium)


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
    found, steps = crossed_over(system, bank, load, start.fitted(load))
    return sharpened(system, players, multiple, found)[0], steps


@dataclass(frozen=True, eq=False)
class RouteAnswer:
    """Flows of an optimum or equilibrium with their delays and certificate.

    Attributes
    ----------
    flow : RouteFlow
        Flow of each route in use.
    mean_delay : float
        Mean delay of all jobs.
    group_delay : ndarray, shape (G,)
        Mean delay of each group.
    certificate : RouteCertificate
        Bounds of the mean delay, and gaps.
    """

    flow: RouteFlow
    mean_delay: float
    group_delay: Array
    certificate: RouteCertificate


def optimum(system: RoutedSystem, multiple: float = 1.0) -> RouteAnswer:
    """Return the flows of the least mean delay at a multiple of the loads."""
    return equilibrium(system, multiple, players=1.0)


def equilibrium(
    system: RoutedSystem, multiple: float = 1.0, players: float = np.inf
) -> RouteAnswer:
    """Return the equilibrium of K equal players at a multiple of the loads.

    Parameters
    ----------
    system : RoutedSystem
    multiple : float, default 1
        Multiple of the loads.
    players : float, default infinity
        Number of players K, 1 or more; infinite for the Wardrop equilibrium.

    Raises
    ------
    LoadError
        Where the stations cannot carry the loads.
    """
    found = solve(system, players, multiple)
    certificate = certify(system, multiple, found, players)
    return RouteAnswer(found, certificate.mean_delay, group_delay(system, found), certificate)
