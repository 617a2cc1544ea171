"""Equilibria of small systems with routes to 35 digits, by Newton's method on a barrier problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

from sojourn.reference.routes import RoutedSystem

DIGITS = 80
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
        least = barrier * mp.mpf(10) ** -42
        while barrier > least:
            barrier *= mp.mpf("0.03")
            for _ in range(200):
                v = station(x)
                cost = costs(v)
                matrix, right = mp.zeros(routes + groups), mp.zeros(routes + groups, 1)
                for r in range(routes):
                    paid = mp.fsum(work[r, a] * cost[a][0] for a in range(stations)) + delay[r]
                    right[r] = -(paid - barrier / x[r])
                    for s in range(routes):
                        matrix[r, s] = mp.fsum(
                            work[r, a] * work[s, a] * cost[a][1] for a in range(stations)
                        )
                    matrix[r, r] += barrier / x[r] ** 2
                    matrix[r, routes + group[r]] = matrix[routes + group[r], r] = 1
                step = mp.lu_solve(matrix, right)
                move, size = mp.matrix(list(step)[:routes]), mp.mpf(1)
                while not inside(x + size * move):
                    size /= 2
                if size < 1:
                    size *= mp.mpf("0.9")
                x = x + size * move
                decrement = mp.fsum(r * m for r, m in zip(right, move, strict=False))
                if size == 1 and decrement < 1e-3 * barrier:
                    break
            else:
                raise AssertionError("Newton's method did not converge")
        v = station(x)
        fixed = mp.fsum(f * d for f, d in zip(x, delay, strict=True))
        values = [latency(u) for latency, u in zip(latencies, v, strict=True)]
        total = mp.fsum(u * t[0] for u, t in zip(v, values, strict=True)) + fixed
        potential = fixed + mp.fsum(
            own * u * t[0] + (1 - own) * t[3] for u, t in zip(v, values, strict=True)
        )
        return Truth(total / mp.fsum(load), potential, list(x), v)
