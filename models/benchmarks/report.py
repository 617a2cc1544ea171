"""Timing and reports that all benchmarks have in common."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import TypeVar

from ..frontend.report import Report

Item = TypeVar("Item")


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
