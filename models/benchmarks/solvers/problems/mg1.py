"""M/G/1 servers at different distances, coefficients of variation from 0 to 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....latency import MG1
from ..parallel import draw_delays, draw_rates, parallel
from ..problem import Axes

AXES: Mapping[str, Any] = {"sizes": (3, 300), "largest": 10_000, "spreads": ((10.0, 5.0),)}


def draw(axes: Axes, rng: np.random.Generator) -> MG1:
    """Return a random bank."""
    return MG1(draw_rates(axes, rng), rng.uniform(0, 5, axes.n), draw_delays(axes, rng))


PROBLEMS = (
    parallel("mg1-optimum", "M/G/1 optimum", "optimum", draw, **AXES),
    parallel("mg1-equilibrium", "M/G/1 equilibrium", "equilibrium", draw, **AXES),
)
