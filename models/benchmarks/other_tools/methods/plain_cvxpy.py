"""CVXPY as somebody who knows it would use it, without this library."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from ..answer import Answer, Skipped
from ..instance import Case


def solve(case: Case, limit: float) -> Answer:
    """Write the mean delay by `inv_pos`, the load as a parameter; loop over the loads with the default solver and its settings.

    By Pollaczek and Khinchine a server carries x/mu + k x^2 / (mu (mu - x)) + d x with k = (1 + cv^2)/2, and CVXPY sees that it is convex
    in x^2 / (mu - x) = mu^2 / (mu - x) - mu - x.
    """
    mu, k = case.rate, (1 + case.cv**2) / 2
    x, load = cp.Variable(mu.size, nonneg=True), cp.Parameter(nonneg=True)
    square = cp.multiply(mu**2, cp.inv_pos(mu - x)) - mu - x
    carried = cp.multiply(1 / mu + case.delay, x) + cp.multiply(k / mu, square)
    problem = cp.Problem(cp.Minimize(cp.sum(carried)), [cp.sum(x) == load])
    flows = []
    for value in case.loads:
        load.value = value
        try:
            problem.solve()
        except cp.error.SolverError as error:
            raise Skipped(f"no answer at load {value:g}: {error}") from error
        if x.value is None:
            raise Skipped(f"no answer at load {value:g}: {problem.status}")
        flows.append(np.asarray(x.value))
    solver = problem.solver_stats.solver_name
    return Answer(
        np.array(flows),
        f"nothing; says '{problem.status}'",
        f"CVXPY's defaults: {solver.capitalize()}; DPP load parameter",
    )


METHODS = (("CVXPY, plain loop", solve),)
