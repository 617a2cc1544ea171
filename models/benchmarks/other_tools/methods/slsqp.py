"""SLSQP of SciPy, a local solver for smooth problems."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from .....reference.errors import Array
from ..answer import Answer
from ..instance import Instance

EDGE = 1e-9  # least relative spare capacity of a server
OPTIONS = {"ftol": 1e-15, "maxiter": 1000}


def solve(instance: Instance, limit: float) -> Answer:
    """Minimise the mean delay from a start of equal utilisations.

    SLSQP gets the gradient, the equality constraint, bounds, and an objective of about 1.
    """
    results = [_solve_load(instance, float(load)) for load in instance.loads]
    failure = next((message for _, message in results if message), "")
    certifies = f"nothing; status '{failure or 'success'}'"
    flow = np.array([x for x, _ in results])
    return Answer(flow, certifies, "even start, gradient, bounds, ftol 1e-15")


def _solve_load(instance: Instance, load: float) -> tuple[Array, str]:
    """Flow at a load, shape (n,), and the message of a failure, "" without one.

    The variables are shares of the load, so that all numbers are about 1.
    """
    mu, k = instance.rate / load, (1 + instance.cv**2) / 2
    scale = float(1 / instance.rate.mean())

    def objective(x: Array) -> tuple[float, Array]:
        spare_capacity = np.maximum(mu - x, EDGE * mu)
        wait, slope = k * x / (mu * spare_capacity), k / spare_capacity**2
        latency = (1 / mu + wait) / load + instance.delay
        return float(x @ latency) / scale, (latency + x * slope / load) / scale

    balance = {"type": "eq", "fun": lambda x: x.sum() - 1, "jac": lambda x: np.ones_like(x)}
    result = minimize(
        objective,
        mu / mu.sum(),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, (1 - EDGE) * rate) for rate in mu],
        constraints=[balance],
        options=OPTIONS,
    )
    return np.asarray(result.x) * load, "" if result.success else str(result.message)


METHODS = (("SciPy, SLSQP", solve),)
