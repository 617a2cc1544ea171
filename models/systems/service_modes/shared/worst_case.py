"""The largest price of anarchy of shared service modes: only loads with two modes are searched.

Where the optimum and the equilibrium have all jobs in the same mode, the price of anarchy is 1.
There the bounds between two loads of `sojourn.reference.routes` are of no use: they close slowly on
a ratio of 1. `sojourn.reference.service_modes.shared.modes_in_use` proves which loads these are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .....reference.routes.worst_case import RouteWorstCase, Search
from .....reference.service_modes.shared import ModesInUse, modes_in_use

if TYPE_CHECKING:
    from .base import SharedStages

ONE_MODE = "the optimum and the equilibrium have all jobs in one mode"
SHARES = "the loads at which both goals have all jobs in one mode"


def within_two_modes(
    system: SharedStages,
    search: Search,
    run: Callable[[float, float], RouteWorstCase],
) -> RouteWorstCase:
    """Return the largest price of anarchy, searched where two modes are in use.

    Parameters
    ----------
    system : SharedStages
    search : Search
        The search over all loads, not started.
    run : callable
        Searches the interval between two loads.
    """
    low, high = search.ends  # multiples of the load 1
    best, selfish = (
        modes_in_use(system.rates, players, low, high) for players in (1.0, search.players)
    )
    first, last = _one_mode(best, selfish, low, high)
    if first >= last:
        ends, ones = np.array([low, high]), np.ones(2)
        return RouteWorstCase(
            poa=1.0,
            load=high,
            upper_bound=1.0,
            gap=0.0,
            certified=True,
            low=low,
            high=high,
            players=search.players,
            evaluations=0,
            loads=ends,
            ratio=ones,
            bound=ones[:1],
            shares=SHARES,
            note=ONE_MODE,
        )
    found = run(first, last)
    before, after = [low] * (first > low), [high] * (last < high)
    sides = np.ones(len(before)), np.ones(len(after))
    return replace(
        found,
        low=low,
        high=high,
        loads=np.concatenate([before, found.loads, after]),
        ratio=np.concatenate([sides[0], found.ratio, sides[1]]),
        bound=np.concatenate([sides[0], found.bound, sides[1]]),
        shares=f"{found.shares}; {SHARES}",
    )


def _one_mode(
    best: ModesInUse, selfish: ModesInUse, low: float, high: float
) -> tuple[float, float]:
    """Return the loads up to which, and from which on, both have all jobs in one mode."""
    first, last = low, high
    if len(best.first) == 1 and best.first == selfish.first:
        first = min((t.lower for of in (best, selfish) for t in of.thresholds[:1]), default=high)
    ends = [of.thresholds[-1].after if of.thresholds else of.first for of in (best, selfish)]
    if len(ends[0]) == 1 and ends[0] == ends[1]:
        last = max((t.upper for of in (best, selfish) for t in of.thresholds[-1:]), default=low)
    return first, last
