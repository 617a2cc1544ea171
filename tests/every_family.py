"""A bank of every family of latencies, three servers each where three can differ."""

import numpy as np

from sojourn.models import MD1, MG1, MM1, Function
from sojourn.models.latency.registry import families

RATE, DELAY = np.array([100.0, 80.0, 200.0]), [0.005, 0.005, 0.02]

# servers that carry a base load, or take jobs in batches
SHARED = {
    "M/M/1 with a base load": MM1(RATE, DELAY, base=[30.0, 0.0, 90.1]),
    "M/M/1 behind a base load": MM1(
        RATE, DELAY, base=[30.0, 7.7, 90.0], base_priority="non-preemptive"
    ),
    "M/D/1 in batches before a base load": MD1(
        RATE, DELAY, base=30.3, base_priority="last", batch=[3.0, 1.0, 2.5], batch_cv=[0, 0, 1]
    ),
    "M/G/1 interrupted by a base load": MG1(
        RATE, [0.0, 1.0, 3.0], DELAY, base=[30.0, 0.1, 150.7], base_priority="preemptive"
    ),
    "M/G/1 of all priorities": MG1(
        RATE,
        [0.5, 2.0, 3.0],
        DELAY,
        base=[30.0, 0.1, 150.7],
        base_priority=["equal", "non-preemptive", "last"],
        batch=4.0,
        batch_cv=0.5,
    ),
}
FAMILIES = {
    **{name: family.sample() for name, family in families().items()},
    **SHARED,
    "function": Function(lambda x: 0.01 + x**2 / 1e4, servers=2),
    "function within a rate": Function(
        lambda x: 1 / (RATE - x), lambda x: 1 / (RATE - x) ** 2, RATE, DELAY
    ),
}
