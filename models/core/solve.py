"""Certified answers to a question: the one loop over solvers and over points.

A single answer is the case of one point. The loop gives each point to the first solver; points
without a certified answer go to the next solver or formulation, until none is pending.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Generic

import cvxpy as cp
import numpy as np

from ...reference.errors import Array
from .answered import answered, itself, output_of
from .errors import NotCertifiedError
from .native import native_solver
from .options import DEFAULTS, check_solve_options
from .parametric import Compiled, UnsupportedCvxpyError
from .programs import SHARED, ProgramStore, WrittenProgram
from .question import P, Points, Question, R, S, SolverOutput
from .run import run
from .solution import Attempt, Provenance, Timing
from .solver_specs import spec
from .steps import OWN, SolveStep, solve_steps
from .stored import StoredAnswers, stored_answers

CELLS = 20_000  # points times numbers of an answer in one block
MOST = 1024  # points in one block: an interruption loses one block
MOST_COMPILED = 8  # compiled forms of one program, for different solvers and options
DONE = ("no answer", cp.settings.OPTIMAL_INACCURATE, cp.settings.OPTIMAL)
"""Status of a question's own algorithm: without an answer, without a certificate, with it."""
UNSUPPORTED: set[str] = set()
"""Solvers that this process calls through CVXPY, which lacks the names for compiled data."""


@dataclass(frozen=True, eq=False)
class StepResult(Generic[R]):
    """Result of one step at K points.

    Attributes
    ----------
    rows : AnswerRows
        Answers at the K points.
    status : tuple of str
        CVXPY's status at each point.
    timing : Timing
        Seconds spent on the points, or on the first one where each is solved alone.
    write_problem : callable or None
        Writes the problem of the first point, with its answer; None where there is none.
    """

    rows: R
    status: tuple[str, ...]
    timing: Timing
    write_problem: Callable[[], cp.Problem] | None


class Task(Generic[P, R, S]):
    """A question with its options, ready to be solved at any points.

    Each program is written, and compiled for each solver, once for all points that share it; where
    the question has a `Question.shape`, once a process for all questions of that shape.

    Parameters
    ----------
    question : Question
        The question.
    options : mapping
        Options of the question; see `sojourn.models.core.options`.
    part : bool, default False
        Whether the task is part of another one, which then issues the warnings.

    Raises
    ------
    TypeError, InputError
        Where an option is unknown, or has a value that it cannot have.
    """

    def __init__(
        self,
        question: Question[P, R, S],
        options: Mapping[str, Any],
        *,
        part: bool = False,
    ) -> None:
        check_solve_options(question.name, options, question.options)
        self.question, self._options, self._part = question, options, part
        self._stored, self._next_row = stored_answers(), 0
        if self._stored is None:
            _ = self._steps  # raises now where no solver supports the question
        self._own_programs = ProgramStore()
        self._uncompiled: set[str] = set()

    @cached_property
    def _compiled_variant(self) -> Question[P, R, S]:
        return self.question.compiled_variant

    @property
    def shape(self) -> Hashable | None:
        """Tasks of equal shape can be solved together; None where the task is solved alone."""
        form = self._steps[0].form
        shape = self.question.shape(form)
        if shape is None:
            return None
        return type(self.question), self.question.name, form, shape, repr(self._options)

    @staticmethod
    def together(tasks: Sequence[Task[P, R, S]]) -> Task[P, R, S] | None:
        """Return one task for the points of several tasks of equal `shape`.

        Its points have one more column, the last: the index of the task, as a float. The result is
        None where the tasks cannot be joined.

        Parameters
        ----------
        tasks : sequence of Task
            The tasks, in the order of their indices.
        """
        question = tasks[0].question.together([task.question for task in tasks])
        return None if question is None else _JoinedTask(question, tasks)

    @cached_property
    def _steps(self) -> list[SolveStep]:
        return solve_steps(self.question, self._options)

    @property
    def block(self) -> int:
        """Count of points to solve in one call of `solve`; 1 where programs cannot be compiled."""
        many = self._stored is not None or self._compiles(self._curve_steps()[0])
        return min(max(CELLS // self.question.size, 1), MOST) if many else 1

    def solve(self, *points: Array) -> R:
        """Return the best answer at each of K points.

        It is the first certified one, or else the one of least gap. At a load of 0 it is
        `Question.idle`. Inside `sojourn.models.core.stored.use_stored_answers` it is the stored
        answer, certified again, if there is one. Failures of solvers do not raise.

        Parameters
        ----------
        *points : ndarray, shape (K, ...)
            Columns of the points, the loads first.
        """
        idle = points[0] == 0
        if not idle.any():
            return self._loaded(points)
        if self._stored is not None:
            self._stored.used = True  # an idle answer needs no solver
        out, loaded = self.question.empty(idle.size), ~idle
        limits = self.question.idle(tuple(column[idle] for column in points))
        out.put(idle, limits.values(slice(None)))
        if loaded.any():
            rows = self._loaded(tuple(column[loaded] for column in points))
            out.put(loaded, rows.values(slice(None)))
        return out

    def _loaded(self, points: Points) -> R:
        """Return the answers at points of loads above 0."""
        self.question.prepare(points)
        rows = None if self._stored is None else self._certify_stored(self._stored, points)
        return self._best(points, self._curve_steps())[0] if rows is None else rows

    def _certify_stored(self, stored: StoredAnswers, points: Points) -> R | None:
        """Return the stored answers, certified by the present code, or None where some lack."""
        try:
            places = stored.rows(points[0], self._next_row)
            rows = self.question.certify_stored(points, partial(stored.column, places))
        except LookupError:
            stored.solve_again()
            return None
        stored.used = True
        self._next_row = max([self._next_row, *(place + 1 for place in places)])
        out = self.question.empty(len(places))
        out.put(rows.available, rows.values(rows.available))
        return out

    def certified(self, *points: Array) -> R:
        """Return the certified answer at one point, by the compiled programs of a curve.

        Parameters
        ----------
        *points : ndarray, shape (1, ...)
            Columns of the point, the load first.

        Raises
        ------
        NotCertifiedError
            Where no answer is certified.
        """
        rows, provenance = self._best(points, self._curve_steps())
        if not rows.certified[0]:
            raise self._not_certified(points, None, provenance.attempts)
        return rows

    def one(self, *point: Any) -> S:
        """Return the answer at one point.

        Parameters
        ----------
        *point : array_like
            Numbers of the point, the load first.

        Raises
        ------
        NotCertifiedError
            Where no answer is certified, unless ``throw=False`` and there is an answer.
        """
        points = tuple(np.asarray(p, dtype=float)[None] for p in point)
        rows, provenance = self._best(points, self._steps)
        best = self.question.solution(rows, points, provenance) if rows.available[0] else None
        if best is not None and (
            rows.certified[0] or not self._options.get("throw", DEFAULTS["throw"])
        ):
            return best
        raise self._not_certified(points, best, provenance.attempts)

    def _curve_steps(self) -> list[SolveStep]:
        """Return the steps at many points: before a tight run comes a quick one, if that helps."""
        quick = self.question.quick and not self._options.get("solver_options")
        steps = []
        for tight in self._steps:
            first = tight._replace(effort="quick")
            steps += [first, tight] if quick and self._compiles(first) else [tight]
        return steps

    def _question_of(self, step: SolveStep) -> Question[P, R, S]:
        """Return the question that a step solves."""
        return self._compiled_variant if step.effort == "quick" else self.question

    def _compiles(self, step: SolveStep) -> bool:
        """Return whether compiled programs can serve a step."""
        through_cvxpy = step.solver in UNSUPPORTED or step.solver in self._uncompiled
        if step.form == OWN or through_cvxpy or native_solver(step.solver) is None:
            return False
        return self._question_of(step).pattern(step.form, ()) is not ...

    def _best(self, points: Points, steps: Sequence[SolveStep]) -> tuple[R, Provenance]:
        """Return the best answers, and how the first one was computed."""
        best, pending = None, np.arange(len(points[0]))
        attempts: list[Attempt] = []
        provenance = Provenance("", "", "", (), Timing(0.0, 0.0, 0.0))
        for step in steps:
            if not pending.size:
                break
            started = time.perf_counter()
            at = points if best is None else tuple(column[pending] for column in points)
            result = self._try(step, at)
            rows, status = result.rows, result.status[0]
            seconds = time.perf_counter() - started
            attempts.append(Attempt(step.solver, step.label, status, float(rows.gap[0]), seconds))
            if best is None and rows.certified.all():
                best, better = rows, rows.certified
            else:  # in a table of its own: columns of a question's table may share memory
                best = self.question.empty(len(points[0])) if best is None else best
                better = rows.better_than(best.only(pending))
                best.put(pending[better], rows.values(better))
            if better[0] and pending[0] == 0:
                provenance = Provenance(
                    step.solver, step.label, status, (), result.timing, result.write_problem
                )
            pending = pending[~best.certified[pending]]
        best = self.question.empty(len(points[0])) if best is None else best
        return best, replace(provenance, attempts=tuple(attempts))

    def _try(self, step: SolveStep, points: Points) -> StepResult[R]:
        """Run one step at K points: by compiled programs if possible, else point by point."""
        if step.form == OWN:
            return self._compute(points)
        groups = self._groups(step, points) if self._compiles(step) else []
        if groups:
            try:
                return self._solve_compiled(step, points, groups)
            except UnsupportedCvxpyError as error:
                self._uncompiled.add(step.solver)
                if not self._part:
                    UNSUPPORTED.add(step.solver)
                    warnings.warn(
                        "programs cannot be compiled with this CVXPY; it solves one point after "
                        f"another, which is slower: {error}",
                        stacklevel=2,
                    )
        results = [
            self._singly(step, tuple(column[k : k + 1] for column in points))
            for k in range(len(points[0]))
        ]
        first = results[0]
        rows = first.rows
        if len(results) > 1:
            rows = type(rows).joined([result.rows for result in results])
        statuses = tuple(result.status[0] for result in results)
        return StepResult(rows, statuses, first.timing, first.write_problem)

    def _compute(self, points: Points) -> StepResult[R]:
        """Run the question's own algorithm at K points; a failure becomes a status."""
        started, count = time.perf_counter(), len(points[0])
        try:
            rows = self.question.compute(points)
            met = zip(rows.available.tolist(), rows.certified.tolist(), strict=True)
            status = tuple(DONE[available + certified] for available, certified in met)
        except (ArithmeticError, ValueError) as error:
            rows, status = self.question.empty(count), (f"{type(error).__name__}: {error}",) * count
        spent = Timing(0.0, 0.0, time.perf_counter() - started)
        return StepResult(rows, status, spent, None)

    @contextmanager
    def _written(self, step: SolveStep, points: Points) -> Iterator[WrittenProgram]:
        """Lend the program that serves the points; it is written once for each key."""
        question, form = self._question_of(step), step.form
        pattern = question.pattern(form, points)
        write = partial(question.write, form, points)
        if pattern is ...:
            yield WrittenProgram(write())
            return
        shape = question.shape(form)
        store, key = (
            (self._own_programs, (step.effort == "quick", form, pattern))
            if shape is None
            else (SHARED, (type(question).write, form, shape, pattern))
        )
        with store.borrow(key, write) as written:
            yield written

    def _singly(self, step: SolveStep, points: Points) -> StepResult[R]:
        """Solve one point through CVXPY, by as many programs as `Question.refine` returns."""
        question, given = self.question, self._options.get("solver_options")
        best, spent, status = question.empty(1), Timing(0.0, 0.0, 0.0), ""
        write_problem: Callable[[], cp.Problem] | None = None
        started = time.perf_counter()
        with self._written(step, points) as written:
            program: P | None = written.program
            while program is not None:
                problem = program.problem
                for parameter, values in question.parameters(program, points):
                    parameter.value = values[0]
                built = time.perf_counter() - started
                ran = run(problem, step.solver, given, step.effort)
                finishing, returned = time.perf_counter(), output_of(problem, ran.status)
                rows = question.finish(program, returned, points)
                started = time.perf_counter()
                spent += Timing(built, ran.compile, ran.solve, started - finishing)
                if rows.available[0] and (not best.available[0] or rows.gap[0] < best.gap[0]):
                    best, status = rows, ran.status
                    # programs of an iterative method belong to this point alone
                    write_problem = (
                        partial(answered, question, step.form, points, problem, returned)
                        if question.pattern(step.form, points) is not ...
                        else partial(itself, problem)
                    )
                status = status or ran.status
                program = question.refine(program, rows) if rows.available[0] else None
        return StepResult(best, (status,), spent, write_problem)

    def _solve_compiled(
        self, step: SolveStep, points: Points, groups: Sequence[Any]
    ) -> StepResult[R]:
        """Solve K points by the solver's native interface, with one program for each group."""
        question, count = self._question_of(step), len(points[0])
        out: R | None = None
        statuses, spent = [""] * count, Timing(0.0, 0.0, 0.0)
        write_problem: Callable[[], cp.Problem] | None = None
        for places in groups:
            started = time.perf_counter()
            group = points if len(groups) == 1 else tuple(column[places] for column in points)
            with self._written(step, group) as written:
                program = written.program
                values = self.question.parameters(program, group)
                built = time.perf_counter()
                try:
                    compiled = self._compile(written, step, values)
                    outputs = compiled.solve(*values, new=question.starts(group))
                except (cp.error.SolverError, ArithmeticError, ValueError, TypeError) as error:
                    statuses = [f"{type(error).__name__}: {error}"] * count
                    continue
            solved, raw = time.perf_counter(), outputs.raw
            returned = SolverOutput(outputs.value, outputs.dual, raw.status)
            rows = self.question.finish(program, returned, group)
            if len(groups) == 1:
                out, statuses = rows, list(raw.status)
            else:
                out = self.question.empty(count) if out is None else out
                out.put(places, rows.values(slice(None)))
                for k, status in zip(places, raw.status, strict=True):
                    statuses[k] = status
            seconds = float(raw.seconds.sum())
            parts = (built - started, solved - built - seconds, seconds)
            spent += Timing(*parts, time.perf_counter() - solved)
            if places[0] == 0:
                problem = program.problem
                write_problem = partial(answered, question, step.form, group, problem, returned)
        out = self.question.empty(count) if out is None else out
        return StepResult(out, tuple(statuses), spent, write_problem)

    def _groups(self, step: SolveStep, points: Points) -> list[Any]:
        """Return the positions of points that share a program, one array for each program.

        The list is empty where a point needs a program of its own.
        """
        pattern, count = self._question_of(step).pattern, len(points[0])
        if pattern(step.form, points) is None:
            return [np.arange(count)]
        patterns = [pattern(step.form, tuple(c[k : k + 1] for c in points)) for k in range(count)]
        if ... in patterns:
            return []
        return [
            np.flatnonzero([other == pattern for other in patterns])
            for pattern in dict.fromkeys(patterns)
        ]

    def _compile(
        self,
        written: WrittenProgram,
        step: SolveStep,
        values: Sequence[tuple[cp.Parameter, Array]],
    ) -> Compiled:
        """Return the compiled program of a step; each program is compiled once for a solver."""
        given = self._options.get("solver_options")
        key, kept = (step.solver, repr(given), step.effort), written.compiled
        if key not in kept:
            options = spec(step.solver).options(step.effort, given)
            same = next((c for other, c in kept.items() if other[:2] == key[:2]), None)
            if same is None:
                for parameter, rows in values:
                    parameter.value = rows[0]
                compiled = Compiled(written.program.problem, step.solver, options)
            else:
                compiled = same.with_options(options)
            if len(kept) >= MOST_COMPILED:
                kept.clear()
            kept[key] = compiled
        return kept[key]

    def _not_certified(
        self, points: Points, best: S | None, attempts: Sequence[Attempt]
    ) -> NotCertifiedError:
        """Return the error that lists all attempts."""
        tried = "; ".join(
            f"{a.solver} ({a.formulation}): {a.status}, gap {a.gap:.1e}" for a in attempts
        )
        title, gap = self.question.title(points), self.question.tolerance.gap
        return NotCertifiedError(
            f"no certified {title}, gap {gap:.1e} wanted. Tried {tried}. {self.question.remedy}",
            best,
            tuple(attempts),
        )


class _JoinedTask(Task[P, R, S]):
    """Several tasks as one, see `Task.together`; what it cannot certify, each part tries alone."""

    def __init__(self, question: Question[P, R, S], parts: Sequence[Task[P, R, S]]) -> None:
        super().__init__(question, parts[0]._options)
        self._parts = parts

    def _best(self, points: Points, steps: Sequence[SolveStep]) -> tuple[R, Provenance]:
        rows, provenance = super()._best(points, steps)
        for part in np.unique(points[-1][~rows.certified]).tolist():
            pending = np.flatnonzero((points[-1] == part) & ~rows.certified)
            own = self._parts[int(part)]
            alone = own._best(tuple(column[pending] for column in points[:-1]), own._curve_steps())
            better = alone[0].better_than(rows.only(pending))
            rows.put(pending[better], alone[0].values(better))
        return rows, provenance
