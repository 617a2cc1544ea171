"""Pictures of true errors: against time as the tolerance tightens, and against residuals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ......reference.errors import Array
from ...row import ACCURATE, Row
from ..document import Picture
from ..results import Results
from ..statistics import (
    mean_over_problems,
    quantile,
    residual,
    time_to_answer,
    values,
)
from .drawing import clipped, error_axis, label, legend, log_axis, look, panel_grid, to_svg
from .profile_plots import PANELS

SMALLEST, LARGER = 2.5, 1.5
"""Size of a marker at the loosest tolerance, and what each tighter one adds."""
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
            unnamed = [math.isnan(rows[0].tolerance) for rows in found]
            curve = [p for p, none in zip(points, unnamed, strict=True) if not none]
            axes.plot(*_drawn(curve), **{**look(i), "marker": ""})
            for k, point in enumerate(curve):
                size = {"markersize": SMALLEST + LARGER * k, "linestyle": ""}
                axes.plot(*_drawn([point]), **{**look(i), **size})
            hollow = {"linestyle": "", "markerfacecolor": "none", "markersize": 6.0}
            own = [p for p, none in zip(points, unnamed, strict=True) if none]
            axes.plot(*_drawn(own), **{**look(i), **hollow})
        log_axis(axes, "x", "mean time (ms)")
        error_axis(axes, "y", "median true error")
        axes.set_title(comparison.title)
    legend(figure, results.solvers, [look(i) for i in range(len(results.solvers))])
    caption = (
        "Median true error against the mean of the times, one panel a class of cones. A curve "
        "joins the settings of a solver; its points grow from the loosest tolerance to the "
        "tightest. A hollow point is of settings that name no tolerance. A cell without an answer "
        "counts as the limit of time, so that a curve goes left where a tighter tolerance answers "
        "more cells. Lower and further left is better. Dashed: error of a right answer."
    )
    yield Picture("accuracy-over-time", to_svg(figure), caption)


def _point(rows: list[Row], limit: float) -> tuple[float, float]:
    mean = mean_over_problems(rows, lambda row: time_to_answer(row, limit))
    return 1e3 * max(mean, 1e-6), quantile(values(rows, "error"), 0.5)


def _drawn(points: Sequence[tuple[float, float]]) -> tuple[list[float], Array]:
    return [x for x, _ in points], clipped(y for _, y in points)


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
