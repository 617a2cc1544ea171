"""Fit of a convex increasing curve to samples, robust against a few gross errors among them.

Up to X, the largest sampled load, the curve is quadratic in P pieces with a continuous slope and
knots 0 = t_0 < ... < t_P = X:

    l(x) = L_0 + s_0 x + sum_j q_j b_j(x),    b_j(x) = u_j^2/2 + w_j max(x - t_{j+1}, 0),
    w_j = t_{j+1} - t_j,    u_j = min(max(x - t_j, 0), w_j).

It is increasing and convex if s_0 > 0 and all q_j >= 0, so the best fit is a convex program: Boyd
and Vandenberghe, *Convex Optimization* (2004), sect. 6.5.5. The loss is that of Huber, *Robust
estimation of a location parameter* (1964), scaled by the spread of the residuals of a first fit in
the L1 norm.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.plural import counted
from ..core.solver_specs import SOLVERS

# Least slope at no load, in median latencies over the largest load: the curve rises strictly, so
# that every latency has one flow.
MIN_SLOPE = 1e-6
MIN_KNOT_DISTANCE = 1e-6  # in the largest load
# A term that adds less than this to the latency, in median latencies, is a solver's error for 0.
MIN_TERM = 1e-7
MIN_SPREAD = 1e-6  # in median latencies: smaller residuals are a solver's error, not noise
HUBER_THRESHOLD = 1.345  # in spreads: 95 % as efficient as least squares under normal noise
MAD_TO_DEVIATION = 1.4826  # standard over median absolute deviation of a normal distribution


class Fit(NamedTuple):
    """Curve of one server, by its knots.

    Attributes
    ----------
    starts : ndarray, shape (P + 1,)
        Knots, the last one included.
    values, slopes, bends : ndarray, shape (P + 1,)
        Latency, slope and second derivative to the right of each knot; the last bend is 0.
    """

    starts: Array
    values: Array
    slopes: Array
    bends: Array


def fit(load: Array, latency: Array, pieces: int, field: str) -> Fit:
    """Return the fit to the samples of one server, each of shape (m,).

    It is computed in units of the largest load and the median latency, so that it does not depend
    on the caller's units.
    """
    largest, median = load.max(), np.median(latency)
    x, y = load / largest, latency / median
    knots = knots_of(x, pieces)
    intercept, slope, *bends = _robust(basis_of(x, knots), y, field)
    width, bend = np.diff(knots), np.array([*bends, 0.0])
    slopes = slope + np.concatenate([[0.0], np.cumsum(bend[:-1] * width)])
    rises = width * (slopes[:-1] + 0.5 * bend[:-1] * width)
    values = intercept + np.concatenate([[0.0], np.cumsum(rises)])
    slope_unit = median / largest
    bend_unit = median / largest / largest
    return Fit(knots * largest, values * median, slopes * slope_unit, bend * bend_unit)


def knots_of(x: Array, pieces: int) -> Array:
    """Return knots from 0 to 1, at quantiles of the loads in between.

    There are no more coefficients (pieces + 2) than different loads.
    """
    pieces = max(1, min(pieces, np.unique(x).size - 2))
    knots = [0.0]
    for t in np.quantile(x, np.arange(1, pieces) / pieces):
        if knots[-1] + MIN_KNOT_DISTANCE < t < 1.0 - MIN_KNOT_DISTANCE:
            knots.append(float(t))
    return np.array([*knots, 1.0])


def basis_of(x: Array, knots: Array) -> Array:
    """Return the values of 1, x and b_j(x) for all P pieces, shape (m, P + 2).

    A curve is increasing and convex where its coefficients of x and the b_j are not negative.
    """
    left, right = knots[:-1], knots[1:]
    u: Array = np.clip(x[:, None] - left, 0.0, right - left)
    bends = 0.5 * u**2 + (right - left) * np.maximum(x[:, None] - right, 0.0)
    return np.column_stack([np.ones_like(x), x, bends])


def _robust(basis: Array, y: Array, field: str) -> Array:
    """Return the coefficients of least Huber loss; those of least L1 loss if these fit exactly."""
    first = _coefficients(basis, y, cp.norm1, field)
    scale = spread(y - basis @ first)
    if scale <= MIN_SPREAD:
        return first
    return _coefficients(basis, y, huber_loss(scale), field)


def huber_loss(scale: float) -> Callable[[cp.Expression], Any]:
    """Return the loss of Huber as a function of residuals whose spread is `scale`."""

    def loss(residuals: cp.Expression) -> Any:
        return cp.sum(cp.huber(residuals / scale, HUBER_THRESHOLD))  # type: ignore[arg-type]

    return loss


def scales_of(basis: Array) -> tuple[Array, Array]:
    """Return the largest value of each function of the basis, and the least of its term.

    The term is the coefficient times that largest value; both have shape (P + 2,).
    """
    largest = basis.max(axis=0)
    least = np.zeros(largest.size)
    least[1] = MIN_SLOPE * largest[1]
    return largest, least


def fit_program(
    basis: Array, y: Array, loss: Callable[[cp.Expression], cp.Expression]
) -> tuple[cp.Problem, cp.Variable]:
    """Return the program of the terms of least mean loss, shape (P + 2,), and its variable.

    Parameters
    ----------
    basis : ndarray, shape (m, P + 2)
        Values of the functions of `basis_of` at the m samples.
    y : ndarray, shape (m,)
        Latencies.
    loss : callable
        Convex function of the residuals: a sum over the samples.
    """
    largest, least = scales_of(basis)
    terms = cp.Variable(largest.size)
    objective = cp.Minimize(loss(y - (basis / largest) @ terms) / y.size)
    return cp.Problem(objective, [terms >= least]), terms


def _coefficients(
    basis: Array, y: Array, loss: Callable[[cp.Expression], cp.Expression], field: str
) -> Array:
    """Return the coefficients of least loss, none negative and the slope at no load positive.

    Raises
    ------
    InputError
        If no solver returns finite numbers.
    """
    (largest, least), (problem, terms) = scales_of(basis), fit_program(basis, y, loss)
    installed = cp.installed_solvers()
    names = [solver.name for solver in SOLVERS if solver.name in installed]
    for name in names:
        value = _solve(problem, terms, name)
        if value is not None:
            return np.asarray(np.where(value > least + MIN_TERM, value, least) / largest)
    problem_text = f"could not be fitted by {', '.join(names)}"
    remedy = "look at its samples, or give fewer pieces"
    raise InputError(field, counted(y.size, "sample"), problem_text, remedy)


def _solve(problem: cp.Problem, variable: cp.Variable, solver: str) -> Array | None:
    """Return a solver's value of the variable; None if the solver failed or it is not finite."""
    variable.value = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an inaccurate fit is still a convex curve
            problem.solve(solver=solver)
    except (cp.error.SolverError, ArithmeticError, ValueError):
        return None
    value = variable.value
    if value is None or not np.all(np.isfinite(value)):
        return None
    return np.asarray(value, dtype=np.float64)


def spread(residuals: Array) -> float:
    """Return the standard deviation of normal noise with this median absolute deviation."""
    deviation = np.abs(residuals - np.median(residuals))
    return float(MAD_TO_DEVIATION * np.median(deviation))


def padded(fits: list[Fit]) -> list[Array]:
    """Return starts, values, slopes and bends of the fits, each of shape (n, P + 1).

    Fits with fewer pieces repeat their last column, the line beyond the samples: the added pieces
    have no width.
    """
    width = max(len(f.starts) for f in fits)
    return [
        np.stack([np.pad(f[k], (0, width - len(f.starts)), mode="edge") for f in fits])
        for k in range(len(Fit._fields))
    ]
