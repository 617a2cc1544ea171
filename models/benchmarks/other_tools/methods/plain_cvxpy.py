"""CVXPY without this library, as an experienced user would write it."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from ..answer import Answer, Unavailable
from ..instance import Instance


def solve(instance: Instance, limit: float) -> Answer:
    """Minimise the mean delay, written with `cvxpy.inv_pos`, in a loop over the loads.

    The load is a parameter; the solver and its settings are CVXPY's defaults.

    Notes
    -----
    By the formula of Pollaczek and Khinchine, flow times latency of a server is
    x/mu + k x^2 / (mu (mu - x)) + d x with k = (1 + cv^2)/2. CVXPY recognises its convexity through
    x^2 / (mu - x) = mu^2 / (mu - x) - mu - x.
    """
    mu, k = instance.rate, (1 + instance.cv**2) / 2
    x, load = cp.Variable(mu.size, nonneg=True), cp.Parameter(nonneg=True)
    square = cp.multiply(mu**2, cp.inv_pos(mu - x)) - mu - x
    total_delay = cp.multiply(1 / mu + instance.delay, x) + cp.multiply(k / mu, square)
    problem = cp.Problem(cp.Minimize(cp.sum(total_delay)), [cp.sum(x) == load])
    flows = []
    for value in instance.loads:
        load.value = value
        try:
            problem.solve()
        except cp.error.SolverError as error:
            raise Unavailable(f"no answer at load {value:g}: {error}") from error
        if x.value is None:
            raise Unavailable(f"no answer at load {value:g}: {problem.status}")
        flows.append(np.asarray(x.value))
    solver = problem.solver_stats.solver_name.capitalize()
    settings = f"CVXPY's defaults: {solver}; DPP load parameter"
    return Answer(np.array(flows), f"nothing; status '{problem.status}'", settings)


METHODS = (("CVXPY, plain loop", solve),)
