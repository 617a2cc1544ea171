"""Delays and utilisations of a simulated network, and whether the run is long enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...reference.errors import Array
from ...reference.validation import as_fraction, as_integer, as_seed
from ..core.progress import track
from .answer import PERCENTILES, answer, beside, too_short
from .jobs import Index
from .network import Network
from .statistics import BATCHES, Estimate, Statistics

if TYPE_CHECKING:
    import xarray as xr

Variables = dict[str, tuple[tuple[str, ...], Array, str]]

FEWEST, MOST = 1_000, 10**11  # jobs of a run
LONGEST = 65_536  # jobs in a chunk, whose arrays then fill some ten MB
CLOCK = 1e-9  # relative rounding of a time as a difference of two in a chunk
RELAXED = 10.0  # relaxation times of the slowest station in the warm-up, and in a batch


@dataclass(frozen=True)
class Record:
    """What a run of a network showed.

    Attributes
    ----------
    whole : Statistics
        Delays of all jobs.
    kinds : tuple of tuple of Statistics
        Delays of the jobs of each kind, for each way to divide the classes into kinds.
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
    network: Network, divisions: Sequence[Index], jobs: int, seed: int | np.random.SeedSequence
) -> Record:
    """Return the statistics of a number of jobs, after a warm-up that is not counted.

    Parameters
    ----------
    network : Network
    divisions : sequence of ndarray of int, shape (K,)
        For each way to divide the K classes into kinds, the kind of each class, from 0 on.
    jobs : int
        Number of counted jobs; with background jobs among them their expected number.
    seed : int or SeedSequence
        The same seed gives the same numbers.
    """
    rate = np.array([kind.rate for kind in network.classes])
    own = np.array([kind.counted for kind in network.classes])
    total = round(jobs * float(rate.sum() / rate[own].sum()))
    chunk = min(-(-total // BATCHES), LONGEST)
    slow = relaxations(network)
    warm = chunk * -(-int(min(RELAXED * slow.max(), total)) // chunk)
    whole = Statistics()
    stations = tuple(Statistics(percentiles=False) for _ in network.nodes)
    divided = [
        [Statistics(percentiles=False) for _ in range(int(of.max()) + 1)] for of in divisions
    ]
    chunks = -(-(warm + total) // chunk) + 1
    run = track(network.run(warm + total, chunk, seed), "chunks simulated", total=chunks)
    for i, step in enumerate(run):
        counted = own[step.kind] & (step.number >= warm)
        delay, kind = step.delay[counted], step.kind[counted]
        if delay.size:
            whole.add(delay)
            for of, records in zip(divisions, divided, strict=True):
                _add(records, of[kind], delay)
        if i * chunk >= warm and math.isfinite(step.span):
            each = zip(network.nodes, stations, step.visits, strict=True)
            for node, station, visits in each:
                station.add(visits.delay, visits.work / node.servers, step.span)
    notes = _notes(network, slow, total, whole)
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
    (1 + cv^2)/2 for another coefficient of variation; infinite from rho = 1 on. Several servers
    are one of their speed together, and the service time of those besides. A fixed delay has its
    own length.
    """
    flow, work = network.flows()
    spread = np.array([0.5 * (1.0 + node.service.cv**2) for node in network.nodes])
    queue = np.array([node.discipline != "delay" for node in network.nodes])
    servers = np.array([node.servers for node in network.nodes])
    mean = np.divide(work, flow, out=np.zeros_like(work), where=flow > 0)
    used, each = work / servers, mean / servers
    spare = np.where(queue, np.maximum(1.0 - used, 0.0), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        time = spread * each * (1.0 + used) / spare**2 + (mean - each)
        time = np.where(queue, time, mean)
    return np.asarray(sum(kind.rate for kind in network.classes) * time)


def _notes(network: Network, slow: Array, jobs: int, whole: Statistics) -> list[str]:
    """Return the notes on a run that is too short."""
    worst = int(slow.argmax())
    factor = BATCHES * RELAXED * float(slow[worst]) / jobs
    if factor > 1.0:
        return too_short(f"the network, with {network.nodes[worst].name},", jobs, factor)
    return too_short("the network", jobs, whole.shortfall)


def mean_of(times: Statistics, level: float) -> Estimate:
    """Return the mean of times, with its interval and the rounding of the clock of a chunk."""
    value, low, high = times.mean(level)
    return Estimate(value, low - CLOCK * abs(value), high + CLOCK * abs(value))


def delays(found: Record, known: float, level: float) -> Variables:
    """Return the variables ``mean_delay`` and ``percentile`` of all jobs, of a known mean delay."""
    late = [found.whole.percentile(p, level) for p in PERCENTILES]
    return {
        "mean_delay": ((), beside(mean_of(found.whole, level), float(known)), "mean delay"),
        "percentile": (("p",), beside(late), "percentile of the delay"),
    }


def dataset(
    found: Record,
    variables: Variables,
    labels: Mapping[str, Sequence[Any]],
    run: tuple[int, int, float],
    time_unit: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Return the answer of a run; see `sojourn.models.simulation.answer.answer`."""
    jobs, seed, level = run
    coordinates = {"p": PERCENTILES, **labels}
    every = (*found.notes, *notes)
    return answer(
        variables,
        coordinates,
        jobs=jobs,
        seed=seed,
        level=level,
        time_unit=time_unit,
        notes=every,
    )


def check_run(jobs: int, seed: int, level: float) -> tuple[int, int, float]:
    """Return the number of jobs, the seed and the level of a simulation; InputError on others."""
    count = as_integer("jobs", jobs, "number of jobs", FEWEST, MOST)
    return count, as_seed(seed), as_fraction("level", level, "all intervals", ends=False)
