"""The apparatus: servers, a routing element and three clients, measured idle and under load."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array
from .clock import Clock
from .quic import PING, PROBE, certificate
from .service import Service
from .supervise import ElementError, Elements

MEASURED = ("client 1", "client 2")
BACKGROUND, ROUTER = "background client", "routing element"
CLIENTS = (*MEASURED, BACKGROUND)
MEASURED_PART = 0.05  # part of the capacity that the measured clients send together
PINGS, PROBES = 40, 25  # updates that measure a round-trip time, and a rate
ROUNDS, PRECISE = 3, 0.005  # measurements of an idle station, and the relative error that is enough
SPACING = 0.01  # s between two pings
WARMUP = 0.25  # part of the measured time that passes before it
SLACK = 30.0  # s that an order may take beyond its work


@dataclass(frozen=True)
class Station:
    """A server of the apparatus: its name, its two-way delay in s, and its service times."""

    name: str
    delay: float
    service: Service


@dataclass(frozen=True, eq=False)
class Idle:
    """What the idle system shows of each station; times in s, shape (n,).

    Attributes
    ----------
    round_trip, round_trip_error : ndarray
        Mean round-trip time without service, and its standard error.
    service_time, service_error : ndarray
        Time between two answers to updates of mean service time that arrive together, and its
        standard error.
    typical : ndarray
        Median of that time, which a short disturbance does not change.
    """

    round_trip: Array
    round_trip_error: Array
    service_time: Array
    service_error: Array
    typical: Array


@dataclass
class Sample:
    """Jobs that were measured at a point, and how late the elements were; times in s.

    Attributes
    ----------
    jobs : list of tuple
        When each update was sent, its latency, and its route.
    reports : dict
        Statistics of each element, by name.
    unanswered : int
        Updates of the measured clients without answer.
    stopped : str
        Why the point is not complete; empty where it is.
    """

    jobs: list[tuple[float, float, int]] = field(default_factory=list)
    reports: dict[str, Mapping[str, float]] = field(default_factory=dict)
    unanswered: int = 0
    stopped: str = ""

    @property
    def latency(self) -> Array:
        """Latencies in the order of arrival, shape (N,)."""
        return np.array([job[1] for job in sorted(self.jobs)])

    @property
    def route(self) -> npt.NDArray[np.int64]:
        """Routes in the order of arrival, shape (N,)."""
        return np.array([job[2] for job in sorted(self.jobs)], dtype=np.int64)


class Apparatus:
    """The running apparatus, used in a ``with`` block, at whose end all processes have ended.

    All times are those of the stations, in s; the processes take `time_scale` times as long.

    Parameters
    ----------
    stations : sequence of Station
        The servers.
    routes : sequence of sequence of int
        Stations that an update passes in turn, for each route that updates may get.
    clock : Clock
        How waits end on this machine.
    time_scale : float
        Factor by which all times are stretched.
    seed : int
        Seed of arrivals, choices and service times.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        routes: Sequence[Sequence[int]],
        clock: Clock,
        time_scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.stations, self.routes = list(stations), [list(route) for route in routes]
        self.clock, self.scale, self.seed = clock, time_scale, seed
        self.elements = Elements()
        self.servers = [f"server {station.name}" for station in self.stations]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.elements.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.elements.end()

    def _start(self) -> None:
        """Start and connect all elements."""
        elements, seeds = self.elements, random.Random(self.seed)  # noqa: S311
        kinds = {
            **dict.fromkeys(self.servers, "server"),
            ROUTER: "router",
            **dict.fromkeys(CLIENTS, "client"),
        }
        elements.start(kinds)
        made = certificate()
        shown = {"certificate": made["certificate"]}
        ports = []
        for name in self.servers:
            start = {"made": made, "margin": self.clock.margin, "seed": seeds.getrandbits(32)}
            ports.append(elements.ask([name], "start", **start)[name])
        for name, station in zip(self.servers, self.stations, strict=True):
            self._serve(name, station.service)
        # besides the routes of the updates, one to each station alone, for its measurement
        routes = [*self.routes, *([i] for i in range(len(self.stations)))]
        delays = [self.scale * station.delay for station in self.stations]
        port = elements.ask(
            [ROUTER],
            "start",
            made=made,
            ports=ports,
            delays=delays,
            routes=routes,
            seed=seeds.getrandbits(32),
        )[ROUTER]
        for index, name in enumerate(CLIENTS):
            seed = seeds.getrandbits(32)
            elements.ask([name], "start", made=shown, port=port, index=index, seed=seed)

    def serve(self, services: Sequence[Service]) -> None:
        """Give the stations other service times."""
        for name, service in zip(self.servers, services, strict=True):
            self._serve(name, service)

    def _serve(self, name: str, service: Service) -> None:
        stretched = replace(service, mean=self.scale * service.mean)
        self.elements.ask([name], "serve", **vars(stretched))

    def idle(self, rounds: int = ROUNDS) -> Idle:
        """Measure round-trip times and service times while no other update is on its way.

        Parameters
        ----------
        rounds : int
            Largest number of measurements of a station: further ones follow where the standard
            error of its service time is above `PRECISE`, and the most precise one is kept.
        """
        self.elements.ask(self.elements.processes, "clear")
        rows = [self._idle_station(i, rounds) for i in range(len(self.stations))]
        self.lateness = self.elements.ask(self.elements.processes, "report")
        return Idle(*(np.array(column) / self.scale for column in zip(*rows, strict=True)))

    def _idle_station(self, i: int, rounds: int) -> tuple[float, ...]:
        """Return the numbers of `Idle` of one station, in s of the clock."""
        station, route, found = self.stations[i], len(self.routes) + i, []
        delay, work = self.scale * station.delay, self.scale * PROBES * station.service.mean
        for _ in range(rounds):
            pings = self._probe(route, PING, PINGS, SPACING, delay)
            probes = self._probe(route, PROBE, PROBES, 0.0, delay + work)
            times, gaps = pings[:, 1] - pings[:, 0], np.diff(np.sort(probes[:, 1]))
            error = gaps.std(ddof=1) / gaps.size**0.5
            trip = times.mean(), times.std(ddof=1) / times.size**0.5
            found.append((*trip, gaps.mean(), error, float(np.median(gaps))))
            if error <= PRECISE * gaps.mean():
                break
        return min(found, key=lambda row: row[3] / row[2])

    def _probe(self, route: int, kind: int, count: int, spacing: float, work: float) -> Array:
        """Return when each probe was sent and answered, shape (count, 2), in s of the clock."""
        name, timeout = MEASURED[0], work + SLACK
        order = {"route": route, "kind": kind, "count": count, "spacing": spacing}
        self.elements.order([name], "probe", timeout=timeout, **order)
        found = self.elements.wait([name], "probe", count * spacing + timeout + SLACK)[name]
        if len(found) < count:
            raise ElementError(ROUTER, f"passed on {len(found)} of {count} answers to a probe")
        return np.array(found)

    def point(
        self,
        weights: Sequence[float],
        load: float,
        measured_load: float,
        seconds: float,
        sample: Sample,
    ) -> None:
        """Send a load along the routes, by weights, and measure a part of it.

        Parameters
        ----------
        weights : sequence of float
            Weight of each route.
        load, measured_load : float
            Load of all clients and of the measured ones, in jobs per s.
        seconds : float
            Time of the measurement, in s of the clock.
        sample : Sample
            It gets the jobs as they are measured, and so has them also where an error ends the
            point.
        """
        elements, everyone = self.elements, list(self.elements.processes)
        measured_load = min(measured_load, load)
        rates = {name: measured_load / len(MEASURED) for name in MEASURED}
        rates[BACKGROUND] = load - measured_load
        elements.ask([ROUTER], "weights", weights=list(weights))
        elements.ask(everyone, "clear")
        warmup = WARMUP * seconds
        run = {"warmup": warmup, "seconds": seconds, "timeout": seconds}
        for name, rate in rates.items():
            order = {"rate": rate / self.scale, "record": name in MEASURED}
            elements.order([name], "run", **run, **order)

        def heed(_: str, message: Mapping[str, Any]) -> None:
            for sent, latency, route in message.get("jobs", ()):
                sample.jobs.append((sent / self.scale, latency / self.scale, route))

        ended = elements.wait(rates, "run", warmup + 2 * seconds + SLACK, heed)
        sample.unanswered = sum(ended[name]["unanswered"] for name in MEASURED)
        sample.reports = elements.ask(everyone, "report")
