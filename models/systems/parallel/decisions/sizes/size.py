"""Sizes of servers: the method that answers each question."""

from __future__ import annotations

from .at_split import sized_at_split
from .day import sized_for_day
from .joint import sized_with_split
from .problem import SizeProblem
from .sized import SizedServers


def answer(problem: SizeProblem) -> SizedServers:
    """Return the answer to a question of sizes, by the method that fits its loads and split."""
    if problem.loads.size > 1:
        return sized_for_day(problem)
    if problem.flows is None:
        return sized_with_split(problem)
    return sized_at_split(problem, problem.flows)
