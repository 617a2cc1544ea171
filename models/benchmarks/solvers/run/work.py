"""Tasks of the workers: build an instance, try a solver, and solve a cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from .....reference.errors import Array
from ..instances import accuracy_at, instance_of, program_of
from ..problem import NO_ANSWER, InstanceKey
from ..programs import npz
from ..programs.cone_program import ConeProgram, Cones
from ..programs.residuals import Residuals, infeasibility, residuals
from ..row import INFEASIBLE, NAN, Row
from ..settings import Settings
from .pool import Failure, Limited
from .small_program import small_program
from .solver import Answer, BenchmarkSolver
from .warm_up import warm_up

QUICK = 0.1
"""Seconds up to which a solve is timed more than once."""
LICENCE = ("licen", "size limit", "size-limit", "too many rows and columns")
"""Parts of the messages of a commercial solver that is not licensed for a program."""


class Built(NamedTuple):
    """Result of the build of an instance.

    Attributes
    ----------
    digest : str
        SHA-256 digest of the instance's file.
    build_seconds, compile_seconds : float
        See `ConeProgram`.
    problem : str
        Why there is no instance; empty where there is one.
    """

    digest: str = ""
    build_seconds: float = 0.0
    compile_seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Build:
    """Writes the file of an instance.

    Attributes
    ----------
    key : InstanceKey
    path : pathlib.Path
    """

    key: InstanceKey
    path: Path

    def __call__(self, limited: Limited) -> Built:
        """Build the instance."""
        try:
            return limited(self._build)  # type: ignore[no-any-return]
        except Exception as error:  # other instances can be built
            return Built(problem=f"{type(error).__name__}: {error}")

    def _build(self) -> Built:
        instance = instance_of(self.key)
        program = program_of(self.key, instance)
        npz.save(program, self.path, self.key, instance.truth)
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return Built(digest, program.build_seconds, program.compile_seconds)


@dataclass(frozen=True)
class Trial:
    """Runs a solver on a tiny program: minimise x with x >= 1.

    Attributes
    ----------
    solver : BenchmarkSolver
    settings : Settings
    seconds : float
        Limit of time.
    """

    solver: BenchmarkSolver
    settings: Settings
    seconds: float

    def __call__(self, limited: Limited) -> str:
        """Return why the solver does not run; empty where it does."""
        program = small_program("trial", Cones(nonnegative=1))
        if self.solver.refusal(program):
            return ""  # it takes other programs
        answer = limited(
            lambda: self.solver.solve(program, self.solver.options(self.settings, self.seconds))
        )
        return "" if answer.x is not None else str(answer.status)


@dataclass(frozen=True)
class Cell:
    """Runs a solver with settings on an instance.

    Attributes
    ----------
    key : InstanceKey
    path : pathlib.Path
        File of the instance.
    built : Built
    solver : BenchmarkSolver
    settings : Settings
    repeats : int
        Number of runs of a solve below `QUICK` seconds.
    seconds : float
        Limit of time of a solve.
    warm_up : bool
        Whether a solver that is new to its process first runs on a small program.
    """

    key: InstanceKey
    path: Path
    built: Built
    solver: BenchmarkSolver
    settings: Settings
    repeats: int
    seconds: float
    warm_up: bool = True

    @property
    def name(self) -> tuple[Any, ...]:
        """What tells the cell from others."""
        return (*self.key, self.solver.name, self.settings.label)

    def conditions(self, memory: float) -> dict[str, Any]:
        """Return what the result depends on beside the cell; a change makes the cell run again."""
        refused = self.solver.settings_refusal(self.settings)
        options = {} if refused else self.solver.options(self.settings, self.seconds)
        return {
            "settings": self.settings.label,
            "instance": self.built.digest or self.built.problem,
            "version": self.solver.version,
            "options": {name: repr(value) for name, value in sorted(options.items())},
            "limit": self.seconds,
            "memory": memory,
            "repeats": self.repeats,
        }

    def row(self, **result: Any) -> Row:
        """Return the row of a result; without an answer, its time is the limit."""
        tolerance = self.settings.tolerance
        times = ("solve_seconds", "fastest_seconds", "slowest_seconds")
        given: dict[str, Any] = {
            **self.key._asdict(),
            "solver": self.solver.name,
            "version": self.solver.version,
            "settings": self.settings.name,
            "tolerance": NAN if tolerance is None else tolerance,
            "build_seconds": self.built.build_seconds,
            "compile_seconds": self.built.compile_seconds,
            **dict.fromkeys(times, self.seconds),
            **result,
        }
        return Row(**given)

    def failed(self, failure: Failure) -> Row:
        """Return the row of a worker that was ended, or died."""
        status = f"{failure.reason}{'' if failure.limited else ', outside of the solver'}"
        return self.row(status=status, failure=failure.kind)

    def __call__(self, limited: Limited) -> Row:
        """Run the solver and return the row."""
        program = _program(self.path)
        if refused := self.solver.refusal(program):
            return self.row(skipped=refused)
        options = self.solver.options(self.settings, self.seconds)
        if self.warm_up:
            warm_up(self.solver, program, options, limited)

        def solve() -> Answer:
            answer: Answer = limited(lambda: self.solver.solve(program, options))
            return answer

        first = checked(program, solve())
        if first.x is None and not (self.key.infeasible and first.status in INFEASIBLE):
            lower = first.status.lower()
            if any(part in lower for part in LICENCE):
                return self.row(skipped=first.status)
            return self.row(status=first.status, transfer_seconds=first.transfer_seconds)
        runs = [first]
        if first.solve_seconds < QUICK:
            runs += [solve() for _ in range(self.repeats - 1)]
        times = [run.solve_seconds for run in runs]
        return replace(
            self._judged(program, first),
            solve_seconds=median(times),
            own_seconds=median(run.own_seconds for run in runs),
            fastest_seconds=min(times),
            slowest_seconds=max(times),
            repeats=len(times),
        )

    def _judged(self, program: ConeProgram, answer: Answer) -> Row:
        """Return the row of an answer, without its time."""
        x, y = answer.x, answer.y
        accuracy, found = NO_ANSWER, Residuals(np.inf, np.inf, np.nan)
        if x is not None:
            accuracy = accuracy_at(instance_of(self.key), program, x)
            found = residuals(program, x, y)
        if self.key.infeasible:
            proof = np.nan if y is None else infeasibility(program, y)
            found = Residuals(found.primal, proof, np.nan)
        return self.row(
            status=answer.status,
            **accuracy._asdict(),
            primal_residual=found.primal,
            dual_residual=found.dual,
            complementarity=found.complementarity,
            iterations=NAN if answer.iterations is None else float(answer.iterations),
            transfer_seconds=answer.transfer_seconds,
        )


def checked(program: ConeProgram, answer: Answer) -> Answer:
    """Return an answer whose vectors have the program's shapes and finite numbers, or none.

    The status stays where a number is not finite: ``optimal`` is then a false claim.
    """
    try:
        x = _vector("x", answer.x, program.q.size)
        y = _vector("y", answer.y, program.b.size)
    except (TypeError, ValueError) as error:
        return replace(answer, status=f"{type(error).__name__}: {error}", x=None, y=None)
    return replace(answer, x=x, y=y)


def _vector(name: str, value: object, size: int) -> Array | None:
    """Return a vector; None where there is none, or where it has numbers that are not finite."""
    if value is None:
        return None
    vector: Array = np.asarray(value, dtype=np.float64)
    if vector.size != size or max(vector.shape, default=0) != size:
        raise ValueError(f"{name} has shape {vector.shape}, not ({size},)")
    return vector.ravel() if np.isfinite(vector).all() else None


@lru_cache(maxsize=2)
def _program(path: Path) -> ConeProgram:
    """Return the program of an instance; a worker reads it once for all solvers."""
    return npz.load(path)
