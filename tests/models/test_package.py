"""Packages give each public name at its first use, and list the public names alone."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sojourn
from sojourn import models

ROOT = Path(__file__).parents[2]
BLOCK = next(
    n for n in ast.parse(Path(models.__file__).read_text("utf-8")).body if type(n) is ast.If
)
HOMES = {
    name: "." * node.level + node.module
    for node in ast.walk(BLOCK)
    if isinstance(node, ast.ImportFrom)
    for name in (
        importlib.import_module("." * node.level + node.module, models.__name__).__all__
        if node.names[0].name == "*"
        else [alias.name for alias in node.names]
    )
}


def test_type_checkers_see_each_name_at_its_home():
    assert set(models.__all__) <= HOMES.keys()
    assert set(HOMES.values()) == set(models._PUBLIC_MODULES)
    assert len(set(models.__all__)) == len(models.__all__)


@pytest.mark.parametrize("name", models.__all__)
def test_each_name_is_that_of_its_home(name):
    models.__dict__.pop(name, None)  # as before its first use
    home = importlib.import_module(HOMES[name], models.__name__)
    assert getattr(sojourn, name) is getattr(models, name) is getattr(home, name)


@pytest.mark.parametrize("package", ["sojourn", "sojourn.models"])
def test_a_name_that_is_not_there(package):
    module = importlib.import_module(package)
    with pytest.raises(
        AttributeError, match=rf"^module '{package}' has no attribute 'MM2'$"
    ) as caught:
        module.MM2  # noqa: B018
    # from these Python makes the hint: did you mean 'MM1'?
    assert (caught.value.name, caught.value.obj) == ("MM2", module)
    with pytest.raises(
        ImportError, match=rf"^cannot import name 'ParallelServer' from '{package}'"
    ):
        exec(f"from {package} import ParallelServer")  # noqa: S102
    assert not hasattr(module, "TYPED")


PACKAGES = {
    "sojourn": ["models", "reference"],
    "sojourn.models": [
        "benchmarks",
        "core",
        "frontend",
        "latency",
        "simulation",
        "studies",
        "systems",
    ],
    "sojourn.reference": ["parallel", "service_modes"],
    "sojourn.reference.parallel": [],
    "sojourn.reference.service_modes": [],
}


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_has_public_names_and_packages_alone(package):
    module = importlib.import_module(package)
    assert dir(module) == sorted({*module.__all__, *PACKAGES[package]})
    assert all(hasattr(module, name) for name in dir(module))


def test_version_stands_in_one_place(sojourn):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    from sojourn import __version__

    assert __version__ == project["version"]
    assert sojourn("--version") == (0, f"sojourn {__version__}\n", "")


FRESH = """
import sys
before = set(sys.modules)
import sojourn
assert set(sys.modules) - before == {"sojourn"}
import sojourn.models
assert {"MM1", "verify", "latency"} <= set(dir(sojourn.models))
assert sojourn.InputError.__name__ == "InputError"
assert "cvxpy" not in sys.modules
assert len(sojourn.models.latency.registry.names()) >= 15
import sojourn.models.systems.parallel
assert sojourn.models.systems.parallel.ParallelServers is sojourn.models.ParallelServers
assert "sojourn.models.studies" not in sys.modules
from sojourn.models import *
assert not [name for name in sojourn.models.__all__ if name not in globals()]
assert verify is sojourn.models.verify
from sojourn import *
assert not [name for name in sojourn.__all__ if name not in globals()]
assert (__version__, reference) == (sojourn.__version__, sojourn.reference)
"""


def test_in_a_fresh_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
