"""Splits that meet convex limits together with bounds of flows and rows, or a proof of none.

The largest relative excess of all limits is least at a mixture of splits, each of which minimises
a weighted sum of them. The sum is separable, so that a split has one price of the load. A linear
program finds the weights at which the mixtures are worst, and the minimum at these weights is a
lower bound of the largest excess: above 0 it proves that no split meets the limits (Dantzig-Wolfe
decomposition).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....reference.errors import Array
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ....reference.server_bank import halved
from ...core.table import Mask
from .convex_limit import ConvexRows
from .splits import ROUNDING, TINY_BOUND, Limits

MIXTURES = (1.0, 0.5, 0.1, 0.01, 1e-3)  # parts of a given split in the mixtures that are tried
DEPTH = 0.5  # part of the largest distance from the limits that is deep enough
MAX_SPLITS = 200  # splits in a mixture
CLOSE = 1e-13  # relative distance of the bounds of the least excess at which the search ends


def split_inside(limits: Limits, load: float, inside: Array) -> tuple[Array, bool, Array]:
    """Return a split that meets all limits at one load, whether there is one, and the best one.

    Parameters
    ----------
    limits : Limits
        Limits of one split, with one row in each array.
    load : float
        Total load, jobs per unit of time.
    inside : ndarray, shape (n,)
        A split that meets the limits but for the convex ones.

    Returns
    -------
    tuple
        A split inside the limits, shape (n,); whether it meets them; the split of least relative
        excess, shape (n,).
    """
    bound = np.abs(limits.bound[0])
    size = np.where(bound > 0, bound, np.maximum(limits.row_scale(inside[None])[0], TINY_BOUND))

    def excess(flow: Array) -> Array:
        return np.asarray(limits.excess(flow[None])[0] / size)

    best = _least_excess(limits, load, inside, size, excess)
    worst, rounding = excess(best), ROUNDING * limits.row_scale(best[None])[0] / size
    possible = bool(np.all(worst <= rounding))
    enough = DEPTH * min(float(worst.max()), 0.0)
    for part in MIXTURES:
        mixture = part * inside + (1.0 - part) * best
        if excess(mixture).max() < enough:
            return mixture, possible, best
    return best, possible, best


def _least_excess(
    limits: Limits, load: float, inside: Array, size: Array, excess: Callable[[Array], Array]
) -> Array:
    """Return a split whose largest excess is about the least one."""
    least, most = limits.least[0], np.minimum(limits.most[0], load)

    def minimal(weight: Array) -> Array:
        prices = (weight / size)[None]
        return least_sum(
            lambda x: (prices[:, None] @ limits.slopes(x[None]))[0, 0], least, most, load
        )

    if size.size == 1:
        return minimal(np.ones(1))
    from scipy.optimize import linprog  # slow to import, and rarely needed

    splits = [inside, *(minimal(weight) for weight in np.eye(size.size))]
    mixture = inside
    for _ in range(MAX_SPLITS):
        values = np.array([excess(split) for split in splits])
        count = len(splits)
        solved = linprog(
            np.append(np.zeros(count), 1.0),
            A_ub=np.column_stack([values.T, -np.ones(size.size)]),
            b_ub=np.zeros(size.size),
            A_eq=np.append(np.ones(count), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0.0, None)] * count + [(None, None)],
            method="highs-ds",
        )
        weight = np.maximum(-solved.ineqlin.marginals, 0.0)
        mixture, weight = solved.x[:-1] @ np.array(splits), weight / weight.sum()
        found = minimal(weight)
        reached, lower = float(excess(mixture).max()), float(weight @ excess(found))
        if lower > 0 or reached <= DEPTH * lower or reached - lower <= CLOSE:
            break
        splits.append(found)
    return np.clip(mixture, least, most)


def least_sum(slope: Callable[[Array], Array], least: Array, most: Array, load: float) -> Array:
    """Return the flows that carry the load at the least sum of convex functions, shape (n,).

    Parameters
    ----------
    slope : callable
        From flows, shape (n,), to the derivatives of the functions.
    least, most : ndarray, shape (n,)
        Bounds of the flows, which some split of the load meets.
    load : float
        Total load, jobs per unit of time.
    """

    def flows(price: float, low: Array, high: Array) -> Array:
        """Return the flows at which each derivative passes the price."""
        below, above = halved(lambda x: slope(x) - price, low, high)
        return np.where(slope(above) <= price, above, below)

    low, high = least.copy(), most.copy()
    cheap, dear = float(slope(least).min()), float(slope(most).max())
    while True:
        price = 0.5 * (cheap + dear)
        if price in (cheap, dear):
            break
        middle = flows(price, low, high)
        if middle.sum() < load:
            cheap, low = price, middle
        else:
            dear, high = price, middle
    width = (high - low).sum()
    part = (load - low.sum()) / width if width > 0 else 0.0
    return np.asarray(low + min(max(part, 0.0), 1.0) * (high - low))


def can_bind(convex: ConvexRows, least: Array, most: Array) -> Mask:
    """Return whether any split within bounds of flows may violate each convex limit, shape (K, p).

    A convex function is below its chord, so that the largest sum of chords is no less than that of
    the functions.

    Parameters
    ----------
    convex : ConvexRows
        p limits at K loads.
    least, most : ndarray, shape (K, n)
        Bounds of the flows, which some split of each load meets.
    """
    load = convex.load
    ends = least, np.minimum(most, load[:, None])
    low, high = (convex.terms(end).value for end in ends)
    width = (ends[1] - ends[0])[:, None]
    chord = np.where(width > 0, (high - low) / np.where(width > 0, width, 1.0), 0.0)
    out = np.empty(convex.bound.shape, dtype=bool)
    for j in range(len(convex.limits)):
        for k in range(load.size):
            flow = cheapest(ends[0][k], ends[1][k], -chord[k, j], load[k])[0]
            largest = float(low[k, j].sum() + chord[k, j] @ (flow - ends[0][k]))
            out[k, j] = largest > convex.bound[k, j] + LIMIT_TOL * abs(largest)
    return out
