"""Plots of the price of anarchy: the worst case, equal players, and partial control."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....reference.parallel.worst_case import WorstCase
from ....reference.plural import counted
from ....reference.validation import check_instance
from ...frontend.style import COLOURS, curve_of, grid, over_load, panels
from .plots import named_curves, plot_price_of_anarchy

STRATEGIES = {"llf": "largest latency first", "scale": "the optimum, scaled down"}


def plot_anarchy(
    players: xr.Dataset,
    control: xr.Dataset,
    found: WorstCase,
    title: str = "",
    others: Mapping[str, xr.Dataset] | None = None,
) -> Figure:
    """Plot the price of anarchy over the load, and the delay over the fraction under control.

    Parameters
    ----------
    players : xarray.Dataset
        From `sojourn.models.systems.parallel.game_curves.players_curve`, for the upper panel.
    control : xarray.Dataset
        From `sojourn.models.systems.parallel.game_curves.control_curve`, for the lower panel.
    found : WorstCase
        The worst case, marked in the upper panel.
    title : str, optional
        Title of the figure.
    others : mapping of str to xarray.Dataset, optional
        Curves of variants by name, with ``price_of_anarchy`` over ``load``, for a middle panel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    others = named_curves(others)
    heights, size = ((3, 3, 2), (8.0, 11.0)) if others else ((3, 2), (8.0, 8.0))
    figure, axes = panels(heights, size, title)
    plot_players(players, axes[0], found)
    if others:
        plot_price_of_anarchy(
            players.sel(players=math.inf).drop_vars("players"), axes[1], others, peaks=True
        )
    plot_control(control, axes[-1])
    return figure


def plot_players(data: xr.Dataset, axes: Axes, found: WorstCase | None = None) -> None:
    """Plot the price of anarchy of K players over the load, with the worst case.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.parallel.game_curves.players_curve`.
    axes : matplotlib.axes.Axes
        Axes to draw in.
    found : WorstCase, optional
        Marked with a dot; the value of the paper's rule with a square where it is lower.
    """
    data = curve_of("players", data, "load", "players", "price_of_anarchy", "total_rate").sortby(
        "load"
    )
    shown = [k for k in data["players"].values if k != 1]
    for i, k in enumerate(shown):
        wardrop = math.isinf(k)
        colour = COLOURS[0] if wardrop else COLOURS[1 + i % (len(COLOURS) - 1)]
        label = "selfish users" if wardrop else counted(k, "player")
        axes.plot(
            data["load"],
            data["price_of_anarchy"].sel(players=k),
            color=colour,
            linewidth=2.0 if wardrop else 1.2,
            label=label,
        )
    if found is not None:
        check_instance(
            "found", found, WorstCase, "is no worst case", "give what worst_case() returns"
        )
        place = f"load {found.load:.4g}" if found.load < data.attrs["total_rate"] else "saturation"
        axes.plot(
            found.load,
            found.poa,
            "o",
            color=COLOURS[0],
            zorder=5,
            label=f"worst case {found.poa:.4g}, {place}",
        )
        if found.candidate_poa < found.poa * (1 - 1e-6):
            label = f"by the paper's rule {found.candidate_poa:.4g}"
            axes.plot(
                found.candidate_load,
                found.candidate_poa,
                "s",
                color=COLOURS[1],
                zorder=5,
                label=label,
            )
    axes.set(ylabel="price of anarchy")
    over_load(axes, data)


def plot_control(data: xr.Dataset, axes: Axes) -> None:
    """Plot the ratio of the mean delay to the optimum over the fraction under control.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.parallel.game_curves.control_curve`.
    axes : matplotlib.axes.Axes
        Axes to draw in.
    """
    data = curve_of(
        "control", data, "fraction", "strategy", "ratio", "price_of_optimum", "load"
    ).sortby("fraction")
    fractions = data["fraction"].values
    for i, strategy in enumerate(data["strategy"].values):
        style = ("-", "--")[i % 2]
        ratio = data["ratio"].sel(strategy=strategy)
        axes.plot(
            fractions,
            ratio,
            style,
            color=COLOURS[2 + i],
            linewidth=1.8,
            label=STRATEGIES.get(str(strategy), str(strategy)),
        )
    enough = data.attrs["price_of_optimum"]
    axes.axvline(
        enough,
        color=COLOURS[6],
        linestyle=":",
        linewidth=1.0,
        label=f"enough for the optimum: {enough:.3g}",
    )
    top = max(float(np.nanmax(data["ratio"].values)), 1.001)
    axes.set(
        xlabel=f"part of the load {data.attrs['load']:.4g} under control",
        ylabel="mean delay / optimum",
    )
    axes.set_ylim(1 - 0.05 * (top - 1), top + 0.08 * (top - 1))
    axes.legend(fontsize="small")
    grid(axes)
