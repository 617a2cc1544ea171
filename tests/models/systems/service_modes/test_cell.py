"""The convex program of a cell of assignments: its bound, its error, and Newton steps."""

import cvxpy as cp
import numpy as np
import pytest
from chunks import some

from sojourn.models.systems.service_modes import cell
from sojourn.reference.service_modes import Modes
from sojourn.reference.service_modes.partition import joint_delay


def random_modes(rng, stages=None, modes=None):
    """Return random modes, some without work at some stages, half of them with fixed delays."""
    stages, modes = stages or rng.integers(1, 5), modes or rng.integers(1, 6)
    work = rng.exponential(1.0, (stages, modes)) * (rng.random((stages, modes)) < 0.8)
    work[:, ~work.any(axis=0)] = 1.0
    work[~work.any(axis=1)] = 1.0
    return Modes.from_work(work, rng.exponential(1.0, modes) * rng.integers(0, 2))


def random_cell(rng, modes, load, size):
    """Return a cell, shape (V, M), some of whose points are stable, and the middle of it."""
    p = rng.dirichlet(np.ones(modes.modes))
    middle = np.sqrt(p / p.sum())
    corners = rng.exponential(1.0, (int(rng.integers(1, 5)), modes.modes))
    return np.maximum(middle + size * corners / np.sqrt((corners**2).sum(axis=1))[:, None], 0.0)


def middle_of(vertices):
    middle = vertices.mean(axis=0)
    return middle[None] / np.sqrt(middle @ middle)


def delays(modes, load, w):
    return joint_delay(modes, load, w**2 / (w**2).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("seed", some(1000, often=50))
def test_no_point_of_a_cell_is_below_the_bound_of_any_slopes(seed):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng)
    load = rng.uniform(0.1, 3.0) / modes.time.max()
    vertices = random_cell(rng, modes, load, rng.choice([1e-6, 1e-3, 0.1, 10.0]))
    cells = cell.cells(modes, np.array([load]), vertices[None], middle_of(vertices))
    weight = rng.dirichlet(np.ones(len(vertices)), 200)
    inside = weight @ cells.vertices[0]
    least = delays(modes, load, inside).min()
    slopes = [cells.slopes(weight[:1]), cell.slopes_at(modes, np.array([load]), inside[:1])]
    slopes += [rng.exponential(factor, (1, modes.stages)) for factor in (0.1, 1.0, 10.0)]
    for slope in slopes:
        assert cells.bound(slope)[0] <= least


@pytest.mark.parametrize("seed", some(200, often=20))
def test_the_error_of_the_bound_is_of_second_order(seed):
    """A cell of half the size has a quarter of the error, at the slopes of its middle."""
    rng = np.random.default_rng(seed)
    modes = random_modes(rng, 3, 4)
    middle = np.sqrt(rng.dirichlet(np.full(4, 3.0)))
    load = 0.8 / (modes.time @ middle**2).max()
    corners = rng.normal(size=(4, 4))
    corners -= corners.mean(axis=0)
    errors = []
    for size in (1e-2, 5e-3, 2.5e-3):
        vertices = np.maximum(middle + size * corners, 0.0)
        cells = cell.cells(modes, np.array([load]), vertices[None], middle_of(vertices))
        weight = np.full((1, 4), 0.25)
        c = cells.slopes(weight)[..., None]
        terms = 2 * c * cells.numerator - c**2 * cells.denominator
        flat = (terms.sum(axis=1) + cells.fixed) @ weight[0]
        errors.append(float(delays(modes, load, cells.direction(weight))[0] - flat[0]))
    assert errors[0] > 0
    assert errors[1] / errors[0] == pytest.approx(0.25, rel=0.2)
    assert errors[2] / errors[1] == pytest.approx(0.25, rel=0.1)


@pytest.mark.parametrize("seed", some(200, often=10))
@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_the_program_has_the_value_that_its_slopes_prove(seed, solver):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng, int(rng.integers(1, 5)), 4)
    p = rng.dirichlet(np.ones(4))
    load = 0.5 / (modes.time @ p).max()
    vertices = np.sqrt(p) + 0.05 * np.eye(4)
    cells = cell.cells(modes, np.array([load]), vertices[None], middle_of(vertices))
    program = cell.write(modes.stages, 4)
    given = (program.numerator, program.denominator, program.fixed)
    for parameter, value in zip(given, cells.parameters(), strict=True):
        parameter.value = value[0]
    assert program.problem.is_dcp(dpp=True)
    program.problem.solve(solver=solver)
    weight = program.weight.value[None]
    top, bottom = (a[0] @ weight[0] for a in (cells.numerator, cells.denominator))
    value = (top**2 / bottom).sum() + cells.fixed[0] @ weight[0]
    assert cells.bound(cells.slopes(weight))[0] == pytest.approx(value, rel=1e-4)
    assert cells.bound(cells.slopes(weight))[0] <= delays(modes, load, vertices).min()
    unit = value / program.problem.value
    np.testing.assert_allclose(
        cells.parameters()[2][0] * unit, cells.fixed[0], rtol=1e-4, atol=1e-12
    )


@pytest.mark.parametrize("seed", some(400, often=40))
def test_newton_steps_reach_a_point_that_no_neighbour_betters(seed):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng)
    w = np.sqrt(rng.dirichlet(np.ones(modes.modes)))
    load = 0.7 / (modes.time @ w**2).max()
    best, _ = cell.polish(modes, load, w)
    assert best @ best == pytest.approx(1.0, rel=1e-14)
    least = delays(modes, load, best)
    assert least <= delays(modes, load, w) * (1 + 1e-13)
    used = best > 0
    near = best + 1e-6 * rng.normal(size=(100, best.size)) * used
    assert np.all(delays(modes, load, np.maximum(near, 0.0)) >= least * (1 - 1e-11))


def test_derivatives_are_those_of_differences():
    rng = np.random.default_rng(3)
    modes = random_modes(rng, 3, 4)
    w = np.sqrt(rng.dirichlet(np.ones(4)))
    load = 0.7 / (modes.time @ w**2).max()
    of = cell._Delay(modes, load)
    assert of.at(w) == pytest.approx(delays(modes, load, w), rel=1e-14)
    gradient, hessian = of.derivatives(w)
    h = 1e-5
    for m, e in enumerate(h * np.eye(4)):
        assert gradient[m] == pytest.approx((of.at(w + e) - of.at(w - e)) / (2 * h), rel=1e-6)
        change = (of.derivatives(w + e)[0] - of.derivatives(w - e)[0]) / (2 * h)
        np.testing.assert_allclose(hessian[m], change, rtol=1e-6, atol=1e-6)
    assert gradient @ w == pytest.approx(0.0, abs=1e-12)  # the delay has no scale
    np.testing.assert_allclose(hessian @ w, -gradient, atol=1e-11)


def test_a_full_stage_has_no_slope():
    modes = Modes.from_work([[1.0, 2.0]])
    assert cell.slopes_at(modes, np.array([0.6]), np.array([[0.0, 1.0]])).tolist() == [[0.0]]
    assert cell._Delay(modes, 0.6).at(np.array([0.0, 1.0])) == np.inf
    assert cp.Problem is type(cell.write(1, 1).problem)
