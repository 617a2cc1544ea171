"""A curve of loads, beside the solver alone on the same data and CVXPY's own re-solve with the load as a parameter."""

from __future__ import annotations

from collections.abc import Callable
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
from ...core.solvers import spec
from ...systems.parallel.certificate import certify_rows
from ...systems.parallel.formulations import FORMULATIONS, build
from ...systems.service_modes import partition, sum_of_squares
from .conftest import Measure

LOADS = {3: 1000, 30: 1000, 1000: 30}
RAW, CVXPY = "Clarabel alone", "cp.Problem.solve"
Values = list[tuple[cp.Parameter, Array]]


def servers(size: int) -> ParallelServers:
    """M/M/1 servers at random rates, 50 to 500 jobs/s, and delays, 0 to 50 ms."""
    rng = np.random.default_rng(2348)
    return ParallelServers(MM1(rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)))


def raw(compiled: Compiled, values: Values) -> Callable[[], Any]:
    """Update and solve by the solver's own calls and with the same settings as the sweep, the data at hand."""
    session = compiled.session
    assert isinstance(session, Clarabel)  # noqa: S101
    changes = compiled.changes(values)
    solver: clarabel.DefaultSolver = session.set_up(changes, 0)
    new = [{"b": b} for b in changes.right]
    for name, rows in (("q", changes.linear), ("A", changes.entries)):
        if rows is not None:
            for update, row in zip(new, rows, strict=True):
                update[name] = row

    def job() -> None:
        for update in new:
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


@pytest.mark.sizes(3, 30, 1000, small=(3,))
@pytest.mark.parametrize("who", ["curve", RAW, CVXPY])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def bench_parallel(measure: Measure, goal: str, size: int, who: str) -> None:
    """`ParallelServers.curve`, compilation, polish, certificates and the dataset included."""
    system = servers(size)
    count = LOADS[size]
    loads = np.linspace(0.05, 0.95, count) * system.total_rate
    model = build(FORMULATIONS["inv_pos" if goal == "optimum" else "beckmann"], system.bank, float(loads[0]), system.unit(loads[0]))
    values: Values = [(model.load, loads * model.unit)]
    row, few = f"{goal}, {size:,} servers, {count:,} loads", max(count // 10, 5)
    if who == "curve":
        measure(lambda: system.curve(loads, goal), row, who, per=count, unit="load")
    elif who == RAW:
        measure(raw(Compiled(model.problem, "CLARABEL", spec("CLARABEL").quick), values), row, who, per=count, unit="load")
    else:
        measure(resolve(model.problem, [(p, v[:: count // few]) for p, v in values], few), row, who, per=few, unit="load")


@pytest.mark.sizes(3, 30, 1000, small=(3,))
@pytest.mark.parametrize("who", ["certificates", "the solves"])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def bench_certificates(measure: Measure, goal: str, size: int, who: str) -> None:
    """The certificates of a whole sweep beside the solves that they are of."""
    system, count = servers(size), LOADS[size]
    loads = np.linspace(0.05, 0.95, count) * system.total_rate
    row = f"certificates of {goal}, {size:,} servers, {count:,} loads"
    if who == "certificates":
        flow = system.task(goal, loads[0]).solve(loads).flow  # type: ignore[arg-type]
        measure(lambda: certify_rows(system.bank, loads, flow, goal), row, who, per=count, unit="load")  # type: ignore[arg-type]
        return
    model = build(FORMULATIONS["inv_pos" if goal == "optimum" else "beckmann"], system.bank, float(loads[0]), system.unit(loads[0]))
    measure(
        raw(Compiled(model.problem, "CLARABEL", spec("CLARABEL").quick), [(model.load, loads * model.unit)]), row, who, per=count, unit="load"
    )


@pytest.mark.parametrize("who", ["sweep", RAW, CVXPY])
@pytest.mark.parametrize("what", ["partition", "assignment"])
def bench_dual_mode(measure: Measure, what: str, who: str) -> None:
    """Partitions, a second-order cone program each; assignments, a semidefinite program and a partition each."""
    system, count, few = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)), 1000, 100
    loads, parts = np.linspace(0.1, 4.6, count), np.tile([0.8, 0.2], (count, 1))
    jobs: list[Callable[[], Any]] = []
    if who == "sweep":
        if what == "partition":
            jobs.append(lambda: system.partition_sweep().solve(loads, parts))
        else:
            jobs.append(lambda: system.assignment_sweep().solve(loads))
    else:
        division = partition.write(system.rates)
        tasks: list[tuple[cp.Problem, Values]] = [(division.problem, [(division.root, partition.roots(system.rates, loads, parts))])]
        if what == "assignment":
            squares = sum_of_squares.write(2)
            above, below, _ = sum_of_squares.coefficients(segments(system.rates, loads))
            tasks.append((squares.problem, [(squares.above, above), (squares.below, below)]))
        for problem, values in tasks:
            for parameter, rows in values:
                parameter.value = rows[0]
            if who == RAW:
                options = spec("CLARABEL").options("quick" if problem is division.problem else "tight")
                jobs.append(raw(Compiled(problem, "CLARABEL", options), values))
            else:
                jobs.append(resolve(problem, [(p, v[:: count // few]) for p, v in values], few))

    def job() -> None:
        for part in jobs:
            part()

    measure(job, f"dual mode, {what}, {count:,} loads", who, per=few if who == CVXPY else count, unit="load")
