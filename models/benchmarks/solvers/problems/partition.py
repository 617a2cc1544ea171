"""Best partition under a given assignment, a second-order cone program; sizes are stages."""

from __future__ import annotations

import numpy as np

from .....reference.service_modes import partition
from .....reference.service_modes.stability import stage_spare_capacity
from ....systems.service_modes.partition import write as write_program
from ....systems.service_modes.system import MultiMode
from ..problem import Accuracy, Problem, ProblemInstance

P = 0.4  # part of the jobs in the first mode


def build(n: int, rng: np.random.Generator) -> MultiMode:
    """Return n stages of random rates over two decades."""
    return MultiMode(10 ** rng.uniform(0, 2, (n, 2)))


def write(system: MultiMode, formulation: str, part: float) -> ProblemInstance:
    """Return the program at a part of the largest load under this assignment."""
    modes, assignment = system.rates, np.array([P, 1 - P])
    work = assignment * modes.time
    load = part / float(work.sum(axis=1).max())
    least = partition(modes, load, P).mean_delay
    spare_capacity = stage_spare_capacity(modes, load, assignment)[:, None]
    program = write_program(*modes.time.shape)
    program.set_point(modes, load, assignment, scale_stages=True)

    def accuracy() -> Accuracy:
        y = np.asarray(program.spare_share.value)
        delay = float((work / (spare_capacity * y)).sum()) if np.all(y > 0) else np.inf
        imbalance = float(np.abs(y.sum(axis=1) - 1).max())
        return Accuracy(abs(delay / least - 1), max(imbalance, float(-y.min())))

    return ProblemInstance(program.problem, accuracy)


PROBLEMS = (
    Problem("dual-mode partition", build, lambda system: {"socp": frozenset({"SOC"})}, write),
)
