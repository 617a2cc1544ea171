"""Time of a curve, against the solver alone and a loop over `cvxpy.Problem.solve`.

The solver alone gets the same programs; in the loop the load is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from ....reference.errors import Array
from ....reference.service_modes import segments
from ... import MM1, DualMode, ParallelServers
from ...systems.parallel.certificate import certify_rows
from ...systems.parallel.prices import Goal
from ...systems.service_modes import partition, sum_of_squares
from .plugin import Measure, sizes
from .solver_alone import alone

LOADS = {3: 1000, 30: 1000, 1000: 30}
RAW, CVXPY = "Clarabel alone", "cp.Problem.solve"
Values = list[tuple[cp.Parameter, Array]]


def servers(size: int) -> ParallelServers:
    """Return M/M/1 servers of random rates, 50 to 500 jobs/s, and delays, 0 to 50 ms."""
    rng = np.random.default_rng(2348)
    return ParallelServers(MM1(rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)))


def resolve(problem: cp.Problem, values: Values, count: int) -> Callable[[], Any]:
    """Return a job that solves `count` points by `cvxpy.Problem.solve`, with default settings."""

    def job() -> None:
        for k in range(count):
            for parameter, rows in values:
                parameter.value = rows[k]
            problem.solve(solver=cp.CLARABEL)

    return job


def few(values: Values, count: int) -> Values:
    """Return the values at `count` of the points: a loop over CVXPY takes long."""
    return [(parameter, rows[:: len(rows) // count]) for parameter, rows in values]


def of_load(goal: Goal, size: int) -> tuple[ParallelServers, Array, cp.Problem, Values]:
    """Return servers, loads, and the program of a goal with the values of its parameters."""
    system = servers(size)
    loads = np.linspace(0.05, 0.95, LOADS[size]) * system.total_rate
    model = system.model(goal, float(loads[0]))
    return system, loads, model.problem, [(model.load, loads * model.unit)]


@pytest.mark.parametrize("who", ["curve", RAW, CVXPY])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@sizes(3, 30, 1000, small=(3,))
def bench_parallel(measure: Measure, goal: Goal, size: int, who: str) -> None:
    """`ParallelServers.curve`, with compilation, Newton steps, certificates and the dataset."""
    system, loads, problem, values = of_load(goal, size)
    count = max(loads.size // 10, 5) if who == CVXPY else loads.size
    jobs: dict[str, Callable[[], Callable[[], Any]]] = {
        "curve": lambda: partial(system.curve, loads, goal),
        RAW: lambda: alone(partial(system.curve, loads, goal)),
        CVXPY: lambda: resolve(problem, few(values, count), count),
    }
    row = f"{goal}, {size:,} servers, {loads.size:,} loads"
    measure(jobs[who](), row, who, per=count, unit="load")


@pytest.mark.parametrize("who", ["certificates", "the solves"])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@sizes(3, 30, 1000, small=(3,))
def bench_certificates(measure: Measure, goal: Goal, size: int, who: str) -> None:
    """Certificates of a whole sweep, against its solves."""
    system, loads, *_ = of_load(goal, size)
    if who == "certificates":
        flow = system._task(goal, float(loads[0])).solve(loads).flow
        job: Callable[[], Any] = partial(certify_rows, system.bank, loads, flow, goal)
    else:
        job = alone(partial(system.curve, loads, goal))
    row = f"certificates of {goal}, {size:,} servers, {loads.size:,} loads"
    measure(job, row, who, per=loads.size, unit="load")


@pytest.mark.parametrize("who", ["sweep", RAW, CVXPY])
@pytest.mark.parametrize("what", ["partition", "assignment"])
def bench_dual_mode(measure: Measure, what: str, who: str) -> None:
    """Partitions: a second-order cone program each. Assignments: also a semidefinite program."""
    system, count = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), 1000
    loads, assignments = np.linspace(0.1, 4.6, count), np.tile([0.8, 0.2], (count, 1))
    per = 100 if who == CVXPY else count
    cone, squares = partition.write(*system.rates.time.shape), sum_of_squares.write(2)
    numerator, denominator, _ = sum_of_squares.coefficients(segments(system.rates, loads))
    sqrt_loads = partition.sqrt_loads(system.rates, loads, assignments)
    tasks: list[tuple[cp.Problem, Values]] = [(cone.problem, [(cone.sqrt_load, sqrt_loads)])]
    if what == "assignment":
        values = [(squares.numerator, numerator), (squares.denominator, denominator)]
        tasks.append((squares.problem, values))
    sweeps = {
        "partition": lambda: system._partition_task().solve(loads, assignments),
        "assignment": lambda: system._assignment_task().solve(loads),
    }
    jobs: dict[str, Callable[[], list[Callable[[], Any]]]] = {
        "sweep": lambda: [sweeps[what]],
        RAW: lambda: [alone(sweeps[what])],
        CVXPY: lambda: [resolve(problem, few(values, per), per) for problem, values in tasks],
    }
    work = jobs[who]()
    row = f"dual mode, {what}, {count:,} loads"
    measure(lambda: [job() for job in work], row, who, per=per, unit="load")
