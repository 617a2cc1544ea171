"""Few players, each with its part of the load, at M/M/1 servers at different distances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....systems.parallel.system import ParallelServers
from ..parallel import formulations
from ..problem import Axes, Overload, Problem, ProblemInstance, Written
from ..questions import of_players, question_of_players, written
from .mm1 import draw

PLAYERS = 3


def build(axes: Axes, rng: np.random.Generator) -> ParallelServers:
    """Return random servers."""
    return ParallelServers(draw(axes, rng))


def of_system(system: ParallelServers) -> Mapping[str, frozenset[str]]:
    """Return the formulation: the total delay and the potential, in one sum."""
    total, potential = formulations(system, "optimum"), formulations(system, "equilibrium")
    return {"beckmann": total["inv_pos"] | potential["beckmann"]}


def instance(system: ParallelServers, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the total rate."""
    return of_players(system, PLAYERS, formulation, part * system.total_rate)


def overload(system: ParallelServers, formulation: str) -> Overload:
    """Return the function that writes the program at a load above the total rate."""

    def write(part: float) -> Written:
        load = part * system.total_rate
        return written(question_of_players(system, PLAYERS, load), formulation, load)

    return write


PROBLEMS = (
    Problem(
        "mm1-players",
        f"M/M/1 equilibrium of {PLAYERS} players",
        build,
        of_system,
        instance,
        sizes=(3, 300),
        largest=10_000,
        spreads=((10.0, 5.0),),
        overload=overload,
    ),
)
