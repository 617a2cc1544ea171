"""Local solvers of SciPy on assignments of jobs to service modes, from a start each.

Two modes at two stages are solved in (p, alpha, beta), as the problem is stated; more modes under
the best partition of each stage, in the assignment p or in w = sqrt(p). There the mean delay is a
sum over stages of

    (sum_m sqrt(a_sm) w_m)^2 / sum_m (1 - load a_sm) w_m^2,

with the service times a, and does not depend on the length of w.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from ...reference import service_modes as exact
from ...reference.errors import Array
from ...reference.service_modes import Modes
from ...reference.service_modes.partition import joint_delay

EDGE = 1e-9  # part of a server that SLSQP must leave to each mode beyond its need
AT_AN_END = 0.01  # part of the jobs up to which a mode of an answer also counts as unused
PENALTY = 1e6  # delay outside the stable region, in multiples of the first delay
LEAST_PART = 1e-6  # of the jobs for SLSQP in p: the slope is infinite at 0, where it stops at once


def slsqp(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay at the p where SciPy's SLSQP ends; infinite if not stable."""
    scale = mean_delay(modes, load, start)
    rows, limits = _stability(modes, load)

    def objective(point: Array) -> tuple[float, Array]:
        value = mean_delay(modes, load, point, unstable=PENALTY * scale)
        return value / scale, gradient(modes, load, point) / scale

    stable = {"type": "ineq", "fun": lambda x: limits - EDGE - rows @ x, "jac": lambda x: -rows}
    result = minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * 3,
        constraints=[stable],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return delay_at(modes, load, np.array([result.x[0], 1 - result.x[0]]))


def nelder_mead(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay at the p where SciPy's Nelder-Mead ends."""
    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 2000, "maxfev": 4000}
    result = minimize(
        lambda x: mean_delay(modes, load, x),
        start,
        method="Nelder-Mead",
        bounds=[(0.0, 1.0)] * 3,
        options=options,
    )
    return delay_at(modes, load, np.array([result.x[0], 1 - result.x[0]]))


def lbfgs(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay where SciPy's L-BFGS-B in w ends, for any number of modes.

    The start is an assignment, shape (M,), under which every queue is stable.
    """
    w, options = np.sqrt(start), {"ftol": 1e-14, "gtol": 1e-10, "maxiter": 2000}
    objective = _relative(modes, load, w)
    bounds = [(0.0, None)] * w.size
    result = minimize(objective, w, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return delay_at(modes, load, result.x**2)


def slsqp_in_p(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay where SciPy's SLSQP in p ends, for any number of modes.

    The start is an assignment, shape (M,), under which every queue is stable.
    """
    by_w, need = _relative(modes, load, np.sqrt(start)), load * modes.time

    def objective(p: Array) -> tuple[float, Array]:
        w = np.sqrt(np.maximum(p, LEAST_PART))
        delay, slope = by_w(w)
        return delay, slope / (2 * w)

    ones = np.ones_like(start)
    everyone = {"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: ones}
    stable = {"type": "ineq", "fun": lambda p: 1 - EDGE - need @ p, "jac": lambda p: -need}
    result = minimize(
        objective,
        np.maximum(start, LEAST_PART),
        jac=True,
        method="SLSQP",
        bounds=[(LEAST_PART, 1.0)] * start.size,
        constraints=[everyone, stable],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return delay_at(modes, load, result.x)


def _relative(modes: Modes, load: float, start: Array) -> Callable[[Array], tuple[float, Array]]:
    """Return the function of the delay in w, in multiples of that at the start, and its slope."""
    scale = delay_in_w(modes, load, start)[0]

    def relative(w: Array) -> tuple[float, Array]:
        delay, slope = delay_in_w(modes, load, w)
        return (delay / scale, slope / scale) if np.isfinite(delay) else (PENALTY, 0 * slope)

    return relative


def delay_in_w(modes: Modes, load: float, w: Array) -> tuple[float, Array]:
    """Return the mean delay under the best partition at p = w^2 / |w|^2, and its gradient in w.

    Outside the stable region the delay is infinite, and the gradient has no meaning.
    """
    root, spare_capacity = np.sqrt(modes.time), 1 - load * modes.time
    above, below = root @ w, spare_capacity @ w**2
    if not np.all(below > 0):
        return np.inf, np.zeros_like(w)
    ratio = above / below
    return float(ratio @ above), 2 * (ratio @ root - w * (ratio**2 @ spare_capacity))


def delay_at(modes: Modes, load: float, parts: Array) -> float:
    """Return the mean delay under the best partition at parts of the jobs, shape (M,).

    They are made to sum to 1. Where some are at most 0.01, it is the smaller of this delay and that
    without those modes.
    """
    parts = np.maximum(parts, 0.0) / np.maximum(parts, 0.0).sum()
    used = np.where(parts > AT_AN_END, parts, 0.0)
    return float(np.min(joint_delay(modes, load, np.stack([parts, used / used.sum()]))))


def mean_delay(modes: Modes, load: float, point: Array, unstable: float = float("inf")) -> float:
    """Return the mean delay at (p, alpha, beta); `unstable` outside the stable region."""
    assignment, share = as_arrays(point)
    delay = exact.mean_delay(modes, load, assignment, share)
    return delay if np.isfinite(delay) else unstable


def gradient(modes: Modes, load: float, point: Array) -> Array:
    """Return the gradient of the mean delay in (p, alpha, beta), for a point that is stable.

    Elsewhere the result has no meaning.
    """
    assignment, share = as_arrays(point)
    spare_capacity = share - load * assignment * modes.time
    square = np.maximum(spare_capacity**2, 1e-24)
    by_assignment = (modes.time * share / square).sum(axis=0)
    by_share = -assignment * modes.time / square
    by_p = by_assignment[0] - by_assignment[1]
    out: Array = np.concatenate([[by_p], by_share[:, 0] - by_share[:, 1]])
    return out


def as_arrays(point: Array) -> tuple[Array, Array]:
    """Return assignment, shape (2,), and partition, shape (2, 2), of a point (p, alpha, beta)."""
    return np.array([point[0], 1 - point[0]]), np.column_stack([point[1:], 1 - point[1:]])


def _stability(modes: Modes, load: float) -> tuple[Array, Array]:
    """Stability, condition (1) of Jeff and Modiano, as rows @ (p, alpha, beta) < limits."""
    (l1, l2), (c1, c2) = (load * modes.time).tolist()
    rows = np.array([[l1, -1.0, 0.0], [-l2, 1.0, 0.0], [c1, 0.0, -1.0], [-c2, 0.0, 1.0]])
    return rows, np.array([0.0, 1 - l2, 0.0, 1 - c2])
