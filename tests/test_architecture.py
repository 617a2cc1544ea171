"""Imports go one way, and what is in the tree is what is installed."""

import ast
import fnmatch
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "models").rglob("*.py"), *(ROOT / "reference").rglob("*.py")])


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imports(path, *, inside_functions=True):
    """Absolute names that a file imports, those for type checkers among them."""
    found = set()

    def visit(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside_functions:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports would pass unseen"
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def forbidden(path, packages, *, inside_functions=True):
    return {i for i in imports(path, inside_functions=inside_functions) for p in packages if i == p or i.startswith(f"{p}.")}


def models(*names):
    return [f"sojourn.models.{n}" for n in names]


TOP = ("scenarios", "plots", "reports", "cli")
# what may not be imported by whom, and whether a function may still do it
RULES = {
    "reference": (["cvxpy", "sojourn.models", "xarray", "matplotlib", "rich", "typer", "pandas"], True),
    "models/latency": (models("solving", "systems", "studies", *TOP), True),
    "models/solving": (models("latency", "systems", "studies", *TOP), True),
    "models/systems": (models(*TOP), True),
    "models/systems at once": (models("studies"), False),  # curve() is imported when it is called
    "models/studies": (models(*TOP), True),
    "models/scenarios": (models("plots", "reports", "cli", "studies"), True),
    "models/plots": (models("reports", "cli", "scenarios", "systems", "solving"), True),
    "models/reports": (models("cli"), True),
}


@pytest.mark.parametrize("rule", RULES)
def test_imports_go_one_way(rule):
    packages, inside_functions = RULES[rule]
    folder = rule.split()[0]
    files = [p for p in MODULES if name_of(p) == folder or name_of(p).startswith(f"{folder}/")]
    assert files, f"there is no {folder}"
    found = {name_of(p): f for p in files if (f := forbidden(p, packages, inside_functions=inside_functions))}
    assert not found


def test_the_rules_see_what_they_forbid(tmp_path):
    """A rule that finds nothing because it looks wrongly would pass for ever."""
    path = tmp_path / "bad.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport cvxpy as cp\nfrom sojourn import models\n"
        "if TYPE_CHECKING:\n    from sojourn.models.cli import main\ndef f():\n    from xarray.core import x\n"
    )
    bad = ["cvxpy", "sojourn.models", "xarray"]
    assert forbidden(path, bad) == {"cvxpy", "sojourn.models", "sojourn.models.cli", "sojourn.models.cli.main", "xarray.core", "xarray.core.x"}
    assert not {i for i in forbidden(path, bad, inside_functions=False) if "xarray" in i}
    # and the lazy import that the systems are allowed is there
    lazy = ROOT / "models" / "systems" / "parallel.py"
    assert forbidden(lazy, models("studies"))
    assert not forbidden(lazy, models("studies"), inside_functions=False)


def test_nobody_imports_the_folders_by_their_names_in_the_tree():
    """`import models` works in a checkout alone."""
    assert not {name_of(p): f for p in MODULES if (f := forbidden(p, ["models", "reference", "tests"]))}


HELP = "import sys; from sojourn.models.cli import app; sys.argv = ['sojourn', '--help']; app(standalone_mode=False)"
LIGHT = {
    "import sojourn.reference": {"cvxpy", "matplotlib", "pandas", "scipy", "sojourn.models", "xarray"},
    HELP: {"cvxpy", "matplotlib", "numpy", "pandas", "scipy", "sojourn.models.latency", "sojourn.reference", "xarray"},
    HELP.replace("--help", "list"): {"cvxpy", "matplotlib", "numpy", "pandas", "scipy", "sojourn.models.latency", "xarray"},
}


@pytest.mark.parametrize("code", LIGHT, ids=["reference", "help", "list"])
def test_what_is_to_start_at_once_imports_nothing_heavy(code):
    """Modules and not seconds: those depend on the machine."""
    asked = f"{code}\nsys.exit(', '.join({LIGHT[code]} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{asked}"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


# ---- the installed package


def tree(folder):
    """Files that belong in a wheel."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix in (".py", ".toml", ".typed")}


def installed(package):
    def walk(here, prefix):
        for item in here.iterdir():
            if item.is_dir():
                yield from walk(item, f"{prefix}{item.name}/")
            elif Path(item.name).suffix in (".py", ".toml", ".typed"):
                yield f"{prefix}{item.name}"

    return set(walk(resources.files(package), ""))


@pytest.mark.parametrize("folder", ["models", "reference"])
def test_every_file_of_the_tree_is_installed(folder):
    assert installed(f"sojourn.{folder}") == tree(ROOT / folder)


def test_every_folder_and_data_file_is_declared():
    """An editable install finds them all in the tree; a wheel has what pyproject.toml says."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {p.parent for p in MODULES}
    assert set(settings["packages"]) == {"sojourn." + name_of(f).replace("/", ".") for f in folders}
    for folder in folders:
        assert (folder / "__init__.py").exists(), f"{folder} is not a package"
        patterns = settings["package-data"].get("sojourn." + name_of(folder).replace("/", "."), [])
        data = [p.name for p in folder.iterdir() if p.is_file() and p.suffix not in (".py", ".pyc")]
        assert [n for n in data if not any(fnmatch.fnmatch(n, pattern) for pattern in patterns)] == []


def test_every_module_says_what_it_is_for():
    assert [name_of(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))] == []
