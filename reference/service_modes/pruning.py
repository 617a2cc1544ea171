"""Modes that no best assignment needs, at any load.

Mode k can go, one at a time against the modes that remain, where some weights w >= 0 of other modes
with |w| >= 1 have sum_m w_m sqrt(a_sm) <= sqrt(a_sk) at every stage s, and the fixed delays
sum_m w_m^2 d_m / |w|^2 <= d_k: its jobs go to those modes in proportion to w^2.

*Proof.* Put q = p_k w^2 / |w|^2 in place of p_k. Then sqrt(N_s) = sum sqrt(p_m a_sm) does not rise,
as sqrt(x + y) <= sqrt(x) + sqrt(y) and sum_m sqrt(q_m a_sm) <= sqrt(p_k a_sk) / |w|; nor does the
work sum p_m a_sm, as sum w_m^2 a_sm <= (sum w_m sqrt(a_sm))^2 <= a_sk.

With one other mode that is domination: a_sm <= a_sk. With two, |w| is convex, so that vertices of
the polygon of such w decide. Three at a time would prune more.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..errors import Array
from .modes import Modes, of_modes

MARGIN = 1e-12  # of the weights: the rounding error of the test is far below


@of_modes
@lru_cache(maxsize=128)
def useful(modes: Modes) -> tuple[npt.NDArray[np.intp], Modes]:
    """Return the modes that a best assignment may need, and the system of these.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.

    Returns
    -------
    kept : ndarray of int
        In ascending order; of equal modes the first one.
    system : Modes

    Examples
    --------
    >>> useful(Modes.from_work([[1.0, 9.0, 8.1], [9.0, 1.0, 8.1]]))[0]
    array([0, 1])
    """
    kept = np.flatnonzero(~_dominated(modes))
    roots = np.sqrt(modes.time)
    for k in kept[np.argsort(-modes.time[:, kept].sum(axis=0), kind="stable")].tolist():
        others = kept[kept != k]
        if others.size > 1 and _in_reach(roots, modes.delay, others, k):
            kept = others
    kept.flags.writeable = False
    return kept, modes if kept.size == modes.modes else modes.take(kept)


def _dominated(modes: Modes) -> npt.NDArray[np.bool_]:
    """Return which modes have as much work everywhere, and delay, as another one, shape (M,)."""
    rows = np.vstack([modes.time, modes.delay])
    no_more = np.all(rows[:, :, None] <= rows[:, None, :], axis=0)  # j no more than k
    order = np.arange(modes.modes)
    beats = no_more & (~no_more.T | (order[:, None] < order))
    return np.asarray(beats.any(axis=0))


@np.errstate(all="ignore")
def _in_reach(roots: Array, delay: Array, others: npt.NDArray[np.intp], k: int) -> bool:
    """Return whether weights of two other modes show that mode k is not needed."""
    limit = roots[:, k]
    i, j = (others[part] for part in np.triu_indices(others.size, 1))
    first, second = roots[:, i], roots[:, j]
    for s in range(len(roots)):
        for t in range(s):
            # where the limits of two stages meet
            determinant = first[s] * second[t] - first[t] * second[s]
            x = (limit[s] * second[t] - limit[t] * second[s]) / determinant * (1 - MARGIN)
            y = (first[s] * limit[t] - first[t] * limit[s]) / determinant * (1 - MARGIN)
            long = (x >= 0) & (y >= 0) & (x * x + y * y >= 1)
            below = np.all(x * first + y * second <= limit[:, None], axis=0)
            later = (x * x * delay[i] + y * y * delay[j]) > delay[k] * (x * x + y * y)
            if np.any(long & below & ~later):
                return True
    return False
