"""Semidefinite program: maps, moments, and a bound that holds for any matrices."""

from math import comb

import numpy as np
import pytest
from chunks import some

from sojourn.models import MultiMode
from sojourn.models.core.run import run
from sojourn.models.systems.service_modes import sum_of_squares as sos
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes.assignment import lowest

U = np.linspace(0, 1, 301)
A = exact.Canonical(1.0, 4.0, 0.1, 0.3).dual_mode


def basis(n):
    """Return the Bernstein polynomials of degree n at U."""
    k = np.arange(n + 1)
    return np.array([comb(n, j) for j in k]) * U[:, None] ** k * (1 - U[:, None]) ** k[::-1]


def symmetric(rng, n):
    m = rng.normal(size=(n, n))
    return m + m.T


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_maps_are_the_squares_in_the_bernstein_basis(d):
    rng = np.random.default_rng(d)
    gram0, gram1 = symmetric(rng, d + 1), symmetric(rng, d)
    z0, z1 = (basis(n) / np.sqrt([comb(n, k) for k in range(n + 1)]) for n in (d, d - 1))
    np.testing.assert_allclose(
        basis(2 * d) @ (sos._gram0_map(d) @ gram0.ravel()),
        np.einsum("pi,ij,pj->p", z0, gram0, z0),
        atol=1e-12,
    )
    expected = U * (1 - U) * np.einsum("pi,ij,pj->p", z1, gram1, z1)
    np.testing.assert_allclose(
        basis(2 * d) @ (sos._gram1_map(d) @ gram1.ravel()), expected, atol=1e-12
    )


def coefficients(load, modes=A):
    numerator, denominator = sos.bernstein(exact.segment(modes, load))
    return (
        numerator / numerator.max(),
        denominator / denominator.max(),
        numerator.max() / denominator.max(),
    )


@pytest.mark.parametrize("seed", some(200, quick=20, often=50))
def test_bound_of_any_matrices_holds(seed):
    """The solver may return anything: random matrices and bounds, perturbed solutions."""
    rng = np.random.default_rng(seed)
    load = float(rng.uniform(0.5, 4.99))
    numerator, denominator, unit = coefficients(load)
    true = exact.assignment(A, load).mean_delay / unit
    program = sos.write(2)
    program.numerator.value, program.denominator.value = numerator, denominator
    run(program.problem, "CLARABEL")
    found = sos.certified_bound(
        numerator, denominator, program.bound.value, program.gram0.value, program.gram1.value
    )
    size = 10 ** rng.uniform(-12, 1)
    gram0 = program.gram0.value + size * symmetric(rng, 3)
    gram1 = program.gram1.value + size * symmetric(rng, 2)
    bound = true * (1 + size * rng.normal())
    assert found <= true
    assert sos.certified_bound(numerator, denominator, bound, gram0, gram1) <= true * (1 + 1e-15)
    assert (
        sos.certified_bound(
            numerator, denominator, bound, 10 * symmetric(rng, 3), 10 * symmetric(rng, 2)
        )
        <= true
    )


def test_borrowing_makes_no_polynomial_larger():
    rng = np.random.default_rng(1)
    for _ in range(100):
        given = rng.uniform(0, 1, 5) * rng.integers(0, 2, 5)
        assert np.all(basis(4) @ sos._borrow_from_neighbours(given) <= basis(4) @ given + 1e-15)


def test_common_zero_at_an_end_is_cancelled():
    """Two identical stages fill up at the same p."""
    one, two = (
        exact.Modes([[2.0, 1.0], [1.0, 3.0]]),
        exact.Modes([[2.0, 1.0], [1.0, 3.0], [1.0, 3.0]]),
    )
    segment = exact.segment(two, 1.2)
    assert segment.numerator[0] == segment.denominator[0] == 0
    numerator, denominator = sos.bernstein(segment)
    assert numerator[0] > 0
    inside = U[1:-1]
    np.testing.assert_allclose(
        (basis(6) @ numerator)[1:-1] / (basis(6) @ denominator)[1:-1],
        segment.delay(inside),
        rtol=1e-9,
    )
    system = MultiMode(two.rate)
    found, true = system.assignment(1.2), exact.assignment(two, 1.2)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-10)
    assert found.mean_delay > exact.assignment(one, 1.2).mean_delay


def moments(points, weights, d):
    """Return the means of the Bernstein polynomials of degree 2 d under point masses."""
    k = np.arange(2 * d + 1)
    rows = [
        w * np.array([comb(2 * d, j) for j in k]) * u**k * (1 - u) ** k[::-1]
        for u, w in zip(points, weights, strict=True)
    ]
    return np.sum(rows, axis=0)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("sign", [1, -1])
def test_point_mass_is_found(d, sign):
    for u in (0.0, 1e-3, 0.3, 0.9, 1.0):
        assert np.nanmin(np.abs(sos.moment_candidates(sign * moments([u], [2.0], d), d) - u)) < 1e-7


@pytest.mark.parametrize("d", [2, 3, 5])
def test_two_equally_good_points_are_both_found(d):
    found = sos.moment_candidates(moments([0.2, 0.7], [0.4, 0.6], d), d)
    for u in (0.2, 0.7):
        assert np.nanmin(np.abs(found - u)) < 1e-6
    found = sos.moment_candidates(moments([0.0, 0.6], [0.5, 0.5], d), d)
    assert np.nanmin(np.abs(found - 0.6)) < 1e-6


def test_polish_improves_and_keeps_optimal_points():
    segment = exact.segment(A, 4.5)
    true = exact.assignment(A, 4.5)
    u, _ = lowest(segment)
    for start in (u + 1e-4, u - 1e-4, u + 3e-3):
        found, steps = sos.polish(segment, start)
        assert found == pytest.approx(u, abs=1e-12)
        assert steps > 0
        assert segment.assignment(found)[0] == pytest.approx(true.p, abs=1e-12)
    far, steps = sos.polish(segment, 0.999)
    assert (far, steps) == (0.999, 0)


def test_program_is_disciplined_in_its_parameters():
    assert sos.write(2).problem.is_dcp(dpp=True)


def test_program_used_again_gives_the_same_as_a_fresh_one():
    used, bounds = MultiMode(A.rate), []
    for load in (4.5, 2.0, 4.5):
        again, fresh = used.assignment(load), MultiMode(A.rate).assignment(load)
        assert again.certificate.lower_bound == fresh.certificate.lower_bound
        bounds.append(again.certificate.lower_bound)
    assert bounds[0] == bounds[2] != bounds[1]
