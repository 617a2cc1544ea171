"""The problems of the solver benchmark: each file here has a tuple `PROBLEMS`, and to add a problem is to add a file."""

import importlib
import pkgutil

from ..problem import Problem

PROBLEMS: tuple[Problem, ...] = tuple(
    problem
    for found in pkgutil.iter_modules(__path__)
    for problem in importlib.import_module(f"{__name__}.{found.name}").PROBLEMS
)
"""All of them, by the names of their files."""
