"""The solver benchmark as tables for rich: a summary a solver, then the error at each load."""

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
from .row import TRUE, Row

if TYPE_CHECKING:
    from rich.table import Table

SHIFT = 1e-3  # seconds: most solves take about that; a shift of seconds would make the mean of logarithms a plain mean


@dataclass(frozen=True)
class Summary:
    """What became of all questions to a solver.

    Attributes
    ----------
    solver : str
    asked, right : int
        Questions that it takes, and answers within 1e-6 of the true delay and feasible to 1e-6.
    claimed, false_claims : int
        Times that it said `optimal`, and of these the answers that were not right.
    denied : int
        Times that it said that there is no answer, or no least one. There always is.
    median_error, worst_error : float
        Relative, of the mean delay; infinite where there was no answer.
    solve_seconds : float
        In the solver's hands, right or not: geometric mean, shifted by 1 ms.
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
        right, claimed, false, denied = (
            sum(getattr(r, name) for r in rows)
            for name in ("right", "claimed", "false_claim", "denied")
        )
        errors, seconds = (
            [r.error for r in rows],
            shifted_geometric_mean([r.solve_seconds for r in rows]),
        )
        return cls(
            solver, len(rows), right, claimed, false, denied, median(errors), max(errors), seconds
        )


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Return one summary a solver, in the order in which they were asked."""
    return [
        Summary.of(name, [row for row in rows if row.solver == name])
        for name in dict.fromkeys(row.solver for row in rows)
    ]


def shifted_geometric_mean(seconds: Sequence[float], shift: float = SHIFT) -> float:
    """exp(mean log(t + shift)) - shift: neither the longest time nor the rounding of the shortest decides it."""
    return float(np.exp(np.mean(np.log(np.asarray(seconds) + shift))) - shift)


def summary_table(rows: Sequence[Row]) -> Table:
    """Return the summary a solver."""
    title = (
        f"solvers, settings: {', '.join(sorted({row.settings for row in rows}))}\n{machine_line()}"
    )
    caption = (
        f"right: within {TRUE:g} of the true mean delay, and feasible to {TRUE:g}\n"
        "false: said optimal, and is not right\n"
        "denied: said infeasible or unbounded; every problem has an optimum\n"
        "ms: in the solver's hands, right or not; geometric mean, shifted by 1 ms\n"
        "each is asked what it takes: the fewer cones, the easier the questions"
    )
    headings = (
        "solver",
        "asked",
        "right",
        "said\noptimal",
        "false",
        "denied",
        "median\nerror",
        "worst\nerror",
        "ms",
    )
    return table(headings, map(_cells, summaries(rows)), title=title, caption=caption)


def _cells(of: Summary) -> tuple[str, ...]:
    counts = map(str, (of.asked, of.right, of.claimed, of.false_claims, of.denied))
    return (
        of.solver,
        *counts,
        _error(of.median_error),
        _error(of.worst_error),
        f"{1e3 * of.solve_seconds:.2f}",
    )


def error_table(rows: Sequence[Row]) -> Table:
    """Return the error at each load: one line a problem, formulation, solver and size."""
    loads = sorted({row.load for row in rows})
    title = "true relative error of the mean delay, by load as a part of the largest"
    caption = (
        "! said optimal of an answer that is not right; x said infeasible or unbounded; ~ said neither\n"
        "(inaccurate, or an error of its own); inf: no answer, or a queue grows; ms: in the solver's\n"
        "hands, median over the loads"
    )
    headings = (
        "problem, formulation,\nsolver",
        "n",
        *(f"{100 * load:.12g}%" for load in loads),
        "ms",
    )
    return table(headings, _lines(rows, loads), title=title, caption=caption)


def _lines(rows: Sequence[Row], loads: Sequence[float]) -> Iterator[tuple[str, ...]]:
    def line(row: Row) -> tuple[str, str, str, int]:
        return row.problem, row.formulation, row.solver, row.n

    for problem, its in groupby(sorted(rows, key=line), lambda row: row.problem):
        yield (f"[bold]{escape(problem)}",)
        for (_, way, solver, n), some in groupby(its, line):
            at = {row.load: row for row in some}
            cells = (_mark(at[load]) if load in at else "" for load in loads)
            yield (
                f" {way} {solver}",
                str(n),
                *cells,
                f"{1e3 * median(row.solve_seconds for row in at.values()):.3g}",
            )


def _mark(row: Row) -> str:
    if row.false_claim:
        return f"[bold red]{_error(row.error)}![/]"
    return _error(row.error) + ("x" if row.denied else "" if row.claimed else "~")


def _error(error: float) -> str:
    """One digit is what a reader compares."""
    return "0" if error == 0 else f"{error:.0e}".replace("e-0", "e-").replace("e+0", "e")
