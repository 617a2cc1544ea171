"""Rankings of the solver benchmark: classes of cones, shared cells, means over problems."""

import math
from dataclasses import replace

import pytest
from bench_rows import failed, row

from sojourn.models.benchmarks.solvers import problems as registry
from sojourn.models.benchmarks.solvers.problem import Axes
from sojourn.models.benchmarks.solvers.report.cone_classes import (
    CLASSES,
    LINEAR,
    ORDER,
    UNKNOWN,
    cone_class,
)
from sojourn.models.benchmarks.solvers.report.document import DataTable
from sojourn.models.benchmarks.solvers.report.measures import (
    measured,
)
from sojourn.models.benchmarks.solvers.report.ranking import rankings
from sojourn.models.benchmarks.solvers.report.results import Results


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
        "solver", "right", "false claims", "median error", "mean ms", "2 x limit", "n<10",
        "n<100", "fastest",
    )  # fmt: skip
    clarabel, scs = second.rows
    assert clarabel == ("CLARABEL", "2", "0", "1e-9", "4", "4", "4", "4", "1")
    mean, doubled = (1e3 * math.sqrt(3e-3 * (s + 1e-3)) - 1 for s in (5, 10))
    assert scs == ("SCS", "1", "1", "1e0", f"{mean:.3g}", f"{doubled:.3g}", "2", "5000", "1")


def test_a_comparison_that_adds_few_cells_is_left_out():
    loads = [0.5 + 0.01 * i for i in range(20)]
    rows = [row(solver=s, load=load) for s in ("A", "B") for load in loads]
    rows += [row(solver="C", load=load) for load in loads[1:]]
    (one,) = Results(rows, 5.0).comparisons(rows)
    assert ([e.solver for e in one.rows], len(one.cells)) == (["A", "B", "C"], 19)
    rows = rows[:40] + rows[45:]
    assert [len(c.cells) for c in Results(rows, 5.0).comparisons(rows)] == [14, 20]
