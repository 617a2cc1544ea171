"""Names and types as the code of a user has them; mypy checks this file too."""

from typing import assert_type

import pytest

import sojourn
from sojourn import MM1, DualMode, OperatingPoint, ParallelServers, Solution, models, reference


def test_types_of_answers() -> None:
    system = ParallelServers(MM1(rate=[3.0, 2.0]))
    assert isinstance(assert_type(system.optimum(load=1.0), Solution), Solution)
    pair = DualMode(local=(10.0, 3.0), cloud=(4.0, 6.0))
    assert isinstance(assert_type(pair.assignment(load=1.0), OperatingPoint), OperatingPoint)
    split = reference.optimum(reference.MM1([3.0]), 1.0)
    assert isinstance(assert_type(split, reference.Split), reference.Split)


def test_names_are_the_same_everywhere() -> None:
    assert sojourn.MM1 is models.MM1 is MM1
    assert isinstance(assert_type(sojourn.__version__, str), str)


def test_other_names_are_errors() -> None:
    with pytest.raises(AttributeError, match=r"^module 'sojourn' has no attribute 'MM2'$"):
        sojourn.MM2  # type: ignore[attr-defined]  # noqa: B018
