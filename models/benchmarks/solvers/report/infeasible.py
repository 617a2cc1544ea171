"""Section on infeasible instances, whose load is above the largest one: who says so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from .....reference.plural import counted
from ..row import INFEASIBLE, Row
from .document import Block, Bullets, DataTable, Section
from .results import Entrant, Results
from .statistics import (
    error_text,
    part,
    percent_text,
    shifted_geometric_mean,
    time_text,
    time_to_right,
    values,
)

WORST = 10
"""Lines of the table of single answers; the files of rows have all."""
COLUMNS = {
    "asked": "infeasible instances that the solver got",
    "infeasible": "status infeasible: right",
    "inaccurate": "status infeasible_inaccurate, a weaker word: right, too",
    "optimal": "status optimal: a false claim",
    "other": "another status, or no answer",
    "least excess": "of the load above the largest one, with which it said infeasible",
    "all from": "excess from which on it said infeasible in all instances",
    "proof": "largest residual of the dual variables that came with the word infeasible as proofs: "
    "A'y = 0, y in the dual cone, b'y = -1; only of solvers that return them",
    "mean ms": "time of the solver: geometric mean shifted by 1 ms, in which another answer than "
    "infeasible counts as the limit of time",
}
"""Headings and their meanings."""


def divided(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of instances with an optimum, and those of infeasible ones."""
    return [r for r in rows if not r.infeasible], [r for r in rows if r.infeasible]


def infeasible_section(results: Results) -> Section:
    """Return the section of results on infeasible instances alone."""
    return Section("Infeasible instances", [*_blocks(results)])


def infeasible_table(results: Results) -> DataTable:
    """Return the table of what each solver said of infeasible instances."""
    lines = [(*entrant, *_cells(results, entrant)) for entrant in _asked(results)]
    return DataTable(("solver", "settings", *COLUMNS), lines, 2, [*COLUMNS.items()])


def _asked(results: Results) -> list[Entrant]:
    asked = [row for row in results.rows if not row.skipped]
    return [*results.by_entrant_of(asked)]


def _cells(results: Results, entrant: Entrant) -> Iterator[str]:
    rows = [row for row in results.by_entrant[entrant] if not row.skipped]
    right = [row for row in rows if row.right]
    counts = [sum(row.status == word for row in rows) for word in (*INFEASIBLE, "optimal")]
    yield from map(str, (len(rows), *counts, len(rows) - sum(counts)))
    yield _excess(min((row.load for row in right), default=math.nan))
    missed = max((row.load for row in rows if not row.right), default=0.0)
    yield _excess(min((row.load for row in right if row.load > missed), default=math.nan))
    yield error_text(max(values(right, "dual_residual"), default=math.nan))
    yield time_text(shifted_geometric_mean([time_to_right(row, results.limit) for row in rows]))


def _excess(load: float) -> str:
    """Return the excess of a load over the largest one, without the rounding of 1 + it."""
    return percent_text(math.nan) if math.isnan(load) else f"{100 * (load - 1):.3g} %"


def _blocks(results: Results) -> Iterator[Block]:
    claimed = [row for row in results.asked if row.claimed]
    right = sum(row.right for row in results.asked)
    instances = counted(len({row.key for row in results.rows}), "instance")
    yield Bullets(
        [
            f"{instances} are infeasible: the load is above the largest that the servers can "
            "carry, the flows cost more than the budget, or the network has no room. No other "
            "table or picture has these cells.",
            f"{percent_text(part(right, len(results.asked)))} of the "
            f"{counted(len(results.asked), 'cell')} end with the word infeasible, and "
            f"{percent_text(part(len(claimed), len(results.asked)))} with the status optimal.",
            "An answer whose primal residual is within the tolerance that was asked for is "
            "feasible by the solver's own measure: an excess can be small beside the large numbers "
            "of a program.",
        ]
    )
    yield infeasible_table(results)
    if claimed:
        yield _claims(results, claimed)


def _claims(results: Results, claimed: Sequence[Row]) -> DataTable:
    worst = sorted(claimed, key=lambda row: (-row.load, -row.primal_residual, row.key))[:WORST]
    lines = [
        (row.key.name, *results.entrant(row), _excess(row.load), error_text(row.primal_residual))
        for row in worst
    ]
    reading = (("primal", "relative residual of the constraints at the answer"),)
    shown = "those of the largest excess" if len(claimed) > len(worst) else "all"
    caption = f"{counted(len(claimed), 'infeasible cell')} with the status optimal: {shown}"
    headings = ("instance", "solver", "settings", "excess", "primal")
    return DataTable(headings, lines, 3, reading, caption)
