"""The best division of each stage between the modes, the assignment given, as a second-order cone program.

A mode that gets the part p_m of the jobs and asks the time a_m of a stage needs load p_m a_m of it. Of what is left after all modes have what
they need, it gets the part y_m; the delay there is p_m a_m / (left y_m). So the problem is to minimise sum root_m^2 / y_m over y >= 0 that
adds up to 1 at each stage, root_m^2 = p_m a_m / left. In y it is as well conditioned close to saturation as far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes
from ....reference.service_modes.stability import slack
from ...core.certificate import bounds_of
from ...core.tolerance import GapTolerance
from ...latency.base import product_at_least

NEWTON = (
    80  # steps: 2 or 3 from a solver's answer; each lets a part that is far too small grow by half
)
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class Program:
    """The cone program with its handles; one serves all loads and assignments of a system.

    Attributes
    ----------
    problem : cvxpy.Problem
    share : cvxpy.Expression, shape (S, M)
        Part of each stage's capacity that each mode gets: alpha is ``share[0, 0]``. Affine, so that constraints can be put on it.
    extra : cvxpy.Variable, shape (S, M)
        y: part of what is left of each stage that each mode gets.
    root, need, left : cvxpy.Parameter, shapes (S, M), (S, M), (S, 1)
        Set with `set_point`.
    """

    problem: cp.Problem
    share: cp.Expression
    extra: cp.Variable
    root: cp.Parameter
    need: cp.Parameter
    left: cp.Parameter

    def set_point(self, modes: Modes, load: float, parts: Array, *, alone: bool = False) -> None:
        """Set the load and the parts of the jobs, shape (M,).

        With `alone` each stage's delay counts alike, whatever its size: with no constraint across stages their answers do not depend on each
        other, and a solver then finds that of a fast stage as accurately as that of a slow one.
        """
        work, left = parts * modes.time, slack(modes, load, parts)[:, None]
        self.root.value = (
            roots(modes, np.array([load]), parts[None])[0]
            if alone
            else np.sqrt(work / left) / np.sqrt(work / left).max()
        )
        self.need.value, self.left.value = load * work, left


def roots(modes: Modes, loads: Array, parts: Array) -> Array:
    """Values of `Program.root` for K loads and assignments, shape (K, M), each stage alone; shape (K, S, M)."""
    root = np.sqrt(parts[:, None, :] * modes.time / slack(modes, loads, parts)[..., None])
    return np.asarray(root / np.maximum(root.max(axis=-1, keepdims=True), TINY))


def write(modes: Modes) -> Program:
    """Write the program for the stages and modes of a system."""
    shape = modes.time.shape
    extra, delay = cp.Variable(shape, name="extra", nonneg=True), cp.Variable(shape, name="delay")
    root, need = (
        cp.Parameter(shape, nonneg=True, name="root"),
        cp.Parameter(shape, nonneg=True, name="need"),
    )
    left = cp.Parameter((shape[0], 1), nonneg=True, name="left")
    flat = [cp.vec(e, order="C") for e in (extra, delay, root)]
    constraints = [cp.sum(extra, axis=1) == 1, product_at_least(*flat)]
    share = need + cp.multiply(left @ np.ones((1, shape[1])), extra)
    return Program(
        cp.Problem(cp.Minimize(cp.sum(delay)), constraints), share, extra, root, need, left
    )


@dataclass(frozen=True, eq=False)
class Division:
    """K divisions of the stages, put right, polished and bounded: arrays of shape (K, S, M), (K, S) and (K,)."""

    share: Array
    stage_delay: Array
    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    steps: npt.NDArray[np.intp]


def divide(modes: Modes, loads: Array, parts: Array, extra: Array, *, polish: bool) -> Division:
    """Return the divisions that a solver's answers lead to, from loads, shape (K,), assignments, (K, M), and its y, (K, S, M)."""
    work, left = parts[:, None, :] * modes.time, slack(modes, loads, parts)
    y = _feasible(extra, work, parts[:, None, :])
    y, steps = newton(y, work) if polish else (y, np.zeros(loads.shape, dtype=np.intp))
    room = left[..., None] * y
    delay = np.divide(work, room, out=np.where(work > 0, np.inf, 0.0), where=y > 0).sum(axis=-1)
    whole = delay.sum(axis=-1)
    # Cauchy-Schwarz: sum q/y >= (sum sqrt q)^2 / sum y, whatever y
    least = (np.sqrt(work).sum(axis=-1) ** 2 / left).sum(axis=-1)
    return Division(
        loads[:, None, None] * work + room,
        delay,
        whole,
        *bounds_of(whole, least, whole, rounding(left)),
        steps,
    )


def _feasible(extra: Array, work: Array, parts: Array) -> Array:
    """What a solver left within its tolerance, put right: some to a mode with work, none to one without, each stage given out whole."""
    tolerance = np.where(work > 0, np.maximum(extra, EPS), 0.0)
    tolerance = np.where(work.any(axis=-1, keepdims=True), tolerance, parts)
    total: Array = tolerance.sum(axis=-1, keepdims=True)
    return tolerance / total


def newton(extra: Array, work: Array) -> tuple[Array, npt.NDArray[np.intp]]:
    """Newton steps on minimise sum work_m / y_m over y that adds up to 1, at every stage at once, as long as they keep every y above 0.

    Shapes (..., S, M); also the number of steps, shape (...).
    """
    busy = (work > 0) & (extra > 0)
    y, steps = extra, np.zeros(extra.shape[:-2], dtype=np.intp)
    on: npt.NDArray[np.bool_] = np.ones(steps.shape, dtype=bool)
    for _ in range(NEWTON):
        curvature = np.where(busy, 2 * work / np.where(busy, y, 1.0) ** 3, np.inf)
        slope = np.where(busy, work / np.where(busy, y, 1.0) ** 2, 0.0)
        reach = 1 / curvature
        total = reach.sum(axis=-1, keepdims=True)
        price = np.divide(
            (reach * slope).sum(axis=-1, keepdims=True),
            total,
            out=np.zeros_like(total),
            where=total > 0,
        )
        step = np.where(busy, reach * (slope - price), 0.0)
        on = on & ~np.any((y + step <= 0) & busy, axis=(-2, -1))
        y, steps = np.where(on[..., None, None], y + step, y), steps + on
        on = on & ~np.all(np.abs(step) <= 16 * EPS * y, axis=(-2, -1))
        if not on.any():
            break
    return y / y.sum(axis=-1, keepdims=True), steps


def meets(gap: npt.ArrayLike, tolerance: GapTolerance, left: Array) -> npt.NDArray[np.bool_]:
    """Whether gaps are small enough for what is left of each stage, shape (..., S)."""
    return tolerance.met(gap, 4 * rounding(left))


def rounding(left: Array) -> Array:
    """Relative error of a delay by rounding alone, shape (...): what is left of a stage is a difference of numbers near 1."""
    return np.asarray(4 * EPS * (1 + 1 / left.min(axis=-1)))
