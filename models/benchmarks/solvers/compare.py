"""The questions of the solver benchmark and their answers, one at a time."""

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
from ..report import repeated, timed
from .problem import Judged, Problem, Task
from .problems import PROBLEMS
from .row import Row
from .settings import SETTINGS, options

LOADS = (0.3, 0.6, 0.9, 0.99, 0.999, 1 - 1e-6)
LIMIT = 5.0  # seconds
REPEATS = 3
QUICK = 0.1  # seconds up to which a solve is timed more than once
NO_ANSWER = Judged(math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class Question:
    """A problem at a size and a load, written in one way, and the solver that is asked."""

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
    """Ask solvers for answers that are known, and yield a row for each: whoever stops in between keeps those that there are.

    Parameters
    ----------
    problems : sequence of Problem
    sizes : sequence of int, optional
        Servers or stages; by default each problem's own. Those above what a problem can be solved for are left out.
    loads : sequence of float
        As parts of the largest load, between 0 and 1.
    solvers : sequence of str, optional
        By default all that CVXPY finds. Each is asked what it can take.
    settings : {"own", "sojourn"}, default "own"
        The solvers' own defaults, or the tighter ones that this library gives Clarabel, ECOS and SCS.
    limit : float, default 5.0
        Seconds after which a solver that can be told so gives up.
    seed : int

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
    asked = questions(problems, sizes, loads, solvers, seed)
    return (ask(question, settings, limit) for question in track(asked, "questions to solvers"))


def questions(
    problems: Sequence[Problem],
    sizes: Sequence[int] | None,
    loads: Sequence[float],
    solvers: Sequence[str] | None,
    seed: int,
) -> list[Question]:
    """Return all questions, in the order in which they are asked; see `compare`."""
    names, found = cp.installed_solvers() if solvers is None else solvers, []
    for problem in problems:
        for n in [size for size in sizes or problem.sizes if size <= problem.largest]:
            # the system of a problem and size does not depend on what else is asked
            system = problem.build(
                n, np.random.default_rng([seed, n, zlib.crc32(problem.name.encode())])
            )
            ways = problem.formulations(system).items()
            cases = [
                (load, way, name)
                for way, kinds in ways
                for name in names
                if kinds <= supported_cones(name)
                for load in loads
            ]
            found += [Question(problem, system, n, *case) for case in cases]
    return found


def ask(question: Question, settings: str = "own", limit: float = LIMIT) -> Row:
    """Put one question to its solver; whatever it does is a row."""
    problem, solver, load = question.problem, question.solver, question.load
    task, built = timed(lambda: problem.write(question.system, question.formulation, load))
    chosen = options(solver, settings, limit)
    ran = _run(task.problem, solver, chosen)
    judged = _judge(task)
    solves = repeated(ran.solve, lambda: _run(task.problem, solver, chosen).solve, QUICK, REPEATS)
    asked = (problem.name, question.n, load, question.formulation, solver, settings)
    return Row(*asked, ran.status, *judged, built, ran.compile, median(solves), len(solves))


def _run(problem: cp.Problem, solver: str, chosen: dict[str, Any]) -> Run:
    """Solve; what no solver should raise is a status like any other."""
    started = time.perf_counter()
    try:
        return run(problem, solver, chosen)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of one written in Rust is no Exception
        return Run(f"{type(error).__name__}: {error}", 0.0, time.perf_counter() - started)


def _judge(task: Task) -> Judged:
    if any(v.value is None or not np.all(np.isfinite(v.value)) for v in task.problem.variables()):
        return NO_ANSWER
    judged = task.judge()
    return NO_ANSWER if math.isnan(judged.error) or math.isnan(judged.violation) else judged


def _check(
    sizes: Sequence[int] | None,
    loads: Sequence[float],
    solvers: Sequence[str] | None,
    settings: str,
    limit: float,
) -> None:
    for i, size in enumerate(sizes or ()):
        as_integer(f"sizes[{i}]", size, "a number of servers to split over", 2)
    for i, load in enumerate(loads):
        check_within(
            f"loads[{i}]",
            load,
            SMALLEST,
            math.nextafter(1, 0),
            "is not a part of the largest load",
            "give a number between 0 and 1",
        )
    for i, name in enumerate(solvers or ()):
        check_choice(
            f"solvers[{i}]", name, cp.installed_solvers(), "is not a solver that CVXPY finds"
        )
    check_choice("settings", settings, SETTINGS, "is not a name of settings")
    check_within("limit", limit, SMALLEST, LARGEST, "is not a time", "give seconds above 0")
