"""What pytest needs to run the timings: sizes, and seconds beside what they are held against."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

SMALL = (
    "SOJOURN_BENCH_SMALL"  # environment variable: small sizes and one round, to see that all runs
)


class Measure(Protocol):
    """Time a job."""

    def __call__(
        self,
        job: Callable[[], Any],
        row: str,
        who: str,
        *,
        per: int = 1,
        unit: str = "",
        rounds: int = 7,
    ) -> None:
        """Record the seconds of a job that does `per` units of work, in a row and under a name."""


def sizes(*numbers: int, small: tuple[int, ...]) -> pytest.MarkDecorator:
    """Return the decorator of a timing at these sizes; next to the function, so that rows of one size stay together."""
    return pytest.mark.parametrize("size", small if SMALL in os.environ else numbers)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Import the files of this folder by their names: by its path alone a file could not import what is above its package."""
    if module_path.parent != Path(__file__).parent:
        return None
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path)
    module.obj = importlib.import_module(f"{__package__}.{module_path.stem}")
    return module


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Measure:
    """Time a job in rounds of one call each, after one to warm up; a long one is called as it is."""

    def run(
        job: Callable[[], Any], row: str, who: str, *, per: int = 1, unit: str = "", rounds: int = 7
    ) -> None:
        benchmark.extra_info.update(row=row, who=who, per=per, unit=unit)
        times = 1 if SMALL in os.environ else rounds
        benchmark.pedantic(job, rounds=times, iterations=1, warmup_rounds=int(rounds > 1))  # type: ignore[no-untyped-call]

    return run
