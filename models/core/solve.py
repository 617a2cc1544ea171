"""From a question to certified answers: the one loop over solvers and over points; a single answer is one point."""

from __future__ import annotations

import time
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Generic, NamedTuple

import cvxpy as cp
import numpy as np

from ...reference.errors import Array
from .errors import FormulationError, NotCertifiedError
from .native import session
from .options import check_solve_options
from .parametric import Compiled, UnsupportedCvxpyError
from .question import P, Points, Question, R, S, SolverOutput
from .run import run
from .solution import Attempt, Provenance, Timing
from .solver_specs import Effort, spec
from .solvers import capable_solvers, solver_names, supported_cones
from .stored import StoredAnswers, stored_answers

CELLS = 20_000  # points times numbers of an answer that are solved before they are polished and certified together
MOST = 1024  # points at once: what an interruption loses
UNSUPPORTED: set[str] = set()
"""Solvers that this process asks for one point after the other, since CVXPY's own names are not what they were."""


class Try(NamedTuple):
    """One solver, on one formulation, with some effort."""

    solver: str
    form: str
    effort: Effort

    @property
    def label(self) -> str:
        """Name of the formulation in records: a second try has one of its own."""
        return f"{self.form}-again" if self.effort == "retry" else self.form


@dataclass(frozen=True, eq=False)
class Outcome(Generic[R]):
    """What a try led to at K points: the answers, the words of the solver, the seconds, and the problem that was solved last."""

    found: R
    status: tuple[str, ...]
    timing: Timing
    problem: cp.Problem | None


class Task(Generic[P, R, S]):
    """A question with the options that it is asked with; programs are written, and compiled, once for all points.

    Parameters
    ----------
    question : Question
    how : mapping
        The options of the question, as of `sojourn.models.ParallelServers.optimum`.
    programs : dict, optional
        Programs already written; tasks of one question share them.
    part : bool, default False
        Whether it is part of another task, which then warns.

    Raises
    ------
    TypeError, InputError
        On an option that the question does not have, or a value that it does not take.
    """

    def __init__(
        self,
        question: Question[P, R, S],
        options: Mapping[str, Any],
        programs: dict[Hashable, P] | None = None,
        *,
        part: bool = False,
    ) -> None:
        check_solve_options(question.name, options, question.options)
        self.question, self._how, self._part = question, options, part
        self._recall, self._next = stored_answers(), 0
        if self._recall is None:
            _ = self._plan  # what no solver takes is said now
        self._compiled_variant = question.compiled_variant
        self._programs: dict[Hashable, P] = {} if programs is None else programs
        self._compiled: dict[Hashable, Compiled] = {}
        self._one_by_one: set[str] = set()

    @cached_property
    def _plan(self) -> list[Try]:
        return plan(self.question, self._how)

    @property
    def block(self) -> int:
        """How many points to ask for at once."""
        many = self._recall is not None or self._compiles(self._many()[0])
        return min(max(CELLS // self.question.size, 1), MOST) if many else 1

    def solve(self, *points: Array) -> R:
        """Return the best answer at each of K points: the first that is certified, or the one of least gap. Nothing raises.

        At a load of 0 it is `Question.idle`. Where answers are recalled they are those that were
        kept, if they were; see `sojourn.models.core.stored`.
        """
        idle = points[0] == 0
        if not idle.any():
            return self._answered(points)
        if self._recall is not None:
            self._recall.used = True  # without a solver too
        out, busy = self.question.empty(idle.size), ~idle
        out.put(
            idle, self.question.idle(tuple(column[idle] for column in points)).values(slice(None))
        )
        if busy.any():
            out.put(
                busy, self._answered(tuple(column[busy] for column in points)).values(slice(None))
            )
        return out

    def _answered(self, points: Points) -> R:
        kept = None if self._recall is None else self._recalled(self._recall, points)
        return self._best(points, self._many())[0] if kept is None else kept

    def _recalled(self, recall: StoredAnswers, points: Points) -> R | None:
        """The answers that were kept, certified by today's code; None where there are none."""
        try:
            rows = recall.rows(points[0], self._next)
            found = self.question.certify_stored(points, partial(recall.column, rows))
        except LookupError:
            recall.solved = True
            return None
        recall.used, self._next = True, max([self._next, *(row + 1 for row in rows)])
        out = self.question.empty(len(rows))
        out.put(found.available, found.values(found.available))
        return out

    def certified(self, *points: Array) -> R:
        """Return the answer at one point, points of shape (1, ...), by the programs compiled for many; NotCertifiedError where it misses."""
        found, options = self._best(points, self._many())
        if not found.certified[0]:
            raise self._not_certified(points, None, options.attempts)
        return found

    def one(self, *point: Any) -> S:
        """Return the answer at one point.

        Raises
        ------
        NotCertifiedError
            Where none is certified, unless ``throw=False`` and there is one at all.
        """
        points = tuple(np.asarray(p, dtype=float)[None] for p in point)
        found, options = self._best(
            points, [t for t in self._plan if t.effort != "quick"], alone=True
        )
        best = self.question.solution(found, points, options) if found.available[0] else None
        if best is not None and (found.certified[0] or not self._how.get("throw", True)):
            return best
        raise self._not_certified(points, best, options.attempts)

    def _many(self) -> list[Try]:
        """What to try, in turn, at many points: a solver's own tolerances where Newton steps finish, then the library's."""
        quick = self.question.quick and not self._how.get("solver_options")
        pairs = [(first._replace(effort="quick"), first) for first in self._plan]
        return [
            t for pair in pairs for t in (pair if quick and self._compiles(pair[0]) else pair[1:])
        ]

    def _asked(self, step: Try) -> Question[P, R, S]:
        """The question as a try writes it."""
        return self._compiled_variant if step.effort == "quick" else self.question

    def _compiles(self, step: Try) -> bool:
        slow = (
            step.solver in UNSUPPORTED
            or step.solver in self._one_by_one
            or session(step.solver) is None
        )
        return not slow and self._asked(step).pattern(step.form, ()) is not ...

    def _best(
        self, points: Points, steps: Sequence[Try], *, alone: bool = False
    ) -> tuple[R, Provenance]:
        """The loop over solvers: those points that have no certified answer yet go on to the next."""
        best, pending = self.question.empty(len(points[0])), np.arange(len(points[0]))
        attempts: list[Attempt] = []
        options = Provenance("", "", "", (), Timing(0.0, 0.0, 0.0))
        for step in steps:
            if not pending.size:
                break
            started = time.perf_counter()
            got = self._try(step, tuple(column[pending] for column in points), alone=alone)
            found = got.found
            gap = float(found.gap[0])
            attempts.append(
                Attempt(step.solver, step.label, got.status[0], gap, time.perf_counter() - started)
            )
            # one that is certified comes before any other, also before one whose gap is no number
            better = found.available & (
                found.certified | (found.gap < best.gap[pending]) | ~best.only(pending).available
            )
            best.put(pending[better], found.values(better))
            if better[0] and pending[0] == 0 and got.problem is not None:
                options = Provenance(
                    step.solver, step.label, got.status[0], (), got.timing, got.problem
                )
            pending = pending[~best.certified[pending]]
        return best, replace(options, attempts=tuple(attempts))

    def _try(self, step: Try, points: Points, *, alone: bool) -> Outcome[R]:
        """One solver at K points: compiled where that can be, else one after the other."""
        alike = [] if alone or not self._compiles(step) else self._alike(step, points)
        if alike:
            try:
                return self._together(step, points, alike)
            except UnsupportedCvxpyError as error:
                self._one_by_one.add(step.solver)
                if not self._part:
                    UNSUPPORTED.add(step.solver)
                    warnings.warn(
                        f"CVXPY is asked for one point after the other, which is slower: {error}",
                        stacklevel=2,
                    )
        rows = [
            self._singly(step, tuple(column[k : k + 1] for column in points))
            for k in range(len(points[0]))
        ]
        found = (
            rows[0].found if len(rows) == 1 else type(rows[0].found).joined([r.found for r in rows])
        )
        return Outcome(found, tuple(r.status[0] for r in rows), rows[0].timing, rows[0].problem)

    def _program(self, step: Try, points: Points) -> tuple[Hashable, P]:
        """The program of some points, written now or before."""
        question, form = self._asked(step), step.form
        pattern = question.pattern(form, points)
        if pattern is ...:
            return ..., question.write(form, points)
        key = (form, pattern)
        if key not in self._programs:
            self._programs[key] = question.write(form, points)
        return key, self._programs[key]

    def _singly(self, step: Try, points: Points) -> Outcome[R]:
        """One point through CVXPY, by as many programs as the question needs."""
        best, spent, status, solved = self.question.empty(1), Timing(0.0, 0.0, 0.0), "", None
        started = time.perf_counter()
        program: P | None = self._program(step, points)[1]
        while program is not None:
            for parameter, values in self.question.parameters(program, points):
                parameter.value = values[0]
            built = time.perf_counter() - started
            ran = run(program.problem, step.solver, self._how.get("solver_options"), step.effort)
            finishing = time.perf_counter()
            found = self.question.finish(program, _read(ran.status), points)
            started = time.perf_counter()
            spent += Timing(built, ran.compile, ran.solve, started - finishing)
            if found.available[0] and (not best.available[0] or found.gap[0] < best.gap[0]):
                best, status, solved = found, ran.status, program.problem
            status = status or ran.status
            program = self.question.refine(program, found) if found.available[0] else None
        return Outcome(best, (status,), spent, solved)

    def _together(self, step: Try, points: Points, alike: Sequence[Any]) -> Outcome[R]:
        """K points by a solver's own interface, those of one pattern by one compiled program."""
        out, status = self.question.empty(len(points[0])), [""] * len(points[0])
        problem = None
        for rows in alike:
            some = tuple(column[rows] for column in points)
            key, program = self._program(step, some)
            problem = program.problem
            values = self.question.parameters(program, some)
            try:
                answers = self._compile((key, step), program, values).solve(*values)
            except (cp.error.SolverError, ArithmeticError, ValueError, TypeError) as error:
                status = [f"{type(error).__name__}: {error}"] * len(status)
                continue
            found = self.question.finish(
                program, SolverOutput(answers.value, answers.dual, answers.raw.status), some
            )
            out.put(rows, found.values(slice(None)))
            for k, word in zip(rows, answers.raw.status, strict=True):
                status[k] = word
        return Outcome(out, tuple(status), Timing(0.0, 0.0, 0.0), problem)

    def _alike(self, step: Try, points: Points) -> list[Any]:
        """Rows of the points that one program serves; none where a point needs one of its own."""
        pattern, count = self._asked(step).pattern, len(points[0])
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
        self, key: tuple[Hashable, Try], program: P, values: Sequence[tuple[cp.Parameter, Array]]
    ) -> Compiled:
        if key not in self._compiled:
            for parameter, rows in values:
                parameter.value = rows[0]
            step = key[1]
            options = spec(step.solver).options(step.effort, self._how.get("solver_options"))
            self._compiled[key] = Compiled(program.problem, step.solver, options)
        return self._compiled[key]

    def _not_certified(
        self, points: Points, best: S | None, attempts: Sequence[Attempt]
    ) -> NotCertifiedError:
        tried = "; ".join(
            f"{a.solver} ({a.formulation}): {a.status}, gap {a.gap:.1e}" for a in attempts
        )
        what, gap = self.question.title(points), self.question.tolerance.gap
        return NotCertifiedError(
            f"no certified {what}, gap {gap:.1e} wanted. Tried {tried}. {self.question.remedy}",
            best,
            tuple(attempts),
        )


def _read(status: str) -> SolverOutput:
    """What CVXPY has of the one point that was just solved."""

    def row(value: Any, shape: tuple[int, ...]) -> Array:
        return (
            np.full((1, *shape), np.nan) if value is None else np.asarray(value, dtype=float)[None]
        )

    return SolverOutput(
        lambda v: row(v.value, v.shape), lambda c: row(c.dual_value, c.shape), (status,)
    )


def plan(question: Question[Any, Any, Any], options: Mapping[str, Any]) -> list[Try]:
    """Return the tries of a question in turn: every solver's first formulation before any solver's second.

    Raises
    ------
    SolverNameError, SolverOptionError, FormulationError
        On a solver, an option or a formulation that there is not; where a solver takes none of the cones.
    """
    chosen, named = options.get("formulation", "auto"), options.get("solver")
    forms = question.formulations(chosen)
    names = solver_names(named)
    fit = {
        name: [form for form, kinds in forms.items() if kinds <= supported_cones(name)]
        for name in names
    }
    able = tuple(name for name in names if fit[name])
    if not able:
        raise _refusal(question, forms, chosen, names[0])
    able = capable_solvers(able, options.get("solver_options"))
    again = question.degenerate and not options.get("solver_options")
    steps = []
    for turn in range(max(len(fit[name]) for name in able)):
        for name in able:
            if turn < len(fit[name]):
                steps.append(Try(name, fit[name][turn], "tight"))
                steps += [Try(name, fit[name][turn], "retry")] if again and spec(name).retry else []
    return steps


def _refusal(
    question: Question[Any, Any, Any], forms: Mapping[str, frozenset[str]], chosen: str, solver: str
) -> FormulationError:
    """The error that a solver takes none of the formulations."""
    able = [
        name
        for name in solver_names(None)
        if any(kinds <= supported_cones(name) for kinds in forms.values())
    ]
    remedy = f"use {' or '.join(able)}" if able else "install a solver that does"
    kinds = next(iter(forms.values()))
    missing = ", ".join(sorted(kinds - supported_cones(solver)))
    if chosen != "auto":
        problem = f"needs the cone {missing}, which {solver} does not take"
        return FormulationError(
            "formulation",
            chosen,
            problem,
            f"use auto, or solver={' or '.join(able)}" if able else "use auto",
        )
    if len(forms) == 1:
        return FormulationError(
            "solver",
            solver,
            f"does not take the cone {missing} that the {question.name} needs",
            remedy,
        )
    return FormulationError(
        "solver", solver, f"takes no formulation of the {question.name} of these servers", remedy
    )
