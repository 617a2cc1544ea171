"""A solver of the user as a Python function: ``--solver mine.py:solve``.

The function gets a `sojourn.models.benchmarks.solvers.programs.cone_program.ConeProgram` and a
dictionary of options, and returns a status with the primal and the dual variable::

    def solve(program, options):
        x, y = my_method(program.P, program.q, program.A, program.b, program.cones,
                         options["tolerance"] or 1e-8)
        return "optimal", x, y

The options are ``settings`` (the name), ``tolerance`` (None where the settings ask for none),
``time_limit`` (seconds, after which the process is ended), and those that a file of settings has
for the solver. The status is one of CVXPY's, such as ``optimal``, ``optimal_inaccurate`` or
``infeasible``; y may be None. In place of the three, a dictionary, or an
`sojourn.models.benchmarks.solvers.run.solver.Answer`, may also have ``iterations``, and what the
method says of its own time as ``solve_seconds``; what counts is the time of the call. The program
is a copy, whose arrays the function may scale in place. The file may state its version as
``__version__``.

Before its first cell in a process the function is called for a program of the name ``warm-up``, and
before all cells for one of the name ``trial``: with one small cone of each kind, in 1 to about 10
variables. Neither answer counts, nor their times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .....reference.errors import InputError
from ....frontend.modules import import_named
from ..programs.cone_program import ConeProgram
from ..settings import Settings
from .solver import Answer, digest_of, failed, options_of_user, refusal_of_user

FIELDS = ("status", "x", "y", "solve_seconds", "iterations")
"""Entries of an answer of the user."""


@dataclass(frozen=True)
class PythonSolver:
    """A solver as a function of a Python module.

    Attributes
    ----------
    name : str
    module : str
        Name of a module, or path of a .py file.
    function : str
    version : str
        ``__version__`` of the module, or the digest of its file.
    """

    name: str
    module: str
    function: str
    version: str = ""

    def refusal(self, program: ConeProgram) -> str:
        """Return nothing: the function gets every program."""
        return ""

    def settings_refusal(self, settings: Settings) -> str:
        """Return why the solver has no options under some settings; empty where it has."""
        return refusal_of_user(self.name, settings)

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return the options of settings."""
        return options_of_user(self.name, settings, seconds)

    def solve(self, program: ConeProgram, options: Mapping[str, Any]) -> Answer:
        """Call the function; an exception becomes the status.

        It gets copies, which it may change.
        """
        function = _function(self.module, self.function)
        own, given = deepcopy(program), deepcopy(dict(options))
        started = time.perf_counter()
        try:
            found = function(own, given)
            seconds = time.perf_counter() - started
            answer = as_answer(found, seconds)
            # other solvers have no say in their time either
            return replace(answer, solve_seconds=seconds, transfer_seconds=0.0)
        except BaseException as error:  # a panic of a solver in Rust is no Exception
            return failed(error, time.perf_counter() - started)


def as_answer(found: Any, seconds: float) -> Answer:
    """Return what a solver of the user returned as an answer.

    Parameters
    ----------
    found : Answer, mapping, or (status, x, y)
    seconds : float
        Time of the call. Of it, what is above the ``solve_seconds`` of the answer, where it has
        them, is `Answer.transfer_seconds`; they are its `Answer.own_seconds`, too.

    Raises
    ------
    TypeError
        Where it is neither of them.
    """
    if isinstance(found, Answer):
        given = {name: getattr(found, name) for name in FIELDS}
    elif isinstance(found, Mapping):
        given = dict(found)
    elif isinstance(found, tuple | list) and len(found) == 3:
        given = dict(zip(("status", "x", "y"), found, strict=True))
    else:
        text = f"the solver returned {type(found).__name__}, not (status, x, y) or a dictionary"
        raise TypeError(text)
    if unknown := [name for name in given if name not in FIELDS]:
        raise TypeError(f"the answer has no entry {unknown[0]!r}; use {', '.join(FIELDS)}")
    if not isinstance(given.get("status"), str):
        raise TypeError(f"the status is {given.get('status')!r}, not a text")
    claimed = float(given.get("solve_seconds") or math.nan)
    solve = claimed if 0 < claimed < seconds else seconds
    iterations = given.get("iterations")
    return Answer(
        given["status"],
        given.get("x"),
        given.get("y"),
        seconds - solve,
        solve,
        None if iterations is None else int(iterations),
        claimed if 0 < claimed < math.inf else math.nan,
    )


def python_solver(field: str, name: str, text: str) -> PythonSolver:
    """Return the solver of a text such as ``mine.py:solve``.

    Raises
    ------
    InputError
        Where the module cannot be imported or has no such function.
    """
    module, _, function = text.rpartition(":")
    found = import_named(field, module)
    if not callable(getattr(found, function, None)):
        defined = [key for key, value in vars(found).items() if callable(value) and key[0] != "_"]
        problem = f"has no function {function!r}"
        remedy = f"use {' or '.join(defined[:5])}" if defined else "write that function"
        raise InputError(field, text, problem, remedy)
    version = getattr(found, "__version__", "") or digest_of([found.__file__ or ""])
    return PythonSolver(name, module, function, str(version))


@lru_cache
def _function(module: str, function: str) -> Callable[[ConeProgram, dict[str, Any]], Any]:
    """Return the function, in the process of a worker."""
    found: Callable[[ConeProgram, dict[str, Any]], Any] = getattr(
        import_named("solver", module), function
    )
    return found
