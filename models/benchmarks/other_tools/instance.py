"""Systems of the benchmark of other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....reference.errors import Array
from ...latency import MG1


@dataclass(frozen=True, eq=False)
class Instance:
    """M/G/1 servers, and the loads to be split over them.

    Attributes
    ----------
    name : str
    rate : ndarray, shape (n,)
        Service rates, jobs per second.
    cv : ndarray, shape (n,)
        Coefficients of variation of the service times.
    delay : ndarray, shape (n,)
        Delay of the way to each server and back, seconds.
    loads : ndarray, shape (m,)
        Jobs per second; one load in most instances, many for a sweep.
    """

    name: str
    rate: Array
    cv: Array
    delay: Array
    loads: Array

    @property
    def bank(self) -> MG1:
        """The servers as a bank."""
        return MG1(self.rate, self.cv, self.delay)


def _random(n: int, fraction: float) -> Instance:
    """M/M/1 servers of rates 50 to 500 jobs/s and delays to 50 ms, at a part of the total rate."""
    rng = np.random.default_rng(n)
    rate, delay = rng.uniform(50, 500, n), rng.uniform(0, 0.05, n)
    load = np.array([fraction * rate.sum()])
    return Instance(f"{n} M/M/1, {fraction:.0%} load", rate, np.ones(n), delay, load)


def _scenario_1(name: str, loads: Array) -> Instance:
    rate, delay = np.array([100.0, 80.0, 200.0]), np.array([0.005, 0.005, 0.020])
    return Instance(name, rate, np.ones(3), delay, loads)


def _erratic_beside_steady() -> Instance:
    rate, cv, load = np.array([10.0, 10.0]), np.array([3.0, 1.0]), np.array([12.0])
    return Instance("2 M/G/1, SCV 9 and 1, 60%", rate, cv, np.zeros(2), load)


INSTANCES: tuple[Callable[[], Instance], ...] = (
    lambda: _scenario_1("Scenario 1, 50% load", np.array([190.0])),
    _erratic_beside_steady,
    lambda: _random(10, 0.3),
    lambda: _random(10, 0.8),
    lambda: _random(100, 0.8),
    lambda: _scenario_1("Scenario 1, 50 loads", np.linspace(0.02, 0.99, 50) * 380.0),
)
"""Functions that make the instances; to add an instance is to add a line."""
