"""Classes of instances by the cones that a solver must support: what can be ranked together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..problem import Axes
from ..problems import known

CLASSES: Mapping[str, str] = {
    "QP": "quadratic",
    "SOC": "second-order",
    "EXP": "exponential",
    "POW": "power",
    "PSD": "semidefinite",
}
"""Class by the kind of cone, as `sojourn.models.benchmarks.solvers.problem.Problem` names it; an
instance of several kinds is of the last one."""
LINEAR, UNKNOWN = "linear", "of unknown cones"
ORDER = (LINEAR, *CLASSES.values(), UNKNOWN)


@cache
def cone_class(problem: str, formulation: str) -> str:
    """Return the class of a formulation of a problem; one of `ORDER`."""
    found = known(problem)
    if found is None:
        return UNKNOWN
    # formulations of large systems are among those of small ones
    kinds = found.formulations(found.system(Axes(min(found.sizes), *found.spreads[0]), 0))
    if formulation not in kinds:
        return UNKNOWN
    return ([LINEAR] + [CLASSES[kind] for kind in CLASSES if kind in kinds[formulation]])[-1]
