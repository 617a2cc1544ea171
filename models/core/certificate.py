"""The certificate of a number: a lower and an upper bound of its true value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...reference.errors import Array


@dataclass(frozen=True)
class Bounds:
    """Bounds of the true value, and the largest relative error of the reported one.

    Attributes
    ----------
    lower_bound, upper_bound : float
        Bounds of the true value.
    gap : float
        Largest relative error that the reported value can have.
    """

    lower_bound: float
    upper_bound: float
    gap: float

    def __mul__(self, factor: float) -> Bounds:
        """Return the bounds of the value multiplied by a positive factor, such as of a unit."""
        return Bounds(self.lower_bound * factor, self.upper_bound * factor, self.gap)


def bounds(value: float, lower: float, upper: float, rounding: float = 0.0) -> Bounds:
    """Return the certificate of a value.

    Parameters
    ----------
    value : float
        Reported value.
    lower, upper : float
        Bounds of the true value, each right up to the relative error `rounding`.
    rounding : float, default 0
        The bounds of the certificate are wider by this part.

    Returns
    -------
    Bounds
        The gap is max(upper - value, value - lower) / lower, infinite where nothing is proved.
    """
    low, high, gap = bounds_of(*(np.asarray(float(v)) for v in (value, lower, upper, rounding)))
    return Bounds(float(low), float(high), float(gap))


def bounds_of(
    value: Array, lower: Array, upper: Array, rounding: Array
) -> tuple[Array, Array, Array]:
    """Return the certificates of many values; see `bounds`.

    Parameters
    ----------
    value, lower, upper, rounding : ndarray, shape (...)
        Values, bounds of their true values, and relative rounding errors of these bounds.

    Returns
    -------
    lower_bound, upper_bound, gap : ndarray, shape (...)
        Where the bounds contradict each other (lower above upper), the gap is at least as large as
        the contradiction.
    """
    low, high = lower * (1 - rounding), upper * (1 + rounding)
    proved = np.isfinite(value) & (low > 0) & np.isfinite(high)
    error = np.maximum(np.abs(high - value), np.abs(value - low))
    zero = (low == 0) & (high == 0)  # the true value is exactly 0: no relative error
    gap = np.divide(error, low, out=np.where(zero, np.abs(value), np.inf), where=proved)
    return (
        np.where(np.isfinite(low), np.clip(low, 0.0, high), 0.0),
        np.where(proved | zero, high, np.inf),
        gap,
    )
