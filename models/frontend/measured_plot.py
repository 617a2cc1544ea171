"""Pictures of measured latencies: samples, the curve that fits them, and where nothing was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...reference.errors import Array
from ...reference.validation import as_names, check_instance, check_text
from ..latency import Latency
from ..latency.measured import Measured
from .style import COLOURS, grid, headed, load_label

ACROSS = 3  # panels in a row
BEYOND = 1.2  # largest load drawn, in largest sampled loads
HEADROOM = 1.08  # of the highest sample that is no outlier, or of the curve
POINTS = 200  # of the curve


def plot_measured(
    bank: Measured, title: str = "", names: Sequence[str] | None = None, time_unit: str = "s"
) -> Figure:
    """Draw the samples and the fit of each server in a panel of its own, dashed in a grey band beyond the samples.

    Parameters
    ----------
    bank : Measured
    title : str
    names : sequence of n str, optional
        By default server 1, server 2, ...
    time_unit : str, default "s"
        Of the bank.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        On another number of names than of servers.
    """
    check_instance("bank", bank, Measured, "is not a bank of measured servers", "give Measured")
    servers = [
        (bank, i, name) for i, name in enumerate(as_names("names", "server", names, len(bank)))
    ]
    return _panels(servers, title, f"1/{check_text('time_unit', time_unit)}", time_unit)


def _panels(
    servers: Sequence[tuple[Measured, int, str]], title: str, rate_unit: str, delay_unit: str
) -> Figure:
    """One panel a server: its bank, its place there, its name."""
    across = min(ACROSS, len(servers))
    down = -(-len(servers) // across)
    figure = headed(
        Figure(figsize=(max(6.0, 4.2 * across), 0.8 + 3.4 * down), layout="constrained"), title
    )
    panels = figure.subplots(down, across, squeeze=False).ravel()
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
    figure.legend(
        shown.values(),
        shown.keys(),
        loc="outside lower center",
        ncols=2,
        fontsize="small",
        frameon=False,
    )
    return figure


def plot_fits(
    bank: Latency, title: str, names: Sequence[str], rate_unit: str, delay_unit: str
) -> Figure | None:
    """Draw every measured server among others as `plot_measured` does, or return None where there is none; units as of the bank."""
    edges = np.cumsum([0, *map(len, bank.banks)])
    found = [
        (b, list(names[lo:hi]))
        for b, lo, hi in zip(bank.banks, edges, edges[1:], strict=False)
        if isinstance(b, Measured)
    ]
    if not found:
        return None
    return _panels(
        [(b, i, name) for b, its in found for i, name in enumerate(its)],
        title,
        rate_unit,
        delay_unit,
    )


def plot_fit(
    bank: Measured, server: int, axes: Axes, rate_unit: str = "1/s", delay_unit: str = "s"
) -> None:
    """Draw the samples of one server, those far from the fit as crosses, and the fit; samples above the picture are triangles at its edge."""
    last, far = float(bank.last[server]), bank.outliers(server)
    load, beyond_delay = bank.samples[server]
    latency = beyond_delay + bank.delay[server]
    inside, outside = np.linspace(0.0, last, POINTS), np.array([last, BEYOND * last])
    top = HEADROOM * max(
        float(_latency(bank, server, outside)[-1]), float(latency[~far].max(initial=0.0))
    )
    above = latency > top
    axes.axvspan(last, BEYOND * last, color="0.92", linewidth=0, zorder=0)
    for which, mark, colour, label in (
        (~far, ".", COLOURS[5], "samples"),
        (far & ~above, "x", COLOURS[1], "samples far from the fit"),
        (above, "^", COLOURS[1], "the same, above the picture"),
    ):
        if which.any():
            seen = np.minimum(latency[which], top)
            axes.plot(
                load[which],
                seen,
                mark,
                color=colour,
                markersize=5,
                zorder=3,
                clip_on=mark != "^",
                label=label,
            )
    axes.plot(
        inside,
        _latency(bank, server, inside),
        color=COLOURS[0],
        linewidth=1.8,
        label="fit: convex, increasing",
    )
    beyond = "beyond the samples: a straight line, not measured"
    axes.plot(
        outside,
        _latency(bank, server, outside),
        "--",
        color=COLOURS[0],
        linewidth=1.8,
        label=beyond,
    )
    axes.set(
        xlim=(0.0, BEYOND * last),
        ylim=(0.0, top),
        xlabel=load_label(rate_unit),
        ylabel=f"latency ({delay_unit})",
    )
    grid(axes)


def _latency(bank: Measured, server: int, load: Array) -> Array:
    return bank.take(np.array([server])).latency(load[:, None])[:, 0]
