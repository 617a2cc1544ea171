"""Findings and choices of the solver benchmark against numbers by hand."""

import math
from dataclasses import replace

from bench_rows import failed, row

from sojourn.models.benchmarks.solvers.report.choice_tables import (
    best_by_load,
    best_formulations,
    choices_table,
)
from sojourn.models.benchmarks.solvers.report.choices import (
    best_of_each_solver,
    choices,
    comparable,
    fastest_right,
    most_accurate,
)
from sojourn.models.benchmarks.solvers.report.findings import findings, problem_findings
from sojourn.models.benchmarks.solvers.report.measures import (
    measured,
    outcome,
)
from sojourn.models.benchmarks.solvers.report.results import Entrant, Results


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
    first, *others = problem_findings(Results([easy, hard], 5.0), "mm1-optimum")
    assert first == "The formulations have no system and load in common, and are not compared."
    assert others == [
        "qp: most right answers by CLARABEL, 1 of 1 system; mean time 2 ms; smallest true error by "
        "CLARABEL, median 1e-9.",
        "socp: no solver is right.",
    ]


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


def test_a_problem_that_no_solver_answers_is_said_so():
    failing, skipped = failed(), failed(failure="", skipped="no cone", problem="other")
    results = Results([failing, skipped], 5.0)
    assert list(problem_findings(results, "mm1-optimum")) == ["No solver is right."]
    assert list(problem_findings(results, "other")) == ["No solver got an instance."]
    # right on one of two systems, so that the median is of no answer
    results = Results([row(load=0.1), failed(load=0.2)], 5.0)
    (sentence,) = problem_findings(results, "mm1-optimum")
    assert "Most right answers by CLARABEL on inv_pos, 1 of 2 systems" in sentence


def test_a_problem_has_what_to_use_at_each_size_and_load():
    """The quadratic program is faster, and not right near the largest load."""
    rows = [
        row(formulation="qp", load=0.5, solve_seconds=1e-3),
        row(formulation="qp", load=0.9, solve_seconds=1e-3, error=1.0),
        row(formulation="minmax", load=0.5),
        row(formulation="minmax", load=0.9),
        row(formulation="minmax", load=0.9, solver="SCS", solve_seconds=3e-3),
    ]
    results = Results(rows, 5.0)
    (by_load,) = best_by_load(results, "mm1-optimum")
    assert by_load.rows == [
        ("3", "50%", "qp CLARABEL", "1 / 1", "1", "2"),
        ("3", "90%", "minmax CLARABEL", "1 / 1", "2", "2"),
    ]
    (best,) = best_formulations(results, "mm1-optimum")
    assert [line[:4] for line in best.rows] == [
        ("CLARABEL", "minmax", "default", "2 / 2"),
        ("SCS", "minmax", "default", "1 / 2"),
    ]
    assert choices_table(results).rows == [
        ("mm1-optimum", "qp, minmax", "minmax CLARABEL", "minmax CLARABEL", "2 / 2", "2", "1e-9")
    ]
    apart = Results([rows[0], rows[3]], 5.0)
    assert [line[:2] for line in choices_table(apart).rows] == [
        ("mm1-optimum", "qp"),
        ("mm1-optimum", "minmax"),
    ]
    assert not [*best_by_load(apart, "mm1-optimum"), *best_formulations(apart, "mm1-optimum")]
