"""Statistics in which a failure is never better than a bad answer, and their texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..row import ACCURATE, Row

SHIFT = 1e-3
"""Seconds. A typical solve takes about that; a larger shift would approach the arithmetic mean."""
NAMED_NAN = frozenset(
    {"flow_error", "gap", "dual_residual", "complementarity", "iterations", "own_seconds"}
)
"""Fields in which NaN means that there is no such number; in others it counts as infinite."""


def values(rows: Sequence[Row], field: str) -> list[float]:
    """Return the values of a field of rows, without those that do not exist."""
    found = [float(getattr(row, field)) for row in rows]
    if field in NAMED_NAN:
        return [value for value in found if not math.isnan(value)]
    return [math.inf if math.isnan(value) else value for value in found]


def quantile(numbers: Sequence[float], part: float) -> float:
    """Return the number of rank ceil(part (n - 1)) from 0 of n numbers; NaN of none.

    Infinite ones are not averaged, and the median of two is the larger one (NumPy's ``higher``).
    """
    if not numbers:
        return math.nan
    return sorted(numbers)[math.ceil(part * (len(numbers) - 1))]


def shifted_geometric_mean(seconds: Sequence[float], shift: float = SHIFT) -> float:
    """Return exp(mean log(t + shift)) - shift; NaN of no times.

    Neither the longest time nor the rounding of the shortest dominates it.
    """
    if not len(seconds):
        return math.nan
    return float(np.exp(np.mean(np.log(np.asarray(seconds) + shift))) - shift)


def mean_over_problems(rows: Sequence[Row], seconds: Callable[[Row], float]) -> float:
    """Return the shifted geometric mean, over problems, of the means of their times.

    A problem of more sizes, loads or formulations has no larger weight than another one.
    """
    by_problem: dict[str, list[float]] = {}
    for row in rows:
        by_problem.setdefault(row.problem, []).append(seconds(row))
    return shifted_geometric_mean([shifted_geometric_mean(of) for of in by_problem.values()])


def time_to_right(row: Row, limit: float) -> float:
    """Return the time of the solver, or the limit where the answer is not right, seconds."""
    return row.solve_seconds if row.right else limit


def time_to_answer(row: Row, limit: float) -> float:
    """Return the time of the solver, or the limit where it has no answer, seconds."""
    return row.solve_seconds if math.isfinite(row.error) else limit


def residual(row: Row) -> float:
    """Return the largest of the relative KKT residuals that there are."""
    found = (row.primal_residual, row.dual_residual, row.complementarity)
    return max((value for value in found if not math.isnan(value)), default=math.inf)


def count_text(count: float) -> str:
    """Return a count as text; a dash where there is none."""
    return "-" if math.isnan(count) else f"{count:.0f}"


def error_text(error: float) -> str:
    """Return an error with one digit, which is enough to compare magnitudes."""
    if math.isnan(error):
        return "-"
    return "0" if error == 0 else f"{error:.0e}".replace("e-0", "e-").replace("e+0", "e")


def time_text(seconds: float) -> str:
    """Return a time in milliseconds with three digits."""
    if not math.isfinite(seconds):
        return "-" if math.isnan(seconds) else "inf"
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def percent_text(part: float) -> str:
    """Return a part in percent; it is 0 % or 100 % only where it is none or all."""
    if math.isnan(part):
        return "-"
    if 0 < part < 0.01:
        return f"{100 * part:.2g} %"
    return f"{math.floor(1e4 * part) / 100:g} %" if 0.99 < part < 1 else f"{100 * part:.0f} %"


def part(some: float, of: float) -> float:
    """Return a part; NaN of nothing."""
    return some / of if of else math.nan


ACCURATE_TEXT = error_text(ACCURATE)
"""Largest error of an accurate answer, as a text."""
