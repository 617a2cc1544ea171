"""What a study is asked, checked before anything starts, and cut into chunks that are the same whoever works on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ....reference.errors import Array, InputError, LoadError
from ....reference.validation import as_floats, as_integer, check_flag, raise_at_first
from ...core.solvers import capable_solvers, solver_names
from ...core.system import System
from ...frontend.kinds import SystemKind, is_system, kind_of
from .rows import joined, row

MOST, LEAST_CHUNKS = 16, 64
"""Systems in a chunk, at most: what a kill loses of each worker's time, some seconds; fewer where there were too few chunks to share out."""


class HalfwayError(KeyboardInterrupt):
    """A chunk that was interrupted; its argument is the rows that were done."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some of the systems: plain data, so that it can be worked on anywhere.

    Attributes
    ----------
    index : int
        Place among the chunks.
    names : sequence of str
    systems : sequence
    loads : ndarray, shape (K,) or (S, K)
        Those of all systems, or a row for each of this chunk's.
    relative : bool
    how : mapping
        Options of the curves.
    kept : Dataset, optional
        Rows of the systems that were done before.
    """

    index: int
    names: Sequence[str]
    systems: Sequence[System]
    loads: Array
    relative: bool
    options: Mapping[str, Any]
    kept: xr.Dataset | None = None

    def each(self) -> Iterator[tuple[str, System, Array]]:
        """Yield name, system and loads of each."""
        rows = np.broadcast_to(self.loads, (len(self.systems), self.loads.shape[-1]))
        return zip(self.names, self.systems, rows, strict=True)

    def rows(self) -> xr.Dataset:
        """Work on the systems that are not kept, one after the other; return the rows of all."""
        done: list[xr.Dataset] = []
        kept = () if self.kept is None else self.kept["system"].values
        try:
            for name, system, loads in self.each():
                if name not in kept:
                    done.append(row(name, system, loads, self.options, relative=self.relative))
        except KeyboardInterrupt:
            raise HalfwayError(joined(done)) from None
        return (
            joined(done)
            if self.kept is None
            else joined([self.kept, *done]).sel(system=list(self.names))
        )


@dataclass(frozen=True, eq=False)
class Question:
    """All systems, their loads and the options; and how many of the systems go into a chunk."""

    kind: SystemKind
    names: Sequence[str]
    systems: Sequence[System]
    loads: Array
    relative: bool
    options: Mapping[str, Any]
    size: int

    def chunks(self) -> list[Chunk]:
        """Return the chunks, in order."""
        cuts = [slice(i, i + self.size) for i in range(0, len(self.systems), self.size)]
        loads = [self.loads[cut] if self.loads.ndim == 2 else self.loads for cut in cuts]
        parts = zip(range(len(cuts)), cuts, loads, strict=True)
        return [
            Chunk(i, self.names[cut], self.systems[cut], some, self.relative, self.options)
            for i, cut, some in parts
        ]


def ask(
    systems: Iterable[System] | Mapping[Any, System],
    loads: npt.ArrayLike,
    options: Mapping[str, Any],
    *,
    relative: bool,
    chunk: int | None,
) -> Question:
    """Return the question; raise InputError, or TypeError for an option that there is not, on what is wrong for all systems."""
    names, values = _named(systems)
    kind = _kind(names, values)
    kind.check_options("study", options)
    capable_solvers(solver_names(options.get("solver")), options.get("solver_options"))
    relative = check_flag("relative", relative)
    size = (
        min(MOST, max(1, len(values) // LEAST_CHUNKS))
        if chunk is None
        else as_integer("chunk", chunk, "a number of systems")
    )
    return Question(
        kind,
        names,
        values,
        _check_loads(loads, len(values), relative=relative),
        relative,
        options,
        size,
    )


def _named(systems: Any) -> tuple[list[str], list[System]]:
    if is_system(systems):
        raise InputError(
            "systems", systems, "is one system", "give a list of systems, or use its curve(loads)"
        )
    given: list[tuple[str, System]] = []
    try:
        if isinstance(systems, str):
            raise TypeError
        for name, system in (
            systems.items()
            if isinstance(systems, Mapping)
            else ((f"system {i + 1}", s) for i, s in enumerate(systems))
        ):
            kind_of(system, f"systems[{name!r}]")
            given.append((str(name), system))
    except InputError:
        raise
    except Exception:  # whatever an object raises that is asked for what it holds
        remedy = "give a list, or a dictionary from names to systems"
        raise InputError("systems", systems, "is not a list of systems", remedy) from None
    named = dict(given)
    if not named:
        raise InputError("systems", systems, "there is none", "give at least one")
    if len(named) < len(given):
        raise InputError(
            "systems",
            [name for name, _ in given],
            "has two systems of the same name",
            "give every system its own",
        )
    return list(named), list(named.values())


def _kind(names: Sequence[str], systems: Sequence[System]) -> SystemKind:
    """What all systems are; one study is of one kind, in one unit of time, for its numbers stand in one table."""
    first = systems[0]
    kind = kind_of(first, f"systems[{names[0]!r}]")
    for name, system in zip(names, systems, strict=True):
        if kind_of(system, f"systems[{name!r}]") is not kind:
            problem = f"is not a {kind.system.__name__} like systems[{names[0]!r}]"
            raise InputError(f"systems[{name!r}]", system, problem, "make a study of each kind")
        if system.time_unit != first.time_unit:
            problem = f"is in another unit of time than systems[{names[0]!r}], {first.time_unit!r}"
            raise InputError(
                f"systems[{name!r}].time_unit",
                system.time_unit,
                problem,
                "write all systems in one unit",
            )
    return kind


def _check_loads(loads: npt.ArrayLike, count: int, *, relative: bool) -> Array:
    """Return the loads; what is none raises where it is for all systems, a row of one system is that system's affair."""
    array = as_floats("loads", loads)
    if array.ndim not in (1, 2) or array.size == 0:
        raise LoadError(
            "loads",
            array.tolist(),
            "is not a list of loads",
            "give one or more numbers, or a row of them for each system",
        )
    if array.ndim == 2 and len(array) != count:
        raise LoadError(
            "loads",
            array.tolist(),
            f"has {len(array)} rows for {count} systems",
            "give a row for each, or one list for all",
        )
    if array.ndim == 1:
        raise_at_first(
            "loads", array, np.isfinite(array), "is not a finite number", "give a number", LoadError
        )
        raise_at_first(
            "loads", array, array >= 0, "a load cannot be negative", "give 0 or more", LoadError
        )
        if relative and array.min() >= 1:
            remedy = "give parts of the largest load, below 1, or leave relative out"
            raise_at_first(
                "loads", array, array < 1, "is not a part of the largest load", remedy, LoadError
            )
    return array
