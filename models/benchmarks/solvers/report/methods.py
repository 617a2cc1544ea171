"""Methods of the known solvers."""

from __future__ import annotations

from collections.abc import Sequence

from ....core.solver_specs import spec
from .document import DataTable


def methods_table(solvers: Sequence[str]) -> DataTable:
    """Return a table of the methods of solvers."""
    rows = [(solver, spec(solver).method or "not known here") for solver in solvers]
    reading = (
        ("method", "what decides how an answer is inexact: an interior-point method tends to end "
         "with small residuals, a first-order method (ADMM, augmented Lagrangian, hybrid gradient) "
         "near its tolerance, a simplex or active-set method at a vertex or not at all"),
    )  # fmt: skip
    return DataTable(("solver", "method"), rows, 2, reading, "methods of the solvers")
