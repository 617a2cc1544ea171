"""The map of a network: its links by load and utilisation, at the optimum and the equilibrium."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from ....reference.errors import Array
from ...frontend.style import curve_of, headed
from ..parallel.prices import GOALS

MOST_NODES, MOST_LINKS = 60, 40  # up to which nodes and links of a network have texts
NARROW, WIDE = 1.0, 6.0  # widths of links without load and with the largest load
COLOUR_MAP = "viridis_r"

Places = Mapping[Any, tuple[float, float]]


class Lines(NamedTuple):
    """Links of a map: coordinates of their ends, shape (A, 2), and their bends, shape (A,)."""

    start: Array
    end: Array
    bend: Array


def plot_network(data: xr.Dataset, positions: Places | None = None, title: str = "") -> Figure:
    """Draw a network with optimum and equilibrium side by side.

    The width of a link grows with its load. Its colour is its utilisation, or its latency where
    links have no largest load.

    Parameters
    ----------
    data : xarray.Dataset
        From `sojourn.models.systems.routes.both_goals.stations_of`, with the coordinates ``tail``
        and ``head``, the nodes of each link.
    positions : mapping of node to (float, float), optional
        Coordinates of the nodes; unless all have some, they are laid out by links.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    of_goals = [f"{goal}_{what}" for goal in GOALS for what in ("load", "utilisation", "latency")]
    data = curve_of("data", data, "tail", "head", *of_goals)
    tail, head = data["tail"].values.tolist(), data["head"].values.tolist()
    nodes = list(dict.fromkeys([*tail, *head]))
    places = positions or {}
    if not places.keys() >= set(nodes):
        places = laid_out(nodes, list(zip(tail, head, strict=True)))
    at = np.array([places[node] for node in nodes], dtype=float)
    index = {node: i for i, node in enumerate(nodes)}
    start, end = (at[[index[node] for node in side]] for side in (tail, head))
    lines = Lines(start, end, _bends(tail, head))
    bounded = bool(np.isfinite(data["optimum_utilisation"].values).all())
    what = "utilisation" if bounded else "latency"
    values = np.array([data[f"{goal}_{what}"].values for goal in GOALS])
    top = float(np.max(values, where=np.isfinite(values), initial=float(bounded)))
    scale = ScalarMappable(Normalize(0.0, top or 1.0), COLOUR_MAP)
    most = max(float(data[f"{goal}_load"].max()) for goal in GOALS) or 1.0
    figure = headed(Figure(figsize=_size(at), layout="constrained"), title)
    both = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, goal, row in zip(both, GOALS, values, strict=True):
        loads = data[f"{goal}_load"].values
        _draw_links(axes, lines, loads / most, scale.to_rgba(row))
        if len(tail) <= MOST_LINKS:
            _write_loads(axes, lines, loads)
        _draw_nodes(axes, nodes, at)
        axes.set_title(goal)
    unit = "" if bounded else f" ({data['optimum_latency'].attrs['units']})"
    figure.colorbar(scale, ax=list(both), label=f"{what} of a link{unit}", shrink=0.8)
    return figure


def _size(at: Array) -> tuple[float, float]:
    """Return the size of a figure of two maps, by the shape of one."""
    width, height = np.maximum(np.ptp(at, axis=0), 1e-9)
    return 12.0, float(np.clip(1.4 + 5.4 * height / width, 3.6, 6.8))


def laid_out(nodes: Sequence[Hashable], ends: Sequence[tuple[Hashable, Hashable]]) -> Places:
    """Return coordinates of nodes: by the layout of networkx if installed, else on a circle.

    Parameters
    ----------
    nodes : sequence of node
        The nodes.
    ends : sequence of (node, node)
        First and last node of each link.
    """
    try:
        import networkx
    except ImportError:
        angles = 2 * np.pi * np.arange(len(nodes)) / len(nodes)
        circle = zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True)
        return dict(zip(nodes, circle, strict=True))
    graph = networkx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(ends)
    found = networkx.spring_layout(graph, seed=1, iterations=300, method="force")
    return {node: (float(x), float(y)) for node, (x, y) in found.items()}


def _bends(tail: Sequence[Hashable], head: Sequence[Hashable]) -> Array:
    """Return the bend of each link, shape (A,): links between the same nodes are bent apart."""
    pairs = Counter(frozenset(pair) for pair in zip(tail, head, strict=True))
    drawn = Counter[tuple[Hashable, Hashable]]()
    bends = np.zeros(len(tail))
    for i, pair in enumerate(zip(tail, head, strict=True)):
        bends[i] = (0.1 + 0.15 * drawn[pair]) * (pairs[frozenset(pair)] > 1)
        drawn[pair] += 1
    return bends


def _draw_links(axes: Axes, lines: Lines, widths: Array, colours: Array) -> None:
    """Draw the links as arrows; `widths` are relative, `colours` of shape (A, 4)."""
    wide = WIDE if widths.size <= MOST_LINKS else 0.5 * WIDE
    for i in np.argsort(widths, kind="stable"):
        width = NARROW + (wide - NARROW) * float(widths[i])
        arrow = FancyArrowPatch(
            tuple(lines.start[i]),
            tuple(lines.end[i]),
            connectionstyle=f"arc3,rad={lines.bend[i]}",
            arrowstyle="-|>",
            mutation_scale=6 + 2 * width,
            shrinkA=5,
            shrinkB=5,
            linewidth=width,
            color=colours[i],
        )
        axes.add_patch(arrow)


def _write_loads(axes: Axes, lines: Lines, loads: Array) -> None:
    """Write the load of each link on it: in the middle, or nearer to the start where it is bent."""
    step, bend = lines.end - lines.start, lines.bend[:, np.newaxis]
    aside = np.column_stack([step[:, 1], -step[:, 0]]) * bend
    # the arc is a quadratic Bezier curve
    part = np.where(bend > 0, 0.35, 0.5)
    middle = lines.start + part * step + 2 * part * (1 - part) * aside
    box: dict[str, Any] = {"boxstyle": "round,pad=0.1", "color": "white", "alpha": 0.8}
    for (x, y), load in zip(middle.tolist(), loads, strict=True):
        axes.text(x, y, f"{load:.3g}", fontsize="x-small", ha="center", va="center", bbox=box)


def _draw_nodes(axes: Axes, nodes: Sequence[Hashable], at: Array) -> None:
    """Draw the nodes, with their names where they are few, and give the map its own margins."""
    named = len(nodes) <= MOST_NODES
    size = 60 if named else 8
    axes.scatter(at[:, 0], at[:, 1], s=size, color="white", edgecolor="black", zorder=3)
    outwards = at - at.mean(axis=0)
    lengths = np.hypot(*outwards.T)[:, np.newaxis]
    # away from the middle of the map a name hides no link; at the middle it is above
    sides = np.where(lengths > 0.1 * lengths.max(), outwards / np.maximum(lengths, 1e-300), [0, 1])
    for node, place, (right, up) in zip(nodes, at, sides.tolist(), strict=True):
        if named:
            axes.annotate(
                str(node),
                place,
                xytext=(9 * right, 9 * up),
                textcoords="offset points",
                fontsize="small",
                ha="left" if right > 0.5 else "right" if right < -0.5 else "center",
                va="bottom" if up > 0.5 else "top" if up < -0.5 else "center",
                zorder=4,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
    axes.margins(0.16)
    axes.set_aspect("equal")
    axes.set_axis_off()
