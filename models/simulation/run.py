"""Simulation of one station: warm-up, chunks, and the kernel that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from .arrivals import Stream
from .jobs import JobClass, Node
from .multi import ManyServers, Pausing, Replicated
from .network import Network
from .priority import Priorities
from .station import FCFS, SHARING, Station
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
            return _in_order(self)
        return _in_series(self)

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


def _size(task: Task) -> int:
    """Return the number of jobs of a chunk of one long run."""
    return min(max(task.jobs * BATCHES // (CHUNKS * task.capacity), LEAST), CHUNK)


def _in_order(task: Task) -> Statistics:
    """Return the record of one server, with base jobs and batches."""
    station, size = task.station, _size(task)
    stream, kernel = Stream(station, task.arriving), Priorities(station.base_priority)
    rng, record = np.random.default_rng(task.seed), Statistics(task.capacity)
    # base jobs among them, those of the flow without its factor
    per_job = 1.0 / Stream(station, task.flow).own
    for jobs, counted in ((task.warm_up, False), (task.jobs, True)):
        for count in _chunks(jobs, size, per_job):
            drawn = stream.draw(rng, count)
            times = kernel.sojourns(drawn)
            if counted:
                record.add(times, float(drawn.work.sum()), float(drawn.gap.sum()))
    return record


def _chunks(jobs: int, size: int, per_job: float) -> Iterator[int]:
    """Yield the numbers of jobs of chunks, base jobs among them, of which few fill no memory."""
    for start in range(0, jobs, size):
        rest = math.ceil(min(size, jobs - start) * per_job)
        while rest > 0:
            yield min(rest, LARGEST)
            rest -= LARGEST


def _in_series(task: Task) -> Statistics:
    """Return the record of jobs that pass a station and those after it, as a network."""
    stations = task.station.series
    nodes = tuple(
        Node("", "sharing" if s.discipline == SHARING else "queue", s.service, s.servers)
        for s in stations
    )
    way = JobClass(task.arriving, tuple(range(len(nodes))), tuple(1.0 / s.rate for s in stations))
    busiest = int(np.argmax([s.own_utilisation(task.flow) for s in stations]))
    record, size = Statistics(task.capacity), _size(task)
    warm_up = size * math.ceil(task.warm_up / size)
    # a copy: a seed counts the random numbers that it gave
    steps = Network(nodes, (way,)).run(warm_up + task.jobs, size, deepcopy(task.seed))
    for i, step in enumerate(steps):
        if i * size >= warm_up:
            busy, elapsed = step.visits[busiest].work / nodes[busiest].servers, step.span
            ended = math.isinf(elapsed)  # no jobs come while the last ones leave
            times = step.delay[step.number >= warm_up]
            record.add(times, *((0.0, 0.0) if ended else (busy, elapsed)))
    return record


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
