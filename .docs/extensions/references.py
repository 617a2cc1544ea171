"""Look names up as Python does: in the class, then in the module where the docstring was written.

A name with a page becomes a link to it, whichever of its modules the text names. A parameter, and a
name that exists without a page, are shown as code. Sphinx warns of a name that does not exist.
"""

import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from docutils import nodes
from public_names import PublicName, by_value, documented, for_type_checkers
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import object_description

# their inventories would have to be downloaded
EXTERNAL = (
    "collections",
    "cvxpy",
    "enum",
    "matplotlib",
    "numpy",
    "pathlib",
    "rich",
    "scipy",
    "typing",
    "xarray",
)
SINGLE_BACKTICKS = re.compile(r"(?<![`:\w\\])`(?![`\s:])([^`<>]+)`(?![`\w])")


@cache
def _members(kind: type) -> set[str]:
    """Return the attributes of a class, those of its instances among them."""
    named = {name for c in kind.__mro__ for name in inspect.get_annotations(c)}
    own = [c for c in kind.__mro__ if c.__module__.startswith("sojourn.")]
    assigned = re.findall(r"\bself\.(\w+)", "".join(inspect.getsource(c) for c in own))
    return {*dir(kind), *named, *assigned}


@cache
def _public() -> SimpleNamespace:
    """All names with a page, for docstrings of modules that do not import them."""
    names = [public for names in documented().values() for public in names]
    return SimpleNamespace(**{public.name: public.value for public in reversed(names)})


def _submodules(module: ModuleType) -> set[str]:
    return {found.name for found in pkgutil.iter_modules(getattr(module, "__path__", ()))}


def _walk(start: Any, parts: list[str]) -> list[Any] | None:
    """Return the objects that a dotted name goes through; None where there is no such name.

    An attribute that only instances have is None among the objects.
    """
    path = [start]
    for part in parts:
        here = path[-1]
        if inspect.isclass(here) and part in _members(here):
            path.append(getattr(here, part, None))
        elif isinstance(here, ModuleType | SimpleNamespace) and hasattr(here, part):
            path.append(getattr(here, part))
        elif inspect.ismodule(here) and part in _submodules(here):
            path.append(import_module(f"{here.__name__}.{part}"))
        else:
            return None
    return path


def _absolute(name: str) -> list[Any] | None:
    """The same for a name that begins with a package."""
    parts = name.split(".")
    if parts[0] != "sojourn":
        return None
    for end in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return _walk(module, parts[end:])
    return None


def _page_of(path: list[Any], parts: list[str]) -> str | None:
    """Return the target of the last of the objects, or of the class that it is in."""
    last = path[-1]
    if inspect.ismodule(last):
        return last.__name__ if documented().get(last.__name__) else None
    if (public := by_value().get(id(last))) is not None:
        return public.full
    if len(path) > 1 and inspect.isclass(path[-2]):
        homes = [by_value()[id(c)] for c in path[-2].__mro__ if id(c) in by_value()]
        with_member = [f"{home.full}.{parts[-1]}" for home in homes if parts[-1] in home.members]
        return next(iter([*with_member, *(home.full for home in homes)]), None)
    return None


def _otherwise() -> Iterator[Any]:
    """Return where names of Markdown pages are looked for."""
    yield _public()
    yield import_module("sojourn")


def unknown(what: str, name: str, value: Any, text: str) -> list[str]:
    """Return the names in a docstring that do not exist."""
    names = [m[1].removeprefix("~").removesuffix("()") for m in SINGLE_BACKTICKS.finditer(text)]
    return [
        said
        for said in names
        if said.split(".")[0] not in EXTERNAL
        and said not in _parameters(value)
        and not find(said, _spaces(what, name, value))[0]
    ]


def find(name: str, spaces: Iterator[Any]) -> tuple[bool, str | None]:
    """Return whether there is such a name, and the target of its page."""
    parts = name.split(".")
    paths = [_absolute(name)] if parts[0] == "sojourn" else [_walk(s, parts) for s in spaces]
    for path in filter(None, paths):
        return True, _page_of(path, parts)
    return False, None


def _documented_class(full_name: str) -> type | None:
    path = _absolute(full_name.rpartition(".")[0])
    return path[-1] if path and inspect.isclass(path[-1]) else None


def _spaces(what: str, full_name: str, value: Any) -> Iterator[Any]:
    """Return what the names of a docstring are looked for in."""
    function = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
    if inspect.isclass(value):
        yield value
    elif (kind := _documented_class(full_name)) is not None:
        yield kind
        function = kind if what == "attribute" else function
        yield from kind.__mro__
    home = value if inspect.ismodule(value) else inspect.getmodule(function)
    if home is not None:
        yield home
        for module, names in for_type_checkers(home.__name__).items():
            there = import_module(module)
            yield SimpleNamespace(**{name: getattr(there, name) for name in names})
    yield from _parameter_classes(function)
    yield from _otherwise()


def _parameter_classes(function: Any) -> Iterator[type]:
    """Return the classes of the library that the parameters of a function are annotated with."""
    function = inspect.unwrap(function) if callable(function) else None
    if inspect.isfunction(function):
        for annotation in inspect.get_annotations(function).values():
            for name in re.findall(r"\w+", str(annotation)):
                kind = function.__globals__.get(name)
                if inspect.isclass(kind) and kind.__module__.startswith("sojourn."):
                    yield kind


def _parameters(value: Any) -> set[str]:
    function = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def link_names(what: str, name: str, value: Any, text: str) -> list[str]:
    """Return the lines of a docstring with its names made references."""

    def reference(match: re.Match[str]) -> str:
        said = match[1].removeprefix("~").removesuffix("()")
        if said in _parameters(value):
            return f"``{said}``"
        there, target = find(said, _spaces(what, name, value))
        if not there:
            return match[0]
        return f":py:obj:`{said} <{target}>`" if target else f"``{said}``"

    return SINGLE_BACKTICKS.sub(reference, text).split("\n")


def linked(public: PublicName) -> list[str]:
    """Return the docstring of a public name with its names made references."""
    return link_names("name", public.full, public.value, public.docstring)


def linked_module(module: str) -> list[str]:
    """Return the docstring of a module with its names made references."""
    value = import_module(module)
    return link_names("module", module, value, inspect.getdoc(value) or "")


def process_docstring(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Make references of the names in a docstring that autodoc has read."""
    lines[:] = link_names(what, name, value, "\n".join(lines))


def name_defaults(
    app: Sphinx,
    what: str,
    name: str,
    value: Any,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Show the names of defaults that are constants of the module, in place of their values."""
    if not signature or not callable(value):
        return None
    constants = vars(inspect.getmodule(value))
    for parameter in inspect.signature(value).parameters.values():
        if isinstance(parameter.default, Mapping | tuple) and parameter.default:
            named = [key for key, there in constants.items() if there is parameter.default]
            said = object_description(parameter.default)
            signature = signature.replace(said, named[0] if named else said)
    return re.sub(r"<function (?:\w+\.)*(\w+)>", r"\1", signature), returns


def nearest_bases(value: type) -> list[type]:
    """Return the nearest base of a class that has a page, else the nearest of other packages."""
    own = [c for c in value.__mro__[1:] if id(c) in by_value()]
    outside = ("sojourn.", "abc", "typing")
    others = [c for c in value.__mro__[1:-1] if not c.__module__.startswith(outside)]
    return own[:1] or others[:1]


def show_public_bases(app: Sphinx, name: str, value: type, options: Any, bases: list[Any]) -> None:
    """Name the bases that have pages in place of those that have none."""
    bases[:] = nearest_bases(value)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve names of pages in Markdown, and other ways to import a name."""
    if node.get("refdomain") != "py":
        return None
    said = node["reftarget"]
    there, target = find(said, _otherwise())
    if target is None:
        return content if there else None
    domain = env.domains.python_domain
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, content
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of them."""
    app.connect("autodoc-process-docstring", process_docstring, priority=400)  # before numpydoc
    app.connect("autodoc-process-signature", name_defaults)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
