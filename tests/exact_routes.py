"""Equilibria of small systems with routes to 35 digits, by an interior point method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from sojourn.models import BPR, Function
from sojourn.reference import MG1, MM1, MixedBank, ServerBank
from sojourn.reference.routes import Columns, ListedRoutes, RoutedSystem

DIGITS = 100
Latency = Callable[[Any], tuple[Any, Any, Any, Any]]
"""Latency of a load, its first two derivatives, and its integral, in mpmath."""


def mm1(rate: float, delay: float = 0.0) -> Latency:
    """Return the latency d + 1/(mu - x)."""

    def at(x: Any) -> tuple[Any, Any, Any, Any]:
        y = mp.mpf(rate) - x
        return delay + 1 / y, 1 / y**2, 2 / y**3, delay * x - mp.log(y / rate)

    return at


def mg1(rate: float, cv: float) -> Latency:
    """Return the latency 1/mu + k x/(mu (mu - x)), k = (1 + cv^2)/2."""

    def at(x: Any) -> tuple[Any, Any, Any, Any]:
        mu = mp.mpf(rate)
        k, y = (1 + mp.mpf(cv) ** 2) / 2, mu - x
        integral = x / mu - k * (x / mu + mp.log(y / mu))
        return 1 / mu + k * x / (mu * y), k / y**2, 2 * k / y**3, integral

    return at


def power(free: float, rise: float, exponent: float, capacity: float = 1.0) -> Latency:
    """Return the latency free (1 + rise (x/capacity)^exponent)."""

    def at(x: Any) -> tuple[Any, Any, Any, Any]:
        a, b, p, c = (mp.mpf(v) for v in (free, rise, exponent, capacity))
        if p == 0 or b == 0:
            level = a * (1 + b)
            return level, mp.mpf(0), mp.mpf(0), level * x
        u = x / c
        second = a * b * p * (p - 1) * u ** (p - 2) / c**2 if p != 1 else mp.mpf(0)
        slope = a * b * p * u ** (p - 1) / c
        return a * (1 + b * u**p), slope, second, a * x * (1 + b * u**p / (p + 1))

    return at


@dataclass(frozen=True)
class Truth:
    """Mean delay, and the flow of each route and the load of each station, to 35 digits."""

    mean_delay: Any
    potential: Any
    flow: list[Any]
    station_flow: list[Any]


def truth(
    system: RoutedSystem,
    latencies: Sequence[Latency],
    multiple: float,
    players: float,
    start: Sequence[Any],
) -> Truth:
    """Return the equilibrium of K players over listed routes.

    Parameters
    ----------
    latencies : sequence
        Latency of each station in mpmath.
    start : sequence, length R
        Flows > 0 of all routes that leave spare capacity at each station.
    """
    columns = system.routes.listed
    assert columns is not None
    with mp.workdps(DIGITS):
        own = mp.mpf(0) if np.isinf(players) else 1 / mp.mpf(players)
        load = [mp.mpf(q) for q in (multiple * system.load).tolist()]
        work = mp.matrix(columns.work.toarray().tolist())
        group, delay = columns.group.tolist(), [mp.mpf(d) for d in columns.delay.tolist()]
        routes, groups, stations = len(group), len(load), work.cols
        x = mp.matrix([mp.mpf(s) for s in start])
        for k in range(groups):
            rows = [r for r in range(routes) if group[r] == k]
            factor = load[k] / mp.fsum(x[r] for r in rows)
            for r in rows:
                x[r] *= factor

        def station(x: Any) -> list[Any]:
            return list(work.T * x)

        def costs(v: list[Any]) -> list[tuple[Any, Any]]:
            values = (latency(u) for latency, u in zip(latencies, v, strict=True))
            return [
                (t + own * u * s, (1 + own) * s + own * u * c)
                for (t, s, c, _), u in zip(values, v, strict=True)
            ]

        def inside(x: Any) -> bool:
            return min(x) > 0 and all(
                mp.im(latency(u)[3]) == 0 for latency, u in zip(latencies, station(x), strict=True)
            )

        size = mp.fsum(p[0] * v for p, v in zip(costs(station(x)), station(x), strict=True))
        barrier = (size + 1) / routes
        least, dual = barrier * mp.mpf(10) ** -42, [barrier / u for u in x]
        for _ in range(400):
            v = station(x)
            cost = costs(v)
            matrix, right = mp.zeros(routes + groups), mp.zeros(routes + groups, 1)
            for r in range(routes):
                paid = mp.fsum(work[r, a] * cost[a][0] for a in range(stations)) + delay[r]
                right[r] = -(paid - barrier / x[r])
                for s in range(r, routes):
                    matrix[r, s] = matrix[s, r] = mp.fsum(
                        work[r, a] * work[s, a] * cost[a][1] for a in range(stations)
                    )
                matrix[r, r] += dual[r] / x[r]
                matrix[r, routes + group[r]] = matrix[routes + group[r], r] = 1
            step = mp.lu_solve(matrix, right)
            move = mp.matrix(list(step)[:routes])
            steer = [barrier / u - z - z / u * m for u, z, m in zip(x, dual, move, strict=True)]
            size = mp.mpf(1)
            while not inside(x + size * move) or any(
                z + size * s <= 0 for z, s in zip(dual, steer, strict=True)
            ):
                size *= mp.mpf("0.8")
            size *= mp.mpf("0.98") if size < 1 else 1
            x = x + size * move
            dual = [z + size * s for z, s in zip(dual, steer, strict=True)]
            off = max(abs(u * z / barrier - 1) for u, z in zip(x, dual, strict=True))
            if size == 1 and off < mp.mpf("0.5"):
                decrement = mp.fsum(r * m for r, m in zip(right, move, strict=False))
                if barrier <= least and decrement < barrier:
                    break
                barrier = max(barrier * mp.mpf("0.01"), least)
        else:
            raise AssertionError("the interior point method did not converge")
        v = station(x)
        fixed = mp.fsum(f * d for f, d in zip(x, delay, strict=True))
        values = [latency(u) for latency, u in zip(latencies, v, strict=True)]
        total = mp.fsum(u * t[0] for u, t in zip(v, values, strict=True)) + fixed
        potential = fixed + mp.fsum(
            own * u * t[0] + (1 - own) * t[3] for u, t in zip(v, values, strict=True)
        )
        return Truth(total / mp.fsum(load), potential, list(x), v)


@dataclass(frozen=True)
class Example:
    """A random small system, its latencies in mpmath, and the largest multiple of its loads."""

    system: RoutedSystem
    latencies: tuple[Latency, ...]
    capacity: float

    def start(self, multiple: float) -> list[float]:
        """Return flows > 0 of all routes with spare capacity at each station."""
        columns, rate = self.system.routes.listed, self.system.bank.rate
        assert columns is not None
        routes, limited, load = len(columns), np.isfinite(rate), multiple * self.system.load
        work = columns.work.toarray().T[limited] / rate[limited, None]
        # the largest part of all rates and of equal shares that can be left
        rows = np.block([[work, np.ones((len(work), 1))], [-np.eye(routes), np.zeros((routes, 1))]])
        rows[len(work) :, -1] = load[columns.group]
        sums = np.zeros((load.size, routes + 1))
        sums[columns.group, np.arange(routes)] = 1.0
        limits = np.concatenate([np.ones(len(work)), np.zeros(routes)])
        cost = np.append(np.zeros(routes), -1.0)
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        bounds = [(0, None)] * routes + [(0, 1)]
        answer = linprog(cost, rows, limits, sums, load, bounds=bounds, options=tight)
        assert answer.status == 0
        assert answer.x[-1] > 0
        return list(answer.x[:-1].tolist())


def example(rng: np.random.Generator, kinds: Sequence[str]) -> Example:
    """Return a random system of 1 to 3 groups, 2 to 4 stations and up to 4 routes a group.

    Parameters
    ----------
    kinds : sequence of {"mm1", "mg1", "power", "linear", "constant", "values"}
        Families to choose from; "values" is M/M/1 by values of the latency alone.
    """
    stations, groups = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    banks: list[ServerBank] = []
    latencies = []
    for kind in rng.choice(np.array(kinds), stations):
        rate = float(10 ** rng.uniform(-1, 2))
        if kind == "mm1":
            delay = float(rng.choice([0.0, rng.uniform(0, 3) / rate]))
            banks.append(MM1(rate, delay=delay))
            latencies.append(mm1(rate, delay))
        elif kind == "mg1":
            cv = float(rng.uniform(0, 4))
            banks.append(MG1(rate, cv=cv))
            latencies.append(mg1(rate, cv))
        elif kind == "values":
            banks.append(Function(lambda x, rate=rate: 1 / (rate - x), rate=rate))
            latencies.append(mm1(rate))
        else:
            exponent = {"constant": 0.0, "linear": 1.0, "power": float(rng.choice([1.5, 2, 4]))}
            rise, free, p = rng.uniform(0.1, 3), 10 ** rng.uniform(-2, 1), exponent[kind]
            banks.append(BPR(free_flow=[free], capacity=[rate], b=[rise], power=[p]))
            latencies.append(power(free, rise, p, rate))
    group, rows, delay = [], [], []
    for k in range(groups):
        seen = set()
        for _ in range(int(rng.integers(2, 5))):
            size = int(rng.integers(1, min(3, stations) + 1))
            passed = tuple(sorted(rng.choice(stations, size, replace=False).tolist()))
            if passed not in seen:
                seen.add(passed)
                rows.append(np.zeros(stations))
                rows[-1][list(passed)] = rng.choice([1.0, 1.0, 1.0, 2.0, 0.7], size)
                group.append(k)
                delay.append(float(rng.choice([0.0, rng.uniform(0, 1)])))
    columns = Columns(np.array(group), csr_array(np.array(rows)), np.array(delay))
    bank = MixedBank(banks)
    system = RoutedSystem(bank, ListedRoutes(columns, groups), rng.uniform(0.1, 1, groups))
    return Example(system, tuple(latencies), largest_multiple(system))


def largest_multiple(system: RoutedSystem) -> float:
    """Return the largest multiple of the loads over listed routes, by one linear program."""
    columns, rate, load = system.routes.listed, system.bank.rate, system.load
    assert columns is not None
    limited, routes = np.isfinite(rate), len(columns)
    work = np.hstack([columns.work.toarray().T[limited], np.zeros((np.sum(limited), 1))])
    sums = np.zeros((load.size, routes + 1))
    sums[columns.group, np.arange(routes)] = 1.0
    sums[:, -1] = -load
    cost = np.append(np.zeros(routes), -1.0)
    bounds = [(0, None)] * routes + [(0, 1e6)]
    answer = linprog(cost, work, rate[limited], sums, np.zeros(load.size), bounds=bounds)
    return float(answer.x[-1]) if answer.x[-1] < 1e6 else np.inf
