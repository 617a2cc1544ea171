"""Relative residuals of the optimality conditions (Karush, Kuhn, Tucker) of a cone program."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .....reference.errors import Array
from .cone_program import ConeProgram
from .distances import distances


class Residuals(NamedTuple):
    """Relative residuals of an answer (x, y); all are 0 at an optimum, and only there.

    Attributes
    ----------
    primal : float
        Largest distance of a block of s = b - Ax from its cone, divided by 1 + max |b|.
    dual : float
        The larger one of max |Px + q + A'y| and the largest distance of a block of y from its dual
        cone, divided by 1 + max |q|. NaN without a dual variable.
    complementarity : float
        The larger one of |s'y| and the duality gap |x'Px + q'x + b'y|, divided by 1 plus the
        absolute values of the primal objective x'Px / 2 + q'x and of the dual one -x'Px / 2 - b'y.
        NaN without a dual variable.

    See Also
    --------
    sojourn.models.benchmarks.solvers.programs.distances.distances : how distances are computed.
    """

    primal: float
    dual: float
    complementarity: float


def residuals(program: ConeProgram, x: Array, y: Array | None = None) -> Residuals:
    """Return the relative residuals of an answer.

    Parameters
    ----------
    program : ConeProgram
    x : ndarray, shape (n,)
    y : ndarray, shape (m,), optional
        Dual variable of the rows, by the sign rule of `ConeProgram`.

    Returns
    -------
    Residuals
        Infinite where x or y has an entry that is not finite.
    """
    if not np.isfinite(x).all():
        return Residuals(np.inf, np.inf, np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        s = program.b - program.A @ x
        finite = np.isfinite(s).all()
        outside = _largest(distances(program.cones, s)) if finite else np.inf
        primal = _ordered(outside / (1 + _largest(program.b)))
        if y is None:
            return Residuals(primal, np.nan, np.nan)
        if not np.isfinite(y).all():
            return Residuals(primal, np.inf, np.inf)
        curved = program.P @ x
        slope = _largest(curved + program.q + program.A.T @ y)
        outside = _largest(distances(program.cones, y, dual=True))
        dual = max(slope, outside) / (1 + _largest(program.q))
        square, linear, right = float(x @ curved), float(program.q @ x), float(program.b @ y)
        gap = max(abs(float(s @ y)), abs(square + linear + right))
        scale = 1 + abs(square / 2 + linear) + abs(square / 2 + right)
    return Residuals(primal, _ordered(dual), _ordered(gap / scale))


def infeasibility(program: ConeProgram, y: Array) -> float:
    """Return the residual of a dual variable as a proof that a program is infeasible.

    With A'y = 0, y in the dual cone and b'y < 0 no s = b - Ax is in the cone, because s'y = b'y
    (Farkas). For y scaled to b'y = -1 the residual is the larger one of max |A'y| and the largest
    distance of a block of y from its dual cone. It bounds the points that are not excluded: of each
    feasible x, the sum of |x| and of the lengths of the blocks of s is at least 1 / residual.

    Parameters
    ----------
    program : ConeProgram
    y : ndarray, shape (m,)
        By the sign rule of `ConeProgram`.

    Returns
    -------
    float
        Infinite where b'y is not below 0, or an entry of y is not finite.
    """
    with np.errstate(all="ignore"):
        scale = -float(program.b @ y)
        if not (np.isfinite(y).all() and 0 < scale < np.inf):
            return np.inf
        scaled = y / scale
        outside = _largest(distances(program.cones, scaled, dual=True))
        return _ordered(max(_largest(program.A.T @ scaled), outside))


def _largest(values: Array) -> float:
    return float(abs(values).max(initial=0.0))


def _ordered(value: float) -> float:
    """Return a residual; infinity where an overflow left no number."""
    return np.inf if np.isnan(value) else value
