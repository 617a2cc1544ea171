"""A picture of the curve of any kind of system, drawn by the roles of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...reference.errors import InputError
from ..core.variables import by_role, columns_of
from .style import COLOURS, curve_of, grid, load_label, log_delay, panels, share_loads, widths

PANELS = (("delay", "beside"), ("ratio",), ("part",))
STYLES = {"delay": "-", "beside": "--", "ratio": "-", "part": "-"}


def plot_dataset(data: xr.Dataset, title: str = "") -> Figure:
    """Draw a curve: its delays, ratios and parts, in one panel each, over the load or another axis.

    A cross marks an answer without a certificate.

    Parameters
    ----------
    data : xarray.Dataset
        A curve; its variables have roles, see `sojourn.models.core.variables`.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Where the dataset has no variable to draw.
    """
    data = curve_of("data", data)
    # a variable without dimensions, such as the delay at the optimum, is not a line
    drawn = [data[name] for roles in PANELS for name in by_role(data, *roles)]
    over = next((str(variable.dims[0]) for variable in drawn if variable.dims), None)
    shown = [] if over is None else [roles for roles in PANELS if columns_of(data, roles, over)]
    if over is None:
        problem = "has no delay, ratio or part to draw"
        raise InputError("data", list(data.data_vars), problem, "give a curve")
    data = data.sortby(over)
    heights = [3 if "delay" in roles else 2 for roles in shown]
    figure, axes = panels(heights, (8.0, 1.0 + 3.0 * len(shown)), title)
    for panel, roles in zip(axes, shown, strict=True):
        _panel(data, panel, roles, over)
    share_loads(*axes)
    return figure


def _panel(data: xr.Dataset, axes: Axes, roles: tuple[str, ...], over: str) -> None:
    """Draw the variables with some roles into one panel."""
    lines = columns_of(data, roles, over)
    points, attrs = data[over].values, data[over].attrs
    cross: dict[str, Any] = {"markersize": 9, "markeredgewidth": 2, "label": "not certified"}
    for i, ((name, place, values), width) in enumerate(zip(lines, widths(len(lines)), strict=True)):
        variable, colour = data[name], COLOURS[i % len(COLOURS)]
        style, label = STYLES[variable.attrs["role"]], _label(variable, place)
        axes.plot(points, values, style, color=colour, linewidth=width, label=label)
        ancillary = variable.attrs.get("ancillary_variables", "").split()
        for flags in [name for name in ancillary if name in by_role(data, "certified")]:
            missed = ~data[flags].sel(place).transpose(over).values & np.isfinite(values)
            if missed.any():
                axes.plot(points[missed], values[missed], "x", color=colour, **cross)
    if "delay" in roles:
        log_delay(axes, data[lines[0][0]])
    else:
        axes.set(ylabel=_label(data[lines[0][0]], {}) if len(lines) == 1 else roles[0])
    axes.set(xlabel=load_label(attrs["units"]) if over == "load" else attrs.get("long_name", over))
    if len(lines) > 1 or "delay" in roles:
        axes.legend(fontsize="small")
    grid(axes)


def _label(variable: xr.DataArray, place: Mapping[str, Any]) -> str:
    """Return the label of a line: its variable, and its coordinates along the other dimensions."""
    along = [f"{d} {v:g}" if isinstance(v, np.number) else str(v) for d, v in place.items()]
    return ", ".join([variable.attrs.get("long_name", str(variable.name)), *along])
