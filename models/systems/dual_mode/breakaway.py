"""The load at which the best assignment leaves a single mode, by bisection over semidefinite programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sojourn.models.solving.chain import able
from sojourn.models.solving.errors import NotCertifiedError
from sojourn.models.systems.dual_mode.search import Search
from sojourn.reference.dual_mode import Breakaway, Modes, capacity, light_load_assignment, segment

SCAN = 24  # loads looked at before the bisection
CLOSE = 1e-11  # relative width of the last bracket
SAME = 1e-10  # distance up to which a p is that of one mode alone


def breakaway(modes: Modes, search: Search, how: Mapping[str, Any]) -> Breakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; see `MultiMode.breakaway`."""
    home = light_load_assignment(modes)
    solvers = able(how.get("solver"), "PSD", "breakaway")

    def best(load: float) -> float:
        along = segment(modes, load)
        for solver in solvers:
            chosen, _, attempt = search.choose(along, solver, how.get("solver_options"), polish=how.get("polish", True))
            if chosen is not None:
                return float(along.assignment(chosen.u)[0])
        raise NotCertifiedError(f"no solver answered at load {load:g}: {attempt.status}", None, (attempt,))

    most = capacity(modes).max_load
    alone = min(most, 1.0 / float(modes.time[:, 0 if home == 1.0 else 1].max()))
    low, high = 0.0, alone
    for load in (alone * np.linspace(0, 1, SCAN, endpoint=False)[1:]).tolist():
        if abs(best(load) - home) > SAME:
            high = load
            break
        low = load
    else:
        if alone >= most * (1 - CLOSE):
            return None
    while high - low > CLOSE * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if abs(best(middle) - home) > SAME else (middle, high)
    return Breakaway(high, home, best(high))
