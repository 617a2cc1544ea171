"""Best partition under a given assignment, a second-order cone program; sizes are stages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....reference.errors import Array
from .....reference.service_modes.stability import stage_spare_capacity
from ....systems.service_modes.partition import refine, sqrt_loads
from ....systems.service_modes.partition import write as write_program
from ....systems.service_modes.system import MultiMode
from ..accuracy import accuracy, for_any_values, gap_of
from ..problem import Accuracy, Axes, Problem, ProblemInstance, Truth, Written

P = 0.4  # part of the jobs in the first mode


def build(axes: Axes, rng: np.random.Generator) -> MultiMode:
    """Return n stages with two modes, of random rates uniform in their logarithm."""
    return MultiMode(axes.rate_spread ** rng.uniform(0, 1, (axes.n, 2)))


def instance(system: MultiMode, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the largest load under this assignment.

    The best parts of the spare capacities are as the square roots of the works: D. Jeff and
    E. Modiano, Theorem 3.
    """
    modes, assignment = system.rates, np.array([P, 1 - P])
    work = assignment * modes.time
    load = part / float(work.sum(axis=1).max())
    point = np.array([load]), assignment[None]
    spare_capacity = stage_spare_capacity(modes, load, assignment)[:, None]
    root = np.sqrt(work)
    best = root / root.sum(axis=1, keepdims=True)
    least = float((root.sum(axis=1, keepdims=True) ** 2 / spare_capacity).sum())
    truth = Truth(least, best.ravel())

    def write() -> Written:
        program = write_program(*modes.time.shape)
        program.set_point(modes, load, assignment, scale_stages=True)
        return Written(program.problem, {"spare_share": program.spare_share})

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        y = values["spare_share"]
        delay = float((work / (spare_capacity * y)).sum()) if np.all(y > 0) else np.inf
        imbalance = np.abs(y.sum(axis=1) - 1).max()
        proof = refine(modes, *point, y[None], polish=False)
        gap = gap_of(delay, float(proof.lower_bound[0]), float(proof.upper_bound[0]))
        return accuracy(truth, delay, (imbalance, -y.min()), y.ravel(), gap)

    optimum = float((sqrt_loads(modes, *point)[0].sum(axis=1) ** 2).sum())
    return ProblemInstance(truth, write, judge, optimum, {"spare_share": best})


PROBLEMS = (
    Problem(
        "partition",
        "dual-mode partition",
        build,
        lambda system: {"socp": frozenset({"SOC"})},
        instance,
        sizes=(3, 300),
        largest=3_000,
        spreads=((1e6, 0.0),),
    ),
)
