"""The best assignment of jobs to two modes, and the load at which it leaves a single mode: Section VI of Jeff and Modiano."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sojourn.reference.dual_mode.modes import Modes
from sojourn.reference.dual_mode.partition import Partition, divide, one_load
from sojourn.reference.dual_mode.segment import Segment, segment
from sojourn.reference.dual_mode.stability import capacity, check_load
from sojourn.reference.errors import Array

SCAN = 512  # loads looked at for the first crossing
CLOSE = 1e-13  # relative width of the bracket of a breakaway load
ROUNDING = 64 * float(np.finfo(float).eps)  # of a coefficient, in parts of the largest


@dataclass(frozen=True, eq=False)
class Assignment(Partition):
    """The operating point of least delay: a `Partition` and its p.

    Attributes
    ----------
    least : float
        Mean delay there, evaluated along the stable interval: it keeps its digits where 1 - p does not.
    """

    least: float

    @property
    def p(self) -> float:
        """Part of the jobs in mode 1."""
        return float(self.assignment[0])

    @property
    def mean_delay(self) -> float:
        """Mean delay of a job over all stages."""
        return self.least


def assignment(modes: Modes, load: float) -> Assignment:
    """Return the p, alpha and beta of least mean delay.

    The delay is N/D along the stable interval (see `sojourn.reference.dual_mode.segment`): the best of the two ends and the roots of
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
    >>> from sojourn.reference.dual_mode import Canonical
    >>> best = assignment(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.5)
    >>> round(best.p, 6), round(best.mean_delay, 6)
    (0.575182, 6.938099)
    """
    along = segment(modes, one_load(modes, load))
    u, least = lowest(along)
    found = divide(modes, load, along.assignment(u))
    return Assignment(found.assignment, found.share, found.stage_delay, least)


def best_assignment(modes: Modes, loads: npt.ArrayLike) -> tuple[Array, Array]:
    """Return p* and the least mean delay at many loads, each of shape (K,)."""
    found = [(along.assignment(u)[0], least) for along, (u, least) in _each(modes, check_load(modes, np.atleast_1d(loads)))]
    p, least = np.array(found).reshape(-1, 2).T
    return p, least


def _each(modes: Modes, loads: Array) -> list[tuple[Segment, tuple[float, float]]]:
    along = [segment(modes, load) for load in loads.tolist()]
    return [(a, lowest(a)) for a in along]


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


@dataclass(frozen=True)
class Breakaway:
    """The load up to which all jobs are best in one mode.

    Attributes
    ----------
    load : float
    p_before, p_after : float
        The best p just below and just above.
    jump : float
        |p_after - p_before|; above 0 but where neither server has to be divided (f1 = 0 and f2 = 1).
    """

    load: float
    p_before: float
    p_after: float

    @property
    def jump(self) -> float:
        """How far p moves there."""
        return abs(self.p_after - self.p_before)


def light_load_assignment(modes: Modes) -> float:
    """Return the best p as the load tends to 0, of two modes: all jobs to the mode of least service time, 1 where nothing tells them apart.

    To second order in the load the delay of a mode alone is sum a + load sum a^2.
    """
    one, two = ((float(modes.time[:, m].sum()), float((modes.time[:, m] ** 2).sum())) for m in (0, 1))
    equal = abs(one[0] - two[0]) <= 1e-14 * (one[0] + two[0])
    return 0.0 if (two[1] < one[1] if equal else two[0] < one[0]) else 1.0


def breakaway(modes: Modes) -> Breakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; None where it is best at every load.

    Between the loads of a scan the first change is closed in by bisection, to 1e-13 of the load. A mode alone is left behind at the
    latest where it is no longer stable.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.

    Examples
    --------
    >>> from sojourn.reference.dual_mode import Canonical
    >>> found = breakaway(Canonical(1.0, 4.0, 0.05, 0.15).dual_mode)
    >>> round(found.load / 5, 6), found.p_after
    (0.577765, 0.0)
    """
    home = light_load_assignment(modes)
    most = capacity(modes).max_load
    alone = 1.0 / float(modes.time[:, 0 if home == 1.0 else 1].max())
    low, high = 0.0, min(alone, most)
    for load in (high * np.linspace(0, 1, SCAN, endpoint=False)[1:]).tolist():
        if _leaves(modes, load, home):
            high = load
            break
        low = load
    else:
        if alone >= most * (1 - CLOSE):  # carried alone up to saturation
            return None
    while high - low > CLOSE * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if _leaves(modes, middle, home) else (middle, high)
    return Breakaway(high, home, _elsewhere(modes, high, home))


def _leaves(modes: Modes, load: float, home: float) -> bool:
    """Whether some p is strictly better than one mode alone.

    With g the delay of the mode alone, N - g D vanishes at its end of the segment, twice where no server has to be divided; what is left
    after dividing that out is negative somewhere, or not. Comparing delays instead would lose half the digits of a break without a jump.
    """
    along = segment(modes, load)
    top, bottom = along.numerator, along.denominator
    points = np.concatenate([[0.0, 1.0], critical_points(along)])
    if home == 0.0:
        top, bottom, points = top[::-1], bottom[::-1], 1 - points
    rest = top - top[0] / bottom[0] * bottom
    noise = ROUNDING * np.abs(top).max()
    zeros = 2 if abs(rest[1]) <= noise else 1
    k = np.arange(len(rest) - zeros)
    values = (rest[zeros:] * points[:, None] ** k * (1 - points[:, None]) ** k[::-1]).sum(axis=1)
    return bool(np.any(values < -noise))


def _elsewhere(modes: Modes, load: float, home: float) -> float:
    """The best p that is not all jobs in the home mode."""
    along = segment(modes, load)
    points = np.append(critical_points(along), home)  # u = 0 is p = 1: the other end is where u is the home's p
    return float(along.assignment(points[int(np.argmin(along.delay(points)))])[0])
