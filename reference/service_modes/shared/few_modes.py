"""Assignments to shared stages that use at most S modes, or S + 1 with fixed delays.

Let x be the loads of the modes in use, A their works, d their fixed delays. Where more modes are in
use than the rows of A (and d) have rank, some z other than 0 has A z = 0 and d'z = 0. Not all its
entries have one sign, since every mode has work. Of z and -z take the one with sum z <= 0: from x
along -z, the utilisations and the fixed delays stay, and the sum of the loads does not fall. The
first entry that reaches 0 leaves. The loads, scaled to their sum before, have utilisations and
fixed delays that are no larger, and so no longer delays. At an optimum or an equilibrium the
utilisations stay as they are.
"""

from __future__ import annotations

import numpy as np

from ...compensated_sum import EPS
from ...errors import Array


def few_modes(work: Array, delay: Array, parts: Array) -> Array:
    """Return an assignment to few of the modes in use, whose utilisations are no larger.

    Parameters
    ----------
    work : ndarray, shape (S, M)
        Mean work of each mode at each stage.
    delay : ndarray, shape (M,)
        Fixed delay of each mode.
    parts : ndarray, shape (M,)
        Load of each mode, or fraction of the jobs in it.

    Returns
    -------
    ndarray, shape (M,)
        With the same sum; at most S are above 0, with fixed delays at most S + 1.
    """
    rows = np.vstack([work, delay[None]]) if delay.any() else work
    # one unit for all rows and modes, so that rounding errors compare
    row_sizes = rows.max(axis=1, keepdims=True)
    rows = rows / np.where(row_sizes > 0, row_sizes, 1.0)
    x, total = np.where(parts > 0, parts, 0.0), float(parts.sum())
    used = np.flatnonzero(x)
    while used.size > 1:
        sizes = np.linalg.norm(rows[:, used], axis=0)
        _, values, directions = np.linalg.svd(rows[:, used] / sizes)
        full = values.size == used.size and values[-1] > used.size * EPS * values[0]
        z = directions[-1] / sizes
        z = -z if z.sum() > 0 else z
        if full or not (z > 0).any():
            break
        steps = np.where(z > 0, x[used] / np.where(z > 0, z, 1.0), np.inf)
        first = int(np.argmin(steps))
        x[used] = np.maximum(x[used] - steps[first] * z, 0.0)
        x[used[first]] = 0.0
        used = np.flatnonzero(x)
    return np.asarray(x * (total / x.sum()))
