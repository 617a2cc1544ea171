"""Problem of the solver benchmark: systems by size, formulations, and the true answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np


class Accuracy(NamedTuple):
    """Distance of a solver's answer from the true one.

    Attributes
    ----------
    error : float
        Relative error of the mean delay; infinite where a queue grows without bound.
    violation : float
        Largest relative violation of a constraint; at most 0 where there is none.
    """

    error: float
    violation: float


@dataclass(frozen=True, eq=False)
class ProblemInstance:
    """One formulation of a problem at one size and load.

    Attributes
    ----------
    problem : cvxpy.Problem
    accuracy : callable
        Compares the values of the variables after a solve with the closed form; called only when
        all of them are finite.
    """

    problem: cp.Problem
    accuracy: Callable[[], Accuracy]


@dataclass(frozen=True)
class Problem:
    """Problems of all sizes and loads with known answers.

    Attributes
    ----------
    name : str
        Name in the tables.
    build : callable
        Function from a size and a random generator to a system.
    formulations : callable
        Function from a system to its formulations, each with the cones beyond the linear ones that
        a solver must support (see `sojourn.models.core.solvers.supported_cones`).
    write : callable
        Function from a system, a formulation and a part of the largest load to a
        `ProblemInstance`.
    sizes : sequence of int
        Default sizes.
    largest : int
        Largest size.
    """

    name: str
    build: Callable[[int, np.random.Generator], Any]
    formulations: Callable[[Any], Mapping[str, frozenset[str]]]
    write: Callable[[Any, str, float], ProblemInstance]
    sizes: Sequence[int] = (3, 30, 300)
    largest: int = 1_000_000
