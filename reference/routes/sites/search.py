"""Good assignments of whole groups to sites, by moves of groups and by opening and closing sites.

Where no rate is bounded, every cost is concave in the load, so some best choice has each group at
one site.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...errors import Array
from .costs import SiteCosts

Assignment = npt.NDArray[np.intp]
ROUNDS = 100  # largest number of rounds of moves
BETTER = 1e-12  # relative saving below which a move is rounding


def loads_of(load: Array, site: Assignment, n: int) -> Array:
    """Return the load of each of n sites."""
    total = np.zeros(n)
    np.add.at(total, site, load)
    return total


def cost_of(costs: SiteCosts, fixed: Array, load: Array, site: Assignment) -> float:
    """Return the cost of an assignment of the groups to sites, shape (G,)."""
    total = loads_of(load, site, fixed.shape[1])
    return float(np.sum(costs.total(total)) + load @ fixed[np.arange(load.size), site])


def moved(costs: SiteCosts, fixed: Array, load: Array, site: Assignment) -> Assignment:
    """Return an assignment that no move of one group, and no closed site, improves."""
    site, groups = site.copy(), np.arange(load.size)
    value = cost_of(costs, fixed, load, site)
    for _ in range(ROUNDS * load.size):
        total = loads_of(load, site, fixed.shape[1])
        now = costs.total(total)
        with np.errstate(invalid="ignore"):
            more = costs.total(total + load[:, None]) - now + fixed * load[:, None]
        rest = total[site] - load
        rest[np.bincount(site, minlength=fixed.shape[1])[site] == 1] = 0.0
        alone = np.zeros_like(fixed)
        alone[groups, site] = rest
        saved = now[site] - costs.total(alone)[groups, site] + fixed[groups, site] * load
        more[groups, site] = saved
        change = np.where(np.isnan(more), np.inf, more) - saved[:, None]
        g, i = np.unravel_index(np.argmin(change), change.shape)
        if change[g, i] < -BETTER * value:
            site[g] = i
            value += float(change[g, i])
            continue
        without = _closed(costs, fixed, load, site, value)
        if without is None:
            return site
        site, value = without
    return site


def _closed(
    costs: SiteCosts, fixed: Array, load: Array, site: Assignment, value: float
) -> tuple[Assignment, float] | None:
    """Return the best assignment with one site closed and its cost, or None where none is less."""
    best = None
    used = np.unique(site)
    for i in used if used.size > 1 else ():
        others = used[used != i]
        new = site.copy()
        total = loads_of(load[site != i], site[site != i], fixed.shape[1])
        for g in np.flatnonzero(site == i)[np.argsort(-load[site == i], kind="stable")]:
            after = costs.total(total + load[g]) - costs.total(total) + fixed[g] * load[g]
            new[g] = others[np.argmin(after[others])]
            total[new[g]] += load[g]
        cost = cost_of(costs, fixed, load, new)
        if cost < value * (1 - BETTER):
            best, value = (new, cost), cost
    return best
