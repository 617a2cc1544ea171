"""The look of the report's pictures: solvers, logarithmic axes of errors, and SVG texts."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ......reference.errors import Array, escaped
from .....frontend.style import COLOURS, grid

INK = "#010203"  # becomes the colour of the text around the picture
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
MARKERS = "osD^v<>phX*P8"
"""Their numbers and that of the colours have no common factor: looks repeat after 364 solvers."""
CHARACTER = 0.08
"""Inches of a character of a label."""
BEST, WORST = 1e-16, 1e2
"""Errors drawn on an axis; smaller ones are drawn at its lower end, larger ones and none above."""
COLOUR_SCHEME = (
    "svg{color:#1c1e21;background:#fff}"
    "@media(prefers-color-scheme:dark){svg{color:#d6d9dd;background:#17191c}}"
)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sojourn",
    "text.parse_math": False,  # a $ in a name is a $
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "legend.frameon": False,
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
}
DECIMALS = re.compile(r"(\.\d\d)\d+")
SMALLER: Mapping[re.Pattern[str], str | Callable[[re.Match[str]], str]] = {
    re.compile(r"\n\s*"): "\n",
    re.compile(r'<g id="\w+">'): "<g>",
    re.compile(r'<g id="[\w.]+" '): "<g ",
    re.compile(r' (?:x|y|d|transform)="[^"]*"'): lambda match: DECIMALS.sub(r"\1", match[0]),
}
"""What is left out of an SVG text: indents, names of groups, and digits below a hundredth."""


def style() -> Any:
    """Return the context in which a picture is drawn and turned into a text."""
    return mpl.rc_context(STYLE)


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG text whose ink follows the reader's colour scheme.

    It has no date, so that the same rows give the same text.
    """
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    for pattern, text in SMALLER.items():
        svg = pattern.sub(text, svg)
    head, body = svg.split(">", 1)
    return f"{head}><style>{COLOUR_SCHEME}</style>{body}"


def look(i: int) -> dict[str, Any]:
    """Return colour, dashes and marker of a solver by its number; all three differ for 4."""
    colours = [INK if colour == "#000000" else colour for colour in COLOURS]
    return {
        "color": colours[i % len(colours)],
        "linestyle": DASHES[i % len(DASHES)],
        "marker": MARKERS[i % len(MARKERS)],
        "markersize": 4.0,
        "linewidth": 1.4,
    }


def label(text: str) -> str:
    """Return a text that Matplotlib draws as it is: a legend leaves out those that start with _."""
    text = escaped(text)
    return f" {text}" if text.startswith("_") else text


def clipped(errors: Iterable[float]) -> Array:
    """Return errors as they are drawn: within the axis."""
    return np.clip([WORST if math.isnan(error) else error for error in errors], BEST, WORST)


def log_axis(axes: Axes, side: str, text: str, limits: tuple[float, float] | None = None) -> None:
    """Make the x or y axis logarithmic, with plain numbers as labels; call it after drawing."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axes.set(**{f"{side}scale": "log", f"{side}label": text})
    if limits:
        axes.set(**{f"{side}lim": limits})
    low, high = sorted(axis.get_view_interval())
    subs = (
        (1.0,) if high > 30 * low else (1.0, 2.0, 5.0) if high > 3 * low else (1, 1.5, 2, 3, 5, 7)
    )
    axis.set_major_locator(LogLocator(subs=subs, numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda number, _: short(number)))
    axis.set_minor_locator(NullLocator())


def short(number: float) -> str:
    """Return a number as the label of a tick: ``1e-8`` in place of ``1e-08``."""
    text = f"{number:.0e}" if 0 < number < 1e-3 else f"{number:.6g}"
    return text.replace("e-0", "e-").replace("e+0", "e")


def error_axis(axes: Axes, side: str, text: str) -> None:
    """Make an axis one of errors, with a line where answers are right and one for no answer."""
    log_axis(axes, side, text, (BEST / 2, 4 * WORST))
    ticks = [10.0**k for k in range(-16, -3, 4)]
    rule = axes.axvline if side == "x" else axes.axhline
    rule(1e-6, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7)
    rule(WORST, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), alpha=0.7)
    set_ticks = axes.set_xticks if side == "x" else axes.set_yticks
    set_ticks([*ticks, WORST], [*map(short, ticks), "none"])


def ticks_at(axes: Axes, places: Mapping[float, str], width: float) -> None:
    """Set labels at places of a logarithmic x axis, without those that would touch another.

    The width is that of the axis in inches.
    """
    low, high = sorted(axes.get_xlim())
    kept: list[float] = []
    for place in sorted(places):
        if kept:
            half = CHARACTER * (len(places[place]) + len(places[kept[-1]]) + 2) / 2
            if width * math.log(place / kept[-1]) < half * math.log(high / low):
                continue
        kept.append(place)
    axes.set_xticks(kept, [places[place] for place in kept])


def legend(figure: Figure, names: Sequence[str], looks: Sequence[dict[str, Any]]) -> None:
    """Draw a legend of lines below the panels."""
    lines = [Line2D([], [], **one) for one in looks]
    width = figure.get_figwidth()
    longest = max((len(name) for name in names), default=1)
    inches = 0.9 + 0.09 * longest  # of a line, its name and the gap to the next
    columns = max(1, min(len(names), int(width / inches)))
    texts = [label(name) for name in names]
    figure.legend(lines, texts, loc="outside lower left", ncols=columns, handlelength=3.2)


def panel_grid(
    count: int, columns: int, width: float = 3.3, height: float = 2.5
) -> tuple[Figure, list[Axes]]:
    """Return a figure of some panels in rows; those that remain are left out."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (max(4.6, width * columns), height * rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.remove()
    for axes in panels[:count]:
        grid(axes)
    return figure, panels[:count]
