"""The least delay of some of the modes, followed over loads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Array
from .capacity import capacity
from .cells import Faces, Problem, derivatives, descend
from .modes import Modes
from .partition import joint_delay
from .search import FINE

Used = tuple[int, ...]
UNUSED = 1e-6  # a part below may be rounding error; the delay decides
MIXTURES = 9  # starts between an assignment and that of the largest load
NEWTON = 4  # steps to a slope of 0


@dataclass(frozen=True, eq=False)
class Point:
    """A best assignment at a load.

    Attributes
    ----------
    load : float
    used : tuple of int
        Modes that get jobs.
    w : ndarray, shape (V,)
        Square roots of their parts of the jobs.
    delay : float
    """

    load: float
    used: Used
    w: Array
    delay: float


def point_of(modes: Modes, load: float, parts: Array, rounding: float) -> Point:
    """Return the point of an assignment, without modes that change the delay by rounding alone.

    Parameters
    ----------
    modes : Modes
    load : float
    parts : ndarray, shape (M,)
    rounding : float
        Relative rounding error of the delay.
    """
    delay = float(joint_delay(modes, load, parts))
    for m in np.flatnonzero((parts > 0) & (parts < UNUSED)):
        fewer = np.where(np.arange(modes.modes) == m, 0.0, parts)
        fewer /= fewer.sum()
        without = float(joint_delay(modes, load, fewer))
        if without <= delay * (1 + rounding):
            parts, delay = fewer, without
    used = np.flatnonzero(parts)
    return Point(load, tuple(used.tolist()), np.sqrt(parts[used]), delay)


class SupportOptimum:
    """Local optima of the assignments to some of the modes."""

    def __init__(self, modes: Modes, used: Used) -> None:
        self.modes, self.used = modes, used
        self.system = modes.take(list(used))
        self.roomiest = capacity(self.system).assignment

    def parts(self, w: Array) -> Array:
        """Return the assignment to all modes, shape (M,)."""
        out = np.zeros(self.modes.modes)
        out[list(self.used)] = w * w / (w * w).sum()
        return out

    def follow(self, loads: Array, w: Array) -> tuple[Array, Array]:
        """Return local optima at K loads, shape (K, V), and their delays, shape (K,).

        The delay is infinite where these modes cannot carry the load.

        Parameters
        ----------
        loads : ndarray, shape (K,)
        w : ndarray, shape (V,)
            Where to start; where it is not stable, the start is nearer the assignment of the
            largest load.
        """
        start, end = w * w / (w * w).sum(), self.roomiest
        mixtures = start + np.linspace(0.0, 1.0, MIXTURES)[:, None] * (end - start)
        delays = joint_delay(self.system, loads[:, None], mixtures)
        pick = np.where(np.isfinite(delays[:, 0]), 0, delays.argmin(axis=1))
        out, delay = np.sqrt(mixtures[pick]), np.full(loads.shape, np.inf)
        stable = np.isfinite(delays[np.arange(loads.size), pick])
        if stable.any():
            problem, faces = self._faces(loads[stable])
            found, least = descend(faces, out[stable].T, FINE)
            out[stable], delay[stable] = found.T, least * problem.unit
        return out, delay

    def least(self, load: float, w: Array) -> float:
        """Return the delay of the local optimum at one load; parameters are those of `follow`."""
        return float(self.follow(np.array([load]), w)[1][0])

    def slopes(self, loads: Array, w: Array, joining: int) -> Array:
        """Return the slope of the delay in the part of a mode that shares no stage, shape (K,).

        It is that at the local optimum at each load, and NaN where the load cannot be carried.

        Parameters
        ----------
        loads, w
            As for `follow`.
        joining : int
            A mode without work at the stages of these modes.
        """
        out = np.full(loads.shape, np.nan)
        found, delay = self.follow(loads, w)
        if np.isfinite(delay).any():
            problem, faces = self._faces(loads[np.isfinite(delay)])
            z = _stationary(faces, found[np.isfinite(delay)].T)
            above, below = faces.forms(z)
            slope = self.modes.time[:, joining].sum() + self.modes.delay[joining]
            own = ((above / below) ** 2).sum(axis=0) * problem.unit
            fixed = self.system.delay @ (z * z)
            out[np.isfinite(delay)] = slope - own - fixed
        return out

    def _faces(self, loads: Array) -> tuple[Problem, Faces]:
        problem, points = Problem(self.system, loads), np.arange(loads.size)
        support = np.tile(np.arange(len(self.used))[:, None], loads.size)
        return problem, problem.at(support, points)


@np.errstate(all="ignore")
def _stationary(faces: Faces, w: Array) -> Array:
    """Return points where the slope is 0, by Newton steps from local optima, shape (V, n).

    The delay alone is flat there, and tells the optimum to half the digits.
    """
    slope, hessian = derivatives(faces, w)
    for _ in range(NEWTON):
        # along w, of which the delay does not depend, both are 0
        inverse = np.linalg.pinv(np.nan_to_num(hessian), rcond=1e-12, hermitian=True)
        trial = w - np.einsum("nvu,un->vn", inverse, slope)
        trial /= np.sqrt((trial * trial).sum(axis=0))
        new_slope, new_hessian = derivatives(faces, trial)
        better = np.abs(new_slope).max(axis=0) < np.abs(slope).max(axis=0)
        better &= np.all(trial >= 0, axis=0)
        if not better.any():
            break
        w, slope = np.where(better, trial, w), np.where(better, new_slope, slope)
        hessian = np.where(better[:, None, None], new_hessian, hessian)
    return w
