"""Problem of the solver benchmark: systems by size and severity, formulations, the true answer."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import cvxpy as cp
import numpy as np

from ....reference.errors import Array


class Axes(NamedTuple):
    """Size and severity of a random system.

    Attributes
    ----------
    n : int
        Size: number of servers, stages, routes or observations.
    rate_spread : float
        Largest rate of the draw divided by the smallest one, >= 1.
    delay_spread : float
        Largest fixed delay of the draw in mean service times of a typical server; 0 for none.
    """

    n: int
    rate_spread: float = 10.0
    delay_spread: float = 5.0


class Truth(NamedTuple):
    """The true answer, of a closed form or of an exact algorithm.

    Attributes
    ----------
    value : float
        Least mean delay, or the optimum of what else the problem asks for.
    answer : ndarray, shape (m,)
        Flows, shares or rates of the optimum; empty where it is not unique.
    """

    value: float
    answer: Array


class Accuracy(NamedTuple):
    """Distance of a solver's answer from the true one.

    Attributes
    ----------
    error : float
        Relative error of the value; infinite where a queue grows without bound.
    flow_error : float
        Largest error of a flow relative to the largest flow; NaN where the optimum is not unique.
    violation : float
        Largest relative violation of a constraint; at most 0 where there is none. A split outside
        the stable region violates one.
    gap : float
        Relative error that the library's certificate of the answer allows; NaN where there is no
        certificate of a given answer.
    """

    error: float
    flow_error: float
    violation: float
    gap: float


NO_ANSWER = Accuracy(math.inf, math.inf, math.inf, math.inf)


class Written(NamedTuple):
    """A convex program, and those of its variables that hold the answer.

    Attributes
    ----------
    problem : cvxpy.Problem
    variables : mapping of str to cvxpy.Variable
    """

    problem: cp.Problem
    variables: Mapping[str, cp.Variable]


@dataclass(frozen=True, eq=False)
class ProblemInstance:
    """One formulation of a problem for one system at one load.

    Attributes
    ----------
    truth : Truth
        The true answer.
    write : callable
        Writes the program.
    judge : callable
        Function from the values of the `Written.variables`, all finite, to their `Accuracy`; it
        needs no program.
    optimum : float
        Optimum of the program's objective, as it is written; its unit is the program's own.
    best : mapping of str to ndarray
        Values of the `Written.variables` at the true answer; empty where they are not known.
    """

    truth: Truth
    write: Callable[[], Written]
    judge: Callable[[Mapping[str, Array]], Accuracy]
    optimum: float = math.nan
    best: Mapping[str, Array] = field(default_factory=dict)


def infeasible_instance(write: Callable[[], Written]) -> ProblemInstance:
    """Return the instance of an infeasible program, to which no values are a right answer."""
    return ProblemInstance(Truth(math.inf, np.empty(0)), write, lambda _: NO_ANSWER)


Overload: TypeAlias = Callable[[float], Written]
"""Function from a load above 1, as a part of the largest one, to an infeasible program."""


@dataclass(frozen=True)
class Problem:
    """Problems of all sizes and severities with known answers.

    Attributes
    ----------
    name : str
        Name on the command line and in files: lower case with hyphens, such as ``mm1-optimum``.
    title : str
        Name in tables, such as ``M/M/1 optimum``.
    build : callable
        Function from `Axes` and a random generator to a system.
    formulations : callable
        Function from a system to its formulations, each with the cones beyond the linear ones that
        a solver must support (see `sojourn.models.core.solvers.supported_cones`).
    instance : callable
        Function from a system, a formulation and a part of the largest load to a
        `ProblemInstance`.
    sizes : sequence of int
        Default sizes.
    largest : int
        Largest size.
    spreads : sequence of (float, float)
        Default pairs of `Axes.rate_spread` and `Axes.delay_spread`.
    overload : callable
        Function from a system and a formulation to its `Overload`; None where the formulation has
        no largest load, or no program above it.
    any_load : bool
        Whether a system has an optimum at any load, so that none of its loads is near an edge.
    """

    name: str
    title: str
    build: Callable[[Axes, np.random.Generator], Any]
    formulations: Callable[[Any], Mapping[str, frozenset[str]]]
    instance: Callable[[Any, str, float], ProblemInstance]
    sizes: Sequence[int] = (3, 30, 300)
    largest: int = 1_000_000
    spreads: Sequence[tuple[float, float]] = ((10.0, 5.0),)
    overload: Callable[[Any, str], Overload | None] = lambda system, formulation: None
    any_load: bool = False

    def system(self, axes: Axes, seed: int) -> Any:
        """Return the system of axes and a seed, whatever else is drawn."""
        name = zlib.crc32(self.name.encode())
        scales = (float(axes.rate_spread).hex(), float(axes.delay_spread).hex())
        spread = zlib.crc32(" ".join(scales).encode())
        return self.build(axes, np.random.default_rng([seed, axes.n, name, spread]))


class InstanceKey(NamedTuple):
    """What determines an instance: problem, axes, load, formulation and seed.

    Attributes
    ----------
    problem : str
        `Problem.name`.
    formulation : str
    n : int
    load : float
        Part of the largest load: below 1, or above 1 where the instance is infeasible.
    rate_spread, delay_spread : float
    seed : int
    """

    problem: str
    formulation: str
    n: int
    load: float
    rate_spread: float
    delay_spread: float
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the instance's files, such as ``mm1-optimum.inv_pos.n30.load0.9.r10.d5.s0``."""
        load, rates, delays = map(_text, (self.load, self.rate_spread, self.delay_spread))
        axes = f"n{self.n}.load{load}.r{rates}.d{delays}.s{self.seed}"
        return f"{self.problem}.{self.formulation}.{axes}"

    @property
    def axes(self) -> Axes:
        """Size and severity of the system."""
        return Axes(self.n, self.rate_spread, self.delay_spread)

    @property
    def infeasible(self) -> bool:
        """Whether the load is above the largest one, so that ``infeasible`` is the right answer."""
        return self.load > 1.0


def _text(number: float) -> str:
    """Return a number as text that no other number has."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))
