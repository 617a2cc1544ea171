"""The certificate of one number."""

import math

import pytest

from sojourn.models.core.certificate import bounds


def test_gap_is_the_larger_distance_over_the_lower_bound():
    found = bounds(2.0, 1.6, 2.2)
    assert (found.lower_bound, found.upper_bound) == (1.6, 2.2)
    assert found.gap == pytest.approx(0.4 / 1.6)
    assert bounds(1.7, 1.6, 2.2).gap == pytest.approx(0.5 / 1.6)


def test_rounding_widens_both_sides():
    found = bounds(1.0, 1.0, 1.0, 1e-6)
    assert found.lower_bound < 1 < found.upper_bound
    assert found.gap == pytest.approx(1e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [(math.inf, 1, 2), (math.nan, 1, 2), (1, 0, 2), (1, -3, 2), (1, 1, math.inf), (1, math.nan, 2)],
)
def test_what_bounds_nothing_says_so(value, lower, upper):
    found = bounds(value, lower, upper)
    assert found.gap == math.inf
    assert found.upper_bound == math.inf
    assert 0 <= found.lower_bound <= 1
