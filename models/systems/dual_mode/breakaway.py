"""The load at which the best assignment leaves a single mode, by bisection over semidefinite programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sojourn.models.solving.chain import able
from sojourn.models.solving.errors import NotCertifiedError
from sojourn.models.systems.dual_mode.search import Search
from sojourn.reference.dual_mode import Breakaway, Modes, Segment, capacity, light_load_assignment, segment
from sojourn.reference.dual_mode.breakaway import best_away, is_better
from sojourn.reference.errors import Array

SCAN = 24  # loads looked at before the bisection
CLOSE = 1e-12  # relative width of the last bracket


def breakaway(modes: Modes, search: Search, how: Mapping[str, Any]) -> Breakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; see `MultiMode.breakaway`."""
    home = light_load_assignment(modes)
    solvers = able(how.get("solver"), "PSD", "breakaway")

    def located(load: float) -> tuple[Segment, Array]:
        """Where the least delay may be; one mode alone is among it."""
        along = segment(modes, load)
        for solver in solvers:
            points, said, attempt = search.locate(along, solver, how.get("solver_options"), polish=how.get("polish", True))
            if said is not None:
                return along, np.array([u for u, _ in points])
        raise NotCertifiedError(f"no solver answered at load {load:g}: {attempt.status}", None, (attempt,))

    def leaves(load: float) -> bool:
        along, points = located(load)
        return bool(np.any(is_better(modes, load, home, along, points)))

    most = capacity(modes).max_load
    alone = min(most, 1.0 / float(modes.time[:, 0 if home == 1.0 else 1].max()))
    low, high = 0.0, alone
    parts = np.concatenate([np.linspace(0, 1, SCAN, endpoint=False)[1:], 1 - 0.5 ** np.arange(5, 30, 2)])
    for load in (alone * parts).tolist():
        if leaves(load):
            high = load
            break
        low = load
    else:
        if alone >= most * (1 - CLOSE):
            return None
    while high - low > CLOSE * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if leaves(middle) else (middle, high)
    along, points = located(high)
    return Breakaway(high, home, best_away(modes, high, home, along, points))
