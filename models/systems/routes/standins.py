"""Short stand-ins for `sojourn.reference.routes`: polish, certify, capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from ....reference.errors import Array, LoadError
from ....reference.routes import RoutedSystem, RouteFlow


@dataclass(frozen=True)
class RouteCertificate:
    mean_delay: float
    lower_bound: float
    upper_bound: float
    gap: float
    potential_gap: float
    mean_saving: float
    largest_saving: float
    utilisation: float
    balance: float
    rounding: float
    estimate: float


@dataclass(frozen=True, eq=False)
class RouteCapacity:
    multiple: float
    lower: float
    upper: float
    limiting: Array
    price: Array
    flow: RouteFlow


def group_delay(system: RoutedSystem, found: RouteFlow) -> Array:
    price = system.bank.latency(found.station_flow)
    costs = found.columns.costs(np.where(np.isfinite(price), price, 0.0))
    n = system.load.size
    return found.columns.group_flow(found.flow * costs, n) / found.columns.group_flow(found.flow, n)


def certify(
    system: RoutedSystem, multiple: float, found: RouteFlow, players: float
) -> RouteCertificate:
    bank, load, v = system.cost_bank(players), multiple * system.load, found.station_flow
    price, latency = bank.latency(v), system.bank.latency(v)
    total = float(load.sum())
    if not np.isfinite(price).all():
        bad = (np.inf,) * 4
        return RouteCertificate(np.inf, 0.0, *bad, np.inf, np.inf, 0.0, 0.0, np.nan)
    least = system.routes.least_cost(price)
    size = price @ v + found.fixed_delay
    gap = max(size - load @ least, 0.0) + 1e-15 * size
    mean = (latency @ v + found.fixed_delay) / total
    wide = np.sqrt(gap * (v * v) @ bank.latency_slope(v)) / total
    low, high = (mean - gap / total, mean) if players == 1 else (mean - wide, mean + wide)
    used = found.flow > 0
    saving = (found.columns.costs(price) - least[found.columns.group])[used].max()
    with np.errstate(all="ignore"):
        full = np.nanmax(np.where(np.isfinite(bank.rate), v / bank.rate, 0.0))
    return RouteCertificate(
        float(mean),
        float(low),
        float(high),
        float(max(high - mean, mean - low) / low),
        float(gap / size),
        float(gap / total),
        float(saving),
        float(full),
        0.0,
        0.0,
        np.nan,
    )


def polish(
    system: RoutedSystem, players: float, multiple: float, start: RouteFlow
) -> tuple[RouteFlow, int]:
    bank, load, found = system.cost_bank(players), multiple * system.load, start
    for step in range(3000):
        v = found.station_flow
        price = bank.latency(v)
        columns, place = found.columns.joined(system.routes.cheapest(price))
        x = np.zeros(len(columns))
        x[place] = found.flow
        worst = 0.0
        dense = columns.work.toarray()
        for k in range(load.size):
            rows = np.flatnonzero(columns.group == k)
            price = bank.latency(v)
            costs = dense[rows] @ price + columns.delay[rows]
            best = rows[np.argmin(costs)]
            used = rows[x[rows] > 0]
            cost = dense[used] @ price + columns.delay[used]
            dear = used[np.argmax(cost)]
            rise = cost.max() - costs.min()
            worst = max(worst, rise / cost.max())
            change = dense[best] - dense[dear]
            curve = change**2 @ bank.latency_slope(v)
            if dear == best or rise <= 0:
                continue
            move = x[dear] if curve <= 0 else min(x[dear], rise / curve)
            while not np.isfinite(bank.latency(v + move * change)).all():
                move *= 0.5
            x[dear] -= move
            x[best] += move
            v = v + move * change
        found = RouteFlow(columns, x).fitted(load).used()
        if worst < 1e-14:
            break
    return found, step + 1


def solve(
    system: RoutedSystem, players: float = np.inf, multiple: float = 1.0, start: object = None
) -> RouteFlow:
    return capacity(system).flow.fitted(multiple * system.load)


def capacity(system: RoutedSystem) -> RouteCapacity:
    columns = system.routes.listed
    rate, n = system.bank.rate, system.load.size
    bounded = np.isfinite(rate)
    rows = csr_array(columns.transposed[np.flatnonzero(bounded)])
    group = np.equal.outer(np.arange(n), columns.group).astype(float)
    upper = csr_array(hstack([rows, -rate[bounded][:, None]]))
    equal = np.hstack([group, np.zeros((n, 1))])
    cost = np.r_[np.zeros(len(columns)), 1.0]
    made = linprog(cost, upper, np.zeros(bounded.sum()), equal, system.load, method="highs")
    multiple = 1.0 / made.x[-1] if made.x[-1] > 0 else np.inf
    price = np.zeros(rate.size)
    price[bounded] = -made.ineqlin.marginals
    flow = RouteFlow(columns, made.x[:-1]).fitted(system.load)
    return RouteCapacity(multiple, multiple, multiple, np.flatnonzero(price > 1e-9), price, flow)


def check_multiple(system: RoutedSystem, multiple: float) -> None:
    most = capacity(system)
    if multiple >= most.multiple:
        names = ", ".join(system.stations[a] for a in most.limiting)
        load = multiple * system.total_load
        problem = f"not below the maximum {most.multiple * system.total_load:.12g} at {names}"
        raise LoadError("load", load, problem, "lower the load or add capacity")
