"""Pictures of curves: delay and price of anarchy against load, with the loads where servers start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....reference.validation import check_instance
from ...frontend.style import (
    COLOURS,
    curve_of,
    log_delay,
    mark,
    over_load,
    panels,
    share_loads,
    widths,
)

MOST_LINES = 7  # of thresholds that are named; more would hide the curve


def plot_curve(
    data: xr.Dataset, title: str = "", others: Mapping[str, xr.Dataset] | None = None
) -> Figure:
    """Draw delays above and the price of anarchy below, against the load.

    Parameters
    ----------
    data : xarray.Dataset
        From `ParallelServers.curve`, with both goals.
    title : str
    others : mapping of str to Dataset, optional
        Curves of variants, drawn beside it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (above, below) = panels((3, 2), (8.0, 7.0), title)
    plot_delay(data, above, others)
    plot_price_of_anarchy(data, below, others)
    share_loads(above, below)
    return figure


def plot_delay(
    data: xr.Dataset, axes: Axes, others: Mapping[str, xr.Dataset] | None = None
) -> None:
    """Draw the mean delay at the optimum (solid) and at the equilibrium (dashed), on a logarithmic scale."""
    lines = lines_of(data, others, "optimum_delay", "equilibrium_delay")
    alone = len(lines) == 1
    for colour, width, (name, curve) in lines:
        for goal, style in (("optimum", "-"), ("equilibrium", "--")):
            label = goal if alone else f"{name or 'as it is'}: {goal}"
            tone = colour if not alone else COLOURS[style == "--"]
            axes.plot(
                curve["load"],
                curve[f"{goal}_delay"],
                style,
                color=tone,
                linewidth=width,
                label=label,
            )
    if alone:
        _thresholds(data, axes, named=True)
    log_delay(axes, data["optimum_delay"])
    over_load(axes, data, ncols=1 if alone else 2)


def plot_price_of_anarchy(
    data: xr.Dataset,
    axes: Axes,
    others: Mapping[str, xr.Dataset] | None = None,
    *,
    peaks: bool = False,
) -> None:
    """Draw the price of anarchy, with the loads where a server starts at the optimum (dotted) and at the equilibrium (dashed).

    Beside others there are no such loads; with `peaks`, a dot where each line is highest.
    """
    lines = lines_of(data, others, "price_of_anarchy")
    alone = len(lines) == 1
    for colour, width, (name, curve) in lines:
        load, ratio, label = (
            curve["load"].values,
            curve["price_of_anarchy"].values,
            name or "as it is",
        )
        if peaks and np.isfinite(ratio).any():
            at = int(np.nanargmax(ratio))
            axes.plot(load[at], ratio[at], "o", color=colour, markersize=4 + width, zorder=5)
            label += f": up to {ratio[at]:.4g}, load {load[at]:.4g}"
        axes.plot(load, ratio, color=colour, linewidth=width, label=label)
    if alone:
        _thresholds(data, axes)
    axes.set(ylabel="price of anarchy" + ", variants" * peaks)
    over_load(axes, data, legend=not alone)


def named_curves(others: Mapping[str, xr.Dataset] | None) -> Mapping[str, xr.Dataset]:
    """Return the curves beside one, by name; InputError on what is no mapping."""
    return (
        {}
        if others is None
        else check_instance("others", others, Mapping, "is not a mapping", "give curves by name")
    )


def lines_of(
    data: xr.Dataset, others: Mapping[str, xr.Dataset] | None, *names: str
) -> list[tuple[str, float, tuple[str, xr.Dataset]]]:
    """Colour, width and curve of each line, whose variables have the names."""
    beside = named_curves(others)
    drawn = {"data": data, **{f"others[{name!r}]": curve for name, curve in beside.items()}}
    checked = [
        curve_of(field, curve, "load", *names).sortby("load") for field, curve in drawn.items()
    ]
    curves = list(zip(("", *map(str, beside)), checked, strict=True))
    return [
        (COLOURS[i % len(COLOURS)], width, curve)
        for i, (width, curve) in enumerate(zip(widths(len(curves)), curves, strict=True))
    ]


def _thresholds(data: xr.Dataset, axes: Axes, *, named: bool = False) -> None:
    curve_of("data", data, "server", "optimum_thresholds", "equilibrium_thresholds")
    low, high = float(data["load"].min()), float(data["load"].max())
    for colour, style, goal in ((COLOURS[0], ":", "optimum"), (COLOURS[1], "--", "equilibrium")):
        marks = [
            (x, n)
            for x, n in zip(data.attrs[f"{goal}_thresholds"], data["server"].values, strict=True)
            if low < x < high
        ]
        for x, name in marks[:MOST_LINES]:
            mark(axes, x, colour, style, f"{name} starts, {goal}" if named else "", top=True)
