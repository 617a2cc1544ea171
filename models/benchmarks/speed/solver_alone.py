"""The programs of a job, solved again by Clarabel alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import clarabel

SOLVER = clarabel.DefaultSolver


class _Recorder:
    """A solver that keeps the data it is set up with, and the new data before each solve."""

    def __init__(self, kept: list[tuple[Any, list[dict[str, Any]]]], data: Any) -> None:
        self._solver, self._new = SOLVER(*data), dict[str, Any]()
        self._solves: list[dict[str, Any]] = []
        kept.append((data, self._solves))

    def update(self, **new: Any) -> None:
        self._new = new
        self._solver.update(**new)

    def solve(self) -> Any:
        self._solves.append(self._new)
        self._new = {}
        return self._solver.solve()

    def is_data_update_allowed(self) -> bool:
        return bool(self._solver.is_data_update_allowed())


def alone(job: Callable[[], Any]) -> Callable[[], None]:
    """Return a job that solves the programs of another one by calls of Clarabel alone.

    Where that sets a solver up or updates its data, so does this; the data are kept from one call.
    """
    programs: list[tuple[Any, list[dict[str, Any]]]] = []
    with patch.object(clarabel, "DefaultSolver", lambda *data: _Recorder(programs, data)):
        job()

    def again() -> None:
        for data, solves in programs:
            solver = SOLVER(*data)
            for new in solves:
                if new:
                    solver.update(**new)
                solver.solve()

    return again
