"""Networks of M/M/1 links that routes share; sizes are links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....latency import MM1
from ....systems.routes import Network
from ..parallel import draw_delays, draw_rates
from ..problem import Axes
from ..routed import routed

LINKS = 3  # links per node, about
MOST_ORIGINS = 5
DESTINATIONS = 2  # of each origin, where there are as many other nodes

AXES: Mapping[str, Any] = {"sizes": (30, 100), "largest": 300, "spreads": ((1e6, 5.0),)}


def draw(axes: Axes, rng: np.random.Generator) -> Network:
    """Return a ring of nodes with random further links, n links in all, and random loads."""
    nodes = max(2, axes.n // LINKS)
    ring = np.arange(nodes)
    tail = np.concatenate([ring, rng.integers(0, nodes, axes.n - nodes)])
    step = np.concatenate([np.ones(nodes, int), rng.integers(1, nodes, axes.n - nodes)])
    ends = [*zip(tail.tolist(), ((tail + step) % nodes).tolist(), strict=True)]
    origins = rng.choice(nodes, min(MOST_ORIGINS, nodes), replace=False)
    load = {}
    for origin in origins.tolist():
        others = np.setdiff1d(ring, [origin])
        for destination in rng.choice(others, min(DESTINATIONS, others.size), replace=False):
            load[origin, int(destination)] = float(rng.uniform(0.5, 1.5))
    return Network(MM1(draw_rates(axes, rng), draw_delays(axes, rng)), ends=ends, load=load)


PROBLEMS = (
    routed("network-optimum", "network, optimum", "optimum", draw, **AXES),
    routed("network-equilibrium", "network, equilibrium", "equilibrium", draw, **AXES),
)
