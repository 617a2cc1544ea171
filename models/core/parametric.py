"""A CVXPY problem compiled once for a solver, then solved for many values of its parameters.

CVXPY reduces a problem that follows its rules for parameters (DPP) to a cone program whose entries
are affine in the parameters. The matrix of this affine map is part of ``get_problem_data``. One
sparse product applies it to all K parameter values; the solver gets the K results row by row.

This file is the only one that uses private names of CVXPY. Where a version of CVXPY lacks them,
`UnsupportedCvxpyError` makes `sojourn.models.core.solve` call CVXPY for one point after another.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import cvxpy.settings as words
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from cvxpy.reductions.solution import Solution

from ...reference.errors import Array
from .native import native_solver
from .native.base import ConeProgram, ParameterUpdates, RawSolutions


class UnsupportedCvxpyError(RuntimeError):
    """The installed CVXPY does not offer the compiled data of a problem under the known names."""


@dataclass(frozen=True, eq=False)
class CompiledOutputs:
    """Solutions of a compiled problem at K parameter values.

    Attributes
    ----------
    raw : RawSolutions
        Output of the solver.
    places : dict of int to ndarray of int
        Columns of ``raw.x`` that hold each variable, in the variable's shape, by its id.
    """

    raw: RawSolutions
    places: Mapping[int, npt.NDArray[np.intp]]

    def value(self, variable: cp.Variable) -> Array:
        """Return the values of a variable, shape (K, *its shape); NaN without a solution."""
        return self.raw.x[:, self.places[variable.id]]

    def dual(self, constraint: cp.Constraint) -> Array:
        """Return the dual values of a constraint, shape (K, *its shape).

        They are known for the only equation of a problem, with the solver's sign; for any other
        constraint they are NaN.
        """
        is_only_equation = (
            isinstance(constraint, cp.constraints.Zero | cp.constraints.Equality)
            and constraint.size == self.raw.dual.shape[1]
        )
        shape = (len(self.raw.dual), *constraint.shape)
        return np.reshape(self.raw.dual, shape) if is_only_equation else np.full(shape, np.nan)


class Compiled:
    """A problem in the data format of one solver, ready to be solved for many parameter values.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its parameters must have values, and its quadratic terms must not depend on them.
    solver : str
        CVXPY's name of a solver with a file in `sojourn.models.core.native`.
    options : mapping
        Options under the solver's own names.

    Raises
    ------
    UnsupportedCvxpyError
        Where the installed CVXPY lacks the private names that are used here.
    """

    def __init__(self, problem: cp.Problem, solver: str, options: Mapping[str, Any]) -> None:
        chosen = dict(options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data, chain, inverse = problem.get_problem_data(solver, solver_opts=chosen)
        self.problem = problem
        try:
            self.places = variable_positions(chain, inverse, data[words.C].size)
            self._map = AffineParameterMap(data[words.PARAM_PROB])
            quadratic = sp.csc_array(sp.triu(data[words.P])) if words.P in data else None
            first = self._map.changes(
                [(p, np.asarray(p.value, dtype=float)[None]) for p in problem.parameters()],
                every=True,
            )
            program = ConeProgram(
                quadratic, data[words.C], self._map.pattern, data[words.B], data["dims"]
            )
            native = native_solver(solver)
            if native is None:
                raise UnsupportedCvxpyError(f"{solver} has no file in sojourn.models.core.native")
            self.native_solver = native(first.apply(program, 0), chosen)
        except (AttributeError, ImportError, LookupError, TypeError) as error:
            raise UnsupportedCvxpyError(f"{type(error).__name__}: {error}") from error

    def solve(self, *values: tuple[cp.Parameter, Array]) -> CompiledOutputs:
        """Solve for K values of every parameter; the CVXPY problem keeps its values.

        Parameters
        ----------
        *values : tuple of cvxpy.Parameter and ndarray
            A parameter and its values, shape (K, *the parameter's shape).
        """
        return CompiledOutputs(self.native_solver.solve(self.changes(values)), self.places)

    def changes(self, values: Sequence[tuple[cp.Parameter, Array]]) -> ParameterUpdates:
        """Return the data of the cone programs at K values of every parameter."""
        return self._map.changes(values)


class AffineParameterMap:
    """The affine map from parameters to the data of a cone program.

    Its parts are sparse matrices with one column for each number among the parameters and a last
    column of constants: `entries` for the nonzeros of A, `linear` for c, `right` for b.
    """

    def __init__(self, form: Any) -> None:
        form.reduced_A.cache()
        entries = form.reduced_A.reduced_mat
        indices, indptr, (m, columns) = form.reduced_A.problem_data_index
        n, edge = columns - 1, indptr[-2]
        if form.P is not None and form.P.tocsc()[:, :-1].nnz:
            raise ValueError("the quadratic terms of the problem depend on its parameters")
        self.columns, self.size = form.param_id_to_col, form.total_param_size
        # CVXPY's cone constraints are Ax + b, with b in the last column; solvers expect b - Ax
        self.entries, self.linear = -entries[:edge], sp.csr_array(form.q)[:n]
        spread = sp.csr_array(
            (np.ones(len(indices) - edge), (indices[edge:], np.arange(len(indices) - edge))),
            shape=(m, len(indices) - edge),
        )
        self.right = spread @ entries[edge:]
        self.pattern = sp.csc_matrix((np.ones(edge), indices[:edge], indptr[: n + 1]), shape=(m, n))

    def changes(
        self, values: Sequence[tuple[cp.Parameter, Array]], *, every: bool = False
    ) -> ParameterUpdates:
        """Return the data of K programs.

        Data that depend on no parameter are None; with ``every=True`` they are returned too.
        """
        count = len(values[0][1]) if values else 1
        point = np.full((self.size + 1, count), np.nan)
        point[self.size] = 1.0
        for parameter, value in values:
            start = self.columns[parameter.id]
            # CVXPY flattens a parameter column by column
            point[start : start + parameter.size] = np.reshape(value.T, (parameter.size, count))
        if np.isnan(point).any():
            raise ValueError("every parameter of the problem needs values that are numbers")

        def rows(matrix: sp.csr_array) -> Array | None:
            if not every and not matrix[:, :-1].nnz:
                return None
            return np.ascontiguousarray((matrix @ point).T)

        right = np.ascontiguousarray((self.right @ point).T)
        return ParameterUpdates(right, rows(self.linear), rows(self.entries))


def variable_positions(chain: Any, inverse: Any, size: int) -> dict[int, npt.NDArray[np.intp]]:
    """Return the positions of each variable in the solver's vector x, by the variable's id.

    CVXPY's reductions are inverted for the vector x = (0, 1, 2, ...): the value that a variable
    gets is its position.
    """
    numbered = {inverse[-1][chain.solver.VAR_ID]: np.arange(float(size))}
    solution = Solution(words.OPTIMAL, 0.0, numbered, None, {})
    for reduction, data in zip(chain.reductions[-2::-1], inverse[-2::-1], strict=True):
        solution = reduction.invert(solution, data)
    positions = solution.primal_vars.items()
    return {key: np.asarray(position).astype(np.intp) for key, position in positions}
