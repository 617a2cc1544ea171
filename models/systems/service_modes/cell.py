"""Best assignment within a cell of assignments, as a second-order cone program.

With w_m = sqrt(p_m) and fixed delays d_m the mean delay under the best partition is

    sum_s (sum_m sqrt(a_sm) w_m)^2 / (sum_m k_sm w_m^2) + sum_m d_m w_m^2 / sum_m w_m^2,

with k_sm = 1 - load a_sm. It does not change with the length of w. A cell is the set of directions
w = sum_i x_i u_i, x >= 0, sum_i x_i = 1, of some vertices u_i of length 1. There each numerator is
the square of a linear function l_s x, and each denominator at most a linear one, e_s x: the chord
of its terms with k > 0, which are convex in w, and the tangent of those with k < 0, at a point of
the cell. The last term is at least sum_m d_m w_m^2, as w is no longer than 1, and so at least its
tangent f x. The program minimises sum_s (l_s x)^2 / (e_s x) + f x, which is convex in x. Its error
is of second order in the size of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Modes
from ....reference.service_modes.partition import joint_delay
from ...latency.base import product_at_least

MAX_STEPS = 40
"""Newton steps: 2 to 5 from the middle of a cell."""
MAX_HALVINGS = 30
SMALL = 1e-2
"""Part of the length of w below which a component is set to 0 where that is no slower."""
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


@dataclass(frozen=True, eq=False)
class Program:
    """Cone program with its variables; one program serves all systems of S stages.

    Attributes
    ----------
    problem : cvxpy.Problem
    weight : cvxpy.Variable, shape (V,)
        x: weight of each vertex.
    numerator, denominator : cvxpy.Parameter, shape (S, V)
        l and e, each up to a factor for each stage; see `Cells.parameters`.
    fixed : cvxpy.Parameter, shape (V,)
        f, in the problem's unit of time.
    """

    problem: cp.Problem
    weight: cp.Variable
    numerator: cp.Parameter
    denominator: cp.Parameter
    fixed: cp.Parameter


def write(stages: int, vertices: int) -> Program:
    """Write the program for S stages and cells of V vertices."""
    shape = (stages, vertices)
    weight = cp.Variable(vertices, name="weight", nonneg=True)
    root, spare = cp.Variable(stages, name="root"), cp.Variable(stages, name="spare")
    delay = cp.Variable(stages, name="delay")
    numerator = cp.Parameter(shape, nonneg=True, name="numerator")
    denominator = cp.Parameter(shape, name="denominator")
    fixed = cp.Parameter(vertices, name="fixed")
    constraints = [
        cp.sum(weight) == 1,
        root == numerator @ weight,
        spare == denominator @ weight,
        product_at_least(spare, delay, root),
    ]
    problem = cp.Problem(cp.Minimize(cp.sum(delay) + fixed @ weight), constraints)
    return Program(problem, weight, numerator, denominator, fixed)


@dataclass(frozen=True, eq=False)
class Cells:
    """Linear functions of K cells, by their values at the vertices.

    Attributes
    ----------
    vertices : ndarray, shape (K, V, M)
        u, each of length 1.
    numerator, denominator : ndarray, shape (K, S, V)
        l and e.
    fixed : ndarray, shape (K, V)
        f.
    size, fixed_size : ndarray, shapes of `denominator` and `fixed`
        Sums of the absolute values of the terms, to which rounding errors are relative.
    """

    vertices: Array
    numerator: Array
    denominator: Array
    fixed: Array
    size: Array
    fixed_size: Array

    def parameters(self) -> tuple[Array, Array, Array]:
        """Return the values of the program's parameters: numerator, denominator and fixed.

        Stages are scaled alike: their denominators have the same largest value.
        """
        spare = np.maximum(self.denominator.max(axis=-1, keepdims=True), TINY)
        root = self.numerator / np.sqrt(spare)
        largest = (root.max(axis=-1) ** 2).sum(axis=-1) + np.abs(self.fixed).max(axis=-1)
        unit = np.maximum(largest, TINY)
        return (
            root / np.sqrt(unit)[:, None, None],
            self.denominator / spare,
            self.fixed / unit[:, None],
        )

    def direction(self, weight: Array) -> Array:
        """Return w at weights of the vertices, shape (K, V): shape (K, M)."""
        return np.asarray(np.einsum("kv,kvm->km", weight, self.vertices))

    def slopes(self, weight: Array) -> Array:
        """Return c = l x / e x at weights of the vertices, 0 where e x <= 0; shape (K, S)."""
        top, bottom = (
            np.einsum("ksv,kv->ks", a, weight) for a in (self.numerator, self.denominator)
        )
        return _ratio(top, bottom)

    def bound(self, slope: Array) -> Array:
        """Return a lower bound of the delay in each cell, which any c >= 0 proves; shape (K,).

        Parameters
        ----------
        slope : ndarray, shape (K, S)
            c.

        Notes
        -----
        From (l x)^2 / (e x) >= 2 c l x - c^2 e x the objective is at least linear in x, so that its
        least value is at a vertex: min_i sum_s (2 c_s l_si - c_s^2 e_si) + f_i. The rounding error
        is subtracted.
        """
        c = slope[..., None]
        value = (2 * c * self.numerator - c**2 * self.denominator).sum(axis=-2) + self.fixed
        size = (2 * c * self.numerator + c**2 * self.size).sum(axis=-2) + self.fixed_size
        rounding = 4 * (sum(self.numerator.shape[-2:]) + 4) * EPS
        return np.asarray((value - rounding * size).min(axis=-1))


def around(modes: Modes, loads: Array, w: Array, faces: npt.NDArray[np.intp], gap: float) -> Cells:
    """Return cells around points: the largest of some whose bounds are accurate at the points.

    They are the simplex of all assignments to V modes, and those of half the size of the one before
    towards the point.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    loads : ndarray, shape (K,)
    w : ndarray, shape (K, M)
        The points, stable ones, each within its face.
    faces : ndarray of int, shape (K, V)
        Modes of each cell.
    gap : float
        Part of the delay at the point by which the bound of the cell may be below it.
    """
    w = w / np.sqrt((w**2).sum(axis=1, keepdims=True))
    corners, middle = np.eye(modes.modes)[faces], w[:, None]
    slopes, least = slopes_at(modes, loads, w), joint_delay(modes, loads, w**2)
    size = np.ones((len(loads), 1, 1))
    for _ in range(MAX_HALVINGS):
        found = cells(modes, loads, (1 - size) * middle + size * corners, w)
        coarse = found.bound(slopes) < least * (1 - gap)
        if not coarse.any():
            break
        size[coarse] *= 0.5
    return found


def cells(modes: Modes, loads: Array, vertices: Array, middle: Array) -> Cells:
    """Return the linear functions of cells at loads.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    loads : ndarray, shape (K,)
    vertices : ndarray, shape (K, V, M)
        w at the vertices of each cell, of any length, each number 0 or more.
    middle : ndarray, shape (K, M)
        w of length 1 where tangents are taken.
    """
    u = vertices / np.sqrt((vertices**2).sum(axis=-1, keepdims=True))
    z = middle[:, None]
    square, tangent, tangent_size = u**2, z * (2 * u - z), z * (2 * u + z)
    spare = 1 - loads[:, None, None] * modes.time
    plus, minus = np.maximum(spare, 0.0), np.maximum(-spare, 0.0)
    across = "ksm,kvm->ksv"
    # a rounding error of k is relative to 1 + load a
    size = np.einsum(across, 1 + plus, square) + np.einsum(across, 1 + minus, tangent_size)
    return Cells(
        u,
        np.einsum("sm,kvm->ksv", np.sqrt(modes.time), u),
        np.einsum(across, plus, square) - np.einsum(across, minus, tangent),
        tangent @ modes.delay,
        size,
        tangent_size @ modes.delay,
    )


def slopes_at(modes: Modes, loads: Array, w: Array) -> Array:
    """Return c = sqrt(numerator) / denominator of each stage at w, shape (K, M): shape (K, S).

    It is 0 where a stage is full.
    """
    top = w @ np.sqrt(modes.time).T
    bottom = np.einsum("ksm,km->ks", 1 - loads[:, None, None] * modes.time, w**2)
    return _ratio(top, bottom)


def _ratio(top: Array, bottom: Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0))


class _Delay:
    """Mean delay as a function of w at one load, with its derivatives."""

    def __init__(self, modes: Modes, load: float) -> None:
        self.root, self.spare = np.sqrt(modes.time), 1 - load * modes.time
        self.fixed = modes.delay

    def at(self, w: Array) -> float:
        """Return the mean delay; infinite where a stage is full."""
        below = self.spare @ w**2
        if not np.all(below > 0):
            return np.inf
        return float(((self.root @ w) ** 2 / below).sum() + self.fixed @ w**2 / (w @ w))

    def derivatives(self, w: Array) -> tuple[Array, Array]:
        """Return gradient and Hessian at w, shapes (M,) and (M, M)."""
        spare, below, square = self.spare * w, self.spare @ w**2, w @ w
        c = (self.root @ w) / below
        change = (self.root - 2 * c[:, None] * spare) / below[:, None]  # gradients of c
        fixed = self.fixed - self.fixed @ w**2 / square
        slope_of_fixed = 2 * w * fixed / square
        gradient = 2 * (c @ self.root - c**2 @ spare) + slope_of_fixed
        hessian = 2 * (change.T * below) @ change
        hessian -= np.diag(2 * (c**2 @ self.spare) - 2 * fixed / square)
        turn = np.outer(slope_of_fixed, w) * (2 / square)
        return gradient, hessian - turn - turn.T


def polish(modes: Modes, load: float, w: Array) -> tuple[Array, int]:
    """Improve w by Newton steps on the mean delay, in the directions across w.

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    load : float
    w : ndarray, shape (M,)
        Square roots of an assignment, up to a factor.

    Returns
    -------
    w : ndarray, shape (M,)
        No slower than the given one, up to rounding, and of length 1.
    steps : int
    """
    delay_of, steps = _Delay(modes, load), 0
    best, least = _without_small(delay_of, w / np.sqrt(w @ w))
    while steps < MAX_STEPS and np.isfinite(least):
        step = _newton_step(delay_of, best)
        for _ in range(MAX_HALVINGS):
            trial = np.maximum(best + step, 0.0)
            trial = trial / np.sqrt(trial @ trial)
            if delay_of.at(trial) <= least * (1 + 4 * EPS):
                break
            step = 0.5 * step
        else:
            break
        if not step.any():
            break
        best, least = _without_small(delay_of, trial)
        steps += 1
        if np.abs(step).max() <= 4 * EPS:
            break
    return best, steps


def _without_small(delay_of: _Delay, w: Array) -> tuple[Array, float]:
    """Return w without the small components that make it no faster, and the delay there."""
    least = delay_of.at(w)
    for m in np.flatnonzero((w > 0) & (w < SMALL)):
        trial = np.where(np.arange(w.size) == m, 0.0, w)
        trial = trial / np.sqrt(trial @ trial)
        if (delay := delay_of.at(trial)) <= least:
            w, least = trial, delay
    return w, least


def _newton_step(delay_of: _Delay, w: Array) -> Array:
    """Return a step downwards across w in its positive components.

    It is the Newton step where the delay is convex; elsewhere the curvatures change their sign.
    """
    used = np.flatnonzero(w > 0)
    gradient, hessian = delay_of.derivatives(w)
    along = np.outer(w[used], w[used])
    across = np.eye(used.size) - along
    curved = across @ hessian[np.ix_(used, used)] @ across
    curvature, axes = np.linalg.eigh(curved + np.abs(curved).max() * along)
    curvature = np.maximum(np.abs(curvature), max(EPS * np.abs(curvature).max(), TINY))
    step = np.zeros_like(w)
    step[used] = -across @ (axes @ ((axes.T @ (across @ gradient[used])) / curvature))
    return step
