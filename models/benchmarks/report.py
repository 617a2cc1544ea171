"""What all benchmarks share: their options, times, and the machine."""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from ...reference.errors import InputError
from ..frontend.process import begin
from ..frontend.report import Report
from . import BENCHMARKS

Item = TypeVar("Item")


@dataclass(frozen=True)
class Asked:
    """Options of the command, each None where it is not given; see ``sojourn bench --help``."""

    systems: int | None = None
    limit: float | None = None
    sizes: str | None = None
    settings: str = "own"
    out: Path | None = None


def run_benchmark(what: str, asked: Asked) -> Iterable[Report]:
    """Run a benchmark by its name in `BENCHMARKS`; its files have whole paths."""
    if what not in BENCHMARKS:
        *names, last = BENCHMARKS
        raise InputError("bench", what, "is not a benchmark", f"use {', '.join(names)} or {last}")
    module = importlib.import_module(BENCHMARKS[what].module, __package__)
    begin()
    found: Iterable[Report] = module.report(asked)
    return found


def reported(rows: Iterable[Item], say: Callable[[list[Item]], Report]) -> Iterator[Report]:
    """Yield the report of the rows, of those that are done where Ctrl-C ends them."""
    done: list[Item] = []
    try:
        done.extend(rows)
    finally:
        if done:
            yield say(done)


def machine() -> dict[str, str]:
    """Return the machine and the versions that times are of."""
    return {
        "machine": platform.machine(),
        "Python": platform.python_version(),
        **{p: version(p) for p in ("NumPy", "SciPy", "CVXPY")},
    }


def machine_line() -> str:
    """Return the same as one line."""
    return ", ".join(
        value if name == "machine" else f"{name} {value}" for name, value in machine().items()
    )


def timed(job: Callable[[], Item]) -> tuple[Item, float]:
    """Return the result of a job and its seconds."""
    started = time.perf_counter()
    return job(), time.perf_counter() - started


def repeated(first: float, again: Callable[[], float], quick: float, most: int) -> list[float]:
    """Return the seconds of a job: those of its first time, which nothing else may make look faster, and of more where it was quick."""
    return [first, *(again() for _ in range(most - 1 if first < quick else 0))]
