"""Benchmark of solvers: accuracy and claims on known answers, and failures that are rows."""

import io
import json
import math
from functools import partial

import cvxpy as cp
import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers import (
    PROBLEMS,
    SETTINGS,
    cases,
    compare,
    error_table,
    summaries,
    summary_table,
    to_dataset,
)
from sojourn.models.benchmarks.solvers.settings import options
from sojourn.models.benchmarks.solvers.tables import shifted_geometric_mean
from sojourn.models.core.run import Run


@pytest.fixture(scope="module")
def rows():
    return list(compare(sizes=[3], loads=[0.6, 0.999]))


@pytest.mark.slow
def test_all_problems_formulations_and_solvers_are_included(rows):
    combinations = {(r.problem, r.formulation, r.solver) for r in rows}
    assert {r.problem for r in rows} == {p.name for p in PROBLEMS}
    assert {"CLARABEL", "SCS"} <= {r.solver for r in rows}
    for formulation in (
        "inv_pos",
        "quad_over_lin",
        "beckmann",
        "minmax",
        "qp",
        "geo_mean",
        "sos",
        "socp",
    ):
        assert any(f == formulation for _, f, _ in combinations), formulation
    assert not any(s == "OSQP" and f != "qp" for _, f, s in combinations)
    assert all(r.build_seconds > 0 and r.solve_seconds > 0 for r in rows)


def test_errors_are_against_the_closed_form(rows):
    """Clarabel is right at 60 % load, except where it minimises the potential.

    A gap of 1e-8 in the potential is 1e-4 in the flows.
    """
    for row in rows:
        if row.load == 0.6 and row.solver == "CLARABEL":
            assert row.error < (1e-4 if row.formulation in ("beckmann", "geo_mean") else 1e-6), row
            assert row.violation < 1e-6
    assert sum(r.right for r in rows) > len(rows) / 2


def test_false_claims_are_those_of_inaccurate_answers(rows):
    from dataclasses import replace

    accurate = replace(rows[0], status="optimal", error=1e-9, violation=0.0)
    assert (accurate.claimed, accurate.right, accurate.false_claim) == (True, True, False)
    far, infeasible = replace(accurate, error=1e-3), replace(accurate, violation=1e-3)
    assert far.false_claim
    assert infeasible.false_claim
    assert not replace(far, status="optimal_inaccurate").false_claim
    (summary,) = summaries([accurate, far, replace(far, status="infeasible", error=math.inf)])
    assert (
        summary.asked,
        summary.right,
        summary.claimed,
        summary.false_claims,
        summary.denied,
    ) == (3, 1, 2, 1, 1)
    assert (summary.median_error, summary.worst_error) == (1e-3, math.inf)


def test_tables_and_files_have_every_row(rows, tmp_path):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary_table(rows), error_table(rows))
    text = console.export_text()
    for word in ("CLARABEL", "SCS", "right: within 1e-06", *(p.name for p in PROBLEMS)):
        assert word in text
    data = to_dataset(rows)
    data.to_netcdf(tmp_path / "rows.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "rows.nc", engine="scipy") as back:
        assert back.sizes["question"] == len(rows)
        np.testing.assert_array_equal(back["right"], [r.right for r in rows])


def test_solver_that_panics_or_returns_nonsense_is_a_row(monkeypatch):
    import sys

    module = sys.modules["sojourn.models.benchmarks.solvers.compare"]

    class Panic(BaseException):
        pass

    def panics(*_):
        raise Panic("unwrap on None")

    arguments = {"problems": PROBLEMS[:1], "sizes": [3], "loads": [0.5], "solvers": ["CLARABEL"]}
    monkeypatch.setattr(module, "run", panics)
    row = next(compare(**arguments))
    assert (row.status, row.error) == ("Panic: unwrap on None", math.inf)
    assert not row.claimed

    def nonsense(problem, solver, chosen):
        for variable in problem.variables():
            variable.save_value(np.full(variable.shape, 1.0))
        return Run("optimal", 0.0, 0.0)

    monkeypatch.setattr(module, "run", nonsense)
    assert next(compare(**arguments)).false_claim


def test_cases_do_not_depend_on_each_other():
    mm1 = [p for p in PROBLEMS if p.name.startswith("M/M/1")][:1]
    few, many = (cases(mm1, sizes, [0.5], ["CLARABEL"], 0) for sizes in ([30], [3, 30]))
    np.testing.assert_array_equal(
        few[0].system.bank.rate, next(q for q in many if q.n == 30).system.bank.rate
    )


def test_settings_by_name():
    assert set(SETTINGS) == {"own", "sojourn"}
    assert options("CLARABEL", "sojourn", 3.0)["tol_feas"] == 1e-11
    assert options("CLARABEL", "own", 3.0) | {"time_limit": 3.0} == options("CLARABEL", "own", 3.0)
    assert options("ECOS", "own", 3.0)["abstol"] == 1e-8


def test_geometric_mean_is_shifted():
    assert shifted_geometric_mean([1e-3, 1e-3]) == pytest.approx(1e-3)
    assert shifted_geometric_mean([0.0, 3e-3]) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [1]}, r"^sizes\[0\] = 1: is not a number of servers to split over"),
        ({"loads": [0.5, 1.0]}, r"^loads\[1\] = 1.0: is not a part of the largest load"),
        (
            {"solvers": ["GUROBY"]},
            r"^solvers\[0\] = 'GUROBY': is not a solver that CVXPY finds; use .*CLARABEL",
        ),
        (
            {"settings": "best"},
            r"^settings = 'best': is not a name of settings; use own or sojourn",
        ),
        ({"limit": 0}, r"^limit = 0: is not a time"),
    ],
)
def test_bad_arguments_are_named_before_any_solver_starts(arguments, message, monkeypatch):
    monkeypatch.setattr(
        cp.Problem, "get_problem_data", lambda *_, **__: pytest.fail("a solver was started")
    )
    with pytest.raises(InputError, match=message):
        compare(**arguments)


@pytest.mark.slow
def test_command(sojourn, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sojourn.models.benchmarks.solvers.command.compare", partial(compare, loads=(0.5,))
    )
    status, out, _ = sojourn(
        "bench", "solvers", "--sizes", "3", "--json", "--out", tmp_path / "rows.csv"
    )
    assert status == 0
    found = json.loads(out)
    assert set(found) == {"summary", "rows"}
    assert (tmp_path / "rows.csv").read_text().count("\n") == len(found["rows"]) + 1
    for arguments, message in (
        (("--sizes", "a"), "--sizes = 'a': is not a list of whole numbers"),
        (("--out", "rows.txt"), "--out = 'rows.txt': is neither a .csv nor a .nc file"),
    ):
        status, out, err = sojourn("bench", "solvers", *arguments)
        assert (status, out) == (2, "")
        assert message in err
