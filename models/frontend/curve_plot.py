"""A picture of a curve of any system: what it has over the load, a panel for each unit."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from .report import flat
from .style import COLOURS, grid, load_label

MOST_LINES = 2 * len(COLOURS)  # in a panel; more could not be told apart
WIDE = 30.0  # largest over smallest, from which on an axis is logarithmic


def plot_lines(data: xr.Dataset, title: str = "") -> Figure:
    """Draw all numbers of a curve, but gaps, against the load.

    Parameters
    ----------
    data : xarray.Dataset
        As the `curve` of a system.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    frame = flat(data.sortby("load"))
    panels: dict[str, list[str]] = {}
    for column in frame.columns:
        name = column.split("[")[0]
        number = name in data.data_vars and frame[column].dtype.kind in "fiu"
        if number and not name.endswith("gap"):
            panels.setdefault(data[name].attrs.get("units", ""), []).append(column)
    figure = Figure(figsize=(8.0, 1.0 + 3.0 * len(panels)), layout="constrained")
    for row, (unit, columns) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, row + 1)
        for i, column in enumerate(columns[:MOST_LINES]):
            line, colour = ("-", "--")[i // len(COLOURS)], COLOURS[i % len(COLOURS)]
            label = column.replace("_", " ")
            axes.plot(frame["load"], frame[column], line, color=colour, label=label)
        low, high = frame[columns].min(axis=None), frame[columns].max(axis=None)
        scale = "log" if 0 < WIDE * low < high else "linear"
        axes.set(xlabel=load_label(data["load"].attrs["units"]), ylabel=unit, yscale=scale)
        axes.legend(fontsize="small")
        grid(axes)
    if title:
        figure.suptitle(title)
    return figure
