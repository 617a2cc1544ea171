"""The public names of the library, each with the one module under which the site documents it."""

import ast
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

# a name that several packages have is documented under the first of them, these before all others
FIRST = (
    "sojourn.models",
    "sojourn.reference",
    "sojourn.reference.service_modes",
    "sojourn.reference.routes",
)
# modules whose classes and functions extensions and error handlers need
CONTRACTS = (
    "sojourn.models.core.errors",
    "sojourn.models.core.question",
    "sojourn.models.core.solver_specs",
    "sojourn.models.core.system",
    "sojourn.models.frontend.kinds",
)
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def _imports(tree: ast.AST, package: str | None = None) -> dict[str, set[str]]:
    """Return what a piece of code imports from modules of the library, by module."""
    found = dict[str, set[str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            if module.startswith("sojourn."):
                names = {alias.name for alias in node.names} - {"*"}
                found.setdefault(module, set()).update(names)
    return found


@cache
def for_type_checkers(module: str) -> dict[str, set[str]]:
    """Return what a module imports for its annotations alone."""
    there = import_module(module)
    tree = ast.parse(inspect.getsource(there))
    blocks = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    return _imports(ast.Module([*blocks], []), there.__package__)


def _in_guides() -> Iterator[dict[str, set[str]]]:
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                lines = (line for line in cell["source"] if not line.startswith(("%", "!")))
                with suppress(SyntaxError):  # a cell that writes a file which is not of Python
                    yield _imports(ast.parse("".join(lines)))


def _in_annotations(module: str) -> dict[str, set[str]]:
    """Return the classes that a module imports and that its functions take or return."""
    there = import_module(module)
    tree = ast.parse(inspect.getsource(there))
    annotated = {
        name.id
        for node in ast.walk(tree)
        for part in ("annotation", "returns")
        if (annotation := getattr(node, part, None)) is not None
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name)
    }
    return {
        home: {n for n in names & annotated if inspect.isclass(vars(import_module(home)).get(n))}
        for home, names in _imports(tree, there.__package__).items()
    }


@cache
def asked_for() -> dict[str, set[str]]:
    """Return the names of modules that the guides import, and those in annotations of contracts."""
    found = dict[str, set[str]]()
    for imports in (*_in_guides(), *map(_in_annotations, CONTRACTS)):
        for module, names in imports.items():
            if names:
                found.setdefault(module, set()).update(names)
    return found


def _benchmarks_last(module: str) -> tuple[bool, str]:
    return "benchmarks" in module, module


def modules() -> tuple[str, ...]:
    """Return the modules beside the packages that have public names."""
    return tuple(sorted({*CONTRACTS, *asked_for()} - set(packages()), key=_benchmarks_last))


def _packages_in(package: str) -> Iterator[str]:
    """Return the packages in a package; those with an underscore are of nobody's use."""
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        if module.ispkg and "._" not in module.name:
            yield module.name
            yield from _packages_in(module.name)


@cache
def packages() -> tuple[str, ...]:
    """Return all packages of the library that say in `__all__` what is public."""
    found = [*_packages_in("sojourn.reference"), *_packages_in("sojourn.models")]
    found.sort(key=_benchmarks_last)
    ordered = dict.fromkeys([*FIRST, *found, "sojourn"])
    return tuple(name for name in ordered if hasattr(import_module(name), "__all__"))


@dataclass(frozen=True)
class PublicName:
    """A name of the API and what it stands for."""

    module: str
    name: str

    @property
    def full(self) -> str:
        """Dotted name, which is also the name of its page."""
        return f"{self.module}.{self.name}"

    @cached_property
    def value(self) -> Any:
        """What it stands for."""
        return getattr(import_module(self.module), self.name)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The documented members of a class, those of bases without a page among them."""
        found = dict[str, None]()
        for kind in self.value.__mro__:
            if kind is not self.value and id(kind) in by_value():
                break
            if kind.__module__.startswith("sojourn."):
                comments = ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
                found |= {
                    name: None
                    for name, value in vars(kind).items()
                    if not name.startswith("_")
                    and ((kind.__qualname__, name) in comments or _has_docstring(value))
                }
        return tuple(found)

    @cached_property
    def docstring(self) -> str:
        """The docstring; of data, that which follows the assignment in whichever module has it."""
        if self.directive != "autodata":
            return inspect.getdoc(self.value) or ""
        for name, module in list(sys.modules.items()):
            if name.startswith("sojourn.") and getattr(module, self.name, None) is self.value:
                comments = ModuleAnalyzer.for_module(name).find_attr_docs()
                if ("", self.name) in comments:
                    return "\n".join(comments["", self.name])
        return ""

    @property
    def directive(self) -> str:
        """The autodoc directive that documents it."""
        if inspect.isclass(self.value):
            return "autoexception" if issubclass(self.value, BaseException) else "autoclass"
        return "autofunction" if callable(self.value) else "autodata"


def _has_docstring(value: object) -> bool:
    """Return whether a function or property is documented."""
    function = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
    return inspect.isroutine(function) and bool(function.__doc__)


def names_of(module: str) -> list[str]:
    """Return the public names of a package or module."""
    there = import_module(module)
    if module in packages():
        return [
            name
            for name in there.__all__
            if not name.startswith("__") and not inspect.ismodule(getattr(there, name))
        ]
    defined = [
        name
        for name, value in vars(there).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module
    ]
    asked = {*(defined if module in CONTRACTS else ()), *asked_for().get(module, ())}
    return [name for name in asked if not name.startswith("_")]


@cache
def documented() -> dict[str, tuple[PublicName, ...]]:
    """Return the public names of each module, each under the module that documents it."""
    first = dict[int, PublicName]()
    found = {}
    for module in (*packages(), *modules()):
        names = [PublicName(module, name) for name in names_of(module)]
        names.sort(key=lambda public: public.name.lower())
        found[module] = tuple(first.setdefault(id(public.value), public) for public in names)
    return found


@cache
def by_value() -> dict[int, PublicName]:
    """Return the public names by the identity of what they stand for."""
    return {id(p.value): p for names in documented().values() for p in names}
