"""Optimum and equilibrium of parallel servers as problems of the solver benchmark, whatever the servers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...latency.base import Latency
from ...systems.parallel import questions
from ...systems.parallel.certificate import mean_delay
from ...systems.parallel.formulations import FORMULATIONS
from ...systems.parallel.prices import Goal
from ...systems.parallel.system import ParallelServers
from .problem import Judged, Problem, Task

LARGEST: Mapping[str, int] = {"geo_mean": 64}
"""Servers above which a formulation is not written: CVXPY takes two minutes over a geometric mean of 300 and its tree of cones."""


def parallel(name: str, goal: Goal, draw: Callable[[int, np.random.Generator], Latency]) -> Problem:
    """Return the problem of splitting a load over a random bank of servers.

    Parameters
    ----------
    name : str
    goal : {"optimum", "equilibrium"}
    draw : callable
        From a number of servers and a random generator to a bank.
    """
    return Problem(
        name,
        lambda n, rng: ParallelServers(draw(n, rng)),
        lambda s: formulations(s, goal),
        lambda s, f, part: write(s, goal, f, part),
    )


def formulations(system: ParallelServers, goal: Goal) -> Mapping[str, frozenset[str]]:
    """Return the ways to write a goal of these servers without tangents, with the cones of each."""
    ways = questions.formulations(system.bank, goal, "auto", {}).items()
    return {
        n: cones
        for n, cones in ways
        if FORMULATIONS[n].exact(system.bank) and len(system) <= LARGEST.get(n, len(system))
    }


def write(system: ParallelServers, goal: Goal, formulation: str, part: float) -> Task:
    """Return the problem at a part of the total rate; the min-max over the servers in use, which the closed form says."""
    load = part * system.total_rate
    true = getattr(exact, goal)(system.bank, load)
    used = np.flatnonzero(true.flow > 0) if formulation == "minmax" else np.arange(len(system))
    asked = ParallelServers(system.bank.take(used)) if used.size < len(system) else system
    model = asked.model(goal, load, formulation)

    def judge() -> Judged:
        flow = np.zeros(len(system))
        flow[used] = model.flow.value
        return judged(system.bank, load, flow, float(true.mean_delay))

    return Task(model.problem, judge)


def judged(bank: Latency, load: float, flow: Array, true: float) -> Judged:
    """Return how far a flow is from the truth and from the feasible."""
    balance = abs(math.fsum([*flow, -load])) / load
    return Judged(
        abs(float(mean_delay(bank, flow)) / true - 1),
        max(balance, float(-flow.min() / load), float((flow / bank.rate).max() - 1)),
    )
