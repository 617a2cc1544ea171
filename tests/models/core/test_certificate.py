"""Certificates of single numbers: gaps and rounding."""

import math

import pytest

from sojourn.models.core.certificate import bounds


def test_gap_is_the_larger_distance_over_the_lower_bound():
    certificate = bounds(2.0, 1.6, 2.2)
    assert (certificate.lower_bound, certificate.upper_bound) == (1.6, 2.2)
    assert certificate.gap == pytest.approx(0.4 / 1.6)
    assert bounds(1.7, 1.6, 2.2).gap == pytest.approx(0.5 / 1.6)


def test_rounding_widens_both_sides():
    certificate = bounds(1.0, 1.0, 1.0, 1e-6)
    assert certificate.lower_bound < 1 < certificate.upper_bound
    assert certificate.gap == pytest.approx(1e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [(math.inf, 1, 2), (math.nan, 1, 2), (1, 0, 2), (1, -3, 2), (1, 1, math.inf), (1, math.nan, 2)],
)
def test_bounds_that_prove_nothing_give_an_infinite_gap(value, lower, upper):
    certificate = bounds(value, lower, upper)
    assert certificate.gap == math.inf
    assert certificate.upper_bound == math.inf
    assert 0 <= certificate.lower_bound <= 1
