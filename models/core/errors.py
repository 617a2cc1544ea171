"""Errors of solvers: unknown names and options, and answers without a certificate."""

from __future__ import annotations

from typing import Any

from ...reference.errors import InputError
from ...reference.pickling import as_raised


class SolverNameError(InputError):
    """The name of a solver is unknown to CVXPY, or the solver is not installed."""


class SolverOptionError(InputError):
    """An option of a solver is unknown to it, or has a value that it does not accept."""


class FormulationError(InputError):
    """A formulation is unknown, or needs cones that the solver does not support."""


class NotCertifiedError(RuntimeError):
    """The certificates of all answers miss the required gap.

    Attributes
    ----------
    solution : Solution or None
        The answer of least gap, with its certificate; None where no solver returned an answer.
    attempts : tuple of Attempt
        The solvers that were run, in order, with their status and gap.
    """

    def __init__(self, message: str, solution: Any, attempts: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.solution, self.attempts = solution, attempts

    __reduce__ = as_raised
