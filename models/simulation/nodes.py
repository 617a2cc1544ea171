"""Stations that jobs pass once, simulated for a whole chunk of jobs at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import heappop, heappush, heapreplace

import numpy as np

from ...reference.errors import Array
from .jobs import Index, Jobs, Node, Visits, Ways
from .single import Lindley


class Part(ABC):
    """One or more stations, and the jobs that are there or come to them.

    A subclass gives `_serve`, and `since` where it keeps times.
    """

    def __init__(
        self,
        places: Index,
        nodes: tuple[Node, ...],
        ways: Ways,
        rngs: list[np.random.Generator],
    ) -> None:
        """Start without jobs.

        Parameters
        ----------
        places : ndarray of int
            Positions of the stations in the network.
        nodes : tuple of Node
            All stations of the network.
        ways : Ways
        rngs : list of Generator
            One for each station of the network.
        """
        self.places, self.nodes, self.ways, self.rngs = places, nodes, ways, rngs
        self.inbox: list[Jobs] = []

    @property
    def occupied(self) -> bool:
        """Whether jobs are there, or on their way there."""
        return any(jobs.time.size for jobs in self.inbox)

    def advance(self, until: float) -> tuple[Jobs, dict[int, Visits]]:
        """Serve the jobs that arrive up to a time.

        Returns
        -------
        jobs : Jobs
            Those that leave, some later than `until`.
        visits : dict of int to Visits
            Completed visits by the position of the station.
        """
        jobs = Jobs.joined(self.inbox)
        jobs = jobs.by(jobs.time)
        due = int(np.searchsorted(jobs.time, until, side="right"))
        self.inbox = [jobs.take(slice(due, None))]
        return self._serve(jobs.take(slice(due)), until)

    @abstractmethod
    def _serve(self, jobs: Jobs, until: float) -> tuple[Jobs, dict[int, Visits]]:
        """Serve jobs in order of arrival; see `advance`."""

    def since(self, origin: float) -> None:
        """Count all times from `origin` on."""
        self.inbox = [jobs.since(origin) for jobs in self.inbox]

    def _works(self, station: int, kind: Index, step: Index) -> Array:
        """Return random works of visits to one station."""
        drawn = self.nodes[station].service.draw(self.rngs[station], kind.size)
        return np.asarray(drawn * self.ways.work[kind, step])


class Single(Part):
    """Base class of parts of one station."""

    @property
    def servers(self) -> int:
        """Number of servers of the station."""
        return self.nodes[int(self.places[0])].servers

    def _serve(self, jobs: Jobs, until: float) -> tuple[Jobs, dict[int, Visits]]:
        place = int(self.places[0])
        work = self._works(place, jobs.kind, jobs.step)
        arrived, left, end = self._ends(jobs, work, until)
        return left.moved(end), {place: Visits(end - arrived, float(work.sum()))}

    @abstractmethod
    def _ends(self, jobs: Jobs, work: Array, until: float) -> tuple[Array, Jobs, Array]:
        """Return arrivals, jobs and departures of those whose departure is now known."""


class Delay(Single):
    """A time that does not depend on other jobs."""

    def _ends(self, jobs: Jobs, work: Array, until: float) -> tuple[Array, Jobs, Array]:
        return jobs.time, jobs, jobs.time + work


class Queue(Single):
    """Servers behind one queue, first come, first served: each job gets the one that is free first.

    One server goes by Lindley's recursion, several by a heap of the times at which they are free.
    """

    def __init__(self, *network: object) -> None:
        super().__init__(*network)  # type: ignore[arg-type]
        self.lindley, self.last = Lindley(), 0.0
        self.free = [0.0] * self.servers

    def _ends(self, jobs: Jobs, work: Array, until: float) -> tuple[Array, Jobs, Array]:
        came = jobs.time
        if self.servers > 1:
            return came, jobs, self._in_turn(came, work)
        if not came.size:
            return came, jobs, came
        gap, self.last = np.diff(came, prepend=self.last), float(came[-1])
        return came, jobs, came + self.lindley.waits(gap, work) + work

    def _in_turn(self, came: Array, work: Array) -> Array:
        """Return the departures of further jobs from several servers."""
        free, end = self.free, np.empty(came.size)
        for k, (at, served) in enumerate(zip(came.tolist(), work.tolist(), strict=True)):
            first = free[0]
            done = (first if first > at else at) + served
            heapreplace(free, done)
            end[k] = done
        return end

    def since(self, origin: float) -> None:
        """Count all times from `origin` on."""
        super().since(origin)
        self.last -= origin
        self.free = [time - origin for time in self.free]


class Sharing(Single):
    """Servers that serve all jobs present, each at the same part of their speed.

    The service that each job has got, *virtual time*, grows by c over the number of jobs with c
    servers, and by 1 where that is less; a job leaves when it has grown by its work.
    """

    def __init__(self, *network: object) -> None:
        super().__init__(*network)  # type: ignore[arg-type]
        self.present = Jobs.none()
        self.ends: list[tuple[float, int]] = []  # a heap: virtual time of the end, position
        self.now = self.virtual = 0.0

    @property
    def occupied(self) -> bool:
        """Whether jobs are there, or on their way there."""
        return bool(self.ends) or super().occupied

    def _ends(self, jobs: Jobs, work: Array, until: float) -> tuple[Array, Jobs, Array]:
        first = self.present.time.size
        known = Jobs.joined([self.present, jobs])
        end = np.full(known.time.size, np.inf)
        self._share(jobs.time.tolist(), work.tolist(), first, until, end)
        left = np.isfinite(end)
        stay = np.flatnonzero(~left)
        self.present = known.take(stay)
        place = dict(zip(stay.tolist(), range(stay.size), strict=True))
        # later positions stay later, so that the heap stays one
        self.ends = [(virtual - self.virtual, place[job]) for virtual, job in self.ends]
        self.virtual = 0.0
        order = np.flatnonzero(left)[np.argsort(end[left], kind="stable")]
        return known.time[order], known.take(order), end[order]

    def _share(
        self, arrivals: list[float], works: list[float], job: int, until: float, end: Array
    ) -> None:
        """Serve jobs, numbered from `job` on, and write the times of departure into `end`."""
        ends, now, virtual, size = self.ends, self.now, self.virtual, len(self.ends)
        servers = self.servers
        for at, work in zip([*arrivals, until], [*works, -1.0], strict=True):
            while size:
                slow = size / servers if size > servers else 1.0
                leaves = now + (ends[0][0] - virtual) * slow
                if leaves > at:
                    virtual += (at - now) / slow
                    break
                now = leaves
                virtual, left = heappop(ends)
                end[left] = now
                size -= 1
            else:  # a new busy period, so that rounding does not add up
                virtual = 0.0
            now = at
            if work >= 0.0:
                heappush(ends, (virtual + work, job))
                job += 1
                size += 1
        self.now, self.virtual = now, virtual

    def since(self, origin: float) -> None:
        """Count all times from `origin` on."""
        super().since(origin)
        self.now -= origin
        self.present = self.present.since(origin)
