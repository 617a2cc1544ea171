"""Specification of a study: its arguments, checked before any solver starts, and cut into chunks.

The chunks are the same whichever process solves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError, LoadError
from ....reference.plural import counted
from ....reference.validation import as_floats, as_integer, check_flag, raise_at_first
from ...core.question import is_own_solver
from ...core.solvers import capable_solvers, solver_names
from ...core.system import System
from ...frontend.kinds import SystemKind, is_system, kind_of, kinds_of
from .records import AskedSystem, has_plan, solve_records
from .rows import Rows, stack

MAX_POINTS = 1000
"""Loads of all systems of a chunk by default: a kill loses the chunk of each worker, some seconds
of work. Larger chunks would not be faster: their systems are solved together."""
MAX_NUMBERS = 20_000
"""Those loads times the size of a system."""
MAX_SYSTEMS = 16
"""Systems in a chunk by default where these would be fewer, or are solved one after another."""
MIN_CHUNKS = 32
"""Chunks are smaller than that where there would be fewer of them to distribute."""


class PartialChunkError(KeyboardInterrupt):
    """Interrupt within a chunk; its argument is the rows of the systems that were solved."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive systems of a study, as plain data that any process can solve.

    Attributes
    ----------
    index : int
        Place among the chunks.
    names : sequence of str
    systems : sequence of System
    loads : ndarray, shape (K,) or (S, K)
        Loads of all systems, or a row for each system of this chunk.
    relative : bool
        Whether loads are fractions of each system's largest load.
    options : mapping
        Options of the curves.
    kept : Rows, optional
        Rows of systems that were solved before.
    """

    index: int
    names: Sequence[str]
    systems: Sequence[System]
    loads: Array
    relative: bool
    options: Mapping[str, Any]
    kept: Rows | None = None

    def items(self) -> Iterator[tuple[str, System, Array]]:
        """Yield name, system and loads, shape (K,), of each system."""
        rows = np.broadcast_to(self.loads, (len(self.systems), self.loads.shape[-1]))
        return zip(self.names, self.systems, rows, strict=True)

    def solve(self) -> Rows:
        """Solve the systems that are not kept, and return the rows of all.

        Raises
        ------
        PartialChunkError
            On Ctrl-C, with the rows of the systems that were solved.
        """
        kept = [] if self.kept is None else self.kept.variables["system"][1].tolist()
        asked = [
            AskedSystem(place, system, loads)
            for place, (name, system, loads) in enumerate(self.items())
            if name not in kept
        ]
        done: dict[int, Rows] = {}
        try:
            for item, record in solve_records(asked, self.options, relative=self.relative):
                done[item.place] = record.rows(self.names[item.place])
        except KeyboardInterrupt:
            raise PartialChunkError(stack([done[place] for place in sorted(done)])) from None
        rows = [done[place] for place in sorted(done)]
        if self.kept is None:
            return stack(rows)
        solved = [self.names[place] for place in sorted(done)]
        places = {name: place for place, name in enumerate([*kept, *solved])}
        return stack([self.kept, *rows]).take([places[name] for name in self.names])


@dataclass(frozen=True, eq=False)
class StudySpec:
    """Arguments of a study, checked.

    Attributes
    ----------
    kind : SystemKind
        Kind of all systems.
    names : sequence of str
    systems : sequence of System
    loads : ndarray, shape (K,) or (S, K)
    relative : bool
    options : mapping
    chunk_size : int
        Systems in a chunk.
    """

    kind: SystemKind
    names: Sequence[str]
    systems: Sequence[System]
    loads: Array
    relative: bool
    options: Mapping[str, Any]
    chunk_size: int

    def chunks(self) -> list[Chunk]:
        """Return the chunks, in order."""
        starts = range(0, len(self.systems), self.chunk_size)
        return [
            self._chunk(i, slice(start, start + self.chunk_size)) for i, start in enumerate(starts)
        ]

    def _chunk(self, index: int, cut: slice) -> Chunk:
        loads = self.loads[cut] if self.loads.ndim == 2 else self.loads
        return Chunk(index, self.names[cut], self.systems[cut], loads, self.relative, self.options)


def make_spec(
    systems: Iterable[System] | Mapping[Any, System],
    loads: npt.ArrayLike,
    options: Mapping[str, Any],
    *,
    relative: bool,
    chunk: int | None,
) -> StudySpec:
    """Return the specification of a study; see `study` for the arguments.

    Raises
    ------
    InputError
        On what is wrong for all systems. What is wrong for one of them is that system's error.
    TypeError
        On an unknown option.
    """
    names, values = _by_name(systems)
    kind = _common_kind(names, values)
    kind.check_options("study", options)
    named, own = options.get("solver"), options.get("solver_options")
    if not is_own_solver(named):
        capable_solvers(solver_names(named), own)
    relative = check_flag("relative", relative)
    given = None if chunk is None else as_integer("chunk", chunk, "a number of systems")
    checked = _check_loads(loads, len(values), relative=relative)
    chunk_size = _default_chunk_size(values, checked.shape[-1]) if given is None else given
    return StudySpec(kind, names, values, checked, relative, options, chunk_size)


def _by_name(systems: Any) -> tuple[list[str], list[System]]:
    """Names and systems of a mapping, or of a sequence that is numbered from 1."""
    if is_system(systems):
        remedy = "give a list of systems, or use its curve(loads)"
        raise InputError("systems", systems, "is one system", remedy)
    given: list[tuple[str, System]] = []
    try:
        if isinstance(systems, str):
            raise TypeError
        pairs = (
            systems.items()
            if isinstance(systems, Mapping)
            else ((f"system {i + 1}", system) for i, system in enumerate(systems))
        )
        for name, system in pairs:
            kind_of(system, f"systems[{name!r}]")
            given.append((str(name), system))
    except InputError:
        raise
    except Exception:  # iterating over a user's object may raise anything
        remedy = "give a list, or a dictionary from names to systems"
        raise InputError("systems", systems, "is not a list of systems", remedy) from None
    named = dict(given)
    if not named:
        raise InputError("systems", systems, "there is none", "give at least one")
    if len(named) < len(given):
        names = [name for name, _ in given]
        problem = "has two systems of the same name"
        raise InputError("systems", names, problem, "give every system its own")
    return list(named), list(named.values())


def _common_kind(names: Sequence[str], systems: Sequence[System]) -> SystemKind:
    """Nearest kind of all systems; one table of numbers needs one kind and one unit of time."""
    first, common = systems[0], kinds_of(systems[0], f"systems[{names[0]!r}]")
    for name, system in zip(names, systems, strict=True):
        field = f"systems[{name!r}]"
        own = kinds_of(system, field)
        if not (shared := tuple(kind for kind in common if kind in own)):
            wanted = " or ".join(common[-1].constructed)
            problem = f"is not a {wanted} like systems[{names[0]!r}]"
            raise InputError(field, system, problem, "make a study of each kind")
        common = shared
        if system.time_unit != first.time_unit:
            problem = f"is in another unit of time than systems[{names[0]!r}], {first.time_unit!r}"
            remedy = "write all systems in one unit"
            raise InputError(f"{field}.time_unit", system.time_unit, problem, remedy)
    return common[0]


def _default_chunk_size(systems: Sequence[System], loads: int) -> int:
    """Number of systems in a chunk, for systems that are solved at a number of loads."""
    largest = MAX_SYSTEMS
    if all(map(has_plan, systems)):
        sizes = (len(system) for system in systems if isinstance(system, Sized))
        points = min(MAX_POINTS, MAX_NUMBERS // max(sizes, default=1))
        largest = max(largest, points // loads)
    return min(largest, max(1, len(systems) // MIN_CHUNKS))


def _check_loads(loads: npt.ArrayLike, count: int, *, relative: bool) -> Array:
    """Return the loads as an array, shape (K,) or (S, K).

    Loads of all systems are checked here; a row of one system is checked by its curve, so that a
    bad row is the error of that system alone.
    """
    array = as_floats("loads", loads)
    if array.ndim not in (1, 2) or array.size == 0:
        remedy = "give one or more numbers, or a row of them for each system"
        raise LoadError("loads", array.tolist(), "is not a list of loads", remedy)
    if array.ndim == 2 and len(array) != count:
        problem = f"has {counted(len(array), 'row')} for {counted(count, 'system')}"
        raise LoadError(
            "loads", array.tolist(), problem, "give a row for each, or one list for all"
        )
    if array.ndim == 1:
        conditions = [
            (np.isfinite(array), "is not a finite number", "give a number"),
            (array >= 0, "a load cannot be negative", "give 0 or more"),
        ]
        if relative and array.min() >= 1:
            remedy = "give parts of the largest load, below 1, or leave relative out"
            conditions.append((array < 1, "is not a part of the largest load", remedy))
        for holds, problem, remedy in conditions:
            raise_at_first("loads", array, holds, problem, remedy, LoadError)
    return array
