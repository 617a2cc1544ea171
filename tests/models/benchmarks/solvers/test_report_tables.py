"""Measures, comparisons and findings of the solver benchmark against numbers by hand."""

import io
import math
from dataclasses import replace

import pytest
from bench_rows import failed, random_rows, row
from rich.console import Console

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers import problems as registry
from sojourn.models.benchmarks.solvers.problem import Axes
from sojourn.models.benchmarks.solvers.report.choices import (
    best_of_each_solver,
    choices,
    comparable,
    fastest_right,
    most_accurate,
)
from sojourn.models.benchmarks.solvers.report.cone_classes import (
    CLASSES,
    LINEAR,
    ORDER,
    UNKNOWN,
    cone_class,
)
from sojourn.models.benchmarks.solvers.report.document import DataTable
from sojourn.models.benchmarks.solvers.report.findings import findings, problem_findings
from sojourn.models.benchmarks.solvers.report.measures import (
    ANY_LOAD,
    MEASURES,
    measured,
    outcome,
)
from sojourn.models.benchmarks.solvers.report.methods import METHODS, methods_table
from sojourn.models.benchmarks.solvers.report.ranking import rankings
from sojourn.models.benchmarks.solvers.report.results import Entrant, Results, limit_of
from sojourn.models.benchmarks.solvers.report.statistics import (
    percent_text,
    quantile,
    residual,
    shifted_geometric_mean,
    values,
)
from sojourn.models.benchmarks.solvers.report.statuses import status_tables
from sojourn.models.benchmarks.solvers.tables import error_table, summaries, summary_table
from sojourn.models.core.solver_specs import SOLVERS


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


def test_comparisons_have_cells_that_all_got():
    """OSQP got the easier half, and is right on all of it."""
    rows = [row(load=0.5), row(load=0.9, error=1.0)]
    rows += [replace(rows[0], solver="OSQP"), replace(rows[1], solver="OSQP", skipped="cones")]
    rows += [replace(r, solver="SCS") for r in rows[:2]]
    large, small = Results(rows, 5.0).comparisons(rows)
    assert [e.solver for e in large.rows] == ["CLARABEL", "SCS"]
    assert [len(large.cells), len(small.cells)] == [2, 1]
    assert {e.solver for e in small.rows} == {"CLARABEL", "OSQP", "SCS"}
    assert {r.load for found in small.rows.values() for r in found} == {0.5}
    assert (large.label, small.label) == ("A", "B")


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


def test_best_ways_of_a_problem():
    """The fastest of one right answer loses to two; a missing answer counts as the limit."""
    rows = [
        row(formulation="qp", load=0.5, solve_seconds=1e-4, error=1e-12),
        row(formulation="qp", load=0.9, skipped="no cone", status="", error=math.inf),
        row(formulation="socp", load=0.5, error=1e-8),
        row(formulation="socp", load=0.9, error=1e-7),
        row(formulation="exp", load=0.5, error=1e-9, solve_seconds=0.1),
        row(formulation="exp", load=0.9, error=1e-9, solve_seconds=0.1),
        row(formulation="exp", load=0.9, error=1e-9, solve_seconds=1e-3, solver="ECOS"),
    ]
    results = Results(rows, 5.0)
    (group,) = comparable(results, "mm1-optimum").items()
    assert group == ("qp, socp, exp", rows)
    found = choices(results, rows)
    fastest, accurate = fastest_right(found), most_accurate(found)
    assert (fastest.formulation, fastest.right, fastest.systems) == ("socp", 2, 2)
    assert fastest.entrant == Entrant("CLARABEL", "default")
    assert (accurate.formulation, accurate.error) == ("exp", 1e-9)
    (qp,) = [choice for choice in found if choice.formulation == "qp"]
    assert (qp.right, qp.systems, qp.error) == (1, 2, math.inf)
    best = [(choice.entrant.solver, choice.formulation) for choice in best_of_each_solver(found)]
    assert best == [("CLARABEL", "socp"), ("ECOS", "exp")]
    assert fastest_right(choices(results, [failed()])) is None
    assert best_of_each_solver(choices(results, [failed()])) == []


def test_formulations_are_compared_on_the_systems_that_they_share():
    """qp has the easy load alone, socp both; with no load in common each is on its own."""
    easy, hard = row(formulation="qp", load=0.5), row(formulation="socp", load=0.9, error=1.0)
    shared = row(formulation="socp", load=0.5)
    found = comparable(Results([easy, hard, shared], 5.0), "mm1-optimum")
    assert found == {"qp, socp": [easy, shared]}
    apart = comparable(Results([easy, hard], 5.0), "mm1-optimum")
    assert apart == {"qp": [easy], "socp": [hard]}
    sentences = list(problem_findings(Results([easy, hard], 5.0), "mm1-optimum"))
    assert sentences[0].startswith("Most right answers of qp, and the fastest")
    assert sentences[-1] == "No solver is right on any system of socp."


def test_findings_are_computed():
    rows = [row(load=0.5), row(load=0.9, error=2e-3), failed(load=0.99), failed(solver="SCS")]
    text = " ".join(findings(Results(rows, 5.0)))
    assert "2 solvers under the settings default got 4 cells of 3 instances; 0 more" in text
    assert (
        "Under the settings default, of 2 answers called optimal with residuals of at most 1e-6, "
        "1 (50 %) are not right to 1e-6 (worst relative error 2e-3)."
    ) in text
    assert "answers called optimal that are not right: CLARABEL 1 of 2." in text
    assert "above ten times" not in text
    assert "ran under each tolerance" not in text
    accurate = " ".join(findings(Results([row()], 5.0)))
    assert "answers called optimal are all right of CLARABEL (1)." in accurate


def test_findings_of_several_settings_are_those_of_each():
    """A and B under three settings; B loses an answer at the tightest tolerance."""
    loose, tight = {"settings": "low", "tolerance": 1e-3}, {"settings": "high", "tolerance": 1e-9}
    rows = [
        row(load=0.5, solver="A"),
        row(load=0.5, solver="A", **loose, error=1e-4, primal_residual=2e-2),
        row(load=0.5, solver="A", **tight, primal_residual=2e-8),
        row(load=0.5, solver="B", **loose),
        failed(load=0.5, solver="B", **tight),
        row(load=0.9, solver="B", **loose),  # is not under each tolerance
    ]
    found = findings(Results(rows, 5.0))
    headlines = [text for text in found if "called optimal with residuals" in text]
    assert [text.split(",")[0] for text in headlines] == [
        "Under the settings default",
        "Under the settings low",
        "Under the settings high",
    ]
    assert "of 2 answers called optimal with residuals of at most 1e-6, 0 (0 %)" in headlines[1]
    text = " ".join(found)
    assert "asked for: 1 of 3 under low, 1 of 1 under high." in text
    assert (
        "Of the 2 cells that ran under each tolerance: 1 right and 1 called optimal but not right "
        "under low (tolerance 1e-3); 1 right and 0 called optimal but not right under high "
        "(tolerance 1e-9)."
    ) in text
    assert "Right less often under high than with a looser tolerance: B (0, 1 under low)." in text


def test_a_denial_within_the_tolerance_is_told_apart():
    """At 99.9999 % of the largest load an instance is 1e-6 away from an infeasible one."""
    near = failed(failure="", status="infeasible", load=1 - 1e-6, tolerance=1e-6)
    assert outcome(near) == "at_edge"
    assert outcome(replace(near, status="infeasible_inaccurate", tolerance=1e-3)) == "at_edge"
    for change in (
        {"tolerance": 1e-9},
        {"tolerance": math.nan},
        {"load": 0.9},
        {"status": "unbounded"},
        {"problem": "roads-optimum"},  # which has an optimum at any load
        {"problem": "measured-fit"},
    ):
        assert outcome(replace(near, **change)) == "denied", change
    found = measured([near, replace(near, load=0.9)], 5.0)
    assert (found["denied"], found["at_edge"]) == (1, 1)
    text = " ".join(findings(Results([near, replace(near, load=0.9)], 5.0)))
    assert "1 answer denied that there is an optimum" in text
    assert "1 further answer said infeasible where the load is nearer" in text
    assert {problem.name for problem in registry.PROBLEMS} >= ANY_LOAD


def test_problems_have_equal_weights_in_a_mean():
    """Nine cells of 1 ms of a problem weigh as much as the one of 7 ms of another."""
    rows = [row(load=k / 10, solve_seconds=1e-3) for k in range(1, 10)]
    rows.append(row(problem="partition", solve_seconds=7e-3))
    found = measured(rows, 5.0)
    assert found["mean_seconds"] == pytest.approx(3e-3)  # sqrt(2 8) - 1
    assert found["mean_seconds_of_doubled_limit"] == found["mean_seconds"]
    lost = measured([*rows[:9], failed(problem="partition")], 5.0)
    for name, limit in (("mean_seconds", 5.0), ("mean_seconds_of_doubled_limit", 10.0)):
        mean = math.sqrt(2e-3 * (limit + 1e-3)) - 1e-3
        assert lost[name] == pytest.approx(mean, rel=1e-12)


def test_instances_are_classed_by_their_last_cone():
    found = {
        (problem.name, name): kinds
        for problem in registry.PROBLEMS
        for name, kinds in problem.formulations(
            problem.system(Axes(problem.sizes[0], *problem.spreads[0]), 1)
        ).items()
    }
    classes = {way: cone_class(*way) for way in found}
    assert {*classes.values()} == {*ORDER} - {UNKNOWN}
    assert classes["measured-fit", "l1"] == "linear"
    assert classes["mm1-players", "beckmann"] == "exponential"  # second-order as well
    for way, kinds in found.items():
        assert classes[way] in [LINEAR, *(CLASSES[kind] for kind in kinds)]
        assert (classes[way] == LINEAR) == (not kinds), way
    assert cone_class("no problem", "l1") == cone_class("partition", "l1") == UNKNOWN


def ranked(rows, limit=5.0):
    """Return the tables of the rankings by class."""
    tables = [block for block in rankings(Results(rows, limit)) if isinstance(block, DataTable)]
    return {table.caption.split(", ")[0][3:]: table for table in tables}


def test_solvers_are_ranked_within_a_class_of_cones():
    """DAQP is fastest where it can be asked, and absent elsewhere; a wrong answer is not fast."""
    problem = {"problem": "mm1-at-one-distance"}
    rows = [
        row(**problem, formulation=name, n=n, solver=solver, solve_seconds=seconds)
        for name, solvers in (
            ("qp", {"CLARABEL": 4e-3, "DAQP": 1e-3}),
            ("minmax", {"CLARABEL": 4e-3, "SCS": 2e-3}),
        )
        for solver, seconds in solvers.items()
        for n in (3, 30)
    ]
    rows = [replace(r, error=1.0) if (r.solver, r.n) == ("SCS", 30) else r for r in rows]
    rows.append(failed(**problem, formulation="minmax", failure="", skipped="SOC", solver="DAQP"))
    tables = ranked(rows)
    assert [*tables] == ["quadratic", "second-order"]
    assert [line[0] for line in tables["quadratic"].rows] == ["DAQP", "CLARABEL"]
    second = tables["second-order"]
    assert second.headings == (
        "solver", "right", "false claims", "median error", "mean ms", "limit doubled", "n < 10",
        "n < 100", "fastest",
    )  # fmt: skip
    clarabel, scs = second.rows
    assert clarabel == ("CLARABEL", "2", "0", "1e-9", "4", "4", "4", "4", "1")
    mean, doubled = (1e3 * math.sqrt(3e-3 * (s + 1e-3)) - 1 for s in (5, 10))
    assert scs == ("SCS", "1", "1", "1e0", f"{mean:.3g}", f"{doubled:.3g}", "2", "5000", "1")


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
    for word in ("CLARABEL high", "SCS low", "right: within 1e-06", "problem-0", "problem-1"):
        assert word in text
    hostile = row(solver="[red]x", problem="[bold]", formulation="[link=a]", settings="[/]")
    text = printed(summary_table([hostile]), error_table([hostile]))
    assert all(word in text for word in ("[red]x", "[bold]", "[link=a]", "[/]"))


def test_the_error_table_has_the_worst_of_its_instances():
    rows = [row(seed=0, error=1e-9), row(seed=1, error=2e-3), row(seed=2, error=1e-8)]
    assert "2e-3!" in printed(error_table(rows))
    assert "1e-9" not in printed(error_table(rows))


def test_a_comparison_that_adds_few_cells_is_left_out():
    loads = [0.5 + 0.01 * i for i in range(20)]
    rows = [row(solver=s, load=load) for s in ("A", "B") for load in loads]
    rows += [row(solver="C", load=load) for load in loads[1:]]
    (one,) = Results(rows, 5.0).comparisons(rows)
    assert ([e.solver for e in one.rows], len(one.cells)) == (["A", "B", "C"], 19)
    rows = rows[:40] + rows[45:]
    assert [len(c.cells) for c in Results(rows, 5.0).comparisons(rows)] == [14, 20]


def test_a_problem_that_no_solver_answers_is_said_so():
    failing, skipped = failed(), failed(failure="", skipped="no cone", problem="other")
    results = Results([failing, skipped], 5.0)
    assert list(problem_findings(results, "mm1-optimum")) == ["No solver is right on any system."]
    assert list(problem_findings(results, "other")) == ["No solver got an instance."]
    # right on one of two systems, so that the median is of no answer
    results = Results([row(load=0.1), failed(load=0.2)], 5.0)
    (sentence,) = problem_findings(results, "mm1-optimum")
    assert "inv_pos by CLARABEL, right on 1 of 2 systems" in sentence


def test_methods_of_all_known_solvers_are_named():
    assert {solver.name for solver in SOLVERS} <= METHODS.keys()
    table = methods_table(["CLARABEL", "mine"])
    assert [line[1] for line in table.rows] == [METHODS["CLARABEL"], "not known here"]


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
