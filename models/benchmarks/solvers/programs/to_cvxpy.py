"""A cone program as a CVXPY problem, for every solver that CVXPY finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from .....reference.errors import Array
from .cone_program import ConeProgram, triangle


def as_problem(
    program: ConeProgram, *, quadratic: bool = True
) -> tuple[cp.Problem, cp.Variable, list[cp.Constraint]]:
    """Return a cone program as a CVXPY problem of one variable, with its cones as constraints.

    Parameters
    ----------
    program : ConeProgram
    quadratic : bool, default True
        Whether the solver has a quadratic objective. Without, x'Px is written as the sum of squares
        of a factor times x; CVXPY would decompose P itself, which needs a dense matrix where P is
        singular.

    Returns
    -------
    tuple
        The problem, its variable x of shape (n,), and the constraints in the order of the rows:
        one for each kind of cone, but one for each run of second-order cones of one size, and one
        for each semidefinite cone.
    """
    x = cp.Variable(program.q.size, name="x")
    constraints = list(_constraints(_Rows(program, x)))
    objective = program.q @ x + program.constant + _half_square(program.P, x, quadratic=quadratic)
    return cp.Problem(cp.Minimize(objective), constraints), x, constraints


def dual_of(program: ConeProgram, constraints: Sequence[cp.Constraint]) -> Array | None:
    """Return the dual variable of the rows by the sign rule of `ConeProgram`, shape (m,).

    Parameters
    ----------
    program : ConeProgram
    constraints : sequence of cvxpy.Constraint
        Those of `as_problem`, after the problem was solved.

    Returns
    -------
    ndarray or None
        None where the solver returned none.
    """
    parts = [_dual_rows(constraint) for constraint in constraints]
    if any(part is None for part in parts):
        return None
    return np.concatenate([np.empty(0), *(part for part in parts if part is not None)])


class _Rows:
    """The rows of s = b - Ax as expressions.

    Attributes
    ----------
    program : ConeProgram
    A : scipy.sparse.csr_array
        The matrix by rows.
    x : cvxpy.Variable
    """

    def __init__(self, program: ConeProgram, x: cp.Variable) -> None:
        self.program, self.A, self.x = program, sp.csr_array(program.A), x

    def __getitem__(self, rows: slice) -> cp.Expression:
        chosen: cp.Expression = self.program.b[rows] - self.A[rows] @ self.x
        return chosen

    def mapped(self, matrix: sp.csr_array, rows: slice) -> cp.Expression:
        """Return a matrix times some rows."""
        mapped: cp.Expression = matrix @ self.program.b[rows] - (matrix @ self.A[rows]) @ self.x
        return mapped

    def thirds(self, rows: slice) -> list[cp.Expression]:
        """Return the first, second and third rows of cones of three rows."""
        return [self[slice(rows.start + i, rows.stop, 3)] for i in range(3)]


def _constraints(s: _Rows) -> Iterator[cp.Constraint]:
    """Yield the constraints in the order of the rows."""
    cones = s.program.cones
    parts = cones.parts()
    if cones.zero:
        # of this sign, so that the dual value is that of Ax - b
        yield s.A[parts["zero"]] @ s.x == s.program.b[parts["zero"]]
    if cones.nonnegative:
        yield cp.constraints.NonNeg(s[parts["nonnegative"]])
    start = parts["second_order"].start
    for size, run in groupby(cones.second_order):
        count = len(list(run))
        yield _second_order(s, slice(start, start + size * count), size)
        start += size * count
    for k, size in zip(cones.semidefinite, cones.triangles, strict=True):
        square = s.mapped(_unpacked(k), slice(start, start + size))
        yield cp.constraints.PSD(cp.reshape(square, (k, k), order="F"))
        start += size
    if cones.exponential:
        yield cp.constraints.ExpCone(*s.thirds(parts["exponential"]))
    if cones.power:
        a, b, c = s.thirds(parts["power"])
        yield cp.constraints.PowCone3D(a, b, c, np.array(cones.power))


def _second_order(s: _Rows, rows: slice, size: int) -> cp.Constraint:
    """Return the constraint of a run of second-order cones of one size."""
    if size == 1:  # a cone without a vector
        return cp.constraints.NonNeg(s[rows])
    count = (rows.stop - rows.start) // size
    first = slice(rows.start, rows.stop, size)
    others = np.delete(np.arange(size * count), np.arange(count) * size)
    choose = sp.csr_array(
        (np.ones(others.size), (np.arange(others.size), others)), (others.size, size * count)
    )
    vectors = cp.reshape(s.mapped(choose, rows), (size - 1, count), order="F")
    return cp.constraints.SOC(s[first], vectors)


def _unpacked(k: int) -> sp.csr_array:
    """Return the map from the rows of a semidefinite cone to its matrix, column by column."""
    rows, columns, factor = triangle(k)
    entry = np.arange(rows.size)
    off = rows != columns
    at = np.concatenate([rows + k * columns, (columns + k * rows)[off]])
    of = np.concatenate([entry, entry[off]])
    return sp.csr_array((1 / factor[of], (at, of)), (k * k, rows.size))


def _half_square(P: sp.csc_array, x: cp.Variable, *, quadratic: bool) -> cp.Expression | float:
    """Return x'Px / 2."""
    if not P.nnz:
        return 0.0
    square: cp.Expression = (
        cp.quad_form(x, P, assume_PSD=True) if quadratic else cp.sum_squares(factor(P) @ x)
    )
    half: cp.Expression = square / 2
    return half


def factor(P: sp.csc_array) -> sp.csr_array:
    """Return a matrix F with P = F'F, of the rank of P.

    Eigenvalues below the rounding of the largest, which are 0 of a semidefinite matrix, are left
    out.
    """
    used = np.flatnonzero(np.diff(P.indptr))
    diagonal = P.diagonal()
    if P.nnz == np.count_nonzero(diagonal):
        roots = np.sqrt(diagonal[used])
        return sp.csr_array((roots, (np.arange(used.size), used)), (used.size, P.shape[0]))
    eigenvalues, vectors = np.linalg.eigh(P[used][:, used].toarray())
    real = eigenvalues > eigenvalues[-1] * used.size * np.finfo(float).eps
    block = sp.csr_array((vectors[:, real] * np.sqrt(eigenvalues[real])).T)
    choose = sp.csr_array(
        (np.ones(used.size), (np.arange(used.size), used)), (used.size, P.shape[0])
    )
    return sp.csr_array(block @ choose)


def _dual_rows(constraint: cp.Constraint) -> Array | None:
    """Return the dual values of a constraint in the layout of its rows."""
    values = [variable.value for variable in constraint.dual_variables]
    if any(value is None for value in values):
        return None
    if isinstance(constraint, cp.constraints.PSD):
        rows, columns, weight = triangle(constraint.args[0].shape[0])
        square = (values[0] + values[0].T) / 2
        return np.asarray(square[rows, columns] * weight)
    # the parts of a cone one below the other, a column for each cone
    return np.vstack([np.atleast_2d(value) for value in values]).ravel(order="F")
