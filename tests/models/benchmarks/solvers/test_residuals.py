"""Distances from cones and dual cones, and residuals, on known points and against CVXPY."""

import cvxpy as cp
import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from chunks import some
from cone_programs import KINDS, pair, random_program

from sojourn.models.benchmarks.solvers.programs.cone_program import ConeProgram, Cones
from sojourn.models.benchmarks.solvers.programs.distances import distances
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem

NONLINEAR = {
    "second_order": Cones(second_order=(3, 4)),
    "semidefinite": Cones(semidefinite=(2, 3)),
    "exponential": Cones(exponential=3),
    "power": Cones(power=(0.1, 0.5, 0.8)),
}


def projected(cones, point):
    """Return the distance of a point from the product of cones by a solver."""
    n = cones.rows
    program = ConeProgram(
        "nearest", sp.csc_array((n, n)), np.zeros(n), sp.csc_array(-np.eye(n)), np.zeros(n), cones
    )
    _, x, constraints = as_problem(program)
    problem = cp.Problem(cp.Minimize(cp.norm(x - point)), constraints)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return problem.value


@pytest.mark.parametrize("seed", some(60, quick=2, often=3))
@pytest.mark.parametrize("kind", NONLINEAR)
def test_distances_are_those_of_the_nearest_point(kind, seed):
    cones, rng = NONLINEAR[kind], np.random.default_rng(seed)
    point = rng.normal(size=cones.rows) * 10 ** rng.uniform(-1, 1)
    found = np.linalg.norm(distances(cones, point))
    assert found == pytest.approx(projected(cones, point), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", some(100, quick=2, often=5))
@pytest.mark.parametrize("kind", KINDS)
def test_points_of_the_cones_have_no_distance_and_points_near_them_a_small_one(kind, seed):
    cones, rng = KINDS[kind], np.random.default_rng(seed)
    s, y = pair(cones, rng)
    assert distances(cones, s).max() < 1e-14
    assert distances(cones, y, dual=True).max() < 1e-14
    for size in (1e-12, 1e-9, 1e-6, 1e-3):
        step = rng.normal(size=cones.rows)
        step *= size / np.linalg.norm(step)
        assert distances(cones, s + step).max() <= size * (1 + 1e-3) + 1e-14
        # distances from dual cones may be larger by a stated factor
        factor = max([1, np.e, *(1 / min(p, 1 - p) for p in cones.power)])
        assert distances(cones, y + step, dual=True).max() <= factor * size * (1 + 1e-3) + 1e-14


@pytest.mark.parametrize("seed", some(100, quick=2, often=5))
@pytest.mark.parametrize("kind", KINDS)
def test_a_dual_distance_covers_the_true_one(kind, seed):
    """<s, y> >= -|s| dist(y) for every s in the cone; the bound is met by the best s."""
    cones, rng = KINDS[kind], np.random.default_rng(seed)
    y = rng.normal(size=cones.rows)
    total = np.linalg.norm(distances(cones, y, dual=True))
    for _ in range(20):
        s, _ = pair(cones, rng)
        assert s @ y >= -np.linalg.norm(s) * total * (1 + 1e-12)


def test_steps_off_the_boundary_have_the_length_of_the_step():
    """A step along an outward normal leads away by its length."""
    rng = np.random.default_rng(5)
    for r in (-30.0, -3.0, 0.0, 1.0, 3.0, 30.0, 100.0):
        ray = np.array([r, 1.0, np.exp(r)])
        normal = np.array([np.exp(r), (1 - r) * np.exp(r), -1.0])
        point, normal = ray / np.linalg.norm(ray), normal / np.linalg.norm(normal)
        for size in (1e-12, 1e-8, 1e-2):
            (found,) = distances(Cones(exponential=1), point + size * normal)
            assert found == pytest.approx(size, rel=1e-3, abs=1e-15), (r, size)
    for p in (1e-3, 0.3, 0.999):
        a, b = rng.uniform(0.5, 2, 2)
        c = a**p * b ** (1 - p)
        normal = np.array([-p * c / a, -(1 - p) * c / b, 1.0])
        normal /= np.linalg.norm(normal)
        for size in (1e-12, 1e-8, 1e-2):
            (found,) = distances(Cones(power=(p,)), np.array([a, b, c]) + size * normal)
            assert found == pytest.approx(size, rel=1e-3, abs=1e-15), (p, size)


@pytest.mark.parametrize(
    ("point", "distance"),
    [
        ((1.0, 0.0, 1.0), None),
        ((0.0, 0.0, 0.0), 0.0),
        ((-1.0, 0.0, 2.0), 0.0),
        ((-1.0, -2.0, -2.0), np.sqrt(8)),
        ((3.0, 0.0, -4.0), None),
        ((1e-9, -1.0, 1.0), None),
        ((1000.0, 1.0, 1.0), None),
        ((1e300, 1e-300, 1.0), None),
        ((-1e300, 1e-300, 0.0), 0.0),
        ((1.0, -1e-9, 1000.0), None),
    ],
)
def test_distances_from_the_exponential_cone_at_its_edges(point, distance):
    (found,) = distances(Cones(exponential=1), np.array(point))
    assert np.isfinite(found)
    assert found <= nearest_of_rays(*point) * (1 + 1e-6)
    if distance is not None:
        assert found == pytest.approx(distance, rel=1e-12, abs=1e-300)


def nearest_of_rays(a, b, c):
    """Return the distance from a cone of many rays, which is not below the true one."""
    with mpmath.workdps(40):
        a, b, c = map(mpmath.mpf, (a, b, c))
        best = mpmath.sqrt(max(a, 0) ** 2 + b**2 + min(c, 0) ** 2)
        for k in range(-400, 401):
            r = mpmath.mpf(k) / 4
            ray = (r, mpmath.mpf(1), mpmath.exp(r))
            along = max(sum(map(mpmath.fmul, ray, (a, b, c))), 0) / sum(e * e for e in ray)
            gaps = (along * e - v for e, v in zip(ray, (a, b, c), strict=True))
            best = min(best, mpmath.sqrt(sum(gap**2 for gap in gaps)))
        return float(best)


@pytest.mark.parametrize("seed", some(60, quick=1, often=3))
@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_0_at_an_optimum_and_not_beside_it(kind, quadratic, seed):
    rng = np.random.default_rng(seed)
    program, x, y = random_program(KINDS[kind], rng, quadratic=quadratic)
    assert max(residuals(program, x, y)) < 1e-13
    step = rng.normal(size=x.size)
    moved = residuals(program, x + 1e-3 * step, y)
    assert 1e-6 < max(moved) < 1e-1
    assert residuals(program, x, y + 1e-3 * rng.normal(size=y.size)).dual > 1e-6


def test_residuals_are_in_the_stated_units():
    program, x, y = random_program(Cones(zero=1, nonnegative=2), np.random.default_rng(2))
    x = x + 0.1
    s = program.b - program.A @ x
    outside = max(abs(s[0]), *(-s[1:]), 0)
    found = residuals(program, x, y)
    assert found.primal == pytest.approx(outside / (1 + abs(program.b).max()), rel=1e-12)
    primal, dual = program.q @ x, -program.b @ y
    gap = max(abs(s @ y), abs(primal - dual)) / (1 + abs(primal) + abs(dual))
    assert found.complementarity == pytest.approx(gap, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_numbers_that_are_not_finite_have_infinite_residuals(bad):
    program, x, y = random_program(KINDS["all"], np.random.default_rng(0), quadratic=True)
    assert residuals(program, np.full_like(x, bad), y) == (np.inf, np.inf, np.inf)
    assert residuals(program, x, np.full_like(y, bad)).dual == np.inf
    assert residuals(program, np.full_like(x, bad)).primal == np.inf
    without = residuals(program, x)
    assert without.primal < 1e-13
    assert np.isnan(without.dual)
    assert np.isnan(without.complementarity)
