"""Which solvers there are, which cones they take, and how tight to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import cvxpy as cp
from cvxpy.reductions.solvers import defines

from .errors import SolverNameError

CHAIN = ("CLARABEL", "ECOS", "SCS")
"""Solvers tried in turn when none is named; those not installed are passed over."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # accept_unknown: an answer that ended in "insufficient progress" is judged by its certificate as any other
    "CLARABEL": {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "accept_unknown": True},
    "ECOS": {"abstol": 1e-10, "reltol": 1e-10, "feastol": 1e-10, "max_iters": 200},
    "SCS": {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 5000},
}
"""Tighter than the solvers' own defaults: a gap of 1e-8 in the potential is 1e-4 in the flows."""

QUICK: Mapping[str, Mapping[str, Any]] = {"CLARABEL": {"accept_unknown": True}, "ECOS": {}, "SCS": {}}
"""The solvers' own tolerances: near enough for Newton steps to finish. What they do not lead to a certificate is asked again, tighter."""

_KINDS = {"SOC": "SOC", "ExpCone": "EXP", "PowCone3D": "POW", "SvecPSD": "PSD", "PSD": "PSD"}


def solver_names(solver: str | None) -> tuple[str, ...]:
    """Return the solvers to try: the one named, or the installed part of `CHAIN`.

    Raises
    ------
    SolverNameError
        On a name that CVXPY does not know, or a solver that is not installed.
    """
    installed = _installed(cp.installed_solvers)
    if solver is None:
        return tuple(s for s in CHAIN if s in installed)
    name = str(solver).upper()
    if name not in {*defines.SOLVER_MAP_CONIC, *defines.SOLVER_MAP_QP}:
        raise SolverNameError("solver", solver, "is not a solver that CVXPY knows", f"use one of {', '.join(sorted(installed))}")
    if name not in installed:
        raise SolverNameError("solver", solver, "is not installed", f"install it, or use one of {', '.join(sorted(installed))}")
    return (name,)


@cache  # CVXPY tries every import again each time: 4 ms
def _installed(look: Callable[[], list[str]]) -> tuple[str, ...]:
    return tuple(look())


def takes(name: str) -> frozenset[str]:
    """Return the kinds of cone beyond the linear ones that a solver takes; ``"QP"`` for a quadratic objective."""
    kinds = set()
    conic = defines.SOLVER_MAP_CONIC.get(name)
    if conic is not None:
        kinds |= {_KINDS[c.__name__] for c in conic.SUPPORTED_CONSTRAINTS if c.__name__ in _KINDS}
    if name in defines.SOLVER_MAP_QP or "SOC" in kinds:
        kinds.add("QP")
    return frozenset(kinds)
