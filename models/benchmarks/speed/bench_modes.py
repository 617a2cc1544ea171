"""Time of best assignments to many service modes, against a pair, local solvers and CVXPY."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from ....reference import service_modes as exact
from ....reference.errors import Array
from ....reference.service_modes import Modes
from ... import MultiMode, SharedModes
from ..local_minima import random_assignment, random_modes
from ..local_solvers import lbfgs
from .plugin import SMALL_RUN, Measure

LOADS, SYSTEMS = (4, 2) if SMALL_RUN else (200, 5)
MANY, LOCAL = (8, 20) if SMALL_RUN else (50, 20)  # modes at two and at three stages
COUNT, STARTS = (2, 3) if SMALL_RUN else (24, 100)
PAIR, BY_HAND = "a sweep of one pair", "CVXPY by hand"


def works(kind: str, rng: np.random.Generator) -> Array:
    """Return works of many modes at two stages: exponential, or close to a segment.

    Few of the modes close to a segment can be left out.
    """
    if kind == "random":
        return rng.exponential(size=(2, MANY))
    f = rng.uniform(size=MANY)
    return np.stack([f, (1 - f) * rng.uniform(1, 1.3, MANY) / 4])


def pair_of(modes: Modes) -> Modes:
    """Return the two modes that the best assignment uses close to the largest load."""
    largest = exact.capacity(modes)
    return modes.take(np.argsort(-largest.assignment)[:2])


@pytest.mark.parametrize("who", ["best assignments", PAIR])
@pytest.mark.parametrize("kind", ["random", "hull-like"])
def bench_two_stages(measure: Measure, kind: str, who: str) -> None:
    """Loads up to 98 % of the largest, of several systems, by the reference."""
    systems = [Modes.from_work(works(kind, np.random.default_rng([1, i]))) for i in range(SYSTEMS)]
    if who == PAIR:
        systems = [pair_of(modes) for modes in systems]
    loads = [np.linspace(0.02, 0.98, LOADS) * exact.capacity(m).max_load for m in systems]

    def job() -> None:
        for modes, values in zip(systems, loads, strict=True):
            exact.best_assignments(modes, values)

    row = f"{MANY} modes at 2 stages, {kind} works, {LOADS} loads"
    measure(job, row, who, per=SYSTEMS * LOADS, unit="load", rounds=3, at_most=5.0)


@pytest.mark.parametrize("who", ["curve", PAIR])
@pytest.mark.parametrize("kind", ["random", "hull-like"])
def bench_two_stages_by_model(measure: Measure, kind: str, who: str) -> None:
    """The same by the model, whose semidefinite programs prove the best pair."""
    modes = Modes.from_work(works(kind, np.random.default_rng([1, 0])))
    if who == PAIR:
        modes = pair_of(modes)
    system = MultiMode.from_work(modes.time)
    loads = np.linspace(0.02, 0.98, LOADS) * system.max_load
    row = f"curve of {MANY} modes at 2 stages, {kind} works, {LOADS} loads"
    measure(partial(system.curve, loads), row, who, per=LOADS, unit="load", rounds=3, at_most=5.0)


@pytest.mark.parametrize("who", ["branch and bound", f"{STARTS} local starts"])
def bench_three_stages(measure: Measure, who: str) -> None:
    """Assignments certified to 1e-9, against L-BFGS-B in w = sqrt(p), which proves nothing."""
    drawn = []
    for i in range(COUNT):
        rng = np.random.default_rng([2, i])
        modes = random_modes(LOCAL, rng).rates
        load = float(rng.uniform(0.5, 0.99)) * exact.capacity(modes).max_load
        starts = [random_assignment(modes, load, rng) for _ in range(STARTS)]
        drawn.append((modes, load, starts))

    def job() -> None:
        for modes, load, starts in drawn:
            if who == "branch and bound":
                exact.assignment(modes, load)
            else:
                min(lbfgs(modes, load, start) for start in starts)

    row = f"{LOCAL} modes at 3 stages, certified to 1e-9"
    measure(job, row, who, per=COUNT, unit="system", rounds=2, at_most=1.0)


def by_hand(system: SharedModes, load: float) -> float:
    """Return the least mean delay of shared stages as a user of CVXPY would find it."""
    time = system.rates.time
    p = cp.Variable(time.shape[1], nonneg=True)
    spare_capacity = 1 - load * (time @ p)
    jobs = cp.sum(cp.inv_pos(spare_capacity)) - time.shape[0]
    problem = cp.Problem(cp.Minimize(jobs / load), [cp.sum(p) == 1])
    return float(problem.solve(solver=cp.CLARABEL))


@pytest.mark.parametrize("who", ["optimum", BY_HAND])
def bench_shared(measure: Measure, who: str) -> None:
    """Optimum of new systems of shared stages."""
    solve: Callable[[SharedModes, float], Any] = by_hand if who == BY_HAND else SharedModes.optimum
    rng = np.random.default_rng(3)

    def job() -> None:
        for _ in range(COUNT):
            system = SharedModes.from_work(rng.exponential(size=(3, LOCAL)))
            solve(system, float(rng.uniform(0.2, 0.9)) * system.max_load)

    row = f"optimum of new shared stages, {LOCAL} modes at 3 stages"
    measure(job, row, who, per=COUNT, unit="system", rounds=5)
