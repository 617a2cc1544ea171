"""The closed form of this library."""

from __future__ import annotations

from .....reference.parallel import optimum_equilibrium as parallel
from ..answer import Answer
from ..instance import Case


def solve(case: Case, limit: float) -> Answer:
    """Ask `sojourn.reference.optimum` for all loads at once."""
    return Answer(
        parallel.optimum(case.bank, case.loads).flow,
        "exact up to rounding",
        "all loads in one call",
    )


METHODS = (("sojourn, closed form", solve),)
