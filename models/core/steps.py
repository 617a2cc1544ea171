"""The order in which a question is given to solvers and formulations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import FormulationError, SolverOptionError
from .options import DEFAULTS
from .question import Question
from .solver_specs import Effort, spec
from .solvers import capable_solvers, solver_names, supported_cones

EFFORTS: tuple[Effort, Effort] = ("tight", "retry")
OWN = "own algorithm"
"""Name of the formulation of a step that runs `Question.compute`, which has no program."""


class SolveStep(NamedTuple):
    """One solver, one formulation, and which of the library's options to use.

    Attributes
    ----------
    solver : str
        CVXPY's name of the solver, or the `Question.own_solver`.
    form : str
        Name of the formulation; `OWN` for the question's own algorithm.
    effort : {"quick", "tight", "retry"}
        See `sojourn.models.core.solver_specs.SolverSpec`.
    """

    solver: str
    form: str
    effort: Effort

    @property
    def label(self) -> str:
        """Name of the formulation in records of attempts; a second run has a name of its own."""
        return f"{self.form}-again" if self.effort == "retry" else self.form


def solve_steps(question: Question[Any, Any, Any], options: Mapping[str, Any]) -> list[SolveStep]:
    """Return the steps of a question: all solvers on their best formulation, then on the second.

    An algorithm of the question's own comes second, or first where the question prefers it. It runs
    alone where the user names it, and not at all where the user names a solver, options of a solver
    or a formulation.

    Parameters
    ----------
    question : Question
        The question.
    options : mapping
        Options of the question, such as ``solver``, ``solver_options`` and ``formulation``.

    Raises
    ------
    SolverNameError, SolverOptionError, FormulationError
        Where a solver, one of its options or a formulation is unknown, or no solver supports the
        cones of any formulation.
    """
    chosen = options.get("formulation", DEFAULTS["formulation"])
    forms = question.formulations(chosen)
    named, given = options.get("solver"), options.get("solver_options")
    own = [] if question.own_solver is None else [SolveStep(question.own_solver, OWN, "tight")]
    if own and isinstance(named, str) and named.upper() == question.own_solver:
        _check_alone(own[0].solver, chosen, given)
        return own
    names = solver_names(named, tuple(step.solver for step in own))
    if named is not None or chosen != DEFAULTS["formulation"] or given:
        own = []
    able, ordered = _ordered(tuple((f, frozenset(cones)) for f, cones in forms.items()), names)
    if not able and not own:
        raise _unsupported(question, forms, chosen, names[0])
    if given:
        capable = capable_solvers(able, given)
        return [step for step in ordered if step.solver in capable and step.effort == "tight"]
    steps = [step for step in ordered if question.degenerate or step.effort == "tight"]
    place = 0 if question.prefers_own else 1
    return [*steps[:place], *own, *steps[place:]]


def _check_alone(own: str, chosen: str, given: Any) -> None:
    """Raise InputError on options that a question's own algorithm, named by a user, has not."""
    if chosen != DEFAULTS["formulation"]:
        remedy = "leave one of them out"
        raise FormulationError("formulation", chosen, f"is no program of {own}", remedy)
    if given:
        remedy = "leave them out, or name a solver of CVXPY"
        raise SolverOptionError("solver_options", dict(given), f"{own} takes no options", remedy)


@lru_cache(256)
def _ordered(
    forms: tuple[tuple[str, frozenset[str]], ...], names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[SolveStep, ...]]:
    """Return the solvers that support a formulation, and all steps in order."""
    supported = {
        name: [form for form, cones in forms if cones <= supported_cones(name)] for name in names
    }
    able = tuple(name for name in names if supported[name])
    turns = max((len(supported[name]) for name in able), default=0)
    steps = [
        SolveStep(name, supported[name][turn], effort)
        for turn in range(turns)
        for name in able
        if turn < len(supported[name])
        for effort in (EFFORTS if spec(name).retry else EFFORTS[:1])
    ]
    return able, tuple(steps)


def _unsupported(
    question: Question[Any, Any, Any], forms: Mapping[str, frozenset[str]], chosen: str, solver: str
) -> FormulationError:
    """Return the error for a solver that supports none of the formulations."""
    able = [
        name
        for name in solver_names(None)
        if any(cones <= supported_cones(name) for cones in forms.values())
    ]
    names = " or ".join(able)
    missing = ", ".join(sorted(next(iter(forms.values())) - supported_cones(solver)))
    if chosen != "auto":
        problem = f"needs the cone {missing}, which {solver} does not take"
        remedy = f"use auto, or solver={names}" if able else "use auto"
        return FormulationError("formulation", chosen, problem, remedy)
    problem = f"supports no formulation of the {question.name}"
    if len(forms) == 1:
        problem = f"does not take the cone {missing} that the {question.name} needs"
    remedy = f"use {names}" if able else "install a solver that does"
    return FormulationError("solver", solver, problem, remedy)
