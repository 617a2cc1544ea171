"""CVXPY problems with the answers of a solver: read from them, and written again for users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.constraints import Equality, Inequality, NonNeg, Zero
from cvxpy.reductions.solution import Solution

from ...reference.errors import Array
from .question import P, Points, Question, R, S, SolverOutput

LINEAR = (Zero, NonNeg, Equality, Inequality)  # constraints whose dual values are known


def output_of(problem: cp.Problem, status: str) -> SolverOutput:
    """Return the values that CVXPY stored in the variables of a problem, as one row."""

    def rows(kept: Mapping[int, Any]) -> Callable[[Any], Array]:
        def row(leaf: Any) -> Array:
            value = kept.get(leaf.id)
            missing = np.full(leaf.shape, np.nan)
            return np.asarray(missing if value is None else value, dtype=float)[None]

        return row

    values = {variable.id: variable.value for variable in problem.variables()}
    duals = {constraint.id: constraint.dual_value for constraint in problem.constraints}
    return SolverOutput(rows(values), rows(duals), (status,))


def itself(problem: cp.Problem) -> cp.Problem:
    """Return the problem."""
    return problem


def answered(
    question: Question[P, R, S],
    form: str,
    points: Points,
    solved: cp.Problem,
    returned: SolverOutput,
) -> cp.Problem:
    """Write the problem of the first point again, and set its variables to the solver's answer."""
    first = tuple(column[:1] for column in points)
    program = question.write(form, first)
    for parameter, rows in question.parameters(program, first):
        parameter.value = rows[0]
    problem, status = program.problem, returned.status[0]
    if status in cp.settings.SOLUTION_PRESENT:
        variables = zip(problem.variables(), solved.variables(), strict=True)
        constraints = zip(problem.constraints, solved.constraints, strict=True)
        problem.unpack(
            Solution(
                status,
                None,
                {new.id: returned.value(old)[0] for new, old in variables},
                {
                    new.id: returned.dual(old)[0]
                    for new, old in constraints
                    if isinstance(old, LINEAR)  # other cones have no values, or of another shape
                },
                {},
            )
        )
    return problem
