"""The convex program of this library."""

from __future__ import annotations

import numpy as np

from ....systems.parallel.system import ParallelServers
from ..answer import Answer
from ..instance import Case


def solve(case: Case, limit: float) -> Answer:
    """Ask `ParallelServers.optimum`, or for many loads `curve`."""
    system = ParallelServers(case.bank)
    if case.loads.size == 1:
        found = system.optimum(float(case.loads[0]))
        flow, gap = found.flow[None, :], found.certificate.gap
    else:
        data = system.curve(case.loads, "optimum")
        flow, gap = (
            data["optimum_flow"].transpose("load", "server").values,
            float(data["optimum_gap"].max()),
        )
    return Answer(
        np.asarray(flow), f"gap {gap:.0e}", "defaults: Clarabel, Newton steps, certificate"
    )


METHODS = (("sojourn, convex program", solve),)
