"""One solver on one problem: compile, solve, read the answer; a failure is a status, never an exception."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp

from .solver_specs import Effort, spec


@dataclass(frozen=True)
class Run:
    """What a solver said, and how long it took to compile and to solve."""

    status: str
    compile: float
    solve: float


def run(
    problem: cp.Problem,
    solver: str,
    options: Mapping[str, Any] | None = None,
    effort: Effort = "tight",
) -> Run:
    """Solve `problem` in place.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its variables hold the answer afterwards; None where there is none.
    solver : str
        An installed solver that takes the problem.
    options : mapping, optional
        Options of the solver by its own names; they go over the library's.
    effort : {"tight", "quick", "retry"}
        Which options of the library's; see `SolverSpec`.

    Returns
    -------
    Run
        `status` is CVXPY's word for the outcome, or the solver's own error.
    """
    for variable in problem.variables():
        variable.value = None
    chosen = spec(solver).options(effort, options)
    started = compiled = time.perf_counter()
    try:
        with warnings.catch_warnings():
            # an inaccurate answer is told by its certificate
            warnings.simplefilter("ignore")
            data, chain, inverse = problem.get_problem_data(solver, solver_opts=chosen)
            compiled = time.perf_counter()
            # ECOS and SCS start afresh: a warm start would make an answer depend on what was solved before
            raw = chain.solve_via_data(
                problem, data, warm_start=False, verbose=False, solver_opts=chosen
            )
            problem.unpack_results(raw, chain, inverse)
        status = str(problem.status)
    except (cp.error.SolverError, ArithmeticError, ValueError, TypeError) as error:
        status = f"{type(error).__name__}: {error}"
    return Run(status, compiled - started, time.perf_counter() - compiled)
