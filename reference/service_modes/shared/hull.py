"""Modes that no mixture of others replaces: the vertices of the lower-left hull of the works.

The delay of shared stages depends on the mean works A_s = sum_m p_m a_sm and the fixed delay
sum_m p_m d_m alone, and rises in each. So a mode of which a mixture of other modes has no more work
at any stage, and no more fixed delay, can go, at the optimum and at the equilibrium. (Of reserved
stages this is false: a mixture has to divide them.)
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ...errors import Array
from ..modes import Modes
from .routed import Index, different

ROUNDING = 1e-13  # relative excess of a mixture that is taken for rounding


def hull(modes: Modes) -> Index:
    """Return the modes that no mixture of the other ones replaces, ascending."""
    rows = np.vstack([modes.time, modes.delay[None]])
    kept = list(different(modes))
    for k in reversed(kept.copy()):
        others = [m for m in kept if m != k]
        if others and is_replaced(rows[:, others], rows[:, k]):
            kept = others
    return np.array(kept, dtype=np.intp)


def is_replaced(others: Array, mode: Array) -> bool:
    """Return whether a mixture of the columns is nowhere above a column.

    Parameters
    ----------
    others : ndarray, shape (n, M)
    mode : ndarray, shape (n,)
    """
    if (others <= mode[:, None]).all(axis=0).any():
        return True
    free = mode == 0  # a mode with work there cannot be part of the mixture
    others = others[:, (others[free] == 0).all(axis=0)]
    if not others.size:
        return False
    scaled = others[~free] / mode[~free, None]
    n, m = scaled.shape
    # the least largest excess t: weights w >= 0 of sum 1 with scaled w <= 1 + t
    found = linprog(
        np.append(np.zeros(m), 1.0),
        A_ub=np.hstack([scaled, -np.ones((n, 1))]),
        b_ub=np.ones(n),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[*[(0.0, None)] * m, (None, None)],
        method="highs-ds",
    )
    if found.x is None:
        return False
    weights = np.maximum(found.x[:m], 0.0)
    return bool((scaled @ (weights / weights.sum())).max() <= 1.0 + ROUNDING)
