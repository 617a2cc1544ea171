"""What a modeller chooses: the formulation, the solver and the settings for a problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..row import Row
from .results import Entrant, Results, grouped
from .statistics import quantile, shifted_geometric_mean, time_to_right, values


class Choice(NamedTuple):
    """A way to answer some systems: a formulation, a solver and its settings.

    Attributes
    ----------
    formulation : str
    entrant : Entrant
    right, systems : int
        How many of how many systems and loads it answers right. A system that it does not get
        counts as one that it does not answer.
    seconds : float
        Shifted geometric mean of the times, in which an answer that is not right, or none, counts
        as the limit.
    error : float
        Median true error; infinite for a system without an answer.
    """

    formulation: str
    entrant: Entrant
    right: int
    systems: int
    seconds: float
    error: float


def system_of(row: Row) -> tuple[object, ...]:
    """Return what an instance is of, whatever its formulation: the system and its load."""
    return row.key._replace(formulation="")


def comparable(results: Results, problem: str) -> dict[str, list[Row]]:
    """Return rows of a problem on whose systems formulations can be compared, by their names.

    These are the systems that all formulations of the problem have. Where there is none, each
    formulation is alone: it has other systems, which may be easier.
    """
    by_formulation = grouped(
        [row for row in results.rows if row.problem == problem], lambda row: row.formulation
    )
    systems = [{system_of(row) for row in rows} for rows in by_formulation.values()]
    shared = set.intersection(*systems)
    if not shared:
        return by_formulation
    rows = [row for of in by_formulation.values() for row in of if system_of(row) in shared]
    return {", ".join(by_formulation): rows}


def choices(results: Results, rows: Sequence[Row]) -> list[Choice]:
    """Return all ways to answer systems, from the most right answers, then from the fastest."""
    systems = len({system_of(row) for row in rows})
    groups = grouped(rows, lambda row: (row.formulation, results.entrant(row)))
    found = []
    for (formulation, entrant), of_way in groups.items():
        asked = [row for row in of_way if not row.skipped]
        missing = systems - len(asked)
        seconds = [time_to_right(row, results.limit) for row in asked] + [results.limit] * missing
        errors = values(asked, "error") + [math.inf] * missing
        right = sum(row.right for row in asked)
        mean, median = shifted_geometric_mean(seconds), quantile(errors, 0.5)
        found.append(Choice(formulation, entrant, right, systems, mean, median))
    return sorted(found, key=lambda choice: (-choice.right, choice.seconds))


def best_of_each_solver(found: Sequence[Choice]) -> list[Choice]:
    """Return the first choice of each solver that is right at all, in the order of `choices`."""
    best: dict[str, Choice] = {}
    for choice in found:
        if choice.right:
            best.setdefault(choice.entrant.solver, choice)
    return list(best.values())


def most_accurate(found: Sequence[Choice]) -> Choice | None:
    """Return the choice of the smallest median true error; of equal ones, with more right answers.

    None where none answers half of the systems.
    """
    answering = [choice for choice in found if math.isfinite(choice.error)]
    return min(answering, key=lambda choice: choice.error, default=None)


def fastest_right(found: Sequence[Choice]) -> Choice | None:
    """Return the fastest of those with the most right answers; None where none is right."""
    return found[0] if found and found[0].right else None
