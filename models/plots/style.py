"""What all pictures share: colours, units, scales."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # told apart by colour-blind readers too
MILLI = {"s": ("ms", 1e3)}


def load_label(data: xr.Dataset) -> str:
    """Return the label of an axis of loads."""
    return f"load (jobs per {data.attrs['time_unit']})"


def log_delay(axes: Axes, unit: str) -> None:
    """Make the vertical axis a logarithmic one of delays, with plain numbers on it."""
    axes.set(yscale="log", ylabel=f"mean delay ({unit})")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def grid(axes: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
