"""The largest load that stages can carry, as a linear program in the loads of the modes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Modes
from ...core.certificate import bounds
from ...core.run import run
from ...core.solution import Attempt, Timing
from ...core.wanted import Wanted
from .operating_point import MaxLoad

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Capacity:
    """Maximise the sum of x over x >= 0 with time @ x <= 1: the work of each stage fits into its time.

    Attributes
    ----------
    problem : cvxpy.Problem
    load : cvxpy.Variable, shape (M,)
        Load in each mode, jobs per the problem's unit of time.
    busy : cvxpy.Constraint
        Its dual is the price of each stage's capacity.
    unit : float
        The problem's unit of time, in the user's.
    """

    problem: cp.Problem
    load: cp.Variable
    busy: cp.Constraint
    unit: float


def write(modes: Modes) -> Capacity:
    """Write the linear program; its unit of time is the mean service time of the fastest mode."""
    unit = float(modes.time.sum(axis=0).min())
    load = cp.Variable(modes.modes, name="load", nonneg=True)
    busy = modes.time / unit @ load <= 1
    return Capacity(cp.Problem(cp.Maximize(cp.sum(load)), [busy]), load, busy, unit)


def ask(modes: Modes, solver: str, options: Any, wanted: Wanted) -> tuple[MaxLoad | None, Attempt]:
    """Return a solver's answer, if it has one, and the record of the attempt."""
    started = time.perf_counter()
    program = write(modes)
    built = time.perf_counter()
    ran = run(program.problem, solver, options)
    finishing = time.perf_counter()
    load, price = program.load.value, program.busy.dual_value
    if load is None or price is None or not (np.all(np.isfinite(load)) and np.all(np.isfinite(price)) and load.max() > 0):
        return None, Attempt(solver, "lp", ran.status, np.inf, finishing - started)
    parts = np.maximum(load, 0.0) / np.maximum(load, 0.0).sum()
    weight = np.maximum(np.abs(price), 0.0) / np.abs(price).sum()
    lower, upper = carried(modes, parts), 1.0 / float((weight @ modes.time).min())
    certificate = bounds(lower, lower, upper, 8 * EPS)
    timing = Timing(built - started, ran.compile, ran.solve, time.perf_counter() - finishing)
    found = MaxLoad(
        max_load=lower,
        assignment=parts,
        price=weight,
        certificate=certificate,
        certified=bool(wanted.met(certificate.gap)),
        solver=solver,
        formulation="lp",
        status=ran.status,
        attempts=(),
        timing=timing,
        problem=program.problem,
    )
    return found, Attempt(solver, "lp", ran.status, certificate.gap, time.perf_counter() - started)


def carried(modes: Modes, parts: Array) -> float:
    """Return the largest load under an assignment: its busiest stage is just full."""
    return 1.0 / float((modes.time @ parts).max())
