"""Stations between which jobs go round in circles, simulated together event by event."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

import numpy as np

from .jobs import Jobs, Node, Visits
from .nodes import Part

Event = tuple[float, int, int, int]
"""Time, station, job, and the state of a shared server for which the event holds."""


class _Server:
    """A station with its own clock: a queue, processor sharing, or a fixed delay."""

    def __init__(self, node: Node) -> None:
        self.discipline, self.servers = node.discipline, node.servers
        self.now, self.virtual, self.state = 0.0, 0.0, 0
        self.free = [0.0] * node.servers  # of a queue: a heap of the times at which it can begin
        self.ends: list[tuple[float, int]] = []  # of processor sharing: virtual time, job

    def arrive(self, at: float, job: int, work: float) -> tuple[float, int]:
        """Take a job; return the time of the next departure and the job."""
        if self.discipline == "delay":
            return at + work, job
        if self.discipline == "queue":
            end = max(self.free[0], at) + work
            heapreplace(self.free, end)
            return end, job
        self._pass(at)
        heappush(self.ends, (self.virtual + work, job))
        return self._next()

    def depart(self, at: float) -> tuple[float, int] | None:
        """Let the next job of a shared server go; return the next departure after that."""
        self.virtual, _ = heappop(self.ends)
        self.now = at
        if self.ends:
            return self._next()
        self.virtual, self.state = 0.0, self.state + 1
        return None

    def since(self, origin: float) -> None:
        """Count all times from `origin` on."""
        self.now -= origin
        self.free = [time - origin for time in self.free]

    @property
    def _slow(self) -> float:
        """Time in which each job present gets a unit of service."""
        return max(len(self.ends) / self.servers, 1.0)

    def _pass(self, at: float) -> None:
        """Let time pass, of which each job present gets the same part."""
        if self.ends:
            self.virtual += (at - self.now) / self._slow
        self.now = at

    def _next(self) -> tuple[float, int]:
        """Return the next departure, which makes all those that were announced void."""
        self.state += 1
        end, job = self.ends[0]
        return self.now + (end - self.virtual) * self._slow, job


class Circle(Part):
    """Stations that jobs may visit again; the next event of all of them is the first of a heap."""

    def __init__(self, *network: object) -> None:
        super().__init__(*network)  # type: ignore[arg-type]
        self.servers = {int(s): _Server(self.nodes[s]) for s in self.places}
        self.events: list[Event] = []
        self.present = Jobs.none()
        self.way: dict[int, list[tuple[int, float]]] = {}  # visits of each job, the next one last
        self.arrived: dict[int, float] = {}
        inside = np.isin(self.ways.station, self.places)
        self.steps = np.zeros(inside.shape, dtype=np.intp)  # visits before a job leaves the circle
        for j in range(inside.shape[1] - 2, -1, -1):
            self.steps[:, j] = np.where(inside[:, j], 1 + self.steps[:, j + 1], 0)

    @property
    def occupied(self) -> bool:
        """Whether jobs are there, or on their way there."""
        return bool(self.way) or super().occupied

    def _serve(self, jobs: Jobs, until: float) -> tuple[Jobs, dict[int, Visits]]:
        came = self._enter(jobs)
        self.present = Jobs.joined([self.present, jobs])
        delays: dict[int, list[float]] = {s: [] for s in self.servers}
        ended: dict[int, float] = {}
        for at, job in zip([*jobs.time.tolist(), until], [*jobs.number.tolist(), -1], strict=True):
            self._events(at, delays, ended)
            if job >= 0:
                self._visit(at, job)
        left, self.present = self._divided(ended)
        return left, {s: Visits(np.array(delays[s]), came[s]) for s in self.servers}

    def _enter(self, jobs: Jobs) -> dict[int, float]:
        """Draw the works of all visits of new jobs; return their sums by station."""
        steps = self.steps[jobs.kind, jobs.step]
        job = np.repeat(np.arange(steps.size), steps)
        start = np.cumsum(steps) - steps
        kind, step = jobs.kind[job], jobs.step[job] + np.arange(job.size) - start[job]
        station, work = self.ways.station[kind, step], np.empty(job.size)
        came = {}
        for s in self.servers:
            own = station == s
            work[own] = self._works(s, kind[own], step[own])
            came[s] = float(work[own].sum())
        visits = list(zip(station.tolist(), work.tolist(), strict=True))
        rows = (jobs.number.tolist(), start.tolist(), steps.tolist())
        for number, first, n in zip(*rows, strict=True):
            self.way[number] = visits[first : first + n][::-1]
        return came

    def _visit(self, at: float, job: int) -> None:
        """Let a job arrive at the next station on its way."""
        place, work = self.way[job][-1]
        self.arrived[job] = at
        server = self.servers[place]
        self._announce(server.arrive(at, job, work), place)

    def _announce(self, departure: tuple[float, int], place: int) -> None:
        time, job = departure
        heappush(self.events, (time, place, job, self.servers[place].state))

    def _events(
        self, until: float, delays: dict[int, list[float]], ended: dict[int, float]
    ) -> None:
        """Let all departures up to a time happen; add visits to `delays`, jobs to `ended`."""
        while self.events and self.events[0][0] <= until:
            time, place, job, state = heappop(self.events)
            server = self.servers[place]
            if server.discipline == "sharing":
                if state != server.state:
                    continue  # the server has other jobs since
                after = server.depart(time)
                if after is not None:
                    self._announce(after, place)
            delays[place].append(time - self.arrived.pop(job))
            self.way[job].pop()
            if self.way[job]:
                self._visit(time, job)
            else:
                del self.way[job]
                ended[job] = time

    def _divided(self, ended: dict[int, float]) -> tuple[Jobs, Jobs]:
        """Return the jobs that left, after all their visits, and those that are still there."""
        end = np.array([ended.get(job, np.inf) for job in self.present.number.tolist()])
        left = np.isfinite(end)
        gone = self.present.take(left)
        steps = self.steps[gone.kind, gone.step]
        return gone.moved(end[left], steps), self.present.take(~left)

    def since(self, origin: float) -> None:
        """Count all times from `origin` on."""
        super().since(origin)
        self.present = self.present.since(origin)
        self.arrived = {job: at - origin for job, at in self.arrived.items()}
        self.events = [(at - origin, place, job, state) for at, place, job, state in self.events]
        for server in self.servers.values():
            server.since(origin)
