"""Solvers by what the user names: one of CVXPY, a Python function, or a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .....reference.errors import InputError
from .....reference.validation import check_text
from ....core.solvers import solver_names
from .command_solver import command_solver
from .cvxpy_solver import CvxpySolver, default_solvers
from .python_solver import python_solver
from .solver import BenchmarkSolver

NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<rest>.*[:{].*)")


def as_solvers(given: Sequence[str | BenchmarkSolver] | None) -> list[BenchmarkSolver]:
    """Return the solvers that are named; by default all that CVXPY finds.

    Parameters
    ----------
    given : sequence of str or BenchmarkSolver, optional
        Names of solvers in CVXPY; functions such as ``mine.py:solve`` or ``package.module:solve``;
        and commands such as ``my-solver {instance} {solution}``. The last two may begin with
        ``NAME=``.

    Raises
    ------
    InputError
        On what is none of them or does not exist, and where two solvers have one name.
    """
    if given is None:
        return [*default_solvers()]
    if not given:
        raise InputError("solvers", [], "names no solver", "name one, or leave it out for all")
    solvers = [as_solver(f"solvers[{i}]", one) for i, one in enumerate(given)]
    names = [solver.name for solver in solvers]
    if again := next((name for name in names if names.count(name) > 1), ""):
        remedy = "name each once, functions and commands as NAME=..."
        raise InputError("solvers", ", ".join(names), f"has two solvers {again!r}", remedy)
    return solvers


def as_solver(field: str, given: str | BenchmarkSolver) -> BenchmarkSolver:
    """Return one solver; see `as_solvers`."""
    if not isinstance(given, str):
        if all(hasattr(given, part) for part in ("name", "version", "solve", "options")):
            return given
        problem = "is neither a name nor a BenchmarkSolver"
        raise InputError(field, given, problem, "give the name of a solver")
    text = check_text(field, given).strip()
    named = NAMED.fullmatch(text)
    name, rest = (named["name"], named["rest"]) if named else ("", text)
    if "{" in rest:
        return command_solver(field, name, rest)
    module, colon, function = rest.rpartition(":")
    if colon:
        own = f"{Path(module).stem if module.endswith('.py') else module}.{function}"
        return python_solver(field, name or own, rest)
    return CvxpySolver(solver_names(rest)[0])
