"""A picture of users who play: shares and observed delays over the rounds, and the equilibrium."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from ...reference.errors import Array
from .style import COLOURS, curve_of, grid, panels, share_loads

MOST_LINES = 7  # alternatives that are drawn: those with most users; more would hide the picture
NEEDED = ("round", "share", "delay", "mean_delay", "equilibrium_share", "equilibrium_delay")


def plot_trajectory(data: xr.Dataset, title: str = "") -> Figure:
    """Plot the shares of the alternatives above and their observed delays below, over the rounds.

    Dashed lines are those of the computed equilibrium. The axis of the rounds is logarithmic, as
    the steps of the users become smaller.

    Parameters
    ----------
    data : xarray.Dataset
        A trajectory, such as that of `sojourn.models.ParallelServers.play`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Where the dataset is no trajectory.
    """
    data = curve_of("data", data, *NEEDED)
    over = str(data["share"].dims[-1])
    most = np.maximum(data["equilibrium_share"].values, data["share"].values[-1])
    shown = np.sort(np.argsort(-most, kind="stable")[:MOST_LINES])
    figure, (above, below) = panels((1, 1), (8.0, 7.0), title)
    rounds = data["round"].values
    for i, colour in zip(shown.tolist(), COLOURS, strict=False):
        name, share = str(data[over].values[i]), data["share"].values[:, i]
        above.plot(rounds, share, color=colour, linewidth=1.5, label=name)
        above.axhline(float(data["equilibrium_share"][i]), color=colour, linestyle="--")
        below.plot(rounds, data["delay"].values[:, i], color=colour, linewidth=0.9, alpha=0.8)
    above.plot([], [], "--", color="grey", label="equilibrium")
    below.plot(rounds, data["mean_delay"], color="black", linewidth=1.5, label="all jobs")
    level = float(data["equilibrium_delay"])
    below.axhline(level, color="black", linestyle="--", label="mean delay of the equilibrium")
    _finish(above, below, data["delay"].values[:, shown], data)
    return figure


def _finish(above: Axes, below: Axes, delays: Array, data: xr.Dataset) -> None:
    """Label the axes; delays of overloaded first rounds may leave the picture."""
    above.set(ylabel="share", ylim=(0.0, None), xscale="log", xlabel="round")
    seen = np.concatenate([delays[len(delays) // 4 :].ravel(), [float(data["equilibrium_delay"])]])
    seen = seen[np.isfinite(seen)]
    room = 0.5 * (seen.max() - seen.min())
    low = max(float(seen.min()) - room, 0.0)
    below.set(ylim=(low, float(seen.max()) + room), xscale="log", xlabel="round")
    below.set_ylabel(f"observed delay ({data['mean_delay'].attrs['units']})")
    below.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    share_loads(above, below)
    for axes in (above, below):
        axes.legend(fontsize="small")
        grid(axes)
