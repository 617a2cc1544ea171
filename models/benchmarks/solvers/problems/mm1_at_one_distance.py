"""M/M/1 servers at one distance, rates from 50 to 500 jobs/s: the equilibrium is a quadratic program too, and a geometric mean."""

from __future__ import annotations

import numpy as np

from ....latency import MM1
from ..parallel import parallel


def draw(n: int, rng: np.random.Generator) -> MM1:
    """Return a random bank."""
    return MM1(rng.uniform(50, 500, n), 0.010)


PROBLEMS = (parallel("M/M/1 at one distance", "equilibrium", draw),)
