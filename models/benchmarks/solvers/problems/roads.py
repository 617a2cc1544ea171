"""Parallel roads, whose travel times rise by powers: second-order towers or power cones."""

from __future__ import annotations

import numpy as np

from ....latency import BPR
from ....systems.parallel.prices import Goal
from ....systems.parallel.system import ParallelServers
from ..parallel import TYPICAL, draw_delays, draw_rates
from ..parallel import instance as parallel_instance
from ..problem import Axes, Problem, ProblemInstance

POWERS = (1.0, 1.5, 2.0, 2.5, 4.0, 5.0)
NEXT = 1.0 + 1e-14
"""Factor of a power that makes it no simple fraction, so that it is written as a power cone."""
KINDS = {"towers": frozenset({"SOC"}), "power_cones": frozenset({"POW"})}
WRITTEN: dict[Goal, str] = {"optimum": "epigraph", "equilibrium": "beckmann"}
STEEPNESS = 1 / 6  # by which loads grow beyond the capacities


def draw(axes: Axes, rng: np.random.Generator) -> ParallelServers:
    """Return random roads; the rates of the axes are their practical capacities."""
    free_flow = 1.0 / TYPICAL + draw_delays(axes, rng)
    power, b = rng.choice(POWERS, axes.n), rng.uniform(0.1, 1.0, axes.n)
    return ParallelServers(BPR(free_flow, draw_rates(axes, rng), b, power))


def instance(system: ParallelServers, goal: Goal, written: str, part: float) -> ProblemInstance:
    """Return the instance at a load that grows without bound as the part tends to 1.

    Roads take any load. At 50 % it is 0.56 times their practical capacities, at 99.9999 % 10 times.
    """
    roads: BPR = system.bank  # type: ignore[assignment]
    load = float(roads.capacity.sum()) * part / (1.0 - part) ** STEEPNESS
    if written == "power_cones":
        roads = BPR(roads.free_flow, roads.capacity, roads.b, roads.power * NEXT)
    return parallel_instance(ParallelServers(roads), goal, WRITTEN[goal], load)


def problem(goal: Goal) -> Problem:
    """Return the problem of a goal."""
    return Problem(
        f"roads-{goal}",
        f"parallel roads, {goal}",
        draw,
        lambda system: KINDS,
        lambda system, written, part: instance(system, goal, written, part),
        sizes=(30, 300),
        largest=10_000,
        spreads=((1e6, 5.0),),
        any_load=True,
    )


PROBLEMS = (problem("optimum"), problem("equilibrium"))
