"""Pictures of curves: delay and price of anarchy against load, with the loads where servers start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...frontend.style import COLOURS, log_delay, mark, over_load, panels, share_loads, widths

MOST_LINES = 7  # of thresholds that are named; more would hide the curve


def plot_curve(data: xr.Dataset, title: str = "", others: Mapping[str, xr.Dataset] | None = None) -> Figure:
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


def plot_delay(data: xr.Dataset, axes: Axes, others: Mapping[str, xr.Dataset] | None = None) -> None:
    """Draw the mean delay at the optimum (solid) and at the equilibrium (dashed), on a logarithmic scale."""
    alone = not others
    for colour, width, (name, curve) in lines_of(data, others):
        for goal, style in (("optimum", "-"), ("equilibrium", "--")):
            label = goal if alone else f"{name or 'as it is'}: {goal}"
            tone = colour if not alone else COLOURS[style == "--"]
            axes.plot(curve["load"], curve[f"{goal}_delay"], style, color=tone, linewidth=width, label=label)
    if alone:
        _thresholds(data, axes, named=True)
    log_delay(axes, data["optimum_delay"])
    over_load(axes, data, ncols=1 if alone else 2)


def plot_price_of_anarchy(data: xr.Dataset, axes: Axes, others: Mapping[str, xr.Dataset] | None = None, *, peaks: bool = False) -> None:
    """Draw the price of anarchy, with the loads where a server starts at the optimum (dotted) and at the equilibrium (dashed).

    Beside others there are no such loads; with `peaks`, a dot where each line is highest.
    """
    for colour, width, (name, curve) in lines_of(data, others):
        load, ratio, label = curve["load"].values, curve["price_of_anarchy"].values, name or "as it is"
        if peaks and np.isfinite(ratio).any():
            at = int(np.nanargmax(ratio))
            axes.plot(load[at], ratio[at], "o", color=colour, markersize=4 + width, zorder=5)
            label += f": up to {ratio[at]:.4g}, load {load[at]:.4g}"
        axes.plot(load, ratio, color=colour, linewidth=width, label=label)
    if not others:
        _thresholds(data, axes)
    axes.set(ylabel="price of anarchy" + ", variants" * peaks)
    over_load(axes, data, legend=bool(others))


def lines_of(data: xr.Dataset, others: Mapping[str, xr.Dataset] | None) -> list[tuple[str, float, tuple[str, xr.Dataset]]]:
    """Colour, width and curve of each line."""
    curves = [(name, curve.sortby("load")) for name, curve in {"": data, **(others or {})}.items()]
    return [(COLOURS[i % len(COLOURS)], width, curve) for i, (width, curve) in enumerate(zip(widths(len(curves)), curves, strict=True))]


def _thresholds(data: xr.Dataset, axes: Axes, *, named: bool = False) -> None:
    low, high = float(data["load"].min()), float(data["load"].max())
    for colour, style, goal in ((COLOURS[0], ":", "optimum"), (COLOURS[1], "--", "equilibrium")):
        marks = [(x, n) for x, n in zip(data.attrs[f"{goal}_thresholds"], data["server"].values, strict=True) if low < x < high]
        for x, name in marks[:MOST_LINES]:
            mark(axes, x, colour, style, f"{name} starts, {goal}" if named else "", top=True)
