"""Questions to parallel servers with limits or few players as problems of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.parallel.limits import limited_optimum
from ....reference.parallel.optimum_equilibrium import equilibrium
from ...latency.base import Latency
from ...systems.parallel.linear_limit import Limit
from ...systems.parallel.questions import Split
from ...systems.parallel.system import ParallelServers
from . import parallel
from .accuracy import for_any_values
from .problem import Accuracy, ProblemInstance, Truth, Written


class Limits(NamedTuple):
    """Limits at one load, and the same ones in numbers.

    Attributes
    ----------
    given : tuple of Limit
    most : ndarray, shape (n,)
        Largest flow of each server, jobs/s.
    price : ndarray, shape (n,)
        Row of numbers of 0 or more, such as the money per job.
    bound : float
        Largest sum of price times flow; infinite where there is no row.
    """

    given: tuple[Limit, ...]
    most: Array
    price: Array
    bound: float = math.inf

    def excesses(self, load: float, flow: Array) -> tuple[float, float]:
        """Return the largest relative violations of the largest flows and of the row."""
        row = float(self.price @ flow) / self.bound - 1.0
        return float((flow - self.most).max()) / load, row


def within_limits(
    system: ParallelServers, limits: Limits, formulation: str, load: float
) -> ProblemInstance:
    """Return the instance of the optimum within limits at a load."""
    true = limited_optimum(
        system.bank, load, most=limits.most, matrix=limits.price, bound=limits.bound
    )
    question = system._question("optimum", load, math.inf, {"subject_to": limits.given})
    return _instance(
        question,
        system.bank,
        formulation,
        load,
        Truth(true.mean_delay, true.flow),
        load * true.mean_delay,
        lambda flow: limits.excesses(load, flow),
    )


def of_players(
    system: ParallelServers, players: int, formulation: str, load: float
) -> ProblemInstance:
    """Return the instance of the equilibrium of a number of equal players at a load."""
    true = equilibrium(system.bank, load, players)
    question = question_of_players(system, players, load)
    truth, potential = Truth(float(true.mean_delay), true.flow), question.bank.potential(true.flow)
    return _instance(
        question, system.bank, formulation, load, truth, float(potential.sum()), lambda flow: ()
    )


def question_of_players(system: ParallelServers, players: int, load: float) -> Split:
    """Return the question of the equilibrium of players; its program can be written at any load."""
    return system._question("equilibrium", load, players, {})


def written(question: Split, formulation: str, load: float) -> Written:
    """Return the program of a question at a load."""
    points = (np.array([load]),)
    model = question.write(formulation, points)
    for parameter, values in question.parameters(model, points):
        parameter.value = values[0]
    return Written(model.problem, {"flow": model.variable})


def overloaded(system: ParallelServers, limits: Limits, formulation: str, load: float) -> Written:
    """Return the program of the optimum within limits at a load that no split within them has."""
    program = parallel.written(system, "optimum", formulation, load)
    flow, unit = program.variables["flow"], system._unit(load)
    limited = np.flatnonzero(limits.most < system.bank.rate)
    rows = [flow[limited] <= limits.most[limited] * unit] if limited.size else []
    if math.isfinite(limits.bound):
        rows.append(limits.price @ flow <= limits.bound * unit)
    constraints = [*program.problem.constraints, *rows]
    return program._replace(problem=cp.Problem(program.problem.objective, constraints))


def _instance(
    question: Split,
    bank: Latency,
    formulation: str,
    load: float,
    truth: Truth,
    optimum: float,
    excesses: Callable[[Array], Iterable[float]],
) -> ProblemInstance:
    """Return the instance of a question at a load.

    Parameters
    ----------
    bank : Latency
        Servers with their true latencies.
    optimum : float
        That of the objective.
    excesses : callable
        From flows to relative violations of limits.
    """
    points = (np.array([load]),)

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        flow = values["flow"] / question.unit
        gap = float(question.certify_stored(points, lambda *_: flow[None]).gap[0])
        return parallel.accuracy_of(bank, load, flow, truth, gap, *excesses(flow))

    best = {"flow": truth.answer * question.unit}
    return ProblemInstance(
        truth, lambda: written(question, formulation, load), judge, optimum, best
    )
