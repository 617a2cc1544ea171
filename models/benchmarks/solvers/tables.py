"""Tables of the solver benchmark: a summary by class of cones, and the error at each load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ...frontend.tables import table
from ..report import machine_line
from .report.cone_classes import ORDER
from .report.infeasible import infeasible_table as infeasible_lines
from .report.measures import BY_NAME, measured
from .report.results import Results, class_of, grouped, limit_of
from .report.statistics import ACCURATE_TEXT, error_text, quantile, time_text
from .row import Row

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {
    "asked": "asked",
    "right": "right",
    "claimed": "status\noptimal",
    "false_claims": "false",
    "denied": "denied",
    "at_edge": "at\nedge",
    "median_error": "median\nerror",
    "worst_error": "worst\nerror",
    "mean_seconds": "ms",
}
"""Headings of the summary on the console by the name of the measure."""


def summaries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one mapping a class of cones, solver and settings: their names and all measures.

    Classes are those of `sojourn.models.benchmarks.solvers.report.cone_classes`, measures those of
    `sojourn.models.benchmarks.solvers.report.measures`. Within a class the most right answers are
    first, then the smallest mean time.
    """
    results = Results(rows, limit_of(rows, {}))
    classes = grouped(rows, class_of)
    found = [
        {"cones": cones, **entrant._asdict(), **measured(of_entrant, results.limit)}
        for cones, of_class in classes.items()
        for entrant, of_entrant in results.by_entrant_of(of_class).items()
    ]
    return sorted(
        found, key=lambda one: (ORDER.index(one["cones"]), -one["right"], one["mean_seconds"])
    )


def summary_table(rows: Sequence[Row]) -> Table:
    """Return a table with one line a solver and settings, by the class of the cones."""
    found = summaries(rows)
    settings = dict.fromkeys(summary["settings"] for summary in found)
    title = f"solvers, settings: {escape(', '.join(settings))}\n{machine_line()}"
    caption = (
        f"right: within {ACCURATE_TEXT} of the true answer, and feasible to {ACCURATE_TEXT}\n"
        "false: status optimal, and not right\n"
        "denied: status infeasible or unbounded; every problem has an optimum\n"
        "at edge: status infeasible, and the load nearer to the largest one than the\n"
        "tolerance that the settings name; not counted as denied\n"
        "ms: time of the solver; geometric mean, shifted by 1 ms, within each problem,\n"
        "then over problems; an answer that is not right counts as the limit of time\n"
        "compare solvers of one class of cones, which got the same instances"
    )
    headings = ("cones, solver", *COLUMNS.values())

    def line(summary: dict[str, Any]) -> tuple[str, ...]:
        several = f" {summary['settings']}" if len(settings) > 1 else ""
        cells = (BY_NAME[name].text(summary[name]) for name in COLUMNS)
        return f" {escape(summary['solver'] + several)}", *cells

    def lines() -> Iterator[tuple[str, ...]]:
        asked = [summary for summary in found if summary["asked"]]
        for cones, of_class in groupby(asked, lambda summary: summary["cones"]):
            yield (f"[bold]{cones}",)
            yield from map(line, of_class)

    return table(headings, lines(), title=title, caption=caption)


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
