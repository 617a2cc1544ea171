"""Plot of a frontier: mean delay and rates over the budget, with the servers that open."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ......reference.errors import Array
from ......reference.validation import as_shape
from .....frontend.style import COLOURS, curve_of, grid, log_delay, mark, panels, share_loads
from ...plots import MOST_LINES

FAR = 10.0  # multiple of the largest delay up to which a point is drawn


def plot_frontier(
    data: xr.Dataset, title: str = "", chosen: tuple[float, float] | None = None
) -> Figure:
    """Plot the mean delay above and the rates of the servers below, over the budget.

    Vertical lines mark the budgets at which a server opens or closes.

    Parameters
    ----------
    data : xarray.Dataset
        A frontier of `ParallelServers.size_frontier`.
    title : str, optional
        Title of the figure.
    chosen : tuple of float, optional
        Cost and mean delay of a point to mark, in the units of the data, where it is near.

    Returns
    -------
    matplotlib.figure.Figure
    """
    needed = ("budget", "server", "delay", "cost", "rate", "open")
    data = curve_of("data", data, *needed).sortby("budget")
    figure, (above, below) = panels((3, 2), (8.0, 7.0), title)
    above.plot(data["budget"], data["delay"], color=COLOURS[0], linewidth=1.8, label="least delay")
    if "present_delay" in data.attrs:
        point = np.array([data.attrs["present_cost"], data.attrs["present_delay"]])
        _mark_point(data, above, point, "s", COLOURS[6], "present rates, at their optimum")
    if chosen is not None:
        point = as_shape("chosen", chosen, (2,))
        _mark_point(data, above, point, "o", COLOURS[1], "these sizes")
    log_delay(above, data["delay"])
    above.legend(fontsize="small")
    grid(above)
    _rates(data, below)
    for axes in (above, below):
        _openings(data, axes, named=axes is above)
    share_loads(above, below)
    return figure


def _mark_point(
    data: xr.Dataset, axes: Axes, point: Array, style: str, colour: str, label: str
) -> None:
    """Mark a cost and a mean delay, unless it is far from the frontier."""
    low, high = data["budget"].values[[0, -1]]
    if low <= point[0] <= high and 0.0 < point[1] <= FAR * float(data["delay"].max()):
        axes.plot(*point, style, color=colour, label=label, zorder=5)


def _rates(data: xr.Dataset, axes: Axes) -> None:
    """Draw the rates of the servers that have the largest ones."""
    rate = data["rate"].transpose("budget", "server").values
    largest = np.sort(np.argsort(-rate.max(axis=0), kind="stable")[:MOST_LINES])
    for i, server in enumerate(largest.tolist()):
        name = str(data["server"].values[server])
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(data["budget"], rate[:, server], color=colour, linewidth=1.5, label=name)
    hidden = rate.shape[1] - largest.size
    more = f", the largest of {rate.shape[1]}" if hidden else ""
    axes.set(xlabel=data["budget"].attrs["long_name"])
    axes.set(ylabel=f"rate ({data['rate'].attrs['units'].replace('1/', 'jobs per ')}){more}")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize="small")
    grid(axes)


def _openings(data: xr.Dataset, axes: Axes, *, named: bool) -> None:
    """Mark the budgets at which servers open or close, at the first point after each change."""
    budgets, names = data["budget"].values, data["server"].values
    is_open = data["open"].transpose("budget", "server").values
    changes = np.argwhere(is_open[1:] != is_open[:-1])[: 2 * MOST_LINES]
    for k, server in changes.tolist():
        opens = bool(is_open[k + 1, server])
        text = f"{names[server]} {'opens' if opens else 'closes'}" if named else ""
        mark(axes, float(budgets[k + 1]), COLOURS[2 if opens else 3], "--", text, top=True)
