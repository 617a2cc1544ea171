"""The load at which the best assignment leaves a single mode, by bisection over semidefinite programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Breakaway, Modes, Segment, light_load_assignment, segment
from ....reference.service_modes.breakaway import best_away, first_change, is_better
from ...core.solve import Task
from .questions import Candidates

SCAN = 24  # loads looked at before the bisection
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
    shares: ClassVar[str] = (
        "the bisection and the comparison with one mode alone; where the least delay of a load can be is not"
    )


def breakaway(modes: Modes, task: Task[Any, Candidates, Any]) -> CertifiedBreakaway | None:
    """Return the first load at which one mode for all jobs is no longer best; see `MultiMode.breakaway`."""
    home, worst = light_load_assignment(modes), 0.0

    def located(load: float) -> tuple[Segment, Array]:
        """Where the least delay may be, with its proof; one mode alone is among it."""
        nonlocal worst
        found = task.certified(np.array([load]))
        worst = max(worst, float(found.gap[0]))
        return segment(modes, load), found.u[0][np.isfinite(found.u[0])]

    def leaves(load: float) -> bool:
        return bool(np.any(is_better(modes, load, home, *located(load))))

    parts = np.concatenate(
        [np.linspace(0, 1, SCAN, endpoint=False)[1:], 1 - 0.5 ** np.arange(5, 30, 2)]
    )
    load = first_change(modes, home, leaves, parts, CLOSE)
    if load is None:
        return None
    after = best_away(modes, load, home, *located(load))
    return CertifiedBreakaway(load, home, after, worst)
