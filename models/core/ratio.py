"""Floats with certified bounds: delays, ratios of delays, and differences of delays."""

from __future__ import annotations

import math
from typing import NoReturn, Protocol, Self

import numpy as np

from ...reference.errors import Array
from ...reference.validation import as_positive

ROUNDING = 32 * float(np.finfo(float).eps)
"""Relative rounding error of the quotient of two delays and of their bounds."""


class _Certificate(Protocol):
    @property
    def lower_bound(self) -> float: ...

    @property
    def upper_bound(self) -> float: ...


class _Answer(Protocol):
    @property
    def mean_delay(self) -> float: ...

    @property
    def certificate(self) -> _Certificate: ...


class BoundedValue(float):
    """A float with bounds of its true value. Arithmetic with it returns plain floats.

    Attributes
    ----------
    lower, upper : float
        Bounds of the true value.
    """

    __slots__ = ("lower", "upper")
    lower: float
    upper: float

    def __new__(cls, value: float, lower: float, upper: float) -> Self:
        """Make a number with bounds."""
        new = super().__new__(cls, value)
        object.__setattr__(new, "lower", float(lower))
        object.__setattr__(new, "upper", float(upper))
        return new

    @property
    def spread(self) -> float:
        """Distance of the bounds relative to the lower one; infinite where that is 0."""
        return self.upper / self.lower - 1 if self.lower > 0 else math.inf

    def scaled(self, factor: float) -> BoundedValue:
        """Return the number and its bounds multiplied by a factor above 0, such as of a unit."""
        factor = as_positive("factor", factor, "give by how much to multiply")
        return BoundedValue(self * factor, self.lower * factor, self.upper * factor)

    def __reduce__(self) -> tuple[type[Self], tuple[float, float, float]]:
        """Return the class and the numbers, for copies and pickles."""
        return type(self), (float(self), self.lower, self.upper)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is immutable: {name} cannot be deleted")


class Ratio(BoundedValue):
    """Ratio of a mean delay to the least possible one, with bounds.

    `lower` is at least 1; `upper` is infinite where no upper bound is proved.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> ratio = ParallelServers(MM1(rate=[10.0, 5.0])).price_of_anarchy(load=9.0)
    >>> round(ratio, 6), ratio.lower <= ratio <= ratio.upper < ratio.lower + 1e-9
    (1.050044, True)
    """

    __slots__ = ()

    @classmethod
    def of(cls, found: _Answer, least: _Answer) -> Self:
        """Return the ratio of the mean delays of an answer and of an optimum."""
        return cls.to(
            *(
                BoundedValue(s.mean_delay, s.certificate.lower_bound, s.certificate.upper_bound)
                for s in (found, least)
            )
        )

    @classmethod
    def to(cls, found: BoundedValue, least: BoundedValue) -> Self:
        """Return the ratio of a delay to the least possible delay."""
        return cls(
            *map(float, ratios(*((np.float64(s), s.lower, s.upper) for s in (found, least))))
        )


class PriceOfAnarchy(Ratio):
    """Mean delay of the equilibrium over that of the optimum, eq. (19) of Mancuso et al."""

    __slots__ = ()


Delay = tuple[Array | float, Array | float, Array | float]
"""Value, lower bound and upper bound of a delay."""


def ratios(found: Delay, least: Delay) -> tuple[Array, Array, Array]:
    """Return ratios of mean delays to the least possible ones, and their bounds.

    Parameters
    ----------
    found, least : tuple of array_like, shape (...)
        Value, lower bound and upper bound of the delays, and of the least delays.

    Returns
    -------
    ratio, lower, upper : ndarray, shape (...)
        The bounds are at least 1, since no delay is below the least one, and the ratio lies between
        them. Where the delay is 0, such as on an empty road without a length, the ratio is 1.
    """
    (value, low, high), (best, best_low, best_high) = found, least
    with np.errstate(all="ignore"):
        lower = np.fmax(np.asarray(low) / best_high * (1 - ROUNDING), 1.0)
        upper = np.asarray(high) / best_low * (1 + ROUNDING)
        upper = np.where(
            np.isnan(upper), np.where(np.asarray(high) == 0, 1.0, np.inf), np.maximum(upper, lower)
        )
        return (
            np.where(np.asarray(high) == 0, 1.0, np.clip(np.asarray(value) / best, lower, upper)),
            lower,
            upper,
        )


def excess(found: BoundedValue, least: BoundedValue) -> BoundedValue:
    """Return the difference of a delay and the least possible delay, at least 0, with bounds."""
    lower, upper = max(found.lower - least.upper, 0.0), max(found.upper - least.lower, 0.0)
    return BoundedValue(min(max(found - least, lower), upper), lower, upper)


def within(value: float, rounding: float) -> BoundedValue:
    """Return a number with the bounds of a relative rounding error."""
    spread = abs(value) * rounding if math.isfinite(value) else 0.0
    return BoundedValue(value, value - spread, value + spread)
