"""Result of one case: status, accuracy and times of a solver."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp

ACCURATE = 1e-6
"""Largest relative error of the mean delay, and largest violation, of an accurate answer."""


@dataclass(frozen=True)
class Row:
    """Result of a solver on a problem.

    Attributes
    ----------
    problem : str
    n : int
        Size: number of servers or stages.
    load : float
        Part of the largest load.
    formulation, solver, settings : str
    status : str
        CVXPY's status, or type and message of the solver's exception.
    error : float
        Relative error of the mean delay against the closed form; infinite without an answer, and
        where a queue grows without bound.
    violation : float
        Largest relative violation of a constraint; infinite without an answer.
    build_seconds : float
        Time to write the problem.
    compile_seconds : float
        Time of CVXPY's compilation to cones, in the first run.
    solve_seconds : float
        Time of the solver: median of `repeats` runs.
    repeats : int
    """

    problem: str
    n: int
    load: float
    formulation: str
    solver: str
    settings: str
    status: str
    error: float
    violation: float
    build_seconds: float
    compile_seconds: float
    solve_seconds: float
    repeats: int

    @property
    def claimed(self) -> bool:
        """Whether the status is ``optimal``; ``optimal_inaccurate`` is no claim."""
        return self.status == cp.OPTIMAL

    @property
    def denied(self) -> bool:
        """Whether the status denies that there is an optimum; there always is one."""
        return self.status.startswith(("infeasible", "unbounded"))

    @property
    def right(self) -> bool:
        """Whether the error and the violation are at most 1e-6."""
        return self.error <= ACCURATE and self.violation <= ACCURATE

    @property
    def false_claim(self) -> bool:
        """Whether the status is ``optimal`` and the answer is not right."""
        return self.claimed and not self.right

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Return all fields and properties as plain numbers and strings."""
        return {
            **vars(self),
            "claimed": self.claimed,
            "right": self.right,
            "false_claim": self.false_claim,
        }
