"""Registry of the measures of a group of rows, such as those of a solver under some settings.

A measure is one entry of `MEASURES`; tables, JSON and the console have all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ..problems import known
from ..row import ACCURATE, NAN, Row
from .statistics import (
    ACCURATE_TEXT,
    count_text,
    error_text,
    mean_over_problems,
    percent_text,
    quantile,
    residual,
    time_text,
    time_to_right,
    values,
)

FAILURES = ("time", "memory", "crash")
RANKING = "Ranking"
"""Table of measures that compare solvers, and so are of cells that all of them got."""


@dataclass(frozen=True)
class Measure:
    """A number of a group of rows.

    Attributes
    ----------
    name : str
        Key in JSON, and name of the measure in code.
    table : str
        Title of the table that has it.
    heading : str
        Heading of its column. Measures of a table with the same heading share a cell.
    meaning : str
        How to read the column; that of the first measure of a heading is shown.
    of : callable
        Function from rows, without skipped ones, and the limit of time in seconds to the number;
        NaN where there is none.
    text : callable
        Function from the number to the text of a cell.
    """

    name: str
    table: str
    heading: str
    meaning: str
    of: Callable[[Sequence[Row], float], float]
    text: Callable[[float], str] = count_text


def _count(test: Callable[[Row], bool], rows: Sequence[Row], _: float) -> float:
    return sum(map(test, rows))


def _quantile(field: str, share: float, rows: Sequence[Row], _: float) -> float:
    return quantile(values(rows, field), share)


def _mean_time(rows: Sequence[Row], limit: float) -> float:
    return mean_over_problems(rows, lambda row: time_to_right(row, limit))


def _mean_time_of_doubled_limit(rows: Sequence[Row], limit: float) -> float:
    return _mean_time(rows, 2 * limit)


def _repeat_spread(rows: Sequence[Row], _: float) -> float:
    repeated = [row for row in rows if row.repeats > 1 and row.solve_seconds > 0]
    spreads = [(r.slowest_seconds - r.fastest_seconds) / r.solve_seconds for r in repeated]
    return quantile(spreads, 0.5)


def _broken_claims(rows: Sequence[Row], _: float) -> float:
    asked = [row for row in rows if row.tolerance > 0]
    return sum(map(breaks_claim, asked)) if asked else NAN


def breaks_claim(row: Row) -> bool:
    """Return whether the residuals of an answer called optimal are not what was asked for.

    The largest is then above ten times the tolerance; never where the settings name none.
    """
    return row.claimed and residual(row) > 10 * row.tolerance


def at_edge(row: Row) -> bool:
    """Return whether a status ``infeasible`` is right within the tolerance that was asked for.

    An instance at a part of the largest load has the relative distance 1 - load from one without
    a feasible point; the factor is for the rounding of that difference.
    """
    near = 0 < 1 - row.load <= row.tolerance * (1 + 1e-9)
    problem = known(row.problem)
    any_load = problem is not None and problem.any_load
    return near and row.status.startswith("infeasible") and not any_load


def outcome(row: Row) -> str:
    """Return how a row ended; each row ended in one way.

    Returns
    -------
    str
        ``skipped``, ``time``, ``memory``, ``crash``, ``optimal``, ``inaccurate``, ``denied``,
        ``at_edge`` or ``other``: another status, or an error of the solver.
    """
    if row.skipped:
        return "skipped"
    if row.failure:
        return row.failure if row.failure in FAILURES else "other"
    if row.claimed:
        return "optimal"
    if row.denied:
        return "at_edge" if at_edge(row) else "denied"
    return "inaccurate" if row.status.endswith("_inaccurate") else "other"


def _ended(name: str, meaning: str) -> Measure:
    count = partial(_count, lambda row: outcome(row) == name)
    return Measure(name, "Failures", name.replace("_", " "), meaning, count)


def _quantiles(field: str, table: str, heading: str, meaning: str) -> Iterator[Measure]:
    shares = {"median": 0.5, "p90": 0.9, "worst": 1.0}
    for name, share in shares.items():
        of = partial(_quantile, field, share)
        yield Measure(f"{name}_{field}", table, heading, meaning, of, error_text)


def _median_time(field: str, heading: str, meaning: str) -> Measure:
    of = partial(_quantile, f"{field}_seconds", 0.5)
    return Measure(f"{field}_seconds", "Times", heading, meaning, of, time_text)


MEASURES: tuple[Measure, ...] = (
    Measure(
        "asked",
        "Claims",
        "asked",
        "cells that the solver got; the fewer cones it supports, the easier they are",
        partial(_count, lambda row: True),
    ),
    Measure(
        "right",
        "Claims",
        "right",
        f"true relative error and violation of constraints at most {ACCURATE_TEXT}, whatever the "
        "status",
        partial(_count, lambda row: row.right),
    ),
    Measure(
        "claimed",
        "Claims",
        "optimal",
        "answers with the status optimal; optimal_inaccurate is no claim",
        partial(_count, lambda row: row.claimed),
    ),
    Measure(
        "false_claims",
        "Claims",
        "false claims",
        "answers with the status optimal that are not right",
        partial(_count, lambda row: row.false_claim),
    ),
    Measure(
        "small_residuals_wrong",
        "Claims",
        "wrong, residuals kept",
        f"false claims whose relative KKT residuals are all at most {ACCURATE_TEXT}: the solver "
        "did what it said, and the answer is not right",
        partial(_count, lambda row: row.false_claim and residual(row) <= ACCURATE),
    ),
    Measure(
        "broken_claims",
        "Claims",
        "broken claims",
        "answers with the status optimal whose largest relative KKT residual is above ten times "
        "the tolerance that was asked for; only of settings with a tolerance",
        _broken_claims,
    ),
    Measure(
        "false_doubts",
        "Claims",
        "false doubts",
        "right answers with another status than optimal",
        partial(_count, lambda row: row.false_doubt),
    ),
    _ended("inaccurate", "status inaccurate: the solver itself doubts its answer"),
    _ended("denied", "status infeasible or unbounded; every instance has an optimum"),
    _ended("at_edge", "not counted as denied: status infeasible where the load is nearer to the "
           "largest one than the tolerance that was asked for, so that it is right within that "
           "tolerance; only of settings with a tolerance"),
    _ended("time", "ended at the limit of time"),
    _ended("memory", "ended at the limit of memory"),
    _ended("crash", "the process of the solver died"),
    _ended("other", "another status without an answer, or an error of the solver"),
    *_quantiles("error", "True errors", "delay", "relative error of the mean delay, or of the "
                "optimum of what else the problem asks for; inf: no answer, or a queue grows"),
    *_quantiles("flow_error", "True errors", "flow", "largest error of a flow relative to the "
                "largest flow, of instances with one optimal flow"),
    *_quantiles("violation", "True errors", "violation", "largest relative violation of a "
                "constraint; at most 0: none"),
    *_quantiles("gap", "Certificates and residuals", "certificate", "relative error that the "
                "library's certificate, computed from the answer alone, allows"),
    *_quantiles("primal_residual", "Certificates and residuals", "primal", "relative KKT residual "
                "of the constraints of the cone program"),
    *_quantiles("dual_residual", "Certificates and residuals", "dual", "of the gradient of its "
                "Lagrange function, and of the dual variable's distance from the dual cone; only "
                "of solvers that return dual variables"),
    *_quantiles("complementarity", "Certificates and residuals", "complementarity", "of s'y = 0 "
                "and of the duality gap; only of solvers that return dual variables"),
    Measure(
        "mean_seconds",
        RANKING,
        "mean ms",
        "time of the solver: geometric mean shifted by 1 ms, in which an answer that is not right "
        "counts as the limit of time; the mean within each problem first, then that over the "
        "problems",
        _mean_time,
        time_text,
    ),
    Measure(
        "mean_seconds_of_doubled_limit",
        RANKING,
        "2 x limit",
        "the same mean if the limit of time were twice as long, and no more answers right",
        _mean_time_of_doubled_limit,
        time_text,
    ),
    _median_time("build", "build", "median time to write the problem in CVXPY"),
    _median_time("compile", "compile", "median time of CVXPY's reduction to a cone program"),
    _median_time("transfer", "transfer", "median time to bring it into the solver's own form"),
    _median_time("solve", "solve", "median time of the solver's call, right or not"),
    _median_time("own", "own word", "median of the times that the solver itself states; some "
                 "leave out their set-up or factorisation"),
    Measure(
        "repeat_spread",
        "Times",
        "spread",
        "largest less least time of the repeats relative to their median; median over the cells",
        _repeat_spread,
        percent_text,
    ),
    Measure(
        "iterations",
        "Times",
        "iterations",
        "median number, of solvers that say it; methods differ in the work of one, so that it "
        "ranks no solvers",
        partial(_quantile, "iterations", 0.5),
        lambda number: "-" if number != number else f"{number:.0f}",
    ),
)  # fmt: skip
"""All measures in the order of the tables."""
BY_NAME = {measure.name: measure for measure in MEASURES}


def measured(rows: Sequence[Row], limit: float) -> dict[str, float]:
    """Return all measures of rows by name; skipped rows count in ``skipped`` alone."""
    asked = [row for row in rows if not row.skipped]
    found = {measure.name: measure.of(asked, limit) for measure in MEASURES}
    return {**found, "skipped": len(rows) - len(asked)}


def columns(table: str) -> dict[str, list[Measure]]:
    """Return the measures of a table by heading."""
    found: dict[str, list[Measure]] = {}
    for measure in MEASURES:
        if measure.table == table:
            found.setdefault(measure.heading, []).append(measure)
    return found


def cell_text(measures: Sequence[Measure], rows: Sequence[Row], limit: float) -> str:
    """Return the text of a cell: the measures of a heading; one dash where there are none."""
    texts = [measure.text(measure.of(rows, limit)) for measure in measures]
    return "-" if set(texts) == {"-"} else " / ".join(texts)
