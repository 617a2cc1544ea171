"""M/M/1 servers of equal delays.

Their equilibrium is also a quadratic program and a geometric mean.
"""

from __future__ import annotations

import numpy as np

from ....latency import MM1
from ..parallel import TYPICAL, draw_rates, parallel
from ..problem import Axes


def draw(axes: Axes, rng: np.random.Generator) -> MM1:
    """Return a random bank."""
    return MM1(draw_rates(axes, rng), axes.delay_spread / TYPICAL)


PROBLEMS = (
    parallel(
        "mm1-at-one-distance",
        "M/M/1 equilibrium at one distance",
        "equilibrium",
        draw,
        sizes=(3, 30),
        largest=10_000,
        spreads=((1e6, 5.0),),
    ),
)
