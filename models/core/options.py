"""How to solve: the options of questions, and the check of what a user gives."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ...reference.validation import check_flag
from .errors import FormulationError, SolverOptionError
from .tolerance import check_gap


class SolveOptions(TypedDict, total=False):
    """How to solve any problem: by whom, how tight, and what to do with an answer that misses its gap."""

    solver: str | None
    solver_options: Mapping[str, Any] | None
    gap: float | None
    throw: bool


class PolishOptions(SolveOptions, total=False):
    """The same, and whether Newton steps finish what the solver began."""

    polish: bool


class FormulationOptions(PolishOptions, total=False):
    """How to solve; see `sojourn.models.ParallelServers.optimum`."""

    formulation: str
    subject_to: Sequence[Any] | None


def check_solve_options(
    question: str, options: Mapping[str, Any], known: type = FormulationOptions
) -> None:
    """Raise TypeError on an option that there is not, as Python does for a keyword; InputError on a value that is none."""
    for key in options:
        if key not in known.__annotations__:
            near = difflib.get_close_matches(key, known.__annotations__, 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"the options are {', '.join(known.__annotations__)}"
            )
            raise TypeError(f"{question}() got an unexpected keyword argument {key!r}; {hint}")
    if options.get("gap") is not None:
        check_gap(options["gap"])
    for key in ("polish", "throw"):
        check_flag(key, options.get(key, True))
    form, own = options.get("formulation", "auto"), options.get("solver_options")
    if not isinstance(form, str):
        raise FormulationError(
            "formulation", form, "is not a name", "leave it out for the best that the solver takes"
        )
    if not (own is None or isinstance(own, Mapping)):
        raise SolverOptionError(
            "solver_options",
            own,
            "is not a mapping",
            'give names and values, such as {"max_iter": 100}',
        )
