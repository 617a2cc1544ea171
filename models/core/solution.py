"""What every answer records: who was asked, and how long it took; and numbers ready for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp


@dataclass(frozen=True)
class Timing:
    """Seconds spent: writing the problem, compiling it to cones, in the solver's hands, polishing and certifying."""

    build: float
    compile: float
    solve: float
    finish: float = 0.0

    def __add__(self, other: Timing) -> Timing:
        """Seconds of both."""
        return Timing(self.build + other.build, self.compile + other.compile, self.solve + other.solve, self.finish + other.finish)


@dataclass(frozen=True)
class Attempt:
    """One solver's try.

    Attributes
    ----------
    solver, formulation, status : str
        `status` is the solver's own word, or the error it raised.
    gap : float
        Of the certificate of what it returned; infinite where it returned nothing.
    seconds : float
    """

    solver: str
    formulation: str
    status: str
    gap: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Provenance:
    """How an answer was found.

    Attributes
    ----------
    solver, formulation, status : str
        Who found it, from which problem, and the solver's own word for it.
    attempts : tuple of Attempt
        All that was tried, in order.
    timing : Timing
    problem : cvxpy.Problem
        The problem that was solved, in its own unit of time.
    """

    solver: str
    formulation: str
    status: str
    attempts: tuple[Attempt, ...]
    timing: Timing
    problem: cp.Problem = field(repr=False)


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with None for what is infinite."""
    return {k: finite_or_none(v) if isinstance(v, float) else v for k, v in values.items()}


def finite_or_none(value: Any) -> float | None:
    """Return a number for JSON, which has no word for what is infinite or missing."""
    number = float(value)
    return number if math.isfinite(number) else None
