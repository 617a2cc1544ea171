"""The solver benchmark as tables for rich: a summary a solver, then the error at each load."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import cvxpy as cp
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from .row import TRUE, Row

SHIFT = 1e-3  # seconds: most solves take about that; a shift of seconds would make the mean of logarithms a plain mean
DENIED = ("infeasible", "unbounded", "infeasible_inaccurate", "unbounded_inaccurate", "infeasible_or_unbounded")


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


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Return one summary a solver, in the order in which they were asked."""
    return [_summary(name, [row for row in rows if row.solver == name]) for name in dict.fromkeys(row.solver for row in rows)]


def _summary(name: str, rows: list[Row]) -> Summary:
    errors = [row.error for row in rows]
    return Summary(
        solver=name,
        asked=len(rows),
        right=sum(row.right for row in rows),
        claimed=sum(row.claimed for row in rows),
        false_claims=sum(row.false_claim for row in rows),
        denied=sum(row.status in DENIED for row in rows),
        median_error=median(errors),
        worst_error=max(errors),
        solve_seconds=shifted_geometric_mean([row.solve_seconds for row in rows]),
    )


def shifted_geometric_mean(seconds: Sequence[float], shift: float = SHIFT) -> float:
    """exp(mean log(t + shift)) - shift: neither the longest time nor the rounding of the shortest decides it."""
    return float(np.exp(np.mean(np.log(np.asarray(seconds) + shift))) - shift)


def summary_table(rows: Sequence[Row]) -> Table:
    """Return the summary a solver."""
    versions = f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, CVXPY {cp.__version__}"
    out = Table(
        title=f"solvers, settings: {', '.join(sorted({row.settings for row in rows}))}\n{versions}",
        caption=f"right: within {TRUE:g} of the true mean delay, and feasible to {TRUE:g}\n"
        "false: said optimal, and is not right\n"
        "denied: said infeasible or unbounded; every problem has an optimum\n"
        "ms: in the solver's hands, right or not; geometric mean, shifted by 1 ms\n"
        "each is asked what it takes: the fewer cones, the easier the questions",
        box=SIMPLE_HEAD,
    )
    out.caption_justify = "left"
    for heading in ("solver", "asked", "right", "said\noptimal", "false", "denied", "median\nerror", "worst\nerror", "ms"):
        out.add_column(heading, justify="left" if heading == "solver" else "right", no_wrap=True)
    for s in summaries(rows):
        counts = (str(v) for v in (s.asked, s.right, s.claimed, s.false_claims, s.denied))
        out.add_row(s.solver, *counts, _error(s.median_error), _error(s.worst_error), f"{1e3 * s.solve_seconds:.2f}")
    return out


def table(rows: Sequence[Row]) -> Table:
    """Return the error at each load: one line a problem, formulation, solver and size."""
    loads = sorted({row.load for row in rows})
    out = Table(
        title="true relative error of the mean delay, by load as a part of the largest",
        caption="! said optimal of an answer that is not right; x said infeasible or unbounded; ~ said neither\n"
        "(inaccurate, or an error of its own); inf: no answer, or a queue grows; ms: in the solver's\n"
        "hands, median over the loads",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    out.caption_justify = "left"
    for heading in ("problem, formulation,\nsolver", "n", *map(load_name, loads), "ms"):
        first = heading.startswith("problem")
        # an error is to be read in full, whatever the width of the terminal
        out.add_column(heading, justify="left" if first else "right", no_wrap=True, min_width=None if first else 3 if heading == "n" else 6)
    last = ""
    for (problem, way, solver, n), by_load in sorted(_lines(rows).items(), key=lambda line: line[0]):
        if problem != last:
            out.add_section()
            out.add_row(f"[bold]{escape(problem)}")
        last = problem
        cells = (_mark(by_load[load]) if load in by_load else "" for load in loads)
        out.add_row(f" {way} {solver}", str(n), *cells, f"{1e3 * median(row.solve_seconds for row in by_load.values()):.3g}")
    return out


def _lines(rows: Sequence[Row]) -> dict[tuple[str, str, str, int], dict[float, Row]]:
    """Rows of one line of the table, by load."""
    lines: dict[tuple[str, str, str, int], dict[float, Row]] = {}
    for row in rows:
        lines.setdefault((row.problem, row.formulation, row.solver, row.n), {})[row.load] = row
    return lines


def load_name(load: float) -> str:
    """A part of the largest load in percent."""
    return f"{100 * load:.12g}%"


def _mark(row: Row) -> str:
    mark = "!" if row.false_claim else "x" if row.status in DENIED else "" if row.claimed else "~"
    return f"[bold red]{_error(row.error)}{mark}[/]" if row.false_claim else f"{_error(row.error)}{mark}"


def _error(error: float) -> str:
    """One digit is what a reader compares."""
    return "0" if error == 0 else f"{error:.0e}".replace("e-0", "e-").replace("e+0", "e")
