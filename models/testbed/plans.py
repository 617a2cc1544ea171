"""What a kind of system gives the apparatus: stations, routes, and the splits of its model."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.errors import Array, InputError
from ..frontend.scenario import Scenario
from ..latency import MD1, MG1, MM1, Latency
from ..systems.parallel import ParallelServers
from ..systems.service_modes import MultiMode
from .apparatus import Idle, Station
from .points import Predict
from .service import Service

MOST = 12  # servers: each is a process


@dataclass(frozen=True, eq=False)
class Split:
    """A split to execute at a load.

    Attributes
    ----------
    weights : ndarray, shape (R,)
        Part of the load on each route.
    rate, round_trip : ndarray, shape (n,)
        Measured rate of each station under this split, and its round-trip time.
    predict : callable
        Mean delay of the model, with these or other rates and round-trip times.
    flow, cv : ndarray, shape (n,)
        Jobs per unit of time of each station, and cv of its service times.
    services : sequence of Service, optional
        Service times of the stations where they depend on the split.
    """

    weights: Array
    rate: Array
    round_trip: Array
    predict: Predict
    flow: Array
    cv: Array
    services: Sequence[Service] | None = None

    @property
    def model(self) -> float:
        """Mean delay of the model."""
        return self.predict(self.rate, self.round_trip)

    @property
    def memory(self) -> float:
        """Longest time after which the queue of a station has forgotten its length.

        The relaxation time of a reflected Brownian motion, 2 rho (1 + cv^2) / (rate (1 - rho)^2):
        in heavy traffic that of the M/M/1 queue, 1 / (rate (1 - sqrt(rho))^2), for cv = 1.
        """
        used = self.flow > 0
        rho, rate = self.flow[used] / self.rate[used], self.rate[used]
        times = 2.0 * rho * (1.0 + self.cv[used] ** 2) / (rate * (1.0 - rho) ** 2)
        return float(times.max(initial=0.0))


class Plan(ABC):
    """Stations and routes of a system, and after `fit` the model of the measured one.

    Attributes
    ----------
    splits : tuple of str
        Names of the splits, in the order of their execution.
    stations : list of Station
    routes : list of list of int
    route_names : list of str
    capacity : float
        Measured capacity, of which the measured clients send a part.
    system : System
        The model of the measured system.
    """

    splits: tuple[str, ...]
    stations: list[Station]
    routes: list[list[int]]
    route_names: list[str]
    system: Any

    @property
    def capacity(self) -> float:
        """Largest load of the measured system."""
        return float(self.system.max_load)

    @abstractmethod
    def fit(self, idle: Idle) -> None:
        """Make the model from what the idle system has shown."""

    @abstractmethod
    def split(self, name: str, load: float) -> Split | None:
        """Return a split at a load; None where it overloads a server."""

    def thresholds(self) -> Mapping[str, Array]:
        """Return by split the loads from which the servers are used."""
        return {}


class ParallelPlan(Plan):
    """Parallel servers: optimum, equilibrium, and a split in proportion to the rates."""

    splits = ("optimum", "equilibrium", "proportional")

    def __init__(self, scenario: Scenario[Any], service: str | Sequence[float] | None) -> None:
        system: ParallelServers = scenario.system
        check_number(scenario.name, len(system))
        self.names, self.time_unit = list(system.names), system.time_unit
        self.stations, place = [], 0
        for bank in system.bank.banks:
            for i in range(len(bank)):
                name = self.names[place]
                cv = cv_of(bank, i, f"servers[{place}]")
                own = service_of(service, 1.0 / float(bank.rate[i]), cv)
                self.stations.append(Station(name, float(bank.delay[i]), own))
                place += 1
        self.routes = [[i] for i in range(place)]
        self.route_names = self.names

    def fit(self, idle: Idle) -> None:
        """Make the model from what the idle system has shown."""
        self.cv = np.array([cv_drawn(station.service) for station in self.stations])
        bank = MG1(1.0 / idle.service_time, self.cv, idle.round_trip)
        self.system = ParallelServers(bank, names=self.names, time_unit=self.time_unit)

    def split(self, name: str, load: float) -> Split | None:
        """Return a split at a load; None where it overloads a server."""
        bank = self.system.bank
        rate, round_trip = bank.rate, bank.delay
        if load >= self.capacity:
            return None
        if name == "proportional":
            share = rate / rate.sum()
        else:
            share = getattr(self.system, name)(load).share

        def predict(rate: Array, round_trip: Array) -> float:
            latency = MG1(rate, self.cv, round_trip).latency(load * share)
            return float(np.dot(share, np.where(share > 0, latency, 0.0)))

        return Split(share, rate, round_trip, predict, load * share, self.cv)

    def thresholds(self) -> Mapping[str, Array]:
        """Return by split the loads from which the servers are used."""
        found = self.system.thresholds()
        return {"optimum": found.optimum, "equilibrium": found.equilibrium}


class ModesPlan(Plan):
    """Stages in series, each divided among the modes: Theorem 3 of Jeff and Modiano.

    Every part of a stage is a server of its own, of exponential service times. The servers are
    measured whole; the partition of a split then stretches their service times.
    """

    splits = ("assignment", "even")

    def __init__(self, scenario: Scenario[Any], service: str | Sequence[float] | None) -> None:
        if service is not None:
            remedy = "leave it out: Theorem 3 has exponential service times"
            raise InputError("--service", service, "is not that of service modes", remedy)
        system: MultiMode = scenario.system
        rates = system.rates
        if np.any(rates.delay):
            problem, remedy = "has modes with fixed delays", "give a system without them"
            raise InputError("scenario", scenario.name, problem, remedy)
        used = [(s, m) for m in range(rates.modes) for s in range(rates.stages)]
        self.parts = [(s, m) for s, m in used if math.isfinite(rates.rate[s, m])]
        check_number(scenario.name, len(self.parts))
        self.shape, self.nominal = rates.rate.shape, rates.rate
        self.stages, self.route_names = system.stages, list(system.modes)
        self.time_unit = system.time_unit
        self.stations = [
            Station(f"{system.stages[s]}, {system.modes[m]}", 0.0, Service(1 / rates.rate[s, m], 1))
            for s, m in self.parts
        ]
        self.routes = [
            [i for i, part in enumerate(self.parts) if part[1] == m] for m in range(rates.modes)
        ]

    def fit(self, idle: Idle) -> None:
        """Make the model from what the idle system has shown."""
        self.whole = np.full(self.shape, math.inf)
        for part, time in zip(self.parts, idle.service_time, strict=True):
            self.whole[part] = 1.0 / time
        self.round_trip = idle.round_trip
        self.system = MultiMode(self.whole, self.stages, self.route_names, self.time_unit)

    def split(self, name: str, load: float) -> Split | None:
        """Return a split at a load; None where it overloads a server."""
        try:
            if name == "assignment":
                found = self.system.assignment(load)
            else:
                found = self.system.partition(load, np.full(self.shape[1], 1.0 / self.shape[1]))
        except InputError:  # no partition carries this assignment
            return None
        weights = found.assignment
        share = np.array([found.share[part] for part in self.parts])
        open_ = np.array([weights[m] > 0 for _, m in self.parts])
        whole = np.array([self.whole[part] for part in self.parts])
        share = np.where(open_, share, 1.0)  # nothing is sent to the other servers
        flow = np.array([load * weights[m] for _, m in self.parts])
        services = [
            Service(1.0 / (part * self.nominal[where]), 1.0)
            for part, where in zip(share, self.parts, strict=True)
        ]

        def predict(rate: Array, round_trip: Array) -> float:
            spare = rate - flow
            if np.any(open_ & (spare <= 0)):
                return math.inf
            time = round_trip + 1.0 / np.where(open_, spare, 1.0)
            return float(sum(weights[m] * t for (_, m), t in zip(self.parts, time, strict=True)))

        rate, cv = share * whole, np.ones(flow.size)
        return Split(weights, rate, self.round_trip, predict, flow, cv, services)


PLANS: dict[str, Callable[[Scenario[Any], str | Sequence[float] | None], Plan]] = {
    "servers": ParallelPlan,
    "dual_mode": ModesPlan,
    "stages": ModesPlan,
}
"""Plan of each kind of system, by the table of its scenario files."""


def plan_of(scenario: Scenario[Any], service: str | Sequence[float] | None) -> Plan:
    """Return the plan of a scenario; InputError where the apparatus cannot be it."""
    made = PLANS.get(scenario.kind.name)
    if made is None:
        problem = f"is a {type(scenario.system).__name__}, which the testbed cannot be"
        raise InputError("scenario", scenario.name, problem, "give scenario-0 or dual-a")
    return made(scenario, service)


def check_number(name: str, count: int) -> None:
    """Raise InputError on more servers than the apparatus has processes for."""
    if count > MOST:
        problem = f"has {count} servers, each of which is a process"
        raise InputError("scenario", name, problem, f"give one of at most {MOST}")


def cv_of(bank: Latency, i: int, place: str) -> float:
    """Return the cv of a server of a bank; InputError where the apparatus has none like it."""
    if isinstance(bank, MM1 | MD1 | MG1):
        extra = np.any(bank.base) or np.any(bank.batch != 1.0) or np.any(bank.batch_cv)
        if not extra:
            return float(bank.cv[i])
        problem = "has a base load or batches, which no client sends"
    else:
        problem = "is no family of one queue with one working thread"
    raise InputError(place, type(bank).__name__, problem, "use M/M/1, M/D/1 or M/G/1 alone")


def service_of(given: str | Sequence[float] | None, mean: float, cv: float) -> Service:
    """Return service times of a mean: of a cv by default, of a word, or of samples of mean 1."""
    if given is None:
        return Service(mean, cv)
    if isinstance(given, str):
        return Service(mean, float(given == "exponential"))
    return Service(mean, 0.0, tuple(given))


def cv_drawn(service: Service) -> float:
    """Return the cv of the service times that a server draws."""
    return float(np.std(service.samples)) if service.samples else service.cv
