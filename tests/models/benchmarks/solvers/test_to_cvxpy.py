"""Cone programs as CVXPY problems: optima, dual variables of every cone, the same data again."""

import numpy as np
import pytest
import scipy.sparse as sp
from chunks import some
from cone_programs import BY_SOLVER, KINDS, random_program

from sojourn.models.benchmarks.solvers.problem import Written
from sojourn.models.benchmarks.solvers.programs.from_cvxpy import cone_program
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem, dual_of, factor

TIGHT = {"SCS": {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 200_000}}
CASES = [
    pytest.param(solver, kind, id=f"{solver} {kind}", marks=[pytest.mark.ecos] * (solver == "ECOS"))
    for solver, kinds in BY_SOLVER.items()
    for kind in kinds
]


@pytest.mark.parametrize("seed", some(20, quick=1, often=1))
@pytest.mark.parametrize(("solver", "kind"), CASES)
@pytest.mark.parametrize("quadratic", [False, True])
def test_answers_and_duals_of_solvers_meet_the_conditions_of_optimality(
    solver, kind, quadratic, seed
):
    program, *_ = random_program(
        KINDS[kind], np.random.default_rng([seed, len(kind)]), quadratic=quadratic
    )
    problem, x, constraints = as_problem(program, quadratic=solver != "ECOS")
    problem.solve(solver=solver, **TIGHT.get(solver, {}))
    # ECOS ends at the square root of its tolerance in the dual of squares
    squares = solver == "ECOS" and quadratic
    largest = 1e-6 if problem.status == "optimal" and not squares else 1e-4
    assert problem.status in ("optimal", "optimal_inaccurate")
    y = dual_of(program, constraints)
    found = residuals(program, x.value, y)
    assert max(found) < largest, found
    for value in (program.objective(x.value), problem.value):
        assert value == pytest.approx(program.optimum, rel=largest, abs=largest)
    # wrong signs or layouts would be seen
    assert residuals(program, x.value, -y).dual > 1e-2


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"one_row"}))
def test_the_problem_is_reduced_to_the_same_data(kind):
    program, *_ = random_program(KINDS[kind], np.random.default_rng(3), quadratic=True)
    problem, x, _ = as_problem(program)
    again = cone_program("again", Written(problem, {"x": x}), program.optimum)
    assert again.cones == program.cones
    assert again.constant == program.constant
    assert again.optimum == program.optimum
    for name in ("P", "A"):
        assert abs(getattr(again, name) - getattr(program, name)).max() < 1e-14
    np.testing.assert_allclose(again.q, program.q, rtol=1e-14)
    np.testing.assert_allclose(again.b, program.b, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(again.variables["x"][0].toarray(), np.eye(program.q.size))


def test_without_a_solution_there_is_no_dual_variable():
    program, *_ = random_program(KINDS["all"], np.random.default_rng(0))
    assert dual_of(program, as_problem(program)[2]) is None


@pytest.mark.parametrize("matrix", ["diagonal", "full"])
def test_a_factor_has_the_rank_of_the_matrix(matrix):
    root = np.random.default_rng(1).normal(size=(3, 7))
    P = np.diag([4.0, 0, 1e-12, 9, 0]) if matrix == "diagonal" else root.T @ root
    F = factor(sp.csc_array(P)).toarray()
    assert len(F) == 3
    np.testing.assert_allclose(F.T @ F, P, atol=1e-14)
