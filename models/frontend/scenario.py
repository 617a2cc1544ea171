"""A system written down, with the loads to look at; and what files of all kinds share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from rich.markup import escape

from ...reference.errors import Array, LoadError
from ..core.system import System
from .fields import Folder, check_keys, read_string, read_subtable
from .loads import Loads
from .units import Units, units_of

if TYPE_CHECKING:
    from .kinds import SystemKind

HEADER = ("title", "source", "units", "loads")
S_co = TypeVar("S_co", bound=System, covariant=True)


class Described(NamedTuple):
    """What a file says of its system; see `Scenario`."""

    system: System
    variants: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Any = None
    limits: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Scenario(Generic[S_co]):
    """A system written down, with the loads to look at.

    Attributes
    ----------
    kind : SystemKind
    name, title, source : str
        `source` says where the numbers are from.
    units : Units
        Those of the file, in which people read results.
    system : System
        In the unit of time of the file's rates.
    load : float
        Operating point, in the file's unit of rates.
    loads : ndarray, shape (K,)
        Loads of the curve, in the file's unit of rates.
    variants : tuple
        Other readings of the same system, where its kind has them.
    notes : tuple of str
        What was left out of the files that it reads, such as rows with an empty cell.
    rows : Rows or None
        Rows of tables and files, where they are not the parts of the system: replicas are one.
    limits : tuple
        Side constraints of the optimum, where its kind has them.
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

    @property
    def delay_unit(self) -> str:
        """Unit in which the file gives delays, and in which people read them."""
        return self.units.delay

    @property
    def heading(self) -> str:
        """Title and source, as `rich` prints them."""
        return f"[bold]{escape(self.title)}[/]\n[dim]{escape(self.source)}[/]"

    @property
    def remarks(self) -> list[str]:
        """The notes, as `rich` prints them."""
        return [f"[bold]note[/] {escape(note)}" for note in self.notes]

    def where(self, load: float) -> str:
        """Return a load in words, with the part of the largest that it is."""
        most, said = self.system.max_load, f"load {load:.6g} {self.units.jobs}"
        if math.isinf(most):
            return f"{said}, of which no load is too much"
        part = f"{load / most:.4g}"
        # next to the largest load what it leaves is what matters
        part = f"1 - {1 - load / most:.3g}" if part == "1" else part
        return f"{said} = {part} of the {self.kind.max_load_name} {most:.6g}"

    def load_of(self, text: str, place: str) -> float:
        """Return a load as people write it, such as ``"70%"``; see `Loads.read`."""
        return _loads(self.kind, self.system, self.units).read(text, place, LoadError)

    def to_dict(self) -> dict[str, Any]:
        """Return what results begin with, ready for JSON."""
        units = self.units.to_dict()
        return {"scenario": self.name, "title": self.title, "source": self.source, "units": units}


def read(kind: SystemKind, given: Mapping[str, Any], name: str, folder: Folder) -> Scenario[Any]:
    """Return the scenario that a TOML file says; files that it names are relative to the folder."""
    check_keys(given, (*HEADER, kind.name, *kind.tables), "")
    units = units_of(read_subtable(given, "units", required=True))
    said = kind.read(given, folder, units)
    at, curve = _loads(kind, said.system, units).read_all(read_subtable(given, "loads"))
    title, source = read_string(given, "title", "", name), read_string(given, "source", "", "")
    return Scenario(kind, name, title, source, units, said.system, at, curve, *said[1:])


def _loads(kind: SystemKind, system: System, units: Units) -> Loads:
    return Loads(units, system.max_load, kind.max_load_name, system.check_load)
