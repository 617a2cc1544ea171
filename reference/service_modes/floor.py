"""A lower bound of the delay of all assignments to any number of modes, without a search.

It is the larger of two, each a proof for any numbers in it.

*Shared stages.* N_s >= A_s = sum_m p_m a_sm, and A_s / D_s = (1 / D_s - 1) / load. For any y >= 0,
1 / D >= 2 y - y^2 D, which is linear in p, so that with fixed delays d

    T >= min_m [sum_s (2 y_s - y_s^2 kappa_sm - 1) / load + d_m],  kappa_sm = 1 - load a_sm.

With y = 1 / D of the optimum of shared stages it is their least delay.

*One cell.* The bound of `sojourn.reference.service_modes.cells` on the cone of all modes.
"""

from __future__ import annotations

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from .cells import Problem
from .search import Best


def floor(best: Best) -> Array:
    """Return a lower bound of the delay at each load, shape (K,), in the unit of the problem.

    Parameters
    ----------
    best : Best
        Stable points.
    """
    problem = best.problem
    count, points = problem.modes.modes, problem.loads.size
    bounds = np.zeros(points)
    for k in range(points):
        faces = problem.at(np.arange(count)[:, None], np.array([k]))
        z = np.zeros((count, 1))
        z[best.support[:, k], 0] = best.w[:, k]
        cone = np.eye(count)[:, :, None]
        slopes = best.slopes()[:, [k]]
        found = faces.bounds(cone, z, best.delay[[k]], slopes, scales=(0.0,)).least[0]
        bounds[k] = max(0.0, found, _shared(problem, float(problem.loads[k])))
    return bounds


def _shared(problem: Problem, load: float) -> float:
    """Return the bound of shared stages, with the prices of their optimum."""
    from .shared.routed import optimum  # the import of SciPy takes time

    use = load * problem.modes.time
    spare = 1 - use @ optimum(problem.modes, load).assignment
    delay = np.zeros(use.shape[1]) if problem.fixed is None else problem.fixed
    y = np.divide(1.0, spare, out=np.zeros_like(spare), where=spare > 0)
    return _linear(use, y, load * problem.unit, delay)


def _linear(use: Array, y: Array, unit: float, delay: Array) -> float:
    """Return the bound of y, rounded down."""
    square = (y * y)[:, None]
    terms = 2 * y[:, None] - square * (1 - use) - 1
    size = 2 * y[:, None] + square * (1 + use) + 1
    rounding = (len(use) + 8) * EPS
    values = (terms.sum(axis=0) - rounding * size.sum(axis=0)) / unit + delay * (1 - 4 * EPS)
    return float(values.min()) * (1 - 4 * EPS)
