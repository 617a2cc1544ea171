"""Report and table of the benchmark of other tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

from ...frontend.report import Report
from ...frontend.tables import table
from ..report import machine_line, report_rows
from .compare import LIMIT, REPEATS, ToolRow, compare

if TYPE_CHECKING:
    from rich.table import Table

SMALL_ERROR = 1e-3  # below it an error is printed as a power of ten, above it in per cent


def report(limit: float = LIMIT) -> Iterator[Report]:
    """Yield the report of all methods on all instances."""
    return report_rows(
        compare(limit=limit), lambda rows: Report(rows, [summary(rows, limit)], name="")
    )


def summary(rows: Sequence[ToolRow], limit: float = LIMIT) -> Table:
    """Return a table with a section for each system, and the settings of each method below."""
    title = f"the least mean delay by this library and by others\n{machine_line()}"
    headings = ("system, method", "mean delay\nms", "true\nerror", "seconds", "certifies")
    return table(
        headings, _lines(rows), text=("certifies",), title=title, caption=_caption(rows, limit)
    )


def _lines(rows: Sequence[ToolRow]) -> Iterator[tuple[str, ...]]:
    for system, group in groupby(rows, lambda row: row.system):
        yield (f"[bold]{escape(system)}",)
        for row in group:
            yield (f"  {escape(row.method)}", *_cells(row))


def _cells(row: ToolRow) -> tuple[str, str, str, str]:
    if row.problem:
        return "", "", "", f"[dim]{escape(row.problem)}"
    error = f"{row.error:.1e}" if abs(row.error) < SMALL_ERROR else f"{row.error:.1%}"
    return f"{1e3 * row.mean_delay:.6g}", error, f"{row.seconds:.2g}", escape(row.certifies)


def _caption(rows: Sequence[ToolRow], limit: float) -> str:
    settings = {row.method: row.settings for row in rows if row.settings}
    runs = f"medians of up to {REPEATS} runs; limit {limit:g} s"
    lines = [
        "true error: mean delay, by the exact latency, of a method's split over the least, less 1",
        f"many loads: the mean delay at the last, the worst error, the seconds of all; {runs}",
        *(f"{method}: {options}" for method, options in settings.items()),
    ]
    return escape("\n".join(lines))
