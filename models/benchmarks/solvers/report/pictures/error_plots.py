"""Pictures of true errors: against time as the tolerance tightens, and against residuals."""

from __future__ import annotations

import math
from collections.abc import Iterator

from matplotlib.axes import Axes

from ...row import ACCURATE, Row
from ..document import Picture
from ..results import Results
from ..statistics import (
    quantile,
    residual,
    shifted_geometric_mean,
    time_to_answer,
    values,
)
from .drawing import clipped, error_axis, label, legend, log_axis, look, panel_grid, to_svg
from .profile_plots import PANELS

RASTER = 300
"""Points from which on a panel of points is a bitmap, which is smaller then."""


def accuracy_over_time(results: Results) -> Iterator[Picture]:
    """Yield error against time, one curve a solver over its settings."""
    comparisons = results.comparisons(results.rows)[:PANELS]
    if len(results.settings) < 2 or not comparisons:
        return
    figure, panels = panel_grid(len(comparisons), 2, width=4.4, height=3.2)
    for axes, comparison in zip(panels, comparisons, strict=True):
        for i, solver in enumerate(results.solvers):
            found = [rows for entrant, rows in comparison.rows.items() if entrant.solver == solver]
            points = [_point(rows, results.limit) for rows in found]
            named = [math.isnan(rows[0].tolerance) for rows in found]
            _curve(axes, [p for p, name in zip(points, named, strict=True) if not name], i, "-")
            _curve(axes, [p for p, name in zip(points, named, strict=True) if name], i, "")
        log_axis(axes, "x", "mean time (ms)")
        error_axis(axes, "y", "median true error")
        axes.set_title(comparison.title)
    legend(figure, results.solvers, [look(i) for i in range(len(results.solvers))])
    caption = (
        "Median true error against the shifted geometric mean of the times; a cell without an "
        "answer counts as the limit of time. A curve joins the settings of a solver from the "
        "loosest to the tightest tolerance; a hollow point is of settings that name no tolerance. "
        "Lower and further left is better. Dashed: error of a right answer."
    )
    yield Picture("accuracy-over-time", to_svg(figure), caption)


def _point(rows: list[Row], limit: float) -> tuple[float, float]:
    times = [time_to_answer(row, limit) for row in rows]
    return 1e3 * max(shifted_geometric_mean(times), 1e-6), quantile(values(rows, "error"), 0.5)


def _curve(axes: Axes, points: list[tuple[float, float]], i: int, line: str) -> None:
    if points:
        hollow = {} if line else {"linestyle": "", "markerfacecolor": "none", "markersize": 6.0}
        x, y = zip(*points, strict=True)
        axes.plot(x, clipped(y), **{**look(i), **hollow})


def error_over_residual(results: Results) -> Iterator[Picture]:
    """Yield the true error of each answer against its largest KKT residual, one panel a solver."""
    figure, panels = panel_grid(len(results.solvers), 3, width=2.9, height=2.7)
    for axes, solver in zip(panels, results.solvers, strict=True):
        rows = [row for row in results.asked if row.solver == solver and math.isfinite(row.error)]
        for i, settings in enumerate(results.settings):
            some = [row for row in rows if results.entrant(row).settings == settings]
            x, y = clipped(map(residual, some)), clipped(row.error for row in some)
            points = {**look(i), "linestyle": "", "alpha": 0.6, "markersize": 3.0}
            axes.plot(x, y, **points, rasterized=len(rows) > RASTER)
        error_axis(axes, "y", "true error")
        error_axis(axes, "x", "largest KKT residual")
        wrong = sum(not row.right and residual(row) <= ACCURATE for row in rows)
        axes.fill_between([1e-17, ACCURATE], ACCURATE, 1e4, color="#D55E00", alpha=0.12, lw=0)
        axes.text(0.03, 0.97, f"{wrong} wrong", transform=axes.transAxes, va="top")
        axes.set_title(label(f"{solver}, {len(rows)} answers"))
    looks = [{**look(i), "linestyle": ""} for i in range(len(results.settings))]
    legend(figure, results.settings, looks)
    caption = (
        "True error against the largest relative KKT residual of the same answer: what is wrong "
        "against what a solver is usually judged by; one point an answer, by settings. Shaded: "
        "residuals of at most 1e-6 although the delay is not right; their number, and that of "
        "answers with a violated constraint, is in the corner."
    )
    yield Picture("error-over-residual", to_svg(figure), caption)
