"""One run of a solver: errors of solvers become statuses, also those that CVXPY drops."""

import cvxpy as cp
import pytest

from sojourn.models.core.run import QUICK, run


class Model:
    """A solver's model, whose licence does not cover it."""

    def __init__(self):
        self.solved = 0

    def optimize(self):
        """Raise as gurobipy does."""
        self.solved += 1
        raise RuntimeError("Model too large for\nsize-limited license")


def failing_run(monkeypatch, raw):
    """Return the status of a run whose solver returns a raw answer that CVXPY refuses."""
    problem = cp.Problem(cp.Minimize(cp.Variable()))

    class Chain:
        def solve_via_data(self, *_, **__):
            return raw

    def refused(*_):
        raise cp.error.SolverError("Solver 'GUROBI' failed.")

    monkeypatch.setattr(problem, "get_problem_data", lambda *_, **__: ({}, Chain(), None))
    monkeypatch.setattr(problem, "unpack_results", refused)
    return run(problem, "GUROBI", effort=None).status


def test_an_error_that_cvxpy_drops_is_the_status(monkeypatch):
    status = failing_run(monkeypatch, {"model": Model()})
    assert status == "RuntimeError: Model too large for size-limited license"


@pytest.mark.parametrize("raw", [None, {}, {"model": object()}])
def test_the_status_is_the_error_of_cvxpy_where_the_model_is_not_known(monkeypatch, raw):
    assert failing_run(monkeypatch, raw) == "SolverError: Solver 'GUROBI' failed."


def test_a_model_that_failed_after_some_time_is_not_solved_again(monkeypatch):
    model = Model()
    status = failing_run(monkeypatch, {"model": model, "solve_time": QUICK})
    assert status == "SolverError: Solver 'GUROBI' failed."
    assert not model.solved


def test_an_error_of_the_type_of_a_solver_is_a_status(monkeypatch):
    class LicenceError(Exception):
        pass

    def missing(*_, **__):
        raise LicenceError("License cannot be located.")

    problem = cp.Problem(cp.Minimize(cp.Variable()))
    monkeypatch.setattr(problem, "get_problem_data", missing)
    assert run(problem, "MOSEK").status == "LicenceError: License cannot be located."
