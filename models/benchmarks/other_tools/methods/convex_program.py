"""Convex program of this library."""

from __future__ import annotations

import numpy as np

from ....systems.parallel.system import ParallelServers
from ..answer import Answer
from ..instance import Instance


def solve(instance: Instance, limit: float) -> Answer:
    """Call `ParallelServers.optimum`, or for many loads `ParallelServers.curve`."""
    system = ParallelServers(instance.bank)
    if instance.loads.size == 1:
        solution = system.optimum(float(instance.loads[0]))
        flow, gap = solution.flow[None, :], solution.certificate.gap
    else:
        data = system.curve(instance.loads, "optimum")
        flow = data["optimum_flow"].transpose("load", "server").values
        gap = float(data["optimum_gap"].max())
    settings = "defaults: Clarabel, Newton steps, certificate"
    return Answer(np.asarray(flow), f"gap {gap:.0e}", settings)


METHODS = (("sojourn, convex program", solve),)
