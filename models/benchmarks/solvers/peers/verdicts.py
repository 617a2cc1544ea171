"""Verdicts on one answer: of qpbenchmark, of this benchmark by residuals, and of the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from .....reference.errors import Array
from ..instances import accuracy_at
from ..problem import NO_ANSWER, Accuracy, ProblemInstance
from ..programs.cone_program import ConeProgram
from ..programs.residuals import Residuals, residuals
from ..row import ACCURATE
from ..run.solver import Answer
from .quadratic import KKT, absolute_residuals

INF = math.inf
NO_RESIDUALS = Residuals(INF, INF, INF)
NO_KKT = KKT(INF, INF, INF, INF)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one answer that qpbenchmark got from a solver.

    Attributes
    ----------
    instance : str
        `sojourn.models.benchmarks.solvers.problem.InstanceKey.name`.
    solver, settings : str
        qpbenchmark's name of the solver; low, mid or high.
    tolerance : float
        The tolerance that the settings ask for, and that the residuals are compared with.
    found : bool
        Whether the solver says that it solved the program.
    primal, dual, gap : float
        Absolute residuals by qpbenchmark; infinite without an answer.
    runtime : float
        Time by qpbenchmark in s.
    absolute : KKT
        Absolute residuals of the same answer by this benchmark.
    relative : Residuals
        Relative ones, by which this benchmark judges programs of all cones.
    accuracy : Accuracy
        Distance of the same answer from the truth.
    claimed : bool or None
        Whether the solver says that it solved the program in this benchmark's own run, through
        CVXPY with the same options; None where it does not run there.
    own : KKT
        Absolute residuals of that answer.
    """

    instance: str
    solver: str
    settings: str
    tolerance: float
    found: bool
    primal: float
    dual: float
    gap: float
    runtime: float
    absolute: KKT
    relative: Residuals
    accuracy: Accuracy
    claimed: bool | None = None
    own: KKT = NO_KKT

    @property
    def solved(self) -> bool:
        """Verdict of qpbenchmark: found, and each residual below the tolerance."""
        return self.found and max(self.primal, self.dual, self.gap) < self.tolerance

    @property
    def solved_here(self) -> bool:
        """Verdict of this benchmark on the same answer by the same absolute residuals.

        It also asks for multipliers of inequalities that are not below 0 by the tolerance.
        """
        return self.found and max(self.absolute) < self.tolerance

    @property
    def solved_relative(self) -> bool:
        """Verdict of this benchmark on the same answer by its relative residuals."""
        return self.found and all(value < self.tolerance for value in self.relative)

    @property
    def solved_by_own(self) -> bool | None:
        """Verdict on this benchmark's own run, by absolute residuals; None where there is none."""
        return None if self.claimed is None else self.claimed and max(self.own) < self.tolerance

    @property
    def right(self) -> bool:
        """Whether error and violation are at most 1e-6."""
        return self.accuracy.error <= ACCURATE and self.accuracy.violation <= ACCURATE

    @property
    def false(self) -> bool:
        """Whether qpbenchmark's verdict is that the program is solved, and the delay is wrong."""
        return self.solved and not self.right

    @property
    def reason(self) -> str:
        """Why the two verdicts on the same answer by absolute residuals differ; empty if not."""
        if self.solved == self.solved_here:
            return ""
        sign = self.solved and self.absolute.cone >= self.tolerance
        return "multiplier of the wrong sign" if sign else "arithmetic"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and verdicts as plain numbers and strings."""
        fields = ("instance", "solver", "settings", "tolerance", "found", "runtime")
        said = ("solved", "solved_here", "solved_relative", "solved_by_own", "right", "reason")
        return {
            **{name: getattr(self, name) for name in (*fields, *said)},
            **{f"peer_{name}": getattr(self, name) for name in ("primal", "dual", "gap")},
            "absolute": self.absolute._asdict(),
            "relative": self.relative._asdict(),
            "own": self.own._asdict(),
            "error": self.accuracy.error,
            "violation": self.accuracy.violation,
        }


def verdict(
    line: dict[str, Any],
    settings: str,
    tolerance: float,
    program: ConeProgram,
    instance: ProblemInstance,
    answer: Any,
    own: Answer | None,
) -> Verdict:
    """Return the verdicts on an answer.

    Parameters
    ----------
    line : dict
        Line of qpbenchmark's table of results.
    settings : str
    tolerance : float
    program : ConeProgram
    instance : ProblemInstance
    answer : qpsolvers.Solution
    own : Answer or None
        Answer of the same solver in this benchmark's own run.
    """
    x, y = _finite(answer.x), multipliers(program, answer.y, answer.z)
    own_x, own_y = (None, None) if own is None else (_finite(own.x), _finite(own.y))
    return Verdict(
        instance=program.name,
        solver=line["solver"],
        settings=settings,
        tolerance=tolerance,
        found=bool(line["found"]),
        primal=float(line["primal_residual"]),
        dual=float(line["dual_residual"]),
        gap=float(line["duality_gap"]),
        runtime=float(line["runtime"]),
        absolute=NO_KKT if x is None or y is None else absolute_residuals(program, x, y),
        relative=NO_RESIDUALS if x is None else residuals(program, x, y),
        accuracy=NO_ANSWER if x is None else accuracy_at(instance, program, x),
        claimed=None if own is None else own.status == cp.OPTIMAL,
        own=NO_KKT if own_x is None or own_y is None else absolute_residuals(program, own_x, own_y),
    )


def multipliers(program: ConeProgram, y: Array | None, z: Array | None) -> Array | None:
    """Return the multipliers of all rows, equations first; None where some are missing."""
    parts = [np.ravel(part) for part in (y, z) if part is not None]
    joined = np.concatenate(parts) if parts else np.empty(0)
    return _finite(joined) if joined.size == program.b.size else None


def _finite(values: Any) -> Array | None:
    """Return values as an array; None where one is missing or not finite."""
    if values is None:
        return None
    array = np.asarray(values, dtype=float)
    return array if np.isfinite(array).all() else None


def disagreements(found: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that differ on the same answer by the same residuals."""
    return [verdict for verdict in found if verdict.reason]
