"""Delays and utilisations of a simulated network, and whether the run is long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...reference.errors import Array
from .answer import too_short
from .jobs import Index
from .network import Network
from .statistics import BATCHES, Statistics

LONGEST = 65_536  # jobs in a chunk, whose arrays then fill some ten MB
RELAXED = 10.0  # relaxation times of the slowest station in the warm-up, and in a batch


@dataclass(frozen=True)
class Record:
    """What a run of a network showed.

    Attributes
    ----------
    whole : Statistics
        Delays of all jobs.
    kinds : tuple of tuple of Statistics
        Delays of the jobs of each kind, for each way to divide the streams into kinds.
    stations : tuple of Statistics
        Times of the visits to each station, and its utilisation.
    notes : tuple of str
        Why the intervals may be too narrow.
    """

    whole: Statistics
    kinds: tuple[tuple[Statistics, ...], ...]
    stations: tuple[Statistics, ...]
    notes: tuple[str, ...]


def record(
    network: Network, kinds: Sequence[Index], jobs: int, seed: int | np.random.SeedSequence
) -> Record:
    """Return the statistics of a number of jobs, after a warm-up that is not counted.

    Parameters
    ----------
    network : Network
    kinds : sequence of ndarray of int, shape (K,)
        For each way to divide the K streams into kinds, the kind of each stream, from 0 on.
    jobs : int
        Number of counted jobs.
    seed : int or SeedSequence
        The same seed gives the same numbers.
    """
    chunk = min(-(-jobs // BATCHES), LONGEST)
    slow = relaxations(network)
    warm = chunk * -(-int(min(RELAXED * slow.max(), jobs)) // chunk)
    whole = Statistics()
    stations = tuple(Statistics(percentiles=False) for _ in network.stations)
    divided = [
        [Statistics(percentiles=False) for _ in range(int(kind.max()) + 1)] for kind in kinds
    ]
    for i, step in enumerate(network.run(warm + jobs, chunk, seed)):
        counted = step.number >= warm
        delay, stream = step.delay[counted], step.stream[counted]
        if delay.size:
            whole.add(delay)
            for kind, records in zip(kinds, divided, strict=True):
                _add(records, kind[stream], delay)
        if i * chunk >= warm and math.isfinite(step.span):
            for station, visits in zip(stations, step.visits, strict=True):
                station.add(visits.delay, visits.work, step.span)
    notes = _notes(network, slow, jobs, whole)
    return Record(whole, tuple(map(tuple, divided)), stations, tuple(notes))


def _add(records: list[Statistics], kind: Index, delay: Array) -> None:
    """Add delays of jobs to the records of their kinds."""
    order = np.argsort(kind, kind="stable")
    ends = np.searchsorted(kind[order], np.arange(1, len(records)))
    for own, part in zip(records, np.split(delay[order], ends), strict=True):
        own.add(part)


def relaxations(network: Network) -> Array:
    """Return the relaxation time of each station as a number of jobs of the network, shape (S,).

    That is the integral over time of the autocorrelation of the number of jobs at an M/M/1 queue,
    s (1 + rho) / (1 - rho)^2 with the mean service time s and the utilisation rho, times
    (1 + cv^2)/2 for another coefficient of variation; infinite from rho = 1 on. A fixed delay has
    its own length.
    """
    flow, work, most = (np.zeros(len(network.stations)) for _ in range(3))
    for stream in network.streams:
        for place, mean in zip(stream.visits, stream.work, strict=True):
            flow[place] += stream.rate
            work[place] += stream.rate * mean
            most[place] = max(most[place], mean)
    spread = np.array([0.5 * (1.0 + station.service.cv**2) for station in network.stations])
    queue = np.array([station.discipline != "delay" for station in network.stations])
    mean = np.divide(work, flow, out=np.zeros_like(work), where=flow > 0)
    spare = np.where(queue, 1.0 - work, 1.0)
    with np.errstate(divide="ignore"):
        time = np.where(queue, spread * mean * (1.0 + work) / np.maximum(spare, 0.0) ** 2, most)
    return np.asarray(sum(stream.rate for stream in network.streams) * time)


def _notes(network: Network, slow: Array, jobs: int, whole: Statistics) -> list[str]:
    """Return the notes on a run that is too short."""
    worst = int(slow.argmax())
    factor = BATCHES * RELAXED * float(slow[worst]) / jobs
    if factor > 1.0:
        return too_short(f"the network, with {network.stations[worst].name},", jobs, factor)
    return too_short("the network", jobs, whole.shortfall)
