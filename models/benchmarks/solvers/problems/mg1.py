"""M/G/1 servers at different distances, coefficients of variation from 0 to 5."""

from __future__ import annotations

import numpy as np

from ....latency import MG1
from ..parallel import draw_delays, draw_rates, parallel
from ..problem import Axes


def draw(axes: Axes, rng: np.random.Generator) -> MG1:
    """Return a random bank."""
    return MG1(draw_rates(axes, rng), rng.uniform(0, 5, axes.n), draw_delays(axes, rng))


PROBLEMS = (
    parallel("mg1-optimum", "M/G/1 optimum", "optimum", draw),
    parallel("mg1-equilibrium", "M/G/1 equilibrium", "equilibrium", draw),
)
