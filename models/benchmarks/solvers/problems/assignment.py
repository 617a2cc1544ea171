"""The least mean delay over both modes and all partitions: a semidefinite program. Sizes are numbers of stages."""

from __future__ import annotations

import numpy as np

from .....reference.service_modes import assignment, segment
from ....systems.service_modes.sum_of_squares import coefficients
from ....systems.service_modes.sum_of_squares import write as write_program
from ....systems.service_modes.system import MultiMode
from ..problem import Judged, Problem, Task


def build(n: int, rng: np.random.Generator) -> MultiMode:
    """Return stages of random rates over two decades."""
    return MultiMode(10 ** rng.uniform(0, 2, (n, 2)))


def write(system: MultiMode, formulation: str, part: float) -> Task:
    """Return the program at a part of the largest load; its value is what the solver says the least delay is."""
    load = part * system.max_load
    true = assignment(system.rates, load).mean_delay
    above, below, unit = coefficients(segment(system.rates, load))
    program = write_program(system.rates.stages)
    program.above.value, program.below.value = above, below

    def judge() -> Judged:
        least = float(np.asarray(program.bound.value)) * float(unit)
        negative = max(
            float(-np.linalg.eigvalsh(np.asarray(gram.value)).min())
            for gram in (program.outer, program.inner)
        )
        return Judged(
            abs(least / true - 1), max(negative, float(np.max(program.identity.violation())))
        )

    return Task(program.problem, judge)


PROBLEMS = (
    Problem(
        "dual-mode assignment",
        build,
        lambda system: {"sos": frozenset({"PSD"})},
        write,
        sizes=(2, 4, 8),
        largest=16,
    ),
)
