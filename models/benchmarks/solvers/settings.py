"""How the solvers of the benchmark are set: a name to choose by, and each solver's options under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.solver_specs import Options, SolverSpec, spec

SETTINGS: Mapping[str, Callable[[SolverSpec], Options]] = {
    "own": lambda s: s.own,
    "sojourn": lambda s: s.tight,
}
"""By name: the solvers' own defaults, and the library's options."""


def options(solver: str, settings: str, seconds: float) -> dict[str, Any]:
    """Return a solver's options under the settings of a name, with a time limit where it has one."""
    chosen = spec(solver)
    limit = {chosen.time_limit: seconds} if chosen.time_limit else {}
    return {**SETTINGS[settings](chosen), **limit}
