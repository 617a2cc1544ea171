"""Which loads and which assignments the stages can carry: Section IV of Jeff and Modiano, for any number of stages and modes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..errors import Array, InputError, LoadError
from ..validation import as_float, as_floats, as_fractions, as_shape, as_single_load, loads_below
from .modes import Modes, check_two_modes, of_modes

SUM = 1e-9  # how far an assignment may be from adding up to 1


@dataclass(frozen=True, eq=False)
class Capacity:
    """The largest load and how it is carried.

    Attributes
    ----------
    max_load : float
        Every smaller load can be carried, this one cannot: Theorem 2.
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets as the load tends to it.
    """

    max_load: float
    assignment: Array


@of_modes
@lru_cache(maxsize=128)
def capacity(modes: Modes) -> Capacity:
    """Return the largest load, 1 / min over p of the largest stage load sum_m p_m / rate_sm; Theorem 2 of Jeff and Modiano and its like.

    It is the value of a matrix game, and one of its best strategies makes a square subgame even (Shapley and Snow, 1950), so all of those
    are tried: for two stages and two modes that is min(mu_l1, mu_c2, mu*), for S and M their number is C(S + M, M).

    Parameters
    ----------
    modes : Modes

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> round(capacity(Canonical(1.0, 4.0, 0.05, 0.15).dual_mode).max_load, 6)
    4.705882
    """
    time = modes.time
    best, least = np.zeros(modes.modes), np.inf
    for size in range(1, min(time.shape) + 1):
        for columns in combinations(range(modes.modes), size):
            for rows in combinations(range(modes.stages), size):
                p = _even(time[np.ix_(rows, columns)])
                if p is None:
                    continue
                whole = np.zeros(modes.modes)
                whole[list(columns)] = p
                largest = float((time @ whole).max())
                if largest < least:
                    best, least = whole, largest
    return Capacity(1.0 / least, best)


def _even(square: Array) -> Array | None:
    """Mixture of the columns that loads all rows alike, if there is one."""
    size = len(square)
    border = np.zeros((size + 1, size + 1))
    border[:size, :size], border[:size, size], border[size, :size] = (
        square / square.max(initial=1e-300),
        -1.0,
        1.0,
    )
    try:
        p: Array = np.linalg.solve(border, np.append(np.zeros(size), 1.0))[:size]
    except np.linalg.LinAlgError:
        return None
    return p if np.all(p >= 0) else None


def check_load(modes: Modes, load: npt.ArrayLike) -> Array:
    """Return the loads as an array of shape () or (K,).

    Raises
    ------
    LoadError
        On a load that is not a number above 0 and below the largest that the stages can carry.
    """
    full = "whatever the assignment, a queue grows without bound"
    return loads_below(
        capacity(modes).max_load,
        load,
        "there are no jobs to assign",
        full,
        "lower the load or add rate",
    )


def one_load(modes: Modes, load: float) -> float:
    """Return the load as a float; LoadError unless it is one load that the stages can carry."""
    return as_single_load(check_load(modes, load))


def check_assignment(modes: Modes, load: float, p: npt.ArrayLike) -> Array:
    """Return the part of the jobs that each mode gets, shape (M,), under which every stage keeps up.

    Raises
    ------
    InputError
        As `as_assignment`.
    LoadError
        Where a stage cannot keep up; with two modes it says the stable interval.
    """
    parts = as_assignment(modes, p)
    left = slack(modes, load, parts)
    if not np.all(left > 0):
        s = int(np.argmin(left))
        problem = (
            f"stage {s} would be busy {1 - left[s]:.6g} of the time: its queue grows without bound"
        )
        remedy = "give more jobs to a mode that asks less of it"
        if modes.modes == 2:
            low, high = stable_interval(modes, load)
            remedy = f"at load {load:.12g} p must be in {_interval(low, high)}"
        raise LoadError("p", as_floats("p", p).tolist(), problem, remedy)
    return parts


def as_assignment(modes: Modes, p: npt.ArrayLike) -> Array:
    """Return the part of the jobs that each mode gets, shape (M,), from p as a number (of two modes) or a list.

    Raises
    ------
    InputError
        On parts outside [0, 1] or that do not add up to 1.
    """
    array = as_fractions("p", p, "the jobs")
    if array.ndim == 0 and modes.modes == 2:
        return np.array([array, 1 - array])
    if array.shape == (modes.modes,):
        if abs(array.sum() - 1) > SUM:
            raise InputError(
                "p", array.tolist(), f"adds up to {array.sum():.12g}", "give parts that add up to 1"
            )
        return np.asarray(array / array.sum())
    tolerance = (
        f"a number, or {modes.modes} numbers" if modes.modes == 2 else f"{modes.modes} numbers"
    )
    raise InputError(
        "p",
        array.tolist(),
        f"does not say what each of {modes.modes} modes gets",
        f"give {tolerance}",
    )


def _interval(low: float, high: float) -> str:
    """An end counts as inside where it is the whole of the jobs."""
    return f"{'[' if low == 0 else '('}{low:.12g}, {high:.12g}{']' if high == 1 else ')'}"


def slack(modes: Modes, load: npt.ArrayLike, parts: Array) -> Array:
    """Part of each stage's time that is left, 1 - load sum_m p_m / rate_sm, shape (..., S) for p of shape (..., M)."""
    return np.asarray(1.0 - np.asarray(load)[..., None] * (parts @ modes.time.T))


@of_modes
def stable_interval(modes: Modes, load: float) -> tuple[float, float]:
    """Interval of p under which two modes can be carried, P_lambda = [0, 1] with (p_min, p_max); Section V of Jeff and Modiano.

    An end at 0 or 1 belongs to it, unless it is p_min or p_max itself.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> [round(p, 4) for p in stable_interval(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, 4.6)]
    [0.413, 0.8478]
    """
    high, low = ends(modes, one_load(modes, load))
    return low.p, high.p


@dataclass(frozen=True)
class End:
    """An end of the stable interval: p and 1 - p, each to full accuracy, and the stage that fills up there, if one does."""

    p: float
    rest: float
    stage: int | None


def ends(modes: Modes, load: float) -> tuple[End, End]:
    """Ends of the stable interval of two modes: the one of the larger p first."""
    check_two_modes(modes, "an interval of p")
    high, low = End(1.0, 0.0, None), End(0.0, 1.0, None)
    for s, (first, second) in enumerate((load * modes.time).tolist()):
        width = abs(first - second)
        if first > second and first >= 1:
            p, rest = (1 - second) / width, (first - 1) / width
            high = End(p, rest, s) if p < high.p or high.stage is None else high
        elif second > first and second >= 1:
            p, rest = (second - 1) / width, (1 - first) / width
            low = End(p, rest, s) if p > low.p or low.stage is None else low
    return high, low


@dataclass(frozen=True, eq=False)
class StablePoint:
    """An operating point under which no queue grows: parts of the jobs, shape (M,), and of each stage's capacity, shape (S, M)."""

    assignment: Array
    partition: Array


@of_modes
def stable_point(modes: Modes, load: float) -> StablePoint:
    """Return some operating point that carries a load: Lemma 1 of Jeff and Modiano, constructed as in its proof.

    The assignment is that of the largest load; every mode gets of each stage what it needs and an equal part of what is left, which for two
    modes is alpha = (1 - load (1-p)/mu_l2 + load p/mu_l1) / 2, and likewise beta.

    Raises
    ------
    LoadError
        At or above the largest load: Lemma 2.
    """
    parts = capacity(modes).assignment
    need = one_load(modes, load) * parts * modes.time
    return StablePoint(parts, need + (1.0 - need.sum(axis=1, keepdims=True)) / modes.modes)


@of_modes
@np.errstate(all="ignore")
def is_stable(
    modes: Modes, load: float, assignment: npt.ArrayLike, partition: npt.ArrayLike
) -> bool:
    """Whether every queue is stable, load p_m < share_sm rate_sm: condition (1) of Jeff and Modiano, for the modes that get jobs.

    Parameters
    ----------
    modes : Modes
    load : float
    assignment : array_like, shape (M,)
    partition : array_like, shape (S, M)
        Part of each stage's capacity that each mode gets.
    """
    shape = modes.rate.shape
    parts, share = (
        as_shape("assignment", assignment, shape[1:]),
        as_shape("partition", partition, shape),
    )
    need = as_float("load", load) * parts * modes.time
    given_out = (
        np.all(parts >= 0)
        and abs(parts.sum() - 1) <= SUM
        and np.all(share >= 0)
        and np.all(share.sum(axis=1) <= 1 + SUM)
    )
    return bool(given_out and np.all((need < share) | (need == 0)))
