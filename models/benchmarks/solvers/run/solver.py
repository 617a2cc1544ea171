"""What the benchmark asks of a solver, and what a solver returns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .....reference.errors import Array
from ..programs.cone_program import ConeProgram
from ..settings import Settings


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
        Dual variable of the rows, by the sign rule of `ConeProgram`. With the status ``infeasible``
        a proof: A'y = 0, b'y < 0, y in the dual cone; x is then left out.
    transfer_seconds : float
        Time to bring the program into the solver's own form.
    solve_seconds : float
        Time of the call of the solver, by the clock.
    iterations : int or None
    own_seconds : float
        What the solver itself says of its time; NaN where it says nothing.
    """

    status: str
    x: Array | None = None
    y: Array | None = None
    transfer_seconds: float = 0.0
    solve_seconds: float = 0.0
    iterations: int | None = None
    own_seconds: float = math.nan


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

    def settings_refusal(self, settings: Settings) -> str:
        """Return why the solver is not run under some settings; empty where it is."""

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return the options of settings that it does not refuse, with a limit of time."""

    def solve(self, program: ConeProgram, options: Mapping[str, Any]) -> Answer:
        """Solve a program; a failure of the solver is an answer, too."""


def failed(error: BaseException, seconds: float) -> Answer:
    """Return the answer of a solver that raised an error after some time.

    Raises
    ------
    KeyboardInterrupt, SystemExit
        Where the error is one of them.
    """
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Answer(text, solve_seconds=seconds)


def refusal_of_user(name: str, settings: Settings) -> str:
    """Return why a solver of the user is not run under some settings; empty where it is."""
    if settings.name == "sojourn":
        return "the library has no options for it"
    if settings.given is not None and name not in settings.given:
        return f"no options for it in {settings.name}.toml"
    return ""


def options_of_user(name: str, settings: Settings, seconds: float) -> dict[str, Any]:
    """Return the options that a solver of the user gets."""
    given = {} if settings.given is None else settings.given[name]
    general = {"settings": settings.name, "tolerance": settings.tolerance, "time_limit": seconds}
    return {**general, **given}


def digest_of(paths: Iterable[str]) -> str:
    """Return a version of files: their digest, which differs where their content does."""
    content = b"".join(Path(path).read_bytes() for path in paths if Path(path).is_file())
    return f"sha256 {hashlib.sha256(content).hexdigest()[:12]}"
