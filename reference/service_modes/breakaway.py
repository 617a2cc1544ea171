"""The load at which the best assignment leaves a single mode: Theorems 5 and 6 of Jeff and Modiano."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from .assignment import critical_points
from .modes import Modes, check_two_modes, of_modes
from .segment import Segment, segment
from .stability import capacity

SCAN = 512  # loads looked at for the first change
CLOSE = 1e-13  # relative width of the last bracket
ROUNDING = 2 * EPS


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


@of_modes
def light_load_assignment(modes: Modes) -> float:
    """Return the best p as the load tends to 0, of two modes: all jobs to the mode of least service time, 1 where nothing tells them apart.

    To second order in the load the delay of a mode alone is sum a + load sum a^2.
    """
    check_two_modes(modes, "an assignment of single modes")
    time = modes.time / modes.time.max()
    one, two = ((float(time[:, m].sum()), float((time[:, m] ** 2).sum())) for m in (0, 1))
    equal = abs(one[0] - two[0]) <= 1e-14 * (one[0] + two[0])
    return 0.0 if (two[1] < one[1] if equal else two[0] < one[0]) else 1.0


@of_modes
def breakaway(modes: Modes) -> Breakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; None where it is best at every load.

    Between the loads of a scan (evenly, and ever closer to the largest) the first change is closed in by bisection, to 1e-13 of the load. A
    mode alone is left behind at the latest where it is no longer stable.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> found = breakaway(Canonical(1.0, 4.0, 0.05, 0.15).dual_mode)
    >>> round(found.load / 5, 6), found.p_after
    (0.577765, 0.0)
    """
    home = light_load_assignment(modes)
    parts = np.concatenate(
        [np.linspace(0, 1, SCAN, endpoint=False)[1:], 1 - 0.5 ** np.arange(10, 40)]
    )
    load = first_change(modes, home, lambda load: _leaves(modes, load, home), parts, CLOSE)
    return (
        None
        if load is None
        else Breakaway(load, home, best_away(modes, load, home, *_candidates(modes, load)))
    )


def first_change(
    modes: Modes, home: float, leaves: Callable[[float], bool], parts: Array, close: float
) -> float | None:
    """Return the first load at which one mode alone is left, None where it is not.

    Parameters
    ----------
    modes : Modes
    home : float
        p of the mode alone, 0 or 1.
    leaves : callable
        Whether it is left at a load.
    parts : ndarray
        Loads to look at, in parts of the largest that the mode carries alone, ascending.
    close : float
        Relative width of the last bracket.
    """
    most = capacity(modes).max_load
    alone = 1.0 / float(modes.time[:, 0 if home == 1.0 else 1].max())
    low, high = 0.0, min(alone, most)
    for load in (high * parts).tolist():
        if leaves(load):
            high = load
            break
        low = load
    else:
        if alone >= most * (1 - CLOSE):  # carried alone up to saturation
            return None
    while high - low > close * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if leaves(middle) else (middle, high)
    return high


def _leaves(modes: Modes, load: float, home: float) -> bool:
    return bool(np.any(is_better(modes, load, home, *_candidates(modes, load))))


def _candidates(modes: Modes, load: float) -> tuple[Segment, Array]:
    """The stable interval, and the points at which the delay may be least."""
    along = segment(modes, load)
    return along, np.concatenate([[0.0, 1.0], critical_points(along)])


def is_better(modes: Modes, load: float, home: float, along: Segment, points: Array) -> Array:
    """Whether the delay at points of the stable interval is strictly below that of one mode alone.

    Delays that are nearly equal differ by rounding. In c = sqrt(p), s = sqrt(1 - p), with the mode alone at s = 0, and a, b the service times
    of the two modes at a stage, their difference is

        s sum_stages (2 c sqrt(a b) (1 - load a) + s (b - a)) / ((c^2 (1 - load a) + s^2 (1 - load b)) (1 - load a)),

    in which the delays themselves have cancelled. Where no server is divided (a b = 0 everywhere) another s comes out.
    """
    direction = np.outer(1 - points, along.start) + np.outer(points, along.end)
    time = modes.time if home == 1.0 else modes.time[:, ::-1]
    c, s = (direction if home == 1.0 else direction[:, ::-1]).T[:, :, None]
    (a, b), (left, other) = time.T, (1 - load * time).T
    spare_capacity = (c**2 * left + s**2 * other) * left
    cross = np.sqrt(a) * np.sqrt(b)
    if cross.any():
        parts = np.stack([2 * c * cross * left + 0 * s, s * b, -s * a])
        inside = s[:, 0] > 0
    else:
        parts = np.stack([b + 0 * s, -a + 0 * s])
        inside = s[:, 0] >= 0
    terms = np.divide(parts, spare_capacity, out=np.zeros_like(parts), where=spare_capacity > 0)
    stable = inside & np.all(spare_capacity > 0, axis=1)
    return np.asarray(
        stable & (terms.sum(axis=(0, 2)) < -ROUNDING * np.abs(terms).sum(axis=(0, 2)))
    )


def best_away(modes: Modes, load: float, home: float, along: Segment, points: Array) -> float:
    """The best p among points that are better than one mode alone; just above a break without a jump that is where the mode alone is."""
    better = points[is_better(modes, load, home, along, points)]
    away = better if better.size else points[points != 1.0 - home]  # u = 0 is p = 1
    return float(along.assignment(away[int(np.argmin(along.delay(away)))])[0])
