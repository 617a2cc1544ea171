"""Solvers called through their own Python interfaces, without CVXPY in between.

A solver has one file here. The file has the solver's name in lower case and offers a subclass of
`NativeSolver` as ``SOLVER_CLASS``.
"""

import importlib
import pkgutil
from functools import cache

from .base import NativeSolver


@cache
def native_solver(solver: str) -> type[NativeSolver] | None:
    """Return the native interface of a solver, or None where this folder has none.

    Parameters
    ----------
    solver : str
        CVXPY's name of the solver, such as ``"CLARABEL"``.
    """
    name = solver.lower()
    if name == "base" or name not in {module.name for module in pkgutil.iter_modules(__path__)}:
        return None
    interface: type[NativeSolver] = importlib.import_module(f".{name}", __name__).SOLVER_CLASS
    return interface
