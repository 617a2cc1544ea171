"""How the solvers of the benchmark are set: a name to choose by, and each solver's options under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.solvers import OPTIONS

Options = Mapping[str, Mapping[str, Any]]

OWN: Options = {
    "CLARABEL": {"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8, "accept_unknown": False},
    "ECOS": {"abstol": 1e-8, "reltol": 1e-8, "feastol": 1e-8, "max_iters": 100},
    "SCS": {"eps_abs": 1e-5, "eps_rel": 1e-5, "max_iters": 100_000},
}
"""What these run with when CVXPY is given no options: they undo `sojourn.models.core.solvers.OPTIONS`. The others need no line."""

SETTINGS: Mapping[str, Options] = {"own": OWN, "sojourn": OPTIONS}

TIME_LIMIT: Mapping[str, str] = {
    "CLARABEL": "time_limit",
    "SCS": "time_limit_secs",
    "OSQP": "time_limit",
    "HIGHS": "time_limit",
}
"""The option by which a solver is told to stop after some seconds; those that are not here have none."""


def options(solver: str, settings: str, seconds: float) -> dict[str, Any]:
    """Return a solver's options under the settings of a name, with a time limit where it has one."""
    limit = {TIME_LIMIT[solver]: seconds} if solver in TIME_LIMIT else {}
    return {**SETTINGS[settings].get(solver, {}), **limit}
