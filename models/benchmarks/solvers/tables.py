"""Tables of the solver benchmark: a summary of each solver, and the error at each load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape

from ...frontend.tables import table
from ..report import machine_line
from .row import ACCURATE, Row

if TYPE_CHECKING:
    from rich.table import Table

SHIFT = 1e-3
"""Seconds. A typical solve takes about that; a larger shift would approach the arithmetic mean."""


@dataclass(frozen=True)
class Summary:
    """Counts and errors of all cases of a solver.

    Attributes
    ----------
    solver : str
    asked : int
        Cases that the solver got.
    right : int
        Answers whose relative error and violation are at most 1e-6.
    claimed : int
        Answers with the status ``optimal``.
    false_claims : int
        Answers with the status ``optimal`` that are not right.
    denied : int
        Cases with a status that denies an optimum. There always is one.
    median_error, worst_error : float
        Relative error of the mean delay; infinite without an answer.
    solve_seconds : float
        Time of the solver over all cases: geometric mean, shifted by 1 ms.
    """

    solver: str
    asked: int
    right: int
    claimed: int
    false_claims: int
    denied: int
    median_error: float
    worst_error: float
    solve_seconds: float

    @classmethod
    def of(cls, solver: str, rows: Sequence[Row]) -> Summary:
        """Return the summary of a solver's rows."""
        errors = [row.error for row in rows]
        return cls(
            solver,
            asked=len(rows),
            right=sum(row.right for row in rows),
            claimed=sum(row.claimed for row in rows),
            false_claims=sum(row.false_claim for row in rows),
            denied=sum(row.denied for row in rows),
            median_error=median(errors),
            worst_error=max(errors),
            solve_seconds=shifted_geometric_mean([row.solve_seconds for row in rows]),
        )


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Return one summary a solver, in the order of the rows."""
    return [
        Summary.of(name, [row for row in rows if row.solver == name])
        for name in dict.fromkeys(row.solver for row in rows)
    ]


def shifted_geometric_mean(seconds: Sequence[float], shift: float = SHIFT) -> float:
    """Return exp(mean log(t + shift)) - shift.

    Neither the longest time nor the rounding of the shortest dominates it.
    """
    return float(np.exp(np.mean(np.log(np.asarray(seconds) + shift))) - shift)


def summary_table(rows: Sequence[Row]) -> Table:
    """Return a table with one line a solver."""
    settings = ", ".join(sorted({row.settings for row in rows}))
    title = f"solvers, settings: {settings}\n{machine_line()}"
    caption = (
        f"right: within {ACCURATE:g} of the true mean delay, and feasible to {ACCURATE:g}\n"
        "false: status optimal, and not right\n"
        "denied: status infeasible or unbounded; every problem has an optimum\n"
        "ms: time of the solver, right or not; geometric mean, shifted by 1 ms\n"
        "each solver gets what it supports: the fewer cones, the easier its cases"
    )
    headings = (
        "solver",
        "asked",
        "right",
        "status\noptimal",
        "false",
        "denied",
        "median\nerror",
        "worst\nerror",
        "ms",
    )
    return table(headings, map(_cells, summaries(rows)), title=title, caption=caption)


def _cells(row: Summary) -> tuple[str, ...]:
    counts = map(str, (row.asked, row.right, row.claimed, row.false_claims, row.denied))
    errors = (_error(row.median_error), _error(row.worst_error))
    return row.solver, *counts, *errors, f"{1e3 * row.solve_seconds:.2f}"


def error_table(rows: Sequence[Row]) -> Table:
    """Return the error at each load: one line a problem, formulation, solver and size."""
    loads = sorted({row.load for row in rows})
    title = "true relative error of the mean delay, by load as a part of the largest"
    caption = (
        "! status optimal, but not right; x status infeasible or unbounded; ~ another status\n"
        "(inaccurate, or an error of the solver); inf: no answer, or a queue grows; ms: time of\n"
        "the solver, median over the loads"
    )
    percent = (f"{100 * load:.12g}%" for load in loads)
    headings = ("problem, formulation,\nsolver", "n", *percent, "ms")
    return table(headings, _lines(rows, loads), title=title, caption=caption)


def _lines(rows: Sequence[Row], loads: Sequence[float]) -> Iterator[tuple[str, ...]]:
    def line(row: Row) -> tuple[str, str, str, int]:
        return row.problem, row.formulation, row.solver, row.n

    for problem, of_problem in groupby(sorted(rows, key=line), lambda row: row.problem):
        yield (f"[bold]{escape(problem)}",)
        for (_, formulation, solver, n), of_line in groupby(of_problem, line):
            by_load = {row.load: row for row in of_line}
            cells = (_mark(by_load[load]) if load in by_load else "" for load in loads)
            seconds = median(row.solve_seconds for row in by_load.values())
            yield f" {formulation} {solver}", str(n), *cells, f"{1e3 * seconds:.3g}"


def _mark(row: Row) -> str:
    if row.false_claim:
        return f"[bold red]{_error(row.error)}![/]"
    return _error(row.error) + ("x" if row.denied else "" if row.claimed else "~")


def _error(error: float) -> str:
    """Return an error with one digit, which is enough to compare magnitudes."""
    return "0" if error == 0 else f"{error:.0e}".replace("e-0", "e-").replace("e+0", "e")
