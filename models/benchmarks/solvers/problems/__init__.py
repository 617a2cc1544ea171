"""Problems of the solver benchmark, some in each file; to add a problem is to add a file.

A file has a tuple ``PROBLEMS`` of `Problem`.
"""

import importlib
import pkgutil

from ..problem import Problem

PROBLEMS: tuple[Problem, ...] = tuple(
    problem
    for module in pkgutil.iter_modules(__path__)
    for problem in importlib.import_module(f"{__name__}.{module.name}").PROBLEMS
)
"""All problems, in the order of their files."""


def known(name: str) -> Problem | None:
    """Return the problem of a name; None where rows of another version name one."""
    return next((problem for problem in PROBLEMS if problem.name == name), None)
