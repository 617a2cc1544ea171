"""The best partition of each stage between the modes, at a given assignment.

Section V of Jeff and Modiano. Stages do not depend on each other here, and the optimum at each is
Kleinrock's square-root rule: a mode gets the share that its load needs, and a part of the spare
capacity in proportion to the square root of that need. It holds for any number of stages and modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array, LoadError
from ..validation import as_float, as_floats, as_shape, check_broadcast, raise_at_first
from .modes import Canonical, Modes, check_two_modes, of_canonical, of_modes
from .stability import check_assignment, one_load, stage_spare_capacity
from .tunable import TunableMode


@dataclass(frozen=True, eq=False)
class Partition:
    """The best partition of S stages between M modes.

    Attributes
    ----------
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode.
    share : ndarray, shape (S, M)
        Share of each stage's capacity that each mode gets; each row sums to 1.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage.
    fixed_delay : float
        Mean fixed delay of a job, sum p_m d_m.
    """

    assignment: Array
    share: Array
    stage_delay: Array
    fixed_delay: float = 0.0

    @property
    def mean_delay(self) -> float:
        """Mean delay of a job: over all stages, and the fixed one."""
        return float(self.stage_delay.sum()) + self.fixed_delay


@of_modes
def partition(modes: Modes, load: float, p: npt.ArrayLike) -> Partition:
    """Return the partition of least mean delay; Theorem 3 of Jeff and Modiano.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.
    p : float or array_like, shape (M,)
        With two modes, the fraction of the jobs in mode 1; else the fraction in each mode.

    Returns
    -------
    Partition

    Raises
    ------
    LoadError, InputError
        On a load or an assignment under which a queue grows without bound.

    Notes
    -----
    At a stage with service times a_m and spare capacity y = 1 - load sum p_m a_m,
    share_m = load p_m a_m + y sqrt(p_m a_m) / sum_k sqrt(p_k a_k), and the delay of the stage is
    (sum sqrt(p_m a_m))^2 / y. A mode without jobs gets nothing; a stage without work is divided as
    the jobs are.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> best = partition(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.0, p=0.5)
    >>> best.share.round(4)
    array([[0.2732, 0.7268],
           [0.5563, 0.4437]])
    """
    load = one_load(modes, load)
    return divide(modes, load, check_assignment(modes, load, p))


def divide(modes: Modes, load: float, parts: Array) -> Partition:
    """Return the best partition at a stable assignment.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
    parts : ndarray, shape (M,)
        Fraction of the jobs in each mode.
    """
    work = parts * modes.time
    sqrt_work, spare_capacity = np.sqrt(work), stage_spare_capacity(modes, load, parts)
    total = sqrt_work.sum(axis=1)
    idle = total == 0
    weight = np.where(idle[:, None], parts, sqrt_work / np.where(idle, 1.0, total)[:, None])
    share = load * work + spare_capacity[:, None] * weight
    return Partition(parts, share, total**2 / spare_capacity, float(parts @ modes.delay))


@of_modes
def delay(modes: Modes, load: npt.ArrayLike, p: npt.ArrayLike) -> Array:
    """Return T*_DM(p; load), the mean delay of two modes under the best partition.

    It is (sum_m sqrt(p_m a_sm))^2 / (1 - load sum_m p_m a_sm), summed over the stages s, and the
    mean fixed delay sum_m p_m d_m.

    Parameters
    ----------
    modes : Modes
        Two modes at S stages.
    load, p : array_like
        Total load, jobs per unit of time, and fraction of the jobs in mode 1; broadcast together.

    Returns
    -------
    ndarray
        In the unit of time; infinite outside the stable interval.

    Raises
    ------
    LoadError
        On a load that is not above 0.
    InputError
        On another number of modes than two.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> delay(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, 4.0, [0.0, 0.5, 1.0]).round(4)
    array([   inf, 3.8582, 2.4167])
    """
    check_two_modes(modes, "a delay over p")
    rate, first = _positive_loads(load), as_floats("p", p)
    check_broadcast({"load": rate, "p": first})
    inside = (first >= 0) & (first <= 1)
    clipped = np.where(inside, first, 0.0)
    parts = np.stack([clipped, 1 - clipped], axis=-1)
    return np.where(inside, joint_delay(modes, rate, parts), np.inf)


def _positive_loads(load: npt.ArrayLike) -> Array:
    """Return loads of any shape, stable or not; LoadError on one that is not above 0."""
    rate = as_floats("load", load)
    raise_at_first("load", rate, rate > 0, "is not above 0", "give loads above 0", LoadError)
    return rate


def joint_delay(modes: Modes, load: npt.ArrayLike, parts: Array) -> Array:
    """Return the mean delay under the best partition at assignments of shape (..., M).

    It is infinite where a queue grows without bound.
    """
    spare_capacity = stage_spare_capacity(modes, load, parts)
    root = np.sqrt(parts) @ np.sqrt(modes.time).T
    root, spare_capacity = np.broadcast_arrays(root, spare_capacity)
    infinite = np.full(spare_capacity.shape, np.inf)
    stage = np.divide(root**2, spare_capacity, out=infinite, where=spare_capacity > 0)
    return np.asarray(stage.sum(axis=-1) + parts @ modes.delay)


@of_modes
def mean_delay(modes: Modes, load: float, assignment: Array, share: Array) -> float:
    """Return T_DM(p, alpha, beta; load), the mean delay of any operating point.

    It is p_m / (share_sm rate_sm - load p_m), summed over stages s and modes m, and the mean fixed
    delay sum_m p_m d_m; infinite where a mode with jobs gets too small a share of a stage that it
    needs.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Total load, jobs per unit of time.
    assignment : array_like, shape (M,)
        Fraction of the jobs in each mode.
    share : array_like, shape (S, M)
        Share of each stage's capacity that each mode gets.

    Raises
    ------
    InputError
        On arrays of another shape, or numbers that are not finite.
    """
    shape = modes.rate.shape
    parts, shares = as_shape("assignment", assignment, shape[1:]), as_shape("share", share, shape)
    stages = stage_delay(modes, as_float("load", load), parts, shares)
    return float(stages.sum() + parts @ modes.delay)


def stage_delay(modes: Modes, load: float, assignment: Array, share: Array) -> Array:
    """Return the mean time of a job at each stage, shape (S,), of any operating point.

    Parameters are those of `mean_delay`; infinite where that is. It is without fixed delays.
    """
    work = assignment * modes.time
    spare_capacity = share - load * work
    busy = work > 0
    starved = np.where(busy, np.inf, 0.0)
    times = np.divide(work, spare_capacity, out=starved, where=busy & (spare_capacity > 0))
    return np.asarray(times.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The delay of the best partition in two parts: eq. (2) of Jeff and Modiano.

    Attributes
    ----------
    tunable : ndarray
        T_TM(f(p); load), the delay of a single mode with the same local fraction of the work.
    overhead : ndarray
        T_OH(p; load) >= 0, the delay added by dividing the servers between two modes; 0 at p = 0
        and p = 1.
    """

    tunable: Array
    overhead: Array


@of_canonical
@np.errstate(all="ignore")
def decompose(system: Canonical, load: npt.ArrayLike, p: npt.ArrayLike) -> Decomposition:
    """Return the two parts of the delay, which sum to `delay` inside the stable interval.

    Parameters
    ----------
    system : Canonical
    load, p : array_like
        Total load, jobs per unit of time, and fraction of the jobs in mode 1; broadcast together.

    Returns
    -------
    Decomposition
        Both parts are infinite outside the stable interval.

    Raises
    ------
    LoadError
        On a load that is not above 0.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> parts = decompose(Canonical(1.0, 4.0, 0.1, 0.3), 4.0, 0.5)
    >>> round(float(parts.tunable), 4), round(float(parts.overhead), 4)
    (2.0, 1.8582)
    """
    share, rate = as_floats("p", p), _positive_loads(load)
    check_broadcast({"load": rate, "p": share})
    f = system.local_part(share)
    both = 2 * np.sqrt(np.maximum(share * (1 - share), 0.0))
    local, cloud = system.mu0 - rate * f, system.K * system.mu0 - rate * (1 - f)
    stable = (local > 0) & (cloud > 0) & (share >= 0) & (share <= 1)
    over = np.sqrt(system.f1 * system.f2) / np.where(stable, local, 1.0)
    over = over + np.sqrt((1 - system.f1) * (1 - system.f2)) / np.where(stable, cloud, 1.0)
    tunable = np.where(stable, TunableMode(system.mu0, system.K).delay(f, rate), np.inf)
    return Decomposition(tunable, np.where(stable, both * over, np.inf))
