"""Run one solver on one problem through CVXPY; a failure becomes a status, not an exception."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp

from .solver_specs import Effort, spec

QUICK = 1.0
"""Seconds within which a solver refuses a model that it has no licence for."""


@dataclass(frozen=True)
class Run:
    """Result of one run of a solver; the values are in the variables of the problem.

    Attributes
    ----------
    status : str
        CVXPY's status, or the error that the solver raised.
    compile, solve : float
        Seconds of CVXPY's reduction to a cone program, and of the solver.
    """

    status: str
    compile: float
    solve: float


def run(
    problem: cp.Problem,
    solver: str,
    options: Mapping[str, Any] | None = None,
    effort: Effort | None = "tight",
) -> Run:
    """Solve a problem in place.

    Parameters
    ----------
    problem : cvxpy.Problem
        Its variables hold the solution afterwards, or None where the solver returned none.
    solver : str
        CVXPY's name of an installed solver that supports the problem.
    options : mapping, optional
        Options under the solver's own names; they take precedence over the library's.
    effort : {"tight", "quick", "retry"} or None
        Which of the library's options to use; see `sojourn.models.core.solver_specs.SolverSpec`.
        None for no others than `options`.

    Returns
    -------
    Run
    """
    for variable in problem.variables():
        variable.value = None
    chosen = dict(options or {}) if effort is None else spec(solver).options(effort, options)
    started = compiled = time.perf_counter()
    try:
        with warnings.catch_warnings():
            # the certificate, not CVXPY's warning, decides on an inaccurate answer
            warnings.simplefilter("ignore")
            data, chain, inverse = problem.get_problem_data(solver, solver_opts=chosen)
            compiled = time.perf_counter()
            # without a warm start an answer does not depend on the problems solved before
            raw = chain.solve_via_data(
                problem, data, warm_start=False, verbose=False, solver_opts=chosen
            )
            try:
                problem.unpack_results(raw, chain, inverse)
            except cp.error.SolverError:
                _raise_again(raw)
                raise
        status = str(problem.status)
    except Exception as error:  # solvers have errors of their own, such as of a missing licence
        status = " ".join(f"{type(error).__name__}: {error}".split())
    return Run(status, compiled - started, time.perf_counter() - compiled)


def _raise_again(raw: object) -> None:
    """Raise the error of a solver's model, which CVXPY drops, by solving the model once more.

    Without it nobody sees that a model is too large for a licence of GUROBI, CPLEX or COPT.
    """
    known = raw if isinstance(raw, Mapping) else {}
    seconds = known.get(cp.settings.SOLVE_TIME) or 0.0  # of the solver alone
    model = known.get("model")
    solve = getattr(model, "optimize", None) or getattr(model, "solve", None)
    if solve is not None and seconds < QUICK:
        solve()
