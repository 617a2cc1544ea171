"""What all pictures share: colours, units, scales."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # told apart by colour-blind readers too


def load_label(unit: str) -> str:
    """Return the label of an axis of loads, with their unit: ``1/s`` is jobs per s."""
    return f"load ({unit.replace('1/', 'jobs per ')})"


def log_delay(axes: Axes, delay: xr.DataArray) -> None:
    """Make the vertical axis a logarithmic one of delays in the unit of `delay`, with plain numbers on it."""
    axes.set(yscale="log", ylabel=f"mean delay ({delay.attrs['units']})")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def grid(axes: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
