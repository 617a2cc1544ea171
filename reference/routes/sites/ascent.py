"""Good prices of the jobs of the groups by subgradient steps, without a solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import Array
from .costs import SiteCosts
from .prices import Branch, PriceBound, price_bound

STEPS = 400  # largest number of steps
PATIENCE = 10  # steps without a better bound after which steps are halved
SHORTEST = 1e-4  # part of Polyak's step at which the ascent ends

Problem = tuple[SiteCosts, Array, Array]
"""Costs of n sites, costs of the distances of shape (G, n), and loads of shape (G,)."""


def climb(
    problem: Problem, branch: Branch, target: float, seen: Callable[[PriceBound], float]
) -> tuple[Array, float]:
    """Return prices with a high lower bound, and the bound.

    Parameters
    ----------
    problem : tuple
        Costs, costs of the distances and loads.
    branch : Branch
        Part of all choices.
    target : float
        Cost of a known choice.
    seen : callable
        Takes the answer of the sites to each of the prices, and returns the least known cost.

    Returns
    -------
    price : ndarray, shape (G,)
    bound : float

    Notes
    -----
    A step is in the direction of the jobs without a site, a subgradient, and its length is that of
    B. T. Polyak (1969) with the known cost as the target.
    """
    costs, fixed, load = problem
    near = np.argmin(fixed, axis=1)
    slope = costs.slope(np.minimum(0.9 * branch.high, costs.knee))
    price = fixed[np.arange(load.size), near] + slope[near]
    best, bound, part, failed = price, -np.inf, 1.0, 0
    for _ in range(STEPS):
        found = price_bound(costs, fixed, load, price, branch)
        target = min(target, seen(found))
        if found.bound > bound:
            best, bound, failed = price, found.bound, 0
        else:
            failed += 1
            if failed >= PATIENCE:
                part, failed = 0.5 * part, 0
        missing = load - np.sum(found.jobs, axis=1)
        if np.all(np.abs(missing) <= 1e-13 * load) or part < SHORTEST:
            break
        step = part * max(target - found.bound, 0.0) / float(missing @ missing)
        price = price + step * missing
    return best, bound
