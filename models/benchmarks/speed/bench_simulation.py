"""Time of simulated jobs, against the random numbers alone and against Ciw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ...simulation.run import CHUNK, Task
from ...simulation.service import Deterministic, Exponential, Gamma, Service
from ...simulation.station import SHARING, Station
from .plugin import Measure, sizes

LAWS = {"M/M/1": Exponential(), "M/D/1": Deterministic(), "M/G/1 of cv 3": Gamma(3.0)}
NUMBERS = "the random numbers alone"
STATIONS = {
    "M/M/1": Station(1.0),
    "M/M/8": Station(0.125, servers=8),
    "M/M/1 with processor sharing": Station(1.0, discipline=SHARING),
}
USED = 0.8  # utilisation
PEER = "Ciw"


def draw(law: Service, jobs: int) -> None:
    """Draw the gaps and the works of jobs, as many at once as a simulation does."""
    rng = np.random.default_rng(1)
    for start in range(0, jobs, CHUNK):
        n = min(CHUNK, jobs - start)
        rng.standard_exponential(n)
        law.draw(rng, n)


@pytest.mark.parametrize("who", ["simulation", NUMBERS])
@pytest.mark.parametrize("name", LAWS)
@sizes(4_000_000, small=(10_000,))
def bench_lindley(measure: Measure, size: int, name: str, who: str) -> None:
    """Jobs of one server by Lindley's recursion, with their statistics."""
    law = LAWS[name]
    task = Task(Station(1.0, law), USED, size, np.random.SeedSequence(1))
    job: Callable[[], Any] = task.run if who == "simulation" else lambda: draw(law, size)
    row = f"simulation of {name}, {size:,} jobs"
    measure(job, row, who, per=size, unit="job", at_most=5.0)


@pytest.mark.parametrize("who", ["simulation", PEER])
@pytest.mark.parametrize("name", STATIONS)
@sizes(1_000_000, small=(2_000,))
def bench_ciw(measure: Measure, size: int, name: str, who: str) -> None:
    """Jobs of a station, of which both need as many for one precision."""
    station, row = STATIONS[name], f"simulation of {name} at {USED:.0%}"
    if who == "simulation":
        job: Callable[[], Any] = Task(station, USED, size, np.random.SeedSequence(1)).run
        most = 0.01 if station.servers == 1 and station.discipline != SHARING else None
        measure(job, row, who, per=size, unit="job", at_most=most)
    else:
        count = max(size // 50, 100)
        measure(lambda: by_ciw(station, count), row, who, per=count, unit="job", rounds=3)


def by_ciw(station: Station, jobs: int) -> None:
    """Simulate a station of exponential service times in Ciw."""
    ciw = pytest.importorskip("ciw", reason="Ciw: pip install 'sojourn[test]'")
    shares = station.discipline == SHARING
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=USED)],
        service_distributions=[ciw.dists.Exponential(rate=station.rate)],
        number_of_servers=[float("inf") if shares else station.servers],
        ps_thresholds=[1] if shares else None,
    )
    ciw.seed(1)
    run = ciw.Simulation(network, node_class=ciw.PSNode if shares else None)
    run.simulate_until_max_customers(jobs, method="Finish")
