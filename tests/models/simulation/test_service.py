"""Distributions of service times have the mean 1 and the cv that they state."""

import math

import numpy as np
import pytest

from sojourn.models.simulation.service import (
    Deterministic,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Samples,
    as_service,
    gamma,
)
from sojourn.reference.errors import InputError

LAWS = [
    Deterministic(),
    Exponential(),
    Gamma(0.5),
    Gamma(3.0),
    Lognormal(0.4),
    Lognormal(1.5),
    Hyperexponential(1.0),
    Hyperexponential(2.5),
    Samples([0.1, 0.4, 7.0]),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_mean_and_cv(law):
    n = 400_000
    drawn = law.draw(np.random.default_rng(7), n)
    assert drawn.shape == (n,)
    assert np.all(drawn >= 0)
    # intervals of five standard errors from the sample itself
    for values, true in ((drawn, 1.0), ((drawn - 1.0) ** 2, law.cv**2)):
        assert abs(values.mean() - true) <= 5 * values.std() / math.sqrt(n) + 1e-12


def test_moments_of_balanced_means():
    """Both branches of a hyperexponential law bring half of the work."""
    cv = 2.0
    often = 0.5 * (1 + math.sqrt((cv**2 - 1) / (cv**2 + 1)))
    first, second = often * 0.5 / often, (1 - often) * 0.5 / (1 - often)
    assert first == second == 0.5
    square = often * 2 * (0.5 / often) ** 2 + (1 - often) * 2 * (0.5 / (1 - often)) ** 2
    assert square - 1 == pytest.approx(cv**2)


def test_choice():
    assert as_service(None, 0.0) == Deterministic()
    assert as_service(None, 1.0) == Exponential()
    assert as_service("gamma", 2.0) == gamma(2.0) == Gamma(2.0)
    assert as_service("lognormal", 0.0) == Deterministic()
    assert as_service("exponential", 3.0) == Exponential()
    assert as_service(Gamma(2.0), 1.0) == Gamma(2.0)
    assert as_service("hyperexponential", 2.0) == Hyperexponential(2.0)
    assert as_service([1.0, 3.0], 1.0).values.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("given", "cv", "problem"),
    [
        ("weibull", 1.0, "is no distribution"),
        ("hyperexponential", 0.5, "a cv of 1 or more"),
        ([], 1.0, "no list of service times"),
        ([[1.0]], 1.0, "no list of service times"),
        ([1.0, -1.0], 1.0, "is no service time"),
        ([1.0, math.inf], 1.0, "is no service time"),
        ([0.0, 0.0], 1.0, "is 0 in all samples"),
    ],
)
def test_refused(given, cv, problem):
    with pytest.raises(InputError, match=problem):
        as_service(given, cv)


def test_samples_near_the_largest_float():
    assert Samples([1.7e308, 1.7e308]).values.tolist() == [1.0, 1.0]
