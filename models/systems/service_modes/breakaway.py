"""Breakaway: the smallest load at which one mode for all jobs is not best, by bisection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....reference.errors import Array
from ....reference.service_modes import Breakaway, Modes, Segment, light_load_assignment, segment
from ....reference.service_modes.breakaway import best_away, first_change, is_better
from ...core.solve import Task
from .best_assignment import Candidates

SCAN_LOADS = 24  # evenly spaced loads that are examined before the bisection
BRACKET_TOL = 1e-12  # relative width of the last bracket


@dataclass(frozen=True)
class CertifiedBreakaway(Breakaway):
    """A `Breakaway` that is found by semidefinite programs.

    Attributes
    ----------
    gap : float
        Largest relative distance, over all examined loads, between the best delay found and its
        certified lower bound.
    shares : str
        What this search has in common with that of the reference: for this part, their agreement
        is no independent evidence.
    """

    gap: float
    shares: ClassVar[str] = (
        "the bisection and the comparison with one mode alone; "
        "the candidates for the least delay at a load are found independently"
    )


def breakaway(modes: Modes, task: Task[Any, Candidates, Any]) -> CertifiedBreakaway | None:
    """Return the smallest load at which one mode for all jobs is not best.

    Parameters
    ----------
    modes : Modes
        Of two modes.
    task : Task
        Task of the question `sojourn.models.systems.service_modes.best_assignment.Location`.

    Returns
    -------
    CertifiedBreakaway or None
        None where the same modes are best at every load.
    """
    p_light, largest_gap = light_load_assignment(modes), 0.0
    if 0 < p_light < 1:
        return None

    def candidates(load: float) -> tuple[Segment, Array]:
        """Stable segment of a load, and the certified candidates u of the least delay on it."""
        nonlocal largest_gap
        rows = task.certified(np.array([load]))
        largest_gap = max(largest_gap, float(rows.gap[0]))
        return segment(modes, load), rows.u[0][np.isfinite(rows.u[0])]

    def is_away(load: float) -> bool:
        return bool(np.any(is_better(modes, load, p_light, *candidates(load))))

    even = np.linspace(0, 1, SCAN_LOADS, endpoint=False)[1:]
    towards_saturation = 1 - 0.5 ** np.arange(5, 30, 2)
    fractions = np.concatenate([even, towards_saturation])
    load = first_change(modes, p_light, is_away, fractions, BRACKET_TOL)
    if load is None:
        return None
    p_after = best_away(modes, load, p_light, *candidates(load))
    return CertifiedBreakaway(load, p_light, p_after, largest_gap)
