"""Time of one answer of systems that were never seen, of shapes already seen.

One round solves `COUNT` new random systems, so that its least time is no stroke of luck.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from ....reference.errors import Array
from ... import MM1, ParallelServers
from ...systems.parallel.prices import Goal
from .plugin import SMALL_RUN, Measure
from .solver_alone import alone

COUNT = 2 if SMALL_RUN else 50
RAW, BY_HAND, SLSQP = "Clarabel alone", "CVXPY by hand", "SLSQP of SciPy"
SLSQP_TOLERANCE = 1e-10  # by default 1e-6, with errors far above those of the others
Solve = Callable[[Array, Array, float], Any]


def of_library(goal: Goal, rate: Array, delay: Array, load: float) -> Any:
    """Solve by this library."""
    return getattr(ParallelServers(MM1(rate, delay)), goal)(load)


def by_hand(goal: Goal, rate: Array, delay: Array, load: float) -> Any:
    """Solve as a user of CVXPY would write it."""
    x = cp.Variable(rate.size, nonneg=True)
    if goal == "optimum":  # x/(mu - x) = mu/(mu - x) - 1
        cost = delay @ x + cp.sum(cp.multiply(rate, cp.inv_pos(rate - x)) - 1)
    else:  # the potential of Beckmann
        cost = delay @ x - cp.sum(cp.log(rate - x))
    return cp.Problem(cp.Minimize(cost / load), [cp.sum(x) == load]).solve(solver=cp.CLARABEL)


def by_slsqp(goal: Goal, rate: Array, delay: Array, load: float) -> Any:
    """Solve by SLSQP with gradients, for shares of the load, in units with numbers near 1."""
    most, unit = rate / load, load / rate.mean()  # largest shares; jobs that one time unit serves

    def cost(share: Array) -> tuple[float, Array]:
        spare = most - share
        if goal == "optimum":
            value, slope = (share / spare).sum() / load, most / spare**2 / load
        else:
            value, slope = -np.log(spare / most).sum() / load, 1 / spare / load
        return (delay @ share + value) * unit, (delay + slope) * unit

    return minimize(
        cost,
        most / most.sum(),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, share) for share in most * (1 - 1e-9)],
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        options={"ftol": SLSQP_TOLERANCE, "maxiter": 1000},
    )


def on_new_systems(solve: Solve, size: int) -> Callable[[], None]:
    """Return a job that solves new M/M/1 servers in each call, at 20 to 90 % load."""
    rng = np.random.default_rng(2348)

    def job() -> None:
        for _ in range(COUNT):
            rate, delay = rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)
            solve(rate, delay, float(rng.uniform(0.2, 0.9) * rate.sum()))

    return job


WHO = [(3, who) for who in ("goal", RAW, BY_HAND, SLSQP)]
WHO += [] if SMALL_RUN else [(30, who) for who in ("goal", RAW, BY_HAND)]  # SLSQP takes long


@pytest.mark.parametrize(("size", "who"), WHO)
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def bench_fresh(measure: Measure, goal: Goal, size: int, who: str) -> None:
    """A system with its certificate; Clarabel alone sets up a solver for each."""
    ways = {"goal": of_library, RAW: of_library, BY_HAND: by_hand, SLSQP: by_slsqp}
    job = on_new_systems(partial(ways[who], goal), size)
    row = f"{goal} of a new system of {size} servers, in rounds of {COUNT}"
    who, job = (goal, job) if who == "goal" else (who, alone(job) if who == RAW else job)
    measure(job, row, who, per=COUNT, unit="system")
