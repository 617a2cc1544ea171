"""Kinds of systems: what each offers to files, the command, studies and verification.

Built-in kinds are the `KINDS` of each folder of `sojourn.models.systems`, in its module ``kind``.
Others come from a module, by `register_system`, or from an installed package, by an entry point of
the group ``sojourn.systems`` whose name is the kind's.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ...reference.errors import InputError
from ...reference.validation import check_instance, check_text
from ..core.options import SolveOptions, check_solve_options
from ..core.plugins import loaded, offered

if TYPE_CHECKING:
    from .fields import Folder
    from .report import Report
    from .scenario import Described, Scenario
    from .units import Units
    from .verification import Check

GROUP = "sojourn.systems"


def only_settings(caller: str, options: Mapping[str, Any]) -> None:
    """Refuse options that not every question has."""
    check_solve_options(caller, options, SolveOptions)


@dataclass(frozen=True, eq=False)
class SystemKind:
    """A kind of system. What it does not give is not asked of it, or has a default.

    Parameters
    ----------
    name : str
        Name of its table in scenario files, and of its entry point.
    system : type
        Class of its systems; see `sojourn.models.core.system.System`.
    read : callable
        From a whole scenario file as TOML, its `Folder`, whose `file` says the path of a file that
        the scenario names, and its `Units` to what the file describes; ScenarioError on what no
        system has.
    tables : tuple of str
        Further tables that `read` takes from the file.
    max_load_name : str
        What messages call the largest load.
    questions : tuple of str
        Methods of the system that the default report asks at a load.
    check_options : callable
        From the name of a caller and the options of a curve: TypeError or InputError on those
        that no system takes; by default all but those that every question has.
    verify : callable, optional
        From a system, loads and options to checks of its models against closed forms.
    report : callable, optional
        From a scenario, a load, the name of a solver or None, and the text of ``--weights-in``
        or None to what ``sojourn run`` says and writes.
    anarchy : callable, optional
        From a scenario, a load or None, the name of a solver or None, whether files are to be
        written, and whether people read the text to what ``sojourn anarchy`` says and writes, a
        report a stage of the work: each says all that is known by then, and has the files that are new.
    """

    name: str
    system: type[Any]
    read: Callable[[Mapping[str, Any], Folder, Units], Described]
    tables: tuple[str, ...] = ()
    max_load_name: str = "largest load"
    questions: tuple[str, ...] = ()
    check_options: Callable[[str, Mapping[str, Any]], None] = only_settings
    verify: Callable[[Any, Iterable[float], Any], Iterable[Check]] | None = None
    report: Callable[[Scenario[Any], float, str | None, str | None], Report] | None = None
    anarchy: (
        Callable[[Scenario[Any], float | None, str | None, bool, bool], Iterable[Report]] | None
    ) = None

    def __post_init__(self) -> None:
        check_text("name", self.name)
        check_text("max_load_name", self.max_load_name)
        check_instance(
            "system", self.system, type, "is not a class", "give the class of its systems"
        )


_registered: dict[str, SystemKind] = {}


def register_system(kind: SystemKind) -> SystemKind:
    """Make a kind of system known to scenario files, the command, `study` and `verify`.

    Parameters
    ----------
    kind : SystemKind

    Returns
    -------
    SystemKind
        The same.

    Raises
    ------
    InputError
        On what is not a kind, or a name that another kind has.
    """
    check_instance("kind", kind, SystemKind, "is not a kind of system", "give a SystemKind")
    there = (_built_in() | _registered).get(kind.name)
    # a module that is loaded again defines its class again
    if there is not None and _place(there) != _place(kind):
        problem = f"is the name of {'.'.join(_place(there))}"
        raise InputError("name", kind.name, problem, "choose another name")
    _registered[kind.name] = kind
    return kind


def _place(kind: SystemKind) -> tuple[str, str]:
    return kind.system.__module__, kind.system.__qualname__


def names() -> tuple[str, ...]:
    """Return the names of all kinds, without loading those of other packages."""
    return tuple(dict.fromkeys([*_built_in(), *_registered, *offered(GROUP)]))


def kind_named(name: str) -> SystemKind:
    """Return the kind of a name that is known; InputError where its entry point does not load."""
    known = _built_in() | _registered
    return known[name] if name in known else _loaded(name)


def kinds() -> tuple[SystemKind, ...]:
    """Return all kinds; an entry point that does not load is passed over with a warning.

    Examples
    --------
    >>> [kind.name for kind in kinds()][:3]
    ['servers', 'dual_mode', 'tunable_mode']
    """
    found = []
    for name in names():
        try:
            found.append(kind_named(name))
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)
    return tuple(found)


def is_system(value: object) -> bool:
    """Return whether a value is a system of a kind that is known."""
    return _kind_of(value) is not None


def kind_of(system: object, field: str = "system") -> SystemKind:
    """Return the kind of a system: that of the nearest of its classes that has one.

    Raises
    ------
    InputError
        Naming the field, where none of its classes has a kind.
    """
    if (kind := _kind_of(system)) is None:
        there = ", ".join(k.system.__name__ for k in kinds())
        raise InputError(field, system, "is not a system", f"give {there}")
    return kind


def _kind_of(value: object) -> SystemKind | None:
    of = {kind.system: kind for kind in kinds()}
    return next((of[c] for c in type(value).__mro__ if c in of), None)


@cache
def _built_in() -> dict[str, SystemKind]:
    """Found by name: the front end imports no system."""
    systems = importlib.import_module("..systems", __package__)
    folders = pkgutil.iter_modules(systems.__path__)
    places = [f"{systems.__name__}.{folder.name}.kind" for folder in folders]
    return {kind.name: kind for place in places for kind in importlib.import_module(place).KINDS}


def _loaded(name: str) -> SystemKind:
    point = offered(GROUP)[name]
    kind = loaded(point, "system")
    if not isinstance(kind, SystemKind) or kind.name != name:
        problem = f"is the entry point {point.value}, which is not a SystemKind of that name"
        raise InputError("system", name, problem, "correct or uninstall that package")
    return register_system(kind)
