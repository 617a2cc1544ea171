"""Closed form of this library."""

from __future__ import annotations

from .....reference.parallel import optimum_equilibrium as parallel
from ..answer import Answer
from ..instance import Instance


def solve(instance: Instance, limit: float) -> Answer:
    """Call `sojourn.reference.optimum` for all loads at once."""
    flow = parallel.optimum(instance.bank, instance.loads).flow
    return Answer(flow, "exact up to rounding", "all loads in one call")


METHODS = (("sojourn, closed form", solve),)
