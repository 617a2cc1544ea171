"""The load at which the best assignment leaves a single mode, by bisection over semidefinite programs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Breakaway, Modes, Segment, light_load_assignment, segment, segments
from ....reference.service_modes.breakaway import best_away, first_change, is_better
from ....reference.service_modes.stability import slack
from ...core.errors import NotCertifiedError
from ...core.solution import Attempt
from ...core.solve import not_certified
from ...core.wanted import Wanted
from .partition import meets
from .search import Search
from .sweep import compiles

SCAN = 24  # loads looked at before the bisection
REMEDY = "Ask for a wider gap=, or name another solver="
CLOSE = 1e-12  # relative width of the last bracket


@dataclass(frozen=True)
class CertifiedBreakaway(Breakaway):
    """A `Breakaway` as the semidefinite programs say it.

    Attributes
    ----------
    gap : float
        At every load that was looked at, the best delay found is within this relative distance of its certified lower bound.
    shares : str
        What the search shares with the reference's, so that their agreement does not speak for it.
    """

    gap: float
    shares: ClassVar[str] = "the bisection and the comparison with one mode alone; where the least delay of a load can be is not"


def breakaway(modes: Modes, search: Search, how: Mapping[str, Any], wanted: Wanted) -> CertifiedBreakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; see `MultiMode.breakaway`."""
    home, worst = light_load_assignment(modes), 0.0
    plan = search.plan("breakaway", how)
    sweep = search.sweep(plan, how, wanted) if compiles(plan) else None

    def by_solver(load: float, along: Segment, solver: str, form: str) -> tuple[Array, Attempt]:
        """Points by one solver, the best one first, on the compiled program if that can be."""
        if sweep is None:
            steps, _, attempt = search.locate(along, solver, form, how)
            return np.array([u for u, _ in steps]), attempt
        found, started = sweep.locate(segments(modes, np.array([load])), solver, form), time.perf_counter()
        points, gap = np.empty(0), math.inf
        if found.rows.size and found.lower_bound[0] > 0:
            points, gap = found.u[0][np.isfinite(found.u[0])], abs(float(found.delay[0, 0] / found.lower_bound[0]) - 1)
        return points, Attempt(solver, form, found.status[0], gap, time.perf_counter() - started)

    def located(load: float) -> tuple[Segment, Array]:
        """Where the least delay may be, by the first solver that proves it; one mode alone is among it."""
        nonlocal worst
        along, attempts = segment(modes, load), []
        for solver, form in plan:
            points, attempt = by_solver(load, along, solver, form)
            attempts.append(attempt)
            if points.size and meets(attempt.gap, wanted, slack(modes, load, along.assignment(points[0]))):
                worst = max(worst, attempt.gap)
                return along, points
        what = f"assignment at load {load:g}, on the way to the breakaway"
        raise NotCertifiedError(not_certified(what, wanted.gap, attempts, REMEDY), None, tuple(attempts))

    def leaves(load: float) -> bool:
        return bool(np.any(is_better(modes, load, home, *located(load))))

    parts = np.concatenate([np.linspace(0, 1, SCAN, endpoint=False)[1:], 1 - 0.5 ** np.arange(5, 30, 2)])
    load = first_change(modes, home, leaves, parts, CLOSE)
    if load is None:
        return None
    after = best_away(modes, load, home, *located(load))
    return CertifiedBreakaway(load, home, after, worst)
