"""Distributions of service times, in units of their mean: a station multiplies by its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...reference.errors import Array, InputError
from ...reference.validation import as_floats, check_choice, raise_at_first


class Service(ABC):
    """A distribution of service times of mean 1.

    A subclass gives ``cv``, the coefficient of variation, and `draw`.
    """

    cv: float

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n independent service times of mean 1, shape (n,).

        Parameters
        ----------
        rng : numpy.random.Generator
        n : int
        """


@dataclass(frozen=True)
class Exponential(Service):
    """Exponential service times, of cv 1.

    Examples
    --------
    >>> Exponential().draw(np.random.default_rng(0), 3).shape
    (3,)
    """

    cv: float = 1.0

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        return rng.standard_exponential(n)


@dataclass(frozen=True)
class Deterministic(Service):
    """Service times that are all equal, of cv 0."""

    cv: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        return np.ones(n)


@dataclass(frozen=True)
class Gamma(Service):
    """Gamma service times of shape 1/cv^2.

    Parameters
    ----------
    cv : float
        Coefficient of variation, above 0.
    """

    cv: float

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        square = self.cv**2
        return square * rng.standard_gamma(1.0 / square, n)


@dataclass(frozen=True)
class Lognormal(Service):
    """Lognormal service times: the logarithm is normal, of variance log(1 + cv^2).

    Parameters
    ----------
    cv : float
        Coefficient of variation, above 0.
    """

    cv: float

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        variance = np.log1p(self.cv**2)
        return np.asarray(np.exp(np.sqrt(variance) * rng.standard_normal(n) - 0.5 * variance))


@dataclass(frozen=True)
class Hyperexponential(Service):
    """Service times of one of two exponential laws, which have equal parts of the mean.

    With the probability p = (1 + sqrt((cv^2 - 1)/(cv^2 + 1)))/2 the mean is 1/(2 p), otherwise
    1/(2 (1 - p)): balanced means, as in H. C. Tijms, *A First Course in Stochastic Models* (2003),
    app. B.

    Parameters
    ----------
    cv : float
        Coefficient of variation, 1 or more.
    """

    cv: float

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        square = self.cv**2
        often = 0.5 * (1.0 + np.sqrt((square - 1.0) / (square + 1.0)))
        mean = np.where(rng.random(n) < often, 0.5 / often, 0.5 / (1.0 - often))
        return np.asarray(mean * rng.standard_exponential(n))


@dataclass(frozen=True, eq=False)
class Samples(Service):
    """Service times drawn from samples, each as likely as the others, divided by their mean.

    Parameters
    ----------
    values : array_like, shape (m,)
        Service times that were measured, in any unit, 0 or more, not all 0.

    Examples
    --------
    >>> Samples([2.0, 6.0]).values, Samples([2.0, 6.0]).cv
    (array([0.5, 1.5]), 0.5)
    """

    values: Array

    def __init__(self, values: npt.ArrayLike) -> None:
        times = as_floats("service", values)
        if times.ndim != 1 or not times.size:
            problem = "is no list of service times"
            raise InputError("service", values, problem, "give one number or more")
        good = np.isfinite(times) & (times >= 0)
        raise_at_first("service", times, good, "is no service time", "give a time, 0 or more")
        if not times.any():
            raise InputError("service", values, "is 0 in all samples", "give times above 0")
        times = times / times.max()  # so that no sum overflows
        object.__setattr__(self, "values", times / times.mean())

    @property
    def cv(self) -> float:  # type: ignore[override]
        """Coefficient of variation of the samples."""
        return float(self.values.std())

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """Return n service times; see `Service.draw`."""
        return np.asarray(self.values[rng.integers(0, self.values.size, n)])


NAMES = ("exponential", "deterministic", "gamma", "lognormal", "hyperexponential")
"""Names of distributions; the last three take the cv of the server."""


def gamma(cv: float) -> Service:
    """Return the gamma distribution of a cv, which may be 0 or 1.

    Examples
    --------
    >>> gamma(0.0), gamma(1.0), gamma(0.5)
    (Deterministic(cv=0.0), Exponential(cv=1.0), Gamma(cv=0.5))
    """
    if cv == 0.0:
        return Deterministic()
    return Exponential() if cv == 1.0 else Gamma(cv)


def as_service(given: Service | str | npt.ArrayLike | None, cv: float) -> Service:
    """Return the distribution that a user gives for a server.

    Parameters
    ----------
    given : Service, str, array_like of shape (m,), or None
        A distribution, one of `NAMES`, samples, or None for the gamma distribution of the cv.
    cv : float
        Coefficient of variation that the server has.

    Raises
    ------
    InputError
        On another name, on samples that are no times, and on a hyperexponential law of cv below 1.

    Examples
    --------
    >>> as_service("lognormal", 2.0)
    Lognormal(cv=2.0)
    """
    if given is None:
        return gamma(cv)
    if isinstance(given, Service):
        return given
    if not isinstance(given, str):
        return Samples(given)
    check_choice("service", given, NAMES, "is no distribution of service times")
    if given in ("exponential", "deterministic"):
        return Exponential() if given == "exponential" else Deterministic()
    if given == "hyperexponential" and cv < 1.0:
        problem = f"has a cv of 1 or more, and the server has {cv:g}"
        raise InputError("service", given, problem, "give gamma or lognormal")
    if given == "gamma" or cv == 0.0:
        return gamma(cv)
    return Lognormal(cv) if given == "lognormal" else Hyperexponential(cv)
