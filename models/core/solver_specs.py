"""The solvers that the library knows more of than their names: a record each, without an import of any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effort = Literal["quick", "tight", "retry"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class SolverSpec:
    """How the library runs a solver. Its native interface, where it has one, is the file of its name in `core.native`.

    Attributes
    ----------
    name : str
        CVXPY's name for it.
    default : bool
        Whether it is asked when no solver is named, in the order of `SOLVERS`.
    quick : mapping
        Options of a first try that Newton steps finish: the solver's own tolerances.
    tight : mapping
        Options of any other try: a gap of 1e-8 in the potential is 1e-4 in the flows.
    retry : mapping
        What goes over `tight` in a second try of a degenerate program; empty where there is none.
    own : mapping
        What the solver runs with when CVXPY is given no options; these undo `tight`.
    time_limit : str
        The option by which it is told to stop after some seconds; empty where it has none.
    """

    name: str
    default: bool = False
    quick: Options = field(default_factory=dict)
    tight: Options = field(default_factory=dict)
    retry: Options = field(default_factory=dict)
    own: Options = field(default_factory=dict)
    time_limit: str = ""

    def options(self, effort: Effort, given: Options | None = None) -> dict[str, Any]:
        """Return the options of a try; those that the user gave go over the library's."""
        chosen = {"quick": self.quick, "tight": self.tight, "retry": {**self.tight, **self.retry}}[
            effort
        ]
        return {**chosen, **(given or {})}


SOLVERS: tuple[SolverSpec, ...] = (
    SolverSpec(
        "CLARABEL",
        default=True,
        # an answer that ended in "insufficient progress" is judged by its certificate as any other
        quick={"accept_unknown": True},
        tight={
            "tol_gap_abs": 1e-11,
            "tol_gap_rel": 1e-11,
            "tol_feas": 1e-11,
            "accept_unknown": True,
        },
        retry={"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8},
        own={"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8, "accept_unknown": False},
        time_limit="time_limit",
    ),
    SolverSpec(
        "ECOS",
        default=True,
        tight={"abstol": 1e-10, "reltol": 1e-10, "feastol": 1e-10, "max_iters": 200},
        own={"abstol": 1e-8, "reltol": 1e-8, "feastol": 1e-8, "max_iters": 100},
    ),
    SolverSpec(
        "SCS",
        default=True,
        tight={"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 5000},
        retry={"max_iters": 200_000},
        own={"eps_abs": 1e-5, "eps_rel": 1e-5, "max_iters": 100_000},
        time_limit="time_limit_secs",
    ),
    SolverSpec("OSQP", time_limit="time_limit"),
    SolverSpec("HIGHS", time_limit="time_limit"),
)
"""The solvers that the library knows more of than CVXPY's name; the default ones first, in the order in which they are tried."""


def spec(name: str) -> SolverSpec:
    """Return the record of a solver; an empty one where the library has none."""
    return next((s for s in SOLVERS if s.name == name), SolverSpec(name))
