"""Pictures of curves: delay and price of anarchy against load, with the loads where servers start."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...frontend.style import COLOURS, grid, load_label, log_delay

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
    figure = Figure(figsize=(8.0, 7.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    plot_delay(data, above, others)
    plot_price_of_anarchy(data, below, others)
    above.set_xlabel("")
    if title:
        figure.suptitle(title)
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
    axes.set(xlabel=load_label(data["load"].attrs["units"]))
    log_delay(axes, data["optimum_delay"])
    axes.legend(fontsize="small", ncols=1 if alone else 2)
    grid(axes)


def plot_price_of_anarchy(data: xr.Dataset, axes: Axes, others: Mapping[str, xr.Dataset] | None = None) -> None:
    """Draw the price of anarchy, with the loads where a server starts at the optimum (dotted) and at the equilibrium (dashed)."""
    for colour, width, (name, curve) in lines_of(data, others):
        axes.plot(curve["load"], curve["price_of_anarchy"], color=colour, linewidth=width, label=name or "as it is")
    if others:
        axes.legend(fontsize="small")
    else:
        _thresholds(data, axes)
    axes.set(ylabel="price of anarchy", xlabel=load_label(data["load"].attrs["units"]))
    grid(axes)


def lines_of(data: xr.Dataset, others: Mapping[str, xr.Dataset] | None) -> list[tuple[str, float, tuple[str, xr.Dataset]]]:
    """Colour, width and curve of each line; later ones are thinner, so that a line under another can still be seen."""
    curves = [(name, curve.sortby("load")) for name, curve in {"": data, **(others or {})}.items()]
    widths = [1.8] if len(curves) == 1 else [4.0 - 2.8 * i / (len(curves) - 1) for i in range(len(curves))]
    return [(COLOURS[i % len(COLOURS)], widths[i], curve) for i, curve in enumerate(curves)]


def _thresholds(data: xr.Dataset, axes: Axes, *, named: bool = False) -> None:
    low, high = float(data["load"].min()), float(data["load"].max())
    for colour, style, goal in ((COLOURS[0], ":", "optimum"), (COLOURS[1], "--", "equilibrium")):
        marks = [(x, n) for x, n in zip(data.attrs[f"{goal}_thresholds"], data["server"].values, strict=True) if low < x < high]
        for x, name in marks[:MOST_LINES]:
            axes.axvline(x, color=colour, linestyle=style, linewidth=0.9, alpha=0.7)
            if named:
                text = f"{name} starts, {goal}"
                axes.annotate(
                    text,
                    (x, 0.97),
                    xycoords=("data", "axes fraction"),
                    rotation=90,
                    fontsize="x-small",
                    color=colour,
                    va="top",
                    ha="right",
                )
