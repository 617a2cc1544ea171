"""The modes that the best assignment uses close to the largest load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Array
from .capacity import capacity
from .cells import Ints
from .modes import Modes, of_modes

ZERO = 1e-10  # parts, spare capacities and gains below are rounding error


@dataclass(frozen=True, eq=False)
class Saturation:
    """The solution of the linear program of the largest load, and what it says of loads below.

    Attributes
    ----------
    max_load : float
        Jobs per unit of time.
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode at `max_load`.
    used : tuple of int
        Modes with jobs at `max_load`.
    full : tuple of int
        Stages that are full there.
    price : ndarray, shape (S,), or None
        Relative increase of the largest load by that of each stage's capacity; None where the
        used modes and the full stages do not determine it.
    is_limit : bool
        Whether it is proven that the best assignment uses these modes alone at every load close
        enough to the largest one, and tends to `assignment`.
    """

    max_load: float
    assignment: Array
    used: tuple[int, ...]
    full: tuple[int, ...]
    price: Array | None
    is_limit: bool


@of_modes
def modes_at_saturation(modes: Modes) -> Saturation:
    """Return the modes that carry the largest load, and whether loads close to it use no others.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.

    Returns
    -------
    Saturation

    Notes
    -----
    The largest load is max 1'x with sum_m a_sm x_m <= 1 at each stage and x >= 0. Where its
    solution is unique and not degenerate (as many full stages as used modes), the best assignment
    uses these modes alone near the largest load.

    *Proof.* Let y be the prices, and r_m = sum_s y_s a_sm - 1, which is 0 for used modes and above
    0 for others. With D_s = 1 - load sum_m p_m a_sm,

        sum_s y_s D_s = max_load - load - load sum_m p_m r_m.

    As many full stages as used modes leave the D_s of the full stages free, so that their delay is
    about (sum_s sqrt(y_s N_s))^2 / sum_s y_s D_s. A part p_k of another mode makes the divisor
    smaller. It has work at a full stage, which a used mode has too: there it makes N_s larger by a
    multiple of sqrt(p_k). Divided by max_load - load, that is more than the other stages and fixed
    delays, which change by a multiple of sqrt(p_k), can gain.

    With less used modes than full stages that is false. Of two modes with the works (1, 1) and
    (1.1, .5) the first carries the largest load, 1, alone and is the unique solution; but close to
    it the part of the second one is about 1.71 (1 - load), with a delay that is 12.7 % lower.

    Examples
    --------
    >>> modes_at_saturation(Modes.from_work([[0.1, 0.4], [0.5, 0.2]])).used
    (0, 1)
    >>> modes_at_saturation(Modes.from_work([[1.0, 1.1], [1.0, 0.5]])).is_limit
    False
    """
    most = capacity(modes)
    load, parts = most.max_load, most.assignment
    used = np.flatnonzero(parts > ZERO)
    full = np.flatnonzero(1.0 - load * (modes.time @ parts) < ZERO)
    price = _price(modes.time, used, full)
    if price is None:
        return Saturation(load, parts, _ints(used), _ints(full), None, False)
    others = np.delete(modes.time, used, axis=1)
    unique = np.all(price[full] > ZERO * load) and np.all(price @ others > 1 + ZERO)
    relative = price / price.sum()
    return Saturation(load, parts, _ints(used), _ints(full), relative, bool(unique))


def _price(time: Array, used: Ints, full: Ints) -> Array | None:
    """Return y, 0 but at full stages, with sum_s y_s a_sm = 1 for used modes, shape (S,)."""
    square = time[np.ix_(full, used)]
    if len(full) != len(used) or np.linalg.cond(square / square.max()) > 1 / ZERO:
        return None
    price = np.zeros(len(time))
    price[full] = np.linalg.solve(square.T, np.ones(used.size))
    return price


def _ints(some: Ints) -> tuple[int, ...]:
    return tuple(some.tolist())
