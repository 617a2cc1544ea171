"""The certificate of an answer that is one number: bounds on the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...reference.errors import Array


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

    def __mul__(self, factor: float) -> Bounds:
        """Bounds of the value in another unit."""
        return Bounds(self.lower_bound * factor, self.upper_bound * factor, self.gap)


def bounds(value: float, lower: float, upper: float, rounding: float = 0.0) -> Bounds:
    """Return the certificate of a value from bounds that hold up to a relative rounding error."""
    low, high, gap = bounds_of(*(np.asarray(float(v)) for v in (value, lower, upper, rounding)))
    return Bounds(float(low), float(high), float(gap))


def bounds_of(
    value: Array, lower: Array, upper: Array, rounding: Array
) -> tuple[Array, Array, Array]:
    """Return lower bounds, upper bounds and gaps of many values; see `bounds`.

    A lower bound above the upper one is wrong: the gap then says by how much.
    """
    low, high = lower * (1 - rounding), upper * (1 + rounding)
    sure = np.isfinite(value) & (low > 0) & np.isfinite(high)
    worst = np.maximum(np.abs(high - value), np.abs(value - low))
    nothing = (low == 0) & (high == 0)  # what is 0 for sure is so exactly
    gap = np.divide(worst, low, out=np.where(nothing, np.abs(value), np.inf), where=sure)
    return (
        np.where(np.isfinite(low), np.clip(low, 0.0, high), 0.0),
        np.where(sure | nothing, high, np.inf),
        gap,
    )
