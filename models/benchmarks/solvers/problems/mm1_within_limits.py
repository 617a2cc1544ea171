"""M/M/1 servers within limits of their utilisations and percentiles, or within a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .....reference.errors import Array
from .....reference.parallel.limits import cheapest
from .....reference.parallel.optimum_equilibrium import optimum
from ....latency import MM1
from ....systems.parallel.limits import Budget, MaxUtilisation, ServerPercentile
from ....systems.parallel.system import ParallelServers
from ..parallel import draw_delays, draw_rates, formulations
from ..problem import Axes, Overload, Problem, ProblemInstance
from ..questions import Limits, overloaded, within_limits

P = 0.99  # share of the jobs within the times of the percentiles
UNLIMITED = 3  # of so many servers one has no largest utilisation


class Bounded(NamedTuple):
    """Servers with largest utilisations, and times within which most jobs are to be back.

    Attributes
    ----------
    system : ParallelServers
    utilisation : ndarray, shape (n,)
    stretch : ndarray, shape (n,)
        Time at each server, without its delay, within which the share P of the jobs is to be back,
        as a multiple of that at the empty server.
    """

    system: ParallelServers
    utilisation: Array
    stretch: Array

    @property
    def limits(self) -> Limits:
        """The limits: the second one is a utilisation of 1 - 1/stretch."""
        rate, delay = self.system.bank.rate, self.system.bank.delay
        within = delay + self.stretch * (-math.log1p(-P) / rate)
        given = MaxUtilisation(self.utilisation), ServerPercentile(P, within)
        most = rate * np.minimum(self.utilisation, 1.0 - 1.0 / self.stretch)
        return Limits(given, most, np.zeros(rate.size))


class Priced(NamedTuple):
    """Servers with a price of a job at each, shape (n,)."""

    system: ParallelServers
    price: Array


def draw(axes: Axes, rng: np.random.Generator) -> ParallelServers:
    """Return random servers."""
    return ParallelServers(MM1(draw_rates(axes, rng), draw_delays(axes, rng)))


def bounded(axes: Axes, rng: np.random.Generator) -> Bounded:
    """Return random servers with limits of each, close ones and wide ones."""
    system = draw(axes, rng)
    utilisation = np.where(np.arange(axes.n) % UNLIMITED, rng.uniform(0.3, 0.95, axes.n), 1.0)
    return Bounded(system, utilisation, 10.0 ** rng.uniform(0.5, 6.0, axes.n))


def priced(axes: Axes, rng: np.random.Generator) -> Priced:
    """Return random servers at random prices."""
    return Priced(draw(axes, rng), rng.uniform(0.1, 1.0, axes.n))


def of_system(asked: Bounded | Priced) -> Mapping[str, frozenset[str]]:
    """Return the formulations of the optimum with their cones; linear limits add none."""
    return formulations(asked.system, "optimum")


def within_bounds(asked: Bounded, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the largest load within the limits."""
    limits = asked.limits
    return within_limits(asked.system, limits, formulation, part * float(limits.most.sum()))


def beyond_bounds(asked: Bounded, formulation: str) -> Overload:
    """Return the function that writes the program at a load above the largest within the limits."""
    system, limits = asked.system, asked.limits
    most = float(limits.most.sum())
    return lambda part: overloaded(system, limits, formulation, part * most)


def within_budget(asked: Priced, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the total rate.

    The budget is in the middle between the least cost of any split and the cost of the optimum.
    """
    system, price, load = asked.system, asked.price, part * asked.system.total_rate
    rate = system.bank.rate
    least = float(cheapest(np.zeros(rate.size), rate, price, load)[1])
    money = 0.5 * (least + float(price @ optimum(system.bank, load).flow))
    limits = Limits((Budget(price, money),), rate, price, money)
    return within_limits(system, limits, formulation, load)


def beyond_budget(asked: Priced, formulation: str) -> Overload:
    """Return the function that writes the program at a load above the total rate.

    The budget is the cost of full servers, to which that of the instances tends with their load.
    """
    system, price, rate = asked.system, asked.price, asked.system.bank.rate
    limits = Limits((), rate, price, float(price @ rate))
    return lambda part: overloaded(system, limits, formulation, part * system.total_rate)


SIZES = (30, 300)
PROBLEMS = (
    Problem(
        "mm1-within-limits",
        "M/M/1 within limits",
        bounded,
        of_system,
        within_bounds,
        SIZES,
        largest=10_000,
        spreads=((1e6, 5.0),),
        overload=beyond_bounds,
    ),
    Problem(
        "mm1-within-budget",
        "M/M/1 within a budget",
        priced,
        of_system,
        within_budget,
        SIZES,
        largest=10_000,
        spreads=((10.0, 5.0),),
        overload=beyond_budget,
    ),
)
