"""What is asked of a system: how it is written for a solver, and what a solver's answers to it mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import cvxpy as cp
import numpy as np

from ...reference.errors import Array
from .certificate import Bounds
from .options import PolishOptions
from .solution import Provenance
from .stored import Column
from .table import Mask, Table
from .tolerance import GapTolerance

Points = tuple[Array, ...]
"""K points: columns of leading length K, the first of which are the loads."""


@dataclass(frozen=True, eq=False)
class AnswerRows(Table):
    """The best answers found at K points, as columns; `AnswerRows.empty` is the lack of them.

    Attributes
    ----------
    gap : ndarray, shape (K,)
        Relative error that each can have; infinite where there is none.
    certified : ndarray of bool, shape (K,)
    lower_bound, upper_bound : ndarray, shape (K,)
        The truth lies between them.
    """

    gap: Array
    certified: Mask
    lower_bound: Array
    upper_bound: Array

    key: ClassVar[str]
    """The column that is finite where there is an answer."""

    @classmethod
    def empty(cls, count: int, **shapes: tuple[int, ...]) -> Self:
        """Return K missing answers; `shapes` are those of a row of the columns that are no numbers."""
        return cls(
            *(
                np.full((count, *shapes.get(f.name, ())), cls.absent.get(f.name, np.nan))
                for f in fields(cls)
            )
        )

    @property
    def proof(self) -> dict[str, Any]:
        """Certificate of the first answer, and whether it is small enough: fields of `CertifiedAnswer`."""
        bounds = Bounds(float(self.lower_bound[0]), float(self.upper_bound[0]), float(self.gap[0]))
        return {"certificate": bounds, "certified": bool(self.certified[0])}

    @property
    def available(self) -> Mask:
        """Which points have an answer, certified or not."""
        column = getattr(self, self.key)
        return np.asarray(np.isfinite(column).all(axis=tuple(range(1, column.ndim))))


class Program(Protocol):
    """A problem with its handles; those beyond the problem are its question's own."""

    @property
    def problem(self) -> cp.Problem:
        """The problem that a solver is given."""


@dataclass(frozen=True, eq=False)
class SolverOutput:
    """What a solver returned at K points.

    Attributes
    ----------
    value : callable
        From a variable of the program to its values, shape (K, ...); NaN where the solver returned none.
    dual : callable
        The same for the dual values of an equation or inequality.
    status : tuple of str
        The solver's own word at each point.
    """

    value: Callable[[cp.Variable], Array]
    dual: Callable[[cp.Constraint], Array]
    status: tuple[str, ...]


P = TypeVar("P", bound=Program)
R = TypeVar("R", bound=AnswerRows)
S = TypeVar("S")


class Question(ABC, Generic[P, R, S]):
    """What is asked of a system, for any solver and any number of points; `sojourn.models.core.solve.Task` asks it.

    Attributes
    ----------
    name : str
        In messages: ``"optimum"``.
    options : type
        Which options there are: one of `sojourn.models.core.options`.
    wanted : Wanted
        What certifies an answer.
    quick : bool
        Whether a solver's own tolerances come first at many points, since Newton steps make of its answers what tighter ones would.
    degenerate : bool
        Whether a second try of a solver, with other options, may find what the first did not.
    rows : type
        Class of its answers, one of `AnswerRows`.
    remedy : str
        What else can be done where no answer is certified.
    """

    name: str
    options: ClassVar[type] = PolishOptions
    tolerance: GapTolerance
    quick: bool = False
    degenerate: bool = False
    rows: ClassVar[type[Any]]
    remedy: str = (
        "Ask for a wider gap=, name another solver=, or take the best answer with throw=False"
    )

    @property
    def compiled_variant(self) -> Self:
        """The same question by programs whose answers Newton steps finish, where those of its own differ from point to point; else itself."""
        return self

    @abstractmethod
    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the ways to write it, the best first, and the kinds of cone beyond the linear ones that each needs.

        Raises
        ------
        FormulationError
            On a name that is none, ``"auto"`` apart.
        """

    @abstractmethod
    def write(self, form: str, points: Points) -> P:
        """Return the program, with parameters for what changes from point to point."""

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return what must be equal of points that one program serves; None where one serves all, ... where each has its own."""
        return None

    @abstractmethod
    def parameters(self, program: P, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the values of the program's parameters at K points, each of shape (K, ...)."""

    @abstractmethod
    def finish(self, program: P, returned: SolverOutput, points: Points) -> R:
        """Return the answers that a solver's numbers lead to at K points: put right, polished, certified."""

    def refine(self, program: P, found: R) -> P | None:
        """Return the next program where one is not enough, told what the last led to; None where it is."""
        return None

    def certify_stored(self, points: Points, column: Column) -> R:
        """Return the answers that a curve kept of K points, certified as they are, without a solver; LookupError where it kept none.

        `column` gives the variables that say what was decided: ``column("optimum_flow", n)`` has the shape (K, n).
        """
        raise LookupError(self.name)

    def empty(self, count: int) -> R:
        """Return K missing answers; to be overridden where a row of them has columns that are no numbers."""
        missing: R = self.rows.empty(count)
        return missing

    def idle(self, points: Points) -> R:
        """Return the answers at K loads of 0: their limits as the load tends to 0; there are none unless it is overridden."""
        return self.empty(len(points[0]))

    @abstractmethod
    def solution(self, found: R, points: Points, provenance: Provenance) -> S:
        """Return the first of some answers as a user has it."""

    def title(self, points: Points) -> str:
        """Return what is asked at the first of some points, for messages."""
        return f"{self.name} at load {points[0][0]:g}"

    @property
    def size(self) -> int:
        """Numbers of an answer: how many points are asked together depends on it."""
        return 1
