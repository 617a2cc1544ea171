"""The public names of the library, each with the one module under which the site documents it."""

import ast
import importlib
import inspect
import json
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

# a name that several packages have is documented under the first of them, these before all others
FIRST = ("sojourn.models", "sojourn.reference", "sojourn.reference.service_modes")
# modules whose classes and functions extensions and error handlers need
CONTRACTS = (
    "sojourn.models.core.errors",
    "sojourn.models.core.question",
    "sojourn.models.core.solver_specs",
    "sojourn.models.core.system",
    "sojourn.models.frontend.kinds",
)
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@cache
def of_guides() -> dict[str, set[str]]:
    """Return what the guides import, by module: a name that a guide imports is public."""
    found = dict[str, set[str]]()
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                code = "".join(line for line in cell["source"] if not line.startswith("%"))
                for node in ast.walk(ast.parse(code)):
                    if isinstance(node, ast.ImportFrom) and node.module.startswith("sojourn."):
                        found.setdefault(node.module, set()).update(a.name for a in node.names)
    return found


def modules() -> tuple[str, ...]:
    """Return the modules beside the packages that have public names."""
    return tuple(sorted({*CONTRACTS, *of_guides()} - set(packages())))


@cache
def packages() -> tuple[str, ...]:
    """Return all packages of the library that say in `__all__` what is public."""
    import sojourn.models
    import sojourn.reference

    found = dict.fromkeys(FIRST)
    for top in (sojourn.models, sojourn.reference):
        walked = pkgutil.walk_packages(top.__path__, f"{top.__name__}.")
        found |= {module.name: None for module in walked if module.ispkg}
    return tuple(
        name for name in (*found, "sojourn") if hasattr(importlib.import_module(name), "__all__")
    )


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
        return getattr(importlib.import_module(self.module), self.name)

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
    """Return whether a function, class or property is documented."""
    function = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
    return (inspect.isroutine(function) or inspect.isclass(function)) and bool(function.__doc__)


def names_of(module: str) -> list[str]:
    """Return the public names of a package or module."""
    there = importlib.import_module(module)
    if module in packages():
        return [name for name in there.__all__ if not name.startswith("__")]
    defined = [
        name
        for name, value in vars(there).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module
    ]
    asked = defined if module in CONTRACTS else of_guides()[module]
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
