"""Ratios to the least mean delay, with bounds that two certificates prove."""

from __future__ import annotations

from typing import NoReturn, Protocol, Self

import numpy as np

from sojourn.reference.errors import Array

ROUNDING = 32 * float(np.finfo(float).eps)
"""Relative: that of the bounds of two delays, some sums of rounded products each, and of their quotient."""


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


class Ratio(float):
    """A mean delay over the least that there is: a float, with bounds.

    Arithmetic gives plain floats.

    Attributes
    ----------
    lower, upper : float
        The true ratio lies between them; `lower` is at least 1, and `upper` infinite where nothing is proved.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> ratio = ParallelServers(MM1(rate=[10.0, 5.0])).price_of_anarchy(load=9.0)
    >>> ratio.lower <= 1.05 <= ratio.upper, round(ratio, 6)
    (True, 1.05)
    """

    __slots__ = ("lower", "upper")
    lower: float
    upper: float

    def __new__(cls, value: float, lower: float, upper: float) -> Self:
        """Return the number with its bounds."""
        new = super().__new__(cls, value)
        object.__setattr__(new, "lower", float(lower))
        object.__setattr__(new, "upper", float(upper))
        return new

    def __getnewargs__(self) -> tuple[float, float, float]:  # type: ignore[override]
        """What copies and pickles are made of."""
        return float(self), self.lower, self.upper

    def __getstate__(self) -> None:
        """Nothing beside it."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is as it is: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is as it is: {name} cannot be deleted")

    @classmethod
    def of(cls, found: _Answer, least: _Answer) -> Self:
        """Return the ratio of two answers; the second is an optimum."""
        sides = ((np.float64(s.mean_delay), s.certificate.lower_bound, s.certificate.upper_bound) for s in (found, least))
        return cls(*map(float, ratios(*sides)))


class PriceOfAnarchy(Ratio):
    """Mean delay of an equilibrium over that of the optimum; eq. (19) of Mancuso et al. See `Ratio` for its bounds."""

    __slots__ = ()


Bounded = tuple[Array | float, Array | float, Array | float]


def ratios(found: Bounded, least: Bounded) -> tuple[Array, Array, Array]:
    """Return ratios of mean delays to the least, and their bounds, from values and bounds of both, shape (...).

    No delay is below the least, so no ratio is below 1. A quotient of two inexact values is moved between its bounds.
    """
    (value, low, high), (best, best_low, best_high) = found, least
    with np.errstate(all="ignore"):
        lower = np.fmax(np.asarray(low) / best_high * (1 - ROUNDING), 1.0)
        upper = np.fmax(np.where(np.asarray(best_low) > 0, high / np.asarray(best_low) * (1 + ROUNDING), np.inf), lower)
        return np.clip(np.asarray(value) / best, lower, upper), lower, upper
