"""Options that a solver gets in the end: through CVXPY, by settings, and in the metadata."""

import inspect
import os

import cvxpy as cp
import pytest

from sojourn.models.benchmarks.solvers.compare import comparison
from sojourn.models.benchmarks.solvers.run.cvxpy_solver import CvxpySolver
from sojourn.models.benchmarks.solvers.settings import Settings
from sojourn.models.core.solver_specs import SOLVERS, merged, spec

INSTALLED = sorted({*cp.installed_solvers()} & {one.name for one in SOLVERS})
OUTPUT = {"verbose", "show_progress", "print", "glpk", "scipy_options"}
"""Names of options with which CVXPY silences a solver, or that it leaves empty."""
ENDLESS = 10**9  # iterations


def passed_by_cvxpy(name, monkeypatch, objective=lambda x: x):
    """Return the options that CVXPY sets where it is given none, on a tiny program."""
    found, objects = {}, []
    x = cp.Variable()
    problem = cp.Problem(cp.Minimize(objective(x)), [x >= 1])
    if name in WATCHED:
        WATCHED[name](monkeypatch, found, objects)
    data, chain, _ = problem.get_problem_data(name)
    options = {}  # most interfaces write into it
    chain.solve_via_data(problem, data, warm_start=False, verbose=False, solver_opts=options)
    for given, own in objects:
        public = [key for key in dir(own) if key[0] != "_" and not callable(getattr(own, key))]
        found |= {k: getattr(given, k) for k in public if getattr(given, k) != getattr(own, k)}
    return {key: value for key, value in {**options, **found}.items() if key not in OUTPUT}


def watch_clarabel(monkeypatch, found, objects):
    import clarabel

    solver = clarabel.DefaultSolver

    def recorded(*arguments):
        objects.append((arguments[-1], clarabel.DefaultSettings()))
        return solver(*arguments)

    monkeypatch.setattr(clarabel, "DefaultSolver", recorded)


def watch_qpalm(monkeypatch, found, objects):
    import qpalm

    solver = qpalm.Solver

    def recorded(data, settings):
        objects.append((settings, qpalm.Settings()))
        return solver(data, settings)

    monkeypatch.setattr(qpalm, "Solver", recorded)


def watch_piqp(monkeypatch, found, objects):
    import piqp

    class Recorded(piqp.SparseSolver):
        def solve(self):
            objects.append((self.settings, piqp.SparseSolver().settings))
            found["backend"] = "sparse"
            return super().solve()

    monkeypatch.setattr(piqp, "SparseSolver", Recorded)


def watch_cvxopt(monkeypatch, found, objects):
    from cvxopt import solvers

    conelp = solvers.conelp

    def recorded(*arguments, kktsolver):
        found.update(solvers.options, kktsolver=kktsolver)
        return conelp(*arguments, kktsolver=kktsolver)

    monkeypatch.setattr(solvers, "conelp", recorded)


WATCHED = {
    "CLARABEL": watch_clarabel,
    "QPALM": watch_qpalm,
    "PIQP": watch_piqp,
    "CVXOPT": watch_cvxopt,
}
"""Solvers whose interface in CVXPY does not write into the options that it is given."""


def own_defaults(name):
    """Return the solver's own defaults, where it tells them."""
    if name == "OSQP":
        import osqp

        extension = osqp.OSQP().ext
        own = extension.OSQPSettings()
        extension.osqp_set_default_settings(own)
        return {key: getattr(own, key) for key in dir(own) if key[0] != "_"}
    if name == "PROXQP":
        from proxsuite import proxqp

        own = proxqp.dense.QP(1, 0, 1).settings
        names = {key.removeprefix("default_"): key for key in dir(own) if key[0] != "_"}
        return {short: getattr(own, key) for short, key in names.items()}
    if name == "DAQP":
        import daqp

        parameters = inspect.signature(daqp.solve).parameters
        return {key: parameter.default for key, parameter in parameters.items()}
    if name == "SDPA":
        from sdpap.param import param

        return param({})
    return {}


FREE = [name for name in INSTALLED if name not in {"GUROBI", "COPT", "MOSEK", "SCIP"}]


@pytest.mark.parametrize("name", FREE)
def test_what_cvxpy_adds_is_in_the_record(name, monkeypatch):
    added, own = passed_by_cvxpy(name, monkeypatch), own_defaults(name)
    differing = {key: value for key, value in added.items() if own.get(key, ...) != value}
    assert differing == spec(name).cvxpy


@pytest.mark.skipif("DAQP" not in INSTALLED, reason="needs DAQP")
def test_daqp_is_regularised_where_the_objective_is_not_strictly_convex(monkeypatch):
    assert passed_by_cvxpy("DAQP", monkeypatch)["eps_prox"] == 1e-5
    assert passed_by_cvxpy("DAQP", monkeypatch, cp.square)["eps_prox"] == 0.0


@pytest.mark.parametrize("record", SOLVERS, ids=lambda record: record.name)
def test_a_tolerance_or_the_time_ends_a_run_not_its_iterations(record):
    if not record.tolerances:
        return
    limits = [value for key, value in leaves(record.accuracy(1e-9)) if "iter" in key.lower()]
    # HiGHS, SCIP and CPLEX have none of their own
    assert limits or record.name in ("HIGHS", "SCIP", "CPLEX")
    assert all(ENDLESS < limit < 2**31 for limit in limits)


def leaves(options):
    for key, value in options.items():
        yield from leaves(value) if isinstance(value, dict) else [(key, value)]


@pytest.mark.skipif("HIGHS" not in INSTALLED, reason="needs HiGHS")
def test_iterations_of_highs_are_not_limited():
    import highspy

    solver = highspy.Highs()
    for kind in ("simplex", "ipm", "qp"):
        assert solver.getOptionValue(f"{kind}_iteration_limit")[1] > ENDLESS


def test_the_gap_counts_where_cvxpy_passes_that_on():
    assert spec("PIQP").accuracy(1e-6)["check_duality_gap"] is True


def test_options_in_dictionaries_are_merged():
    mosek = CvxpySolver("MOSEK").options(Settings("high", 1e-9), 10.0)
    assert set(mosek["mosek_params"]) > {
        "MSK_IPAR_NUM_THREADS",
        "MSK_IPAR_INTPNT_MAX_ITERATIONS",
        "MSK_DPAR_OPTIMIZER_MAX_TIME",
    }
    assert mosek["mosek_params"]["MSK_DPAR_INTPNT_CO_TOL_PFEAS"] == 1e-9
    assert merged({"a": {"b": 1}, "c": 1}, {"a": 2}, {"c": {"d": 3}}) == {"a": 2, "c": {"d": 3}}


def test_metadata_say_what_was_effective_and_how_busy_the_machine_was():
    solvers = ["SCS", "OSQP", "CLARABEL"]
    settings = ["default", "high", "sojourn"]
    run = comparison(
        problems=["mm1-optimum"], sizes=[3], loads=[0.6], solvers=solvers, settings=settings,
        workers=1000,
    )  # fmt: skip
    found = run.metadata()
    default, high = found["settings"]["default"], found["settings"]["high"]
    assert default["SCS"] == "eps_abs=1e-05, eps_rel=1e-05, time_limit_secs=10.0"
    assert "max_iter=10000, polishing=True" in default["OSQP"]
    assert "eps_abs=1e-09, eps_rel=1e-09, max_iter=2000000000, polishing=True" in high["OSQP"]
    assert found["settings"]["sojourn"]["OSQP"].startswith("not run: ")
    assert "eps" not in default["CLARABEL"]
    machine = found["machine"]
    assert machine["more workers than physical cores"] is True
    assert 1 <= machine["physical cores"] <= machine["processors"]
    for name in ("load average at the start", "load average at the end"):
        assert machine[name] >= 0 if hasattr(os, "getloadavg") else machine[name] is None
    assert found["started"] <= found["ended"]
