"""The choice of sites as a CVXPY problem of second-order cones.

With y = 0 or 1 for whole groups, y = y^2, so the load X = sum_g L_g y_g of a site has
X/(mu - X) = sum_g L_g y_g^2/(mu - X): a second-order cone with the rate mu as a variable, as in
S. Elhedhli, *Service system design with immobile servers, stochastic demand and congestion*,
Manuf. Serv. Oper. Manag. 8 (2006), who has levels of mu. For y between 0 and 1 the right-hand side
is smaller, so the continuous problem has a lower bound of the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import InputError
from ....reference.validation import check_flag
from .sites import sized

if TYPE_CHECKING:
    from .groups import Groups


class SitesModel(NamedTuple):
    """A CVXPY problem and its variables.

    Attributes
    ----------
    problem : cvxpy.Problem
        Least cost, money per unit of time.
    share : cvxpy.Variable, shape (G, n)
        Part of the load of each group at each site.
    open : cvxpy.Variable, shape (n,)
        1 for an open site.
    rate : cvxpy.Variable, shape (n,)
        Rates.
    """

    problem: cp.Problem
    share: cp.Variable
    open: cp.Variable
    rate: cp.Variable


def sites_model(
    groups: Groups,
    rate_price: npt.ArrayLike,
    opening: npt.ArrayLike,
    delay_cost: float,
    max_rate: npt.ArrayLike | None,
    whole: bool,
) -> SitesModel:
    """Return the problem of a choice of sites; see `Groups.size_model`."""
    whole = check_flag("whole", whole)
    costs, fixed = sized(groups, rate_price, opening, delay_cost, max_rate)
    load, n, k = groups.group_load, costs.k.size, costs.k
    for i in np.flatnonzero(k > 1.0).tolist():
        problem = "has a coefficient of variation above 1: its delay is no sum of these cones"
        raise InputError("servers", groups.stations[i], problem, "use Groups.size")
    share = cp.Variable(fixed.shape, boolean=whole, nonneg=not whole)
    is_open = cp.Variable(n, boolean=whole)
    rate = cp.Variable(n, nonneg=True)
    allowed = np.isfinite(fixed)
    far = np.where(allowed, fixed, 0.0) * load[:, None]
    flow = load @ share
    limits = [
        cp.sum(share, axis=1) == 1,
        share <= cp.multiply(allowed.astype(float), cp.outer(np.ones(load.size), is_open)),
        is_open <= 1,
    ]
    bounded = np.flatnonzero(np.isfinite(costs.most))
    if bounded.size:
        limits.append(rate[bounded] <= cp.multiply(costs.most[bounded], is_open[bounded]))
    root = np.sqrt(load)
    times = []
    for i in range(n):
        jobs = cp.multiply(root, share[:, i])
        times.append(k[i] * cp.quad_over_lin(jobs, rate[i] - flow[i]))
        if k[i] < 1.0:
            times.append((1.0 - k[i]) * cp.quad_over_lin(jobs, rate[i]))
    total = cp.sum(cp.multiply(far, share)) + costs.price @ rate + costs.opening @ is_open
    objective = total + costs.weight * cp.sum(cp.hstack(times))
    return SitesModel(cp.Problem(cp.Minimize(objective), limits), share, is_open, rate)
