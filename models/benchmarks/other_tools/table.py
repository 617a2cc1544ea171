"""The comparison with peers as a table for rich, and as the command's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

from ...frontend.report import Report
from ...frontend.tables import table
from ..report import Asked, machine_line, reported
from .compare import LIMIT, REPEATS, PeerRow, compare

if TYPE_CHECKING:
    from rich.table import Table


def report(asked: Asked) -> Iterator[Report]:
    """Give all systems to all methods."""
    limit = LIMIT if asked.limit is None else asked.limit
    return reported(
        compare(limit=limit), lambda rows: Report(rows, [summary(rows, limit)], name="")
    )


def summary(rows: Sequence[PeerRow], limit: float = LIMIT) -> Table:
    """Return the rows as a table: a section a system, and the settings of each method below."""
    title = f"the least mean delay by this library and by others\n{machine_line()}"
    headings = ("system, method", "mean delay\nms", "true\nerror", "seconds", "certifies")
    return table(
        headings, _lines(rows), text=("certifies",), title=title, caption=_caption(rows, limit)
    )


def _lines(rows: Sequence[PeerRow]) -> Iterator[tuple[str, ...]]:
    for system, some in groupby(rows, lambda row: row.system):
        yield (f"[bold]{escape(system)}",)
        for row in some:
            error = f"{row.error:.1e}" if abs(row.error) < 1e-3 else f"{row.error:.1%}"
            cells = (
                f"{1e3 * row.mean_delay:.6g}",
                error,
                f"{row.seconds:.2g}",
                escape(row.certifies),
            )
            yield (
                f"  {escape(row.method)}",
                *(("", "", "", f"[dim]{escape(row.problem)}") if row.problem else cells),
            )


def _caption(rows: Sequence[PeerRow], limit: float) -> str:
    settings = {row.method: row.settings for row in rows if row.settings}
    lines = [
        "true error: mean delay, by the exact latency, at the split that the method returned, over the least, less 1",
        f"many loads: the mean delay at the last, the worst error, the seconds of all; medians of up to {REPEATS} runs; limit {limit:g} s",
        *(f"{method}: {options}" for method, options in settings.items()),
    ]
    return escape("\n".join(lines))
