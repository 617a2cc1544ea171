"""Quadratic programs in the form of qpsolvers, and its three residuals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .....reference.errors import Array
from ..programs.cone_program import ConeProgram


class QuadraticProgram(NamedTuple):
    """Minimise x'Px / 2 + q'x subject to Gx <= h, Ax = b.

    Attributes
    ----------
    P : scipy.sparse.csc_matrix, shape (n, n)
    q : ndarray, shape (n,)
    G : scipy.sparse.csc_matrix, shape (k, n), or None
    h : ndarray, shape (k,), or None
    A : scipy.sparse.csc_matrix, shape (m, n), or None
    b : ndarray, shape (m,), or None
    """

    P: sp.csc_matrix
    q: Array
    G: sp.csc_matrix | None
    h: Array | None
    A: sp.csc_matrix | None
    b: Array | None


class KKT(NamedTuple):
    """Absolute residuals of an answer, in the maximum norm.

    Attributes
    ----------
    primal : float
        Largest violation of a row.
    dual : float
        Largest entry of Px + q + A'y.
    gap : float
        Distance of x'Px + q'x + b'y from 0.
    cone : float
        Largest distance of a multiplier of an inequality below 0. qpsolvers leaves this condition
        out.
    """

    primal: float
    dual: float
    gap: float
    cone: float


def refusal(program: ConeProgram) -> str:
    """Return why a program is not a quadratic one; empty where it is."""
    cones = program.cones
    if cones.rows > cones.zero + cones.nonnegative:
        return "has other cones than equations and inequalities"
    return "" if program.P.nnz else "has a linear objective"


def as_quadratic(program: ConeProgram) -> QuadraticProgram:
    """Return a cone program whose `refusal` is empty as a quadratic program.

    The rows keep their order, and bounds of variables stay rows.
    """
    equations = program.cones.zero
    rows, bounds = sp.csr_array(program.A), program.b
    # qpsolvers knows sparse matrices of SciPy, but no sparse arrays
    above = (sp.csc_matrix(rows[equations:]), bounds[equations:].copy())
    equal = (sp.csc_matrix(rows[:equations]), bounds[:equations].copy())
    return QuadraticProgram(
        sp.csc_matrix(program.P),
        program.q.copy(),
        *(above if program.cones.nonnegative else (None, None)),
        *(equal if equations else (None, None)),
    )


def absolute_residuals(program: ConeProgram, x: Array, y: Array) -> KKT:
    """Return the residuals of an answer to a quadratic program.

    Parameters
    ----------
    program : ConeProgram
        Its `refusal` is empty.
    x : ndarray, shape (n,)
    y : ndarray, shape (m,)
        Multipliers of all rows, by the sign rule of `ConeProgram`.
    """
    excess = program.A @ x - program.b
    equations = program.cones.zero
    Px = program.P @ x
    gap = x @ Px + program.q @ x + program.b @ y
    return KKT(
        max(_largest(abs(excess[:equations])), _largest(excess[equations:])),
        _largest(abs(Px + program.q + program.A.T @ y)),
        abs(float(gap)),
        _largest(-y[equations:]),
    )


def _largest(values: Array) -> float:
    """Return the largest value, at least 0; infinite where one is NaN."""
    largest = float(np.max(values, initial=0.0))
    return largest if largest == largest else np.inf
