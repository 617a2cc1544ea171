"""One question to one solver: what it said, what was true, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp

TRUE = 1e-6
"""Largest relative error in the mean delay, and largest violation of a constraint, of an answer that is right."""


@dataclass(frozen=True)
class Row:
    """A solver on a problem.

    Attributes
    ----------
    problem : str
    n : int
        Size: servers or stages.
    load : float
        As a part of the largest that the system can carry.
    formulation, solver, settings : str
    status : str
        CVXPY's word for the outcome, or the solver's own error.
    error : float
        Relative, of the mean delay against the closed form; infinite where there is no answer, or one under which a queue grows.
    violation : float
        Largest violation of a constraint; infinite where there is no answer.
    build_seconds, compile_seconds, solve_seconds : float
        Writing the problem, CVXPY's compilation to cones (of the first time), in the solver's hands (median of `repeats`).
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
        """Whether the solver said `optimal`; `optimal_inaccurate` is no claim."""
        return self.status == cp.OPTIMAL

    @property
    def denied(self) -> bool:
        """Whether the solver said that there is no answer, or no least one; there always is."""
        return self.status.startswith(("infeasible", "unbounded"))

    @property
    def right(self) -> bool:
        """Whether the answer is within 1e-6 of the true delay and feasible to 1e-6."""
        return self.error <= TRUE and self.violation <= TRUE

    @property
    def false_claim(self) -> bool:
        """Whether it said `optimal` of an answer that is not right."""
        return self.claimed and not self.right

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Return all of it as plain numbers and strings."""
        return {
            **vars(self),
            "claimed": self.claimed,
            "right": self.right,
            "false_claim": self.false_claim,
        }
