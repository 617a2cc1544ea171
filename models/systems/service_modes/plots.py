"""Plots of a system with two modes: delay over p, best p over load, and delay over load."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...core.variables import columns_of
from ...frontend.style import (
    COLOURS,
    curve_of,
    grid,
    load_label,
    log_delay,
    mark,
    over_load,
    panels,
    share_loads,
)

MIN_JUMP = 0.02  # of p between neighbouring loads, above which the line is broken
MAX_RATIO = 12.0
"""Delays above this multiple of the least are not drawn: at the ends of the stable interval they
grow without bound."""


def plot_dual_mode(data: xr.Dataset, profile: xr.Dataset, title: str = "") -> Figure:
    """Draw delay over p, best p over load, and delay over load.

    Figures 4, 5 and 6 of Jeff and Modiano.

    Parameters
    ----------
    data : xarray.Dataset
        Result of `MultiMode.curve`.
    profile : xarray.Dataset
        Result of `sojourn.models.systems.service_modes.curve.delay_profile`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        On another dataset, or a title that is no text.
    """
    figure, (over_p, assignment, delay) = panels((3, 2, 3), (8.0, 10.5), title)
    plot_delay_profile(profile, over_p)
    plot_assignment(data, assignment)
    plot_dual_mode_delay(data, delay)
    share_loads(assignment, delay)
    return figure


def plot_delay_profile(profile: xr.Dataset, axes: Axes) -> None:
    """Draw the delay under the best partition over p, one line a load, with a dot at the least."""
    profile = curve_of("profile", profile, "load", "p", "delay", "best_p", "best_delay")
    for i, load in enumerate(profile["load"].values):
        row, colour = profile.sel(load=load), COLOURS[i % len(COLOURS)]
        best_p, best_delay = float(row["best_p"]), float(row["best_delay"])
        delay = row["delay"].values
        drawn = np.where(delay <= MAX_RATIO * best_delay, delay, np.nan)
        axes.plot(row["p"], drawn, color=colour, label=f"{load:.4g}")
        axes.plot(best_p, best_delay, "o", color=colour, clip_on=False, zorder=3)
    log_delay(axes, profile["delay"])
    axes.set(xlabel="part p of the jobs in mode 1 (dot: the best)", xlim=(0, 1))
    # without a place Matplotlib finds the gap below the narrow lines of the highest loads
    title = load_label(profile["load"].attrs["units"])
    axes.legend(title=title, fontsize="small", title_fontsize="small", ncols=2)
    grid(axes)


def plot_assignment(
    data: xr.Dataset, axes: Axes, colour: str = COLOURS[0], label: str | None = None
) -> None:
    """Draw the best p over load; the line is broken where p jumps."""
    data = curve_of("data", data, "load", "p").sortby("load")
    load, p = data["load"].values, data["p"].values
    breakaway = data.attrs.get("breakaway_load")
    if breakaway is not None:
        i = np.searchsorted(load, breakaway)
        load = np.insert(load, i, [breakaway, breakaway, breakaway])
        p = np.insert(p, i, [data.attrs["breakaway_from"], np.nan, data.attrs["breakaway_p"]])
    # p enters and leaves 0 and 1 by jumps
    single = (p == 0) | (p == 1)
    jumps = 1 + np.flatnonzero((np.abs(np.diff(p)) > MIN_JUMP) & (single[1:] | single[:-1]))
    load, p = np.insert(load, jumps, load[jumps]), np.insert(p, jumps, np.nan)
    axes.plot(load, p, color=colour, linewidth=1.8, label=label)
    _mark_breakaway(data, axes, colour)
    axes.set(ylabel="best p", ylim=(-0.04, 1.04))
    over_load(axes, data, legend=False)


def plot_dual_mode_delay(data: xr.Dataset, axes: Axes) -> None:
    """Draw the least delay over load, the delay of each mode alone, and the tunable-mode bound.

    Dots mark the loads at which the least delay touches the bound.
    """
    data = data.sortby("load")
    load = data["load"].values
    axes.plot(load, data["delay"], color=COLOURS[0], linewidth=2.4, label="best assignment")
    single_modes = (line for line in columns_of(data, ["beside"]) if "mode" in line[1])
    for (_, place, delay), colour in zip(single_modes, COLOURS[1:], strict=False):
        label = f"all jobs in {place['mode']}"
        axes.plot(load, delay, "--", color=colour, linewidth=1.2, label=label)
    if "tunable_delay" in data:
        bound = data["tunable_delay"].values
        label = "tunable mode: no split is faster"
        axes.plot(load, bound, ":", color="black", linewidth=1.6, label=label)
        _plot_touch_points(data, axes)
    _mark_breakaway(data, axes, COLOURS[0], named=True)
    log_delay(axes, data["delay"])
    over_load(axes, data)


def _plot_touch_points(data: xr.Dataset, axes: Axes) -> None:
    bound = data["tunable_delay"].values
    finite = np.isfinite(bound)
    load, log_bound = data["load"].values[finite], np.log(bound[finite])
    touch_loads = np.atleast_1d(data.attrs.get("touch_loads", []))
    shown = [x for x in touch_loads if load.min() <= x <= load.max()]
    if shown:
        heights = np.exp(np.interp(shown, load, log_bound))
        axes.plot(shown, heights, "o", color="black", markersize=6, label="touch point", zorder=3)


def _mark_breakaway(data: xr.Dataset, axes: Axes, colour: str, *, named: bool = False) -> None:
    load = data.attrs.get("breakaway_load")
    if load is not None:
        mark(axes, load, colour, "-.", f"breakaway {load:.4g}" if named else "")
