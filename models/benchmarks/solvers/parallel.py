"""Optimum and equilibrium of parallel servers of any family as problems of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...latency.base import Latency
from ...systems.parallel.certificate import certify, mean_delay
from ...systems.parallel.formulations import FORMULATIONS
from ...systems.parallel.formulations import formulations as formulations_of
from ...systems.parallel.prices import Goal
from ...systems.parallel.system import ParallelServers
from .problem import Accuracy, Axes, Problem, ProblemInstance, Truth, Written

MAX_SERVERS: Mapping[str, int] = {"geo_mean": 64}
"""Largest number of servers by formulation.

CVXPY needs two minutes to compile the tree of cones of a geometric mean of 300 flows.
"""
TYPICAL = 150.0
"""Geometric mean of the ends of the rates of a random bank, jobs/s."""


def draw_rates(axes: Axes, rng: np.random.Generator) -> Array:
    """Return random rates, uniform in their logarithm over the spread, shape (n,)."""
    exponent = rng.uniform(-0.5, 0.5, axes.n)
    return np.asarray(TYPICAL * axes.rate_spread**exponent)


def draw_delays(axes: Axes, rng: np.random.Generator) -> Array:
    """Return random fixed delays, uniform up to the spread, shape (n,)."""
    return rng.uniform(0.0, axes.delay_spread / TYPICAL, axes.n)


def parallel(
    name: str, title: str, goal: Goal, draw: Callable[[Axes, np.random.Generator], Latency]
) -> Problem:
    """Return the problem of splitting a load over a random bank of servers.

    Parameters
    ----------
    name, title : str
        See `Problem`.
    goal : {"optimum", "equilibrium"}
    draw : callable
        Function from axes and a random generator to a bank.
    """
    return Problem(
        name,
        title,
        lambda axes, rng: ParallelServers(draw(axes, rng)),
        lambda system: formulations(system, goal),
        lambda system, formulation, part: instance(system, goal, formulation, part),
    )


def formulations(system: ParallelServers, goal: Goal) -> Mapping[str, frozenset[str]]:
    """Return the formulations of a goal that need no tangents, with the cones of each."""
    return {
        name: cones
        for name, cones in formulations_of(system.bank, goal, "auto", {}).items()
        if FORMULATIONS[name].exact(system.bank)
        and len(system) <= MAX_SERVERS.get(name, len(system))
    }


def instance(system: ParallelServers, goal: Goal, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the total rate.

    The min-max formulation is written for the servers that the closed form uses.
    """
    load = part * system.total_rate
    true = getattr(exact, goal)(system.bank, load)
    used = np.flatnonzero(true.flow > 0) if formulation == "minmax" else np.arange(len(system))
    asked = ParallelServers(system.bank.take(used)) if used.size < len(system) else system
    unit = asked.model(goal, load, formulation).unit

    def write() -> Written:
        model = asked.model(goal, load, formulation)
        return Written(model.problem, {"flow": model.variable})

    def judge(values: Mapping[str, Array]) -> Accuracy:
        flow = np.zeros(len(system))
        flow[used] = values["flow"] / unit
        return accuracy_of(system.bank, load, flow, Truth(float(true.mean_delay), true.flow), goal)

    return ProblemInstance(Truth(float(true.mean_delay), true.flow), write, judge)


def accuracy_of(
    bank: Latency, load: float, flow: Array, truth: Truth, goal: Goal = "optimum"
) -> Accuracy:
    """Return the accuracy of flows, shape (n,), whose certificate is that of a goal."""
    imbalance = abs(math.fsum([*flow, -load])) / load
    negative, excess = float(-flow.min() / load), float((flow / bank.rate).max() - 1)
    error = abs(float(mean_delay(bank, flow)) / truth.value - 1)
    flow_error = float(abs(flow - truth.answer).max() / truth.answer.max())
    gap = certify(bank, load, flow, goal).gap
    return Accuracy(error, flow_error, max(imbalance, negative, excess), gap)
