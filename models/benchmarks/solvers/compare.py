"""Cases of the solver benchmark, and their solution one at a time."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import cvxpy as cp
import numpy as np

from ....reference.validation import LARGEST, SMALLEST, as_integer, check_choice, check_within
from ...core.progress import track
from ...core.run import Run, run
from ...core.solvers import supported_cones
from ..report import repeat, timed
from .problem import Accuracy, Problem, ProblemInstance
from .problems import PROBLEMS
from .row import Row
from .settings import SETTINGS, options

LOADS = (0.3, 0.6, 0.9, 0.99, 0.999, 1 - 1e-6)
LIMIT = 5.0  # seconds
REPEATS = 3
QUICK = 0.1  # seconds up to which a solve is timed more than once
NO_ANSWER = Accuracy(math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class SolverCase:
    """One formulation of a problem at a size and a load, and one solver.

    Attributes
    ----------
    problem : Problem
    system : Any
        Result of ``problem.build``.
    n : int
        Size.
    load : float
        Part of the largest load.
    formulation, solver : str
    """

    problem: Problem
    system: Any
    n: int
    load: float
    formulation: str
    solver: str


def compare(
    problems: Sequence[Problem] = PROBLEMS,
    sizes: Sequence[int] | None = None,
    loads: Sequence[float] = LOADS,
    solvers: Sequence[str] | None = None,
    settings: str = "own",
    limit: float = LIMIT,
    seed: int = 0,
) -> Iterator[Row]:
    """Solve problems with known answers by several solvers, and yield a row for each case.

    Parameters
    ----------
    problems : sequence of Problem
    sizes : sequence of int, optional
        Numbers of servers or stages; by default each problem's own. Sizes above the largest of a
        problem are left out.
    loads : sequence of float
        Parts of the largest load, between 0 and 1.
    solvers : sequence of str, optional
        By default all that CVXPY finds. Each gets the formulations whose cones it supports.
    settings : {"own", "sojourn"}, default "own"
        The solvers' own defaults, or the tighter settings that this library gives to Clarabel,
        ECOS and SCS.
    limit : float, default 5.0
        Time limit in seconds, for solvers that have one.
    seed : int, default 0
        Seed of the random systems.

    Yields
    ------
    Row

    Raises
    ------
    InputError
        Before any solver starts.

    Examples
    --------
    >>> from sojourn.models.benchmarks.solvers import compare
    >>> rows = list(compare(sizes=[3], loads=[0.5], solvers=["CLARABEL"]))
    >>> all(row.claimed for row in rows)
    True
    """
    _check(sizes, loads, solvers, settings, limit)
    all_cases = cases(problems, sizes, loads, solvers, seed)
    return (solve_case(case, settings, limit) for case in track(all_cases, "questions to solvers"))


def cases(
    problems: Sequence[Problem],
    sizes: Sequence[int] | None,
    loads: Sequence[float],
    solvers: Sequence[str] | None,
    seed: int,
) -> list[SolverCase]:
    """Return all cases in the order of their solution; see `compare` for the arguments."""
    names = cp.installed_solvers() if solvers is None else solvers
    result: list[SolverCase] = []
    for problem in problems:
        # seeded by problem and size: a system must not depend on the other cases
        name_hash = zlib.crc32(problem.name.encode())
        for n in [size for size in sizes or problem.sizes if size <= problem.largest]:
            system = problem.build(n, np.random.default_rng([seed, n, name_hash]))
            result += [
                SolverCase(problem, system, n, load, formulation, name)
                for formulation, cones in problem.formulations(system).items()
                for name in names
                if cones <= supported_cones(name)
                for load in loads
            ]
    return result


def solve_case(case: SolverCase, settings: str = "own", limit: float = LIMIT) -> Row:
    """Solve one case and return its row; a failure of the solver is a row too."""
    problem, solver, load = case.problem, case.solver, case.load
    instance, build_seconds = timed(lambda: problem.write(case.system, case.formulation, load))
    chosen = options(solver, settings, limit)
    first = _run(instance.problem, solver, chosen)
    accuracy = _accuracy(instance)
    seconds = repeat(
        first.solve, lambda: _run(instance.problem, solver, chosen).solve, QUICK, REPEATS
    )
    return Row(
        problem.name,
        case.n,
        load,
        case.formulation,
        solver,
        settings,
        first.status,
        *accuracy,
        build_seconds,
        first.compile,
        median(seconds),
        len(seconds),
    )


def _run(problem: cp.Problem, solver: str, chosen: dict[str, Any]) -> Run:
    """Solve once; an exception becomes a status."""
    started = time.perf_counter()
    try:
        return run(problem, solver, chosen)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a solver in Rust is no Exception
        return Run(f"{type(error).__name__}: {error}", 0.0, time.perf_counter() - started)


def _accuracy(instance: ProblemInstance) -> Accuracy:
    values = [variable.value for variable in instance.problem.variables()]
    if any(value is None or not np.all(np.isfinite(value)) for value in values):
        return NO_ANSWER
    accuracy = instance.accuracy()
    return NO_ANSWER if math.isnan(accuracy.error) or math.isnan(accuracy.violation) else accuracy


def _check(
    sizes: Sequence[int] | None,
    loads: Sequence[float],
    solvers: Sequence[str] | None,
    settings: str,
    limit: float,
) -> None:
    """Raise InputError on arguments of `compare` that are out of range or unknown."""
    for i, size in enumerate(sizes or ()):
        as_integer(f"sizes[{i}]", size, "a number of servers to split over", 2)
    below_one = math.nextafter(1, 0)
    for i, load in enumerate(loads):
        problem, remedy = "is not a part of the largest load", "give a number between 0 and 1"
        check_within(f"loads[{i}]", load, SMALLEST, below_one, problem, remedy)
    for i, name in enumerate(solvers or ()):
        problem = "is not a solver that CVXPY finds"
        check_choice(f"solvers[{i}]", name, cp.installed_solvers(), problem)
    check_choice("settings", settings, SETTINGS, "is not a name of settings")
    check_within("limit", limit, SMALLEST, LARGEST, "is not a time", "give seconds above 0")
