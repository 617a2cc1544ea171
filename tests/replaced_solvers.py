"""Solvers replaced in tests, on both ways to them: compiled programs, and CVXPY.

Every way to a solver is replaced here, so that a test does not depend on the way that is taken.
"""

from dataclasses import replace

import numpy as np
import pytest

from sojourn.models.core import solve as engine


def replace_answers(monkeypatch, change):
    """Let ``change(solver, status, places)`` see each answer of a solver, and change it in place.

    `places` has the values of each variable by name, one row for each point. `change` returns the
    status of the answers, or None to leave it as it is.
    """
    through_cvxpy, compiled = engine.run, engine.Compiled.solve

    def run(problem, solver, *options):
        ran = through_cvxpy(problem, solver, *options)
        values = {
            v: np.array(np.full(v.shape, np.nan) if v.value is None else v.value, dtype=float)[None]
            for v in problem.variables()
        }
        status = change(solver, ran.status, {v.name(): rows for v, rows in values.items()})
        for variable, rows in values.items():
            # without the check of the sign, as for the answer of a solver
            variable.save_value(None if np.isnan(rows).all() else rows[0])
        return ran if status is None else replace(ran, status=status)

    def solve(self, *values, new=None):
        outputs = compiled(self, *values, new=new)
        rows = {v: outputs.value(v) for v in self.problem.variables()}
        named = {v.name(): row for v, row in rows.items()}
        status = change(self.solver, outputs.raw.status[0], named)
        for variable, row in rows.items():
            outputs.raw.x[:, outputs.places.variables[variable.id]] = row
        if status is None:
            return outputs
        statuses = (status,) * len(outputs.raw.status)
        return replace(outputs, raw=replace(outputs.raw, status=statuses))

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(engine.Compiled, "solve", solve)


def lose_answers(monkeypatch, *solvers, status=None):
    """Let the named solvers, or all, return no number."""

    def lose(solver, _, values):
        if not solvers or solver in solvers:
            for rows in values.values():
                rows[...] = np.nan
            return status
        return None

    replace_answers(monkeypatch, lose)


def forbid_solvers(monkeypatch):
    """Fail the test when a solver starts or a program is compiled."""

    def started(*_, **__):
        pytest.fail("a solver was started")

    monkeypatch.setattr(engine, "run", started)
    monkeypatch.setattr(engine, "Compiled", started)
    monkeypatch.setattr(engine.SHARED, "borrow", started)
