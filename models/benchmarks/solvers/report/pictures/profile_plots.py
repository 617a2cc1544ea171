"""Pictures of performance profiles and data profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from matplotlib.figure import Figure

from ..document import Picture
from ..profiles import Profile, data_profiles, performance_profiles
from ..results import Comparison, Entrant, Results
from .drawing import legend, log_axis, look, panel_grid, to_svg

PANELS = 6
"""Most comparisons in a picture: the first ones."""


def performance_pictures(results: Results) -> Iterator[Picture]:
    """Yield the performance profiles, one picture for each settings."""
    reading = (
        "Performance profiles under the settings {}: part of the cells that a solver solves right "
        "within a factor of the time of the fastest right solver. Left end: how often it is the "
        "fastest; right end: how many cells it solves right at all. Both times plus 1 ms, so that "
        "those well below it are about equal. Higher is better. With more than two solvers only "
        "the best one at a factor can be read off: the order of the others depends on the best (N. "
        'I. M. Gould and J. Scott, "A note on performance profiles for benchmarking software", ACM '
        "Transactions on Mathematical Software 43, article 15, 2016)."
    )
    factor = "(time + 1 ms) over that of the fastest right solver"
    yield from _pictures(results, "performance", performance_profiles, reading, factor)


def data_pictures(results: Results) -> Iterator[Picture]:
    """Yield the data profiles, one picture for each settings."""
    reading = (
        "Data profiles under the settings {}: part of the cells that a solver solves right within "
        "a time. Higher is better."
    )
    yield from _pictures(results, "data", data_profiles, reading, "time (ms)", 1e3)


def _pictures(
    results: Results,
    name: str,
    profiles: Callable[[Comparison], Mapping[Entrant, Profile]],
    reading: str,
    text: str,
    factor: float = 1.0,
) -> Iterator[Picture]:
    for i, settings in enumerate(results.settings):
        comparisons = results.comparisons(results.under(settings))[:PANELS]
        curves = {c.title: profiles(c) for c in comparisons}
        if any(profile.x.size for of in curves.values() for profile in of.values()):
            figure = _draw(curves, results.solvers, text, factor)
            yield Picture(f"{name}-profile-{i}", to_svg(figure), reading.format(settings))


def _draw(
    curves: Mapping[str, Mapping[Entrant, Profile]], solvers: list[str], text: str, factor: float
) -> Figure:
    """Draw one panel a comparison, all over the same range."""
    figure, panels = panel_grid(len(curves), 2, width=4.4, height=3.0)
    steps = [factor * p.x for of in curves.values() for p in of.values() if p.x.size]
    least, largest = (f([f(x) for x in steps]) if steps else 1.0 for f in (np.min, np.max))
    limits = (float(least) * 0.9, max(float(largest), 10.0 * float(least)) * 1.1)
    for axes, (title, profiles) in zip(panels, curves.items(), strict=True):
        for entrant, profile in profiles.items():
            x = np.concatenate([[limits[0]], factor * profile.x, [limits[1]]])
            last = profile.part[-1:] if profile.part.size else np.zeros(1)
            y = np.concatenate([[0.0], profile.part, last])
            lines = axes.plot(x, y, **look(solvers.index(entrant.solver)), drawstyle="steps-post")
            lines[0].set_markevery(0.12)
        log_axis(axes, "x", text, limits)
        axes.set(title=title, ylabel="part solved right", ylim=(-0.02, 1.02))
    used = [s for s in solvers if any(e.solver == s for of in curves.values() for e in of)]
    legend(figure, used, [look(solvers.index(s)) for s in used])
    return figure
