"""Cone programs of CVXPY problems: the maps to variables, constants, signs and the registry."""

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.instances import accuracy_at, instance_of, keys, program_of
from sojourn.models.benchmarks.solvers.problem import Written
from sojourn.models.benchmarks.solvers.programs.cone_program import Cones, triangle
from sojourn.models.benchmarks.solvers.programs.from_cvxpy import cone_program
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem, dual_of

EVERY = keys(loads=[0.6], spreads=[(10.0, 5.0)])  # where default tolerances lead to 1e-6
SMALL = [key for key in EVERY if key.n == min(k.n for k in EVERY if k.problem == key.problem)]
TIGHT = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}


def solved(program):
    problem, x, constraints = as_problem(program)
    problem.solve(solver="CLARABEL", **TIGHT)
    return x.value, dual_of(program, constraints)


@pytest.mark.parametrize("key", SMALL, ids=lambda key: key.name)
def test_the_program_of_an_instance_has_the_answer_of_its_problem(key):
    instance = instance_of(key)
    program = program_of(key, instance)
    x, y = solved(program)
    assert max(residuals(program, x, y)) < 1e-6
    accuracy = accuracy_at(instance, program, x)
    assert accuracy.error < 1e-3  # a Beckmann potential has flat flows
    assert accuracy.violation < 1e-6
    written = instance.write()
    value = written.problem.solve(solver="CLARABEL", **TIGHT)
    sign = -1 if program.maximise else 1
    assert sign * program.objective(x) == pytest.approx(value, rel=1e-6)
    if np.isfinite(program.optimum):
        assert program.objective(x) == pytest.approx(program.optimum, rel=1e-6)
    direct = instance.judge({name: v.value for name, v in written.variables.items()})
    assert direct.error < 1e-3


@pytest.mark.parametrize("key", SMALL, ids=lambda key: key.name)
def test_values_at_any_x_have_the_shape_and_the_symmetry_of_the_variables(key):
    """The map of a variable is that of CVXPY's own reduction, at an x that solves nothing."""
    written = instance_of(key).write()
    program = cone_program("any", written)
    x = np.random.default_rng(0).normal(size=program.q.size)
    values = program.values(x)
    assert values.keys() == written.variables.keys()
    for name, variable in written.variables.items():
        assert values[name].shape == variable.shape
        if variable.is_symmetric() and variable.ndim == 2:
            np.testing.assert_array_equal(values[name], values[name].T)


ATTRIBUTES = {
    "none": {},
    "nonneg": {"nonneg": True},
    "nonpos": {"nonpos": True},
    "bounds": {"bounds": [-0.5, 0.75]},
    "symmetric": {"symmetric": True},
    "PSD": {"PSD": True},
    "NSD": {"NSD": True},
    "diag": {"diag": True},
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_variables_of_all_attributes_are_read_off_the_answer(name):
    shape = (3, 3) if name in ("symmetric", "PSD", "NSD", "diag") else (2, 3)
    variable, other = cp.Variable(shape, **ATTRIBUTES[name]), cp.Variable(2)
    target = np.arange(1.0, 1 + np.prod(shape)).reshape(shape) * [1, -1, 1] / 4
    objective = cp.sum_squares(variable - target) + cp.norm(other - [1, 2]) + 3
    problem = cp.Problem(cp.Minimize(objective), [cp.sum(other) == 2])
    program = cone_program("attributes", Written(problem, {"v": variable, "o": other}))
    x, _ = solved(program)
    value = problem.solve(solver="CLARABEL", **TIGHT)
    expected = variable.value.toarray() if name == "diag" else variable.value
    values = program.values(x)
    np.testing.assert_allclose(values["v"], expected, atol=1e-3)
    np.testing.assert_allclose(values["o"], other.value, atol=1e-3)
    assert program.objective(x) == pytest.approx(value, rel=1e-6)


def test_a_maximum_has_the_opposite_sign_and_a_constant_stays():
    x = cp.Variable(2, nonneg=True)
    problem = cp.Problem(cp.Maximize(5 - 2 * x[0] - cp.square(x[1] - 1)), [x[0] + x[1] >= 3])
    program = cone_program("maximum", Written(problem, {"x": x}), optimum=1.25)
    found, _ = solved(program)
    assert program.maximise
    assert program.optimum == -1.25
    assert -program.objective(found) == pytest.approx(problem.solve(solver="CLARABEL"), rel=1e-7)


def test_parameters_have_their_values_and_times_are_positive():
    p, x = cp.Parameter(nonneg=True, value=2.0), cp.Variable()
    problem = cp.Problem(cp.Minimize(x), [x >= p])
    for value in (2.0, 3.0):
        p.value = value
        program = cone_program("p", Written(problem, {"x": x}), build_seconds=0.5)
        assert solved(program)[0] @ program.q == pytest.approx(value, rel=1e-6)
        assert program.build_seconds == 0.5
        assert program.compile_seconds > 0
        assert np.isnan(program.optimum)


def test_every_cone_is_taken_over():
    x, square = cp.Variable(3), cp.Variable((2, 2), symmetric=True)
    constraints = [
        cp.constraints.ExpCone(x[0], x[1], x[2]),
        cp.constraints.PowCone3D(x[1:], x[:2], np.ones(2), [0.25, 0.5]),
        square >> np.eye(2),
        cp.norm(x) <= 9,
        x[0] == 1,
    ]
    problem = cp.Problem(cp.Minimize(cp.sum(x) + cp.trace(square)), constraints)
    program = cone_program("cones", Written(problem, {"x": x, "square": square}))
    cones = program.cones
    assert (cones.zero, cones.exponential, cones.power) == (1, 1, (0.25, 0.5))
    assert (cones.second_order, cones.semidefinite) == ((4,), (2,))
    assert cones.rows == program.b.size == program.A.shape[0]
    found, y = solved(program)
    assert max(residuals(program, found, y)) < 1e-6
    assert program.objective(found) == pytest.approx(problem.solve(solver="CLARABEL"), rel=1e-6)


def test_the_rows_of_cones_follow_each_other():
    cones = Cones(1, 2, (3, 4), (2, 1), 2, (0.5,))
    parts = cones.parts()
    assert [*parts] == [*cones.__dataclass_fields__]
    sizes = [part.stop - part.start for part in parts.values()]
    assert sizes == [1, 2, 7, 4, 6, 3]
    assert cones.rows == 23
    rows, columns, factor = triangle(3)
    assert [*zip(rows.tolist(), columns.tolist(), strict=True)] == [
        (0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2),
    ]  # fmt: skip
    np.testing.assert_allclose(factor**2, [1, 2, 2, 1, 2, 1])


def test_integers_are_refused():
    x = cp.Variable(integer=True)
    problem = cp.Problem(cp.Minimize(x), [x >= 0.5])
    with pytest.raises(InputError, match=r"problem = 'whole': has integer variables"):
        cone_program("whole", Written(problem, {"x": x}))


def test_ten_thousand_servers_take_seconds(tmp_path):
    """Written, reduced, saved and read back; on a quiet machine this takes about a second."""
    import time

    from sojourn.models.benchmarks.solvers.programs import cbf, npz

    started = time.process_time()
    (key,) = keys(["mm1-optimum"], [10_000], [0.9], formulations=["inv_pos"])
    program = program_of(key)
    for module, name in ((npz, "a.npz"), (cbf, "a.cbf")):
        module.save(program, tmp_path / name)
        assert module.load(tmp_path / name).b.size == program.b.size
    as_problem(program)
    assert time.process_time() - started < 15
