"""How cost grows with the number of servers, on logarithmic axes."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...frontend.style import COLOURS, grid

MARKERS = "osD^v"


def plot_growth(data: xr.Dataset) -> Figure:
    """Draw seconds over servers, a line a thing measured, with the fitted exponent in its label.

    Parameters
    ----------
    data : xarray.Dataset
        ``seconds`` over ``what`` and ``servers``, ``exponent`` over ``what``; see `sojourn.models.benchmarks.speed`.
    """
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    for i, what in enumerate(data["what"].values):
        line = data["seconds"].sel(what=what).dropna("servers")
        exponent = float(data["exponent"].sel(what=what))
        label = f"{what}" + (f", n^{exponent:.2f}" if np.isfinite(exponent) else "")
        axes.loglog(line["servers"], line, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], markersize=4, label=label)
    axes.set(xlabel="servers", ylabel="seconds for one load")
    axes.legend(frameon=False, fontsize=9)
    grid(axes)
    return figure
