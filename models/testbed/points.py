"""Measured points: the mean delay with its interval, and whether the machine was too busy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ...reference.errors import Array
from ...reference.plural import counted
from .apparatus import MEASURED, ROUTER, Sample

LEVEL = 0.9  # of the intervals, as in Figure 2 of Mancuso et al.
BATCHES, LEAST_BATCH = 10, 5  # largest number of batches, and least number of jobs of one
MEMORIES = 100.0  # length of a measurement, in times that a queue remembers, which is enough
BUSY = 0.03  # relative change of the mean delay by late clocks from which a point is invalid

Predict = Callable[[Array, Array], float]
"""Mean delay that a model has with other rates and round-trip times of the stations."""


@dataclass(frozen=True)
class Point:
    """Mean delay of the measured jobs under one split, beside the model's.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    split : str
        Name of the split.
    weights : tuple of float
        Weight of each route.
    model : float
        Mean delay of the model, in the unit of time of the system.
    jobs : int
        Number of measured jobs.
    mean, low, high : float
        Their mean delay, and the ends of its interval; NaN where there are too few jobs.
    disturbance : float
        Relative change of the model's mean delay by the clocks that were late; infinite where a
        server would be overloaded.
    memories : float
        Length of the measurement, relative to the time after which the slowest queue has forgotten
        its length; with fewer than `MEMORIES` the interval covers less often than its level.
    invalid : str
        Why the point is no measurement of the model; empty where it is one.
    route_jobs, route_mean : tuple
        Number of measured jobs and mean delay of each route.
    """

    load: float
    split: str
    weights: tuple[float, ...]
    model: float
    jobs: int
    mean: float
    low: float
    high: float
    disturbance: float
    memories: float
    invalid: str
    route_jobs: tuple[int, ...] = field(default=())
    route_mean: tuple[float, ...] = field(default=())

    @property
    def valid(self) -> bool:
        """Whether the point is a measurement of the model."""
        return not self.invalid

    @property
    def inside(self) -> bool:
        """Whether the model's mean delay is in the interval of a valid point."""
        return self.valid and self.low <= self.model <= self.high

    def in_unit(self, factor: float) -> Point:
        """Return the point with its times multiplied by a factor."""
        times = {name: factor * getattr(self, name) for name in ("model", "mean", "low", "high")}
        return replace(self, **times, route_mean=tuple(factor * t for t in self.route_mean))

    def to_dict(self) -> dict[str, Any]:
        """Return the point for JSON."""
        return {**vars(self), "valid": self.valid, "inside": self.inside}


def interval(latency: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the confidence interval of the mean of latencies, by batch means.

    Parameters
    ----------
    latency : ndarray, shape (N,)
        Latencies in the order of arrival.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Its ends, by Student's distribution of the means of consecutive batches of equal size; NaN
        with fewer than two batches of `LEAST_BATCH` jobs.

    Notes
    -----
    Close to saturation a queue remembers longer than a batch. Where the correlation r of
    neighbouring batches is above 0, their number counts as (1 - r) / (1 + r) of it, as in a
    sequence whose correlations are the powers of r.
    """
    batches = min(BATCHES, latency.size // LEAST_BATCH)
    if batches < 2:
        return math.nan, math.nan
    parts = np.array_split(latency, batches)
    mean = float(latency.mean())
    off = np.array([part.size * (part.mean() - mean) for part in parts]) * batches / latency.size
    squares = float(off @ off)
    r = max(float(off[1:] @ off[:-1]) / squares, 0.0) if squares else 0.0
    independent = (1.0 - r) / (1.0 + r)
    error = math.sqrt(squares / (batches - 1) / batches / independent)
    freedom = max((batches - 1) * independent, 1.0)
    half = float(stdtrit(freedom, (1.0 + level) / 2.0)) * error
    return mean - half, mean + half


def disturbance(
    reports: Mapping[str, Mapping[str, float]],
    idle: Mapping[str, Mapping[str, float]],
    servers: list[str],
    scale: float,
    rate: Array,
    round_trip: Array,
    predict: Predict,
) -> float:
    """Return the relative change of a model's mean delay by clocks that were late.

    The delays of the routing element that ended late, and the stalls of all elements, are added to
    the round-trip times; services that took longer than drawn lower the rates. Both are in excess
    of those while the system was idle, since the measured round-trip times and rates have these.

    Parameters
    ----------
    reports, idle : mapping
        Statistics of each element at the point and of the idle system; times in s of the clock.
    servers : list of str
        Names of the servers.
    scale : float
        s of the clock for one unit of time.
    rate, round_trip : ndarray, shape (n,)
        What the idle system has shown of each server.
    predict : callable
        The model.
    """

    def excess(name: str, what: str) -> float:
        return (reports[name][what] - idle[name][what]) / scale

    def stretch(report: Mapping[str, float]) -> float:
        return report["taken"] / report["drawn"] if report["drawn"] else 1.0

    stalled = sum(excess(name, "stall") for name in MEASURED) / len(MEASURED)
    everywhere = 2.0 * excess(ROUTER, "late") + excess(ROUTER, "stall") + stalled
    late = np.array([everywhere + excess(name, "stall") for name in servers])
    factors = np.array(
        [
            stretch(reports[name]) / stretch(idle[name]) if reports[name]["jobs"] else 1.0
            for name in servers
        ]
    )
    return (
        predict(rate / factors, np.maximum(round_trip + late, 0.0)) / predict(rate, round_trip)
        - 1.0
    )


def judged(
    sample: Sample,
    load: float,
    split: str,
    weights: Array,
    model: float,
    change: float,
    memories: float,
) -> Point:
    """Return the point of a sample; see `Point` for the rest."""
    latency, route = sample.latency, sample.route
    low, high = interval(latency)
    invalid = sample.stopped
    if not invalid and sample.unanswered:
        invalid = f"{counted(sample.unanswered, 'update')} had no answer in time"
    if not invalid and not abs(change) <= BUSY:
        how = f"{change:+.1%}" if math.isfinite(change) else "without bound"
        invalid = f"the machine was too busy: late clocks change the mean delay by {how}"
    if not invalid and math.isnan(low):
        invalid = f"{counted(latency.size, 'measured job')} give no interval; measure longer"
    each = [latency[route == i] for i in range(weights.size)]
    return Point(
        load=load,
        split=split,
        weights=tuple(weights.tolist()),
        model=model,
        jobs=latency.size,
        mean=float(latency.mean()) if latency.size else math.nan,
        low=low,
        high=high,
        disturbance=change,
        memories=memories,
        invalid=invalid,
        route_jobs=tuple(part.size for part in each),
        route_mean=tuple(float(part.mean()) if part.size else math.nan for part in each),
    )
