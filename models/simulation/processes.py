"""Runs on several processes, whose answer does not depend on how many there are.

Each run has random numbers of its own: seeds are spawned from one seed (M. E. O'Neill, *PCG*, 2014;
`numpy.random.SeedSequence`), run by run, before any of them starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...reference.errors import InputError
from ...reference.validation import as_integer
from ..core.progress import track
from .run import ENOUGH, Task
from .station import Station
from .statistics import BATCHES, Statistics

LONG = 4_000_000  # jobs from which the run of a station is divided
PARTS = 16  # largest number of its parts, a power of 2


def simulated(
    stations: Sequence[Station],
    flow: Sequence[float],
    jobs: Sequence[int],
    seed: int,
    processes: int = 1,
) -> list[Statistics]:
    """Simulate stations independently of each other.

    Parameters
    ----------
    stations : sequence of Station, length n
    flow : sequence of float, length n
        Jobs per unit of time at each; a station without a flow has an empty record.
    jobs : sequence of int, length n
        Number of jobs to record at each.
    seed : int
        Seed of all random numbers.
    processes : int, default 1
        Number of processes.

    Raises
    ------
    InputError
        Where several processes are wanted and joblib is missing.
    """
    tasks: list[Task] = []
    owners: list[int] = []
    seeds = np.random.SeedSequence(seed).spawn(len(stations))
    for i, station in enumerate(stations):
        if flow[i] > 0 and jobs[i] > 0:
            parts = _parts(station, flow[i], jobs[i])
            share, rest = divmod(jobs[i], parts)
            for k, own in enumerate(seeds[i].spawn(parts)):
                capacity = max(BATCHES // parts, 8)
                tasks.append(Task(station, flow[i], share + (k < rest), own, capacity))
                owners.append(i)
    found: list[list[Statistics]] = [[] for _ in stations]
    for owner, record in zip(owners, _each(tasks, processes), strict=True):
        found[owner].append(record)
    return [
        Statistics() if not runs else runs[0] if len(runs) == 1 else Statistics.merged(runs)
        for runs in found
    ]


def _parts(station: Station, flow: float, jobs: int) -> int:
    """Return into how many independent runs that of a station is divided."""
    parts = 1
    while parts < PARTS and jobs / (2 * parts) >= max(LONG / 2, ENOUGH * station.relaxation(flow)):
        parts *= 2
    return parts


def _each(tasks: Sequence[Task], processes: int) -> list[Statistics]:
    """Return the records of tasks, in order."""
    count = as_integer("processes", processes, "a number of processes", most=1024)
    if count == 1 or len(tasks) < 2:
        return [task.run() for task in track(tasks, "stations simulated")]
    try:
        from joblib import Parallel, delayed
    except ImportError:
        remedy = "pip install 'sojourn[study]', or leave it at 1"
        raise InputError("processes", count, "needs joblib", remedy) from None
    parallel = Parallel(n_jobs=min(count, len(tasks)), batch_size=1, return_as="generator")
    return list(
        track(parallel(delayed(Task.run)(t) for t in tasks), "stations simulated", total=len(tasks))
    )
