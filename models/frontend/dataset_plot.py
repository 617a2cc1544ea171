"""The picture that the curve of any kind of system has, from the roles of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...reference.errors import InputError
from ..core.curve import by_role, columns_of
from .style import COLOURS, curve_of, grid, load_label, log_delay, panels, share_loads, widths

PANELS = (("delay", "beside"), ("ratio",), ("part",))
STYLES = {"delay": "-", "beside": "--", "ratio": "-", "part": "-"}


def plot_dataset(data: xr.Dataset, title: str = "") -> Figure:
    """Draw the lines of a curve: delays, ratios and parts in a panel each, over the load or what else it is over.

    Answers that are not certified have a cross.

    Parameters
    ----------
    data : xarray.Dataset
        Its variables have roles; see `sojourn.models.core.curve`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        When there is nothing to draw.
    """
    data = curve_of("data", data)
    # one number, such as the delay at the optimum, is no line
    over = next(
        (
            str(data[name].dims[0])
            for roles in PANELS
            for name in by_role(data, *roles)
            if data[name].dims
        ),
        None,
    )
    shown = [] if over is None else [roles for roles in PANELS if columns_of(data, roles, over)]
    if over is None:
        raise InputError(
            "data", list(data.data_vars), "has no delay, ratio or part to draw", "give a curve"
        )
    data = data.sortby(over)
    figure, axes = panels(
        [3 if "delay" in roles else 2 for roles in shown], (8.0, 1.0 + 3.0 * len(shown)), title
    )
    for panel, roles in zip(axes, shown, strict=True):
        _panel(data, panel, roles, over)
    share_loads(*axes)
    return figure


def _panel(data: xr.Dataset, axes: Axes, roles: tuple[str, ...], over: str) -> None:
    lines = columns_of(data, roles, over)
    points, known = data[over].values, data[over].attrs
    for i, ((name, place, values), width) in enumerate(zip(lines, widths(len(lines)), strict=True)):
        variable, colour = data[name], COLOURS[i % len(COLOURS)]
        axes.plot(
            points,
            values,
            STYLES[variable.attrs["role"]],
            color=colour,
            linewidth=width,
            label=_label(variable, place),
        )
        for beside in variable.attrs.get("ancillary_variables", "").split():
            if beside in by_role(data, "certified"):
                missed = ~data[beside].sel(place).transpose(over).values & np.isfinite(values)
                if missed.any():
                    axes.plot(
                        points[missed],
                        values[missed],
                        "x",
                        color=colour,
                        markersize=9,
                        markeredgewidth=2,
                        label="not certified",
                    )
    if "delay" in roles:
        log_delay(axes, data[lines[0][0]])
    else:
        axes.set(ylabel=_label(data[lines[0][0]], {}) if len(lines) == 1 else roles[0])
    axes.set(xlabel=load_label(known["units"]) if over == "load" else known.get("long_name", over))
    if len(lines) > 1 or "delay" in roles:
        axes.legend(fontsize="small")
    grid(axes)


def _label(variable: xr.DataArray, place: Mapping[str, Any]) -> str:
    """Name of a line: what it is and where along other dimensions, a number with the dimension's name."""
    along = [f"{d} {v:g}" if isinstance(v, np.number) else str(v) for d, v in place.items()]
    return ", ".join([variable.attrs.get("long_name", str(variable.name)), *along])
