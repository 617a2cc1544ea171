"""The delay of two modes as a ratio of polynomials along the stable interval."""

from fractions import Fraction

import numpy as np
import pytest
from strategies_dual_mode import (
    load_at,
    printed_delay,
    printed_interval,
    random_modes,
    random_part,
    random_system,
)

from sojourn.reference.service_modes import Canonical, segment

A = Canonical(1.0, 4.0, 0.1, 0.3).dual_mode


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_the_numerator_of_the_slope_in_exact_arithmetic(stages):
    """It is 2S (N'D - ND'), of degree 4S - 2, at most 6 for two stages."""
    rng = np.random.default_rng(stages)
    for _ in range(20):
        modes = random_modes(rng, stages, 2) if stages != 2 else random_system(rng).dual_mode
        along = segment(modes, load_at(modes, rng.uniform(0.05, 0.99)))
        found = [Fraction(float(c)) for c in along.slope_numerator()]
        assert len(found) == 4 * stages - 1
        top, bottom = powers(along.numerator), powers(along.denominator)
        # fractions, so that the highest power cancels without rounding
        quotient_rule = minus(times(slopes(top), bottom), times(top, slopes(bottom)))
        expected = [2 * stages * c for c in quotient_rule]
        size = product_of_sizes(along.numerator, along.denominator)
        for u in (Fraction(k, 7) for k in range(8)):
            basis = [u**k * (1 - u) ** (len(found) - 1 - k) for k in range(len(found))]
            value, scale = (
                sum(c * b for c, b in zip(values, basis, strict=True)) for values in (found, size)
            )
            assert abs(value - sum(c * u**k for k, c in enumerate(expected))) <= scale / 10**14
        assert len(expected) == 4 * stages
        assert expected[-1] == 0


def product_of_sizes(top, bottom):
    """Sum of the two terms whose difference is each coefficient: the scale of its rounding."""
    n = np.arange(len(top))
    first = np.convolve((n * top)[1:], (n[::-1] * bottom)[:-1])
    second = np.convolve((n[::-1] * top)[:-1], (n * bottom)[1:])
    return [Fraction(float(c)) for c in first + second]


def powers(coefficients):
    """Coefficients in powers of u from those in u^k (1-u)^(n-k), exactly."""
    n = len(coefficients) - 1
    out = [Fraction(0)] * (n + 1)
    for k, c in enumerate(coefficients):
        term = [Fraction(float(c))]
        for factor in [[0, 1]] * k + [[1, -1]] * (n - k):
            term = times(term, factor)
        out = [a + b for a, b in zip(out, term, strict=True)]
    return out


def times(a, b):
    out = [Fraction(0)] * (len(a) + len(b) - 1)
    for (i, x), (j, y) in ((p, q) for p in enumerate(a) for q in enumerate(b)):
        out[i + j] += x * y
    return out


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def slopes(a):
    return [k * c for k, c in enumerate(a)][1:]


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_numerator_of_the_slope_against_differences_of_the_delay(stages):
    rng = np.random.default_rng([stages, 3])
    for _ in range(20):
        modes = random_modes(rng, stages, 2)
        along = segment(modes, load_at(modes, rng.uniform(0.05, 0.95)))
        u = np.linspace(0.05, 0.95, 19)
        exact = in_basis(along.slope_numerator(), u) / (2 * stages)
        exact /= in_basis(along.denominator, u) ** 2
        step = 1e-6
        finite = (along.delay(u + step) - along.delay(u - step)) / (2 * step)
        np.testing.assert_allclose(exact, finite, rtol=1e-6, atol=1e-7 * np.abs(finite).max())


def in_basis(coefficients, u):
    """Values of a polynomial from its coefficients in u^k (1-u)^(n-k)."""
    powers_of_u = np.arange(len(coefficients))
    basis = u[:, None] ** powers_of_u * (1 - u[:, None]) ** powers_of_u[::-1]
    return (coefficients * basis).sum(axis=1)


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_delay_along_the_segment_is_the_delay(stages):
    rng = np.random.default_rng([stages, 4])
    for _ in range(30):
        modes, part = random_modes(rng, stages, 2), rng.uniform(0.05, 0.99)
        load = load_at(modes, part)
        along = segment(modes, load)
        for u in rng.uniform(0, 1, 10):
            p, rest = along.assignment(u)
            assert p + rest == pytest.approx(1, abs=1e-15)
            # near an end of the interval a stage is nearly full, however light the load
            full = max(1 / (1 - load * (p * a + rest * b)) for a, b in modes.time)
            assert float(along.delay(u)) == pytest.approx(
                float(printed_delay(modes, load, p, rest)), rel=1e-14 * full
            )


def test_the_segment_runs_from_the_largest_stable_p_to_the_least():
    for load in (1.0, 4.0, 4.5, 4.99):
        low, high = printed_interval(A, load)
        along = segment(A, load)
        assert (along.assignment(1)[0], along.assignment(0)[0]) == pytest.approx(
            (low, high), abs=1e-14
        )
        assert np.all(np.diff([along.assignment(u)[0] for u in np.linspace(0, 1, 50)]) < 0)


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_the_bernstein_coefficients_are_never_negative(stages):
    rng = np.random.default_rng([stages, 5])
    for _ in range(100):
        modes = random_modes(rng, stages, 2) if stages != 2 else random_system(rng).dual_mode
        along = segment(modes, load_at(modes, random_part(rng)))
        for c in (along.above, along.below, along.numerator, along.denominator):
            assert np.all(np.isfinite(c))
            assert np.all(c >= 0)
        assert along.numerator.shape == along.denominator.shape == (2 * stages + 1,)
