"""The examples in the docstrings of sojourn.reference run."""

import doctest
import importlib
import linecache
import pkgutil

import pytest

import sojourn.reference

MODULES = [m.name for m in pkgutil.walk_packages(sojourn.reference.__path__, "sojourn.reference.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    linecache.clearcache()  # all its files are looked at before each docstring
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    tests = [t for name in MODULES for t in finder.find(importlib.import_module(name))]
    assert sum(bool(t.examples) for t in tests) >= 8
