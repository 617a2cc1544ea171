"""Stable loads and assignments: Section IV of Jeff and Modiano, for any stages and modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array, InputError, LoadError
from ..validation import as_float, as_floats, as_fractions, as_shape, as_single_load, loads_below
from .capacity import capacity
from .modes import Modes, check_two_modes, of_modes

SUM = 1e-9  # largest distance of the sum of an assignment from 1


def check_load(modes: Modes, load: npt.ArrayLike) -> Array:
    """Return the loads as an array of shape () or (K,).

    Raises
    ------
    LoadError
        On a load that is not a number above 0 and below the largest load.
    """
    nothing = "there are no jobs to assign"
    full = "whatever the assignment, a queue grows without bound"
    return loads_below(capacity(modes).max_load, load, nothing, full, "lower the load or add rate")


def one_load(modes: Modes, load: float) -> float:
    """Return one load above 0 and below the largest load as a float; LoadError on others."""
    return as_single_load(check_load(modes, load))


def check_assignment(modes: Modes, load: float, p: npt.ArrayLike) -> Array:
    """Return the fraction of the jobs in each mode, shape (M,), from a stable assignment.

    Raises
    ------
    InputError
        As `as_assignment`.
    LoadError
        Where the queue of a stage grows without bound; with two modes the remedy gives the stable
        interval.
    """
    parts = as_assignment(modes, p)
    spare_capacity = stage_spare_capacity(modes, load, parts)
    if not np.all(spare_capacity > 0):
        s = int(np.argmin(spare_capacity))
        busy = f"stage {s} would be busy {1 - spare_capacity[s]:.6g} of the time"
        problem = f"{busy}: its queue grows without bound"
        remedy = "give more jobs to a mode that asks less of it"
        if modes.modes == 2:
            low, high = stable_interval(modes, load)
            remedy = f"at load {load:.12g} p must be in {_interval(low, high)}"
        raise LoadError("p", as_floats("p", p).tolist(), problem, remedy)
    return parts


def as_assignment(modes: Modes, p: npt.ArrayLike) -> Array:
    """Return the fraction of the jobs in each mode, shape (M,).

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    p : float or array_like, shape (M,)
        With two modes, the fraction of the jobs in mode 1; else the fraction in each mode.

    Raises
    ------
    InputError
        On fractions outside [0, 1] or that do not sum to 1.
    """
    array = as_fractions("p", p, "the jobs")
    if array.ndim == 0 and modes.modes == 2:
        return np.array([array, 1 - array])
    if array.shape == (modes.modes,):
        if abs(array.sum() - 1) > SUM:
            problem = f"adds up to {array.sum():.12g}"
            raise InputError("p", array.tolist(), problem, "give parts that add up to 1")
        return np.asarray(array / array.sum())
    problem = f"does not say what each of {modes.modes} modes gets"
    remedy = f"give {'a number, or ' * (modes.modes == 2)}{modes.modes} numbers"
    raise InputError("p", array.tolist(), problem, remedy)


def _interval(low: float, high: float) -> str:
    """Return the interval as text; an end at 0 or 1 is part of it."""
    return f"{'[' if low == 0 else '('}{low:.12g}, {high:.12g}{']' if high == 1 else ')'}"


def stage_spare_capacity(modes: Modes, load: npt.ArrayLike, parts: Array) -> Array:
    """Return the spare capacity of each stage, as a fraction of its time, shape (..., S).

    It is 1 - load sum_m p_m / rate_sm.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : array_like, shape (...)
    parts : ndarray, shape (..., M)
        Fraction of the jobs in each mode.
    """
    return np.asarray(1.0 - np.asarray(load)[..., None] * (parts @ modes.time.T))


@of_modes
def stable_interval(modes: Modes, load: float) -> tuple[float, float]:
    """Return the ends of the interval of p for which two modes are stable.

    It is P_lambda, the intersection of [0, 1] with (p_min, p_max); Section V of Jeff and Modiano.
    An end at 0 or 1 belongs to it, unless it is p_min or p_max itself.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    low, high : float
        Fractions of the jobs in mode 1.

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        On another number of modes than two.

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
    """An end of the stable interval.

    Attributes
    ----------
    p, rest : float
        p and 1 - p, each to full accuracy.
    stage : int or None
        The stage that is full there; None at p = 0 or 1 where no stage is.
    """

    p: float
    rest: float
    stage: int | None


def ends(modes: Modes, load: float) -> tuple[End, End]:
    """Return the ends of the stable interval of two modes, that of the larger p first."""
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
    """An operating point under which every queue is stable.

    Attributes
    ----------
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode.
    partition : ndarray, shape (S, M)
        Share of each stage's capacity that each mode gets.
    """

    assignment: Array
    partition: Array


@of_modes
def stable_point(modes: Modes, load: float) -> StablePoint:
    """Return a stable operating point at a load, as in the proof of Lemma 1 of Jeff and Modiano.

    The assignment is that of the largest load. Every mode gets the share of each stage that its
    load needs, and an equal part of the spare capacity; for two modes
    alpha = (1 - load (1-p)/mu_l2 + load p/mu_l1) / 2, and likewise beta.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    StablePoint

    Raises
    ------
    LoadError
        At or above the largest load, where no operating point is stable (Lemma 2), and on a load
        that is not above 0.
    """
    parts = capacity(modes).assignment
    need = one_load(modes, load) * parts * modes.time
    return StablePoint(parts, need + (1.0 - need.sum(axis=1, keepdims=True)) / modes.modes)


@of_modes
@np.errstate(all="ignore")
def is_stable(
    modes: Modes, load: float, assignment: npt.ArrayLike, partition: npt.ArrayLike
) -> bool:
    """Return whether every queue is stable: load p_m < share_sm rate_sm for each mode with jobs.

    Condition (1) of Jeff and Modiano.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load, jobs per unit of time.
    assignment : array_like, shape (M,)
        Fraction of the jobs in each mode.
    partition : array_like, shape (S, M)
        Share of each stage's capacity that each mode gets.

    Raises
    ------
    InputError
        On arrays of another shape, or numbers that are not finite.
    """
    shape = modes.rate.shape
    parts = as_shape("assignment", assignment, shape[1:])
    share = as_shape("partition", partition, shape)
    need = as_float("load", load) * parts * modes.time
    valid_parts = np.all(parts >= 0) and abs(parts.sum() - 1) <= SUM
    valid_shares = np.all(share >= 0) and np.all(share.sum(axis=1) <= 1 + SUM)
    return bool(valid_parts and valid_shares and np.all((need < share) | (need == 0)))
