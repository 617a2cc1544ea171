"""The command `sojourn bench`: run one benchmark, write its files, print its tables or JSON."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from ...reference.errors import InputError
from ..frontend.files import INTERRUPTED, NOT_WRITTEN, err, say, write
from ..frontend.tables import print_json
from . import BENCHMARKS

if TYPE_CHECKING:
    from rich.table import Table

Item = TypeVar("Item")


@dataclass(frozen=True)
class Asked:
    """Options of the command, each None where it is not given; see ``sojourn bench --help``."""

    systems: int | None = None
    limit: float | None = None
    sizes: str | None = None
    settings: str = "own"
    out: Path | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """What a benchmark found.

    Attributes
    ----------
    found : Any
        For JSON: see `sojourn.models.frontend.tables.plain`.
    tables : sequence of rich.table.Table
    files : mapping of Path to callable
        Writes the file at the path that it is given.
    written : str
        What to print once all of them are there.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    found: Any
    tables: Sequence[Table]
    files: Mapping[Path, Callable[[Path], object]] = field(default_factory=dict)
    written: str = ""
    interrupted: bool = False


def run_benchmark(what: str, asked: Asked, *, as_json: bool) -> int:
    """Run a benchmark by its name in `BENCHMARKS`, write and print what it found; return the exit code."""
    if what not in BENCHMARKS:
        *names, last = BENCHMARKS
        raise InputError("bench", what, "is not a benchmark", f"use {', '.join(names)} or {last}")
    report: Report = importlib.import_module(BENCHMARKS[what].module, __package__).report(asked)
    failed = [write(path, make) for path, make in report.files.items()]
    if as_json:
        print_json(report.found)
    else:
        for table in report.tables:
            say(table)
        if report.files and not any(failed):
            say(Text(report.written))
    return INTERRUPTED if report.interrupted else NOT_WRITTEN if any(failed) else 0


def until_interrupted(rows: Iterable[Item]) -> tuple[list[Item], bool]:
    """Return the rows, and whether Ctrl-C ended them: those that there are by then are kept."""
    done: list[Item] = []
    try:
        with _chatter_to_stderr():
            for row in rows:
                done.append(row)
    except KeyboardInterrupt:
        err.print(f"interrupted after {len(done)} rows")
        return done, True
    return done, False


@contextmanager
def _chatter_to_stderr() -> Iterator[None]:
    """Send what solvers print past Python, such as the banner of HiGHS, to standard error: standard output is for the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def machine() -> dict[str, str]:
    """Return the machine and the versions that times are of."""
    return {"machine": platform.machine(), "Python": platform.python_version(), **{p: version(p) for p in ("NumPy", "SciPy", "CVXPY")}}


def machine_line() -> str:
    """Return the same as one line."""
    return ", ".join(value if name == "machine" else f"{name} {value}" for name, value in machine().items())


def timed(job: Callable[[], Item]) -> tuple[Item, float]:
    """Return the result of a job and its seconds."""
    started = time.perf_counter()
    return job(), time.perf_counter() - started


def repeated(first: float, again: Callable[[], float], quick: float, most: int) -> list[float]:
    """Return the seconds of a job: those of its first time, which nothing else may make look faster, and of more where it was quick."""
    return [first, *(again() for _ in range(most - 1 if first < quick else 0))]
