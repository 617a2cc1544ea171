"""Imports point one way, and the installed files are those of the tree."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "models").rglob("*.py"), *(ROOT / "reference").rglob("*.py")])
TOP = "models/_top"  # the package `sojourn` itself


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def package_of(folder):
    """Return the dotted name under which a folder of the tree is installed."""
    return "sojourn" if name_of(folder) == TOP else "sojourn." + name_of(folder).replace("/", ".")


def module_of(path):
    """Return the dotted name under which a file is installed, and its package."""
    parts = [*package_of(path.parent).split("."), path.stem]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ".".join(parts[:-1])


NAMES = {module_of(p)[0] for p in MODULES}


def imports(text, package, *, types=True):
    """Return the absolute names that a file imports: `module.name` where that is a module.

    With `types` also the imports for type checkers alone.
    """
    found = set()

    def visit(node):
        if (
            isinstance(node, ast.If)
            and getattr(node.test, "id", "") == "TYPE_CHECKING"
            and not types
        ):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.update(
                f"{base}.{a.name}" if f"{base}.{a.name}" in NAMES else base for a in node.names
            )
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(text))
    return found


def imported(path, **options):
    return imports(path.read_text(encoding="utf-8"), module_of(path)[1], **options)


def within(name, packages):
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def files_of(folder):
    found = [p for p in MODULES if name_of(p).startswith(f"{folder}/")]
    assert found, f"there is no {folder}"
    return found


# rooms of the library that each room may import beside itself; none imports `sojourn` itself
ROOMS = {
    "reference": (),
    "models/core": ("reference",),
    "models/latency": ("reference", "models.core"),
    "models/simulation": ("reference", "models.core", "models.latency"),
    "models/frontend": ("reference", "models.core", "models.latency"),
    "models/systems": (
        "reference",
        "models.core",
        "models.latency",
        "models.simulation",
        "models.frontend",
    ),
    "models/studies": ("reference", "models.core", "models.frontend", "models.simulation"),
    "models/benchmarks": ("reference", "models"),
    "models/testbed": (
        "reference",
        "models.core",
        "models.frontend",
        "models.latency",
        "models.systems",
    ),
}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    allowed = [f"sojourn.{name.replace('/', '.')}" for name in (room, *ROOMS[room])]
    found = {
        name_of(p): bad
        for p in files_of(room)
        if (bad := {i for i in imported(p) if within(i, ["sojourn"]) and not within(i, allowed)})
    }
    assert not found


def kind_tests(text):
    """Return the classes that a file tests for: isinstance, issubclass, types compared, match."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "isinstance",
            "issubclass",
        ):
            decided = node.args[1:]
        elif isinstance(node, ast.Compare) and any(
            isinstance(n, ast.Call) and getattr(n.func, "id", "") == "type" for n in ast.walk(node)
        ):
            decided = [node]
        elif isinstance(node, ast.MatchClass):
            decided = [node.cls]
        else:
            continue
        found.update(
            getattr(n, "id", getattr(n, "attr", "")) for part in decided for n in ast.walk(part)
        )
    return found


def classes_of(files):
    return {
        n.name
        for p in files
        for n in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if isinstance(n, ast.ClassDef)
    }


def test_a_kind_of_system_is_known_in_its_folder_alone():
    """Other folders reach a system through `System` and `SystemKind`."""
    folders = {
        f[0]
        for p in files_of("models/systems")
        if (f := p.parent.relative_to(ROOT / "models/systems").parts)
    }
    assert folders
    for folder in folders:
        own = files_of(f"models/systems/{folder}")
        others = [p for p in MODULES if p not in own]
        classes = classes_of(own) - classes_of(others)
        found = {
            name_of(p): bad
            for p in others
            if (bad := kind_tests(p.read_text(encoding="utf-8")) & classes)
        }
        assert not found
        assert (ROOT / "models/systems" / folder / "kind.py").is_file()


def test_nothing_imports_the_command():
    command = {"sojourn.models.cli", "sojourn.models.commands"}
    assert {name_of(p): found for p in MODULES if (found := imported(p) & command)} == {
        "models/cli.py": {"sojourn.models.commands"}
    }


HEAVY = {
    "reference": ("cvxpy", "xarray", "matplotlib", "rich", "typer", "pandas"),
    "models/core": ("matplotlib", "typer"),
    "models/latency": ("matplotlib", "typer"),
}


@pytest.mark.parametrize("room", HEAVY)
def test_rooms_do_without(room):
    assert not {
        name_of(p): bad
        for p in files_of(room)
        if (bad := {i for i in imported(p) if within(i, HEAVY[room])})
    }


def test_the_tree_imports_itself_by_relative_names():
    """Folders and packages have different names: a bare checkout cannot resolve absolute ones."""
    absolute = ("sojourn", "models", "reference", "tests")
    found = {}
    for path in MODULES:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        bad = [
            n.lineno
            for n in nodes
            if isinstance(n, ast.ImportFrom) and not n.level and within(n.module, absolute)
        ]
        bad += [
            n.lineno
            for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(n, ast.Import) and any(within(a.name, absolute) for a in n.names)
        ]
        if bad:
            found[name_of(path)] = bad
    assert not found


def circle(arrows):
    """Return a cycle of a directed graph, or nothing."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        path.append(node)
        for after in sorted(arrows.get(node, ())):
            if found := visit(after):
                return found
        path.pop()
        done.add(node)
        return []

    return next((found for node in sorted(arrows) if (found := visit(node))), [])


def test_there_is_no_circle_also_not_by_imports_in_functions():
    arrows = {
        module_of(p)[0]: {i for i in imported(p, types=False) if i in NAMES} - {module_of(p)[0]}
        for p in MODULES
    }
    assert circle(arrows) == []


def test_the_rules_see_what_they_forbid():
    """A rule that cannot fail would pass for ever."""
    text = (
        "from typing import TYPE_CHECKING\nimport cvxpy as cp\nfrom ..core import run\n"
        "from ...reference.errors import Array\n"
        "if TYPE_CHECKING:\n    from ..cli import main\n"
        "def f():\n    from xarray.core import x\n    from . import base\n"
    )
    package = "sojourn.models.latency"
    found = {
        "typing",
        "cvxpy",
        "sojourn.models.core.run",
        "sojourn.reference.errors",
        "xarray.core",
        "sojourn.models.latency.base",
    }
    assert imports(text, package) == found | {"sojourn.models.cli"}
    assert imports(text, package, types=False) == found
    tests = (
        "isinstance(x, A | int)\nissubclass(x, (B, m.C))\ntype(x) is D\n"
        "match x:\n    case E():\n        F(x)\n"
    )
    assert kind_tests(tests) >= {"A", "B", "C", "D", "E"}
    assert "F" not in kind_tests(tests)
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def command(*lines):
    """Return code that runs lines of the command in one process."""
    return (
        "import sys\nfrom sojourn.models.commands import app\n"
        f"for line in {lines}:\n"
        "    sys.argv = ['sojourn', *line.split()]\n"
        "    app(standalone_mode=False)\n"
    )


SOLVERS = {"cvxpy", "scipy"}
CURVES = {"cloudpickle", "joblib", "matplotlib", "pandas", "xarray"}
LIGHT = {
    "reference": ("import sojourn.reference", {"sojourn.models", *SOLVERS, *CURVES}),
    "help": (
        command("--help", "testbed --help", "measure --help", "bench solvers --help"),
        {"aioquic", "numpy", "sojourn.models.latency", "sojourn.reference", *SOLVERS, *CURVES},
    ),
    "elements of the testbed": (
        "from sojourn.models.testbed import client, element, router, server",
        {"numpy", "typer", "rich", "sojourn.reference", *SOLVERS, *CURVES},
    ),
    "list": (command("list"), {"numpy", "sojourn.models.latency", *SOLVERS, *CURVES}),
    "names": (
        "import sojourn.models as m\n"
        "[getattr(m, name) for name in m.__all__ if name not in ('study', 'load_study')]\n"
        "import sojourn.models.systems.parallel\n"
        "import sojourn.models.systems.service_modes",
        CURVES,
    ),
    "answer": (
        "from sojourn import MM1, DualMode, ParallelServers\n"
        "ParallelServers(MM1([3.0, 2.0])).price_of_anarchy(4.0)\n"
        "DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).assignment(2.0)",
        CURVES,
    ),
    "run": (
        command(
            "run scenario-0",
            "run scenario-1 --weights-in 50,30,20",
            "run scenario-4 --json",
            "run dual-a",
        ),
        CURVES,
    ),
    "verify": (command("verify scenario-1", "verify dual-a --load 60% --json"), CURVES),
    "anarchy": (command("anarchy scenario-1"), {"joblib", "matplotlib"}),
}
"""Code, and modules that it does not import: their import takes longer than the work itself."""


@pytest.mark.parametrize("name", LIGHT)
def test_short_work_imports_nothing_heavy(name):
    """The test counts modules: seconds depend on the machine."""
    code, heavy = LIGHT[name]
    asked = f"{code}\nimport sys\nsys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


# ---- the installed package


def files_below(folder):
    """Return the files of a folder, in the tree or installed, that belong in a wheel."""
    for item in folder.iterdir():
        if item.is_dir() and item.name != Path(TOP).name:
            yield from (f"{item.name}/{name}" for name in files_below(item))
        elif Path(item.name).suffix in (".py", ".toml", ".typed"):
            yield item.name


@pytest.mark.parametrize("folder", ["models", "reference"])
def test_every_file_of_the_tree_is_installed(folder):
    assert {*files_below(resources.files(f"sojourn.{folder}"))} == {*files_below(ROOT / folder)}


def test_the_package_itself_is_installed():
    installed = resources.files("sojourn")
    for path in (ROOT / TOP).iterdir():
        if path.is_file():
            assert (installed / path.name).read_bytes() == path.read_bytes()


def test_every_folder_and_data_file_is_declared():
    """A wheel has the files that pyproject.toml declares; an editable install has the tree."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    folders = {p.parent for p in MODULES}
    assert set(settings["packages"]) == {package_of(f) for f in folders}
    assert [name_of(f) for f in folders if not (f / "__init__.py").exists()] == []
    data = {
        p
        for top in ("models", "reference")
        for p in (ROOT / top).rglob("*")
        if p.is_file() and p.suffix not in (".py", ".pyc")
    }
    declared = {
        p
        for folder in folders
        for pattern in settings["package-data"].get(package_of(folder), ())
        for p in folder.glob(pattern)
    }
    assert data == declared


def test_every_module_says_what_it_is_for():
    assert [
        name_of(p)
        for p in MODULES
        if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ] == []


def test_the_paths_of_the_contributors_guide_exist():
    guide = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    quoted = re.findall(r"`((?:models|reference|tests|notebooks|\.ci|\.github)/[^` ]*)`", guide)
    assert len(quoted) > 20
    assert [path for path in quoted if not (ROOT / path).exists()] == []
