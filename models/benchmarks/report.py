"""Options, timing and reports that all benchmarks have in common."""

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
class BenchOptions:
    """Options of the command, None where not given; see ``sojourn bench --help``."""

    systems: int | None = None
    limit: float | None = None
    sizes: str | None = None
    settings: str = "own"
    out: Path | None = None


def run_benchmark(name: str, options: BenchOptions) -> Iterable[Report]:
    """Run a benchmark of `BENCHMARKS` by its name and return its reports.

    Raises
    ------
    InputError
        On an unknown name.
    """
    if name not in BENCHMARKS:
        *names, last = BENCHMARKS
        remedy = f"use {', '.join(names)} or {last}"
        raise InputError("bench", name, "is not a benchmark", remedy)
    module = importlib.import_module(BENCHMARKS[name].module, __package__)
    begin()
    reports: Iterable[Report] = module.report(options)
    return reports


def report_rows(
    rows: Iterable[Item], to_report: Callable[[list[Item]], Report]
) -> Iterator[Report]:
    """Yield the report of all rows; on Ctrl-C, of the rows so far."""
    done: list[Item] = []
    try:
        done.extend(rows)
    finally:
        if done:
            yield to_report(done)


def machine() -> dict[str, str]:
    """Return the machine and the versions of the packages that determine times."""
    return {
        "machine": platform.machine(),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("NumPy", "SciPy", "CVXPY")},
    }


def machine_line() -> str:
    """Return `machine` as one line of text."""
    return ", ".join(
        value if name == "machine" else f"{name} {value}" for name, value in machine().items()
    )


def timed(job: Callable[[], Item]) -> tuple[Item, float]:
    """Return the result of a job, and its seconds."""
    started = time.perf_counter()
    return job(), time.perf_counter() - started


def repeat(first: float, again: Callable[[], float], quick: float, repeats: int) -> list[float]:
    """Return the seconds of all runs of a job: `repeats` where the first took less than `quick`.

    `first` is the time of the first run; `again` runs the job and returns its time.
    """
    return [first, *(again() for _ in range(repeats - 1 if first < quick else 0))]
