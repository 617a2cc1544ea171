"""Groups of users at different distances from shared M/M/1 servers; sizes are routes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ....latency import MM1
from ....systems.routes import Groups
from ..parallel import TYPICAL, draw_rates
from ..problem import Axes
from ..routed import routed

SERVERS = 3  # servers per group, about

AXES: Mapping[str, Any] = {"sizes": (30, 300), "largest": 300, "spreads": ((10.0, 5.0),)}


def draw(axes: Axes, rng: np.random.Generator) -> Groups:
    """Return groups with n routes in all; some groups may use one server less than the others."""
    groups = max(1, round(math.sqrt(axes.n / SERVERS)))
    servers = -(-axes.n // groups)
    rate = draw_rates(axes._replace(n=servers), rng)
    delay = rng.uniform(0.0, axes.delay_spread / TYPICAL, (groups, servers))
    surplus = np.arange(groups * servers - axes.n)
    delay[surplus, rng.integers(0, servers, surplus.size)] = np.inf
    return Groups(MM1(rate), load=rng.uniform(0.5, 1.5, groups), delay=delay)


PROBLEMS = (
    routed("groups-optimum", "groups and servers, optimum", "optimum", draw, **AXES),
    routed("groups-equilibrium", "groups and servers, equilibrium", "equilibrium", draw, **AXES),
)
