"""Rows of the solver benchmark, drawn without any solver."""

import math
from itertools import product

import numpy as np

from sojourn.models.benchmarks.solvers.row import Row

CONES = {"qp": 1, "socp": 2, "inv_pos": 2, "minmax": 2, "geo_mean": 3, "exp": 4}
SOLVERS = {"CLARABEL": 4, "ECOS": 4, "SCS": 4, "QOCO": 2, "OSQP": 1}
"""Names, and the largest number of `CONES` that each supports."""
TOLERANCES = {"default": math.nan, "low": 1e-3, "mid": 1e-6, "high": 1e-9}
METADATA = {
    "limit": 5.0,
    "started": "2026-11-27 11:00",
    "machine": {"CPU": "a CPU", "CPUs": 2, "threads": 1},
    "versions": {"Python": "3.11", "NumPy": "2.4"},
    "settings": {
        "CLARABEL": {"high": {"tol_feas": 1e-9}, "default": {}},
        "SCS": {"high": {"a": 1}},
    },
}


def row(**fields):
    """Return a right row that says optimal, but for the fields given."""
    good = {
        "problem": "mm1-optimum",
        "formulation": "inv_pos",
        "n": 3,
        "load": 0.9,
        "rate_spread": 10.0,
        "delay_spread": 5.0,
        "seed": 0,
        "solver": "CLARABEL",
        "status": "optimal",
        "error": 1e-9,
        "flow_error": 1e-8,
        "violation": 0.0,
        "gap": 1e-9,
        "primal_residual": 1e-10,
        "dual_residual": 1e-10,
        "complementarity": 1e-10,
        "iterations": 10.0,
        "solve_seconds": 0.002,
        "fastest_seconds": 0.0015,
        "slowest_seconds": 0.0025,
        "repeats": 3,
    }
    return Row(**{**good, **fields})


def failed(**fields):
    """Return a row without an answer, but for the fields given."""
    names = ("error", "flow_error", "violation", "gap", "primal_residual", "dual_residual")
    lost = dict.fromkeys((*names, "complementarity"), math.inf)
    time = {"failure": "time", "status": "", "solve_seconds": 5.0, "iterations": math.nan}
    return row(**{**lost, **time, **fields})


def random_rows(
    problems=2,
    sizes=(3, 30),
    loads=(0.3, 0.9, 0.999),
    solvers=SOLVERS,
    settings=tuple(TOLERANCES),
    seed=0,
):
    """Return rows of random errors that grow with the load and fall with the tolerance."""
    rng = np.random.default_rng(seed)
    names = [f"problem-{i}" for i in range(problems)]
    tolerances = [(name, TOLERANCES[name]) for name in settings]
    cells = product(names, CONES, sizes, loads, solvers, tolerances)
    return [_random_row(rng, *cell) for cell in cells]


def _random_row(rng, problem, formulation, n, load, solver, settings):
    name, tolerance = settings
    fields = {
        "problem": problem,
        "formulation": formulation,
        "n": n,
        "load": load,
        "solver": solver,
        "settings": name,
        "tolerance": tolerance,
        "version": "1.0",
    }
    if CONES[formulation] > SOLVERS.get(solver, 4):
        return failed(**fields, failure="", skipped="no such cone", solve_seconds=0.0)
    fate = rng.random()
    if fate < 0.03:
        return failed(**fields, failure=str(rng.choice(["time", "memory", "crash"])))
    if fate < 0.06:
        return failed(**fields, failure="", status="infeasible", solve_seconds=0.001)
    residual = (1e-8 if math.isnan(tolerance) else tolerance) * 10 ** rng.uniform(-2, 0.5)
    seconds = 1e-4 * n**0.8 * 10 ** rng.uniform(-0.3, 0.3) * (1 - math.log10(residual) / 5)
    return row(
        **fields,
        status="optimal" if rng.random() < 0.9 else "optimal_inaccurate",
        error=residual * 10 ** rng.uniform(-2, 3) / (1 - load),
        flow_error=residual * 10 ** rng.uniform(-1, 4),
        violation=residual * 10 ** rng.uniform(-3, 0),
        gap=residual * 10 ** rng.uniform(0, 3),
        primal_residual=residual,
        dual_residual=math.nan if solver == "QOCO" else residual * rng.random(),
        complementarity=math.nan if solver == "QOCO" else residual * rng.random(),
        build_seconds=0.004,
        compile_seconds=0.02,
        transfer_seconds=0.0003,
        solve_seconds=seconds,
        fastest_seconds=0.9 * seconds,
        slowest_seconds=1.3 * seconds,
    )
