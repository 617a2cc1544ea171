"""The options of all questions: their types, meanings and defaults, and the check of values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypedDict

from ...reference.validation import check_flag
from .errors import FormulationError, SolverOptionError
from .suggest import suggest
from .tolerance import check_gap


class SolveOptions(TypedDict, total=False):
    """Options of every question: the solver, the required gap, and what happens if it is missed.

    Parameters
    ----------
    solver : str, optional
        CVXPY's name of the solver, such as ``"CLARABEL"``. By default the installed ones of
        Clarabel, ECOS and SCS that support the problem are tried in this order, until the
        certificate of an answer meets `gap`.
    solver_options : mapping, optional
        Options under the solver's own names, such as ``{"max_iter": 100}``. They take precedence
        over the library's choice.
    gap : float, optional
        Largest relative error that the certificate of an answer may allow. By default 1e-9 for an
        answer refined by Newton steps and 1e-4 for one that is not. Where the used servers are so
        full that rounding alone causes a larger gap, the default rises up to 1e-4.
    throw : bool, default True
        Whether `NotCertifiedError` is raised if no answer meets `gap`. With False the best answer
        is returned, with ``certified`` False. A curve returns all its answers in either case.
    """

    solver: str | None
    solver_options: Mapping[str, Any] | None
    gap: float | None
    throw: bool


class PolishOptions(SolveOptions, total=False):
    """``SolveOptions``, and whether Newton steps refine the solver's answer.

    Parameters
    ----------
    polish : bool, default True
        Whether Newton steps refine the solver's answer. With False the answer is the solver's own.
    """

    polish: bool


class FormulationOptions(PolishOptions, total=False):
    """`PolishOptions`, the formulation of the convex program, and limits on the flows.

    Parameters
    ----------
    formulation : str, default "auto"
        Name of the convex program, such as ``"epigraph"`` of an optimum or ``"beckmann"`` of an
        equilibrium; see `ParallelServers.optimum` and `ParallelServers.equilibrium`. ``"auto"``
        takes the best that the solver supports.
    subject_to : sequence of Limit, optional
        Limits on the flows of an optimum, such as `MaxShare`. An equilibrium takes none.
    """

    formulation: str
    subject_to: Sequence[Any] | None


DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "solver": None,
        "solver_options": None,
        "gap": None,
        "throw": True,
        "polish": True,
        "formulation": "auto",
        "subject_to": None,
    }
)
"""The value that each option has where it is not given."""


def descriptions(options: type) -> dict[str, str]:
    """Return the entries of the section ``Parameters`` of a TypedDict's docstring, by option."""
    section = (inspect.getdoc(options) or "").partition("Parameters\n----------\n")[2]
    return {entry[1]: entry[0] for entry in re.finditer(r"^(\w+) : .*(?:\n .*)*", section, re.M)}


DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        name: text
        for options in (SolveOptions, PolishOptions, FormulationOptions)
        for name, text in descriptions(options).items()
    }
)
"""The docstring entry of each option."""


def check_solve_options(
    question: str, options: Mapping[str, Any], known: type = FormulationOptions
) -> None:
    """Check the names and values of the options of a question.

    Parameters
    ----------
    question : str
        Name of the function in the message of a TypeError.
    options : mapping
        Options as they were given.
    known : type
        TypedDict whose keys are the options of the question.

    Raises
    ------
    TypeError
        On an unknown option, as Python raises for an unknown keyword argument.
    InputError
        On a value that the option cannot have.
    """
    for key in options:
        if key not in known.__annotations__:
            names = known.__annotations__
            hint = suggest(key, names, f"the options are {', '.join(names)}")
            raise TypeError(f"{question}() got an unexpected keyword argument {key!r}; {hint}")
    if options.get("gap") is not None:
        check_gap(options["gap"])
    for key in ("polish", "throw"):
        check_flag(key, options.get(key, DEFAULTS[key]))
    form, own = options.get("formulation", "auto"), options.get("solver_options")
    if not isinstance(form, str):
        raise FormulationError(
            "formulation",
            form,
            "is not a name",
            "leave it out for the best that the solver supports",
        )
    if not (own is None or isinstance(own, Mapping)):
        raise SolverOptionError(
            "solver_options",
            own,
            "is not a mapping",
            'give names and values, such as {"max_iter": 100}',
        )
