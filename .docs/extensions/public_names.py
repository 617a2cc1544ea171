"""The public names of the library, each with the one module under which the site documents it."""

import importlib
import inspect
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer

# a name that several of them have is documented under the first
PACKAGES = (
    "sojourn.models",
    "sojourn.reference",
    "sojourn.reference.service_modes",
    "sojourn.models.latency",
    "sojourn.models.systems.parallel",
    "sojourn.models.systems.service_modes",
    "sojourn.models.studies",
    "sojourn.models.benchmarks",
    "sojourn.models.benchmarks.solvers",
    "sojourn.models.benchmarks.other_tools",
    # what an extension is made of
    "sojourn.models.core.system",
    "sojourn.models.core.question",
    "sojourn.models.core.solve",
    "sojourn.models.core.wanted",
    "sojourn.models.core.solution",
    "sojourn.models.core.certificate",
    "sojourn.models.core.curve",
    "sojourn.models.core.solver_specs",
    "sojourn.models.core.errors",
    "sojourn.models.frontend.kinds",
    "sojourn.models.frontend.scenario",
    "sojourn.models.frontend.fields",
    "sojourn.models.frontend.units",
    "sojourn.models.frontend.verification",
    "sojourn.models.frontend.report",
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
        """The documented members of a class, those of bases without a page of their own among them."""
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

    @property
    def directive(self) -> str:
        """The autodoc directive that documents it."""
        if inspect.isclass(self.value):
            return "autoexception" if issubclass(self.value, BaseException) else "autoclass"
        return "autofunction" if callable(self.value) else "autodata"


def _has_docstring(value: object) -> bool:
    """Return whether a function, class or property is documented; numbers and texts have docstrings of their class."""
    function = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
    return (inspect.isroutine(function) or inspect.isclass(function)) and bool(function.__doc__)


def names_of(module: ModuleType) -> list[str]:
    """Return the `__all__` of a module; where it has none, the public classes and functions that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


@cache
def documented() -> dict[str, tuple[PublicName, ...]]:
    """Return the public names by module, each object once."""
    seen = set[int]()
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        own = []
        for name in sorted(names_of(module), key=str.lower):
            public = PublicName(package, name)
            if id(public.value) not in seen:
                seen.add(id(public.value))
                own.append(public)
        found[package] = tuple(own)
    return found


@cache
def by_value() -> dict[int, PublicName]:
    """Return the public names by the identity of what they stand for."""
    return {id(p.value): p for names in documented().values() for p in names}
