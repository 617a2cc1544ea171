"""A CVXPY problem compiled once for a solver: from then on its data are a sparse matrix times its parameters.

CVXPY writes a problem that obeys its rules for parameters (DPP) as a cone program whose entries are affine in them; the matrix of that map
comes with `get_problem_data`. A sweep applies it to all its parameter values in one product and hands the rows to the solver.
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
from .native import session
from .native.base import Changes, ConeProgram, Raw


class UnsupportedCvxpyError(RuntimeError):
    """CVXPY keeps a problem's data in another way than the versions that are known here."""


@dataclass(frozen=True, eq=False)
class CompiledOutputs:
    """A solver's answers for K parameter values.

    Attributes
    ----------
    raw : Raw
    places : dict
        Where each variable is in ``raw.x``, by its id.
    """

    raw: Raw
    places: Mapping[int, npt.NDArray[np.intp]]

    def value(self, variable: cp.Variable) -> Array:
        """Return the values of a variable, shape (K, *its shape); NaN where there is no answer."""
        return self.raw.x[:, self.places[variable.id]]

    def dual(self, constraint: cp.Constraint) -> Array:
        """Return the dual values of a program's only equation, shape (K, *its shape), with the solver's sign; NaN of any other constraint."""
        only = (
            isinstance(constraint, cp.constraints.Zero | cp.constraints.Equality)
            and constraint.size == self.raw.dual.shape[1]
        )
        shape = (len(self.raw.dual), *constraint.shape)
        return np.reshape(self.raw.dual, shape) if only else np.full(shape, np.nan)


class Compiled:
    """A problem in a solver's own data, to be solved for many values of its parameters.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its parameters must have values, and its quadratic terms must not depend on them.
    solver : str
        One with a file in `core.native`.
    options : mapping
        Of the solver, by its own names.

    Raises
    ------
    UnsupportedCvxpyError
        Where CVXPY's own names are not what they were: then a problem is solved through CVXPY, one point after the other.
    """

    def __init__(self, problem: cp.Problem, solver: str, options: Mapping[str, Any]) -> None:
        chosen = dict(options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data, chain, inverse = problem.get_problem_data(solver, solver_opts=chosen)
        self.problem = problem
        try:
            self.places = _places(chain, inverse, data[words.C].size)
            self._map = _Map(data[words.PARAM_PROB])
            quadratic = sp.csc_array(sp.triu(data[words.P])) if words.P in data else None
            first = self._map.changes(
                [(p, np.asarray(p.value, dtype=float)[None]) for p in problem.parameters()],
                every=True,
            )
            program = ConeProgram(
                quadratic, data[words.C], self._map.pattern, data[words.B], data["dims"]
            )
            native = session(solver)
            if native is None:
                raise UnsupportedCvxpyError(f"{solver} has no interface of its own here")
            self.session = native(first.apply(program, 0), chosen)
        except (AttributeError, ImportError, LookupError, TypeError) as error:
            raise UnsupportedCvxpyError(f"{type(error).__name__}: {error}") from error

    def solve(self, *values: tuple[cp.Parameter, Array]) -> CompiledOutputs:
        """Solve for K values of every parameter, each of shape (K, *the parameter's shape); the problem itself is not touched."""
        return CompiledOutputs(self.session.solve(self.changes(values)), self.places)

    def changes(self, values: Sequence[tuple[cp.Parameter, Array]]) -> Changes:
        """Return the solver's data at K values of every parameter, as one sparse product."""
        return self._map.changes(values)


class _Map:
    """The affine map from parameters to the data of a cone program: sparse matrices with a last column of constants."""

    def __init__(self, form: Any) -> None:
        form.reduced_A.cache()
        entries, (indices, indptr, (m, wide)) = (
            form.reduced_A.reduced_mat,
            form.reduced_A.problem_data_index,
        )
        n, edge = wide - 1, indptr[-2]
        if form.P is not None and form.P.tocsc()[:, :-1].nnz:
            raise ValueError("the quadratic terms of the problem depend on its parameters")
        self.columns, self.size = form.param_id_to_col, form.total_param_size
        # CVXPY writes Ax + b in the cones, b the last column; solvers b - Ax
        self.entries, self.linear = -entries[:edge], sp.csr_array(form.q)[:n]
        spread = sp.csr_array(
            (np.ones(len(indices) - edge), (indices[edge:], np.arange(len(indices) - edge))),
            shape=(m, len(indices) - edge),
        )
        self.right = spread @ entries[edge:]
        self.pattern = sp.csc_matrix((np.ones(edge), indices[:edge], indptr[: n + 1]), shape=(m, n))

    def changes(
        self, values: Sequence[tuple[cp.Parameter, Array]], *, every: bool = False
    ) -> Changes:
        """Return the data of K programs; with `every` also what does not depend on any parameter."""
        count = len(values[0][1]) if values else 1
        point = np.full((self.size + 1, count), np.nan)
        point[self.size] = 1.0
        for parameter, value in values:
            start = self.columns[parameter.id]
            # column by column, as CVXPY does
            point[start : start + parameter.size] = np.reshape(value.T, (parameter.size, count))
        if np.isnan(point).any():
            raise ValueError("every parameter of the problem needs values that are numbers")

        def rows(matrix: sp.csr_array) -> Array | None:
            if not every and not matrix[:, :-1].nnz:
                return None
            return np.ascontiguousarray((matrix @ point).T)

        right = np.ascontiguousarray((self.right @ point).T)
        return Changes(right, rows(self.linear), rows(self.entries))


def _places(chain: Any, inverse: Any, size: int) -> dict[int, npt.NDArray[np.intp]]:
    """Where each variable is in the solver's answer: what comes back of the numbers 0, 1, 2, ..."""
    names = {inverse[-1][chain.solver.VAR_ID]: np.arange(float(size))}
    found = Solution(words.OPTIMAL, 0.0, names, None, {})
    for reduction, data in zip(chain.reductions[-2::-1], inverse[-2::-1], strict=True):
        found = reduction.invert(found, data)
    return {key: np.asarray(place).astype(np.intp) for key, place in found.primal_vars.items()}
