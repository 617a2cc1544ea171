"""Time of other questions over many points, against Clarabel alone on the same programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest

from ... import Budget, MaxUtilisation, ParallelServers
from ...systems.parallel.game_curves import control_curve, players_curve
from .bench_sweeps import RAW, servers
from .plugin import SMALL_RUN, Measure
from .solver_alone import alone

COUNT = 20 if SMALL_RUN else 1000


def within_limits(system: ParallelServers) -> Any:
    """Solve the optimum within a budget and a utilisation over loads that they allow."""
    price = system.bank.rate / system.bank.rate.max()
    limits = [Budget(price, at_most=0.75 * float(price @ system.bank.rate)), MaxUtilisation(0.9)]
    loads = np.linspace(0.05, 0.7, COUNT) * system.total_rate
    return system.curve(loads, "optimum", subject_to=limits)


def of_players(system: ParallelServers) -> Any:
    """Solve the equilibrium of four players, and the optimum, over loads."""
    return players_curve(system, np.linspace(0.05, 0.95, COUNT) * system.total_rate, [4])


def under_control(system: ParallelServers) -> Any:
    """Solve the equilibrium of the other users over parts of the load that are controlled."""
    return control_curve(system, 0.5 * system.total_rate, np.linspace(0, 1, COUNT), ["scale"])


JOBS: Mapping[str, Callable[[ParallelServers], Any]] = {
    f"within a budget and a utilisation, 3 servers, {COUNT:,} loads": within_limits,
    f"4 players, 3 servers, {COUNT:,} loads": of_players,
    f"control, 3 servers, {COUNT:,} fractions of a load": under_control,
}


@pytest.mark.parametrize("who", ["curve", RAW])
@pytest.mark.parametrize("row", JOBS)
def bench_curves(measure: Measure, row: str, who: str) -> None:
    """Curves with certificates."""
    job = partial(JOBS[row], servers(3))
    measure(alone(job) if who == RAW else job, row, who, per=COUNT, unit="point", rounds=3)
