"""Sizes of servers: the method that answers each question."""

from __future__ import annotations

from ......reference.plural import counted
from .....core.errors import NotCertifiedError
from .at_split import sized_at_split
from .day import sized_for_day
from .joint import sized_with_split
from .problem import SizeProblem
from .sized import SizedServers


def answer(problem: SizeProblem) -> SizedServers:
    """Return the answer to a question of sizes, by the method that fits its loads and split.

    Raises
    ------
    NotCertifiedError
        Where its gap is larger than asked, unless ``problem.throw`` is False.
    """
    found = _answer(problem)
    if problem.throw and not found.certified:
        text = f"no certified rates, gap {problem.gap:.1e} wanted"
        reached = f"{counted(found.nodes, 'node')} searched, {found.certificate.gap:.1e} reached"
        remedy = "Give a larger gap or max_nodes, or throw=False for this answer"
        raise NotCertifiedError(f"{text}; {reached}. {remedy}", found, ())
    return found


def _answer(problem: SizeProblem) -> SizedServers:
    """Return the answer, whatever its gap."""
    if problem.loads.size > 1:
        return sized_for_day(problem)
    if problem.flows is None:
        return sized_with_split(problem)
    return sized_at_split(problem, problem.flows)
