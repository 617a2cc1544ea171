"""Registry of the main findings: sentences computed from the rows.

A finding is one function of `FINDINGS`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .....reference.plural import counted
from ..row import ACCURATE, Row
from .measures import outcome
from .results import Entrant, Results, grouped
from .statistics import (
    error_text,
    part,
    percent_text,
    quantile,
    residual,
    shifted_geometric_mean,
    time_text,
    time_to_right,
    values,
)


class Choice(NamedTuple):
    """A way to answer all instances of a problem: a formulation, a solver and its settings.

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


def choices(results: Results, problem: str) -> list[Choice]:
    """Return all ways to answer a problem, from the most right answers, then from the fastest."""
    of_problem = [row for row in results.rows if row.problem == problem]
    systems = len({_system(row) for row in of_problem})
    groups = grouped(of_problem, lambda row: (row.formulation, results.entrant(row)))
    found = []
    for (formulation, entrant), rows in groups.items():
        asked = [row for row in rows if not row.skipped]
        missing = systems - len(asked)
        seconds = [time_to_right(row, results.limit) for row in asked] + [results.limit] * missing
        errors = values(asked, "error") + [math.inf] * missing
        right = sum(row.right for row in asked)
        mean, median = shifted_geometric_mean(seconds), quantile(errors, 0.5)
        found.append(Choice(formulation, entrant, right, systems, mean, median))
    return sorted(found, key=lambda choice: (-choice.right, choice.seconds))


def most_accurate(results: Results, problem: str) -> Choice | None:
    """Return the way of the smallest median true error; of equal ones, with more right answers.

    None where no way answers half of the systems.
    """
    found = [choice for choice in choices(results, problem) if math.isfinite(choice.error)]
    return min(found, key=lambda choice: choice.error, default=None)


def fastest_right(results: Results, problem: str) -> Choice | None:
    """Return the fastest of the ways with the most right answers; None where none is right."""
    found = choices(results, problem)
    return found[0] if found and found[0].right else None


def cells_and_answers(results: Results) -> Iterator[str]:
    """Yield how many cells there were, and how they ended."""
    ends = Counter(map(outcome, results.rows))
    asked = len(results.asked)
    instances = len({row.key for row in results.rows})
    yield (
        f"{counted(len(results.solvers), 'solver')} under {_settings(results)} got {asked} cells "
        f"of {counted(instances, 'instance')}; {ends['skipped']} more were skipped."
    )
    right = sum(row.right for row in results.asked)
    yield (
        f"{right} answers are right ({percent_text(part(right, asked))} of the cells); "
        f"{ends['time']} cells ended at the limit of time, {ends['memory']} at that of memory, "
        f"and {ends['crash']} by a crash."
    )


def claims(results: Results) -> Iterator[str]:
    """Yield how often each solver says optimal under the best settings, and how often falsely."""
    for entrant, rows in results.by_entrant.items():
        if entrant.settings == results.main_settings:
            yield from _claim(_name(results, entrant), rows, "its")


def claims_of_settings(results: Results) -> Iterator[str]:
    """Yield how often the solvers together say optimal under each settings, and how falsely."""
    if len(results.settings) > 1:
        for settings in results.settings:
            subject = f"Under the settings {settings} a solver"
            yield from _claim(subject, results.under(settings), "all")


def _claim(subject: str, rows: Sequence[Row], whose: str) -> Iterator[str]:
    asked = [row for row in rows if not row.skipped]
    claimed = [row for row in asked if row.claimed]
    false = [row for row in claimed if row.false_claim]
    if not claimed:
        return
    share = percent_text(part(len(claimed), len(asked)))
    said = f"{subject} says optimal on {share} of {whose} {counted(len(asked), 'cell')}"
    if not false:
        yield f"{said}, and all of these answers are right."
        return
    yield (
        f"{said}, and {percent_text(part(len(false), len(claimed)))} of these answers are not "
        f"right (worst relative error {error_text(max(values(false, 'error')))}, worst "
        f"violation {error_text(max(values(false, 'violation')))})."
    )


def residuals(results: Results) -> Iterator[str]:
    """Yield how many answers with small residuals are wrong."""
    small = [row for row in results.asked if residual(row) <= ACCURATE]
    wrong = [row for row in small if not row.right]
    if not small:
        return
    text = f"{percent_text(part(len(wrong), len(small)))} of the {len(small)} answers whose KKT "
    text += f"residuals are all at most {ACCURATE:g} are not right"
    yield text + (
        f" (worst relative error {error_text(max(values(wrong, 'error')))})." if wrong else "."
    )


def doubts(results: Results) -> Iterator[str]:
    """Yield how many right answers do not have the status optimal."""
    doubted = [row for row in results.asked if row.false_doubt]
    denied = [row for row in results.asked if row.denied]
    if doubted:
        yield f"{counted(len(doubted), 'right answer')} came with another status than optimal."
    if denied:
        yield (
            f"{counted(len(denied), 'answer')} denied that there is an optimum; every instance "
            "has one."
        )


FINDINGS: tuple[Callable[[Results], Iterator[str]], ...] = (
    cells_and_answers,
    residuals,
    claims_of_settings,
    claims,
    doubts,
)
"""Functions from results to sentences, in the order of the report."""


def findings(results: Results) -> list[str]:
    """Return the sentences of all findings."""
    return [sentence for finding in FINDINGS for sentence in finding(results)]


def problem_findings(results: Results, problem: str) -> Iterator[str]:
    """Yield the fastest right way and the most accurate way to answer a problem."""
    fastest, accurate = fastest_right(results, problem), most_accurate(results, problem)
    if fastest is None or accurate is None:
        yield f"{problem}: no formulation and solver is right on any system."
        return
    yield (
        f"Most right answers, and the fastest with as many: {fastest.formulation} by "
        f"{_name(results, fastest.entrant)}, right on {fastest.right} of {fastest.systems} systems "
        f"in {time_text(fastest.seconds)} ms (mean, in which each other counts as the limit)."
    )
    yield (
        f"Smallest true error: {accurate.formulation} by {_name(results, accurate.entrant)}, "
        f"median {error_text(accurate.error)}."
    )


def _system(row: Row) -> tuple[object, ...]:
    """Return what an instance is of, whatever its formulation."""
    return row.key._replace(formulation="")


def _settings(results: Results) -> str:
    names = results.settings
    return f"the settings {', '.join(names)}" if len(names) > 1 else f"the settings {names[0]}"


def _name(results: Results, entrant: Entrant) -> str:
    one = len(results.settings) == 1
    return entrant.solver if one else f"{entrant.solver} ({entrant.settings})"
