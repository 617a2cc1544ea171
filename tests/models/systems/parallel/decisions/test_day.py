"""Sizes for a profile of loads: the method, its answer and picture, Clarabel on the program."""

import json
import math

import numpy as np
import pytest
from chunks import chunks

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    InputError,
    LateShare,
    LoadError,
    MeanDelay,
    ParallelServers,
    RateBudget,
    ServerDelay,
    ServerPercentile,
)
from sojourn.models.systems.parallel.decisions.sizes.day_program import day_program
from sojourn.reference.parallel.decisions.day_rates import rates_for_flows

DAY = 150 * (0.55 + 0.45 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24))
SYSTEM = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
PRICE = [1.0, 1.0, 0.5]
TWO = ParallelServers(MM1(rate=[100.0, 250.0], delay=[0.0, 0.3]), names=["near", "far"])


def size(**given):
    return SYSTEM.size(DAY, **{"rate_price": PRICE, "split": [0.3, 0.2, 0.5], **given})


# ---- the method


def test_given_shares():
    found = size(delay_cost=20.0)
    assert found.objective == pytest.approx(234.218605669925, abs=5e-13)
    rates = [60.621216660329, 43.352128993301, 104.126844030835]
    assert found.rate == pytest.approx(rates, abs=1e-12)
    assert found.certified
    assert found.certificate.gap < 1e-13
    assert found.flows == pytest.approx(np.outer(DAY, [0.3, 0.2, 0.5]))
    assert found.delays @ DAY / DAY.sum() == pytest.approx(found.mean_delay, rel=1e-14)
    assert found.peak_utilisation == pytest.approx(150 * np.array([0.3, 0.2, 0.5]) / rates)
    assert found.price_of_money == pytest.approx(-1 / (20 * DAY.mean()), rel=1e-14)
    for target in (RateBudget(found.cost), MeanDelay(found.mean_delay)):
        same = size(subject_to=[target])
        assert same.rate == pytest.approx(found.rate, rel=1e-12)
        assert same.price_of_money == pytest.approx(found.price_of_money, rel=1e-11)
        assert same.certified


def test_split_anew_at_each_load():
    found = TWO.size(DAY, rate_price=[1, 0.6], max_rate=[100, 250], split="best", delay_cost=20.0)
    assert found.objective == pytest.approx(351.7960282010, abs=5e-11)
    assert found.certified
    assert found.certificate.lower_bound >= 351.7955
    assert found.nodes > 0
    assert np.all(found.flows[DAY < 60, 1] == 0)
    assert found.flows[14] == pytest.approx([86.19307, 63.80693], abs=1e-5)
    # the split at each load is the optimum of a system with these rates
    for load, flow, delay in zip(DAY, found.flows, found.delays, strict=True):
        best = found.system.optimum(load)
        assert flow == pytest.approx(best.flow, abs=1e-6 * load)
        assert delay == pytest.approx(best.mean_delay, rel=1e-9)
    fine = TWO.size(
        DAY, rate_price=[1, 0.6], max_rate=[100, 250], split="best", delay_cost=20.0, gap=1e-9
    )
    assert fine.certificate.gap <= 1e-9
    assert fine.certified


def test_a_day_of_one_load_is_that_load():
    for given in (
        {"delay_cost": 20.0},
        {"subject_to": [RateBudget(200.0)], "opening": [3.0, 1.0, 2.0]},
        {"subject_to": [MeanDelay(0.05)]},
        {"subject_to": [ServerDelay(0.06), ServerPercentile(0.99, 0.2)]},
    ):
        asked = {"rate_price": PRICE, "split": [0.3, 0.2, 0.5], **given}
        one, two = SYSTEM.size(150.0, **asked), SYSTEM.size([150.0, 150.0], **asked)
        assert two.rate == pytest.approx(one.rate, rel=1e-12)
        assert two.objective == pytest.approx(one.objective, rel=1e-13)
        same = one.price_of_money
        assert two.price_of_money == (same and pytest.approx(same, rel=1e-10))
        assert two.opening_cost == one.opening_cost


def test_split_of_the_optimum_at_each_load():
    found = size(split="optimum", delay_cost=20.0)
    assert found.flows == pytest.approx(np.array([SYSTEM.optimum(x).flow for x in DAY]), abs=1e-5)


def test_targets_of_single_servers_hold_at_the_peak():
    found = size(subject_to=[ServerDelay([0.05, 0.06, math.inf]), MeanDelay(0.05)])
    peak = found.system.bank.latency(found.flows.max(axis=0))
    assert np.all(peak[:2] <= np.array([0.05, 0.06]) * (1 + 1e-12))
    assert found.mean_delay == pytest.approx(0.05, rel=1e-12)
    assert found.certified


def test_opening_costs_close_a_server():
    given = {"rate_price": [1, 0.6], "max_rate": [200, 250], "split": "best", "delay_cost": 20.0}
    free = TWO.size(DAY, **{**given, "max_rate": [140, 250]})
    dear = TWO.size(DAY, **{**given, "max_rate": [160, 250]}, opening=[0.0, 200.0])
    assert free.open.tolist() == [True, True]
    assert dear.open.tolist() == [True, False]
    assert dear.opening_cost == 0
    assert dear.system.names == ("near",)


def test_a_night_without_load():
    loads, part = [0.0, 60.0, 150.0], [0.25, 0.5, 0.25]
    found = TWO.size(loads, duration=part, rate_price=[1, 0.6], split="best", delay_cost=20.0)
    assert found.load == pytest.approx(67.5)
    assert math.isnan(found.delays[0])
    assert np.all(found.flows[0] == 0)
    assert found.to_dict()["delays"][0] is None


# ---- against Clarabel


@pytest.mark.parametrize("seeds", chunks(60, 3, often=6))
def test_against_the_compiled_program(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        m, n = int(rng.integers(2, 5)), int(rng.integers(1, 5))
        k = 0.5 + rng.choice([0, 0.5, 1, 4]) * rng.random(n)
        price, weight = 10 ** rng.uniform(-0.5, 0.5, n), 10 ** rng.uniform(0, 2, m)
        cost, top = float(weight.sum()), rng.uniform(20, 100, n)
        low = rng.choice([0, 1]) * rng.uniform(0, 1.5, n) * top
        high = np.where(rng.random(n) < 0.5, np.maximum(1.2 * top, low), np.inf)
        program = day_program(weight, k, price, low, high, float(top.mean()))
        assert program.problem.is_dcp(dpp=True)
        for _ in range(2):  # compiled once: the second day is new numbers
            flows = rng.random((m, n)) * top * (rng.random((m, n)) < 0.9)
            flows[0, 0] += 1.0
            found = rates_for_flows(
                flows, weight / cost, k, 0.0, price, delay_cost=cost, min_rate=low, max_rate=high
            )
            rate = program.solve(flows, solver="CLARABEL")
            value = program.problem.value
            assert found.value == pytest.approx(value, rel=2e-6)
            assert found.lower_bound <= value * (1 + 1e-6)
            assert found.rate == pytest.approx(rate, rel=2e-2, abs=0.02)


def test_the_model_of_the_answer():
    system = ParallelServers(
        MM1(rate=100.0, delay=0.005), MD1(rate=80.0, delay=0.005), MG1(rate=200.0, cv=2.0)
    )
    loads = [0.0, 90.0, 150.0]
    for given in ({"delay_cost": 20.0}, {"subject_to": [RateBudget(150.0)]}):
        found = system.size(loads, rate_price=PRICE, split=[0.3, 0.2, 0.5], **given)
        assert any("coefficients of variation" in caveat for caveat in found.caveats)
        model = found.model()
        model.problem.solve(solver="CLARABEL")
        assert model.rate.value == pytest.approx(found.rate, rel=1e-3)
        assert float(model.mean_delay.value) == pytest.approx(found.mean_delay, rel=1e-3)


# ---- the answer for people and machines


def test_words_and_numbers():
    found = size(delay_cost=20.0)
    assert "24 loads up to 150" in repr(found)
    ends = f"{found.delays.min():.6g} to {found.delays.max():.6g}"
    assert f"mean delay at the loads {ends}, utilisation up to 0.7423" in repr(found)
    numbers = json.loads(json.dumps(found.to_dict()))
    assert len(numbers["flows"]) == len(numbers["delays"]) == 24
    assert numbers["servers"][0]["peak_utilisation"] == pytest.approx(45 / 60.621216660329)


def test_picture():
    found = size(delay_cost=20.0)
    flows, busy, delay = found.plot("a day").axes
    tops = [patch.get_data().values for patch in flows.patches]
    assert tops[-1] == pytest.approx(DAY)
    assert len(busy.patches) == 3
    assert delay.patches[0].get_data().values == pytest.approx(found.delays)
    many = ParallelServers(MM1(rate=np.full(9, 30.0)))
    unequal = many.size(
        [60.0, 150.0], duration=[0.7, 0.3], rate_price=1.0, delay_cost=20.0
    ).plot()  # fmt: skip
    assert unequal.axes[0].get_legend().get_texts()[-1].get_text().startswith("3 others")
    assert unequal.axes[2].get_xlabel() == "part of the time"


# ---- refused input


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"duration": np.full(24, 1.0)}, "duration", "sum to 1"),
        ({"duration": np.full(24, 2.0)}, "duration[0]", "sum to 1"),
        ({"duration": [-0.5, *np.full(23, 1.5 / 23)]}, "duration[0]", "part of the time"),
        ({"duration": [0.5, 0.5]}, "duration", "24 parts"),
        ({"delay_cost": None, "subject_to": [LateShare(0.1, 0.01)]}, "subject_to[0]", "one load"),
        ({"split": "best", "subject_to": [ServerDelay(0.1)]}, "subject_to", "split='best'"),
        (
            {"split": "best", "delay_cost": None, "subject_to": [RateBudget(200.0)]},
            "subject_to",
            "give delay_cost=",
        ),
        ({"delay_cost": None, "subject_to": [RateBudget(112.0)]}, "RateBudget.money", "112.5"),
        ({"delay_cost": None, "subject_to": [MeanDelay(0.01)]}, "MeanDelay.time", "give more than"),
        ({"max_rate": [45.0, 90.0, 90.0]}, "max_rate[0]", "not above its flow"),
        ({"delay_cost": None, "subject_to": [ServerDelay([0.1, math.inf, 0.1])]}, "subject_to", ""),
    ],
)
def test_refused(change, field, words):
    with pytest.raises(InputError) as caught:
        size(**{"delay_cost": 20.0, **change})
    assert caught.value.field == field
    assert words in str(caught.value)


def test_refused_loads():
    for loads in ([0.0, 0.0], [10.0, -1.0], []):
        with pytest.raises(LoadError):
            SYSTEM.size(loads, rate_price=PRICE, split="best", delay_cost=20.0)
    with pytest.raises(LoadError, match="not below the sum 150"):
        SYSTEM.size(DAY, rate_price=PRICE, split="best", delay_cost=20.0, max_rate=50.0)
