"""Pictures of the dual-mode system: delay against p, the best p against load, delay against load with its bound."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...core.curve import columns_of
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

JUMP = 0.02  # of p between neighbouring loads
SHOWN = 12.0  # delays above so many times the least are left out: they grow without bound at the ends of the stable interval


def plot_dual_mode(data: xr.Dataset, profile: xr.Dataset, title: str = "") -> Figure:
    """Draw delay against p, the best p against load, and delay against load: Figures 4, 5 and 6 of Jeff and Modiano.

    Parameters
    ----------
    data : xarray.Dataset
        From `MultiMode.curve`.
    profile : xarray.Dataset
        From `sojourn.models.systems.service_modes.curve.profile`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (over_p, assignment, delay) = panels((3, 2, 3), (8.0, 10.5), title)
    plot_profile(profile, over_p)
    plot_assignment(data, assignment)
    plot_dual_mode_delay(data, delay)
    share_loads(assignment, delay)
    return figure


def plot_profile(profile: xr.Dataset, axes: Axes) -> None:
    """Draw the delay under the best partition against p, one line a load, the least one marked."""
    profile = curve_of("profile", profile, "load", "p", "delay", "best_p", "best_delay")
    for i, load in enumerate(profile["load"].values):
        row = profile.sel(load=load)
        colour, values = COLOURS[i % len(COLOURS)], row["delay"].values
        axes.plot(
            row["p"],
            np.where(values <= SHOWN * float(row["best_delay"]), values, np.nan),
            color=colour,
            label=f"{load:.4g}",
        )
        axes.plot(
            float(row["best_p"]),
            float(row["best_delay"]),
            "o",
            color=colour,
            clip_on=False,
            zorder=3,
        )
    log_delay(axes, profile["delay"])
    axes.set(xlabel="part p of the jobs in mode 1 (dot: the best)", xlim=(0, 1))
    # below the lines of the highest loads, which are the narrowest, there is room
    axes.legend(
        title=load_label(profile["load"].attrs["units"]),
        fontsize="small",
        title_fontsize="small",
        ncols=2,
    )
    grid(axes)


def plot_assignment(
    data: xr.Dataset, axes: Axes, colour: str = COLOURS[0], label: str | None = None
) -> None:
    """Draw the best p against load; where it jumps, the line is broken."""
    data = curve_of("data", data, "load", "p").sortby("load")
    load, p = data["load"].values, data["p"].values
    jump = data.attrs.get("breakaway_load")
    if jump is not None:
        at = np.searchsorted(load, jump)
        load = np.insert(load, at, [jump, jump, jump])
        p = np.insert(p, at, [data.attrs["breakaway_from"], np.nan, data.attrs["breakaway_p"]])
    # p = 0 and p = 1 are left and reached by jumps
    alone = (p == 0) | (p == 1)
    jumps = 1 + np.flatnonzero((np.abs(np.diff(p)) > JUMP) & (alone[1:] | alone[:-1]))
    load, p = np.insert(load, jumps, load[jumps]), np.insert(p, jumps, np.nan)
    axes.plot(load, p, color=colour, linewidth=1.8, label=label)
    _mark_breakaway(data, axes, colour)
    axes.set(ylabel="best p", ylim=(-0.04, 1.04))
    over_load(axes, data, legend=False)


def plot_dual_mode_delay(data: xr.Dataset, axes: Axes) -> None:
    """Draw the least delay against load, each mode alone, the tunable-mode bound, and where they touch."""
    data = data.sortby("load")
    axes.plot(data["load"], data["delay"], color=COLOURS[0], linewidth=2.4, label="best assignment")
    alone = (line for line in columns_of(data, ["beside"]) if "mode" in line[1])
    for (_, place, delay), colour in zip(alone, COLOURS[1:], strict=False):
        axes.plot(
            data["load"],
            delay,
            "--",
            color=colour,
            linewidth=1.2,
            label=f"all jobs in {place['mode']}",
        )
    if "tunable_delay" in data:
        bound = data["tunable_delay"].values
        axes.plot(
            data["load"],
            bound,
            ":",
            color="black",
            linewidth=1.6,
            label="tunable mode: no split is faster",
        )
        load = data["load"].values[np.isfinite(bound)]
        touches = [
            x
            for x in np.atleast_1d(data.attrs.get("touch_loads", []))
            if load.min() <= x <= load.max()
        ]
        if touches:
            heights = np.exp(np.interp(touches, load, np.log(bound[np.isfinite(bound)])))
            axes.plot(
                touches, heights, "o", color="black", markersize=6, label="touch point", zorder=3
            )
    _mark_breakaway(data, axes, COLOURS[0], named=True)
    log_delay(axes, data["delay"])
    over_load(axes, data)


def _mark_breakaway(data: xr.Dataset, axes: Axes, colour: str, *, named: bool = False) -> None:
    load = data.attrs.get("breakaway_load")
    if load is not None:
        mark(axes, load, colour, "-.", f"breakaway {load:.4g}" if named else "")
