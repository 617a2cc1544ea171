"""Performance and data profiles: parts of the cells that are solved right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .....reference.errors import Array
from ..row import Row
from .results import Comparison, Entrant
from .statistics import SHIFT

TICK = 1e-6
"""Seconds: the least time that is told apart from none."""


class Profile(NamedTuple):
    """A part of cells as a function that rises by steps.

    Attributes
    ----------
    x : ndarray, shape (k,)
        Where it rises, ascending.
    part : ndarray, shape (k,)
        Its value from there on, at most the part that is solved right.
    """

    x: Array
    part: Array


def performance_profiles(comparison: Comparison) -> dict[Entrant, Profile]:
    r"""Return the part of cells solved right within a factor of the fastest right solver.

    .. math:: \rho_s(\tau) = |\{c : t_{cs} + h \le \tau (\min_r t_{cr} + h)\}| / |\{c\}|

    where h is 1 ms, so that times well below it are about equal, and the time :math:`t_{cs}` of an
    answer that is not right is infinite (E. D. Dolan and J. J. Moré, "Benchmarking optimization
    software with performance profiles", Mathematical Programming 91, 2002, equation 2.1, where h
    is 0). Cells that nobody solves count, too.
    """
    times = _times(comparison)
    fastest = np.min(list(times.values()), axis=0)
    found = {}
    for entrant, time in times.items():
        right = np.isfinite(time)
        found[entrant] = _profile((time[right] + SHIFT) / (fastest[right] + SHIFT), len(time))
    return found


def data_profiles(comparison: Comparison) -> dict[Entrant, Profile]:
    """Return the part of cells solved right within a time in seconds."""
    return {
        entrant: _profile(time[np.isfinite(time)], len(time))
        for entrant, time in _times(comparison).items()
    }


def fastest_counts(comparison: Comparison) -> dict[Entrant, int]:
    """Return on how many cells each entrant is right, and within 1 ms of the fastest right one."""
    times = _times(comparison)
    fastest = np.min(list(times.values()), axis=0)
    return {
        entrant: int(np.count_nonzero(np.isfinite(time) & (time <= fastest + SHIFT)))
        for entrant, time in times.items()
    }


def _times(comparison: Comparison) -> Mapping[Entrant, Array]:
    """Return the seconds of each entrant by cell; infinite where it is not right."""

    def seconds(row: Row) -> float:
        return max(row.solve_seconds, TICK) if row.right else np.inf

    return {e: np.array([seconds(row) for row in rows]) for e, rows in comparison.rows.items()}


def _profile(x: Array, cells: int) -> Profile:
    return Profile(np.sort(x), np.arange(1, len(x) + 1) / cells)
