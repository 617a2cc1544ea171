"""Splits that meet convex limits together with bounds of flows and rows, or a proof of none.

The largest relative excess of all limits is least at a mixture of splits, each of which minimises
a weighted sum of them. The sum is separable, so that a split has one price of the load. A linear
program finds the weights at which the mixtures are worst, and the minimum at these weights is a
lower bound of the largest excess: above 0 it proves that no split meets the limits (Dantzig-Wolfe
decomposition).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from ....reference.compensated_sum import EPS
from ....reference.errors import Array
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ...core.table import Mask
from .convex_limit import ConvexRows
from .splits import ROUNDING, TINY_BOUND, Limits, weighted

MIXTURES = (1.0, 0.5, 0.1, 0.01, 1e-3)  # parts of a given split in the mixtures that are tried
DEPTH = 0.5  # part of the largest distance from the limits that is deep enough
MAX_SPLITS = 200  # splits in a mixture
# ends of the cells of an interval of flows; near saturation functions rise next to its end alone
NEAR_END = 1.0 - 2.0 ** -np.arange(6.0, 53.0, 2.0)
ENDS = np.concatenate([np.linspace(0.0, 1.0, 33)[:-1], NEAR_END, [1.0]])
ROUNDS = 15  # of a search, of which each makes the intervals about 15 times shorter
LARGEST_EXCESS = 1e6  # relative excess of a split in the linear program
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

    best, lower = _least_excess(limits, load, inside, size, excess)
    worst, rounding = excess(best), ROUNDING * limits.row_scale(best[None])[0] / size
    allowed = np.maximum(rounding, LIMIT_TOL)
    possible = bool(np.all(worst <= allowed)) or lower <= float(allowed.max())
    enough = DEPTH * min(float(worst.max()), 0.0)
    for part in MIXTURES:
        mixture = part * inside + (1.0 - part) * best
        if excess(mixture).max() < enough:
            return mixture, possible, best
    return best, possible, best


def _least_excess(
    limits: Limits, load: float, inside: Array, size: Array, excess: Callable[[Array], Array]
) -> tuple[Array, float]:
    """Return a split whose largest excess is about the least one, and a bound of the least one."""
    least, most = limits.least[0], np.minimum(limits.most[0], load)

    def minimal(weight: Array) -> Array:
        prices, shape = weight / size, (size.size, least.size)
        return least_sum(
            lambda x: weighted(prices, np.broadcast_to(limits.slopes(x), (len(x), *shape))),
            least,
            most,
            load,
        )

    if size.size == 1:
        split = minimal(np.ones(1))
        return split, float(excess(split)[0])
    from scipy.optimize import linprog  # slow to import, and rarely needed

    splits = [inside, *(minimal(weight) for weight in np.eye(size.size))]
    values = [excess(split) for split in splits]
    mixture, best = inside, min(float(values[0].max()), LARGEST_EXCESS)
    lower, scale = float(np.diag(values[1:]).max()), 1.0
    for _ in range(MAX_SPLITS):
        # in units of the uncertain part of the least excess, since a solver's digits are absolute
        terms = (np.minimum(values, LARGEST_EXCESS) - best) / scale
        near = np.flatnonzero(terms.max(axis=1) <= LARGEST_EXCESS)
        terms, count = terms[near], near.size
        solved = linprog(
            np.append(np.zeros(count), 1.0),
            A_ub=np.column_stack([terms.T, -np.ones(size.size)]),
            b_ub=np.zeros(size.size),
            A_eq=np.append(np.ones(count), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0.0, None)] * count + [(None, None)],
            method="highs-ds",
        )
        if solved.x is None:
            break
        weight = np.maximum(-solved.ineqlin.marginals, 0.0)
        weight, mixed = weight / weight.sum(), solved.x[:-1] @ np.array(splits)[near]
        found = minimal(weight)
        splits += [mixed, found]
        values += [excess(mixed), excess(found)]
        if values[-2].max() < best:
            mixture, best = mixed, float(values[-2].max())
        lower = max(lower, float(weight @ values[-1]))
        if lower > LIMIT_TOL or best <= DEPTH * lower or best - lower <= CLOSE:
            break
        scale = min(scale, best - lower)
    return np.clip(mixture, least, most), lower


def least_sum(slope: Callable[[Array], Array], least: Array, most: Array, load: float) -> Array:
    """Return the flows that carry the load at the least sum of convex functions, shape (n,).

    At the price c of the load each derivative is c, or the flow is at a bound. Every round divides
    an interval of flows for each server into cells. Prices at which the flows are surely below or
    above the load cut the intervals.

    Parameters
    ----------
    slope : callable
        From flows, shape (m, n), to the derivatives of the functions.
    least, most : ndarray, shape (n,)
        Bounds of the flows, which some split of the load meets.
    load : float
        Total load, jobs per unit of time.
    """
    low, high, server = least, most, np.arange(least.size)
    for _ in range(ROUNDS):
        grid = low + ENDS[:, None] * (high - low)
        rising = np.maximum.accumulate(slope(grid), axis=0)
        price = np.unique(rising)

        def ends(c: float, grid: Array = grid, rising: Array = rising) -> tuple[Array, ...]:
            """Return flows where each derivative is below c, at most c, at least c, and above."""
            below, most = (rising < c).sum(axis=0), (rising <= c).sum(axis=0)
            index = np.clip([below - 1, most - 1, below, most], 0, ENDS.size - 1)
            return tuple(grid[index, server])

        too_low = bisect_left(price, True, key=lambda c: bool(ends(c)[3].sum() >= load)) - 1
        too_high = bisect_left(price, True, key=lambda c: bool(ends(c)[0].sum() >= load))
        between = price[max(too_low, 0)], price[min(too_high, price.size - 1)]
        before = low, high
        low = low if too_low < 0 else ends(price[too_low])[1]
        high = high if too_high == price.size else ends(price[too_high])[2]
        error, sum_error = np.ptp(between) * (high - low).sum(), EPS * np.abs(between).max() * load
        if error <= sum_error or all(map(np.array_equal, before, (low, high))):
            break
    width = float((high - low).sum())
    part = (load - float(low.sum())) / width if width > 0 else 0.0
    return np.asarray(low + min(max(part, 0.0), 1.0) * (high - low))


def can_bind(convex: ConvexRows, least: Array, most: Array) -> tuple[Mask, Array]:
    """Return whether splits within bounds of flows may violate convex limits, and a larger bound.

    Both have the shape (K, p); no split reaches the larger bound.

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
    largest = np.empty(convex.bound.shape)
    for j in range(len(convex.limits)):
        for k in range(load.size):
            flow = cheapest(ends[0][k], ends[1][k], -chord[k, j], load[k])[0]
            largest[k, j] = low[k, j].sum() + chord[k, j] @ (flow - ends[0][k])
    size = np.abs(largest)
    return largest > convex.bound + LIMIT_TOL * size, largest + size
