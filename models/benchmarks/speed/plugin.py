"""The option for small sizes, and how a thing is timed beside what it is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


class Measure(Protocol):
    """Time a job."""

    def __call__(self, job: Callable[[], Any], row: str, who: str, *, per: int = 1, unit: str = "", rounds: int = 7) -> None:
        """Record the seconds of a job that does `per` units of work, in a row and under a name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--small", action="store_true", help="small sizes: to see that all runs, not how fast")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "sizes(*numbers, small): sizes to run at, and with --small")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each benchmark the sizes that it names."""
    marker = metafunc.definition.get_closest_marker("sizes")
    if marker is not None:
        metafunc.parametrize("size", marker.kwargs["small"] if metafunc.config.getoption("--small") else marker.args)


@pytest.fixture
def measure(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Measure:
    """Time a job in rounds of one call each, after one to warm up; a long one is called as it is."""
    few = request.config.getoption("--small")

    def run(job: Callable[[], Any], row: str, who: str, *, per: int = 1, unit: str = "", rounds: int = 7) -> None:
        benchmark.extra_info.update(row=row, who=who, per=per, unit=unit)
        warm = 0 if rounds == 1 else 1
        benchmark.pedantic(job, rounds=1 if few else rounds, iterations=1, warmup_rounds=warm)  # type: ignore[no-untyped-call]

    return run
