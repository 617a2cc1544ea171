"""Compiled problems have the data that CVXPY computes, and the answers of new problems."""

from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import MM1, DualMode, MultiMode, ParallelServers
from sojourn.models.core.parametric import Compiled, UnsupportedCvxpyError, reduced
from sojourn.models.core.run import run
from sojourn.models.core.solver_specs import spec
from sojourn.models.systems.parallel.formulations import FORMULATIONS, build
from sojourn.models.systems.service_modes import partition, sum_of_squares
from sojourn.reference.service_modes import segments

EQUAL = MM1([100.0, 80.0, 200.0], 0.01)
UNEQUAL = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.02])
PARALLEL = [
    (f, EQUAL if f in ("qp", "geo_mean") else UNEQUAL) for f in FORMULATIONS if f != "minmax"
]
LOADS = np.array([190.0, 30.0, 350.0])
A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
CLOSE = {"CLARABEL": 1e-6, "ECOS": 1e-6, "SCS": 1e-4}  # tolerance of flows


def questions():
    """Yield problems with values of their parameters, and a variable with a unique value."""
    for form, bank in PARALLEL:
        model = build(FORMULATIONS[form], bank, 100.0, ParallelServers(bank)._unit(100.0))
        yield form, model.problem, [(model.load, LOADS * model.unit)], model.variable
    lines = segments(A.rates, np.array([1.0, 4.5, 3.0]))
    numerator, denominator, _ = sum_of_squares.coefficients(lines)
    program = sum_of_squares.write(2)
    values = [(program.numerator, numerator), (program.denominator, denominator)]
    yield "sos", program.problem, values, program.bound
    three = MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 10.0], [80.0, 200.0, np.inf]]).rates
    parts = np.array([[0.5, 0.3, 0.2], [0.7, 0.0, 0.3], [1.0, 0.0, 0.0]])
    division = partition.write(*three.time.shape)
    yield (
        "socp",
        division.problem,
        [(division.sqrt_load, partition.sqrt_loads(three, np.array([2.0, 1.0, 1.5]), parts))],
        division.spare_share,
    )


QUESTIONS = {name: rest for name, *rest in questions()}
CASES = [
    (q, s)
    for q in QUESTIONS
    for s in ("CLARABEL", "SCS", "ECOS")
    if s in cp.installed_solvers() and not (s == "ECOS" and q in ("sos", "qp"))
]


def set_values(values, k):
    for parameter, rows in values:
        parameter.value = rows[k]


@pytest.mark.parametrize(("name", "solver"), CASES)
def test_affine_map_gives_the_data_of_cvxpy(name, solver):
    """All entries are compared, at values other than those of the compilation."""
    problem, values, _ = QUESTIONS[name]
    set_values(values, 0)
    compiled = Compiled(problem, solver, spec(solver).tight)
    changes, first = compiled.changes(values), compiled.native_solver.program
    for k in range(3):
        set_values(values, k)
        data = problem.get_problem_data(solver)[0]
        mine, form = changes.apply(first, k), data["param_prob"]
        linear, _, matrix, right = (
            form.apply_parameters(quad_obj=True)[1:]
            if form.P is not None
            else form.apply_parameters()
        )
        np.testing.assert_allclose(mine.linear, linear, rtol=0, atol=0)
        np.testing.assert_allclose(mine.matrix.toarray(), -matrix.toarray(), rtol=1e-15)
        np.testing.assert_allclose(mine.right, right, rtol=1e-15)


@pytest.mark.parametrize(("name", "solver"), CASES)
def test_reused_solver_answers_as_a_new_one(name, solver):
    problem, values, variable = QUESTIONS[name]
    set_values(values, 2)
    compiled = Compiled(problem, solver, spec(solver).tight)
    outputs = compiled.solve(*values)
    again = compiled.solve(*[(p, rows[::-1]) for p, rows in values])
    for k in range(3):
        set_values(values, k)
        assert run(problem, solver).status.startswith("optimal")
        size = np.abs(variable.value).max()
        np.testing.assert_allclose(
            outputs.value(variable)[k], variable.value, rtol=0, atol=CLOSE[solver] * size
        )
        np.testing.assert_allclose(
            again.value(variable)[2 - k], variable.value, rtol=0, atol=CLOSE[solver] * size
        )


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_parameter_changes_the_data_of_the_solver(name):
    """Each parameter is changed alone; the solver must not keep its old data."""
    problem, values, variable = QUESTIONS[name]
    set_values(values, 0)
    compiled = Compiled(problem, "CLARABEL", spec("CLARABEL").tight)
    before = compiled.solve(*[(p, rows[:1]) for p, rows in values]).value(variable)
    assert {p.id for p, _ in values} == {p.id for p in problem.parameters()}
    for moved, _ in values:
        new = [(p, rows[1:2] if p is moved else rows[:1]) for p, rows in values]
        after = compiled.solve(*new).value(variable)
        assert np.abs(after - before).max() > 1e-3 * np.abs(before).max(), moved.name()


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_duals_of_the_equalities_are_those_of_cvxpy(solver):
    """Equal up to the sign, which CVXPY reverses for a maximisation."""
    problem, values, _ = QUESTIONS["sos"]
    (identity,) = problem.constraints
    set_values(values, 1)
    outputs = Compiled(problem, solver, spec(solver).tight).solve(*values).raw
    run(problem, solver)
    np.testing.assert_allclose(np.abs(outputs.dual[1]), np.abs(identity.dual_value), atol=1e-5)
    assert outputs.dual.shape == (3, 5)


def test_parameter_without_a_value_raises():
    problem, values, _ = QUESTIONS["sos"]
    set_values(values, 0)
    compiled = Compiled(problem, "CLARABEL", spec("CLARABEL").tight)
    with pytest.raises(
        ValueError, match=r"^every parameter of the problem needs values that are numbers$"
    ):
        compiled.solve(values[0])
    with pytest.raises(ValueError, match=r"needs values that are numbers"):
        compiled.solve(values[0], (values[1][0], np.full((3, 5), np.nan)))


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_quadratic_terms_may_depend_on_parameters(solver):
    """The least of sum_i w_i x_i^2 - x_i is at x_i = 1/(2 w_i)."""
    x, weight = cp.Variable(2), cp.Parameter(2, nonneg=True, value=np.ones(2))
    objective = cp.sum(cp.multiply(weight, cp.square(x))) - cp.sum(x)
    problem = cp.Problem(cp.Minimize(objective), [x <= 10])
    weights = np.array([[1.0, 2.0], [1.0, 2.0], [0.5, 8.0]])
    compiled = Compiled(problem, solver, spec(solver).tight)
    assert compiled.native_solver.program.quadratic is not None
    for new in (None, np.array([True, False, True])):
        found = compiled.solve((weight, weights), new=new).value(x)
        np.testing.assert_allclose(found, 0.5 / weights, rtol=1e-5)


def test_row_that_cannot_be_solved_is_nan_and_does_not_stop_the_others():
    """A load of twice the total rate is infeasible; the loads before and after it are not."""
    problem, values, variable = QUESTIONS["inv_pos"]
    ((load, rows),) = values
    set_values(values, 0)
    for solver in {"CLARABEL", "ECOS"} & {*cp.installed_solvers()}:
        outputs = Compiled(problem, solver, spec(solver).tight).solve(
            (load, np.array([rows[0], 2 * 380 * rows[0] / 190, rows[0]]))
        )
        assert outputs.raw.status[1].startswith("infeasible")
        assert np.isnan(outputs.value(variable)[1]).all()
        np.testing.assert_allclose(
            outputs.value(variable)[2], outputs.value(variable)[0], rtol=1e-6
        )


def test_error_of_a_solver_becomes_the_status():
    """The solver raises an error on wrong data in one row."""
    problem, values, variable = QUESTIONS["inv_pos"]
    set_values(values, 0)
    compiled = Compiled(problem, "SCS", spec("SCS").tight)
    session = compiled.native_solver
    changes = compiled.changes(values)
    changes.right[1, 0] = np.nan
    raw = session.solve(changes)
    assert not raw.status[1].startswith("optimal")
    assert np.isnan(raw.x[1]).all()
    assert np.isfinite(raw.x[2][compiled.places.variables[variable.id]]).all()


def test_a_reduced_problem_has_the_rows_of_its_linear_constraints():
    x, y = cp.Variable(2), cp.Variable((2, 2), symmetric=True)
    equation, bound = y == np.array([[1.0, 2.0], [2.0, 3.0]]), x >= [4.0, 5.0]
    objective = cp.Minimize(cp.sum_squares(x) + cp.trace(y) + 6)
    form = reduced(cp.Problem(objective, [cp.norm(x) <= 9, bound, equation]), "SCS")
    assert form.b[form.rows(equation)].tolist() == [1.0, 2.0, 2.0, 3.0]
    assert form.b[form.rows(bound)].tolist() == [-4.0, -5.0]
    assert form.constant == 6.0
    assert form.dims.zero == 4


def test_a_cvxpy_without_the_private_names_is_said_to_be_so(monkeypatch):
    x = cp.Variable()
    others = {name: value for name, value in vars(cp.settings).items() if name != "OFFSET"}
    monkeypatch.setattr("sojourn.models.core.parametric.words", SimpleNamespace(**others))
    with pytest.raises(UnsupportedCvxpyError, match=r"AttributeError: .*OFFSET"):
        reduced(cp.Problem(cp.Minimize(x), [x >= 1]), "SCS")
