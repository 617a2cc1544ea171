"""Stations that no recursion of sums covers: a loop over jobs, each step in many replications.

R independent replications run side by side in arrays, so that a step of the loop costs little more
than for one. Measured for M/M/8: 120 ns a job with 1024 replications, 50 ns in a loop compiled by
numba, 1100 ns in a loop of Python: so no compiler is needed. Each replication starts empty, and its
jobs are recorded when the start has been forgotten.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ...reference.errors import Array
from .service import gamma
from .station import Station


class Replicated(ABC):
    """R independent replications of a station.

    Parameters
    ----------
    station : Station
    flow : float
        Jobs per unit of time.
    count : int
        Number R of replications.
    """

    def __init__(self, station: Station, flow: float, count: int) -> None:
        self.station, self.flow, self.count = station, flow, count
        self.rows = np.arange(count)
        self.start()

    @abstractmethod
    def start(self) -> None:
        """Set the state of empty stations."""

    @abstractmethod
    def serve(self, rng: np.random.Generator, gap: Array, work: Array) -> Array:
        """Return the sojourn times of further jobs; all arrays are of shape (steps, R)."""

    def chunk(self, rng: np.random.Generator, steps: int) -> tuple[Array, Array, Array]:
        """Simulate further jobs of each replication.

        Parameters
        ----------
        rng : numpy.random.Generator
        steps : int
            Number of jobs in each replication.

        Returns
        -------
        tuple of ndarray
            Sojourn times, shape (steps, R); work that came, over the number of servers, and time
            that passed, both of shape (R,).
        """
        gap = rng.standard_exponential((steps, self.count))
        gap /= self.flow
        work = self.station.service.draw(rng, gap.size).reshape(gap.shape) / self.station.rate
        busy, elapsed = work.sum(axis=0) / self.station.servers, gap.sum(axis=0)
        return self.serve(rng, gap, work), busy, elapsed


class ManyServers(Replicated):
    """Stations of c servers behind one queue; a job goes to the server that is free first.

    J. Kiefer and J. Wolfowitz, *On the theory of queues with many servers* (1955).
    """

    def start(self) -> None:
        """Set the state of empty stations; see `Replicated.start`."""
        self.free = np.zeros((self.count, self.station.servers))

    def serve(self, rng: np.random.Generator, gap: Array, work: Array) -> Array:
        """Return sojourn times; see `Replicated.serve`."""
        free, flat, first = self.free, self.free.reshape(-1), self.rows * self.station.servers
        now, out = np.zeros(self.count), np.empty_like(gap)
        for between, served, left in zip(gap, work, out, strict=True):
            now += between
            place = free.argmin(axis=1)
            place += first
            done = np.maximum(flat[place], now)
            done += served
            flat[place] = done
            np.subtract(done, now, out=left)
        free -= now[:, None]
        return out


class Pausing(Replicated):
    """Single servers that, when they are empty, take vacations or need a set-up before a job."""

    def start(self) -> None:
        """Set the state of empty stations; see `Replicated.start`."""
        self.free = np.zeros(self.count)

    def serve(self, rng: np.random.Generator, gap: Array, work: Array) -> Array:
        """Return sojourn times; see `Replicated.serve`."""
        station, setup = self.station, np.zeros(0)
        if station.setup > 0.0:
            law = gamma(station.setup_cv)
            setup = station.setup * law.draw(rng, gap.size).reshape(gap.shape)
        now, out = np.zeros(self.count), np.empty_like(gap)
        for k in range(len(gap)):
            now += gap[k]
            if station.vacation > 0.0:
                self._rest(rng, now)
            found = self.free < now
            if setup.size:
                self.free = np.where(found, now + setup[k], self.free)
            else:
                np.maximum(self.free, now, out=self.free)
            self.free += work[k]
            np.subtract(self.free, now, out=out[k])
        self.free -= now
        return out

    def _rest(self, rng: np.random.Generator, now: Array) -> None:
        """Let empty servers take vacations until the job that comes now."""
        station = self.station
        law = gamma(station.vacation_cv)
        idle = np.flatnonzero(self.free < now)
        while idle.size:
            self.free[idle] += station.vacation * law.draw(rng, idle.size)
            idle = idle[self.free[idle] < now[idle]]
