"""Stages divided between two service modes, the assignment given: a second-order cone program. Sizes are numbers of stages."""

from __future__ import annotations

import numpy as np

from .....reference.service_modes import partition
from .....reference.service_modes.stability import slack
from ....systems.service_modes.partition import write as write_program
from ....systems.service_modes.system import MultiMode
from ..problem import Judged, Problem, Task

P = 0.4  # part of the jobs in the first mode


def build(n: int, rng: np.random.Generator) -> MultiMode:
    """Return stages of random rates over two decades."""
    return MultiMode(10 ** rng.uniform(0, 2, (n, 2)))


def write(system: MultiMode, formulation: str, part: float) -> Task:
    """Return the program at a part of the largest load under this assignment."""
    modes, parts = system.rates, np.array([P, 1 - P])
    work = parts * modes.time
    load = part / float(work.sum(axis=1).max())
    true, left = partition(modes, load, P).mean_delay, slack(modes, load, parts)[:, None]
    program = write_program(modes)
    program.set_point(modes, load, parts, alone=True)

    def judge() -> Judged:
        extra = np.asarray(program.extra.value)
        delay = float((work / (left * extra)).sum()) if np.all(extra > 0) else np.inf
        return Judged(
            abs(delay / true - 1),
            max(float(np.abs(extra.sum(axis=1) - 1).max()), float(-extra.min())),
        )

    return Task(program.problem, judge)


PROBLEMS = (
    Problem("dual-mode partition", build, lambda system: {"socp": frozenset({"SOC"})}, write),
)
