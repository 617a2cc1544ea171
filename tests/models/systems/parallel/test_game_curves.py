"""Curves over players and control, the search for the worst case, and its rule's failures."""

import json
import math
import sys

import numpy as np
import pytest
from counterexamples import SMALL
from every_family import FAMILIES
from rich.console import Console

from sojourn.models import MD1, MG1, MM1, InputError, LoadError, ParallelServers
from sojourn.models.benchmarks import worst_case_rule
from sojourn.models.core import solve as engine
from sojourn.models.core.curve import CurveInterruptedError
from sojourn.models.latency import MixedLatency
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve
from sojourn.models.systems.parallel.game_questions import Players
from sojourn.models.systems.parallel.worst_case import WorstCaseInterruptedError
from sojourn.reference import controlled, equilibrium, optimum, price_of_optimum
from sojourn.reference.parallel import worst_case
from sojourn.reference.parallel.control import leader_flow

search, reference = (
    sys.modules[f"sojourn.{package}.worst_case"]
    for package in ("models.systems.parallel", "reference.parallel")
)
MIXED = ParallelServers(MM1([100.0, 80.0], 0.005), MG1([200.0], 4.0, 0.02), time_unit="s")
ERRATIC = ParallelServers(MG1([1.0, 1.0], [1.0, 20.0]))


def test_players_over_loads():
    loads, counts = [30.0, 190.0, 370.0], [1, 3, math.inf]
    data = players_curve(MIXED, loads, counts)
    assert data["certified"].all()
    for load in loads:
        best = float(optimum(MIXED.bank, load).mean_delay)
        for k in counts:
            true = float(equilibrium(MIXED.bank, load, k).mean_delay)
            here = data.sel(load=load, players=k)
            assert float(here["delay"]) == pytest.approx(true, rel=1e-9)
            assert float(here["price_of_anarchy"]) == pytest.approx(true / best, rel=1e-9)
    assert data["delay"].attrs["units"] == "s"


def test_control_over_fractions():
    data = control_curve(MIXED, 190.0, [0.0, 0.3, 1.0])
    assert data["certified"].all()
    for part in data["fraction"].values:
        for kind in ("llf", "scale"):
            true = controlled(MIXED.bank, 190.0, part, kind).mean_delay
            assert float(data["delay"].sel(fraction=part, strategy=kind)) == pytest.approx(
                true, rel=1e-9
            )
    assert data.attrs["price_of_optimum"] == pytest.approx(
        price_of_optimum(MIXED.bank, 190.0), rel=1e-8
    )
    assert (data["ratio"].sel(strategy="llf")[1:] <= 1 / data["fraction"][1:] * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", ["M/M/c", "BPR", "measured", "tandem", "function within a rate"])
def test_users_on_top_of_many_leaders_are_those_on_top_of_each(name):
    bank = MixedLatency([FAMILIES[name], MM1([150.0, 60.0], 0.01)])
    system, fractions = ParallelServers(*bank.banks), [0.0, 0.2, 0.6, 1.0]
    load = 0.6 * float(np.where(np.isfinite(bank.rate), bank.rate, 80.0).sum())
    data = control_curve(system, load, fractions)
    assert data["certified"].all()
    for part in fractions:
        for kind in ("llf", "scale"):
            alone = system.control(load, part, kind)
            here = data.sel(fraction=part, strategy=kind)
            assert float(here["delay"]) == pytest.approx(alone.mean_delay, rel=1e-10)
            assert float(here["gap"]) <= 1e-6


def test_leaders_of_many_fractions():
    best, latency = np.array([3.0, 0.0, 5.0]), np.array([2.0, 4.0, 3.0])
    fractions = np.array([0.0, 0.25, 0.7, 1.0])
    for strategy, some in (("llf", [[0, 0, 2], [0.6, 0, 5]]), ("scale", [[0.75, 0, 1.25]])):
        leaders = leader_flow(best, latency, 8.0, fractions, strategy)
        assert leaders.shape == (4, 3)
        assert leaders[[0, 3]].tolist() == [[0.0, 0.0, 0.0], [3.0, 0.0, 5.0]]
        np.testing.assert_allclose(leaders[1 : 1 + len(some)], some, rtol=1e-12)
        for fraction, leader in zip(fractions, leaders, strict=True):
            alone = leader_flow(best, latency, 8.0, float(fraction), strategy)
            assert alone.tolist() == leader.tolist()


def test_control_shows_where_it_is_enough():
    data = control_curve(MIXED, 190.0, strategies=["llf"])
    need = data.attrs["price_of_optimum"]
    assert data.sizes["fraction"] == 22
    ratio = data["ratio"].sel(strategy="llf")
    assert float(ratio.sel(fraction=need)) == pytest.approx(1.0, abs=1e-9)
    assert (ratio[data["fraction"] < need - 0.01] > 1 + 1e-9).all()


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: players_curve(MIXED, []), LoadError, r"^loads = \[\]: is not a list of loads"),
    (lambda: players_curve(MIXED, [500.0, 400.0]), LoadError, "not below the total rate 380"),
    (lambda: players_curve(MIXED, [10.0], [2.5]), InputError,
     r"^players = 2.5: is not a number of players"),
    (lambda: control_curve(MIXED, 190.0, [0.5, 1.5]), InputError,
     r"^fractions\[1\] = 1.5: is not a part of the load"),
    (lambda: control_curve(MIXED, 190.0, strategies=["best"]), InputError,
     r"^strategy = 'best': is not a strategy"),
])  # fmt: skip
def test_bad_input_before_any_solver(call, error, message, monkeypatch):
    monkeypatch.setattr(engine.Task, "_best", lambda *_, **__: pytest.fail("a solver was started"))
    with pytest.raises(error, match=message):
        call()


def test_a_missing_answer_is_nan(monkeypatch):
    monkeypatch.setattr(
        Players, "finish", lambda self, program, returned, points: self.empty(len(points[0]))
    )
    with pytest.warns(UserWarning, match="^1 of 2 answers are not certified; see certified, gap$"):
        data = players_curve(MIXED, [190.0], [2, math.inf])
    assert np.isnan(data["delay"].values[0, 0])
    assert data["certified"].values.tolist() == [[False, True]]


def test_what_was_done_before_an_interrupt_is_kept(monkeypatch):
    honest, done = engine.Task.solve, []

    def stops(self, *points):
        done.append(len(points[0]))
        if len(done) == 3:
            raise KeyboardInterrupt
        return honest(self, *points)

    monkeypatch.setattr(engine, "MOST", 2)
    monkeypatch.setattr(engine.Task, "solve", stops)
    with pytest.raises(CurveInterruptedError) as stop:
        control_curve(MIXED, 190.0, [0.0, 0.2, 0.4, 0.6])
    assert stop.value.dataset["fraction"].values.tolist() == [0.0, 0.2]
    assert done == [2, 2, 2]  # two strategies, then the first of the next block


# ---- the worst case by convex programs


@pytest.mark.parametrize("solver", [None, "CLARABEL", "SCS"])
def test_worst_case_of_any_solver(solver):
    found, true = ERRATIC.worst_case(solver=solver), worst_case(ERRATIC.bank)
    assert found.certified
    assert found.poa == pytest.approx(true.poa, rel=1e-8)
    assert found.upper_bound >= true.poa
    assert found.candidate_poa == pytest.approx(true.candidate_poa, rel=1e-12)


def test_the_result_lists_what_the_search_shares_with_the_reference():
    """The bound, the cells and the limit are shared with the reference; the splits are not."""
    assert (search.cell_bound, search.cell_edges) == (reference.cell_bound, reference.cell_edges)
    assert not {"optimum", "equilibrium", "evaluate"} & vars(search).keys()
    found = ERRATIC.worst_case(gap=1e-3)
    assert repr(found).endswith(f"shared with the reference's search: {found.shares}")
    assert "the bound between two loads, the limit at saturation" in found.shares
    assert not worst_case(ERRATIC.bank, gap=1e-3).shares


def test_worst_case_up_to_a_load_and_of_one_server():
    assert ERRATIC.worst_case(up_to=1.2).poa == pytest.approx(
        worst_case(ERRATIC.bank, up_to=1.2).poa, rel=1e-9
    )
    one = ParallelServers(MD1(3.0)).worst_case()
    assert (one.poa, one.evaluations) == (1.0, 0)


def test_what_is_claimed_at_the_end_of_the_digits_is_true():
    """Spare capacities of 1e-3 beside a rate of 1e9 have four digits: the certified bound holds."""
    found = ParallelServers(MM1([1e-3, 1e9], [1e3, 1e-6])).worst_case()
    true = worst_case(MM1([1e-3, 1e9], [1e3, 1e-6]))
    assert found.poa <= true.upper_bound
    assert found.upper_bound >= true.poa


def test_a_wider_gap_costs_fewer_solves():
    wide, narrow = ERRATIC.worst_case(gap=1e-3), ERRATIC.worst_case()
    assert wide.certified
    assert 1e-8 < wide.gap <= 1e-3
    assert wide.evaluations < narrow.evaluations


def test_unpolished_answers_give_a_right_and_wide_certificate():
    found, true = ERRATIC.worst_case(polish=False, gap=1e-3), worst_case(ERRATIC.bank)
    assert found.upper_bound >= true.poa
    assert found.poa == pytest.approx(true.poa, rel=2e-3)


def test_an_interrupted_search_keeps_its_bound(monkeypatch):
    true, real = worst_case(ERRATIC.bank).poa, search._BestFirst._known

    def stops(self, *known):
        if self.evaluations >= 12:
            raise KeyboardInterrupt
        return real(self, *known)

    monkeypatch.setattr(search._BestFirst, "_known", stops)
    with pytest.raises(WorstCaseInterruptedError) as stop:
        ERRATIC.worst_case()
    found = stop.value.found
    assert not found.certified
    assert found.poa <= true * (1 + 1e-9) <= found.upper_bound
    assert math.isfinite(found.upper_bound)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"gap": 0}, InputError, r"^gap = 0: is not a finite number above rounding error"),
    ({"gap": 1e-15}, InputError, r"^gap = 1e-15: is not a finite number above rounding error"),
    ({"up_to": 3.0}, LoadError, r"^up_to = 3.0: not below the total rate 2"),
    ({"gapp": 1e-5}, TypeError, "did you mean gap"),
    ({"solver": "NOPE"}, InputError, "is not a solver that CVXPY knows"),
])  # fmt: skip
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        ERRATIC.worst_case(**options)


# ---- the worst-case rule


@pytest.mark.slow
def test_the_search_over_small_systems_finds_failures_only_where_variabilities_differ():
    rows = worst_case_rule.worst_case_rule_counterexamples(25, seed=3)
    assert [r.family for r in rows] == list(worst_case_rule.FAMILIES)
    by = {r.family: r for r in rows}
    for family in ("M/M/1", "M/D/1", "M/G/1, one cv for all"):
        assert by[family].failed == 0
        assert by[family].ratio == pytest.approx(1.0, abs=1e-8)
    worst = max(rows, key=lambda r: r.ratio)
    assert worst.ratio > 1.05
    assert worst.failed > 0
    # the numbers of the printed families give the same system
    again = worst_case(MG1(worst.rate, worst.cv, worst.delay))
    assert again.poa == pytest.approx(worst.worst_case.poa, rel=1e-12)
    json.dumps([r.to_dict() for r in rows])
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(worst_case_rule.summary(rows))
    said = " ".join(console.export_text().split())
    assert "M/M/1 beside one of cv up to 30" in said
    assert "With one cv for all the rule fails too, with more servers" in said


def test_the_counterexample_of_the_caption_is_one():
    """One cv for all: 24 servers of rate 1 and one of rate 25."""
    numbers, digits = SMALL.numbers, "{:.2f}, by the rule {:.6f}"
    assert f"{numbers['cv']:g}, have {SMALL.poa:.6f}" in worst_case_rule.CAPTION
    assert digits.format(SMALL.load, SMALL.rule) in worst_case_rule.CAPTION
    found = ParallelServers(MG1(**numbers)).worst_case(gap=8e-5)
    assert found.certified
    assert found.poa == pytest.approx(SMALL.poa, rel=8e-5)
    assert found.load == pytest.approx(SMALL.load, rel=5e-3)
    assert found.candidate_poa == pytest.approx(SMALL.rule, rel=1e-9)
    assert found.candidate_poa < found.poa * (1 - 5e-5)


def test_random_systems_are_the_same_for_a_seed():
    first, second = (worst_case_rule._draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
