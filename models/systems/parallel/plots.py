"""Plots of curves: mean delay and price of anarchy over the load, with the thresholds."""

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

MOST_LINES = 7  # thresholds that are drawn for each goal; more would hide the curve


def plot_curve(
    data: xr.Dataset, title: str = "", others: Mapping[str, xr.Dataset] | None = None
) -> Figure:
    """Plot mean delays above and the price of anarchy below, over the load.

    Parameters
    ----------
    data : xarray.Dataset
        A curve of `ParallelServers.curve`, with both goals.
    title : str, optional
        Title of the figure.
    others : mapping of str to xarray.Dataset, optional
        Curves of variants by name, in the same axes.

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
    """Plot mean delays over the load: the optimum solid, the equilibrium dashed.

    The axis of the delays is logarithmic.

    Parameters
    ----------
    data : xarray.Dataset
        A curve of `ParallelServers.curve`, with both goals.
    axes : matplotlib.axes.Axes
        Axes to draw in.
    others : mapping of str to xarray.Dataset, optional
        Curves of variants by name; with them no thresholds are drawn.
    """
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
    """Plot the price of anarchy over the load.

    Parameters
    ----------
    data : xarray.Dataset
        A curve of `ParallelServers.curve`, with both goals.
    axes : matplotlib.axes.Axes
        Axes to draw in.
    others : mapping of str to xarray.Dataset, optional
        Curves of variants by name; without them the thresholds of the optimum (dotted) and of
        the equilibrium (dashed) are drawn.
    peaks : bool, default False
        Whether to mark the highest point of each line.
    """
    lines = lines_of(data, others, "price_of_anarchy")
    alone = len(lines) == 1
    for colour, width, (name, curve) in lines:
        load, ratio = curve["load"].values, curve["price_of_anarchy"].values
        label = name or "as it is"
        if peaks and np.isfinite(ratio).any():
            i = int(np.nanargmax(ratio))
            axes.plot(load[i], ratio[i], "o", color=colour, markersize=4 + width, zorder=5)
            label += f": up to {ratio[i]:.4g}, load {load[i]:.4g}"
        axes.plot(load, ratio, color=colour, linewidth=width, label=label)
    if alone:
        _thresholds(data, axes)
    axes.set(ylabel="price of anarchy" + ", variants" * peaks)
    over_load(axes, data, legend=not alone)


def named_curves(others: Mapping[str, xr.Dataset] | None) -> Mapping[str, xr.Dataset]:
    """Return curves by name, none by default; InputError on anything but a mapping."""
    if others is None:
        return {}
    check_instance("others", others, Mapping, "is not a mapping", "give curves by name")
    return others


def lines_of(
    data: xr.Dataset, others: Mapping[str, xr.Dataset] | None, *names: str
) -> list[tuple[str, float, tuple[str, xr.Dataset]]]:
    """Return colour, width, and the pair of name and curve of each line.

    Parameters
    ----------
    data : xarray.Dataset
        The first curve, whose name is empty.
    others : mapping of str to xarray.Dataset, optional
        Further curves by name.
    *names : str
        Variables that every curve must have.
    """
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
    """Draw the first thresholds of both goals as vertical lines."""
    curve_of("data", data, "server", "optimum_thresholds", "equilibrium_thresholds")
    low, high = float(data["load"].min()), float(data["load"].max())
    for colour, style, goal in ((COLOURS[0], ":", "optimum"), (COLOURS[1], "--", "equilibrium")):
        thresholds = zip(data.attrs[f"{goal}_thresholds"], data["server"].values, strict=True)
        inside = [(x, name) for x, name in thresholds if low < x < high]
        for x, name in inside[:MOST_LINES]:
            mark(axes, x, colour, style, f"{name} starts, {goal}" if named else "", top=True)
