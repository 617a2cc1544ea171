"""The best convex increasing curve through samples, a few gross errors among them or not.

Up to X, the largest sampled load, it has a continuous slope and is quadratic in P pieces, with knots 0 = t_0 < ... < t_P = X:

    l(x) = L_0 + s_0 x + sum_j q_j b_j(x),    b_j(x) = u_j^2/2 + w_j max(x - t_{j+1}, 0),
    w_j = t_{j+1} - t_j,    u_j = min(max(x - t_j, 0), w_j).

It is increasing and convex where s_0 > 0 and all q_j >= 0, so that the best one is a convex program: Boyd and Vandenberghe, *Convex
Optimization* (2004), sect. 6.5.5. The loss is that of Huber, *Robust estimation of a location parameter* (1964), with the spread that a first
fit in the L1 norm leaves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ..core.solver_specs import SOLVERS

FLAT = 1e-6  # least slope at no load, in median latencies over the largest load: then every latency has one flow
CLOSE = 1e-6  # knots nearer to each other, in the largest load, are one
STRAIGHT = 1e-7  # a bend that adds less than that to the latency, in its median, is what a solver leaves of none
EXACT = 1e-6  # spread, in median latencies, below which the residuals are a solver's and not noise
TURN = 1.345  # spreads from which Huber's loss is linear: 95 % as good as least squares where the noise is normal
NORMAL = 1.4826  # standard deviation over median absolute deviation of a normal distribution


class Fit(NamedTuple):
    """Knots with the last, the latency, slope and bend at each; the bend at the last is 0."""

    starts: Array
    values: Array
    slopes: Array
    bends: Array


def fit(load: Array, latency: Array, pieces: int, field: str) -> Fit:
    """Fit one server, in units of its largest load and its median latency: so that units do not matter."""
    most, middle = load.max(), np.median(latency)
    x, y = load / most, latency / middle
    knots = _knots(x, pieces)
    start, slope, *bends = _robust(_basis(x, knots), y, field)
    width, bend = np.diff(knots), np.array([*bends, 0.0])
    slopes = slope + np.concatenate([[0.0], np.cumsum(bend[:-1] * width)])
    values = start + np.concatenate(
        [[0.0], np.cumsum(width * (slopes[:-1] + 0.5 * bend[:-1] * width))]
    )
    return Fit(
        knots * most, values * middle, slopes * (middle / most), bend * (middle / most / most)
    )


def _knots(x: Array, pieces: int) -> Array:
    """From 0 to 1, at quantiles between; no more numbers to fit than there are different loads."""
    pieces = max(1, min(pieces, np.unique(x).size - 2))
    knots = [0.0]
    for t in np.quantile(x, np.arange(1, pieces) / pieces):
        if knots[-1] + CLOSE < t < 1.0 - CLOSE:
            knots.append(float(t))
    return np.array([*knots, 1.0])


def _basis(x: Array, knots: Array) -> Array:
    """1, x and b_j(x) for every piece, shape (m, P + 2): a latency is convex and increasing where their factors are not negative."""
    left, right = knots[:-1], knots[1:]
    u: Array = np.clip(x[:, None] - left, 0.0, right - left)
    bends = 0.5 * u**2 + (right - left) * np.maximum(x[:, None] - right, 0.0)
    return np.column_stack([np.ones_like(x), x, bends])


def _robust(basis: Array, y: Array, field: str) -> Array:
    """Factors of the basis by Huber's loss, with the spread that a fit in the L1 norm leaves; by that fit where it leaves none."""
    first = _least(basis, y, cp.norm1, field)
    apart = spread(y - basis @ first)
    if apart <= EXACT:
        return first
    return _least(basis, y, lambda r: cp.sum(cp.huber(r / apart, TURN)), field)  # type: ignore[arg-type]


def _least(
    basis: Array, y: Array, loss: Callable[[cp.Expression], cp.Expression], field: str
) -> Array:
    """Factors of least loss, none negative and the slope at no load above 0.

    Raises
    ------
    InputError
        When no solver has finite numbers.
    """
    size = basis.max(axis=0)  # every column is 1 at its highest
    low = np.zeros(size.size)
    low[1] = FLAT * size[1]
    part = cp.Variable(size.size)
    problem = cp.Problem(cp.Minimize(loss(y - (basis / size) @ part) / y.size), [part >= low])
    names = [solver.name for solver in SOLVERS]
    for name in names:  # until one has finite numbers
        found = _solve(problem, part, name)
        if found is not None:
            return np.asarray(np.where(found > low + STRAIGHT, found, low) / size)
    raise InputError(
        field,
        f"{y.size} samples",
        f"could not be fitted by {', '.join(names)}",
        "look at its samples, or give fewer pieces",
    )


def _solve(problem: cp.Problem, part: cp.Variable, solver: str) -> Array | None:
    """Answer of a solver, if it is there and has finite numbers."""
    part.value = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an inaccurate fit is still a convex one
            problem.solve(solver=solver)
    except (cp.error.SolverError, ArithmeticError, ValueError):
        return None
    value = part.value
    return (
        None
        if value is None or not np.all(np.isfinite(value))
        else np.asarray(value, dtype=np.float64)
    )


def spread(residuals: Array) -> float:
    """Standard deviation of normal noise with this median absolute deviation."""
    return float(NORMAL * np.median(np.abs(residuals - np.median(residuals))))


def padded(fits: list[Fit]) -> list[Array]:
    """Fields of the fits as arrays of one width: before the line beyond the samples, pieces of no width repeat its start."""
    width = max(len(f.starts) for f in fits)
    return [
        np.stack([np.pad(f[k], (0, width - len(f.starts)), mode="edge") for f in fits])
        for k in range(len(Fit._fields))
    ]
