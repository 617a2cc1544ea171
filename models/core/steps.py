"""The runs of solvers that a question needs, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import FormulationError
from .question import Question
from .solver_specs import Effort, spec
from .solvers import capable_solvers, solver_names, supported_cones


class SolveStep(NamedTuple):
    """One solver, on one formulation, with some effort."""

    solver: str
    form: str
    effort: Effort

    @property
    def label(self) -> str:
        """Name of the formulation in records: a second try has one of its own."""
        return f"{self.form}-again" if self.effort == "retry" else self.form


def solve_steps(question: Question[Any, Any, Any], options: Mapping[str, Any]) -> list[SolveStep]:
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
                steps.append(SolveStep(name, fit[name][turn], "tight"))
                steps += (
                    [SolveStep(name, fit[name][turn], "retry")]
                    if again and spec(name).retry
                    else []
                )
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
