"""A CVXPY problem compiled once for a solver, then solved for many values of its parameters.

CVXPY reduces a problem that follows its rules for parameters (DPP) to a cone program whose entries
are affine in the parameters. The matrix of this affine map is part of ``get_problem_data``. One
sparse product applies it to all K parameter values; the solver gets the K results row by row.

This file is the only one that uses private names of CVXPY. Where a version of CVXPY lacks them,
`UnsupportedCvxpyError` makes `sojourn.models.core.solve` call CVXPY for one point after another.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import cvxpy as cp
import cvxpy.settings as words
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from cvxpy.reductions.solution import Solution

from ...reference.errors import Array
from .native import native_solver
from .native.base import ConeProgram, NativeSolver, ParameterUpdates, RawSolutions
from .table import Mask


class UnsupportedCvxpyError(RuntimeError):
    """The installed CVXPY does not offer the compiled data of a problem under the known names."""


@dataclass(frozen=True, eq=False)
class CompiledOutputs:
    """Solutions of a compiled problem at K parameter values.

    Attributes
    ----------
    raw : RawSolutions
        Output of the solver.
    places : Positions
        Positions of the variables in ``raw.x``, and of linear constraints in ``raw.dual``.
    """

    raw: RawSolutions
    places: Positions

    def value(self, variable: cp.Variable) -> Array:
        """Return the values of a variable, shape (K, *its shape); NaN without a solution."""
        # in C order, in which sums over a row do not depend on how it was computed
        values: Array = self.raw.x.take(self.places.variables[variable.id], axis=1)
        return values

    def dual(self, constraint: cp.Constraint) -> Array:
        """Return the dual values of a constraint, shape (K, *its shape).

        They have the solver's sign for an equation. For a constraint that is not linear they are
        NaN.
        """
        places = self.places.constraints.get(constraint.id)
        if places is None:
            return np.full((len(self.raw.dual), *constraint.shape), np.nan)
        return self.raw.dual[:, places].reshape(-1, *constraint.shape, order="F")


class Compiled:
    """A problem in the data format of one solver, ready to be solved for many parameter values.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its parameters must have values.
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
        data, chain, inverse = _problem_data(problem, solver, chosen)
        self.problem, self.solver = problem, solver
        try:
            self.places = positions(chain, inverse, data)
            self._map = AffineParameterMap(data[words.PARAM_PROB])
            first = self._map.changes(
                [(p, np.asarray(p.value, dtype=float)[None]) for p in problem.parameters()],
                every=True,
            )
            curvature = self._map.curvature_pattern if words.P in data else None
            program = ConeProgram(
                curvature, data[words.C], self._map.pattern, data[words.B], data["dims"]
            )
            self._first = first.apply(program, 0)
            self.native_solver = self._native(chosen)
        except (AttributeError, ImportError, LookupError, TypeError) as error:
            raise UnsupportedCvxpyError(f"{type(error).__name__}: {error}") from error

    def _native(self, options: Mapping[str, Any]) -> NativeSolver:
        native = native_solver(self.solver)
        if native is None:
            raise UnsupportedCvxpyError(f"{self.solver} has no file in sojourn.models.core.native")
        return native(self._first, options)

    def with_options(self, options: Mapping[str, Any]) -> Compiled:
        """Return the same problem, not compiled again, with other options of the solver."""
        other = copy.copy(self)
        other.native_solver = other._native(options)
        return other

    def solve(
        self, *values: tuple[cp.Parameter, Array], new: Mask | None = None
    ) -> CompiledOutputs:
        """Solve for K values of every parameter; the CVXPY problem keeps its values.

        Parameters
        ----------
        *values : tuple of cvxpy.Parameter and ndarray
            A parameter and its values, shape (K, *the parameter's shape).
        new : ndarray of bool, shape (K,), optional
            Points whose answers must not depend on those before; see `NativeSolver.solve`.
        """
        return CompiledOutputs(self.native_solver.solve(self.changes(values), new), self.places)

    def changes(self, values: Sequence[tuple[cp.Parameter, Array]]) -> ParameterUpdates:
        """Return the data of the cone programs at K values of every parameter."""
        return self._map.changes(values)


def _problem_data(
    problem: cp.Problem, solver: str, options: dict[str, Any]
) -> tuple[dict[str, Any], Any, Any]:
    """Return CVXPY's data of a problem for a solver, the chain of reductions, and their records."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, chain, inverse = problem.get_problem_data(solver, solver_opts=options)
    return data, chain, inverse


@dataclass(frozen=True, eq=False)
class Reduced:
    """A problem in the data format of one solver: x'Px/2 + q'x + constant, with b - Ax in cones.

    Attributes
    ----------
    P : scipy.sparse matrix of shape (n, n), or None
        None for a linear objective.
    q : ndarray, shape (n,)
    A : scipy.sparse matrix, shape (m, n)
    b : ndarray, shape (m,)
    dims : cvxpy ConeDims
        Sizes of the cones, in the order of the rows of A.
    constant : float
    constraints : mapping of int to ndarray of int
        See `Positions.constraints`.
    """

    P: Any
    q: Array
    A: Any
    b: Array
    dims: Any
    constant: float
    constraints: Mapping[int, npt.NDArray[np.intp]]

    def rows(self, constraint: cp.Constraint) -> npt.NDArray[np.intp]:
        """Return the rows of a linear constraint, flattened column by column."""
        return self.constraints[constraint.id]


def reduced(problem: cp.Problem, solver: str) -> Reduced:
    """Return a problem in the data format of a solver.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its parameters must have values.
    solver : str
        CVXPY's name of a conic solver.

    Raises
    ------
    UnsupportedCvxpyError
        Where the installed CVXPY lacks the private names that are used here.
    """
    data, chain, inverse = _problem_data(problem, solver, {})
    try:
        return Reduced(
            data.get(words.P),
            np.asarray(data[words.C], dtype=float),
            data[words.A],
            np.asarray(data[words.B], dtype=float),
            data["dims"],
            float(inverse[-1][words.OFFSET]),
            _linear_rows(_of_positions(chain, inverse, data)),
        )
    except (AttributeError, ImportError, LookupError, TypeError) as error:
        raise UnsupportedCvxpyError(f"{type(error).__name__}: {error}") from error


class AffineParameterMap:
    """The affine map from parameters to the data of a cone program.

    Its matrix has one column for each number among the parameters and a last column of constants;
    its rows are those of b, of c, of the nonzeros of A, and of those of the upper triangle of P.
    """

    def __init__(self, form: Any) -> None:
        form.reduced_A.cache()
        entries = form.reduced_A.reduced_mat
        indices, indptr, (m, columns) = form.reduced_A.problem_data_index
        n, edge = columns - 1, indptr[-2]
        self.columns, self.size = form.param_id_to_col, form.total_param_size
        spread = sp.csr_array(
            (np.ones(len(indices) - edge), (indices[edge:], np.arange(len(indices) - edge))),
            shape=(m, len(indices) - edge),
        )
        # CVXPY's cone constraints are Ax + b, with b in the last column; solvers expect b - Ax
        right, linear, nonzeros = spread @ entries[edge:], sp.csr_array(form.q)[:n], -entries[:edge]
        self.pattern = sp.csc_matrix((np.ones(edge), indices[:edge], indptr[: n + 1]), shape=(m, n))
        self.curvature_pattern, curvature = _upper_triangle(form.reduced_P, n, self.size + 1)
        self._parts = [right, linear, nonzeros, curvature]
        self._varies = [True, *(part[:, :-1].nnz > 0 for part in self._parts[1:])]
        # the data that depend on parameters, in one matrix: one product computes them all
        self._matrix = sp.csr_array(sp.vstack([*compress(self._parts, self._varies)]))

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
            start = self.columns.get(parameter.id)
            if start is None:
                continue  # its terms cancelled, such as the powers of constant latencies
            # CVXPY flattens a parameter column by column
            point[start : start + parameter.size] = value.T.reshape(parameter.size, count)
        if np.isnan(point).any():
            raise ValueError("every parameter of the problem needs values that are numbers")
        wanted = [True] * len(self._parts) if every else self._varies
        matrix = sp.vstack(self._parts) if every else self._matrix
        # a product with a vector is faster than with a matrix of one column
        data = (matrix @ point[:, 0])[None] if count == 1 else (matrix @ point).T
        columns, start = list[Array | None](), 0
        for part, is_wanted in zip(self._parts, wanted, strict=True):
            stop = start + part.shape[0] * is_wanted
            columns.append(np.ascontiguousarray(data[:, start:stop]) if is_wanted else None)
            start = stop
        right, *others = columns
        assert right is not None  # noqa: S101
        return ParameterUpdates(right, *others)


def _upper_triangle(reduced: Any, n: int, columns: int) -> tuple[sp.csc_array, sp.csr_array]:
    """Return the pattern of the upper triangle of P, and the map to its nonzeros."""
    reduced.cache()
    if reduced.reduced_mat is None or reduced.problem_data_index is None:
        return sp.csc_array((n, n)), sp.csr_array((0, columns))
    indices, indptr, _ = reduced.problem_data_index
    column = np.repeat(np.arange(n), np.diff(indptr[: n + 1]))
    upper = np.flatnonzero(indices[: column.size] <= column)
    ends = np.searchsorted(column[upper], np.arange(n + 1))
    pattern = sp.csc_array((np.ones(upper.size), indices[upper], ends), shape=(n, n))
    return pattern, sp.csr_array(reduced.reduced_mat)[upper]


@dataclass(frozen=True, eq=False)
class Positions:
    """Where the numbers of a problem stand in a solver's vectors.

    Attributes
    ----------
    variables : dict of int to ndarray of int
        Positions in the vector x of each variable, in the variable's shape, by its id.
    constraints : dict of int to ndarray of int
        Positions among the linear rows of each linear constraint, flattened column by column, by
        its id.
    """

    variables: Mapping[int, npt.NDArray[np.intp]]
    constraints: Mapping[int, npt.NDArray[np.intp]]


def positions(chain: Any, inverse: Any, data: Mapping[str, Any]) -> Positions:
    """Return the positions of variables and linear constraints in a solver's vectors."""
    solution = _of_positions(chain, inverse, data)
    variables = {key: np.asarray(p).astype(np.intp) for key, p in solution.primal_vars.items()}
    return Positions(variables, _linear_rows(solution))


def _of_positions(chain: Any, inverse: Any, data: Mapping[str, Any]) -> Solution:
    """Return CVXPY's solution where the value of a variable or a dual variable is its position.

    CVXPY's reductions are inverted for the vectors (0, 1, 2, ...).
    """
    primal = {inverse[-1][chain.solver.VAR_ID]: np.arange(float(data[words.C].size))}
    cones, start = data[words.PARAM_PROB].constraints, 0
    # some versions of CVXPY look up the dual values of all cones
    dual = {cone.id: np.full(cone.size, np.nan) for cone in cones}
    for kind in (cp.constraints.Zero, cp.constraints.NonNeg):
        for cone in cones:
            if isinstance(cone, kind):
                dual[cone.id] = np.arange(float(start), float(start + cone.size))
                start += cone.size
    solution = Solution(words.OPTIMAL, 0.0, primal, dual, {})
    for reduction, kept in zip(chain.reductions[-2::-1], inverse[-2::-1], strict=True):
        solution = reduction.invert(solution, kept)
    return solution


def _linear_rows(solution: Solution) -> dict[int, npt.NDArray[np.intp]]:
    """Return the positions of linear constraints, flattened column by column, by their ids."""
    return {
        key: np.ravel(p, order="F").astype(np.intp)
        for key, p in solution.dual_vars.items()
        if np.isfinite(p).all()
    }
