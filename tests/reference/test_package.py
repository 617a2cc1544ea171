"""The examples of the reference run."""

import doctest
import importlib
import pkgutil

import pytest

import sojourn.reference

MODULES = [m.name for m in pkgutil.walk_packages(sojourn.reference.__path__, "sojourn.reference.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    assert (
        sum(
            bool(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name))
        )
        >= 8
    )
