"""Simulation of one station: warm-up, chunks, and the kernel that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...reference.errors import Array
from .arrivals import Stream
from .chain import Chain
from .multi import ManyServers, Pausing, Replicated
from .priority import Priorities
from .station import FCFS, Station
from .statistics import BATCHES, Statistics

CHUNK = 1 << 14  # largest number of jobs at once: their arrays stay in the cache of a core
LARGEST = 1 << 20  # jobs at once where most are base jobs
CHUNKS = 50  # least number of chunks of a run of all batches, but for short ones
LEAST = 16  # jobs of a chunk, in short runs
FORGET = 10.0  # relaxation times after which the empty start is forgotten
ENOUGH = 10.0 * BATCHES  # relaxation times in a run whose batches are nearly independent
GROUPS = BATCHES  # batches of replications that run side by side
SIDE_BY_SIDE = 32  # largest number of replications in a group
PLACES = 1 << 22  # servers in all replications together
MANY = 4096  # servers from which a heap is faster than a search


@dataclass(frozen=True)
class Task:
    """A run of one station, with random numbers of its own.

    Attributes
    ----------
    station : Station
    flow : float
        Jobs per unit of time, above 0.
    jobs : int
        Number of jobs to record.
    seed : numpy.random.SeedSequence
        Seed of the random numbers.
    capacity : int
        Largest number of batches.
    scale : float
        Factor of the flow in the run, near 1. The random numbers, and how many, are those of the
        flow alone: the difference of two runs of one seed shows what the factor does.
    """

    station: Station
    flow: float
    jobs: int
    seed: np.random.SeedSequence
    capacity: int = BATCHES
    scale: float = 1.0

    def run(self) -> Statistics:
        """Return the record of the jobs."""
        station = self.station
        alone = station.then is None and station.discipline == FCFS
        if alone and (station.setup > 0.0 or station.vacation > 0.0):
            return _side_by_side(self, Pausing)
        if alone and 1 < station.servers <= MANY:
            return _side_by_side(self, ManyServers)
        if alone and station.servers == 1:
            return _in_order(self, _Priorities(station, self.arriving))
        return _in_order(self, _Chain(station, self.arriving))

    @property
    def arriving(self) -> float:
        """Jobs per unit of time in the run."""
        return self.flow * self.scale

    @property
    def warm_up(self) -> int:
        """Number of jobs after which the empty start is forgotten; at most those recorded."""
        return math.ceil(min(FORGET * self.station.relaxation(self.flow), self.jobs))


def shortfall(station: Station, flow: float, jobs: int) -> float:
    """Return the factor by which a run is too short for independent batches, 1 where it is not.

    Parameters
    ----------
    station : Station
    flow : float
        Jobs per unit of time.
    jobs : int
        Number of recorded jobs.
    """
    return max(1.0, ENOUGH * station.relaxation(flow) / max(jobs, 1))


class _Priorities:
    """One server, with base jobs and batches."""

    def __init__(self, station: Station, flow: float) -> None:
        self.stream, self.kernel = Stream(station, flow), Priorities(station.base_priority)

    def chunk(self, rng: np.random.Generator, jobs: int) -> tuple[Array, float, float]:
        """Return sojourn times, work that came and time that passed."""
        drawn = self.stream.draw(rng, jobs)
        busy, elapsed = float(drawn.work.sum()), float(drawn.gap.sum())
        return self.kernel.sojourns(drawn), busy, elapsed


class _Chain:
    """Stations in series, and others whose jobs do not leave in order."""

    def __init__(self, station: Station, flow: float) -> None:
        self.stream, self.kernel = Stream(station, flow), Chain(station)
        used = [stage.own_utilisation(flow) for stage, _ in self.kernel.stages]
        self.busiest = int(np.argmax(used))

    def chunk(self, rng: np.random.Generator, jobs: int) -> tuple[Array, float, float]:
        """Return sojourn times, work that came and time that passed."""
        drawn = self.stream.draw(rng, jobs)
        times, busy = self.kernel.chunk(rng, drawn.gap, drawn.work, self.busiest)
        return times, busy, float(drawn.gap.sum())


def _in_order(task: Task, kernel: _Priorities | _Chain) -> Statistics:
    """Return the record of one long run."""
    rng, record = np.random.default_rng(task.seed), Statistics(task.capacity)
    size = min(max(task.jobs * BATCHES // (CHUNKS * task.capacity), LEAST), CHUNK)
    per_job = 1.0 / Stream(task.station, task.flow).own  # base jobs among them
    for count in _chunks(task.warm_up, size, per_job):
        kernel.chunk(rng, count)
    for count in _chunks(task.jobs, size, per_job):
        record.add(*kernel.chunk(rng, count))
    return record


def _chunks(jobs: int, size: int, per_job: float) -> Iterator[int]:
    """Yield the numbers of jobs of chunks, base jobs among them, of which few fill no memory."""
    for start in range(0, jobs, size):
        rest = math.ceil(min(size, jobs - start) * per_job)
        while rest > 0:
            yield min(rest, LARGEST)
            rest -= LARGEST


def _side_by_side(task: Task, kind: type[Replicated]) -> Statistics:
    """Return the record of replications side by side, in independent groups."""
    rng, warm_up = np.random.default_rng(task.seed), task.warm_up
    room = PLACES // task.station.servers
    wished = min(task.jobs / (4.0 * warm_up), room) / GROUPS
    count = GROUPS * int(min(max(wished, 1.0), SIDE_BY_SIDE))
    kernel = kind(task.station, task.arriving, count)
    records = [Statistics(capacity=2) for _ in range(GROUPS)]  # each ends as one batch
    size, jobs = max(CHUNK // count, 1), math.ceil(task.jobs / count)
    for start in range(0, warm_up, size):
        kernel.chunk(rng, min(size, warm_up - start))
    for start in range(0, jobs, size):
        times, busy, elapsed = kernel.chunk(rng, min(size, jobs - start))
        for g, record in enumerate(records):
            own = slice(g, None, GROUPS)
            record.add(times[:, own].ravel(), float(busy[own].sum()), float(elapsed[own].sum()))
    return Statistics.merged(records)
