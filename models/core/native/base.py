"""Solve cone programs that differ in their numbers only, by a solver's own Python interface.

The structure is handed to the solver once; afterwards only new numbers are. Clarabel and SCS
overwrite their data in place. SCS starts from its last answer and factorises again only for a new
matrix. ECOS keeps nothing between two solves.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cvxpy.settings as words
import numpy as np
import scipy.sparse as sp

from ....reference.errors import Array
from ..table import Mask


@dataclass(frozen=True, eq=False)
class ConeProgram:
    """Minimise x'Px/2 + c'x subject to Ax + s = b, with s in a product of cones.

    Attributes
    ----------
    quadratic : csc_array of shape (n, n), or None
        Upper triangle of P; None for a linear objective.
    linear : ndarray, shape (n,)
        The vector c.
    matrix : csc_matrix, shape (m, n)
        The matrix A. Its sparsity pattern is that of every later program.
    right : ndarray, shape (m,)
        The vector b.
    dims : cvxpy ConeDims
        Sizes of the cones, in the order of the rows of A.
    """

    quadratic: sp.csc_array | None
    linear: Array
    matrix: sp.csc_matrix
    right: Array
    dims: Any


@dataclass(frozen=True, eq=False)
class ParameterUpdates:
    """Data of K cone programs with one sparsity pattern.

    Attributes
    ----------
    right : ndarray, shape (K, m)
        The vectors b.
    linear : ndarray of shape (K, n), or None
        The vectors c; None where c is the same in all programs.
    entries : ndarray of shape (K, nnz), or None
        The nonzero entries of A, column by column; None where A is the same in all programs.
    curvature : ndarray of shape (K, nnz), or None
        The nonzero entries of the upper triangle of P; None where P is the same in all programs.
    """

    right: Array
    linear: Array | None
    entries: Array | None
    curvature: Array | None = None

    def new_matrices(self, k: int) -> Mapping[str, Array]:
        """Return the entries of ``"A"`` and ``"P"`` that differ in row `k` from the row before."""
        given = {"A": self.entries, "P": self.curvature}
        return {
            name: rows[k]
            for name, rows in given.items()
            if rows is not None and not (k and np.array_equal(rows[k], rows[k - 1]))
        }

    def apply(self, program: ConeProgram, k: int) -> ConeProgram:
        """Return `program` with the data of row `k`."""
        linear = program.linear if self.linear is None else self.linear[k]
        matrix, quadratic = (
            old if old is None or rows is None else _with_entries(old, rows[k])
            for old, rows in ((program.matrix, self.entries), (program.quadratic, self.curvature))
        )
        return replace(
            program, right=self.right[k], linear=linear, matrix=matrix, quadratic=quadratic
        )


def _with_entries(matrix: Any, entries: Array) -> Any:
    """Return a sparse matrix with other entries; its constructor would check the indices again."""
    other = copy.copy(matrix)
    other.data = entries
    return other


@dataclass(frozen=True, eq=False)
class RawSolutions:
    """Output of a solver for K programs.

    Attributes
    ----------
    x : ndarray, shape (K, n)
        Primal solutions; NaN where the solver returned none.
    dual : ndarray, shape (K, number of linear constraints)
        Dual values of the equalities and then of the inequalities, in the order and with the sign
        of the solver.
    status : tuple of str
        CVXPY's status of each solve, or the error that the solver raised.
    seconds : ndarray, shape (K,)
        Time of each solve.
    """

    x: Array
    dual: Array
    status: tuple[str, ...]
    seconds: Array


class NativeSolver(ABC):
    """One solver for cone programs of one structure.

    A subclass implements `solve_one`; `solve` calls it for every row of the data.

    Parameters
    ----------
    program : ConeProgram
        The first program; the later ones differ from it in the data of `ParameterUpdates` only.
    options : mapping
        Options under the solver's own names.
    """

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        self.program, self.options = program, dict(options)

    def forget(self) -> None:  # noqa: B027
        """Drop all that was kept of earlier programs: the next answer does not depend on them."""

    @abstractmethod
    def solve_one(self, changes: ParameterUpdates, k: int) -> tuple[Any, Any, str]:
        """Solve the program with the data of row `k`.

        Returns
        -------
        tuple
            The vector x, the dual values in the order of the rows of A, and CVXPY's status.

        Raises
        ------
        ArithmeticError, ValueError, TypeError
            Where the solver fails; `solve` records the error as the status.
        """

    def solve(self, changes: ParameterUpdates, new: Mask | None = None) -> RawSolutions:
        """Solve all K programs, one after the other; a failure of the solver becomes a status.

        Parameters
        ----------
        changes : ParameterUpdates
            Data of the K programs.
        new : ndarray of bool, shape (K,), optional
            Programs whose answer must not depend on those before, such as the first of a system.
        """
        count, dims = len(changes.right), self.program.dims
        linear = dims.zero + dims.nonneg
        x = np.full((count, self.program.linear.size), np.nan)
        dual = np.full((count, linear), np.nan)
        statuses, times = [], [time.perf_counter()]
        for k in range(count):
            if new is not None and new[k]:
                self.forget()
            try:
                primal, duals, status = self.solve_one(changes, k)
                if status in words.SOLUTION_PRESENT and primal is not None:
                    x[k], dual[k] = primal, duals[:linear]
            except (ArithmeticError, ValueError, TypeError) as error:
                status = f"{type(error).__name__}: {error}"
            statuses.append(status)
            times.append(time.perf_counter())
        return RawSolutions(x, dual, tuple(statuses), np.diff(times))
