"""SciPy's SLSQP, a local solver for smooth problems."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from .....reference.errors import Array
from ..answer import Answer
from ..case import Case

EDGE = 1e-9  # part of a server that stays spare
OPTIONS = {"ftol": 1e-15, "maxiter": 1000}


def solve(case: Case, limit: float) -> Answer:
    """Start from an even utilisation; gradient, equality constraint and bounds given, the objective scaled to about 1."""
    found = [_one(case, float(load)) for load in case.loads]
    failed = next((message for _, message in found if message), "")
    said = f"nothing; says '{failed or 'success'}'"
    return Answer(np.array([x for x, _ in found]), said, "even start, gradient, bounds, ftol 1e-15")


def _one(case: Case, load: float) -> tuple[Array, str]:
    """Flow at a load in parts of the load, so that all numbers are about 1; what it complains of, if anything."""
    mu, k = case.rate / load, (1 + case.cv**2) / 2
    scale = float(1 / case.rate.mean())

    def value(x: Array) -> tuple[float, Array]:
        spare_capacity = np.maximum(mu - x, EDGE * mu)
        wait, slope = k * x / (mu * spare_capacity), k / spare_capacity**2
        latency = (1 / mu + wait) / load + case.delay
        return float(x @ latency) / scale, (latency + x * slope / load) / scale

    found = minimize(
        value,
        mu / mu.sum(),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, (1 - EDGE) * rate) for rate in mu],
        constraints=[
            {"type": "eq", "fun": lambda x: x.sum() - 1, "jac": lambda x: np.ones_like(x)}
        ],
        options=OPTIONS,
    )
    return np.asarray(found.x) * load, "" if found.success else str(found.message)


METHODS = (("SciPy, SLSQP", solve),)
