"""Time of systems with routes, against tools for roads, CVXPY by hand and cold starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from ...systems.parallel.prices import Goal
from ...systems.routes import Groups, Network, RouteSystem
from .networks import Grid, grid, groups, road_files
from .plugin import SMALL_RUN, Measure

PEER, PEER_GAP, SWEEPS = "pytraf", 1e-10, 10_000
BY_HAND, COLD, ROADS = "CVXPY by hand", "cold solves", "the latency of roads"
DEMANDS = 5 if SMALL_RUN else 37
SHAPE = (4, 6) if SMALL_RUN else (50, 200)  # groups and servers
SIDE = 4 if SMALL_RUN else 12  # of the grid, with 528 links
MOST = {"SiouxFalls": 6.0} if SMALL_RUN else {"SiouxFalls": 6.0, "Anaheim": 3.0, "Barcelona": None}
"""Target by road network: largest ratio to the time of the peer, None where it refuses it."""
BOTH: tuple[Goal, ...] = ("optimum", "equilibrium")


@cache
def streets() -> Grid:
    """Return the numbers of the grid, made once."""
    return grid(SIDE)


def from_files(name: str) -> Network:
    """Return a network from its files."""
    return Network.from_tntp(*road_files(name))


def by_pytraf(name: str) -> Any:
    """Read and solve a road network by pytraf, to a relative gap of 1e-10."""
    pytraf = pytest.importorskip(PEER, reason="pytraf: pip install 'sojourn[peers]'")
    net, trips = map(str, road_files(name))
    network = pytraf.Network.from_tntp(net)
    demand = pytraf.Demand.from_tntp(network, trips)
    return network.assign(demand, gap=PEER_GAP, max_iter=SWEEPS)


def by_hand(goal: Goal, system: Groups) -> cp.Problem:
    """Solve groups and servers as a user of CVXPY would write it, by Clarabel."""
    rate, load, listed = system.bank.rate, system.group_load, system.routed.routes.listed
    assert listed is not None  # noqa: S101
    delay = listed.delay.reshape(load.size, rate.size)
    x = cp.Variable(delay.shape, nonneg=True)
    flow = cp.sum(x, axis=0)
    if goal == "optimum":  # v/(mu - v) = mu/(mu - v) - 1
        cost = cp.sum(cp.multiply(rate, cp.inv_pos(rate - flow)) - 1)
    else:  # the potential of Beckmann
        cost = -cp.sum(cp.log(rate - flow))
    goal_value = (cp.sum(cp.multiply(delay, x)) + cost) / load.sum()
    problem = cp.Problem(cp.Minimize(goal_value), [cp.sum(x, axis=1) == load])
    problem.solve(solver=cp.CLARABEL)
    return problem


@pytest.mark.parametrize("who", ["equilibrium", PEER])
@pytest.mark.parametrize("name", MOST)
def bench_roads(measure: Measure, name: str, who: str) -> None:
    """Read and solve road networks from files."""
    row = f"equilibrium of {name}, files read"
    if who != PEER:
        road_files(name)
        measure(lambda: from_files(name).equilibrium(), row, who, at_most=MOST[name], rounds=5)
        return
    try:
        by_pytraf(name)
    except ValueError as error:
        pytest.skip(f"{name} by pytraf, which refuses it: {error}")
    measure(partial(by_pytraf, name), row, who, rounds=5)


@pytest.mark.parametrize("who", ["queues", ROADS])
@pytest.mark.parametrize("goal", BOTH)
def bench_queues(measure: Measure, goal: Goal, who: str) -> None:
    """M/M/1 links, against the same grid with roads; no other tool takes M/M/1 links."""
    numbers = streets()

    def job() -> Any:
        return getattr(numbers.queues if who == "queues" else numbers.roads, goal)()

    row = f"{goal} of a grid of {numbers.tail.size} links, M/M/1 or roads"
    measure(job, row, who, at_most=1.5, rounds=5)


@pytest.mark.parametrize("goal", BOTH)
@pytest.mark.parametrize("fraction", [0.7, 0.99])
@pytest.mark.parametrize("who", ["goal", BY_HAND])
def bench_groups(measure: Measure, goal: Goal, fraction: float, who: str) -> None:
    """Groups that share M/M/1 servers."""
    count, servers = SHAPE

    def job() -> Any:
        system = groups(count, servers, fraction)
        return by_hand(goal, system) if who == BY_HAND else getattr(system, goal)()

    row = f"{goal}, {count} groups x {servers} servers, {fraction:.0%} load"
    measure(job, row, goal if who == "goal" else who, at_most=0.5, rounds=5)


@pytest.mark.parametrize("who", ["curve", COLD])
@pytest.mark.parametrize("name", ["a grid", "SiouxFalls"])
def bench_demands(measure: Measure, name: str, who: str) -> None:
    """Both goals over multiples of the loads, against a new system for each answer."""

    def new() -> RouteSystem:
        return streets().queues if name == "a grid" else from_files(name)

    loads = np.linspace(0.1, 1.0, DEMANDS) * new().load
    few = loads[:: max(DEMANDS // 5, 1)]  # of the cold solves, which take long

    def cold() -> list[Any]:
        return [getattr(new(), goal)(load) for load in few for goal in BOTH]

    job: Callable[[], Any] = cold if who == COLD else lambda: new().curve(loads)
    row = f"both goals of {name}, {DEMANDS} demands"
    per = few.size if who == COLD else loads.size
    measure(job, row, who, per=per, unit="demand", at_most=0.5, rounds=3)
