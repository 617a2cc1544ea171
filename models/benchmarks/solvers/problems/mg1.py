"""M/G/1 servers at a distance: as the M/M/1 ones, with coefficients of variation from 0 to 5."""

from __future__ import annotations

import numpy as np

from ....latency import MG1
from ..parallel import parallel


def draw(n: int, rng: np.random.Generator) -> MG1:
    """Return a random bank."""
    return MG1(rng.uniform(50, 500, n), rng.uniform(0, 5, n), rng.uniform(0, 0.05, n))


PROBLEMS = (
    parallel("M/G/1 optimum", "optimum", draw),
    parallel("M/G/1 equilibrium", "equilibrium", draw),
)
