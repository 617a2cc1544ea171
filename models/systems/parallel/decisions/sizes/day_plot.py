"""Picture of a day: flows of the servers, their utilisation and the mean delay at each load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .....frontend.style import COLOURS, grid, load_label, panels, share_loads, widths

if TYPE_CHECKING:
    from .sized import SizedServers

MOST = len(COLOURS) - 1  # servers with a colour of their own; the last colour is of all others


def plot_day(found: SizedServers, title: str = "") -> Figure:
    """Plot flows stacked, utilisations and the mean delay over the time, in steps.

    Parameters
    ----------
    found : SizedServers
        Sizes for one load or several.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (flows, busy, delay) = panels((3, 2, 2), (8.0, 7.5), title)
    m, equal = len(found.loads), np.ptp(found.duration) < 1e-12
    edges = np.arange(m + 1.0) if equal else np.cumsum([0.0, *found.duration])
    order = np.flatnonzero(found.open)[np.argsort(-found.flow[found.open], kind="stable")]
    bands = [(found.names[i], order[k : k + 1]) for k, i in enumerate(order[:MOST].tolist())]
    if others := order.size - len(bands):
        bands.append((f"{others} others", order[MOST:]))
    below = np.zeros(m)
    for (name, servers), colour, width in zip(bands, COLOURS, widths(len(bands)), strict=False):
        flow, rate = found.flows[:, servers].sum(axis=1), float(found.rate[servers].sum())
        label, top = f"{name}, rate {rate:.4g}", below + flow
        flows.stairs(top, edges, baseline=below, fill=True, color=colour, alpha=0.8, label=label)
        busy.stairs(flow / rate, edges, baseline=None, color=colour, linewidth=width)
        below = top
    delay.stairs(found.delays, edges, baseline=None, color=COLOURS[-1], linewidth=1.8)
    mean = f"all jobs: {found.mean_delay:.4g}"
    delay.axhline(found.mean_delay, color=COLOURS[0], linestyle="--", linewidth=1.2, label=mean)
    unit = found.system.time_unit
    flows.set(ylabel=load_label(f"1/{unit}"))
    busy.set(ylabel="utilisation", ylim=(0, 1.02))
    along = "loads in their order, each for the same time" if equal else "part of the time"
    delay.set(xlabel=along, ylabel=f"mean delay ({unit})", xlim=(edges[0], edges[-1]))
    delay.set_ylim(0, 1.1 * float(np.nanmax(found.delays)))
    flows.legend(fontsize="small")
    delay.legend(fontsize="small")
    for axes in (flows, busy, delay):
        grid(axes)
    share_loads(flows, busy, delay)
    return figure
