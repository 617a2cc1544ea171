"""What every answer records: who was asked, and how long it took; and numbers ready for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds spent: writing the problem, compiling it to cones, in the solver's hands, polishing and certifying."""

    build: float
    compile: float
    solve: float
    finish: float = 0.0


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


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with None for what is infinite."""
    return {k: finite_or_none(v) if isinstance(v, float) else v for k, v in values.items()}


def finite_or_none(value: Any) -> float | None:
    """Return a number for JSON, which has no word for what is infinite or missing."""
    number = float(value)
    return number if math.isfinite(number) else None
