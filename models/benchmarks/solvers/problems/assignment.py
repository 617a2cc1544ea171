"""Best assignment of two modes, a semidefinite program; sizes are numbers of stages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .....reference.errors import Array
from .....reference.service_modes import assignment, segment
from ....systems.service_modes.sum_of_squares import coefficients, squares
from ....systems.service_modes.sum_of_squares import write as write_program
from ....systems.service_modes.system import MultiMode
from ..accuracy import accuracy, for_any_values
from ..problem import Accuracy, Problem, ProblemInstance, Truth, Written
from .partition import build


def instance(system: MultiMode, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the largest load; its value is the least mean delay."""
    load = part * system.max_load
    truth = Truth(assignment(system.rates, load).mean_delay, np.empty(0))
    numerator, denominator, scale = coefficients(segment(system.rates, load))

    def write() -> Written:
        program = write_program(system.rates.stages)
        program.numerator.value, program.denominator.value = numerator, denominator
        names = ("bound", "gram0", "gram1")
        return Written(program.problem, {name: getattr(program, name) for name in names})

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        bound, grams = float(values["bound"]), (values["gram0"], values["gram1"])
        residual = np.abs(numerator - bound * denominator - squares(*grams)).max()
        negative = [-np.linalg.eigvalsh(gram).min() for gram in grams]
        skew = [np.abs(gram - gram.T).max() for gram in grams]
        return accuracy(truth, bound * float(scale), (residual, *negative, *skew))

    return ProblemInstance(truth, write, judge, truth.value / float(scale))


PROBLEMS = (
    Problem(
        "assignment",
        "dual-mode assignment",
        build,
        lambda system: {"sos": frozenset({"PSD"})},
        instance,
        sizes=(2, 8),
        largest=16,
        spreads=((1e6, 0.0),),
    ),
)
