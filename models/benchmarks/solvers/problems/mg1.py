"""M/G/1 servers: rates from 50 to 500 jobs/s, cv from 0 to 5, delays to 50 ms."""

from __future__ import annotations

import numpy as np

from ....latency import MG1
from ..parallel import parallel


def draw(n: int, rng: np.random.Generator) -> MG1:
    """Return a random bank of n servers."""
    return MG1(rng.uniform(50, 500, n), rng.uniform(0, 5, n), rng.uniform(0, 0.05, n))


PROBLEMS = (
    parallel("M/G/1 optimum", "optimum", draw),
    parallel("M/G/1 equilibrium", "equilibrium", draw),
)
