"""Tables of how cells ended: statuses, messages of errors, and reasons why cells were skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ..row import Row
from .document import DataTable
from .results import Results

MOST, WORDS = 25, 9
"""Most lines of a table of messages or reasons, and most columns of that of statuses."""


def status_tables(results: Results) -> Iterator[DataTable]:
    """Yield why cells were skipped, and how the others ended, by solver."""
    yield _statuses(results)
    errors = [row for row in results.asked if not row.failure and not _is_word(row.status)]
    if errors:
        yield _counts("errors", "message", "times", errors, lambda row: row.status)
    skipped = [row for row in results.rows if row.skipped]
    yield _counts("skipped cells", "reason", "cells", skipped, lambda row: row.skipped)


def _is_word(status: str) -> bool:
    """Return whether a status is one of CVXPY's words, not the message of an error."""
    return status.isidentifier()


def _end(row: Row) -> str:
    return row.failure or (row.status if _is_word(row.status) else "error")


def _statuses(results: Results) -> DataTable:
    counts = Counter(map(_end, results.asked))
    words = [word for word, _ in counts.most_common(WORDS)]
    rest = ["others"] * (len(counts) > WORDS)
    lines = []
    for entrant, rows in results.by_entrant_of(results.asked).items():
        found = Counter(map(_end, rows))
        numbers = [found[word] for word in words]
        numbers += [len(rows) - sum(numbers)] * len(rest)
        lines.append((*entrant, *map(str, (*numbers, len(rows)))))
    reading = (
        ("status", "that of CVXPY, which may stand for several of the solver's own: "
         "optimal_inaccurate is an end near a solution, such as Clarabel's at reduced tolerances, "
         "and one at a limit of iterations, such as that of SCS"),
        ("time, memory, crash", "the worker was ended, or died"),
        ("error", "the solver raised an error, whose message is in the next table"),
    )  # fmt: skip
    headings = ("solver", "settings", *words, *rest, "cells")
    return DataTable(headings, lines, 2, reading, f"statuses of {len(results.asked)} cells")


def _counts(
    caption: str, head: str, last: str, rows: Sequence[Row], text: Callable[[Row], str]
) -> DataTable:
    counts = Counter((row.solver, text(row)) for row in rows)
    lines = [(solver, reason, str(count)) for (solver, reason), count in counts.most_common(MOST)]
    if rest := sum(counts.values()) - sum(count for _, count in counts.most_common(MOST)):
        lines.append(("others", "", str(rest)))
    return DataTable(("solver", head, last), lines, 2, caption=f"{len(rows)} {caption}")
