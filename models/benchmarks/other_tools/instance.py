"""The systems that all methods are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ...latency import MG1


@dataclass(frozen=True, eq=False)
class Case:
    """M/G/1 servers and the loads to split over them, in the numbers that every method starts from.

    Attributes
    ----------
    name : str
    rate, cv, delay : ndarray, shape (n,)
        Service rate, coefficient of variation of the service time, and distance; seconds and jobs per second.
    loads : ndarray, shape (m,)
        One for most; many for a sweep.
    """

    name: str
    rate: Array
    cv: Array
    delay: Array
    loads: Array

    @property
    def bank(self) -> MG1:
        """The servers."""
        return MG1(self.rate, self.cv, self.delay)


def _random(n: int, part: float) -> Case:
    """M/M/1 servers, rates from 50 to 500 jobs/s, delays to 50 ms, at a part of their total rate."""
    rng = np.random.default_rng(n)
    rate, delay = rng.uniform(50, 500, n), rng.uniform(0, 0.05, n)
    return Case(
        f"{n} M/M/1, {part:.0%} load", rate, np.ones(n), delay, np.array([part * rate.sum()])
    )


def _scenario_1(name: str, loads: Array) -> Case:
    return Case(
        name, np.array([100.0, 80.0, 200.0]), np.ones(3), np.array([0.005, 0.005, 0.020]), loads
    )


CASES: tuple[Callable[[], Case], ...] = (
    lambda: _scenario_1("Scenario 1, 50% load", np.array([190.0])),
    lambda: Case(
        "2 M/G/1, SCV 9 and 1, 60%",
        np.array([10.0, 10.0]),
        np.array([3.0, 1.0]),
        np.zeros(2),
        np.array([12.0]),
    ),
    lambda: _random(10, 0.3),
    lambda: _random(10, 0.8),
    lambda: _random(100, 0.8),
    lambda: _scenario_1("Scenario 1, 50 loads", np.linspace(0.02, 0.99, 50) * 380.0),
)
"""Each makes one system; a line more is a system more."""
