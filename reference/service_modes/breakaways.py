"""Every load at which the set of modes that the best assignment uses changes.

Best assignments at the loads of a scan, each with its lower bound, bracket the changes; between two
loads with the same modes the scan sees no change, and one set that comes and goes there is missed.
In a bracket the least delays of both sets are followed:

* *Jump.* Both sets have the same delay at the load, at different assignments.
* *No jump.* The part of a mode tends to 0 there. Say mode m joins the best assignment p of a set at
  w_m = sqrt(p_m) = 0. A stage with work of both gives the delay the slope 2 c_s sqrt(a_sm) > 0 in
  w_m, with c_s = sum_k sqrt(p_k a_sk) / D_s. So **only a mode without work at any stage of the
  others joins or leaves without a jump**, where the slope in p_m is 0:

      sum_s a_sm + d_m = sum_s N_s / D_s^2 + sum_k p_k d_k,

  with the sum of the right-hand side over the stages of the others.

Within a limit of time the scan goes from the least load upwards, and what it did not come to is an
interval of loads that the answer names, as is a bracket that was not narrowed down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array, LoadError
from ..validation import as_float, as_integer, as_positive
from .assignment import best_assignments
from .capacity import capacity
from .light_load import assignment_at_light_load
from .modes import Modes, of_modes
from .support import Point, SupportOptimum, Used, point_of

EVEN = 48  # evenly spaced loads of the scan
TAIL = 20  # the scan starts at 2^-TAIL and ends at 1 - 2^-TAIL of the largest load
SECTIONS = 16  # parts of a bracket that are compared at once
CLOSE = 1e-14  # relative width of the last bracket
EQUAL = 1e-9  # relative distance of loads that are the same change
SECONDS = 60.0  # of a search
SCANNED = 0.75  # part of the seconds after which the scan ends
BLOCK = (4, 32)  # loads of the first block of the scan, and of any
ROUNDED = 1e-5  # part of a bracket's load by which a mode may have joined before it is seen


class Examined(NamedTuple):
    """Best assignments, shape (K, M), their delays and lower bounds, shape (K,)."""

    assignment: Array
    mean_delay: Array
    lower_bound: Array


Examine = Callable[[Array], Examined]
Track = Callable[[Iterator[Array]], Iterable[Array]]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class ModeChange:
    """A load at which the set of modes that the best assignment uses changes.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    before, after : ndarray, shape (M,)
        Best assignments just below and just above the load, their limits.
    used_before, used_after : tuple of int
        Modes that get jobs just below and just above the load.
    """

    load: float
    before: Array
    after: Array
    used_before: Used
    used_after: Used

    @property
    def jump(self) -> float:
        """Largest change of the part of a mode; 0 where a mode joins or leaves with no jobs."""
        return float(np.abs(self.after - self.before).max())


@dataclass(frozen=True, eq=False)
class Breakaways(Sequence[ModeChange]):
    """Changes of the set of used modes in the order of their loads, a sequence of `ModeChange`.

    Attributes
    ----------
    changes : tuple of ModeChange
    loads : ndarray
        Loads whose best assignment was examined, ascending: between two of them a set of modes that
        comes and goes is not seen.
    gap : float
        Largest relative gap between the delay and its lower bound at these loads.
    left : tuple of (float, float)
        Intervals of loads, ascending, in which the limit of time left no search for changes: above
        the last load of the scan, and where a change was seen but not narrowed down. Empty where
        the search is complete.
    """

    changes: tuple[ModeChange, ...]
    loads: Array
    gap: float
    left: tuple[Interval, ...] = ()

    @property
    def resolution(self) -> float:
        """Largest distance of neighbouring examined loads."""
        return float(np.diff(self.loads).max(initial=0.0))

    @overload
    def __getitem__(self, index: int) -> ModeChange: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ModeChange, ...]: ...

    def __getitem__(self, index: int | slice) -> ModeChange | tuple[ModeChange, ...]:
        return self.changes[index]

    def after(self, load: float) -> ModeChange | None:
        """Return the first change found above a load; None where there is none."""
        return next((change for change in self.changes if change.load > load), None)

    def __len__(self) -> int:
        return len(self.changes)


@of_modes
def breakaways(
    modes: Modes,
    low: float = 0.0,
    high: float | None = None,
    points: int = EVEN,
    seconds: float = SECONDS,
) -> Breakaways:
    """Return the loads at which the set of modes that the best assignment uses changes.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    low, high : float, optional
        Loads between which changes are searched, jobs per unit of time; by default up to
        1 - 2^-20 of the largest load. From 0 the search starts at 2^-20 of the largest load of
        the modes that are best at light load.
    points : int, default 48
        Number of evenly spaced loads of the scan. More follow towards a load of 0 and towards
        the largest load, and beside changes.
    seconds : float, default 60
        Time after which no further load is examined, but those of a block that has begun; infinite
        for no limit. What is found until then is returned, with the intervals ``left``.

    Returns
    -------
    Breakaways
        The changes, the loads that were examined, and the intervals that are left.

    Raises
    ------
    LoadError, InputError
        On loads that are not 0 <= low < high < the largest load, on less than two points, and on
        seconds that are not above 0.

    Notes
    -----
    Each change is narrowed down to about 1e-13 of its load. There, both assignments are compared
    with the lower bound of all. A jump of the best assignment that leaves the set of used modes as
    it is, is not listed.

    Examples
    --------
    >>> work = [[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]]
    >>> for change in breakaways(Modes.from_work(work)):
    ...     print(f"{change.load:.6f} {change.used_before} {change.used_after} {change.jump:.4f}")
    3.464689 (0,) (2,) 1.0000
    4.485206 (2,) (0, 2) 0.0760
    4.976243 (0, 2) (0, 1) 0.9349
    """
    loads, seconds = scan_loads(modes, low, high, points), as_seconds(seconds)
    return search(modes, loads, lambda some: Examined(*best_assignments(modes, some)), seconds)


def as_seconds(seconds: object) -> float:
    """Return a limit of time as a float; InputError unless it is above 0, or infinite."""
    remedy = "give a number above 0, or inf for no limit"
    if isinstance(seconds, float) and seconds == math.inf:
        return seconds
    return as_positive("seconds", seconds, remedy)


def scan_loads(modes: Modes, low: float, high: float | None, points: int) -> Array:
    """Return the loads of the scan, ascending; parameters are those of `breakaways`."""
    most = capacity(modes).max_load
    start = as_float("low", low)
    end = most * (1 - 0.5**TAIL) if high is None else as_float("high", high)
    if not 0 <= start < most:
        raise LoadError("low", start, "is not a load from 0 to the largest", "give another")
    if not start < end < most:
        problem = f"is not above low = {start:g} and below the largest load {most:g}"
        raise LoadError("high", end, problem, "give another")
    count = as_integer("points", points, "a number of loads", 2)
    home = assignment_at_light_load(modes)
    first = max(start, 0.5**TAIL / float((modes.time @ home).max()))
    if not first < end:
        raise LoadError("high", end, f"is a load as light as {first:g}", "give a larger one")
    even = np.linspace(first, end, count)
    octaves = max(math.ceil(math.log2(end / first)), 1)
    halves = 0.5 ** np.arange(5, TAIL)
    tail = most * np.concatenate([1 - halves, 1 - halves / math.sqrt(2)])
    light = np.geomspace(first, end, octaves // 2 + 2)
    return np.unique([*even, *light[1:-1], *tail[(tail > first) & (tail < end)]])


def search(
    modes: Modes, loads: Array, examine: Examine, seconds: float, track: Track = iter
) -> Breakaways:
    """Return the changes between loads.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    loads : ndarray, shape (K,)
        Loads of the scan, ascending.
    examine : callable
        Best assignments, their delays and the lower bounds at loads, as of `best_assignments`.
    seconds : float
        Limit of time, as of `breakaways`.
    track : callable, optional
        Passes on the blocks of loads of the scan, and may show the progress.
    """
    return _Search(modes, examine, seconds).run(loads, track)


class _Search:
    """Best assignments at loads, and the changes between them."""

    def __init__(self, modes: Modes, examine: Examine, seconds: float) -> None:
        self.modes, self.examine, self.seconds = modes, examine, seconds
        self.started = time.monotonic()
        self.most = capacity(modes).max_load
        self.loads: list[float] = []
        self.gap = 0.0
        self.optima: dict[Used, SupportOptimum] = {}
        self.left: list[Interval] = []

    def run(self, loads: Array, track: Track) -> Breakaways:
        """Return the changes between loads, ascending."""
        points = [p for block in track(self._blocks(loads)) for p in self._best(block)]
        if len(points) < loads.size:
            self.left.append((points[-1].load, float(loads[-1])))
        points = self._settled(points)
        beside = [
            0.5 * (a.load + b.load)
            for i, (a, b) in enumerate(pairwise(points))
            if len({p.used for p in points[max(0, i - 1) : i + 3]}) > 1
        ]
        more = [p for block in self._blocks(np.array(beside)) for p in self._best(block)]
        if more:
            points = self._settled(sorted([*points, *more], key=lambda p: p.load))
        changes: list[ModeChange] = []
        for before, after in pairwise(points):
            changes += self._between(before, after)
        return Breakaways(tuple(changes), np.unique(self.loads), self.gap, tuple(sorted(self.left)))

    def _blocks(self, loads: Array) -> Iterator[Array]:
        """Yield blocks of loads that the scan's part of the time is enough for, at least one."""
        begun, at, size = self._spent, 0, BLOCK[0]
        while at < loads.size and (not self.loads or self._spent < SCANNED * self.seconds):
            yield loads[at : at + size]
            at += size
            pace = max(self._spent - begun, 1e-9) / at
            size = int(np.clip((SCANNED * self.seconds - self._spent) / pace, 1, BLOCK[1]))

    @property
    def _spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def optimum(self, used: Used) -> SupportOptimum:
        """Return the local optima of a set of modes."""
        if used not in self.optima:
            self.optima[used] = SupportOptimum(self.modes, used)
        return self.optima[used]

    def rounding(self, load: float) -> float:
        """Return the relative rounding error of a delay."""
        return 16 * EPS / (1 - load / self.most)

    def _best(self, loads: Array) -> list[Point]:
        """Return the best assignments at loads."""
        parts, delay, lower = self.examine(loads)
        self.loads += loads.tolist()
        self.gap = max(self.gap, float((1 - lower / delay).max()))
        rows = zip(loads.tolist(), parts, strict=True)
        return [point_of(self.modes, load, p, self.rounding(load)) for load, p in rows]

    def _settled(self, points: list[Point]) -> list[Point]:
        """Return the points with the modes of a neighbour where these are as good, or better.

        A search knows the best assignment up to its gap, and takes any of several equal ones.
        """
        points = list(points)
        for i in range(1, len(points)):
            points[i] = self._better(points[i], points[i - 1], 1.0)
        for i in reversed(range(len(points) - 1)):
            points[i] = self._better(points[i], points[i + 1], -1.0)
        return points

    def _better(self, point: Point, other: Point, sign: float) -> Point:
        """Return the other point's modes at a load if they are better, or equal where sign is 1."""
        if point.used == other.used:
            return point
        (w,), (delay,) = self.optimum(other.used).follow(np.array([point.load]), other.w)
        rounding = self.rounding(point.load)
        if not delay <= point.delay * (1 + sign * rounding):
            return point
        return point_of(self.modes, point.load, self.optimum(other.used).parts(w), rounding)

    def _between(self, before: Point, after: Point) -> list[ModeChange]:
        """Return the changes between two best points."""
        if before.used == after.used:
            return []
        if self._spent > self.seconds:
            self.left.append((before.load, after.load))
            return []
        change, split = self._continuous(before, after)
        if change is None and split is None:
            change, split = self._jump(before, after)
        if change is not None and split is None:
            split = self._third(change, before, after)
        if split is None or after.load - before.load <= EQUAL * after.load:
            return [] if change is None else [change]
        return [*self._between(before, split), *self._between(split, after)]

    def _third(self, change: ModeChange, before: Point, after: Point) -> Point | None:
        """Return the best point at a change where it is better than both sets of modes."""
        best = self._best(np.array([change.load]))[0]
        both = [self.optimum(p.used).least(best.load, p.w) for p in (before, after)]
        return best if best.delay < min(both) * (1 - self.rounding(best.load)) else None

    def _continuous(self, before: Point, after: Point) -> tuple[ModeChange | None, Point | None]:
        """Return the change at which modes join or leave without a jump, or a point to split at.

        Neither where some of the modes share a stage with others, or where they jump.
        """
        joins = len(before.used) < len(after.used)
        few, many = (before, after) if joins else (after, before)
        extra = sorted(set(many.used) - set(few.used))
        busy = self.modes.time > 0
        shared = busy[:, list(few.used)].any(axis=1) & busy[:, extra].any(axis=1)
        if not set(few.used) < set(many.used) or shared.any():
            return None, None
        optimum = self.optimum(few.used)
        margin = 0.5 * ROUNDED * min(before.load, self.most - after.load)
        ends = before.load - margin, after.load + margin

        def root(m: int) -> float:
            def is_after(loads: Array) -> npt.NDArray[np.bool_]:
                return np.asarray((optimum.slopes(loads, few.w, m) < 0) == joins)

            return _first(is_after, *ends)

        roots = sorted(root(m) for m in extra)
        if roots[0] == ends[1]:
            return None, None
        later = [r for r in roots if r > roots[0] * (1 + EQUAL)]
        if later:
            return None, self._best(np.array([0.5 * (roots[0] + later[0])]))[0]
        load = roots[0] if joins else roots[-1]
        least = optimum.least(load, few.w)
        if self.optimum(many.used).least(load, many.w) < least * (1 - self.rounding(load)):
            return None, None
        parts = optimum.parts(optimum.follow(np.array([load]), few.w)[0][0])
        return ModeChange(load, parts, parts, before.used, after.used), None

    def _jump(self, before: Point, after: Point) -> tuple[ModeChange, Point | None]:
        """Return the load at which both sets of modes have the same delay.

        With it comes a point of a third set, where the local optimum of one of the two ends.
        """
        one, two = self.optimum(before.used), self.optimum(after.used)
        (low, w_low), (high, w_high) = (before.load, before.w), (after.load, after.w)
        while high - low > CLOSE * high:
            loads = np.linspace(low, high, SECTIONS + 1)[1:-1]
            w_one, delay_one = one.follow(loads, w_low)
            w_two, delay_two = two.follow(loads, w_high)
            away = delay_two < delay_one * (1 - self.rounding(high))
            at = int(np.argmax(away)) if away.any() else loads.size
            if at < loads.size:
                high, w_high = float(loads[at]), w_two[at]
            if at > 0:
                low, w_low = float(loads[at - 1]), w_one[at - 1]
        parts = one.parts(w_low), two.parts(w_high)
        ends = [point_of(self.modes, high, p, self.rounding(high)) for p in parts]
        third = [p for p in ends if p.used not in (before.used, after.used)]
        change = ModeChange(high, *parts, before.used, after.used)
        return change, third[0] if third else None


def _first(is_after: Callable[[Array], npt.NDArray[np.bool_]], low: float, high: float) -> float:
    """Return the first load of a bracket at which a test holds; the upper end where none is."""
    while high - low > CLOSE * high:
        loads = np.linspace(low, high, SECTIONS + 1)[1:-1]
        after = is_after(loads)
        at = int(np.argmax(after)) if after.any() else loads.size
        low, high = (
            float(loads[at - 1]) if at > 0 else low,
            float(loads[at]) if at < loads.size else high,
        )
        if at == loads.size and not is_after(np.array([high]))[0]:
            return high
    return high
