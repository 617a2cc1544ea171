"""What can go wrong between a valid system and its certified answer."""

from __future__ import annotations

from typing import Any

from ...reference.errors import InputError
from ...reference.pickling import as_raised


class SolverNameError(InputError):
    """A solver that CVXPY does not know, or that is not installed."""


class SolverOptionError(InputError):
    """An option that a solver does not have, or a value that it does not take."""


class FormulationError(InputError):
    """A formulation that the system does not have or that the solver cannot take."""


class NotCertifiedError(RuntimeError):
    """No solver gave an answer whose certificate meets the gap that was asked for.

    Attributes
    ----------
    solution : Solution or None
        The best answer found, with its certificate; None where no solver gave any.
    attempts : tuple of Attempt
        What was tried.
    """

    def __init__(self, message: str, solution: Any, attempts: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.solution, self.attempts = solution, attempts

    __reduce__ = as_raised
