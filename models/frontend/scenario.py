"""The scenario: a system described by a file, with its units and loads."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from rich.markup import escape

from ...reference.errors import Array, LoadError, escaped
from ..core.system import System
from .fields import Folder, check_keys, read_string, read_subtable
from .kinds import kind_of
from .loads import Loads
from .units import Units, units_of

if TYPE_CHECKING:
    from .kinds import SystemKind

HEADER = ("title", "source", "units", "loads")
S_co = TypeVar("S_co", bound=System, covariant=True)


class Described(NamedTuple):
    """What `SystemKind.read` returns: the system of a file. See `Scenario` for the fields.

    Only `system` is required: ``Described(system)``.
    """

    system: System
    variants: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Any = None
    limits: tuple[Any, ...] = ()
    own_load: float | None = None
    settings: Mapping[str, Any] = {}


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collect the warnings that a block issues as notes of a `Described`, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    notes += dict.fromkeys(escaped(str(w.message)) for w in caught)


@dataclass(frozen=True, eq=False)
class Scenario(Generic[S_co]):
    """A system described by a file, with the loads of its report.

    Attributes
    ----------
    kind : SystemKind
        Kind of the system.
    name, title, source : str
        Name of the scenario, title of its reports, and source of its numbers.
    units : Units
        Units of the file; reports use them, too.
    system : System
        The system, in the unit of time of the file's rates.
    load : float
        Operating point, in the file's unit of rates.
    loads : ndarray, shape (K,)
        Loads of the curve, in the file's unit of rates.
    variants : tuple
        Variants of the system that the file describes; for kinds that have variants.
    notes : tuple of str
        Remarks on the input, such as rows of a table that were skipped for an empty cell.
    rows : Rows or None
        Rows of the tables in the file, where they differ from the servers of the system: replicas
        are one row.
    limits : tuple
        Limits on the flows of the optimum; for kinds that have limits.
    own_load : float or None
        Load that the file states of the system itself, such as the sum of the loads of its groups.
        It is the operating point where the file names no other.
    settings : mapping
        Settings of commands of the kind, by the name of their table in the file; see
        `SystemKind.tables`.
    """

    kind: SystemKind
    name: str
    title: str
    source: str
    units: Units
    system: S_co
    load: float
    loads: Array
    variants: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Any = None
    limits: tuple[Any, ...] = ()
    own_load: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def delay_unit(self) -> str:
        """Unit of delays in the file and in reports."""
        return self.units.delay

    @property
    def heading(self) -> str:
        """Title and source, as markup of `rich`."""
        return f"[bold]{escape(self.title)}[/]\n[dim]{escape(self.source)}[/]"

    @property
    def remarks(self) -> list[str]:
        """The notes, as markup of `rich`."""
        return [f"[bold]note[/] {escape(note)}" for note in self.notes]

    def where(self, load: float) -> str:
        """Return a text with a load and its part of the largest load."""
        most, text = self.system.max_load, f"load {load:.6g} {self.units.jobs}"
        if math.isinf(most):
            own = self.own_load
            part = "" if own is None else f" = {load / own:.4g} of the file's own load"
            return f"{text}{part}, of which no load is too much"
        part = f"{load / most:.4g}"
        # next to the largest load, show the difference from it
        part = f"1 - {1 - load / most:.3g}" if part == "1" else part
        return f"{text} = {part} of the {self.kind.max_load_name} {most:.6g}"

    def load_of(self, text: str, place: str) -> float:
        """Return the load of a text such as ``"70%"``; see `Loads.read`."""
        loads = _loads(self.kind, self.system, self.units, self.own_load)
        return loads.read(text, place, LoadError)

    def to_dict(self) -> dict[str, Any]:
        """Return the first keys of every result, for JSON."""
        units = self.units.to_dict()
        return {"scenario": self.name, "title": self.title, "source": self.source, "units": units}


def read(kind: SystemKind, given: Mapping[str, Any], name: str, folder: Folder) -> Scenario[Any]:
    """Return the scenario of a TOML file, given as a mapping; further files are in the folder."""
    if (read_system := kind.read) is None:
        raise TypeError(f"{kind.name} has no table in files")
    check_keys(given, (*HEADER, kind.name, *kind.tables), "")
    units = units_of(read_subtable(given, "units", required=True))
    described = read_system(given, folder, units)
    if not isinstance(described.system, kind.system):
        kind = kind_of(described.system)
    loads = _loads(kind, described.system, units, described.own_load)
    at, curve = loads.read_all(read_subtable(given, "loads"))
    title, source = read_string(given, "title", "", name), read_string(given, "source", "", "")
    return Scenario(kind, name, title, source, units, described.system, at, curve, *described[1:])


def _loads(kind: SystemKind, system: System, units: Units, own: float | None) -> Loads:
    """Return the reader of loads for a system."""
    return Loads(units, system.max_load, kind.max_load_name, system.check_load, own)
