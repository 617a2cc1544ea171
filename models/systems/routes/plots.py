"""Plots of systems with routes: delays and price of anarchy over the load, stations as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...frontend.style import (
    COLOURS,
    curve_of,
    grid,
    headed,
    log_delay,
    over_load,
    panels,
    share_loads,
)
from ..parallel.prices import GOALS

if TYPE_CHECKING:
    from ....reference.routes.worst_case import RouteWorstCase

MOST_BARS = 30  # stations with bars; of more, those with the largest loads
MOST_GROUPS = len(COLOURS)  # groups with lines of their own
STYLES = ("-", "--")  # of optimum and equilibrium


def plot_curve(data: xr.Dataset, title: str = "") -> Figure:
    """Draw the mean delay of all jobs, that of each group, and the price of anarchy over the load.

    The optimum is solid, the equilibrium dashed. More than seven groups have no panel.

    Parameters
    ----------
    data : xarray.Dataset
        A curve of `RouteSystem.curve`, with both goals.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [f"{goal}_{what}" for goal in GOALS for what in ("delay", "group_delay")]
    data = curve_of("data", data, "load", "group", "price_of_anarchy", *names).sortby("load")
    grouped = 1 < data.sizes["group"] <= MOST_GROUPS
    figure, axes = panels((3, 3, 2) if grouped else (3, 2), (8.0, 10.0 if grouped else 7.0), title)
    for i, goal in enumerate(GOALS):
        delay = data[f"{goal}_delay"]
        axes[0].plot(data["load"], delay, STYLES[i], color=COLOURS[i], linewidth=1.8, label=goal)
    log_delay(axes[0], data["optimum_delay"])
    over_load(axes[0], data)
    if grouped:
        _plot_groups(data, axes[1])
    axes[-1].plot(data["load"], data["price_of_anarchy"], color=COLOURS[0], linewidth=1.8)
    axes[-1].set(ylabel="price of anarchy")
    over_load(axes[-1], data, legend=False)
    share_loads(*axes)
    return figure


def _plot_groups(data: xr.Dataset, axes: Axes) -> None:
    """Draw the mean delay of each group for both goals."""
    for i, goal in enumerate(GOALS):
        for k, group in enumerate(data["group"].values):
            delay = data[f"{goal}_group_delay"].sel(group=group)
            label = None if i else str(group)
            axes.plot(data["load"], delay, STYLES[i], color=COLOURS[k], linewidth=1.5, label=label)
    log_delay(axes, data["optimum_group_delay"])
    axes.set(ylabel=f"of each group ({data['optimum_group_delay'].attrs['units']})")
    over_load(axes, data, title="solid: optimum, dashed: equilibrium", title_fontsize="small")


def plot_stations(data: xr.Dataset, title: str = "") -> Figure:
    """Draw the load of each station as a bar, and its utilisation beside it, for both goals.

    Where no station has a utilisation, its latency takes the place.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.routes.both_goals.stations_of`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [f"{goal}_{what}" for goal in GOALS for what in ("load", "utilisation", "latency")]
    data = curve_of("data", data, "station", *names)
    order = np.argsort(-data[names[0]].values, kind="stable")[:MOST_BARS]
    shown = data.isel(station=np.sort(order))
    count = shown.sizes["station"]
    figure = headed(Figure(figsize=(9.0, 1.6 + 0.42 * count), layout="constrained"), title)
    left, right = figure.subplots(1, 2, sharey=True)
    limited = np.isfinite(shown[f"{GOALS[0]}_utilisation"].values)
    beside = "utilisation" if limited.any() else "latency"
    for axes, what in ((left, "load"), (right, beside)):
        for i, goal in enumerate(GOALS):
            values = shown[f"{goal}_{what}"].values
            axes.barh(np.arange(count) + 0.4 * i - 0.2, values, 0.38, color=COLOURS[i], label=goal)
        grid(axes)
    left.set_yticks(np.arange(count), [str(name) for name in shown["station"].values])
    left.set_ylim(count - 0.5, -0.5)
    unit = shown[names[0]].attrs["units"].replace("1/", "jobs per ")
    left.set(xlabel=f"load ({unit})")
    if limited.any():
        right.set(xlabel="utilisation", xlim=(0, max(1.0, right.get_xlim()[1])))
        for place in np.flatnonzero(~limited):
            right.text(
                0.01, float(place), "any load", fontsize="x-small", va="center", color="grey"
            )
    else:
        right.set(xlabel=f"latency ({shown[f'{GOALS[0]}_latency'].attrs['units']})")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    if count < data.sizes["station"]:
        left.set_title(f"the {count} of {data.sizes['station']:,} stations with the largest loads")
    return figure


def plot_search(data: xr.Dataset, found: RouteWorstCase, title: str = "") -> Figure:
    """Draw the price of anarchy at the loads of a search, its bounds between them, and its worst.

    Parameters
    ----------
    data : xarray.Dataset
        Over ``load``: ``price_of_anarchy``, and ``price_of_anarchy_upper`` up to the next load.
    found : RouteWorstCase
        Result of the search, marked with a dot.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    data = curve_of("data", data, "load", "price_of_anarchy", "price_of_anarchy_upper")
    figure, (axes,) = panels((1,), (8.0, 5.0), title)
    load, upper = data["load"].values, data["price_of_anarchy_upper"].values
    label = f"certified bound: no load has more than {found.upper_bound:.6g}"
    # a bound that is far above all prices, at loads without interest, would flatten the picture
    top = 1 + max(1.4 * (found.upper_bound - 1), 1e-3)
    shown = np.minimum(upper[:-1], 2 * top)
    axes.stairs(shown, load, baseline=None, color=COLOURS[1], linewidth=1.0, label=label)
    ratio = data["price_of_anarchy"].values
    axes.plot(load, ratio, ".-", color=COLOURS[0], linewidth=1.2, label="solved loads")
    label = f"worst case {found.poa:.6g}, load {found.load:.4g}"
    axes.plot(found.load, found.poa, "o", color=COLOURS[0], markersize=8, zorder=5, label=label)
    axes.set(ylabel="price of anarchy", ylim=(1 - 0.05 * (top - 1), top))
    over_load(axes, data)
    return figure
