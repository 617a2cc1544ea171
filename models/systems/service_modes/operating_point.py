"""What comes back of a system with service modes: an operating point, or the largest load, with its certificate and its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import cvxpy as cp

from ....reference.errors import Array
from ...core.certificate import Bounds
from ...core.solution import Attempt, Timing, finite


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """A certified operating point (p, alpha, beta) of S stages and M modes.

    Attributes
    ----------
    goal : {"partition", "assignment"}
        What was chosen: the partition alone, or the assignment of jobs with it.
    load : float
        Jobs per unit of time.
    stages, modes : tuple of str
        Their names.
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets.
    share : ndarray, shape (S, M)
        Part of each stage's capacity that each mode gets.
    stage_delay : ndarray, shape (S,)
        Mean time of a job at each stage.
    mean_delay : float
        Mean time of a job in the system.
    certificate : Bounds
        The least mean delay (of this assignment, or of all) lies between its bounds.
    certified : bool
        Whether the certificate meets the gap that was asked for.
    solver, formulation, status : str
        Who found it, from which problem, and the solver's own word for it.
    attempts : tuple of Attempt
        All that was tried, in order.
    polished : int
        Newton steps on p after the solver; 0 for the solver's own p.
    timing : Timing
    problem : cvxpy.Problem
        The problem that was solved, in its own unit of time. One serves all questions to a system: it holds the last one's numbers.
    """

    goal: Literal["partition", "assignment"]
    load: float
    stages: tuple[str, ...]
    modes: tuple[str, ...]
    assignment: Array
    share: Array
    stage_delay: Array
    mean_delay: float
    certificate: Bounds
    certified: bool
    solver: str
    formulation: str
    status: str
    attempts: tuple[Attempt, ...]
    polished: int
    timing: Timing
    problem: cp.Problem = field(repr=False)

    times: ClassVar[tuple[str, ...]] = ("stage_delay", "mean_delay", "certificate")

    @property
    def p(self) -> float:
        """Part of the jobs in the first mode."""
        return float(self.assignment[0])

    @property
    def alpha(self) -> float:
        """Part of the first stage (the local server) for the first mode."""
        return float(self.share[0, 0])

    @property
    def beta(self) -> float:
        """Part of the last stage (the cloud server) for the first mode."""
        return float(self.share[-1, 0])

    def __repr__(self) -> str:
        how = f"{self.solver.lower()}, {self.formulation}" + (f", {self.polished} Newton steps" if self.polished else "")
        what = "best partition" if self.goal == "partition" else "best assignment and partition"
        width = max(map(len, self.stages))
        return "\n".join(
            [
                f"{what} at load {self.load:g}: mean delay {self.mean_delay:.9g}",
                f"  {'certified' if self.certified else 'NOT CERTIFIED'} within {self.certificate.gap:.1e} ({how})",
                "  jobs: " + ", ".join(f"{a:.4f} {m}" for a, m in zip(self.assignment, self.modes, strict=True)),
                *(
                    f"  {name:<{width}}  for them {', '.join(f'{part:.4f}' for part in row)}  delay {delay:.6g}"
                    for name, row, delay in zip(self.stages, self.share, self.stage_delay, strict=True)
                ),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; all but the problem. What is infinite is None: JSON has no word for it."""
        return {
            "goal": self.goal,
            "load": self.load,
            "assignment": dict(zip(self.modes, self.assignment.tolist(), strict=True)),
            "share": {s: dict(zip(self.modes, row, strict=True)) for s, row in zip(self.stages, self.share.tolist(), strict=True)},
            "stage_delay": dict(zip(self.stages, self.stage_delay.tolist(), strict=True)),
            "mean_delay": self.mean_delay,
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "solver": self.solver,
            "formulation": self.formulation,
            "status": self.status,
            "polished": self.polished,
            "attempts": [finite(vars(a)) for a in self.attempts],
            "timing": vars(self.timing),
        }


@dataclass(frozen=True, eq=False)
class MaxLoad:
    """The largest load that the stages can carry, as the linear program says it.

    Attributes
    ----------
    max_load : float
        Every smaller load can be carried with this assignment.
    assignment : ndarray, shape (M,)
        Part of the jobs that each mode gets there.
    price : ndarray, shape (S,)
        What the largest load gains by a relative increase of each stage's capacity, in parts of it; 0 for a stage that is no bottleneck.
    certificate : Bounds
        From the assignment below, from the prices above: weak duality.
    certified, solver, status, attempts, timing, problem
        As in `OperatingPoint`.
    """

    max_load: float
    assignment: Array
    price: Array
    certificate: Bounds
    certified: bool
    solver: str
    status: str
    attempts: tuple[Attempt, ...]
    timing: Timing
    problem: cp.Problem = field(repr=False)

    def __repr__(self) -> str:
        word = "certified" if self.certified else "NOT CERTIFIED"
        return f"largest load {self.max_load:.9g}, {word} within {self.certificate.gap:.1e} ({self.solver.lower()})"
