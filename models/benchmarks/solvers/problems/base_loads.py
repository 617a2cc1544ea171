"""M/G/1 servers that carry base loads of some priority, and jobs that come in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....latency import MG1
from ..parallel import draw_delays, draw_rates, parallel
from ..problem import Axes

PRIORITIES = ("equal", "non-preemptive", "preemptive")

AXES: Mapping[str, Any] = {
    "sizes": (30,),
    "largest": 10_000,
    "spreads": ((10.0, 5.0), (1e6, 5.0)),
}


def draw(axes: Axes, rng: np.random.Generator) -> MG1:
    """Return a random bank; the rates of the axes are those of service."""
    rate = draw_rates(axes, rng)
    return MG1(
        rate,
        rng.uniform(0, 5, axes.n),
        draw_delays(axes, rng),
        base=rate * rng.uniform(0, 0.9, axes.n),
        base_priority=rng.choice(PRIORITIES, axes.n).tolist(),
        batch=rng.uniform(1, 5, axes.n),
        batch_cv=1.0,
    )


PROBLEMS = (
    parallel("base-load-optimum", "base loads, optimum", "optimum", draw, **AXES),
    parallel("base-load-equilibrium", "base loads, equilibrium", "equilibrium", draw, **AXES),
)
