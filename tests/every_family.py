"""A bank of every family of latencies, three servers each where three can differ."""

import numpy as np

from sojourn.models import Function
from sojourn.models.latency.registry import families

RATE, DELAY = np.array([100.0, 80.0, 200.0]), [0.005, 0.005, 0.02]

FAMILIES = {
    **{name: family.sample() for name, family in families().items()},
    "function": Function(lambda x: 0.01 + x**2 / 1e4, servers=2),
    "function within a rate": Function(
        lambda x: 1 / (RATE - x), lambda x: 1 / (RATE - x) ** 2, RATE, DELAY
    ),
}
