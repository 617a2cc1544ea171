"""Sizes of servers: checks of the arguments, and the method that answers the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt

from .at_split import sized_at_split
from .problem import Minimised, Target, size_problem
from .sized import SizedServers

if TYPE_CHECKING:
    from ...system import ParallelServers


def size(
    system: ParallelServers,
    load: npt.ArrayLike,
    rate_price: npt.ArrayLike,
    max_rate: npt.ArrayLike | None,
    min_rate: npt.ArrayLike | None,
    split: str | npt.ArrayLike,
    minimise: Minimised | None,
    subject_to: Sequence[Target],
    delay_cost: float | None,
    opening: npt.ArrayLike | None,
    duration: npt.ArrayLike | None,
    gap: float,
) -> SizedServers:
    """Return the sizes of servers; see `ParallelServers.size`."""
    problem = size_problem(
        system,
        load,
        rate_price,
        max_rate,
        min_rate,
        split,
        minimise,
        subject_to,
        delay_cost,
        opening,
        duration,
        gap,
    )
    if problem.loads.size > 1:
        raise NotImplementedError  # return sized_for_day(problem), of day.py
    if problem.flows is None:
        raise NotImplementedError  # return sized_with_split(problem), of joint.py
    return sized_at_split(problem, problem.flows)
