"""Tables of the solver benchmark: a summary of each solver, and the error at each load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ...frontend.tables import table
from ..report import machine_line
from .report.infeasible import infeasible_table as infeasible_lines
from .report.measures import BY_NAME, measured
from .report.results import Results, limit_of
from .report.statistics import error_text, quantile, time_text
from .row import ACCURATE, Row

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {
    "asked": "asked",
    "right": "right",
    "claimed": "status\noptimal",
    "false_claims": "false",
    "denied": "denied",
    "median_error": "median\nerror",
    "worst_error": "worst\nerror",
    "mean_seconds": "ms",
}
"""Headings of the summary on the console by the name of the measure."""


def summaries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one mapping a solver and settings: their names and all measures by name.

    The solvers are in the order of the rows. Measures are those of
    `sojourn.models.benchmarks.solvers.report.measures`.
    """
    results = Results(rows, limit_of(rows, {}))
    return [
        {**entrant._asdict(), **measured(found, results.limit)}
        for entrant, found in results.by_entrant.items()
    ]


def summary_table(rows: Sequence[Row]) -> Table:
    """Return a table with one line a solver and settings."""
    found = summaries(rows)
    settings = dict.fromkeys(summary["settings"] for summary in found)
    title = f"solvers, settings: {escape(', '.join(settings))}\n{machine_line()}"
    caption = (
        f"right: within {ACCURATE:g} of the true mean delay, and feasible to {ACCURATE:g}\n"
        "false: status optimal, and not right\n"
        "denied: status infeasible or unbounded; every problem has an optimum\n"
        "ms: time of the solver; geometric mean, shifted by 1 ms, in which an answer that is not\n"
        "right counts as the limit of time\n"
        "each solver gets what it supports: the fewer cones, the easier its cases"
    )
    headings = ("solver", *COLUMNS.values())

    def line(summary: dict[str, Any]) -> tuple[str, ...]:
        several = f" {summary['settings']}" if len(settings) > 1 else ""
        cells = (BY_NAME[name].text(summary[name]) for name in COLUMNS)
        return escape(summary["solver"] + several), *cells

    asked = [summary for summary in found if summary["asked"]]
    return table(headings, map(line, asked), title=title, caption=caption)


def infeasible_table(rows: Sequence[Row]) -> Table:
    """Return a table of what solvers say of infeasible instances, one line a solver and settings.

    The rows are of infeasible instances alone.
    """
    found = infeasible_lines(Results(rows, limit_of(rows, {})))
    several = len({row.settings for row in rows}) > 1
    left_out = ("settings", "least excess", "mean ms")  # the report has them
    headings = [name for name in found.headings if name not in left_out]
    caption = (
        "infeasible, or the weaker word infeasible_inaccurate: right; optimal: a false claim\n"
        "all from: excess of the load from which on all instances are found infeasible\n"
        "proof: largest residual of the dual variables as proofs"
    )

    def line(cells: Sequence[str]) -> tuple[str, ...]:
        named = dict(zip(found.headings, cells, strict=True))
        solver = f"{named['solver']} {named['settings']}" if several else named["solver"]
        return escape(solver), *(named[name] for name in headings[1:])

    title = "infeasible instances: the load is above the largest"
    broken = {"infeasible": "in-\nfeasible", "inaccurate": "in-\naccurate"}
    shown = [broken.get(name, name.replace(" ", "\n")) for name in headings]
    return table(shown, map(line, found.rows), title=title, caption=caption)


def error_table(rows: Sequence[Row]) -> Table:
    """Return the error at each load: one line a problem, formulation, solver, settings and size.

    Where a line has several instances of a load, by spreads or seeds, it has the worst of them.
    """
    asked = [row for row in rows if not row.skipped]
    loads = sorted({row.load for row in asked})
    title = "true relative error of the mean delay, by load as a part of the largest"
    caption = (
        "! status optimal, but not right; x status infeasible or unbounded; ~ another status\n"
        "(inaccurate, or an error of the solver); inf: no answer, or a queue grows; ms: time of\n"
        "the solver, median over the loads; of several spreads or seeds the worst error"
    )
    percent = (f"{100 * load:.12g}%" for load in loads)
    headings = ("problem, formulation,\nsolver", "n", *percent, "ms")
    return table(headings, _lines(asked, loads), title=title, caption=caption)


def _lines(rows: Sequence[Row], loads: Sequence[float]) -> Iterator[tuple[str, ...]]:
    several = len({row.settings for row in rows}) > 1

    def line(row: Row) -> tuple[str, str, str, str, int]:
        return row.problem, row.formulation, row.solver, row.settings, row.n

    for problem, of_problem in groupby(sorted(rows, key=line), lambda row: row.problem):
        yield (f"[bold]{escape(problem)}",)
        for (_, formulation, solver, settings, n), group in groupby(of_problem, line):
            of_line = list(group)
            by_load = {row.load: row for row in sorted(of_line, key=_badness)}
            cells = (_mark(by_load[load]) if load in by_load else "" for load in loads)
            seconds = quantile([row.solve_seconds for row in of_line], 0.5)
            name = f" {formulation} {solver}" + (f" {settings}" if several else "")
            yield escape(name), str(n), *cells, time_text(seconds)


def _badness(row: Row) -> tuple[bool, float]:
    return row.false_claim, row.error


def _mark(row: Row) -> str:
    if row.false_claim:
        return f"[bold red]{error_text(row.error)}![/]"
    return error_text(row.error) + ("x" if row.denied else "" if row.claimed else "~")
