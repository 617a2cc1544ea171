"""M/M/1 servers: rates from 50 to 500 jobs/s, delays to 50 ms."""

from __future__ import annotations

import numpy as np

from ....latency import MM1
from ..parallel import parallel


def draw(n: int, rng: np.random.Generator) -> MM1:
    """Return a random bank of n servers."""
    return MM1(rng.uniform(50, 500, n), rng.uniform(0, 0.05, n))


PROBLEMS = (
    parallel("M/M/1 optimum", "optimum", draw),
    parallel("M/M/1 equilibrium", "equilibrium", draw),
)
