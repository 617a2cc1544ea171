"""Service modes at stages that all modes share, by processor sharing; sizes are modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....systems.service_modes.shared.system import SharedModes
from ..parallel import TYPICAL, draw_delays
from ..problem import Axes
from ..routed import routed

MOST_STAGES = 20

AXES: Mapping[str, Any] = {"sizes": (30, 300), "largest": 10_000, "spreads": ((1e6, 5.0),)}


def draw(axes: Axes, rng: np.random.Generator) -> SharedModes:
    """Return n modes, and stages, of random works uniform in their logarithm."""
    stages = min(max(2, axes.n // 2), MOST_STAGES)
    exponent = rng.uniform(-0.5, 0.5, (stages, axes.n))
    work = axes.rate_spread**exponent / TYPICAL
    return SharedModes.from_work(work, delay=draw_delays(axes, rng))


PROBLEMS = (
    routed("shared-modes-optimum", "shared modes, optimum", "optimum", draw, **AXES),
    routed("shared-modes-equilibrium", "shared modes, equilibrium", "equilibrium", draw, **AXES),
)
