"""Pairs of modes at two stages, and which of them a best assignment may need.

A delay under reserved service is no less than that of stages that all modes share. With
rho_s = sum_m p_m load a_sm the latter times the load is sum_s rho_s / (1 - rho_s). For any c_s and
g_s = 1 + c_s, by rho / (1 - rho) >= rho g^2 - c^2,

    T(p) >= sum_m p_m sum_s a_sm g_s^2 - sum_s c_s^2 / load.

This is linear in p, so over a pair it is least at one of its modes. The best c_s is that of the
shared optimum of the pair, rho_s / (1 - rho_s), where the spare capacities of the two stages have
the ratio sqrt(|a_1i - a_1j| / |a_2i - a_2j|), or all jobs are in one mode. Every c proves a bound,
so that its rounding error does no harm; where no assignment is stable large c prove it.
"""

from __future__ import annotations

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from .search import Best, Cells

ROUNDING = 12 * EPS  # relative, of either sum of the bound, at most
FULL = 1e8  # c of a stage without spare capacity, times its size


def screen(best: Best) -> tuple[Cells, Array]:
    """Return the pairs that may be better than the best points, and a bound of all others.

    Parameters
    ----------
    best : Best
        Stable points at K loads, of at least two modes at two stages, none of which has as much
        work as another one at both; better ones are put in their place.

    Returns
    -------
    cells : Cells
        Whole faces.
    lower : ndarray, shape (K,)
        In the unit of the problem; infinite where no pair is left out.
    """
    problem = best.problem
    pairs, point = np.stack(np.triu_indices(problem.modes.modes, 1)), np.arange(best.delay.size)
    time, loads = problem.modes.time / problem.unit, problem.loads * problem.unit
    p, bound, delay = shared_bound(time[:, pairs], loads)
    pick = delay.argmin(axis=0)
    first, share = Cells.whole(pairs[:, pick], point), p[pick, point]
    best.try_points(first, problem.at(first.support, point), np.sqrt([share, 1 - share]))
    done = bound >= best.delay * (1 - best.gap)
    pair, point = np.nonzero(~done)
    lower = np.where(done, bound, np.inf).min(axis=0)
    return Cells.whole(pairs[:, pair], point), np.maximum(lower, 0.0)


@np.errstate(all="ignore")
def shared_bound(time: Array, loads: Array) -> tuple[Array, Array, Array]:
    """Return the shared optimum of each of n pairs at each of K loads, and what it proves.

    Parameters
    ----------
    time : ndarray, shape (2, 2, n)
        Stage, mode, pair; each mode has less work than the other at one stage.
    loads : ndarray, shape (K,)

    Returns
    -------
    p : ndarray, shape (n, K)
        Part of the jobs in the first mode.
    bound, delay : ndarray, shape (n, K)
        The bound; the delay of reserved service at p, infinite where it is not stable.
    """
    time = time[..., None]
    apart = time[:, 0] - time[:, 1]
    ratio = np.sqrt(-apart[0] / apart[1])  # of the spare capacities
    scale = apart[0] - ratio * apart[1]
    p = ((1 - ratio) / loads - (time[0, 1] - ratio * time[1, 1])) / scale
    p = np.clip(p, 0.0, 1.0)
    overhead = 2 * np.sqrt(p * (1 - p))
    # spare capacities whose errors are in common cost the bound least
    determinant = time[0, 0] * time[1, 1] - time[0, 1] * time[1, 0]
    last = (apart[0] - apart[1] - loads * determinant) / scale
    mixed = (p > 0) & (p < 1) | (last < 0)  # or no p is stable
    first, second, squares, delay = np.zeros((4, *p.shape))
    for (a, b), meeting in zip(time, (ratio * last, last), strict=True):
        spare = np.where(mixed, meeting, 1 - loads * np.where(p > 0, a, b))
        c = np.where(spare > 0, loads * (b + p * (a - b)), FULL) / np.abs(spare)
        g = 1 + c
        first += a * g * g
        second += b * g * g
        squares += c * c
        delay += np.where(spare > 0, c / loads + overhead * np.sqrt(a * b) * g, np.inf)
    bound = np.minimum(first, second) * (1 - ROUNDING) - squares / loads * (1 + ROUNDING)
    return p, bound, delay
