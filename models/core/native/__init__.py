"""Solvers whose data can be handed over without CVXPY: a file each, named as the solver, with its class as ``SESSION``."""

import importlib
import pkgutil
from functools import cache

from .base import Session


@cache
def session(solver: str) -> type[Session] | None:
    """Return the interface of a solver, by CVXPY's name for it; None where there is no file for it."""
    name = solver.lower()
    if name == "base" or name not in {found.name for found in pkgutil.iter_modules(__path__)}:
        return None
    found: type[Session] = importlib.import_module(f".{name}", __name__).SESSION
    return found
