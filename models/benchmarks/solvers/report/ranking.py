"""Tables that compare solvers: only on cells that all of them got, one class of cones at a time."""

from __future__ import annotations

from collections.abc import Iterator

from .document import Block, DataTable, Section
from .measures import BY_NAME, RANKING
from .profiles import fastest_counts
from .results import Comparison, Results, grouped
from .statistics import time_text

COUNTED = ("right", "false_claims", "median_error")
TIMED = ("mean_seconds", "mean_seconds_of_doubled_limit")
READ = (
    *((BY_NAME[name].heading, BY_NAME[name].meaning) for name in (*COUNTED[:2], *TIMED)),
    ("n<10, n<100, ...", "the mean over cells of that size alone, from a tenth of the number "
     "up"),
    ("fastest", "cells on which the solver is right, and at most 1 ms slower than the fastest "
     "right one"),
)  # fmt: skip


def rankings(results: Results) -> Iterator[Block]:
    """Yield the comparisons under each settings."""
    yield (
        "A solver that supports fewer cones gets easier instances, so that solvers are ranked by "
        "the class of the cones, on cells that all solvers of the table got, under the same "
        "settings. A solver that does not support a class is absent, not last. The most right "
        "answers are first, then the smallest mean time. Pictures have the letters of these tables."
    )
    for settings in results.settings:
        tables = [_ranking(results, one) for one in results.comparisons(results.under(settings))]
        if len(results.settings) == 1:
            yield from tables
        elif tables:
            yield Section(f"Settings {settings}", tables)


def _ranking(results: Results, comparison: Comparison) -> DataTable:
    limit, fastest = results.limit, fastest_counts(comparison)
    measures = [BY_NAME[name] for name in (*COUNTED, *TIMED)]
    right, mean = BY_NAME["right"], BY_NAME["mean_seconds"]
    order = sorted(
        comparison.rows.items(),
        key=lambda item: (-right.of(item[1], limit), mean.of(item[1], limit)),
    )
    sizes = sorted({_above(key.n) for key in comparison.cells})
    sizes = sizes if len(sizes) > 1 else []
    lines = []
    for entrant, found in order:
        of_size = grouped(found, lambda row: _above(row.n))
        cells = [measure.text(measure.of(found, limit)) for measure in measures]
        cells += [time_text(mean.of(of_size[size], limit)) for size in sizes]
        lines.append((entrant.solver, *cells, str(fastest[entrant])))
    headings = ("solver", *(heading(name) for name in (*COUNTED, *TIMED)),
                *(f"n<{size}" for size in sizes), "fastest")  # fmt: skip
    return DataTable(headings, lines, 1, READ, f"{comparison.title}; {_problems(comparison)}")


def _problems(comparison: Comparison) -> str:
    formulations = ", ".join(dict.fromkeys(key.formulation for key in comparison.cells))
    return f"formulations: {formulations}"


def _above(n: int) -> int:
    """Return the power of ten above a size."""
    return int(10 ** len(str(n)))


def heading(name: str) -> str:
    """Return the heading of a measure in a table of its own."""
    if BY_NAME[name].table == RANKING:
        return BY_NAME[name].heading
    return {"median_flow_error": "flow error"}.get(name, name.replace("_", " "))
