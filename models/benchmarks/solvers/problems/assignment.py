"""Best assignment of two modes, a semidefinite program; sizes are numbers of stages."""

from __future__ import annotations

import numpy as np

from .....reference.service_modes import assignment, segment
from ....systems.service_modes.sum_of_squares import coefficients
from ....systems.service_modes.sum_of_squares import write as write_program
from ....systems.service_modes.system import MultiMode
from ..problem import Accuracy, Problem, ProblemInstance


def build(n: int, rng: np.random.Generator) -> MultiMode:
    """Return n stages of random rates over two decades."""
    return MultiMode(10 ** rng.uniform(0, 2, (n, 2)))


def write(system: MultiMode, formulation: str, part: float) -> ProblemInstance:
    """Return the program at a part of the largest load; its value is the least mean delay."""
    load = part * system.max_load
    least = assignment(system.rates, load).mean_delay
    numerator, denominator, scale = coefficients(segment(system.rates, load))
    program = write_program(system.rates.stages)
    program.numerator.value, program.denominator.value = numerator, denominator

    def accuracy() -> Accuracy:
        value = float(np.asarray(program.bound.value)) * float(scale)
        grams = (np.asarray(gram.value) for gram in (program.gram0, program.gram1))
        negative = max(float(-np.linalg.eigvalsh(gram).min()) for gram in grams)
        residual = float(np.max(program.identity.violation()))
        return Accuracy(abs(value / least - 1), max(negative, residual))

    return ProblemInstance(program.problem, accuracy)


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
