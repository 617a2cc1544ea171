"""Upper bound of the price of anarchy of shared stages from one assignment alone.

Let y = 1 - rho be the spare capacities of the stages at the equilibrium of selfish users, with the
loads x of the modes, and u, z = 1 - u and v those of any other assignment of the same load. No user
gains by another mode: sum_s (rho_s - u_s)/y_s + d'(x - v) <= 0, or, with e_s = 1/y_s - 1 >= 0,

    sum_s z_s e_s + d'x <= sum_s u_s + d'v.

The number of jobs at the equilibrium, load times the mean delay, is sum_s e_s + d'x. So it is at
most (sum_s u_s + d'v) / min_s z_s. The optimum has sum_s u_s/z_s + d'v jobs: with u, z and v there,

    price of anarchy <= (sum u_s + d'v) / (min z (sum u_s/z_s + d'v)).

Without fixed delays d this is at most sum u_s / max u_s <= S: the price of anarchy is below the
number of stages. Parallel servers of rates M, 1, ..., 1 show that no smaller number will do. With
fixed delays it has no bound that holds for all systems.
"""

from __future__ import annotations

import numpy as np

from ...compensated_sum import EPS
from ...errors import Array
from ..modes import Modes

ROUNDING = 64 * EPS


def selfish_delay_bound(modes: Modes, load: float, parts: Array) -> float:
    """Return an upper bound of the mean delay of selfish users.

    Parameters
    ----------
    modes : Modes
        S stages, each shared by M modes.
    load : float
        Total load, jobs per unit of time.
    parts : ndarray, shape (M,)
        Fraction of the jobs in each mode of any assignment; that of the optimum gives a good bound.

    Returns
    -------
    float
        Infinite where a stage is full.
    """
    work = modes.time @ parts
    least = 1.0 - load * float(work.max())
    if least <= ROUNDING:
        return float(np.inf)
    delay = float(work.sum() + modes.delay @ parts)
    return delay / least * (1.0 + ROUNDING * (1.0 + 1.0 / least))


def anarchy_bound(modes: Modes, load: float, parts: Array, least_delay: float) -> float:
    """Return an upper bound of the price of anarchy from one assignment.

    Parameters
    ----------
    modes, load, parts
        As for `selfish_delay_bound`.
    least_delay : float
        Lower bound of the mean delay of the optimum.
    """
    return max(selfish_delay_bound(modes, load, parts) / least_delay * (1.0 + ROUNDING), 1.0)
