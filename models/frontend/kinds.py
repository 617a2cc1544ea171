"""Kinds of systems: the functions by which files, the command, studies and `verify` use each.

The built-in kinds are the tuple ``KINDS`` in the module ``kind`` of each folder of
`sojourn.models.systems`. Further kinds are registered by `register_system`, or offered by installed
packages as entry points of the group ``sojourn.systems``, under the name of the kind.

Beside the commands of every kind, a folder of `sojourn.models.systems` may offer commands of its
own, in a file ``command.py``; `sojourn.models.frontend.command` has the contract.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
    """Check the options of a caller: only those that every question has are allowed."""
    check_solve_options(caller, options, SolveOptions)


@dataclass(frozen=True, eq=False)
class SystemKind:
    """A kind of system: its class, and the functions that scenario files and commands call.

    With `name`, `system` and `read`, scenario files describe systems of the kind, and ``sojourn
    run`` and `study` take them. Each further function adds one command or one way of use.

    Parameters
    ----------
    name : str
        Name of its table in scenario files, such as ``"servers"``; also of its entry point.
    system : type
        Class of its systems; see `sojourn.models.core.system.System`.
    read : callable or None
        ``read(given, folder, units)`` returns a `sojourn.models.frontend.scenario.Described` of the
        system in a scenario file. ``given`` is the whole file as TOML (mapping), ``folder`` a
        `sojourn.models.frontend.fields.Folder` that returns the paths of further files, ``units``
        the `sojourn.models.frontend.units.Units` of the file. The system is in the unit of time of
        the rates; ``units.from_delay`` converts delays to it. Raises ScenarioError on wrong values.
        The system may be of another kind, which then has the commands. None for a kind that files
        describe only so, within the tables of another kind.
    tables : tuple of str
        Further tables of the file that `read` uses. The settings of a command of the kind are
        `Described.settings`, by the name of their table.
    max_load_name : str
        Name of the largest load in messages, such as ``"total rate"``.
    questions : tuple of str
        Methods of the system that the default report of ``sojourn run`` calls at a load; each takes
        the load and ``solver=``.
    check_options : callable
        ``check_options(caller, options)`` checks the options of a curve (mapping) before a study
        starts; it raises TypeError or InputError. By default only `SolveOptions` are allowed.
    verify : callable, optional
        ``verify(system, loads, options)`` yields `sojourn.models.frontend.verification.Check`
        objects that compare the models with closed forms, for `sojourn.models.verify` and ``sojourn
        verify``.
    splits : mapping of str to str
        Names of the splits that ``system.simulate(load, split=, jobs=, seed=, service=)`` knows,
        each with the quantity of `verify` that is its mean delay. The method returns an answer as
        that of `sojourn.models.ParallelServers.simulate`; `sojourn.models.verify` and ``sojourn
        simulate`` show it. Empty for systems without a simulation.
    report : callable, optional
        ``report(scenario, load, solver, weights)`` returns the
        `sojourn.models.frontend.report.Report` of ``sojourn run``. ``solver`` is a name or None,
        ``weights`` the text of ``--weights-in`` or None. Without it, a default report shows the
        answers to `questions` and draws the curve.
    anarchy : callable, optional
        ``anarchy(scenario, load, solver, files, text)`` yields the reports of ``sojourn anarchy``,
        one for each stage of the work; a report holds all results so far, and the new files.
        ``load`` is a number or None, ``files`` whether files are written, ``text`` whether the
        output is text and not JSON.
    classes : tuple of type
        Classes that users construct, for messages; by default `system` alone.
    """

    name: str
    system: type[Any]
    read: Callable[[Mapping[str, Any], Folder, Units], Described] | None
    tables: tuple[str, ...] = ()
    max_load_name: str = "largest load"
    questions: tuple[str, ...] = ()
    check_options: Callable[[str, Mapping[str, Any]], None] = only_settings
    verify: Callable[[Any, Iterable[float], Any], Iterable[Check]] | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    report: Callable[[Scenario[Any], float, str | None, str | None], Report] | None = None
    anarchy: (
        Callable[[Scenario[Any], float | None, str | None, bool, bool], Iterable[Report]] | None
    ) = None
    classes: tuple[type[Any], ...] = ()

    def __post_init__(self) -> None:
        check_text("name", self.name)
        check_text("max_load_name", self.max_load_name)
        check_instance(
            "system", self.system, type, "is not a class", "give the class of its systems"
        )

    @property
    def constructed(self) -> tuple[str, ...]:
        """Names of the classes that users construct."""
        return tuple(made.__name__ for made in self.classes or (self.system,))


_registered: dict[str, SystemKind] = {}


def register_system(kind: SystemKind) -> SystemKind:
    """Make a kind of system known to scenario files, the command, `study` and `verify`.

    Parameters
    ----------
    kind : SystemKind
        The kind; its name is not that of another kind.

    Returns
    -------
    SystemKind
        The same kind.

    Raises
    ------
    InputError
        Where `kind` is not a kind, or another kind has its name.
    """
    check_instance("kind", kind, SystemKind, "is not a kind of system", "give a SystemKind")
    present = (_built_in() | _registered).get(kind.name)
    # a module that is imported again defines its class again
    if present is not None and _class_path(present) != _class_path(kind):
        problem = f"is the name of {'.'.join(_class_path(present))}"
        raise InputError("name", kind.name, problem, "choose another name")
    _registered[kind.name] = kind
    return kind


def _class_path(kind: SystemKind) -> tuple[str, str]:
    """Return the module and name of the class of a kind."""
    return kind.system.__module__, kind.system.__qualname__


def names() -> tuple[str, ...]:
    """Return the names of all kinds, without loading the entry points of other packages."""
    return tuple(dict.fromkeys([*_built_in(), *_registered, *offered(GROUP)]))


def tables() -> tuple[str, ...]:
    """Return the names of all kinds that have a table in files, without loading entry points."""
    known = _built_in() | _registered
    return tuple(name for name in names() if name not in known or known[name].read is not None)


def kind_named(name: str) -> SystemKind:
    """Return the kind with a known name; InputError where its entry point fails to load."""
    known = _built_in() | _registered
    return known[name] if name in known else _loaded(name)


def kinds() -> tuple[SystemKind, ...]:
    """Return all kinds; an entry point that fails to load is skipped with a warning.

    Examples
    --------
    >>> [kind.name for kind in kinds()][:3]
    ['servers', 'stations', 'network']
    """
    loaded_kinds = []
    for name in names():
        try:
            loaded_kinds.append(kind_named(name))
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)
    return tuple(loaded_kinds)


def is_system(value: object) -> bool:
    """Return whether a value is a system of a known kind."""
    return bool(_kinds_of(value))


def kind_of(system: object, field: str = "system") -> SystemKind:
    """Return the kind of a system: that of its class, or of the nearest base class with a kind.

    Raises
    ------
    InputError
        Where no class of the value has a kind; `field` is named.
    """
    return kinds_of(system, field)[0]


def kinds_of(system: object, field: str = "system") -> tuple[SystemKind, ...]:
    """Return the kinds of a system: those of its class and of the base classes, nearest first.

    Raises
    ------
    InputError
        Where no class of the value has a kind; `field` is named.
    """
    if not (found := _kinds_of(system)):
        known = dict.fromkeys(name for kind in kinds() for name in kind.constructed)
        raise InputError(field, system, "is not a system", f"give {', '.join(known)}")
    return found


def _kinds_of(value: object) -> tuple[SystemKind, ...]:
    by_class = {kind.system: kind for kind in kinds()}
    return tuple(by_class[c] for c in type(value).__mro__ if c in by_class)


@cache
def _built_in() -> dict[str, SystemKind]:
    """Return the built-in kinds by name; their modules are found in the folder of systems."""
    systems = importlib.import_module("..systems", __package__)
    folders = pkgutil.iter_modules(systems.__path__)
    modules = [f"{systems.__name__}.{folder.name}.kind" for folder in folders]
    return {kind.name: kind for m in modules for kind in importlib.import_module(m).KINDS}


def _loaded(name: str) -> SystemKind:
    """Load the entry point of a kind and register the kind."""
    point = offered(GROUP)[name]
    kind = loaded(point, "system")
    if not isinstance(kind, SystemKind) or kind.name != name:
        problem = f"is the entry point {point.value}, which is not a SystemKind of that name"
        raise InputError("system", name, problem, "correct or uninstall that package")
    return register_system(kind)
