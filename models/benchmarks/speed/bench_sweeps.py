"""A curve of loads, beside the solver alone on the same data and CVXPY's own re-solve with the load as a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import clarabel
import cvxpy as cp
import numpy as np
import pytest

from ....reference.errors import Array
from ....reference.service_modes import segments
from ... import MM1, DualMode, ParallelServers
from ...core.native.clarabel import Clarabel
from ...core.parametric import Compiled
from ...core.solver_specs import spec
from ...systems.parallel.certificate import certify_rows
from ...systems.parallel.prices import Goal
from ...systems.service_modes import partition, sum_of_squares
from .plugin import Measure, sizes

LOADS = {3: 1000, 30: 1000, 1000: 30}
RAW, CVXPY = "Clarabel alone", "cp.Problem.solve"
Values = list[tuple[cp.Parameter, Array]]


def servers(size: int) -> ParallelServers:
    """M/M/1 servers at random rates, 50 to 500 jobs/s, and delays, 0 to 50 ms."""
    rng = np.random.default_rng(2348)
    return ParallelServers(MM1(rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)))


def raw(problem: cp.Problem, options: Mapping[str, Any], values: Values) -> Callable[[], Any]:
    """Update and solve by the solver's own calls and with the same settings as the sweep, the data at hand."""
    for parameter, rows in values:
        parameter.value = rows[0]
    compiled = Compiled(problem, "CLARABEL", options)
    session = compiled.native_solver
    assert isinstance(session, Clarabel)  # noqa: S101
    changes = compiled.changes(values)
    solver: clarabel.DefaultSolver = session.set_up(changes, 0)
    columns = {"b": changes.right, "q": changes.linear, "A": changes.entries}
    given = {name: rows for name, rows in columns.items() if rows is not None}
    updates = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]

    def job() -> None:
        for update in updates:
            solver.update(**update)
            solver.solve()

    return job


def resolve(problem: cp.Problem, values: Values, count: int) -> Callable[[], Any]:
    """What a loop over CVXPY costs: its own settings, and its own choice of what to do again."""

    def job() -> None:
        for k in range(count):
            for parameter, rows in values:
                parameter.value = rows[k]
            problem.solve(solver=cp.CLARABEL)

    return job


def few(values: Values, count: int) -> Values:
    """Some of the loads: a loop over CVXPY takes long, and as long for each."""
    return [(parameter, rows[:: len(rows) // count]) for parameter, rows in values]


def of_load(goal: Goal, size: int) -> tuple[ParallelServers, Array, cp.Problem, Values]:
    """Servers, their loads, and the program of a goal with the values of its parameters."""
    system = servers(size)
    loads = np.linspace(0.05, 0.95, LOADS[size]) * system.total_rate
    model = system.model(goal, float(loads[0]))
    return system, loads, model.problem, [(model.load, loads * model.unit)]


@pytest.mark.parametrize("who", ["curve", RAW, CVXPY])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@sizes(3, 30, 1000, small=(3,))
def bench_parallel(measure: Measure, goal: Goal, size: int, who: str) -> None:
    """`ParallelServers.curve`, compilation, polish, certificates and the dataset included."""
    system, loads, problem, values = of_load(goal, size)
    count = max(loads.size // 10, 5) if who == CVXPY else loads.size
    jobs: dict[str, Callable[[], Callable[[], Any]]] = {
        "curve": lambda: partial(system.curve, loads, goal),
        RAW: lambda: raw(problem, spec("CLARABEL").quick, values),
        CVXPY: lambda: resolve(problem, few(values, count), count),
    }
    measure(
        jobs[who](), f"{goal}, {size:,} servers, {loads.size:,} loads", who, per=count, unit="load"
    )


@pytest.mark.parametrize("who", ["certificates", "the solves"])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@sizes(3, 30, 1000, small=(3,))
def bench_certificates(measure: Measure, goal: Goal, size: int, who: str) -> None:
    """The certificates of a whole sweep beside the solves that they are of."""
    system, loads, problem, values = of_load(goal, size)
    if who == "certificates":
        flow = system.task(goal, float(loads[0])).solve(loads).flow
        job: Callable[[], Any] = partial(certify_rows, system.bank, loads, flow, goal)
    else:
        job = raw(problem, spec("CLARABEL").quick, values)
    measure(
        job,
        f"certificates of {goal}, {size:,} servers, {loads.size:,} loads",
        who,
        per=loads.size,
        unit="load",
    )


@pytest.mark.parametrize("who", ["sweep", RAW, CVXPY])
@pytest.mark.parametrize("what", ["partition", "assignment"])
def bench_dual_mode(measure: Measure, what: str, who: str) -> None:
    """Partitions, a second-order cone program each; assignments, a semidefinite program and a partition each."""
    system, count = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), 1000
    loads, parts = np.linspace(0.1, 4.6, count), np.tile([0.8, 0.2], (count, 1))
    per = 100 if who == CVXPY else count
    division, squares = partition.write(system.rates), sum_of_squares.write(2)
    above, below, _ = sum_of_squares.coefficients(segments(system.rates, loads))
    tasks: list[tuple[cp.Problem, Mapping[str, Any], Values]] = [
        (
            division.problem,
            spec("CLARABEL").quick,
            [(division.root, partition.roots(system.rates, loads, parts))],
        ),
        (squares.problem, spec("CLARABEL").tight, [(squares.above, above), (squares.below, below)]),
    ]
    tasks = tasks[:1] if what == "partition" else tasks
    sweeps = {
        "partition": lambda: system.partition_sweep().solve(loads, parts),
        "assignment": lambda: system.assignment_sweep().solve(loads),
    }
    jobs: dict[str, Callable[[], list[Callable[[], Any]]]] = {
        "sweep": lambda: [sweeps[what]],
        RAW: lambda: [raw(*task) for task in tasks],
        CVXPY: lambda: [resolve(problem, few(values, per), per) for problem, _, values in tasks],
    }
    todo = jobs[who]()
    measure(
        lambda: [job() for job in todo],
        f"dual mode, {what}, {count:,} loads",
        who,
        per=per,
        unit="load",
    )
