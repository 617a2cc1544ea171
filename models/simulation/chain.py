"""Stations that jobs pass one after the other: what leaves the first comes to the next.

Jobs do not leave all stations in the order in which they came, so that a stage keeps those that
leave after the end of a chunk. Each job carries a stamp, the time at which it came to the first
stage. Times count from the start of a chunk.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod

import numpy as np

from ...reference.errors import Array
from .single import Lindley
from .station import SHARING, Station

Jobs = tuple[Array, Array]
"""Times, in increasing order, and stamps of jobs."""


class Stage(ABC):
    """One station of a chain."""

    @abstractmethod
    def feed(self, came: Array, stamp: Array, work: Array, end: float) -> Jobs:
        """Return the jobs that leave until the end of a chunk, in the order in which they leave.

        Parameters
        ----------
        came, stamp, work : ndarray, shape (n,)
            Times at which jobs come, in increasing order, their stamps and times of service.
        end : float
            Length of the chunk.
        """


class InOrder(Stage):
    """Servers behind one queue, first come, first served.

    Parameters
    ----------
    servers : int
        Number of servers.
    """

    def __init__(self, servers: int) -> None:
        self.queue = Lindley() if servers == 1 else None
        self.free, self.last = [0.0] * servers, 0.0
        self.held: Jobs = np.zeros(0), np.zeros(0)

    def feed(self, came: Array, stamp: Array, work: Array, end: float) -> Jobs:
        """Return the jobs that leave; see `Stage.feed`."""
        left = came
        if came.size and self.queue is not None:
            gap = np.diff(came, prepend=self.last)
            left = came + self.queue.waits(gap, work) + work
            self.last = float(came[-1])
        elif came.size:
            left = self._served(came, work)
        self.last -= end
        left = np.concatenate([self.held[0], left])
        stamp = np.concatenate([self.held[1], stamp])
        order = np.argsort(left, kind="stable")
        left, stamp = left[order], stamp[order]
        done = int(np.searchsorted(left, end, side="right"))
        self.held = left[done:] - end, stamp[done:] - end
        if self.queue is None:
            self.free = [free - end for free in self.free]
        return left[:done], stamp[:done]

    def _served(self, came: Array, work: Array) -> Array:
        """Return when jobs leave: each goes to the server that is free first."""
        free, left = self.free, []
        for time, served in zip(came.tolist(), work.tolist(), strict=True):
            done = max(free[0], time) + served
            heapq.heapreplace(free, done)
            left.append(done)
        return np.array(left)


class Shared(Stage):
    """One server that works on all its jobs at once, at equal parts of its rate.

    While n jobs are present, the service that each has got grows by 1/n in a unit of time. A job
    leaves when it has grown by the job's work since it came, so that the next to leave is the first
    of a heap.
    """

    def __init__(self) -> None:
        self.heap: list[tuple[float, float]] = []

    def feed(self, came: Array, stamp: Array, work: Array, end: float) -> Jobs:
        """Return the jobs that leave; see `Stage.feed`."""
        heap, now, given = self.heap, 0.0, 0.0
        left, stamps = [], []
        times, marks, works = [*came.tolist(), end], stamp.tolist(), [*work.tolist(), 0.0]
        for k, until in enumerate(times):
            while heap:
                leaves = now + (heap[0][0] - given) * len(heap)
                if leaves > until:
                    given += (until - now) / len(heap)
                    break
                given, first = heapq.heappop(heap)
                now = leaves
                left.append(leaves)
                stamps.append(first)
            now = until
            if k < len(marks):
                heapq.heappush(heap, (given + works[k], marks[k]))
        self.heap = [(mark - given, first - end) for mark, first in heap]  # order is kept
        return np.array(left), np.array(stamps)


class Chain:
    """Sojourn times in a chain of stations, chunk by chunk.

    Parameters
    ----------
    station : Station
        The first; `Station.then` are the next.
    """

    def __init__(self, station: Station) -> None:
        self.stages: list[tuple[Station, Stage]] = []
        at: Station | None = station
        while at is not None:
            stage = Shared() if at.discipline == SHARING else InOrder(at.servers)
            self.stages.append((at, stage))
            at = at.then

    def chunk(
        self, rng: np.random.Generator, gap: Array, work: Array, busiest: int
    ) -> tuple[Array, float]:
        """Return the times of jobs that leave the last stage, in the order in which they do.

        Parameters
        ----------
        rng : numpy.random.Generator
            For the works at further stages.
        gap, work : ndarray, shape (n,)
            Jobs that come to the first stage; see `Lindley.waits`.
        busiest : int
            Stage of which the work that comes is returned, over its number of servers.
        """
        left = stamp = np.cumsum(gap)
        end, busy = float(left[-1]), 0.0
        for k, (station, stage) in enumerate(self.stages):
            if k:
                work = station.service.draw(rng, left.size)
                work /= station.rate
            if k == busiest:
                busy = float(work.sum()) / station.servers
            left, stamp = stage.feed(left, stamp, work, end)
        return left - stamp, busy
