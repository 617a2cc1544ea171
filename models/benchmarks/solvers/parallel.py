"""Optimum and equilibrium of parallel servers of any family as problems of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...latency.base import Latency
from ...systems.parallel.certificate import mean_delay
from ...systems.parallel.formulations import FORMULATIONS
from ...systems.parallel.formulations import formulations as formulations_of
from ...systems.parallel.prices import Goal
from ...systems.parallel.system import ParallelServers
from .problem import Accuracy, Problem, ProblemInstance

MAX_SERVERS: Mapping[str, int] = {"geo_mean": 64}
"""Largest number of servers by formulation.

CVXPY needs two minutes to compile the tree of cones of a geometric mean of 300 flows.
"""


def parallel(name: str, goal: Goal, draw: Callable[[int, np.random.Generator], Latency]) -> Problem:
    """Return the problem of splitting a load over a random bank of servers.

    Parameters
    ----------
    name : str
    goal : {"optimum", "equilibrium"}
    draw : callable
        Function from a number of servers and a random generator to a bank.
    """
    return Problem(
        name,
        lambda n, rng: ParallelServers(draw(n, rng)),
        lambda system: formulations(system, goal),
        lambda system, formulation, part: write(system, goal, formulation, part),
    )


def formulations(system: ParallelServers, goal: Goal) -> Mapping[str, frozenset[str]]:
    """Return the formulations of a goal that need no tangents, with the cones of each."""
    return {
        name: cones
        for name, cones in formulations_of(system.bank, goal, "auto", {}).items()
        if FORMULATIONS[name].exact(system.bank)
        and len(system) <= MAX_SERVERS.get(name, len(system))
    }


def write(system: ParallelServers, goal: Goal, formulation: str, part: float) -> ProblemInstance:
    """Return the problem at a part of the total rate.

    The min-max formulation is written for the servers that the closed form uses.
    """
    load = part * system.total_rate
    true = getattr(exact, goal)(system.bank, load)
    used = np.flatnonzero(true.flow > 0) if formulation == "minmax" else np.arange(len(system))
    written = ParallelServers(system.bank.take(used)) if used.size < len(system) else system
    model = written.model(goal, load, formulation)

    def accuracy() -> Accuracy:
        flow = np.zeros(len(system))
        flow[used] = model.flow.value
        return accuracy_of(system.bank, load, flow, float(true.mean_delay))

    return ProblemInstance(model.problem, accuracy)


def accuracy_of(bank: Latency, load: float, flow: Array, least: float) -> Accuracy:
    """Return the error against the least mean delay, and the violation, of flows, shape (n,)."""
    imbalance = abs(math.fsum([*flow, -load])) / load
    negative, excess = float(-flow.min() / load), float((flow / bank.rate).max() - 1)
    error = abs(float(mean_delay(bank, flow)) / least - 1)
    return Accuracy(error, max(imbalance, negative, excess))
