"""Verdicts on one answer: of qpbenchmark, of this benchmark by residuals, and of the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .....reference.errors import Array
from ..instances import accuracy_at
from ..problem import Accuracy, InstanceKey, ProblemInstance
from ..programs.cone_program import ConeProgram
from ..programs.residuals import Residuals, residuals
from ..row import ACCURATE, Row
from .quadratic import KKT, absolute_residuals

if TYPE_CHECKING:
    from .qpbenchmark_run import KeptResults

INF = math.inf
NO_ANSWER = (Residuals(INF, INF, INF), KKT(INF, INF, INF, INF), Accuracy(INF, INF, INF, INF))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one answer that qpbenchmark got from a solver.

    Attributes
    ----------
    instance : str
        `InstanceKey.name`.
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
    relative : Residuals
        Relative residuals of the same answer by this benchmark.
    absolute : KKT
        Absolute ones by this benchmark.
    accuracy : Accuracy
        Distance of the same answer from the truth.
    own : Row or None
        Result of this benchmark's own run of the solver, with settings of the same name.
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
    relative: Residuals
    absolute: KKT
    accuracy: Accuracy
    own: Row | None = None

    @property
    def solved(self) -> bool:
        """Verdict of qpbenchmark: found, and each residual below the tolerance."""
        return self.found and max(self.primal, self.dual, self.gap) < self.tolerance

    @property
    def solved_here(self) -> bool:
        """Verdict of this benchmark on the same answer, by its relative residuals."""
        return self.found and _met(self.relative, self.tolerance)

    @property
    def solved_by_own(self) -> bool | None:
        """Verdict of this benchmark on its own run of the solver; None where there is none."""
        if self.own is None or self.own.skipped:
            return None
        row = self.own
        found = Residuals(row.primal_residual, row.dual_residual, row.complementarity)
        return row.claimed and _met(found, self.tolerance)

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
        """Why the two verdicts on the same answer differ; empty where they agree."""
        if self.solved == self.solved_here:
            return ""
        if self.solved and self.absolute.cone > self.tolerance:
            return "multiplier of the wrong sign"
        largest = max(self.absolute.primal, self.absolute.dual, self.absolute.gap)
        if self.solved == (largest < self.tolerance):
            return "passes by absolute residuals alone" if self.solved else "by relative ones alone"
        return "unexplained"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and verdicts as plain numbers and strings."""
        flat = {
            name: getattr(self, name)
            for name in ("instance", "solver", "settings", "tolerance", "found")
            + ("primal", "dual", "gap", "runtime")
            + ("solved", "solved_here", "solved_by_own", "right", "false", "reason")
        }
        return {
            **flat,
            "relative": self.relative._asdict(),
            "absolute": self.absolute._asdict(),
            "error": self.accuracy.error,
            "violation": self.accuracy.violation,
        }


def verdicts(
    results: KeptResults,
    programs: Mapping[str, tuple[InstanceKey, ConeProgram, ProblemInstance]],
    names: Mapping[str, str],
    own: Iterable[Row] = (),
) -> list[Verdict]:
    """Return the verdicts on all answers of a run of qpbenchmark.

    Parameters
    ----------
    results : KeptResults
        See `sojourn.models.benchmarks.solvers.peers.qpbenchmark_run.run`.
    programs : mapping of str to (InstanceKey, ConeProgram, ProblemInstance)
        By the name of the instance.
    names : mapping of str to str
        qpbenchmark's names of the settings, by this benchmark's.
    own : iterable of Row
        Rows of this benchmark's own run.
    """
    tolerances = {short: results.test_set.tolerances[long].primal for short, long in names.items()}
    short = {long: short for short, long in names.items()}
    rows = {(row.key.name, row.solver.lower(), row.settings): row for row in own}
    found = []
    for line in results.df.to_dict("records"):
        settings = short[line["settings"]]
        cell = (line["problem"], line["solver"], settings)
        _, program, instance = programs[line["problem"]]
        answer = results.answers[line["problem"], line["solver"], line["settings"]]
        relative, absolute, accuracy = judge(program, instance, answer)
        found.append(
            Verdict(
                instance=line["problem"],
                solver=line["solver"],
                settings=settings,
                tolerance=tolerances[settings],
                found=bool(line["found"]),
                primal=float(line["primal_residual"]),
                dual=float(line["dual_residual"]),
                gap=float(line["duality_gap"]),
                runtime=float(line["runtime"]),
                relative=relative,
                absolute=absolute,
                accuracy=accuracy,
                own=rows.get(cell),
            )
        )
    return found


def judge(
    program: ConeProgram, instance: ProblemInstance, answer: Any
) -> tuple[Residuals, KKT, Accuracy]:
    """Return relative and absolute residuals, and the accuracy, of a ``qpsolvers.Solution``."""
    x = answer.x
    if x is None or not np.all(np.isfinite(x)):
        return NO_ANSWER
    x, y = np.asarray(x, dtype=float), _multipliers(program, answer.y, answer.z)
    accuracy = accuracy_at(instance, program, x)
    if y is None:
        return residuals(program, x, None), NO_ANSWER[1], accuracy
    return residuals(program, x, y), absolute_residuals(program, x, y), accuracy


def _multipliers(program: ConeProgram, y: Array | None, z: Array | None) -> Array | None:
    """Return the multipliers of all rows, equations first; None where some are missing."""
    parts = [np.ravel(part) for part in (y, z) if part is not None]
    joined = np.concatenate(parts) if parts else np.empty(0)
    finite = joined.size == program.b.size and bool(np.all(np.isfinite(joined)))
    return joined if finite else None


def _met(found: Residuals, tolerance: float) -> bool:
    """Return whether all residuals are at most a tolerance; an unknown one is not."""
    return all(value <= tolerance for value in found)


def disagreements(found: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that differ on the same answer."""
    return [verdict for verdict in found if verdict.reason]
