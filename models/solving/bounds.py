"""The certificate of an answer that is one number: bounds on the true one."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """How far an answer can be from the truth.

    Attributes
    ----------
    lower_bound, upper_bound : float
        The true value lies between them.
    gap : float
        Largest relative error that the reported value can have.
    """

    lower_bound: float
    upper_bound: float
    gap: float


def bounds(value: float, lower: float, upper: float, rounding: float = 0.0) -> Bounds:
    """Return the certificate of a value from bounds that hold up to a relative rounding error."""
    value, low, high = float(value), float(lower * (1 - rounding)), float(upper * (1 + rounding))
    if not (math.isfinite(value) and low > 0 and math.isfinite(high)):
        return Bounds(max(low, 0.0) if math.isfinite(low) else 0.0, math.inf, math.inf)
    return Bounds(low, high, max(abs(high - value), abs(value - low)) / low)
