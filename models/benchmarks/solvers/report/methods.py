"""Methods of the known solvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .document import DataTable

INTERIOR = "interior point"
METHODS: Mapping[str, str] = {
    "CLARABEL": f"{INTERIOR}, homogeneous embedding",
    "SCS": "ADMM on the homogeneous self-dual embedding",
    "ECOS": f"{INTERIOR}, self-dual embedding",
    "MOREAU": INTERIOR,
    "QOCO": INTERIOR,
    "CVXOPT": INTERIOR,
    "SDPA": INTERIOR,
    "PIQP": f"{INTERIOR} with a proximal term",
    "MOSEK": f"{INTERIOR}, homogeneous model",
    "OSQP": "ADMM",
    "PROXQP": "proximal augmented Lagrangian",
    "QPALM": "proximal augmented Lagrangian",
    "DAQP": "dual active set",
    "HIGHS": "simplex; active set for quadratic programs",
    "SCIPY": "simplex or interior point of HiGHS",
    "GLPK": "simplex",
    "GLOP": "simplex",
    "CBC": "simplex",
    "SCIP": "simplex or an outer approximation, with branch and bound",
    "GUROBI": f"simplex or {INTERIOR}",
    "COPT": f"simplex or {INTERIOR}",
    "PDLP": "primal-dual hybrid gradient",
}
"""Method by CVXPY's name of a solver, as its documentation names it."""


def methods_table(solvers: Sequence[str]) -> DataTable:
    """Return a table of the methods of solvers."""
    rows = [(solver, METHODS.get(solver, "not known here")) for solver in solvers]
    reading = (
        ("method", "what decides how an answer is inexact: an interior-point method tends to end "
         "with small residuals, a first-order method (ADMM, augmented Lagrangian, hybrid gradient) "
         "near its tolerance, a simplex or active-set method at a vertex or not at all"),
    )  # fmt: skip
    return DataTable(("solver", "method"), rows, 2, reading, "methods of the solvers")
