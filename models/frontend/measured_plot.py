"""Pictures of measured latencies: the samples, the fitted curve, and its extrapolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...reference.errors import Array
from ...reference.validation import as_names, check_instance, check_text
from ..latency import Latency
from ..latency.measured import Measured
from .style import COLOURS, grid, headed, load_label

COLUMNS = 3  # largest number of panels in a row
AXIS_END = 1.2  # right end of the axis, relative to the largest sampled load
HEADROOM = 1.08  # upper end of the axis, relative to the largest latency without outliers
POINTS = 200  # points of the drawn curve


def plot_measured(
    bank: Measured, title: str = "", names: Sequence[str] | None = None, time_unit: str = "s"
) -> Figure:
    """Draw the samples and the fitted curve of each server, one panel for each.

    The curve is dashed on a grey band beyond the samples.

    Parameters
    ----------
    bank : Measured
        Bank of n measured servers.
    title : str
        Title of the figure.
    names : sequence of str, length n, optional
        Names of the servers; by default ``server 1``, ``server 2``, ...
    time_unit : str, default "s"
        Unit of time of the bank.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Where the number of names is not n.
    """
    check_instance("bank", bank, Measured, "is not a bank of measured servers", "give Measured")
    servers = [
        (bank, i, name) for i, name in enumerate(as_names("names", "server", names, len(bank)))
    ]
    return _panels(servers, title, f"1/{check_text('time_unit', time_unit)}", time_unit)


def _panels(
    servers: Sequence[tuple[Measured, int, str]], title: str, rate_unit: str, delay_unit: str
) -> Figure:
    """Return a figure with one panel for each server, given by bank, position there and name."""
    columns = min(COLUMNS, len(servers))
    rows = -(-len(servers) // columns)
    size = (max(6.0, 4.2 * columns), 0.8 + 3.4 * rows)
    figure = headed(Figure(figsize=size, layout="constrained"), title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (bank, i, name) in zip(panels, servers, strict=False):
        plot_fit(bank, i, axes, rate_unit, delay_unit)
        axes.set_title(name, fontsize="medium")
    for axes in panels[len(servers) :]:
        axes.set_axis_off()
    shown = {
        text: line
        for axes in panels[: len(servers)]
        for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    style: dict[str, Any] = {"ncols": 2, "fontsize": "small", "frameon": False}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", **style)
    return figure


def plot_fits(
    bank: Latency, title: str, names: Sequence[str], rate_unit: str, delay_unit: str
) -> Figure | None:
    """Draw the measured servers of a bank as `plot_measured` does; None where it has none."""
    edges = np.cumsum([0, *map(len, bank.banks)])
    servers = [
        (part, i, name)
        for part, start, end in zip(bank.banks, edges, edges[1:], strict=False)
        if isinstance(part, Measured)
        for i, name in enumerate(names[start:end])
    ]
    return _panels(servers, title, rate_unit, delay_unit) if servers else None


def plot_fit(
    bank: Measured, server: int, axes: Axes, rate_unit: str = "1/s", delay_unit: str = "s"
) -> None:
    """Draw the samples and the fitted curve of one server.

    Crosses mark samples far from the fit. Samples above the picture are triangles at its upper end.

    Parameters
    ----------
    bank : Measured
        Bank of measured servers.
    server : int
        Position of the server in the bank.
    axes : matplotlib.axes.Axes
        Axes to draw on.
    rate_unit, delay_unit : str
        Units of the bank, for the labels.
    """
    last, far = float(bank.last[server]), bank.outliers(server)
    load, own_latency = bank.samples[server]
    latency = own_latency + bank.delay[server]
    inside, outside = np.linspace(0.0, last, POINTS), np.array([last, AXIS_END * last])
    highest = float(latency[~far].max(initial=0.0))
    top = HEADROOM * max(float(_latency(bank, server, outside)[-1]), highest)
    above = latency > top
    axes.axvspan(last, AXIS_END * last, color="0.92", linewidth=0, zorder=0)
    for which, mark, colour, label in (
        (~far, ".", COLOURS[5], "samples"),
        (far & ~above, "x", COLOURS[1], "samples far from the fit"),
        (above, "^", COLOURS[1], "the same, above the picture"),
    ):
        if which.any():
            style: dict[str, Any] = {"color": colour, "markersize": 5, "zorder": 3}
            style["clip_on"] = mark != "^"  # triangles overlap the edge
            axes.plot(load[which], np.minimum(latency[which], top), mark, label=label, **style)
    for points, dashes, label in (
        (inside, "-", "fit: convex, increasing"),
        (outside, "--", "beyond the samples: a straight line, not measured"),
    ):
        curve = _latency(bank, server, points)
        axes.plot(points, curve, dashes, color=COLOURS[0], linewidth=1.8, label=label)
    axes.set(xlim=(0.0, AXIS_END * last), ylim=(0.0, top))
    axes.set(xlabel=load_label(rate_unit), ylabel=f"latency ({delay_unit})")
    grid(axes)


def _latency(bank: Measured, server: int, load: Array) -> Array:
    """Return the latency of one server at loads, shape (K,)."""
    return bank.take(np.array([server])).latency(load[:, None])[:, 0]
