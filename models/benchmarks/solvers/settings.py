"""Settings of the solvers in the benchmark, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.solver_specs import Options, SolverSpec, spec

SETTINGS: Mapping[str, Callable[[SolverSpec], Options]] = {
    "own": lambda solver: solver.own,
    "sojourn": lambda solver: solver.tight,
}
"""Options of a solver by the name of the settings: its own defaults, or those of the library."""


def options(solver: str, settings: str, seconds: float) -> dict[str, Any]:
    """Return the options of a solver under some settings, with a time limit where it has one."""
    chosen = spec(solver)
    limit = {chosen.time_limit: seconds} if chosen.time_limit else {}
    return {**SETTINGS[settings](chosen), **limit}
