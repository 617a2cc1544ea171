"""`sojourn.models` imports each name when it is first used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from sojourn import models

TREE = ast.parse(Path(models.__file__).read_text(encoding="utf-8"))
TYPED = {
    alias.name: "." * node.level + node.module
    for block in TREE.body
    if isinstance(block, ast.If)
    for node in ast.walk(block)
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_type_checkers_see_what_there_is():
    assert sorted(TYPED) == sorted(models.__all__)
    assert set(TYPED.values()) == set(models.HOMES)


@pytest.mark.parametrize("name", models.__all__)
def test_each_name_is_that_of_its_home(name):
    models.__dict__.pop(name, None)  # as if nobody had asked before
    assert getattr(models, name) is getattr(
        importlib.import_module(TYPED[name], models.__name__), name
    )


def test_a_name_that_is_not_there():
    with pytest.raises(
        AttributeError, match=r"^module 'sojourn.models' has no attribute 'MM2'$"
    ) as caught:
        models.MM2  # noqa: B018
    assert (caught.value.name, caught.value.obj) == (
        "MM2",
        models,
    )  # from these Python says: did you mean 'MM1'?
    with pytest.raises(
        ImportError, match=r"^cannot import name 'ParallelServer' from 'sojourn.models'"
    ):
        from sojourn.models import ParallelServer  # noqa: F401
    assert not hasattr(models, "TYPED")


FRESH = """
import sys
import sojourn.models
assert {"MM1", "verify", "HOMES"} <= set(dir(sojourn.models))
assert sojourn.models.InputError.__name__ == "InputError"
assert "cvxpy" not in sys.modules
assert len(sojourn.models.latency.registry.names()) >= 15
import sojourn.models.systems.parallel
assert sojourn.models.systems.parallel.ParallelServers is sojourn.models.ParallelServers
assert "sojourn.models.studies" not in sys.modules
from sojourn.models import *
assert not [name for name in sojourn.models.__all__ if name not in globals()]
assert verify is sojourn.models.verify
"""


def test_in_a_fresh_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
