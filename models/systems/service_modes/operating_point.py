"""Results for a system with service modes: an operating point, or the largest load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ....reference.errors import Array
from ...core.certificate import Bounds
from ...core.solution import CertifiedAnswer, finite_or_none

ASSIGNMENT_GAP = 1e-7
"""Default relative gap of a polished best assignment.

Its lower bound is that of a semidefinite program: solvers reach about 1e-11, but only 3e-8 near a
breakaway, where two assignments are equally good and the program is degenerate.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class ModeSplit:
    """Operating point of S stages and M modes: assignment, partition and delays.

    Abstract: `OperatingPoint` is the answer to a question, `OperatingEvaluation` a given point.

    Attributes
    ----------
    load : float
        Jobs per unit of time.
    stages, modes : tuple of str
        Names of the stages and of the modes.
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode.
    share : ndarray, shape (S, M)
        Part of each stage's capacity for each mode: the partition.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage; infinite at an overloaded stage.
    fixed_delay : float
        Mean fixed delay of a job, beside the stages.
    """

    load: float
    stages: tuple[str, ...]
    modes: tuple[str, ...]
    assignment: Array
    share: Array
    stage_delay: Array
    fixed_delay: float = 0.0

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the modes with jobs."""
        return tuple(m for m, p in zip(self.modes, self.assignment, strict=True) if p > 0)

    def _lines(self) -> list[str]:
        """Text: a line for the jobs, a line for each stage, and one for fixed delays.

        Of more than two modes only those with jobs are listed.
        """
        width = max(map(len, self.stages))
        listed = range(2) if len(self.modes) == 2 else np.flatnonzero(self.assignment > 0)
        jobs = ", ".join(f"{self.assignment[m]:.4f} {self.modes[m]}" for m in listed)
        lines = [f"  jobs: {jobs}"]
        for name, row, delay in zip(self.stages, self.share, self.stage_delay, strict=True):
            shares = ", ".join(f"{row[m]:.4f}" for m in listed)
            lines.append(f"  {name:<{width}}  for them {shares}  delay {delay:.6g}")
        if self.fixed_delay:
            lines.append(f"  fixed delay of their modes {self.fixed_delay:.6g}")
        return lines

    def _named_arrays(self) -> dict[str, Any]:
        """Assignment, shares and delays by names of stages and modes, ready for JSON."""
        shares = zip(self.stages, self.share.tolist(), strict=True)
        delays = zip(self.stages, self.stage_delay, strict=True)
        return {
            "assignment": dict(zip(self.modes, self.assignment.tolist(), strict=True)),
            "share": {stage: dict(zip(self.modes, row, strict=True)) for stage, row in shares},
            "stage_delay": {stage: finite_or_none(delay) for stage, delay in delays},
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class OperatingPoint(ModeSplit, CertifiedAnswer):
    """Certified operating point of a system with service modes.

    Attributes
    ----------
    goal : {"partition", "assignment"}
        Question that it answers: the best partition for a given assignment, or the best of both.
    load : float
        Jobs per unit of time.
    mean_delay : float
        Mean time of a job in the system, the sum of `stage_delay` and `fixed_delay`.
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode.
    share : ndarray, shape (S, M)
        Part of each stage's capacity for each mode: the partition.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage.
    fixed_delay : float
        Mean fixed delay of a job, beside the stages; 0 where no mode has one.
    stages, modes : tuple of str
        Names of the stages and of the modes.
    certificate : Bounds
        ``lower_bound`` and ``upper_bound`` of the least mean delay (of this assignment, or of all),
        and their relative ``gap``.
    certified : bool
        Whether the gap is within the requested one.
    polished : int
        Newton steps after the solver; 0 for the solver's own answer.
    solver, formulation, status, attempts, timing, problem
        Which solver answered and how; see `sojourn.models.core.solution.Provenance`.

    Notes
    -----
    In the symbols of Jeff and Modiano, a `DualMode` system has the operating point (`p`, `alpha`,
    `beta`).

    Examples
    --------
    >>> from sojourn.models import DualMode
    >>> DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).partition(load=4.5, p=0.5).share.round(4)
    array([[0.2616, 0.7384],
           [0.5594, 0.4406]])
    """

    goal: Literal["partition", "assignment"]
    mean_delay: float
    certificate: Bounds

    times: ClassVar[tuple[str, ...]] = ("stage_delay", "fixed_delay", "mean_delay", "certificate")

    @property
    def p(self) -> float:
        """Part of the jobs in the first mode."""
        return float(self.assignment[0])

    @property
    def alpha(self) -> float:
        """Part of the first stage's capacity (the local server's) for the first mode."""
        return float(self.share[0, 0])

    @property
    def beta(self) -> float:
        """Part of the last stage's capacity (the cloud server's) for the first mode."""
        return float(self.share[-1, 0])

    def __repr__(self) -> str:
        goal = "best partition" if self.goal == "partition" else "best assignment and partition"
        head = f"{goal} at load {self.load:g}: mean delay {self.mean_delay:.9g}"
        return "\n".join([head, f"  {self.proof}", *self._lines()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON, without the problem.

        None stands for infinity, which JSON does not have.
        """
        return {"goal": self.goal, **self._named_arrays(), **super().to_dict()}


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxLoad(CertifiedAnswer):
    """Certified largest load that the stages can carry.

    Attributes
    ----------
    max_load : float
        Jobs per unit of time; every smaller load can be carried with this assignment.
    assignment : ndarray, shape (M,)
        Part of the jobs in each mode at the largest load.
    price : ndarray, shape (S,)
        Relative increase of the largest load by a relative increase of each stage's capacity; 0
        for a stage that is no bottleneck.
    certificate : Bounds
        The assignment gives the lower bound, the prices the upper one, by weak duality.
    certified, polished, solver, formulation, status, attempts, timing, problem
        As of `OperatingPoint`.
    """

    max_load: float
    assignment: Array
    price: Array
    certificate: Bounds

    def __repr__(self) -> str:
        return f"largest load {self.max_load:.9g}, {self.proof}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON, without the problem."""
        return {
            "assignment": self.assignment.tolist(),
            "price": self.price.tolist(),
            **super().to_dict(),
        }
