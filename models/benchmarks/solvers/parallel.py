"""Optimum and equilibrium of parallel servers of any family as problems of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....reference.errors import Array
from ....reference.parallel import optimum_equilibrium as exact
from ...latency.base import Latency
from ...systems.parallel.certificate import certify, mean_delay
from ...systems.parallel.formulations import FORMULATIONS, build
from ...systems.parallel.formulations import formulations as formulations_of
from ...systems.parallel.prices import Goal
from ...systems.parallel.system import ParallelServers
from .accuracy import accuracy, for_any_values
from .problem import Accuracy, Axes, Problem, ProblemInstance, Truth, Written

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
    name: str,
    title: str,
    goal: Goal,
    draw: Callable[[Axes, np.random.Generator], Latency],
    **axes: Any,
) -> Problem:
    """Return the problem of splitting a load over a random bank of servers.

    A load above the sum of the rates is infeasible, except for quadratic programs: these have no
    rates as bounds.

    Parameters
    ----------
    name, title : str
        See `Problem`.
    goal : {"optimum", "equilibrium"}
    draw : callable
        Function from axes and a random generator to a bank.
    **axes
        Sizes and spreads of the `Problem`.
    """
    return Problem(
        name,
        title,
        lambda chosen, rng: ParallelServers(draw(chosen, rng)),
        lambda system: formulations(system, goal),
        lambda system, formulation, part: instance(
            system, goal, formulation, part * system.total_rate
        ),
        overload=lambda system, formulation: (
            None
            if formulation == "qp"
            else lambda part: written(system, goal, formulation, part * system.total_rate)
        ),
        **axes,
    )


def formulations(system: ParallelServers, goal: Goal) -> Mapping[str, frozenset[str]]:
    """Return the formulations of a goal that need no tangents, with the cones of each."""
    return {
        name: cones
        for name, cones in formulations_of(system.bank, goal, "auto", {}).items()
        if FORMULATIONS[name].exact(system.bank)
    }


def instance(system: ParallelServers, goal: Goal, formulation: str, load: float) -> ProblemInstance:
    """Return the instance at a load.

    The min-max formulation is written for the servers that the closed form uses.
    """
    true = getattr(exact, goal)(system.bank, load)
    truth = Truth(float(true.mean_delay), true.flow)
    used = np.flatnonzero(true.flow > 0) if formulation == "minmax" else np.arange(len(system))
    asked = ParallelServers(system.bank.take(used)) if used.size < len(system) else system
    unit = asked._unit(load)

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        flow = np.zeros(len(system))
        flow[used] = values["flow"] / unit
        gap = certify(system.bank, load, flow, goal).gap
        return accuracy_of(system.bank, load, flow, truth, gap)

    optimum = objective(formulation, system.bank, true, unit)
    best = {"flow": true.flow[used] * unit}
    return ProblemInstance(
        truth, lambda: written(asked, goal, formulation, load), judge, optimum, best
    )


def written(system: ParallelServers, goal: Goal, formulation: str, load: float) -> Written:
    """Return the program of a formulation at any load."""
    model = build(FORMULATIONS[formulation], system.bank, load, system._unit(load))
    return Written(model.problem, {"flow": model.variable})


def objective(formulation: str, bank: Latency, true: exact.Split, unit: float) -> float:
    """Return the optimum of the objective of a formulation, in its unit of time."""
    if formulation == "beckmann":
        return float(bank.potential(true.flow).sum())
    if formulation == "minmax":
        return float(true.multiplier) / unit
    if formulation == "qp":
        return float((true.flow * (true.flow / 2 - bank.rate)).sum()) * unit**2
    if formulation == "geo_mean":
        return float(np.exp(np.log(true.spare_capacity * unit).mean()))
    return float(true.load * true.mean_delay)


def accuracy_of(
    bank: Latency, load: float, flow: Array, truth: Truth, gap: float, *excesses: float
) -> Accuracy:
    """Return the accuracy of flows, shape (n,), with further violations than those of a split."""
    imbalance = abs(flow.sum() - load) / load
    violations = (imbalance, -flow.min() / load, (flow / bank.rate).max() - 1.0, *excesses)
    return accuracy(truth, float(mean_delay(bank, flow)), violations, flow, gap)
