"""Pictures of the true error of a problem against load, size and spreads, by formulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from ...row import Row
from ..document import Picture
from ..results import Results, grouped
from ..statistics import quantile, values
from .drawing import (
    clipped,
    error_axis,
    label,
    legend,
    log_axis,
    look,
    panel_grid,
    short,
    ticks_at,
    to_svg,
)


@dataclass(frozen=True)
class Axis:
    """An axis of the instances over which errors are drawn.

    Attributes
    ----------
    text : str
        Label of the axis.
    of : callable
        Function from a row to its place on the axis.
    tick : callable
        Function from a place to its label.
    """

    text: str
    of: Callable[[Row], float]
    tick: Callable[[float], str] = short


BESIDE = 0.9
"""Inches of a panel beside its horizontal axis."""
AXES: Mapping[str, Axis] = {
    "load": Axis("load", lambda row: 1 - row.load, lambda x: f"{100 * (1 - x):.8g}%"),
    "size": Axis("size", lambda row: row.n),
    "rate spread": Axis("rate spread", lambda row: row.rate_spread),
    "delay spread": Axis("delay spread", lambda row: row.delay_spread),
}
"""Axes of size and severity; a picture has those over which the rows of a problem vary."""


def problem_picture(results: Results, problem: str) -> Picture | None:
    """Return the errors of a problem: one panel a formulation, one row an axis.

    None where no row varies over any axis.
    """
    settings = results.main_settings
    rows = [row for row in results.under(settings) if row.problem == problem and not row.skipped]
    varied = [axis for axis in AXES.values() if len({axis.of(row) for row in rows}) > 1]
    formulations = grouped(rows, lambda row: row.formulation)
    if not varied:
        return None
    count = len(formulations)
    width = 2.9 if count < 4 else 2.2
    figure, panels = panel_grid(count * len(varied), count, width, height=2.3)
    by_panel = [(axis, name) for axis in varied for name in formulations]
    solvers = [s for s in results.solvers if any(row.solver == s for row in rows)]
    for axes, (axis, name) in zip(panels, by_panel, strict=True):
        for solver in solvers:
            some = [row for row in formulations[name] if row.solver == solver]
            _line(axes, axis, some, look(results.solvers.index(solver)))
        _finish(axes, axis, [axis.of(row) for row in rows], width)
        error_axis(axes, "y", "median true error" if name == by_panel[0][1] else "")
        axes.set_title(label(name))
    legend(figure, solvers, [look(results.solvers.index(s)) for s in solvers])
    caption = (
        f"Median true error under the settings {settings}, by formulation. Dashed: error of a "
        "right answer; dotted, none: no answer, or an error above 100."
    )
    place = results.problems.index(problem)
    return Picture(f"problem-{place}", to_svg(figure), caption)


def _line(axes: Axes, axis: Axis, rows: Sequence[Row], shown: Mapping[str, object]) -> None:
    by_x: dict[float, list[Row]] = {}
    for row in rows:
        by_x.setdefault(axis.of(row), []).append(row)
    x = sorted(by_x)
    y = [quantile(values(by_x[place], "error"), 0.5) for place in x]
    axes.plot(x, clipped(y), **shown)  # type: ignore[arg-type]


def _finish(axes: Axes, axis: Axis, places: Sequence[float], width: float) -> None:
    """Finish the horizontal axis: logarithmic unless it has a 0; loads grow to the right.

    The width is that of a panel, inches.
    """
    low, high = min(places), max(places)
    if low > 0:
        log_axis(axes, "x", axis.text, (low / 1.5, high * 1.5))
        ticks_at(axes, {place: axis.tick(place) for place in places}, width - BESIDE)
    else:
        axes.set(xlabel=axis.text)
    if axis is AXES["load"]:
        axes.invert_xaxis()
