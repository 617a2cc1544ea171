"""Every example in a docstring of the models runs."""

import doctest
import importlib
import linecache
import pkgutil

import pytest

import sojourn.models

MODULES = [
    m.name
    for m in pkgutil.walk_packages(sojourn.models.__path__, "sojourn.models.")
    if m.name
    != "sojourn.models._top"  # the package `sojourn` itself, where the install is editable
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    linecache.clearcache()  # all its files are looked at before each docstring
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    assert (
        sum(
            bool(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name))
        )
        >= 5
    )
