"""The question protocol: write a problem for a solver, and turn the solver's numbers into answers.

A *question* is one quantity of one system, such as the optimum of parallel servers. The core solves
any question with any solver, at one point or at many (`sojourn.models.core.solve.Task`). A *point*
is a load, possibly with further numbers; K points are columns of length K, so that a question
handles all of them at once with NumPy, and a single answer is the case K = 1.

To add a question, write three classes:

1. the answers at K points, a subclass of `AnswerRows`;
2. one answer as a user sees it, a subclass of `sojourn.models.core.solution.CertifiedAnswer`;
3. a subclass of `Question` with the five abstract methods.

The notebook *Add a system* has a complete example of 120 lines.
"""

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
"""K points as columns of length K. The first column holds the loads, in jobs per unit of time."""


@dataclass(frozen=True, eq=False)
class AnswerRows(Table):
    """Answers at K points, one row each. A subclass adds the columns of its own numbers.

    Attributes
    ----------
    gap : ndarray, shape (K,)
        Certified relative error of each answer; infinite where there is no answer.
    certified : ndarray of bool, shape (K,)
        Whether the gap meets the tolerance of the question.
    lower_bound, upper_bound : ndarray, shape (K,)
        Bounds of the true value.
    """

    gap: Array
    certified: Mask
    lower_bound: Array
    upper_bound: Array

    key: ClassVar[str]
    """Name of a column that is finite in the rows with an answer, and NaN in the others."""

    @classmethod
    def empty(cls, count: int, **shapes: tuple[int, ...]) -> Self:
        """Return K rows without an answer.

        Parameters
        ----------
        count : int
            K.
        **shapes : tuple of int
            Shape of one row of each column that holds more than one number a row.
        """
        return cls(
            *(
                np.full((count, *shapes.get(f.name, ())), cls.absent.get(f.name, np.nan))
                for f in fields(cls)
            )
        )

    @property
    def proof(self) -> dict[str, Any]:
        """The certificate of the first row, as keyword arguments of an answer.

        See ``certificate`` and ``certified`` of `sojourn.models.core.solution.CertifiedAnswer`.
        """
        bounds = Bounds(float(self.lower_bound[0]), float(self.upper_bound[0]), float(self.gap[0]))
        return {"certificate": bounds, "certified": bool(self.certified[0])}

    @property
    def available(self) -> Mask:
        """Rows with an answer, certified or not: ndarray of bool, shape (K,)."""
        column = getattr(self, self.key)
        return np.asarray(np.isfinite(column).all(axis=tuple(range(1, column.ndim))))

    def better_than(self, others: Self) -> Mask:
        """Rows with a better answer than those of another table: ndarray of bool, shape (K,)."""
        # a certified answer is better than any other, even if the gap of the other is NaN
        return self.available & (self.certified | (self.gap < others.gap) | ~others.available)


class Program(Protocol):
    """A convex problem as a question writes it.

    Any object with the attribute ``problem`` will do. A question usually adds the variables and
    parameters that its own methods need.
    """

    @property
    def problem(self) -> cp.Problem:
        """The CVXPY problem."""


@dataclass(frozen=True, eq=False)
class SolverOutput:
    """Numbers that a solver returned at K points.

    Attributes
    ----------
    value : callable
        Returns the values of a variable of the program at K points, shape ``(K, ...)`` with the
        variable's own shape; NaN where the solver returned none.
    dual : callable
        Returns the dual values of a linear constraint of the program at K points, shape
        ``(K, ...)`` with the constraint's own shape.
    status : tuple of str
        CVXPY's status at each point, or the error that the solver raised.
    """

    value: Callable[[cp.Variable], Array]
    dual: Callable[[cp.Constraint], Array]
    status: tuple[str, ...]


OWN_SOLVERS: set[str] = set()
"""Names of the algorithms of the questions that have one of their own."""


def is_own_solver(name: object) -> bool:
    """Return whether a name, in any case, is that of an algorithm of some question's own."""
    return isinstance(name, str) and name.upper() in OWN_SOLVERS


P = TypeVar("P", bound=Program)
R = TypeVar("R", bound=AnswerRows)
S = TypeVar("S")


class Question(ABC, Generic[P, R, S]):
    """One quantity of one system, for any solver and any number of points.

    `sojourn.models.core.solve.Task` runs a question: it takes the first formulation that the first
    solver supports, writes the program, sets its parameters, solves, and calls `finish`. Points
    without a certified answer go to the next solver or formulation. A subclass implements
    `formulations`, `write`, `parameters`, `finish` and `solution`; other methods have defaults.

    In the generic type ``Question[P, R, S]``, P is the class of its programs, R that of its rows
    and S that of one answer.

    Attributes
    ----------
    name : str
        Name in error messages, such as ``"optimum"``.
    options : type
        TypedDict of the options that it takes, one of `sojourn.models.core.options`.
    tolerance : GapTolerance
        Largest gap of a certified answer.
    rows : type
        Class of its answers, a subclass of `AnswerRows`.
    quick : bool
        Whether a curve runs a solver with the solver's own, looser tolerances first. This saves
        time where the Newton steps of `finish` reach full accuracy from there.
    degenerate : bool
        Whether to run a solver a second time, with the options ``retry`` of a
        `sojourn.models.core.solver_specs.SolverSpec`, where the first run gave no certified answer.
        This helps for degenerate programs.
    own_solver : str or None
        Name, in upper case, of an algorithm of the question's own, which `compute` runs; None, the
        default, where it has none. A user may give it as ``solver=``. It has its turn after the
        first solver, so that its answer is there where that solver fails.
    prefers_own : bool
        Whether that algorithm has its turn before all solvers.
    remedy : str
        Last sentence of the message where no answer is certified.
    """

    name: str
    options: ClassVar[type] = PolishOptions
    tolerance: GapTolerance
    quick: bool = False
    degenerate: bool = False
    rows: ClassVar[type[Any]]
    own_solver: ClassVar[str | None] = None
    prefers_own: bool = False
    remedy: str = (
        "Ask for a wider gap=, name another solver=, or take the best answer with throw=False"
    )

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if cls.own_solver is not None:
            OWN_SOLVERS.add(cls.own_solver)

    @property
    def compiled_variant(self) -> Self:
        """The question that a curve solves with `quick` tolerances; by default this question.

        Override it where the programs of this question differ from point to point, but a question
        with one program for all points is accurate enough to start the Newton steps of `finish`.
        """
        return self

    @abstractmethod
    def formulations(self, chosen: str) -> Mapping[str, frozenset[str]]:
        """Return the formulations to try, the best first, with the cones that each needs.

        Parameters
        ----------
        chosen : str
            Option ``formulation``: a name, or ``"auto"`` for all of them.

        Returns
        -------
        mapping of str to frozenset of str
            Cones beyond the linear ones, by formulation: ``"SOC"``, ``"EXP"``, ``"POW"``,
            ``"PSD"``, or ``"QP"`` for a quadratic objective.

        Raises
        ------
        FormulationError
            Where `chosen` is not a formulation of this question.
        """

    def prepare(self, points: Points) -> None:
        """Compute in one pass what all points need, before methods are called with some of them.

        By default it does nothing.

        Parameters
        ----------
        points : tuple of ndarray, shape (K, ...)
            The points; no load is 0.
        """
        return

    @abstractmethod
    def write(self, form: str, points: Points) -> P:
        """Return the program of a formulation, with CVXPY parameters for all that varies by point.

        Parameters
        ----------
        form : str
            One of the names of `formulations`.
        points : tuple of ndarray, shape (K, ...)
            Points that the program serves; their `pattern` is the same.
        """

    def pattern(self, form: str, points: Points) -> Hashable:
        """Return what points must have in common to share one program.

        Parameters
        ----------
        form : str
            Name of the formulation.
        points : tuple of ndarray, shape (K, ...)
            Points. With an empty tuple, the result is ``...`` if every point needs a program of its
            own, and anything else otherwise.

        Returns
        -------
        hashable
            None, the default, means that one program serves all points; ``...`` (Ellipsis) means
            that every point needs a program of its own. Any other value is compared between points:
            those with equal values share a program.
        """
        return None

    def shape(self, form: str) -> Hashable:
        """Return what questions must have in common to share their programs.

        A process writes and compiles one program for all questions of one class, shape and
        `pattern`. `write` may then use nothing of this question but what its shape states; all
        other numbers are parameters, whose values `parameters` returns.

        Parameters
        ----------
        form : str
            Name of the formulation.

        Returns
        -------
        hashable
            None, the default, means that the programs hold numbers of this question. Any other
            value is compared between questions.
        """
        return None

    def together(self, questions: Sequence[Self]) -> Self | None:
        """Return one question for the points of several questions, of this one's class.

        Its points have one more column, the last: the index of the question, as a float. The
        default returns None: the questions are then solved one after another.

        Parameters
        ----------
        questions : sequence of Question
            The questions; this one is the first.
        """
        return None

    @abstractmethod
    def parameters(self, program: P, points: Points) -> Sequence[tuple[cp.Parameter, Array]]:
        """Return the values of the parameters of a program.

        Parameters
        ----------
        program : P
            Program that `write` returned for the points.
        points : tuple of ndarray, shape (K, ...)
            The points; no load is 0.

        Returns
        -------
        sequence of tuple of cvxpy.Parameter and ndarray
            Each parameter with its values, shape ``(K, ...)`` with the
            parameter's own shape.
        """

    def starts(self, points: Points) -> Mask:
        """Return the points whose answers must not depend on the points before them.

        By default the first one. A question for several systems adds the first of each system.

        Parameters
        ----------
        points : tuple of ndarray, shape (K, ...)
            The points.

        Returns
        -------
        ndarray of bool, shape (K,)
        """
        first = np.zeros(len(points[0]), dtype=bool)
        first[:1] = True
        return first

    @abstractmethod
    def finish(self, program: P, returned: SolverOutput, points: Points) -> R:
        """Return certified answers from the numbers of a solver.

        Here a question projects the numbers to the feasible set, may refine them by Newton steps,
        and computes lower and upper bounds that hold whatever the solver returned
        (`sojourn.models.core.certificate.bounds_of`). Numbers of the solver may be NaN.

        Parameters
        ----------
        program : P
            Program that was solved.
        returned : SolverOutput
            Numbers of the solver at K points.
        points : tuple of ndarray, shape (K, ...)
            The points; no load is 0.
        """

    def compute(self, points: Points) -> R:
        """Return certified answers by the question's own algorithm, see `own_solver`.

        Parameters
        ----------
        points : tuple of ndarray, shape (K, ...)
            The points; no load is 0.

        Raises
        ------
        NotImplementedError
            Where a class names an `own_solver` and does not define this method.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute for {self.own_solver}")

    def refine(self, program: P, found: R) -> P | None:
        """Return the next program of an iterative method, or None, the default, to stop.

        Cutting planes, for example, return a program with one more plane.

        Parameters
        ----------
        program : P
            Program that was solved last.
        found : R
            Its answer, one row.
        """
        return None

    def certify_stored(self, points: Points, column: Column) -> R:
        """Return the certified answers from stored decisions, without a solver.

        A resumed study calls it to check its stored results against the present code. The default
        raises LookupError: the points are then solved again.

        Parameters
        ----------
        points : tuple of ndarray, shape (K, ...)
            The points.
        column : callable
            ``column("optimum_flow", n)`` returns the variable ``optimum_flow`` of the stored curve,
            shape (K, n).

        Raises
        ------
        LookupError
            Where the stored curve lacks a variable.
        """
        raise LookupError(self.name)

    def empty(self, count: int) -> R:
        """Return K rows without an answer.

        Override it where a column holds more than one number a row; see `AnswerRows.empty`.
        """
        missing: R = self.rows.empty(count)
        return missing

    def idle(self, points: Points) -> R:
        """Return the limits of the answers as the load tends to 0, for K points of load 0.

        By default there is no answer.
        """
        return self.empty(len(points[0]))

    @abstractmethod
    def solution(self, found: R, points: Points, provenance: Provenance) -> S:
        """Return one answer as a user sees it.

        Parameters
        ----------
        found : R
            Rows of answers; the first one is returned.
        points : tuple of ndarray, shape (K, ...)
            Their points.
        provenance : Provenance
            How the answer was computed. A subclass of
            `sojourn.models.core.solution.CertifiedAnswer` takes ``**found.proof`` and
            ``**vars(provenance)`` as arguments.
        """

    def title(self, points: Points) -> str:
        """Return the question at the first point as a noun phrase, for error messages."""
        return f"{self.name} at load {points[0][0]:g}"

    @property
    def size(self) -> int:
        """Count of numbers in one answer; a curve solves fewer points at once where it is large."""
        return 1
