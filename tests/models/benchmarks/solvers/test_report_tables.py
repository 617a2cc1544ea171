"""Measures and tables of the solver benchmark against numbers by hand."""

import io
import math
from dataclasses import replace

import pytest
from bench_rows import failed, random_rows, row
from rich.console import Console

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.report.measures import (
    MEASURES,
    measured,
    outcome,
)
from sojourn.models.benchmarks.solvers.report.methods import methods_table
from sojourn.models.benchmarks.solvers.report.results import Results, limit_of
from sojourn.models.benchmarks.solvers.report.statistics import (
    percent_text,
    quantile,
    residual,
    shifted_geometric_mean,
    values,
)
from sojourn.models.benchmarks.solvers.report.statuses import status_tables
from sojourn.models.benchmarks.solvers.tables import error_table, summaries, summary_table
from sojourn.models.core.solver_specs import SOLVERS, spec


def printed(*tables):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(*tables)
    return console.export_text()


def test_counts_are_those_by_hand():
    rows = [
        row(load=0.1),
        row(load=0.2, error=1e-3),
        row(load=0.3, violation=1e-3),
        row(load=0.4, status="optimal_inaccurate"),
        row(load=0.5, status="optimal_inaccurate", error=1e-2),
        failed(load=0.6, failure="", status="infeasible", solve_seconds=0.001),
        failed(load=0.7),
        failed(load=0.8, failure="crash"),
        failed(load=0.9, failure="", skipped="no cone", solve_seconds=0.0),
    ]
    found = measured(rows, 5.0)
    counts = {
        "asked": 8,
        "right": 2,
        "claimed": 3,
        "false_claims": 2,
        "false_doubts": 1,
        "inaccurate": 2,
        "denied": 1,
        "time": 1,
        "memory": 0,
        "crash": 1,
        "other": 0,
        "skipped": 1,
    }
    assert {name: found[name] for name in counts} == counts
    assert found["median_error"] == 1e-2  # 1e-9 three times, 1e-3, 1e-2, then none three times
    assert (found["p90_error"], found["worst_error"]) == (math.inf, math.inf)
    assert found["repeat_spread"] == pytest.approx(0.5)
    # two right answers of 2 ms, and six that count as 5 s
    mean = math.exp((2 * math.log(3e-3) + 6 * math.log(5.001)) / 8) - 1e-3
    assert found["mean_seconds"] == pytest.approx(mean, rel=1e-12)


def test_each_row_ends_in_one_way():
    rows = random_rows()
    ends = [outcome(r) for r in rows]
    names = [m.name for m in MEASURES if m.table == "Failures"]
    found = measured(rows, 5.0)
    assert found["claimed"] + sum(found[name] for name in names) + found["skipped"] == len(rows)
    assert all(found[name] == ends.count(name) for name in names)
    assert outcome(failed(failure="worse")) == "other"
    assert outcome(failed(status="optimal")) == "time"


def test_an_answer_that_fails_is_neither_fast_nor_accurate():
    """A solver that gives up at once loses to one that is slow and wrong, in each measure."""
    slow = [row(load=load, error=1e-3, solve_seconds=4.0) for load in (0.5, 0.9)]
    quick = [
        failed(load=load, failure="", status="SolverError: no", solve_seconds=1e-5)
        for load in (0.5, 0.9)
    ]
    bad, worse = measured(slow, 5.0), measured(quick, 5.0)
    for name in ("median_error", "worst_error", "worst_violation", "worst_primal_residual"):
        assert bad[name] < worse[name], name
    assert bad["mean_seconds"] == worse["mean_seconds"] == pytest.approx(5.0)
    right = measured([row(load=0.5, solve_seconds=4.0)], 5.0)
    assert right["mean_seconds"] < worse["mean_seconds"]
    assert measured([row(error=math.nan)], 5.0)["worst_error"] == math.inf


def test_nan_is_left_out_only_where_there_is_no_such_number():
    rows = [row(flow_error=math.nan, dual_residual=math.nan, load=0.1), failed(load=0.2)]
    assert values(rows, "flow_error") == [math.inf]
    assert values([rows[0]], "error") == [1e-9]
    assert residual(rows[0]) == 1e-10
    assert residual(failed()) == math.inf
    assert math.isnan(measured(rows[:1], 5.0)["median_flow_error"])


def test_quantiles_are_among_the_numbers():
    assert quantile([1.0, math.inf], 0.5) == math.inf
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile(range(1, 11), 0.9) == 10
    assert quantile(range(1, 12), 0.9) == 10
    assert math.isnan(quantile([], 0.5))


def test_geometric_mean_is_shifted():
    assert shifted_geometric_mean([1e-3, 1e-3]) == pytest.approx(1e-3)
    assert shifted_geometric_mean([0.0, 3e-3]) == pytest.approx(1e-3)


def test_percent_is_all_or_none_only_where_it_is():
    assert [percent_text(p) for p in (0.0, 1.0, 0.5)] == ["0 %", "100 %", "50 %"]
    assert percent_text(1 / 5000) == "0.02 %"
    assert percent_text(1 - 1e-9) == "99.99 %"
    assert percent_text(math.nan) == "-"


def test_settings_go_from_loose_to_tight_and_tolerances_are_told_apart():
    tolerances = {"high": 1e-9, "default": math.nan, "low": 1e-3}
    rows = [row(settings=name, tolerance=value) for name, value in tolerances.items()]
    assert Results(rows, 5.0).settings == ["default", "low", "high"]
    rows = [row(settings="asked", tolerance=value) for value in (1e-9, 1e-3)]
    assert Results(rows, 5.0).settings == ["asked 1e-03", "asked 1e-09"]
    # one name for each solver's own tolerance is one name
    rows = [row(tolerance=1e-8), row(tolerance=1e-4, solver="SCS")]
    assert Results(rows, 5.0).settings == ["default"]


def test_rows_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match="has the same instance, solver and settings as rows"):
        Results([row(), row(load=0.5), row(error=1.0)], 5.0)
    with pytest.raises(InputError, match="are no results"):
        Results([], 5.0)


def test_limit_is_never_below_a_time():
    assert limit_of([row(solve_seconds=7.0)], {"limit": 5.0}) == 7.0
    assert limit_of([row()], {"limit": 5}) == 5.0
    assert limit_of([row()], {"limit": math.inf}) == 0.002
    assert limit_of([row()], {"limit": "five"}) == 0.002


def test_false_claims_are_those_of_inaccurate_answers():
    accurate = row(load=0.1)
    assert (accurate.claimed, accurate.right, accurate.false_claim) == (True, True, False)
    far, infeasible = row(load=0.2, error=1e-3), row(load=0.3, violation=1e-3)
    assert far.false_claim
    assert infeasible.false_claim
    assert not replace(far, status="optimal_inaccurate").false_claim
    denied = replace(far, load=0.4, status="infeasible", error=math.inf)
    (summary,) = summaries([accurate, far, denied])
    names = ("asked", "right", "claimed", "false_claims", "denied", "median_error", "worst_error")
    assert [summary[name] for name in names] == [3, 1, 2, 1, 1, 1e-3, math.inf]
    assert (summary["solver"], summary["settings"]) == ("CLARABEL", "default")


def test_console_tables_have_every_solver_and_problem():
    rows = random_rows()
    text = printed(summary_table(rows), error_table(rows))
    for word in ("CLARABEL high", "SCS low", "right: within 1e-6", "problem-0", "problem-1"):
        assert word in text
    hostile = row(solver="[red]x", problem="[bold]", formulation="[link=a]", settings="[/]")
    text = printed(summary_table([hostile]), error_table([hostile]))
    assert all(word in text for word in ("[red]x", "[bold]", "[link=a]", "[/]"))


def test_the_error_table_has_the_worst_of_its_instances():
    rows = [row(seed=0, error=1e-9), row(seed=1, error=2e-3), row(seed=2, error=1e-8)]
    assert "2e-3!" in printed(error_table(rows))
    assert "1e-9" not in printed(error_table(rows))


def test_methods_of_all_known_solvers_are_named():
    assert all(solver.method for solver in SOLVERS)
    table = methods_table(["CLARABEL", "mine"])
    assert [line[1] for line in table.rows] == [spec("CLARABEL").method, "not known here"]


def test_statuses_are_counted_by_solver():
    rows = [
        row(load=0.1),
        row(load=0.2, status="optimal_inaccurate"),
        failed(load=0.3, failure="", status="SolverError: a message"),
        failed(load=0.4),
        row(load=0.1, solver="SCS"),
    ]
    statuses, errors, skipped = status_tables(Results(rows, 5.0))
    counts = {line[0]: dict(zip(statuses.headings, line, strict=True)) for line in statuses.rows}
    wanted = {"optimal": "1", "optimal_inaccurate": "1", "error": "1", "time": "1", "cells": "4"}
    assert wanted.items() <= counts["CLARABEL"].items()
    assert counts["SCS"]["optimal"] == counts["SCS"]["cells"] == "1"
    assert errors.rows == [("CLARABEL", "SolverError: a message", "1")]
    assert not skipped.rows
    many = [row(load=k / 20, status=f"word{k}") for k in range(1, 15)]
    statuses, _ = status_tables(Results(many, 5.0))
    assert statuses.headings[-2:] == ("others", "cells")
    assert statuses.rows[0][-2:] == ("5", "14")


def test_the_console_has_a_solver_once_in_each_class():
    rows = [
        row(problem="mm1-at-one-distance", formulation=name, solver=solver, error=error)
        for name, solver, error in (
            ("minmax", "SCS", 1.0),
            ("minmax", "CLARABEL", 0.0),
            ("qp", "CLARABEL", 0.0),
        )
    ]
    lines = [line.split() for line in printed(summary_table(rows)).splitlines()]
    names = [line[0] for line in lines if line]
    start = names.index("quadratic")
    assert names[start : start + 5] == ["quadratic", "CLARABEL", "second-order", "CLARABEL", "SCS"]
