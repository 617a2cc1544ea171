"""How each stage is best divided between the modes, the assignment given: Section V of Jeff and Modiano.

Stages do not depend on each other here, and at each the answer is Kleinrock's square-root rule: what a mode needs, and of what is left a
part in proportion to the square root of that need. It holds for any number of stages and modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import Array, LoadError
from ..validation import as_float, as_floats, as_shape, check_broadcast, raise_at_first
from .modes import Canonical, Modes, check_two_modes, of_canonical, of_modes
from .stability import check_assignment, one_load, slack
from .tunable import TunableMode


@dataclass(frozen=True, eq=False)
class Partition:
    """The best division of the stages.

    Attributes
    ----------
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets.
    share : ndarray, shape (S, M)
        Part of each stage's capacity that each mode gets; each row adds up to 1.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage.
    """

    assignment: Array
    share: Array
    stage_delay: Array

    @property
    def mean_delay(self) -> float:
        """Mean delay of a job over all stages."""
        return float(self.stage_delay.sum())


@of_modes
def partition(modes: Modes, load: float, p: npt.ArrayLike) -> Partition:
    """Return the partition of least mean delay; Theorem 3 of Jeff and Modiano.

    At a stage with service times a_m, share_m = load p_m a_m + left sqrt(p_m a_m) / sum_k sqrt(p_k a_k), left = 1 - load sum p_m a_m, and the
    stage's delay is (sum sqrt(p_m a_m))^2 / left. A mode without jobs gets nothing; a stage without work is divided as the jobs are.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
        Jobs per unit of time, above 0 and below the largest.
    p : float or array_like, shape (M,)
        With two modes, the part of the jobs in mode 1; else the part in each.

    Raises
    ------
    LoadError, InputError
        On a load or an assignment under which a queue grows.

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
    """Return the best partition for parts of shape (M,) that are known to be stable."""
    work = parts * modes.time
    root, left = np.sqrt(work), slack(modes, load, parts)
    total = root.sum(axis=1)
    idle = total == 0
    weight = np.where(idle[:, None], parts, root / np.where(idle, 1.0, total)[:, None])
    return Partition(parts, load * work + left[:, None] * weight, total**2 / left)


@of_modes
def delay(modes: Modes, load: npt.ArrayLike, p: npt.ArrayLike) -> Array:
    """T*_DM(p; load): mean delay under the best partition, (sum_m sqrt(p_m a_sm))^2 / (1 - load sum_m p_m a_sm) summed over the stages.

    Parameters
    ----------
    modes : Modes
        Of two modes.
    load, p : array_like
        Broadcast together; p is the part of the jobs in mode 1.

    Returns
    -------
    ndarray
        Infinite outside the stable interval.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> delay(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, 4.0, [0.0, 0.5, 1.0]).round(4)
    array([   inf, 3.8582, 2.4167])
    """
    check_two_modes(modes, "a delay over p")
    rate, first = _loads(load), as_floats("p", p)
    check_broadcast({"load": rate, "p": first})
    inside = (first >= 0) & (first <= 1)
    held = np.where(inside, first, 0.0)
    return np.where(inside, joint_delay(modes, rate, np.stack([held, 1 - held], axis=-1)), np.inf)


def _loads(load: npt.ArrayLike) -> Array:
    """Loads of any shape, stable or not."""
    rate = as_floats("load", load)
    raise_at_first("load", rate, rate > 0, "is not above 0", "give loads above 0", LoadError)
    return rate


def joint_delay(modes: Modes, load: npt.ArrayLike, parts: Array) -> Array:
    """Mean delay under the best partition of assignments of shape (..., M); infinite where a queue grows."""
    left = slack(modes, load, parts)
    root = np.sqrt(parts) @ np.sqrt(modes.time).T
    root, left = np.broadcast_arrays(root, left)
    stage = np.divide(root**2, left, out=np.full(left.shape, np.inf), where=left > 0)
    return np.asarray(stage.sum(axis=-1))


@of_modes
def mean_delay(modes: Modes, load: float, assignment: Array, share: Array) -> float:
    """T_DM(p, alpha, beta; load) of any operating point: sum over stages and modes of p_m / (share_sm rate_sm - load p_m).

    Infinite where a mode that gets jobs gets too little of a stage that it needs.
    """
    shape = modes.rate.shape
    parts, of_stages = (
        as_shape("assignment", assignment, shape[1:]),
        as_shape("share", share, shape),
    )
    return float(stage_delay(modes, as_float("load", load), parts, of_stages).sum())


def stage_delay(modes: Modes, load: float, assignment: Array, share: Array) -> Array:
    """Mean time of a job at each stage of any operating point, shape (S,); infinite as `mean_delay` is."""
    work = assignment * modes.time
    spare_capacity = share - load * work
    busy = work > 0
    return np.asarray(
        np.divide(
            work, spare_capacity, out=np.where(busy, np.inf, 0.0), where=busy & (spare_capacity > 0)
        ).sum(axis=1)
    )


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The delay of the best partition in two parts: eq. (2) of Jeff and Modiano.

    Attributes
    ----------
    tunable : ndarray
        T_TM(f(p); load): what a single mode with the same local part of the work would take.
    overhead : ndarray
        T_OH(p; load) >= 0: what dividing the servers between two modes adds; 0 at p = 0 and p = 1.
    """

    tunable: Array
    overhead: Array


@of_canonical
@np.errstate(all="ignore")
def decompose(system: Canonical, load: npt.ArrayLike, p: npt.ArrayLike) -> Decomposition:
    """Return the two parts of the delay; they add up to `delay` inside the stable interval.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> parts = decompose(Canonical(1.0, 4.0, 0.1, 0.3), 4.0, 0.5)
    >>> round(float(parts.tunable), 4), round(float(parts.overhead), 4)
    (2.0, 1.8582)
    """
    share, rate = as_floats("p", p), _loads(load)
    check_broadcast({"load": rate, "p": share})
    f = system.local_part(share)
    both = 2 * np.sqrt(np.maximum(share * (1 - share), 0.0))
    local, cloud = system.mu0 - rate * f, system.K * system.mu0 - rate * (1 - f)
    stable = (local > 0) & (cloud > 0) & (share >= 0) & (share <= 1)
    over = np.sqrt(system.f1 * system.f2) / np.where(stable, local, 1.0)
    over = over + np.sqrt((1 - system.f1) * (1 - system.f2)) / np.where(stable, cloud, 1.0)
    tunable = np.where(stable, TunableMode(system.mu0, system.K).delay(f, rate), np.inf)
    return Decomposition(tunable, np.where(stable, both * over, np.inf))
