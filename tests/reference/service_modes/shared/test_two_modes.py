"""Closed forms of two shared modes: against the printed formulas, a scan, and Newton's method."""

import math

import mpmath as mp
import numpy as np
import pytest
from chunks import some
from shared_modes import PAPER, paper

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import Canonical, Modes, TunableMode, capacity
from sojourn.reference.service_modes.shared import (
    TwoSharedModes,
    equilibrium,
    modes_in_use,
    optimum,
)

PLAYERS = {"optimum": 1.0, "equilibrium": math.inf}


def pair_of(name):
    return TwoSharedModes(Canonical(1.0, 4.0, *PAPER[name]).dual_mode)


@pytest.mark.parametrize(
    ("name", "goal", "loads"),
    [
        ("A", "optimum", (20 / 7, None)),
        ("A", "equilibrium", (3.75, None)),
        ("B", "optimum", (40 / 17, 40 / 11)),
        ("B", "equilibrium", (10 / 3, 30 / 7)),
        ("C", "optimum", (None, None)),
        ("C", "equilibrium", (None, None)),
    ],
)
def test_thresholds_of_the_paper(name, goal, loads):
    found = pair_of(name).thresholds(goal)
    for value, true in zip(found, loads, strict=True):
        assert value == (true if true is None else pytest.approx(true, rel=1e-14))


@pytest.mark.parametrize("name", PAPER)
def test_canonical_formulas(name):
    """The formulas with mu0, K and f are those of the works."""
    (f1, f2), K = PAPER[name], 4.0
    root, pair = math.sqrt(K), pair_of(name)
    printed = {
        "optimum": [(K - root) / (1 - f * (1 + root)) for f in (f1, f2)],
        "equilibrium": [(K - 1) / (1 - 2 * f) if f != 0.5 else math.inf for f in (f1, f2)],
    }
    most = capacity(pair.modes).max_load
    for goal, loads in printed.items():
        for value, true in zip(pair.thresholds(goal), loads, strict=True):
            expected = None if not 0 < true < most else pytest.approx(true, rel=1e-13)
            assert value == expected
    start = pair.thresholds("equilibrium")[0]
    if start is not None and pair.p("optimum", start) > 0:
        poa = 2 * (root + 1) / (2 * (root + 1) - (root - 1) * (1 - 2 * f1))
        assert pair.largest_price == pytest.approx((poa, start), rel=1e-13)
        load = 1.01 * start
        assert 0 < pair.p("equilibrium", load) < 1
        assert 0 < pair.p("optimum", load) < 1
        mixed = 2 * load / (2 * load - (root - 1) ** 2)
        assert pair.price_of_anarchy(load) == pytest.approx(mixed, rel=1e-13)


def test_prices_of_the_paper():
    assert pair_of("A").largest_price[0] == pytest.approx(15 / 13, rel=1e-14)
    assert pair_of("B").largest_price[0] == pytest.approx(20 / 17, rel=1e-14)
    assert pair_of("C").largest_price == (1.0, 0.0)
    assert pair_of("A").saturated_price == pytest.approx(10 / 9, rel=1e-14)
    near = pair_of("A").price_of_anarchy(5 * (1 - 1e-9))
    assert near == pytest.approx(10 / 9, rel=1e-7)
    assert [pair_of(name).saturated_price for name in "BC"] == [1.0, 1.0]
    far = TwoSharedModes(Canonical(1.0, 1e12, 0.0, 1.0).dual_mode)
    assert far.saturated_price == pytest.approx(2.0, rel=1e-5)
    assert far.largest_price[0] == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize("name", PAPER)
def test_the_optimum_is_that_of_the_tunable_mode_at_its_local_part(name):
    form = Canonical(1.0, 4.0, *PAPER[name])
    pair, tunable = TwoSharedModes(form.dual_mode), TunableMode(1.0, 4.0)
    for load in np.linspace(0.01, 0.99, 25) * capacity(pair.modes).max_load:
        f = form.local_part(pair.p("optimum", load))
        assert pair.mean_delay("optimum", load) == pytest.approx(
            float(tunable.delay(f, load)), rel=1e-12
        )


@pytest.mark.parametrize("seed", some(60, often=4))
def test_random_pairs_against_a_scan_and_newton(seed):
    """Also pairs of which one mode dominates, and pairs with mode 2 better at light load."""
    rng = np.random.default_rng(seed)
    work = rng.exponential(size=(2, 2)) * [[1.0, rng.choice([1.0, 3.0])]]
    modes = Modes.from_work(work)
    pair, most = TwoSharedModes(modes), capacity(modes).max_load
    for load in most * rng.uniform([0.01, 0.3, 0.9], [0.3, 0.9, 0.999]):
        found = {"optimum": optimum(modes, load), "equilibrium": equilibrium(modes, load)}
        for goal, answer in found.items():
            assert pair.mean_delay(goal, load) == pytest.approx(answer.mean_delay, rel=1e-8)
            assert pair.p(goal, load) == pytest.approx(answer.assignment[0], abs=2e-7)
        p = np.linspace(0, 1, 501)
        spare = 1 - load * (work @ [p, 1 - p])
        delays = np.where((spare > 0).all(axis=0), np.sum((1 / spare - 1) / load, axis=0), np.inf)
        assert pair.mean_delay("optimum", load) <= delays.min() * (1 + 1e-12)
        # at the equilibrium no used mode is slower than the other
        p = pair.p("equilibrium", load)
        each = work.T @ (1 / (1 - load * (work @ [p, 1 - p])))
        assert (each[[p > 0, p < 1]] <= each.min() * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", some(60, often=4))
def test_thresholds_against_the_search(seed):
    rng = np.random.default_rng([1, seed])
    modes = Modes.from_work(rng.exponential(size=(2, 2)))
    pair = TwoSharedModes(modes)
    for goal, players in PLAYERS.items():
        found = modes_in_use(modes, players)
        loads = [load for load in pair.thresholds(goal) if load is not None and load < found.high]
        assert found.certified
        assert found.loads == pytest.approx(loads, rel=1e-9)
        for bracket, load in zip(found.thresholds, loads, strict=True):
            assert bracket.lower * (1 - 1e-13) <= load <= bracket.upper * (1 + 1e-13)


def test_a_threshold_outside_of_the_loads_is_none():
    """The counterexample of a formula without this rule: the quotient is -0.39."""
    pair = TwoSharedModes(Modes.from_work([[1.0, 1.09], [0.1, 0.05]]))
    assert pair.thresholds("optimum") == (None, None)
    w1, w2 = pair.weights("optimum")
    assert (w1 - w2) / (w1 * 0.1 - w2 * 1.0) == pytest.approx(-0.39, abs=0.005)
    assert pair.p("optimum", 0.9) == 1.0


def test_near_saturation_with_thirty_digits():
    load = 5 * (1 - mp.mpf("1e-6"))
    a = [[mp.mpf("0.1"), mp.mpf("0.3")], [mp.mpf("0.225"), mp.mpf("0.175")]]
    with mp.workdps(30):
        d1, d2 = a[0][1] - a[0][0], a[1][0] - a[1][1]
        det = a[0][1] * a[1][0] - a[0][0] * a[1][1]
        true = ((mp.sqrt(d1) + mp.sqrt(d2)) ** 2 / (d1 + d2 - load * det) - 2) / load
    assert pair_of("A").mean_delay("optimum", float(load)) == pytest.approx(float(true), rel=1e-8)


def test_bad_input():
    with pytest.raises(InputError, match="is not two stages and two modes"):
        TwoSharedModes(Modes.from_work(np.ones((2, 3))))
    with pytest.raises(InputError, match="fixed delays"):
        TwoSharedModes(Modes.from_work(np.eye(2), [0.0, 1.0]))
    with pytest.raises(InputError, match="is not the rates"):
        TwoSharedModes(paper("A"))
    with pytest.raises(InputError, match="goal"):
        pair_of("A").weights("best")
    for load in (0.0, 5.0, math.nan):
        with pytest.raises(LoadError):
            pair_of("A").p("optimum", load)
