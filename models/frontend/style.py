"""What all pictures share: colours, units, scales, panels, marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ...reference.errors import InputError
from ...reference.validation import check_instance

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # told apart by colour-blind readers too


def curve_of(field: str, data: xr.Dataset, *names: str) -> xr.Dataset:
    """Return a dataset that has variables or attributes of all names; InputError on another."""
    check_instance(field, data, xr.Dataset, "is not a dataset", "give a curve")
    for name in names:
        if name not in data.variables and name not in data.attrs:
            raise InputError(
                field, sorted(map(str, data.variables)), f"has no {name} to draw", "give a curve"
            )
    return data


def headed(figure: Figure, title: str) -> Figure:
    """Return a figure with a title, where there is one; InputError on what is no text."""
    if check_instance("title", title, str, "is not text", "give some, or leave it out"):
        figure.suptitle(title)
    return figure


def panels(
    heights: Sequence[float], size: tuple[float, float], title: str = ""
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a title and panels, one under the other, of these relative heights."""
    figure = headed(Figure(figsize=size, layout="constrained"), title)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    return figure, list(axes)


def widths(count: int) -> list[float]:
    """Return the widths of lines in one panel: later ones are thinner, so that a line under another can still be seen."""
    return [1.8] if count == 1 else [4.0 - 2.8 * i / (count - 1) for i in range(count)]


def share_loads(*axes: Axes) -> None:
    """Give panels under each other the last one's horizontal axis, labelled there alone."""
    for above in axes[:-1]:
        above.sharex(axes[-1])
        above.tick_params(labelbottom=False)
        above.set_xlabel("")


def load_label(unit: str) -> str:
    """Return the label of an axis of loads, with their unit: ``1/s`` is jobs per s."""
    return f"load ({unit.replace('1/', 'jobs per ')})"


def log_delay(axes: Axes, delay: xr.DataArray) -> None:
    """Make the vertical axis a logarithmic one of delays in the unit of `delay`, with plain numbers on it; a linear one where all are 0."""
    axes.set_ylabel(f"mean delay ({delay.attrs['units']})")
    if not (delay > 0).any():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(
        StrMethodFormatter("{x:g}")
    )  # each label stands alone, over any number of decades
    axes.yaxis.set_minor_formatter(NullFormatter())


def mark(
    axes: Axes, x: float, colour: str, style: str, text: str = "", *, top: bool = False
) -> None:
    """Draw a thin vertical line, with a text along its upper or lower end."""
    axes.axvline(x, color=colour, linestyle=style, linewidth=0.9, alpha=0.7)
    if text:
        place: dict[str, Any] = {
            "xy": (x, 0.97 if top else 0.03),
            "xycoords": ("data", "axes fraction"),
            "va": "top" if top else "bottom",
        }
        axes.annotate(text, **place, rotation=90, fontsize="x-small", color=colour, ha="right")


def grid(axes: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def over_load(axes: Axes, data: xr.Dataset, *, legend: bool = True, **options: Any) -> None:
    """Finish a panel over loads: label, grid, and a legend of one or `options`-many columns where lines have names."""
    axes.set(xlabel=load_label(data["load"].attrs["units"]))
    if legend:
        axes.legend(fontsize="small", **options)
    grid(axes)
