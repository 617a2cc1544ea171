"""What a problem of the solver benchmark is: systems by size, ways to write them, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np


class Judged(NamedTuple):
    """How far a solver's own answer is from the truth.

    Attributes
    ----------
    error : float
        Relative, in the mean delay; infinite where a queue grows.
    violation : float
        Largest violation of a constraint, in parts of what it constrains; at most 0 where there is none.
    """

    error: float
    violation: float


@dataclass(frozen=True, eq=False)
class Task:
    """A problem at one size and load, written in one way.

    Attributes
    ----------
    problem : cvxpy.Problem
        What the solver gets.
    judge : callable
        Compares what the variables hold after a solve with the closed form; called only when all of them hold something.
    """

    problem: cp.Problem
    judge: Callable[[], Judged]


@dataclass(frozen=True)
class Problem:
    """A family of problems with known answers.

    Attributes
    ----------
    name : str
        What is solved for, for the tables.
    build : callable
        From a size and a random generator to a system.
    formulations : callable
        From a system to the ways to write it, each with the cones beyond the linear ones that a solver must take (see
        `sojourn.models.core.solvers.supported_cones`).
    write : callable
        From a system, a formulation and a load, as a part of the largest that the system can carry, to a `Task`.
    sizes : sequence of int
        Those that are solved unless others are asked for.
    largest : int
        Size above which it is not solved; by default there is none.
    """

    name: str
    build: Callable[[int, np.random.Generator], Any]
    formulations: Callable[[Any], Mapping[str, frozenset[str]]]
    write: Callable[[Any, str, float], Task]
    sizes: Sequence[int] = (3, 30, 300)
    largest: int = 1_000_000
