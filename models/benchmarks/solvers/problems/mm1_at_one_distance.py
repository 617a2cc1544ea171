"""M/M/1 servers of equal delays: rates from 50 to 500 jobs/s.

Their equilibrium is also a quadratic program and a geometric mean.
"""

from __future__ import annotations

import numpy as np

from ....latency import MM1
from ..parallel import parallel


def draw(n: int, rng: np.random.Generator) -> MM1:
    """Return a random bank of n servers."""
    return MM1(rng.uniform(50, 500, n), 0.010)


PROBLEMS = (parallel("M/M/1 at one distance", "equilibrium", draw),)
