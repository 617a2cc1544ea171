"""Optima of parallel servers within linear limits as problems of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.parallel.limits import limited_optimum
from ...systems.parallel.linear_limit import Limit
from ...systems.parallel.system import ParallelServers
from .accuracy import for_any_values
from .parallel import accuracy_of
from .problem import Accuracy, ProblemInstance, Truth, Written


class Limits(NamedTuple):
    """Limits at one load, and the same ones in numbers.

    Attributes
    ----------
    given : tuple of Limit
    most : ndarray, shape (n,)
        Largest flow of each server, jobs/s.
    price : ndarray, shape (n,)
        Row of numbers of 0 or more, such as the money per job.
    bound : float
        Largest sum of price times flow; infinite where there is no row.
    """

    given: tuple[Limit, ...]
    most: Array
    price: Array
    bound: float = math.inf


def instance(
    system: ParallelServers, limits: Limits, formulation: str, load: float
) -> ProblemInstance:
    """Return the instance of the optimum within limits at a load."""
    row: dict[str, Any] = (
        {} if math.isinf(limits.bound) else {"matrix": limits.price, "bound": limits.bound}
    )
    true = limited_optimum(system.bank, load, most=limits.most, **row)
    truth, points = Truth(true.mean_delay, true.flow), (np.array([load]),)
    question = system._question("optimum", load, math.inf, {"subject_to": limits.given})

    def write() -> Written:
        model = question.write(formulation, points)
        for parameter, values in question.parameters(model, points):
            parameter.value = values[0]
        return Written(model.problem, {"flow": model.variable})

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        flow = values["flow"] / question.unit
        row = float(limits.price @ flow)
        over = (float((flow - limits.most).max()) / load, row / limits.bound - 1.0)
        gap = float(question.certify_stored(points, lambda *_: flow[None]).gap[0])
        return accuracy_of(system.bank, load, flow, truth, gap, *over)

    best = {"flow": true.flow * question.unit}
    return ProblemInstance(truth, write, judge, load * true.mean_delay, best)
