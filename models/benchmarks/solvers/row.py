"""Result of one cell: status, accuracy, residuals and times of a solver on an instance."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import cvxpy as cp

from .problem import InstanceKey

ACCURATE = 1e-6
"""Largest relative error of the value, and largest violation, of an accurate answer."""
INFEASIBLE = (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE)
INF, NAN = math.inf, math.nan


@dataclass(frozen=True, kw_only=True)
class Row:
    """Result of a solver on an instance.

    Attributes
    ----------
    problem, formulation : str
    n : int
    load, rate_spread, delay_spread : float
    seed : int
        The instance; see `sojourn.models.benchmarks.solvers.problem.InstanceKey`.
    solver, version : str
    settings : str
        Name of the settings.
    tolerance : float
        Tolerance that the settings ask for; NaN where they name none.
    status : str
        CVXPY's status, or type and message of the solver's error.
    skipped : str
        Why the solver did not get the instance, such as a cone that it does not support; empty
        where it got it.
    failure : str
        ``time``, ``memory`` or ``crash`` where the worker was ended or died; else empty.
    error, flow_error, violation, gap : float
        See `sojourn.models.benchmarks.solvers.problem.Accuracy`; without an answer infinite.
    primal_residual, dual_residual, complementarity : float
        Relative KKT residuals of the cone program (see
        `sojourn.models.benchmarks.solvers.programs.residuals`); without an answer
        infinite, NaN where the solver returns no dual variable. Of an infeasible instance
        `dual_residual` is that of the dual variable as a proof that it is infeasible.
    iterations : float
        NaN where the solver does not say.
    build_seconds, compile_seconds : float
        Times to write the problem, and of CVXPY's reduction to a cone program.
    transfer_seconds : float
        Time to bring the cone program into the solver's own form.
    solve_seconds : float
        Time of the call of the solver by the clock: median of `repeats` runs; the limit of time
        where it was reached. It covers the solver's set-up, such as the factorisation of its
        matrices, its iterations, and what its interface in Python converts before and after. For a
        command it is the time that the solution file states, if it states one.
    fastest_seconds, slowest_seconds : float
        Least and largest time of these runs.
    repeats : int
    own_seconds : float
        What the solver itself says of its time, median of the runs; NaN where it says nothing.
        These times are not comparable: SCS, ECOS, QOCO and DAQP leave out the set-up.
    """

    problem: str
    formulation: str
    n: int
    load: float
    rate_spread: float
    delay_spread: float
    seed: int
    solver: str
    version: str = ""
    settings: str = "default"
    tolerance: float = NAN
    status: str = ""
    skipped: str = ""
    failure: str = ""
    error: float = INF
    flow_error: float = INF
    violation: float = INF
    gap: float = INF
    primal_residual: float = INF
    dual_residual: float = INF
    complementarity: float = INF
    iterations: float = NAN
    build_seconds: float = 0.0
    compile_seconds: float = 0.0
    transfer_seconds: float = 0.0
    solve_seconds: float = 0.0
    fastest_seconds: float = 0.0
    slowest_seconds: float = 0.0
    repeats: int = 0
    own_seconds: float = NAN

    @property
    def key(self) -> InstanceKey:
        """The instance."""
        return InstanceKey(*(getattr(self, name) for name in InstanceKey._fields))

    @property
    def claimed(self) -> bool:
        """Whether the status is ``optimal``; ``optimal_inaccurate`` is no claim."""
        return self.status == cp.OPTIMAL

    @property
    def denied(self) -> bool:
        """Whether the status denies that there is an optimum, of an instance that has one."""
        return not self.infeasible and self.status.startswith(("infeasible", "unbounded"))

    @property
    def infeasible(self) -> bool:
        """Whether the instance is infeasible: its load is above the largest one."""
        return self.key.infeasible

    @property
    def right(self) -> bool:
        """Whether the error and the violation are at most 1e-6.

        Of an infeasible instance, whether the status is ``infeasible`` or, a weaker word,
        ``infeasible_inaccurate``.
        """
        if self.infeasible:
            return self.status in INFEASIBLE
        return self.error <= ACCURATE and self.violation <= ACCURATE

    @property
    def false_claim(self) -> bool:
        """Whether the status is ``optimal`` and the answer is not right."""
        return self.claimed and not self.right

    @property
    def false_doubt(self) -> bool:
        """Whether the status is another than ``optimal`` and the answer is right and an optimum."""
        return self.right and not self.claimed and not self.infeasible

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and properties as plain numbers and strings."""
        names = ("infeasible", "claimed", "right", "false_claim", "false_doubt")
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            **{name: getattr(self, name) for name in names},
        }
