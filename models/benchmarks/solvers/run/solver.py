"""What the benchmark asks of a solver, and what a solver returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .....reference.errors import Array
from ..programs.cone_program import ConeProgram


@dataclass(frozen=True, eq=False)
class Answer:
    """Answer of a solver to a cone program.

    Attributes
    ----------
    status : str
        CVXPY's word for it (``optimal``, ``optimal_inaccurate``, ``infeasible``, ...), or type and
        message of the error that the solver raised.
    x : ndarray, shape (n,), or None
    y : ndarray, shape (m,), or None
        Dual variable of the rows, by the sign rule of `ConeProgram`.
    transfer_seconds : float
        Time to bring the program into the solver's own form.
    solve_seconds : float
        Time of the solver.
    iterations : int or None
    """

    status: str
    x: Array | None = None
    y: Array | None = None
    transfer_seconds: float = 0.0
    solve_seconds: float = 0.0
    iterations: int | None = None


class BenchmarkSolver(Protocol):
    """A solver of the benchmark. It is pickled, and used in the process of a worker."""

    @property
    def name(self) -> str:
        """Name in tables."""

    @property
    def version(self) -> str:
        """Version of the solver; empty where it is not known."""

    def refusal(self, program: ConeProgram) -> str:
        """Return why the solver does not take a program, such as a cone; empty where it does."""

    def options(self, settings: str, tolerance: float | None, seconds: float) -> dict[str, Any]:
        """Return the options of named settings, of a tolerance, and with a limit of time."""

    def solve(self, program: ConeProgram, options: Mapping[str, Any]) -> Answer:
        """Solve a program; a failure of the solver is an answer, too."""
