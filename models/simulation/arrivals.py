"""Streams of arrivals: single jobs, batches, and base jobs among them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array
from .station import Station

Mask = npt.NDArray[np.bool_]


class Arrivals(NamedTuple):
    """Consecutive jobs.

    Attributes
    ----------
    gap : ndarray, shape (n,)
        Time since the job before, 0 within a batch.
    work : ndarray, shape (n,)
        Time of service.
    own : ndarray of bool, shape (n,), or None
        Whether a job is one of those that are split, no base job; None where all are.
    """

    gap: Array
    work: Array
    own: Mask | None


class Sizes:
    """Sizes of batches of a mean and a coefficient of variation.

    They are the whole numbers next to the mean, or else, for the rest of the variance, 1 or one
    large number with the same mean.

    Parameters
    ----------
    mean, cv : float
        Of the sizes; the variance is at least that of the two whole numbers next to the mean.
    """

    def __init__(self, mean: float, cv: float) -> None:
        low = math.floor(mean)
        beyond = mean - low
        least, square = beyond * (1.0 - beyond), (cv * mean) ** 2
        values, parts = [low, low + 1], [1.0 - beyond, beyond]
        if square > least * (1.0 + 1e-9) and mean > 1.0:
            large = max(math.ceil(mean + square / (mean - 1.0)), low + 2)
            widest = (mean - 1.0) * (large - mean)
            rest = (square - least) / (widest - least)
            often = (large - mean) / (large - 1.0)
            values += [1, large]
            parts = [(1.0 - rest) * p for p in parts] + [rest * often, rest * (1.0 - often)]
        self.values = np.array(values)
        self.limits = np.cumsum(parts)[:-1]

    def draw(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
        """Return n sizes."""
        return self.values[np.searchsorted(self.limits, rng.random(n), side="right")]


class Stream:
    """Poisson stream of the jobs of a station.

    Parameters
    ----------
    station : Station
    flow : float
        Jobs per unit of time, base jobs apart, above 0.
    """

    def __init__(self, station: Station, flow: float) -> None:
        self.mean, self.service = 1.0 / station.rate, station.service
        batches = flow / station.batch
        self.gap = 1.0 / (batches + station.base)
        self.share = batches * self.gap if station.base else 1.0
        self.sizes = Sizes(station.batch, station.batch_cv) if station.batch > 1.0 else None
        self.jobs = 1.0 - self.share + self.share * station.batch
        self.own = self.share * station.batch / self.jobs

    def draw(self, rng: np.random.Generator, n: int) -> Arrivals:
        """Return about n consecutive jobs; exactly n where none come in batches."""
        events = n if self.sizes is None else max(1, round(n / self.jobs))
        gap = rng.standard_exponential(events)
        gap *= self.gap
        own = rng.random(events) < self.share if self.share < 1.0 else None
        if self.sizes is not None:
            size = self.sizes.draw(rng, events)
            if own is not None:
                size = np.where(own, size, 1)
                own = np.repeat(own, size)
            first = np.cumsum(size) - size
            spread = np.zeros(int(size.sum()))
            spread[first] = gap
            gap = spread
        work = self.service.draw(rng, gap.size)
        work *= self.mean
        return Arrivals(gap, work, own)
