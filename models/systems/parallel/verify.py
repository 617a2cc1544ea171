"""Verification of parallel servers: the convex programs against the reference's scalar roots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ....reference.parallel import optimum_equilibrium as exact
from ....reference.parallel.anarchy import ratio_of
from ....reference.parallel.optimum_equilibrium import Split
from ...core.progress import track
from ...core.ratio import PriceOfAnarchy
from ...frontend.verification import AGREE, Check, compare, compare_flows
from .formulations import for_goal
from .prices import GOALS
from .solution import Solution

if TYPE_CHECKING:
    from ...core.options import FormulationOptions
    from .system import ParallelServers

STEP = 1e-5  # relative distance from a threshold at which its server is checked


def checks(
    system: ParallelServers, loads: Iterable[float], options: FormulationOptions
) -> Iterator[Check]:
    """Yield the checks of a system.

    At every load: mean delay, multiplier and flows of optimum and equilibrium, and the price of
    anarchy. Once: every threshold below the total rate, by solving just below and just above it.

    Parameters
    ----------
    system : ParallelServers
        n servers.
    loads : iterable of float
        Total loads, jobs per unit of time.
    options : FormulationOptions
        As for `ParallelServers.optimum`.
    """
    for load in loads:
        yield from _at_load(system, load, options)
    yield from _at_thresholds(system, options)


def _at_load(system: ParallelServers, load: float, options: FormulationOptions) -> Iterator[Check]:
    """Compare the solutions of both goals at a load with the exact ones."""
    found: dict[str, Solution] = {
        goal: getattr(system, goal)(load, **for_goal(goal, options)) for goal in GOALS
    }
    true: dict[str, Split] = {goal: getattr(exact, goal)(system.bank, load) for goal in GOALS}
    for goal in GOALS:
        model, split = found[goal], true[goal]
        yield compare(
            f"{goal} mean delay",
            load,
            model.mean_delay,
            float(split.mean_delay),
            model.certificate.gap,
            "time",
        )
        yield compare(
            f"{goal} multiplier", load, model.multiplier, float(split.multiplier), None, "time"
        )
        yield compare_flows(f"{goal} flow", load, system.names, model.flow, split.flow)
    poa = PriceOfAnarchy.of(found["equilibrium"], found["optimum"])
    yield compare(
        "price of anarchy",
        load,
        poa,
        float(ratio_of(true["equilibrium"], true["optimum"])),
        poa.spread,
        "number",
    )


def _at_thresholds(system: ParallelServers, options: FormulationOptions) -> Iterator[Check]:
    """Check that a server is empty just below its threshold, and used just above.

    Servers with one threshold are one check.
    """
    thresholds = system.thresholds()
    for goal in GOALS:
        loads = getattr(thresholds, goal)
        inside = np.unique(loads[(loads > 0) & (loads < system.total_rate * (1 - 2 * STEP))])
        for load in track(inside.tolist(), f"{goal} thresholds"):
            starting = np.flatnonzero(loads == load)
            below, above = (
                getattr(system, goal)(load * (1 + side), **for_goal(goal, options)).flow[starting]
                for side in (-STEP, STEP)
            )
            passed = bool(
                np.all(
                    (below <= AGREE * load) & (above > AGREE * load) | (below == 0) & (above > 0)
                )
            )
            more = f" and {starting.size - 1:,} more" if starting.size > 1 else ""
            name = f"{goal} threshold ({system.names[starting[0]]}{more})"
            yield Check(name, load, load, load, 0.0 if passed else 1.0, None, passed, "rate")
