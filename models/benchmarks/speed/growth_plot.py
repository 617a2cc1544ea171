"""Plot of time over the number of servers or links, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...frontend.style import COLOURS, grid

MARKERS = "osD^v"


def plot_growth(
    growth: Mapping[str, Mapping[int, float | None]], exponents: Mapping[str, float]
) -> Figure:
    """Draw seconds over servers or links, one line a method, with the fitted exponent in its label.

    Parameters
    ----------
    growth : mapping
        By method: seconds by number of servers or links, None where not measured.
    exponents : mapping
        By method.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    for i, (what, seconds) in enumerate(growth.items()):
        label = f"{what}, n^{exponents[what]:.2f}" if math.isfinite(exponents[what]) else what
        points = [(n, s) for n, s in seconds.items() if s is not None]
        axes.loglog(
            *zip(*points, strict=True),
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            label=label,
        )
    axes.set(xlabel="servers or links", ylabel="seconds for one load")
    axes.legend(frameon=False, fontsize=9)
    grid(axes)
    return figure
