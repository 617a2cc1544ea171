"""Rates of servers to buy within a budget, at given flows; sizes are servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .....reference.errors import Array
from .....reference.parallel.decisions.scalable import total_delay
from ....latency import MG1
from ....systems.parallel.decisions.sizes.problem import size_problem
from ....systems.parallel.decisions.sizes.program import SizeModel, program_unit, size_model
from ....systems.parallel.decisions.sizes.targets import RateBudget
from ....systems.parallel.system import ParallelServers
from ..accuracy import accuracy, for_any_values
from ..parallel import draw_delays, draw_rates
from ..problem import Accuracy, Axes, Overload, Problem, ProblemInstance, Truth, Written

GAP = 1e-8  # of a question; its program does not depend on it


class Sizing(NamedTuple):
    """Flows of servers whose rates are to be bought, and the price of a unit of each rate.

    Attributes
    ----------
    flow, cv, delay, price : ndarray, shape (n,)
    """

    flow: Array
    cv: Array
    delay: Array
    price: Array


def mm1(axes: Axes, rng: np.random.Generator) -> Sizing:
    """Return random M/M/1 servers; the rates of the axes are their flows."""
    flow, delay = draw_rates(axes, rng), draw_delays(axes, rng)
    return Sizing(flow, np.ones(axes.n), delay, rng.uniform(0.1, 1.0, axes.n))


def mg1(axes: Axes, rng: np.random.Generator) -> Sizing:
    """Return random servers with coefficients of variation from 0 to 5."""
    return mm1(axes, rng)._replace(cv=rng.uniform(0, 5, axes.n))


def instance(sizing: Sizing, formulation: str, part: float) -> ProblemInstance:
    """Return the instance whose flows, as rates, would cost a part of the budget."""
    flow, price = sizing.flow, sizing.price
    load, money = float(flow.sum()), float(price @ flow) / part
    bank = MG1(2.0 * flow, sizing.cv, sizing.delay)
    found = ParallelServers(bank).size(
        load, rate_price=price, split=flow / load, subject_to=[RateBudget(money)]
    )
    truth, flow = Truth(found.mean_delay, found.rate), found.flow
    unit = program_unit(found.flows, found.rate)

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        rate = values["rate"] * unit
        short = (1.0 - rate / flow).max()
        jobs = total_delay(flow, rate, bank.k, sizing.delay).sum()
        delay = float(jobs / load) if short < 0 else np.inf
        return accuracy(truth, delay, (price @ rate / money - 1.0, short), rate)

    # the program has its objective in units of its least value
    return ProblemInstance(
        truth, lambda: _written(found.model()), judge, 1.0, {"rate": found.rate / unit}
    )


def overload(sizing: Sizing, formulation: str) -> Overload:
    """Return the function that writes the program of flows that cost more than the budget."""
    flow, load = sizing.flow, float(sizing.flow.sum())
    system = ParallelServers(MG1(2.0 * flow, sizing.cv, sizing.delay))

    def write(part: float) -> Written:
        budget = RateBudget(float(sizing.price @ flow) / part)
        asked = size_problem(
            system,
            load,
            sizing.price,
            max_rate=None,
            min_rate=None,
            split=flow / load,
            minimise="delay",
            subject_to=[budget],
            delay_cost=None,
            opening=None,
            duration=None,
            gap=GAP,
        )
        return _written(size_model(asked, flow[None], system.bank.rate))

    return write


def _written(model: SizeModel) -> Written:
    (variable,) = model.rate.variables()
    return Written(model.problem, {"rate": variable})


PROBLEMS = (
    Problem(
        "mm1-sizes",
        "M/M/1 rates",
        mm1,
        lambda sizing: {"inv_pos": frozenset({"SOC"})},
        instance,
        sizes=(30, 300),
        largest=10_000,
        spreads=((1e6, 5.0),),
        overload=overload,
    ),
    Problem(
        "mg1-sizes",
        "M/G/1 rates",
        mg1,
        lambda sizing: {"root": frozenset({"SOC"})},
        instance,
        sizes=(30, 300),
        largest=10_000,
        spreads=((10.0, 5.0),),
        overload=overload,
    ),
)
