"""The best assignment of jobs to two modes: Section VI of Jeff and Modiano."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array
from .modes import Modes, of_modes
from .partition import Partition, divide
from .segment import Segment, segment
from .stability import check_load


@dataclass(frozen=True, eq=False)
class Assignment(Partition):
    """The operating point of least delay: a `Partition` and its p. Its delays keep their digits where 1 - p does not."""

    @property
    def p(self) -> float:
        """Part of the jobs in mode 1."""
        return float(self.assignment[0])


@of_modes
def assignment(modes: Modes, load: float) -> Assignment:
    """Return the p, alpha and beta of least mean delay.

    The delay is N/D along the stable interval (see `sojourn.reference.service_modes.segment`): the best of the two ends and the roots of
    N'D - ND', of degree 4S - 2, at most 6 for two stages.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load : float
        Jobs per unit of time, above 0 and below the largest.

    Raises
    ------
    LoadError, InputError

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> best = assignment(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.5)
    >>> round(best.p, 6), round(best.mean_delay, 6)
    (0.575182, 6.938099)
    """
    along = segment(modes, load)
    u, _ = lowest(along)
    found = divide(modes, float(load), along.assignment(u))
    return Assignment(found.assignment, found.share, along.stage_delay(u))


@of_modes
def best_assignment(modes: Modes, loads: npt.ArrayLike) -> tuple[Array, Array]:
    """Return p* and the least mean delay at many loads, each of shape (K,)."""
    found = []
    for load in np.atleast_1d(check_load(modes, loads)).tolist():
        along = segment(modes, load)
        u, least = lowest(along)
        found.append((along.assignment(u)[0], least))
    p, least_delay = np.array(found).reshape(-1, 2).T
    return p, least_delay


def lowest(along: Segment) -> tuple[float, float]:
    """Where on the stable interval the delay is least, and how much it is there; of equals the one of larger p."""
    points = np.concatenate([[0.0, 1.0], critical_points(along)])
    values = along.delay(points)
    best = int(np.argmin(values))
    return float(points[best]), float(values[best])


def critical_points(along: Segment) -> Array:
    """Points u inside (0, 1) where the delay may have slope zero: real parts of the roots; a few too many do no harm."""
    # u / (1 - u) turns the scaled Bernstein basis into powers, without a change of coefficients
    roots = np.roots(along.slope_numerator()[::-1])
    ratio = roots.real[(roots.real > 0) & np.isfinite(roots.real)]
    points: Array = ratio / (1 + ratio)
    return points[points < 1]
