"""Best assignment of two modes, a semidefinite program; sizes are numbers of stages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....reference.errors import Array
from .....reference.service_modes import assignment, segment
from ....systems.service_modes.sum_of_squares import coefficients
from ....systems.service_modes.sum_of_squares import write as write_program
from ....systems.service_modes.system import MultiMode
from ..problem import Accuracy, Axes, Problem, ProblemInstance, Truth, Written
from .partition import build


def instance(system: MultiMode, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the largest load; its value is the least mean delay."""
    load = part * system.max_load
    least = assignment(system.rates, load).mean_delay
    numerator, denominator, scale = coefficients(segment(system.rates, load))
    program = write_program(system.rates.stages)
    program.numerator.value, program.denominator.value = numerator, denominator

    def judge(values: Mapping[str, Array]) -> Accuracy:
        program.bound.value = values["bound"]
        program.gram0.save_value(values["gram0"])
        program.gram1.save_value(values["gram1"])
        value = float(values["bound"]) * float(scale)
        grams = (values["gram0"], values["gram1"])
        negative = max(float(-np.linalg.eigvalsh(gram).min()) for gram in grams)
        residual = float(np.max(program.identity.violation()))
        return Accuracy(abs(value / least - 1), np.nan, max(negative, residual), np.nan)

    variables = {"bound": program.bound, "gram0": program.gram0, "gram1": program.gram1}
    return ProblemInstance(
        Truth(least, np.empty(0)), lambda: Written(program.problem, variables), judge
    )


PROBLEMS = (
    Problem(
        "assignment",
        "dual-mode assignment",
        build,
        lambda system: {"sos": frozenset({"PSD"})},
        instance,
        sizes=(2, 4, 8),
        largest=16,
        spreads=((100.0, 0.0),),
    ),
)
