"""Largest load of service modes: Section IV of Jeff and Modiano, for any stages and modes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ..errors import Array
from .modes import Modes, of_modes

SUBGAMES = 60  # square subgames up to which all are tried
GAIN = 1e-14  # gain of a mode, relative to its price, that is more than rounding error


@dataclass(frozen=True, eq=False)
class Capacity:
    """Largest load of a system, and its assignment.

    Attributes
    ----------
    max_load : float
        Jobs per unit of time. Every smaller load is stable for some operating point, this one for
        none: Theorem 2 of Jeff and Modiano.
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode at `max_load`; where several carry it, one of them.
    """

    max_load: float
    assignment: Array


@of_modes
@lru_cache(maxsize=128)
def capacity(modes: Modes) -> Capacity:
    """Return the largest load of the stages and its assignment.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.

    Returns
    -------
    Capacity

    Notes
    -----
    The largest load is 1 / min over p of max over s of sum_m p_m / rate_sm; for two stages and two
    modes it is min(mu_l1, mu_c2, mu*), Theorem 2 of Jeff and Modiano. The minimum is the value of a
    matrix game. An optimal strategy equalises the rows of a square subgame (Shapley and Snow,
    1950). Up to 60 square subgames, all of them are tried; of more, the simplex method finds the
    one that its prices prove best.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> round(capacity(Canonical(1.0, 4.0, 0.05, 0.15).dual_mode).max_load, 6)
    4.705882
    """
    time = modes.time
    few = math.comb(modes.stages + modes.modes, modes.modes) <= SUBGAMES
    best = _best_subgame(time) if few else _most_packed(time)
    return Capacity(1.0 / float((time @ best).max()), best)


def _best_subgame(time: Array) -> Array:
    """Return the assignment of least largest time of a stage, from all square subgames."""
    stages, modes = time.shape
    best, least = np.zeros(modes), np.inf
    for size in range(1, min(time.shape) + 1):
        for columns in combinations(range(modes), size):
            for rows in combinations(range(stages), size):
                p = _equalising(time[np.ix_(rows, columns)])
                if p is None:
                    continue
                parts = np.zeros(modes)
                parts[list(columns)] = p
                largest = float((time @ parts).max())
                if largest < least:
                    best, least = parts, largest
    return best


def _equalising(square: Array) -> Array | None:
    """Return the mixture of the columns with equal values in all rows; None if there is none."""
    size = len(square)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = square / square.max(initial=1e-300)
    system[:size, size] = -1.0
    system[size, :size] = 1.0
    try:
        p: Array = np.linalg.solve(system, np.append(np.zeros(size), 1.0))[:size]
    except np.linalg.LinAlgError:
        return None
    return p if np.all(p >= 0) else None


def _most_packed(time: Array) -> Array:
    """Return the assignment of least largest time of a stage, by the simplex method.

    It solves max 1'x with time x <= 1 and x >= 0, from x = 0. The basis is solved afresh at every
    step, so that rounding errors do not add up. A step takes the mode of largest gain over its
    price; after many steps, a sign of a cycle, the first that gains (Bland).
    """
    stages, modes = time.shape
    longest = time.max(axis=0)  # each mode in the unit of its longest time
    columns = np.hstack([time / longest, np.eye(stages)])
    value = np.append(longest.min() / longest, np.zeros(stages))
    basis, few = np.arange(modes, modes + stages), stages + modes
    for step in range(50 * few):
        square = columns[:, basis]
        prices = np.linalg.solve(square.T, value[basis])
        gain = value - prices @ columns
        gain[basis] = 0.0
        gains = gain > GAIN * (value + np.abs(prices) @ columns)
        if not gains.any():
            break
        cautious = step > 5 * few
        enter = int(np.argmax(gains if cautious else np.where(gains, gain, 0.0)))
        level, rate = np.linalg.solve(square, np.stack([np.ones(stages), columns[:, enter]]).T).T
        falls = rate > GAIN
        ratio = np.divide(np.maximum(level, 0.0), rate, out=np.full(stages, np.inf), where=falls)
        ties = np.flatnonzero(ratio <= ratio.min())
        basis[ties[np.argmin(basis[ties]) if cautious else np.argmax(rate[ties])]] = enter
    else:
        return _best_subgame(time)
    x = np.zeros(modes + stages)
    x[basis] = np.maximum(np.linalg.solve(columns[:, basis], np.ones(stages)), 0.0)
    p = x[:modes] / longest
    return np.asarray(p / p.sum())
