"""Lower bound of the cost of sites, from prices of the jobs of each group.

A price v_g for each job of group g relaxes that all its jobs need a site. Then each site chooses
alone how many jobs of each group it serves for these prices:

    bound(v) = sum_g v_g L_g + sum_i min over x of h_i(X) + sum_g (c_gi - v_g) x_gi,

with 0 <= x_gi <= L_g, X = sum_g x_gi and low_i <= X <= high_i. No choice of sites costs less, for
any v (weak duality). A site with the load X serves the groups in the order of c_gi - v_g, so the
second part is convex and piecewise linear in X. Between two of its breakpoints the cost is least
at an end or, where h_i is convex, at the load of one slope: a closed form. No solver is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array
from .costs import SiteCosts


class PriceBound(NamedTuple):
    """A lower bound of the cost, and the best answer of each site to the prices.

    Attributes
    ----------
    bound : float
        The bound, less its rounding error.
    jobs : ndarray, shape (G, n)
        Jobs of each group that each site serves.
    cost : ndarray, shape (n,)
        Cost of each site for these jobs without prices; 0 without jobs, even where it is paid for.
    """

    bound: float
    jobs: Array
    cost: Array


class Branch(NamedTuple):
    """Part of all choices of sites.

    Attributes
    ----------
    low, high : ndarray, shape (n,)
        Bounds of the loads of the sites.
    paid : ndarray of bool, shape (n,)
        Sites whose opening cost is paid even without a load.
    """

    low: Array
    high: Array
    paid: npt.NDArray[np.bool_]


def price_bound(
    costs: SiteCosts, fixed: Array, load: Array, price: Array, branch: Branch
) -> PriceBound:
    """Return the lower bound that prices prove.

    Parameters
    ----------
    costs : SiteCosts
        Costs of n sites.
    fixed : ndarray, shape (G, n)
        Cost of the distance of a job; inf where the group may not use the site.
    load : ndarray, shape (G,)
        Loads of the groups.
    price : ndarray, shape (G,)
        Any prices.
    branch : Branch
        Part of all choices that the bound holds for.
    """
    low, high, paid = branch
    groups, n = fixed.shape
    order = np.argsort(fixed - price[:, None], axis=0, kind="stable")
    sorted_fixed = np.take_along_axis(fixed, order, axis=0)
    allowed = np.isfinite(sorted_fixed)
    sorted_fixed = np.where(allowed, sorted_fixed, 0.0)
    sorted_price = np.where(allowed, price[order], 0.0)
    reduced, jobs = sorted_fixed - sorted_price, np.where(allowed, load[order], 0.0)
    start = np.zeros((groups + 1, n))
    ends, sums = start.copy(), start.copy()
    np.cumsum(jobs, axis=0, out=ends[1:])
    np.cumsum(reduced * jobs, axis=0, out=sums[1:])
    left, right = np.clip(ends[:-1], low, high), np.clip(ends[1:], low, high)
    inside = np.clip(costs.at_slope(-reduced), left, right)
    at = np.stack([left, inside, right])
    value = costs.total(at, paid) + sums[:-1] + reduced * (at - ends[:-1])
    # a segment out of the bounds of the load has no candidate
    value = np.where((ends[:-1] <= high) & (ends[1:] >= low), value, np.inf)
    flat = value.reshape(-1, n)
    chosen, columns = np.argmin(flat, axis=0), np.arange(n)
    best, total = flat[chosen, columns], at.reshape(-1, n)[chosen, columns]
    served = np.zeros_like(fixed)
    np.put_along_axis(served, order, np.clip(total - ends[:-1], 0.0, jobs), axis=0)
    true = costs.at(served, fixed)
    size = np.sum((np.abs(sorted_fixed) + np.abs(sorted_price)) * jobs) + np.abs(price) @ load
    size += np.sum(true, where=np.isfinite(true))
    bound = price @ load + np.sum(best) - (2 * groups + 32) * EPS * size
    return PriceBound(float(bound), served, true)
