"""Run of qpbenchmark: its own solver calls, settings, residuals and tolerances.

This module imports qpbenchmark.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..programs.cone_program import ConeProgram
from .quadratic import as_quadratic


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep qpbenchmark from changing the logging of the process, and its solvers from warning."""
    root, disabled = logging.getLogger(), logging.root.manager.disable
    level, handlers = root.level, list(root.handlers)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = handlers


with _quiet():  # its import adds a handler to the root logger
    import qpbenchmark
    import qpsolvers

SETTINGS: Mapping[str, str] = {
    "low": "low_accuracy",
    "mid": "mid_accuracy",
    "high": "high_accuracy",
}
"""qpbenchmark's names of settings; they ask for absolute residuals of 1e-3, 1e-6 and 1e-9."""


class ProgramSet(qpbenchmark.TestSet):  # type: ignore[misc, unused-ignore]
    """Quadratic programs as a test set of qpbenchmark.

    Parameters
    ----------
    programs : sequence of ConeProgram
    solvers : sequence of str, optional
        qpbenchmark's names; by default all that it finds.
    """

    def __init__(
        self, programs: Sequence[ConeProgram], solvers: Sequence[str] | None = None
    ) -> None:
        self.programs = programs
        super().__init__()
        known: set[str] = set(vars(self)["solvers"])  # qpbenchmark states no types
        self.solvers = sorted(known if solvers is None else known.intersection(solvers))

    @property
    def title(self) -> str:
        """Title of qpbenchmark's own report."""
        return "Equilibria of queues whose true delays are known"

    @property
    def description(self) -> str:
        """Text of qpbenchmark's own report."""
        return "Quadratic programs of sojourn; see `sojourn bench export`."

    @property
    def sparse_only(self) -> bool:
        """Whether solvers of dense matrices are left out."""
        return False

    def __iter__(self) -> Iterator[Any]:
        """Yield the programs as problems of qpbenchmark."""
        for program in self.programs:
            plain = qpsolvers.Problem(*as_quadratic(program))
            yield qpbenchmark.Problem.from_qpsolvers(plain, program.name)


class KeptResults(qpbenchmark.Results):  # type: ignore[misc, unused-ignore]
    """qpbenchmark's table of results, with the answers behind it.

    Attributes
    ----------
    answers : dict
        ``qpsolvers.Solution`` by names of problem, solver and settings.
    """

    def __init__(self, path: Path, test_set: ProgramSet) -> None:
        super().__init__(path, test_set)
        self.answers: dict[tuple[str, str, str], Any] = {}

    def update(
        self, problem: Any, solver: str, settings: str, solution: Any, runtime: float
    ) -> None:
        """Add the result of a run."""
        super().update(problem, solver, settings, solution, runtime)
        self.answers[problem.name, solver, settings] = solution


def run(
    programs: Sequence[ConeProgram],
    solvers: Sequence[str] | None = None,
    settings: Sequence[str] = tuple(SETTINGS),
) -> KeptResults:
    """Let qpbenchmark solve quadratic programs, and return its results.

    Parameters
    ----------
    programs : sequence of ConeProgram
    solvers : sequence of str, optional
        qpbenchmark's names; by default all that it finds.
    settings : sequence of {"low", "mid", "high"}
    """
    # it saves its table every ten seconds, so it needs a file
    with tempfile.TemporaryDirectory() as folder, _quiet():
        test_set = ProgramSet(programs, solvers)
        results = KeptResults(Path(folder) / "results.csv", test_set)
        for name in settings:
            # verbose: no progress bar; its messages are switched off above
            qpbenchmark.run(test_set, results, only_settings=SETTINGS[name], verbose=True)
    return results


def installed() -> list[str]:
    """Return the names of the solvers that qpbenchmark finds and has settings for."""
    with _quiet():
        return list(ProgramSet([]).solvers)
