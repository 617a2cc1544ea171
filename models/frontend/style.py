"""The common style of all pictures: colours, line widths, axes, panels and marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ...reference.errors import InputError
from ...reference.validation import check_instance

# colours that colour-blind readers can distinguish
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def curve_of(field: str, data: xr.Dataset, *names: str) -> xr.Dataset:
    """Return a dataset after a check of its contents.

    Parameters
    ----------
    field : str
        Name of the argument, for messages.
    data : xarray.Dataset
        The dataset.
    *names : str
        Variables or attributes that it must have.

    Raises
    ------
    InputError
        Where it is not a dataset, or has none of that name.
    """
    check_instance(field, data, xr.Dataset, "is not a dataset", "give a curve")
    for name in names:
        if name not in data.variables and name not in data.attrs:
            variables = sorted(map(str, data.variables))
            raise InputError(field, variables, f"has no {name} to draw", "give a curve")
    return data


def headed(figure: Figure, title: str) -> Figure:
    """Return a figure with a title, unless that is empty; InputError where it is not text."""
    if check_instance("title", title, str, "is not text", "give some, or leave it out"):
        figure.suptitle(title)
    return figure


def panels(
    heights: Sequence[float], size: tuple[float, float], title: str = ""
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a title, and its panels one below the other, of relative heights."""
    figure = headed(Figure(figsize=size, layout="constrained"), title)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    return figure, list(axes)


def widths(count: int) -> list[float]:
    """Return widths of the lines in a panel; later lines are thinner, so that none is hidden."""
    return [1.8] if count == 1 else [4.0 - 2.8 * i / (count - 1) for i in range(count)]


def share_loads(*axes: Axes) -> None:
    """Let panels share the horizontal axis of the last one; only that one has labels."""
    for above in axes[:-1]:
        above.sharex(axes[-1])
        above.tick_params(labelbottom=False)
        above.set_xlabel("")


def load_label(unit: str) -> str:
    """Return the label of an axis of loads in a unit such as ``1/s``, jobs per s."""
    return f"load ({unit.replace('1/', 'jobs per ')})"


def log_delay(axes: Axes, delay: xr.DataArray) -> None:
    """Label the vertical axis for delays; it is logarithmic unless all delays are 0.

    An attribute ``quantity`` of the delays replaces the label ``mean delay``.
    """
    quantity = delay.attrs.get("quantity", "mean delay")
    axes.set_ylabel(f"{quantity} ({delay.attrs['units']})")
    if not (delay > 0).any():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    # full numbers as labels, without a common factor
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def mark(
    axes: Axes, x: float, colour: str, style: str, text: str = "", *, top: bool = False
) -> None:
    """Draw a thin vertical line at `x`, with a text along its upper or lower end."""
    axes.axvline(x, color=colour, linestyle=style, linewidth=0.9, alpha=0.7)
    if text:
        place: dict[str, Any] = {
            "xy": (x, 0.97 if top else 0.03),
            "xycoords": ("data", "axes fraction"),
            "va": "top" if top else "bottom",
        }
        axes.annotate(text, **place, rotation=90, fontsize="x-small", color=colour, ha="right")


def grid(axes: Axes) -> None:
    """Draw a faint grid, and remove the frame above and on the right."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def over_load(axes: Axes, data: xr.Dataset, *, legend: bool = True, **options: Any) -> None:
    """Finish a panel over loads: label, grid and legend; `options` are those of the legend."""
    axes.set(xlabel=load_label(data["load"].attrs["units"]))
    if legend:
        axes.legend(fontsize="small", **options)
    grid(axes)
