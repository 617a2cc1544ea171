"""Options of the known solvers, one record each; no solver is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effort = Literal["quick", "tight", "retry"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class SolverSpec:
    """Options with which the library runs one solver.

    To add a solver that CVXPY supports, add its record to `SOLVERS`. For fast curves, add a file
    with its native interface to `sojourn.models.core.native` as well. A solver without a record can
    still be named by a user; it then runs with its own tolerances.

    Attributes
    ----------
    name : str
        CVXPY's name of the solver, in upper case.
    default : bool
        Whether it is run where the user names no solver; in the order of `SOLVERS`.
    quick : mapping
        Options of a first run whose answer Newton steps refine: the solver's own tolerances.
    tight : mapping
        Options of every other run. They are tight because a gap of 1e-8 in the objective is an
        error of about 1e-4 in the flows.
    retry : mapping
        Options that replace some of `tight` in a second run of a degenerate program. An empty
        mapping means that there is no second run.
    own : mapping
        The solver's defaults where CVXPY is given no options, by the names in `tight`.
    time_limit : str
        Name of its option for a time limit in seconds; empty where it has none.
    """

    name: str
    default: bool = False
    quick: Options = field(default_factory=dict)
    tight: Options = field(default_factory=dict)
    retry: Options = field(default_factory=dict)
    own: Options = field(default_factory=dict)
    time_limit: str = ""

    def options(self, effort: Effort, given: Options | None = None) -> dict[str, Any]:
        """Return the options of a run.

        Parameters
        ----------
        effort : {"quick", "tight", "retry"}
            Which of the library's options to use.
        given : mapping, optional
            Options of the user; they take precedence.
        """
        again = {**self.tight, **self.retry}
        chosen = {"quick": self.quick, "tight": self.tight, "retry": again}
        return {**chosen[effort], **(given or {})}


SOLVERS: tuple[SolverSpec, ...] = (
    SolverSpec(
        "CLARABEL",
        default=True,
        # accept "insufficient progress": the certificate decides on the answer
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
        retry={"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 200_000},
        own={"eps_abs": 1e-5, "eps_rel": 1e-5, "max_iters": 100_000},
        time_limit="time_limit_secs",
    ),
    SolverSpec("OSQP", time_limit="time_limit"),
    SolverSpec("HIGHS", time_limit="time_limit"),
)
"""The known solvers; the default ones first, in the order in which they are run."""


def spec(name: str) -> SolverSpec:
    """Return the record of a solver; one without options where `SOLVERS` has none."""
    return next((s for s in SOLVERS if s.name == name), SolverSpec(name))
