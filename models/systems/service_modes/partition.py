"""Best partition of each stage under a given assignment, as a second-order cone program.

A mode with the part p_m of the jobs and the service time a_m at a stage needs load p_m a_m of that
stage. The rest of the stage, 1 - load sum_m p_m a_m, is its spare capacity r. A mode that gets the
part y_m of r has the delay p_m a_m / (r y_m) there. The program minimises sum_m q_m^2 / y_m over
y >= 0 with sum_m y_m = 1 at each stage, where q_m = sqrt(p_m a_m / r). In the variable y the
program is as well conditioned close to saturation as far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes
from ....reference.service_modes.stability import stage_spare_capacity
from ...core.certificate import bounds_of
from ...core.tolerance import GapTolerance
from ...latency.base import product_at_least

MAX_STEPS = 80
"""Newton steps: 2 or 3 from a solver's answer; a y that is far too small grows by half in each."""
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class Program:
    """Cone program with its variables; one program serves all systems of S stages and M modes.

    Attributes
    ----------
    problem : cvxpy.Problem
    share : cvxpy.Expression, shape (S, M)
        Part of each stage's capacity that each mode gets; alpha is ``share[0, 0]``. Affine in
        `spare_share`, so that constraints can be put on it.
    spare_share : cvxpy.Variable, shape (S, M)
        y: part of each stage's spare capacity that each mode gets.
    sqrt_load : cvxpy.Parameter, shape (S, M)
        q, up to a common factor or a factor for each stage; see `set_point`.
    need : cvxpy.Parameter, shape (S, M)
        Part of each stage that each mode needs, load p_m a_m.
    spare_capacity : cvxpy.Parameter, shape (S, 1)
        r.
    """

    problem: cp.Problem
    share: cp.Expression
    spare_share: cp.Variable
    sqrt_load: cp.Parameter
    need: cp.Parameter
    spare_capacity: cp.Parameter

    def set_point(
        self, modes: Modes, load: float, assignment: Array, *, scale_stages: bool = False
    ) -> None:
        """Set the parameters to a load and an assignment, shape (M,).

        Parameters
        ----------
        modes : Modes
        load : float
        assignment : ndarray, shape (M,)
        scale_stages : bool, default False
            Whether to scale the delays of all stages to the same size. This changes the objective,
            but not its minimiser where no constraint connects two stages; a solver then finds the
            shares of a fast stage as accurately as those of a slow one.
        """
        work = assignment * modes.time
        spare = stage_spare_capacity(modes, load, assignment)[:, None]
        if scale_stages:
            self.sqrt_load.value = sqrt_loads(modes, np.array([load]), assignment[None])[0]
        else:
            self.sqrt_load.value = np.sqrt(work / spare) / np.sqrt(work / spare).max()
        self.need.value, self.spare_capacity.value = load * work, spare


def sqrt_loads(modes: Modes, loads: Array, assignments: Array) -> Array:
    """Return the values of `Program.sqrt_load` with scaled stages, shape (K, S, M).

    Loads have shape (K,), assignments (K, M).
    """
    spare = stage_spare_capacity(modes, loads, assignments)[..., None]
    root = np.sqrt(assignments[:, None, :] * modes.time / spare)
    return np.asarray(root / np.maximum(root.max(axis=-1, keepdims=True), TINY))


def write(stages: int, modes: int) -> Program:
    """Write the program for S stages and M modes."""
    shape = (stages, modes)
    spare_share = cp.Variable(shape, name="spare_share", nonneg=True)
    delay = cp.Variable(shape, name="delay")
    sqrt_load = cp.Parameter(shape, nonneg=True, name="sqrt_load")
    need = cp.Parameter(shape, nonneg=True, name="need")
    spare = cp.Parameter((shape[0], 1), nonneg=True, name="spare_capacity")
    flat = [cp.vec(e, order="C") for e in (spare_share, delay, sqrt_load)]
    constraints = [cp.sum(spare_share, axis=1) == 1, product_at_least(*flat)]
    share = need + cp.multiply(spare @ np.ones((1, shape[1])), spare_share)
    problem = cp.Problem(cp.Minimize(cp.sum(delay)), constraints)
    return Program(problem, share, spare_share, sqrt_load, need, spare)


@dataclass(frozen=True, eq=False)
class PartitionRows:
    """K certified partitions.

    Attributes
    ----------
    share : ndarray, shape (K, S, M)
    stage_delay : ndarray, shape (K, S)
    mean_delay, lower_bound, upper_bound, gap : ndarray, shape (K,)
    steps : ndarray of int, shape (K,)
        Newton steps.
    """

    share: Array
    stage_delay: Array
    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    steps: npt.NDArray[np.intp]


def refine(
    modes: Modes, loads: Array, assignments: Array, spare_share: Array, *, polish: bool
) -> PartitionRows:
    """Return feasible, certified partitions from a solver's values of y.

    Parameters
    ----------
    modes : Modes
    loads : ndarray, shape (K,)
    assignments : ndarray, shape (K, M)
    spare_share : ndarray, shape (K, S, M)
    polish : bool
        Whether to improve y by Newton steps.

    Notes
    -----
    With w = p_m a_m, the lower bound of a stage's delay is (sum sqrt w)^2 / r: by the inequality of
    Cauchy and Schwarz, sum w/y >= (sum sqrt w)^2 / sum y for every y (Theorem 3 of Jeff and Modiano
    attains it).
    """
    work = assignments[:, None, :] * modes.time
    spare = stage_spare_capacity(modes, loads, assignments)
    y = _project(spare_share, work, assignments[:, None, :])
    y, steps = newton(y, work) if polish else (y, np.zeros(loads.shape, dtype=np.intp))
    mode_spare = spare[..., None] * y
    unserved = np.where(work > 0, np.inf, 0.0)
    stage_delay = np.divide(work, mode_spare, out=unserved, where=y > 0).sum(axis=-1)
    fixed = assignments @ modes.delay
    mean_delay = stage_delay.sum(axis=-1) + fixed
    lower = (np.sqrt(work).sum(axis=-1) ** 2 / spare).sum(axis=-1) + fixed
    bounds = bounds_of(mean_delay, lower, mean_delay, rounding_error(spare))
    share = loads[:, None, None] * work + mode_spare
    return PartitionRows(share, stage_delay, mean_delay, *bounds, steps)


def _project(spare_share: Array, work: Array, assignments: Array) -> Array:
    """Return a feasible y close to a solver's: positive for a mode with work, else 0; sum 1.

    A stage without any work is divided like the jobs.
    """
    y = np.where(work > 0, np.maximum(spare_share, EPS), 0.0)
    y = np.where(work.any(axis=-1, keepdims=True), y, assignments)
    total: Array = y.sum(axis=-1, keepdims=True)
    return y / total


def newton(spare_share: Array, work: Array) -> tuple[Array, npt.NDArray[np.intp]]:
    """Take Newton steps on: minimise sum_m work_m / y_m over y with sum_m y_m = 1 at each stage.

    All stages move together, as long as a step keeps every y above 0.

    Parameters
    ----------
    spare_share, work : ndarray, shape (..., S, M)

    Returns
    -------
    y : ndarray, shape (..., S, M)
    steps : ndarray of int, shape (...)
    """
    busy = (work > 0) & (spare_share > 0)
    y, steps = spare_share, np.zeros(spare_share.shape[:-2], dtype=np.intp)
    active: npt.NDArray[np.bool_] = np.ones(steps.shape, dtype=bool)
    for _ in range(MAX_STEPS):
        slope = np.where(busy, work / np.where(busy, y, 1.0) ** 2, 0.0)
        curvature = np.where(busy, 2 * work / np.where(busy, y, 1.0) ** 3, np.inf)
        weight = 1 / curvature
        total = weight.sum(axis=-1, keepdims=True)
        weighted = (weight * slope).sum(axis=-1, keepdims=True)
        multiplier = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)
        step = np.where(busy, weight * (slope - multiplier), 0.0)
        active = active & ~np.any((y + step <= 0) & busy, axis=(-2, -1))
        y, steps = np.where(active[..., None, None], y + step, y), steps + active
        active = active & ~np.all(np.abs(step) <= 16 * EPS * y, axis=(-2, -1))
        if not active.any():
            break
    return y / y.sum(axis=-1, keepdims=True), steps


def gap_met(
    gap: npt.ArrayLike, tolerance: GapTolerance, spare_capacity: Array, errors: float = 4
) -> npt.NDArray[np.bool_]:
    """Return whether gaps are within the tolerance, up to a number of rounding errors.

    The stages' spare capacities have shape (..., S), the gaps (...).
    """
    return tolerance.met(gap, errors * rounding_error(spare_capacity))


def rounding_error(spare_capacity: Array) -> Array:
    """Return the relative rounding error of the mean delay, shape (...).

    A spare capacity, shape (..., S), is a difference of numbers near 1.
    """
    return np.asarray(4 * EPS * (1 + 1 / spare_capacity.min(axis=-1)))
