"""M/M/1 servers at different distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....latency import MM1
from ..parallel import draw_delays, draw_rates, parallel
from ..problem import Axes

AXES: Mapping[str, Any] = {"sizes": (3, 300), "largest": 10_000, "spreads": ((1e6, 5.0),)}


def draw(axes: Axes, rng: np.random.Generator) -> MM1:
    """Return a random bank."""
    return MM1(draw_rates(axes, rng), draw_delays(axes, rng))


PROBLEMS = (
    parallel("mm1-optimum", "M/M/1 optimum", "optimum", draw, **AXES),
    parallel("mm1-equilibrium", "M/M/1 equilibrium", "equilibrium", draw, **AXES),
)
