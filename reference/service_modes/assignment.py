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
    """Operating point of least mean delay of two modes.

    Its delays keep their digits even where 1 - p loses its own.
    """

    @property
    def p(self) -> float:
        """Fraction of the jobs in mode 1."""
        return float(self.assignment[0])


@of_modes
def assignment(modes: Modes, load: float) -> Assignment:
    """Return the operating point of least mean delay: the best p, alpha and beta.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    Assignment

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        On another number of modes than two.

    Notes
    -----
    The delay is a ratio N/D of polynomials along the stable interval (see
    `sojourn.reference.service_modes.segment`). The optimum is the best of the two ends and the
    roots of N'D - ND', of degree 4S - 2, at most 6 for two stages; 4S + 2 with fixed delays.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> best = assignment(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.5)
    >>> round(best.p, 6), round(best.mean_delay, 6)
    (0.575182, 6.938099)
    """
    along = segment(modes, load)
    u, _ = lowest(along)
    best = divide(modes, float(load), along.assignment(u))
    return Assignment(best.assignment, best.share, along.stage_delay(u), best.fixed_delay)


@of_modes
def best_assignment(modes: Modes, loads: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the best fractions of jobs in mode 1, p*, and the least mean delays at many loads.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    loads : array_like, shape () or (K,)
        Total loads above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    p, mean_delay : ndarray, shape (K,)

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        On another number of modes than two.
    """
    rows = []
    for load in np.atleast_1d(check_load(modes, loads)).tolist():
        along = segment(modes, load)
        u, least = lowest(along)
        rows.append((along.assignment(u)[0], least))
    p, least_delay = np.array(rows).reshape(-1, 2).T
    return p, least_delay


def lowest(along: Segment) -> tuple[float, float]:
    """Return the point u of least delay on the stable interval, and that delay.

    Of points with equal delay it is that of the largest p.
    """
    points = np.concatenate([[0.0, 1.0], critical_points(along)])
    values = along.delay(points)
    best = int(np.argmin(values))
    return float(points[best]), float(values[best])


def critical_points(along: Segment) -> Array:
    """Return points u inside (0, 1) among which are all zeros of the delay's slope.

    They are the real parts of the roots of the slope's numerator; some may be no zeros.
    """
    # u / (1 - u) turns the scaled Bernstein basis into powers, without a change of coefficients
    roots = np.roots(along.slope_numerator()[::-1])
    ratio = roots.real[(roots.real > 0) & np.isfinite(roots.real)]
    points: Array = ratio / (1 + ratio)
    return points[points < 1]
