"""Plugin of pytest for the timings: sizes, and a fixture that records times in rows."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

SMALL = "SOJOURN_BENCH_SMALL"
"""Environment variable: small sizes and one call each, to test that every timing runs."""
SMALL_RUN = SMALL in os.environ
LEFT_OUT: dict[str, None] = {}
"""Reasons why timings of this run are left out, each once."""


class Measure(Protocol):
    """Type of the fixture `measure`."""

    def __call__(
        self,
        job: Callable[[], Any],
        row: str,
        who: str,
        *,
        per: int = 1,
        unit: str = "",
        rounds: int = 7,
        at_most: float | None = None,
    ) -> None:
        """Record the time of a job.

        Parameters
        ----------
        job : callable
        row : str
            Task; times of one row are compared.
        who : str
            Method.
        per : int
            Units of work in the job.
        unit : str
            Name of the unit of work.
        rounds : int
        at_most : float, optional
            Target: largest ratio to the time of another method.
        """


def sizes(*numbers: int, small: tuple[int, ...]) -> pytest.MarkDecorator:
    """Return the decorator that runs a timing at several sizes.

    As the innermost decorator it keeps the rows of one size together.
    """
    return pytest.mark.parametrize("size", small if SMALL_RUN else numbers)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the reason why a timing is left out."""
    if report.skipped and isinstance(report.longrepr, tuple):
        LEFT_OUT[report.longrepr[2].removeprefix("Skipped: ")] = None


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Write the reasons why timings are left out into the report."""
    output_json["left_out"] = [*LEFT_OUT]


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Import the timings as modules of this package, because they use relative imports."""
    if module_path.parent != Path(__file__).parent:
        return None
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path)
    module.obj = importlib.import_module(f"{__package__}.{module_path.stem}")
    return module


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Measure:
    """Time a job in rounds of one call each, after a warm-up call.

    A job with one round is long and has no warm-up, nor has a small run.
    """

    def run(
        job: Callable[[], Any],
        row: str,
        who: str,
        *,
        per: int = 1,
        unit: str = "",
        rounds: int = 7,
        at_most: float | None = None,
    ) -> None:
        benchmark.extra_info.update(row=row, who=who, per=per, unit=unit, at_most=at_most)
        times = 1 if SMALL_RUN else rounds
        benchmark.pedantic(job, rounds=times, iterations=1, warmup_rounds=int(times > 1))  # type: ignore[no-untyped-call]

    return run
