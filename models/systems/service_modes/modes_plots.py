"""Plots of any number of service modes: who is used over the load, and delays side by side."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....reference.errors import Array
from ...frontend.style import COLOURS, curve_of, log_delay, mark, over_load, panels, share_loads
from .disciplines import USED

ANSWERS = {
    "reserved": "reserved, best mix",
    "optimum": "shared, optimum",
    "equilibrium": "shared, selfish users",
}
"""Answers of which each has an assignment and a delay in a dataset, with their names."""
DELAYS = {
    "reserved_delay": ("reserved, best mix", "-", COLOURS[0], 4.0),
    "equilibrium_delay": ("shared, selfish users", "-", COLOURS[1], 2.8),
    "optimum_delay": ("shared, optimum", "-", COLOURS[2], 1.6),
    "single_delay": ("best single mode", "--", "black", 1.2),
    "tunable_delay": ("tunable mode: no split is faster", ":", "black", 1.6),
}
"""Label, style, colour and width of each delay; later lines are thinner, so that none is hidden."""
PRICES = {
    "price_of_reserving": ("price of reserving", COLOURS[0], 3.0),
    "price_of_anarchy": ("price of anarchy", COLOURS[1], 1.6),
}
LEAST_TOP = 1.05  # of the axis of the prices
Colour = str | tuple[float, float, float, float]
MANY = "tab20"  # colours of more modes than `COLOURS` has
LONG = 30  # letters of a name in the legend beside the panels
MOST_MARKS = 6  # changes of the used modes that are marked with their loads


def plot_mixes(data: xr.Dataset, title: str = "") -> Figure:
    """Draw the part of the jobs in each mode over the load as stacked areas, for each answer.

    Only modes that are used at some load are drawn, each in one colour.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.service_modes.disciplines.disciplines`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [f"{answer}_assignment" for answer in ANSWERS]
    data = curve_of("data", data, "load", "mode", *names).sortby("load")
    used = np.flatnonzero([any(data[n].isel(mode=m).max() > USED for n in names)
                           for m in range(data.sizes["mode"])])  # fmt: skip
    figure, axes = panels((1, 1, 1), (8.0, 9.0), title)
    for panel, (answer, name) in zip(axes, ANSWERS.items(), strict=True):
        parts = data[f"{answer}_assignment"].transpose("mode", "load").values[used]
        _stack(panel, data["load"].values, parts, _colours(len(used)))
        panel.set(ylabel="part of the jobs", ylim=(0, 1))
        panel.set_title(name, fontsize="medium", loc="left")
        over_load(panel, data, legend=False)
        panel.grid(visible=False)
    share_loads(*axes)
    labels = [_short(str(name)) for name in data["mode"].values[used]]
    handles = axes[0].collections[: len(used)]
    figure.legend(handles, labels, loc="outside right upper", fontsize="small", title="mode")
    return figure


def _short(name: str) -> str:
    """Return a name, without its middle where it would leave no room for the panels."""
    return name if len(name) <= LONG else f"{name[: LONG - 13]}...{name[-10:]}"


def _stack(axes: Axes, load: Array, parts: Array, colours: Sequence[Colour]) -> None:
    """Draw stacked areas; loads without an answer are left out."""
    known = np.isfinite(parts).all(axis=0)
    axes.stackplot(load[known], parts[:, known], colors=colours, linewidth=0.0)
    if known.any() and load[known].min() < load[known].max():
        axes.set_xlim(load[known].min(), load[known].max())


def _colours(count: int) -> list[Colour]:
    """Return a colour for each mode."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    colours = mpl.colormaps[MANY]
    return [colours(i % colours.N) for i in range(count)]


def plot_disciplines(data: xr.Dataset, title: str = "") -> Figure:
    """Draw the mean delay of each answer over the load, and both prices below.

    Loads at which the modes of the best reserved mix change are marked.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.service_modes.disciplines.disciplines`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    required = [name for name in DELAYS if name != "tunable_delay"]
    data = curve_of("data", data, "load", *required, *PRICES).sortby("load")
    figure, (delays, prices) = panels((3, 2), (8.0, 8.0), title)
    for name, (label, style, colour, width) in DELAYS.items():
        if name in data:
            finite = data[name].where(np.isfinite(data[name]))
            delays.plot(data["load"], finite, style, color=colour, linewidth=width, label=label)
    log_delay(delays, data["reserved_delay"])
    # near its capacity a single mode is slower than any mix by orders of magnitude
    shown = [name for name in DELAYS if name in data and name != "single_delay"]
    low = min(float(np.nanmin(data[name])) for name in shown)
    delays.set_ylim(0.8 * low, 1.3 * float(np.nanmax(data["reserved_delay"])))
    over_load(delays, data)
    for name, (label, colour, width) in PRICES.items():
        prices.plot(data["load"], data[name], color=colour, linewidth=width, label=label)
    top = max(LEAST_TOP, *(float(np.nanmax(data[name])) for name in PRICES))
    prices.set(ylabel="ratio of mean delays", ylim=(1 - 0.05 * (top - 1), 1 + 1.05 * (top - 1)))
    over_load(prices, data)
    for load in np.atleast_1d(data.attrs.get("breakaway_loads", []))[:MOST_MARKS]:
        mark(delays, load, COLOURS[0], "-.", f"breakaway {load:.4g}")
        mark(prices, load, COLOURS[0], "-.")
    share_loads(delays, prices)
    return figure
