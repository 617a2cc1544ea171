"""Load at which one mode for all jobs stops being best: Theorems 5 and 6 of Jeff and Modiano."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from .capacity import capacity
from .light_load import assignment_at_light_load
from .modes import Modes, check_two_modes, of_modes
from .segment import Segment, critical_points, segment

SCAN = 512  # loads of the scan for the first change
CLOSE = 1e-13  # relative width of the last bracket
ROUNDING = 2 * EPS


@dataclass(frozen=True)
class Breakaway:
    """Load up to which the best assignment sends all jobs to one mode.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    p_before, p_after : float
        Best fraction of the jobs in mode 1 just below and just above the load.
    """

    load: float
    p_before: float
    p_after: float

    @property
    def jump(self) -> float:
        """Change of the best p at the load, ``|p_after - p_before|``.

        It is above 0 unless no server has to be divided (f1 = 0 and f2 = 1).
        """
        return abs(self.p_after - self.p_before)


@of_modes
def light_load_assignment(modes: Modes) -> float:
    """Return the best p of two modes as the load tends to 0, see `assignment_at_light_load`.

    It is 1 or 0, or between where two modes are equally fast and share no stage.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.

    Raises
    ------
    InputError
        On another number of modes than two.
    """
    check_two_modes(modes, "an assignment of single modes")
    return float(assignment_at_light_load(modes)[0])


@of_modes
def breakaway(modes: Modes) -> Breakaway | None:
    """Return the first load at which one mode for all jobs is not the best assignment.

    A scan over loads, even and then ever closer to the largest, brackets the first change, and
    bisection narrows the bracket to 1e-13 of the load. The change comes at the latest where one
    mode alone is no longer stable.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.

    Returns
    -------
    Breakaway or None
        None where one mode is best at every load, or both are at every one: two equally fast modes
        that share no stage are mixed from the start.

    Raises
    ------
    InputError
        On another number of modes than two.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> found = breakaway(Canonical(1.0, 4.0, 0.05, 0.15).dual_mode)
    >>> round(found.load / 5, 6), found.p_after
    (0.577765, 0.0)
    """
    home = light_load_assignment(modes)
    if 0 < home < 1:
        return None
    even = np.linspace(0, 1, SCAN, endpoint=False)[1:]
    parts = np.concatenate([even, 1 - 0.5 ** np.arange(10, 40)])
    load = first_change(modes, home, lambda load: _leaves(modes, load, home), parts, CLOSE)
    if load is None:
        return None
    return Breakaway(load, home, best_away(modes, load, home, *_candidates(modes, load)))


def first_change(
    modes: Modes, home: float, leaves: Callable[[float], bool], parts: Array, close: float
) -> float | None:
    """Return the first load at which one mode alone is not the best; None where there is none.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    home : float
        p of the mode alone, 0 or 1.
    leaves : callable
        Whether the mode alone is not the best at a load.
    parts : ndarray
        Loads of the scan, as fractions of the largest load of the mode alone, ascending.
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
        if alone >= most * (1 - CLOSE):  # the mode alone is stable up to saturation
            return None
    while high - low > close * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if leaves(middle) else (middle, high)
    return high


def _leaves(modes: Modes, load: float, home: float) -> bool:
    """Return whether one mode alone is not the best at a load."""
    return bool(np.any(is_better(modes, load, home, *_candidates(modes, load))))


def _candidates(modes: Modes, load: float) -> tuple[Segment, Array]:
    """Return the stable interval, and the points among which the delay is least."""
    along = segment(modes, load)
    return along, np.concatenate([[0.0, 1.0], critical_points(along)])


def is_better(modes: Modes, load: float, home: float, along: Segment, points: Array) -> Array:
    """Return whether the delay at each point is strictly below that of one mode alone, shape (K,).

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load : float
    home : float
        p of the mode alone, 0 or 1.
    along : Segment
        The stable interval at the load.
    points : ndarray, shape (K,)
        Points u of the interval.

    Notes
    -----
    The difference of nearly equal delays would be rounding error. In c = sqrt(p), s = sqrt(1 - p),
    with the mode alone at s = 0, and a, b the service times of the two modes at a stage, it is

        s sum_stages (2 c sqrt(a b) (1 - load a) + s (b - a)) / (q (1 - load a)),
        q = c^2 (1 - load a) + s^2 (1 - load b),

    in which the delays themselves have cancelled; fixed delays d, e of the two modes add
    s^2 (e - d) / (c^2 + s^2). Where no server is divided (a b = 0 at every stage) the difference
    has a second factor s.
    """
    direction = np.outer(1 - points, along.start) + np.outer(points, along.end)
    time = modes.time if home == 1.0 else modes.time[:, ::-1]
    c, s = (direction if home == 1.0 else direction[:, ::-1]).T[:, :, None]
    (a, b), (spare_a, spare_b) = time.T, (1 - load * time).T
    denominator = (c**2 * spare_a + s**2 * spare_b) * spare_a
    cross = np.sqrt(a) * np.sqrt(b)
    if cross.any():
        numerators = np.stack([2 * c * cross * spare_a + 0 * s, s * b, -s * a])
        inside = s[:, 0] > 0
    else:
        numerators = np.stack([b + 0 * s, -a + 0 * s])
        inside = s[:, 0] >= 0
    zero = np.zeros_like(numerators)
    terms = np.divide(numerators, denominator, out=zero, where=denominator > 0)
    if modes.delay.any():
        own, other = modes.delay if home == 1.0 else modes.delay[::-1]
        weight = (s if cross.any() else 1.0) / (c**2 + s**2)
        rows = np.stack([0 * weight, weight * other, -weight * own])[-len(terms) :]
        terms = np.concatenate([terms, rows], axis=2)
    stable = inside & np.all(denominator > 0, axis=1)
    rounding = ROUNDING * np.abs(terms).sum(axis=(0, 2))
    return np.asarray(stable & (terms.sum(axis=(0, 2)) < -rounding))


def best_away(modes: Modes, load: float, home: float, along: Segment, points: Array) -> float:
    """Return the best p among the points that are better than one mode alone.

    Just above a breakaway without a jump no point is; there it is the best of the other points.
    Parameters are those of `is_better`.
    """
    better = points[is_better(modes, load, home, along, points)]
    away = better if better.size else points[points != 1.0 - home]  # u = 0 is p = 1
    return float(along.assignment(away[int(np.argmin(along.delay(away)))])[0])
