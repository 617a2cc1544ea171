"""The map of sites: groups of users, the sites that serve them, and closed sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ....reference.errors import Array, InputError
from ....reference.validation import as_floats
from ...frontend.style import COLOURS, headed
from .inputs import by_name, check_known, is_mapping

if TYPE_CHECKING:
    from .sites import SizedSites

MOST_NAMES = 60  # groups and sites that have their names on the map
SMALL, SITE, LARGE = 15.0, 45.0, 260.0  # areas of marks of no load and of the largest load
GROUPS = 0.3  # area of a group as a part of that of a site

Places = npt.ArrayLike | Mapping[str, Any]


def plot_sites(found: SizedSites, groups_at: Places, sites_at: Places, title: str = "") -> Figure:
    """Draw the groups, lines to the sites that serve them, and the sites.

    The areas of the marks grow with the loads, of groups and of sites apart. A line is as wide as
    its part of the load of the group. Closed sites are empty squares.

    Parameters
    ----------
    found : SizedSites
        The choice of sites.
    groups_at, sites_at : array_like, shape (G, 2) and (n, 2), or mapping
        Coordinates, in order or by name.
    title : str, optional
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    groups = _coordinates("groups_at", groups_at, found.group_names)
    sites = _coordinates("sites_at", sites_at, found.site_names)
    figure = headed(Figure(figsize=(7.0, 6.4), layout="constrained"), title)
    axes = figure.subplots()
    load = found.group_load
    colour_of = np.zeros(len(sites), dtype=int)
    colour_of[found.open] = np.arange(int(found.open.sum())) % len(COLOURS)
    for g, i in np.argwhere(found.share > 0).tolist():
        ends = np.array([groups[g], sites[i]]).T
        width = 0.4 + 1.4 * float(found.share[g, i])
        axes.plot(*ends, color=COLOURS[colour_of[i]], linewidth=width, alpha=0.7, zorder=1)
    axes.scatter(
        groups[:, 0],
        groups[:, 1],
        s=SMALL + GROUPS * (LARGE - SMALL) * load / np.max(load),
        c=[COLOURS[colour_of[i]] for i in np.argmax(found.share, axis=1)],
        edgecolors="white",
        zorder=2,
    )
    area = SITE + (LARGE - SITE) * found.flow / np.max(found.flow)
    for i, (x, y) in enumerate(sites.tolist()):
        is_open = bool(found.open[i])
        axes.scatter(
            x,
            y,
            s=float(area[i]),
            marker="s",
            color=COLOURS[colour_of[i]] if is_open else "white",
            edgecolors="black" if is_open else "grey",
            zorder=4 if is_open else 3,
        )
        if len(sites) <= MOST_NAMES:
            name = found.site_names[i]
            axes.annotate(
                f"{name}: rate {found.rate[i]:.4g}" if is_open else name,
                (x, y),
                xytext=(0, 11 if is_open else -7),
                textcoords="offset points",
                ha="center",
                va="bottom" if is_open else "top",
                fontsize="small" if is_open else "x-small",
                color="black" if is_open else "grey",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=5 if is_open else 3,
            )
    axes.margins(0.1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    count = f"{int(found.open.sum())} of {found.open.size} sites open (filled squares)"
    axes.set_title(f"{count}, cost {found.cost:.6g}", fontsize="medium")
    return figure


def _coordinates(field: str, given: Places, names: tuple[str, ...]) -> Array:
    """Return coordinates by name or in order as an array of shape (m, 2); InputError on others."""
    if is_mapping(given):
        named = by_name(field, given, "names to coordinates", '{"north": (0, 1)}')
        check_known(field, names, list(named), "place with coordinates")
        given = [named[name] for name in names]
    array = as_floats(field, given)
    if array.shape != (len(names), 2) or not np.isfinite(array).all():
        problem = f"has no two finite coordinates for each of {len(names)}"
        raise InputError(field, given, problem, "give pairs of numbers, in order or by name")
    return array
