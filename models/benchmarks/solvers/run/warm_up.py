"""Warm-up of a solver in a worker: an untimed run on a small program with the same cones.

The first run of a solver in a process imports it, compiles what it compiles in time, and meets its
memory first. That is no property of an instance, so that it must not count for the first cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..programs.cone_program import ConeProgram
from .pool import Limited
from .small_program import one_of_each, small_program
from .solver import BenchmarkSolver

WARM_UP = "warm-up"
"""Name of the small program, and of this part of a task."""
_warm: set[tuple[Any, ...]] = set()


def warm_up(
    solver: BenchmarkSolver, program: ConeProgram, options: Mapping[str, Any], limited: Limited
) -> None:
    """Run a solver on a small program, unless it has run on such a one in this process.

    What it answers does not matter, nor whether it raises an error.

    Parameters
    ----------
    solver : BenchmarkSolver
    program : ConeProgram
        The program to be solved afterwards, with the same kinds of cones.
    options : mapping
    limited : Limited
        Runs it within the limit of time of a cell.
    """
    cones, squares = one_of_each(program.cones), bool(program.P.nnz)
    name = (solver.name, cones, squares)
    if name in _warm or not cones.rows:
        return
    _warm.add(name)
    small = small_program(WARM_UP, cones, squares=squares)
    if solver.refusal(small):
        return

    def run() -> None:
        with suppress(Exception, SystemExit):
            solver.solve(small, options)

    limited(run, WARM_UP)
