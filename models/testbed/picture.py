"""Figure 2 of Mancuso et al.: the model's curves, and the measured points with their intervals."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..frontend.style import COLOURS, curve_of, log_delay, mark, over_load, panels

MARKS = ("o", "s", "D")
STYLES = ("-", "--", "-.")
APART = 0.006  # part of the axis by which points at one load are moved apart


def plot_points(data: xr.Dataset, title: str = "") -> Figure:
    """Draw mean delays over the load: the model's as lines, the measured ones as points.

    Bars are the intervals. A grey cross is a point that is invalid: the machine was too busy, or
    the point was not completed.

    Parameters
    ----------
    data : xarray.Dataset
        What `sojourn.models.testbed.dataset.dataset` returns.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    curve_of("data", data, "measured", "low", "high", "valid", "curve_load")
    figure, (axes,) = panels((1,), (8.0, 5.0), title)
    splits = list(map(str, data["split"].values))
    drawn = [data[f"{name}_delay"] for name in splits]
    for i, (name, curve) in enumerate(zip(splits, drawn, strict=True)):
        axes.plot(
            data["curve_load"],
            curve,
            STYLES[i % len(STYLES)],
            color=COLOURS[i],
            linewidth=1.6,
            label=f"{name}, model",
        )
        _points(data, axes, i, name)
    for i, name in enumerate(splits):
        for load, server in _starts(data, name):
            mark(axes, load, COLOURS[i], ":", f"{server} starts, {name}")
    log_delay(axes, drawn[0])
    over_load(axes, data, ncols=2, loc="upper left")
    return figure


def _points(data: xr.Dataset, axes: Axes, i: int, name: str) -> None:
    """Draw the measured points of one split."""
    points = data.sel(split=name)
    middle = (data.sizes["split"] - 1) / 2.0
    load = points["load"].values + (i - middle) * APART * float(data["curve_load"].max())
    mean, valid = points["measured"].values, points["valid"].values == 1.0
    if valid.any():
        ends = (mean - points["low"].values, points["high"].values - mean)
        axes.errorbar(
            load[valid],
            mean[valid],
            yerr=np.array(ends)[:, valid],
            fmt=MARKS[i % len(MARKS)],
            color=COLOURS[i],
            markersize=5,
            capsize=3,
            label=f"{name}, measured with {data.attrs['level']:.0%} interval",
        )
    bad = ~valid & np.isfinite(mean)
    if bad.any():
        axes.plot(load[bad], mean[bad], "x", color="0.6", label=f"{name}, invalid")


def _starts(data: xr.Dataset, name: str) -> list[tuple[float, str]]:
    """Return the loads inside the picture from which servers are used, with their names."""
    if f"{name}_thresholds" not in data:
        return []
    low, high = float(data["curve_load"].min()), float(data["curve_load"].max())
    found = zip(data[f"{name}_thresholds"].values, data["server"].values, strict=True)
    return [(float(load), str(server)) for load, server in found if low < load < high]
