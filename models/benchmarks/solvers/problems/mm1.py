"""M/M/1 servers at different distances."""

from __future__ import annotations

import numpy as np

from ....latency import MM1
from ..parallel import draw_delays, draw_rates, parallel
from ..problem import Axes


def draw(axes: Axes, rng: np.random.Generator) -> MM1:
    """Return a random bank."""
    return MM1(draw_rates(axes, rng), draw_delays(axes, rng))


PROBLEMS = (
    parallel("mm1-optimum", "M/M/1 optimum", "optimum", draw),
    parallel("mm1-equilibrium", "M/M/1 equilibrium", "equilibrium", draw),
)
