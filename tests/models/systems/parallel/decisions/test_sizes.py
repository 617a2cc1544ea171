"""Sizes of servers at a split: the method, its answer, the convex program, refusals."""

import copy
import json
import math
import pickle

import cvxpy as cp
import numpy as np
import pytest
from chunks import chunks
from every_family import FAMILIES

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    InputError,
    LateShare,
    LoadError,
    MaxShare,
    MeanDelay,
    NotCertifiedError,
    ParallelServers,
    RateBudget,
    ServerDelay,
    ServerPercentile,
    SizedServers,
)
from sojourn.models.core.times import in_time_unit

NAMES = ["edge 1", "edge 2", "cloud"]
SYSTEM = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), names=NAMES)
MIXED = ParallelServers(
    MD1(100.0, 0.005), MM1(80.0, 0.005), MG1(200.0, cv=3.0, delay=0.020), names=NAMES
)
FLOW = np.array([60.0, 40.0, 90.0])
AT = {"rate_price": [1.0, 1.0, 0.5], "split": FLOW / 190.0}


def size(system=SYSTEM, **asked):
    return system.size(190.0, **{**AT, **asked})


QUESTIONS = {
    "budget": {"subject_to": [RateBudget(200.0)]},
    "budget and bounds": {
        "subject_to": [RateBudget(200.0)],
        "max_rate": [75, 200, 400],
        "min_rate": [0, 0, 130],
    },
    "budget and delays of servers": {
        "subject_to": [RateBudget(280.0), ServerDelay([0.1, 0.1, 0.035])]
    },
    "mean delay": {"subject_to": [MeanDelay(0.030)]},
    "delays of servers": {"subject_to": [ServerDelay([0.04, 0.04, 0.05])]},
    "price of delay": {"delay_cost": 20.0, "max_rate": [200, 200, 140], "opening": [1, 2, 3]},
}
TAILS = {
    "percentile": {"subject_to": [ServerPercentile(0.99, 0.150)]},
    "late jobs": {"subject_to": [LateShare(0.150, 0.01)]},
    "late jobs and a mean": {"subject_to": [LateShare(0.150, 0.01), MeanDelay(0.040)]},
    "late jobs in a budget": {"subject_to": [LateShare(0.150, 0.0025), RateBudget(250.0)]},
    "late jobs of two times": {
        "subject_to": [LateShare(0.150, 0.01), LateShare(0.3, 1e-4)],
        "max_rate": 140,
    },
    "late jobs and a price": {"subject_to": [LateShare(0.150, 0.01)], "delay_cost": 2.0},
    "late jobs and a delay": {"subject_to": [LateShare(0.150, 0.01), ServerDelay([0.03, 1, 1])]},
}


@pytest.mark.parametrize("system", [SYSTEM, MIXED], ids=["M/M/1", "mixed"])
@pytest.mark.parametrize("name", [*QUESTIONS, *TAILS])
def test_the_convex_program_agrees(system, name):
    if name in TAILS and system is MIXED:
        with pytest.raises(InputError, match=r"servers\[0\] = 'MD1': of edge 1, MD1") as caught:
            size(system, **TAILS[name])
        assert caught.value.field == "servers[0]"
        return
    found = size(system, **{**QUESTIONS, **TAILS}[name])
    assert found.certified
    assert found.certificate.gap <= 1e-12
    assert found.nodes == 0
    program = found.model()
    assert program.problem.is_dcp()
    program.problem.solve(solver="CLARABEL")
    assert program.problem.value == pytest.approx(1.0, abs=1e-7)
    np.testing.assert_allclose(program.rate.value, found.rate, rtol=1e-3)
    value = {"delay": program.mean_delay, "cost": program.cost}[found.minimise].value
    least = {"delay": found.mean_delay, "cost": found.cost}[found.minimise]
    assert value == pytest.approx(least, rel=1e-4 if found.delay_cost else 4e-7)


def test_numbers_of_single_servers_and_tails():
    delays = QUESTIONS["delays of servers"]
    assert size(**delays).cost == pytest.approx(218.8095238095, abs=5e-11)
    assert size(MIXED, **delays).cost == pytest.approx(239.7727499570, abs=5e-11)
    np.testing.assert_allclose(size(MIXED, **delays).latency, [0.04, 0.04, 0.05], rtol=1e-13)
    assert size(**TAILS["percentile"]).cost == pytest.approx(226.2317817953, abs=5e-11)
    late = size(**TAILS["late jobs"])
    assert late.cost == pytest.approx(223.4736168010, abs=5e-11)
    assert late.system.evaluate(190.0, flow=late.flow).mean_delay == pytest.approx(
        late.mean_delay, rel=1e-13
    )


@pytest.mark.parametrize("seeds", chunks(400, 10, often=20))
def test_random_systems_against_clarabel(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 7))
        flow = rng.uniform(5, 100, n)
        cv = rng.choice([0.0, 1.0, 5.0], n) * rng.random(n) if seed % 2 else rng.random(n)
        system = ParallelServers(MG1(2 * flow, cv, rng.uniform(0, 0.05, n)))
        high = np.where(rng.random(n) < 0.5, flow * rng.uniform(1.2, 3, n), np.inf)
        low = np.where(rng.random(n) < 0.3, flow * rng.uniform(0.8, 1.15, n), 0.0)
        price = rng.uniform(0.5, 2, n)
        load, share = flow.sum(), flow / flow.sum()
        least, most = price @ np.maximum(low, flow), price @ np.minimum(high, 3 * flow)
        budget = least + rng.uniform(0.1, 0.9) * (most - least)
        bounds = {"rate_price": price, "max_rate": high, "min_rate": low, "split": share}
        found = system.size(load, subject_to=[RateBudget(budget)], **bounds)
        mirror = system.size(load, subject_to=[MeanDelay(found.mean_delay)], **bounds)
        assert mirror.cost == pytest.approx(found.cost, rel=1e-10)
        for answer in (found, mirror):
            assert answer.certificate.gap <= 1e-11
            # at Clarabel's default tolerances two of 400 systems are off by up to 3e-6
            tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
            value = answer.model().problem.solve(solver="CLARABEL", **tolerances)
            assert value == pytest.approx(1.0, abs=4e-7)


def test_attributes_of_an_answer():
    found = size(**QUESTIONS["budget"])
    assert isinstance(found, SizedServers)
    assert (found.minimise, found.load, found.loads) == ("delay", 190.0, (190.0,))
    assert found.names == tuple(NAMES)
    np.testing.assert_allclose(found.flow, FLOW, rtol=1e-15)
    np.testing.assert_array_equal(found.flows, [found.flow])
    np.testing.assert_allclose(found.spare_capacity, found.rate - FLOW, rtol=1e-15)
    assert found.open.tolist() == [True] * 3
    assert (found.cost, found.opening_cost, found.delay_cost) == (pytest.approx(200.0), 0.0, None)
    assert found.objective == found.mean_delay
    assert found.system.names == tuple(NAMES)
    np.testing.assert_array_equal(found.system.bank.rate, found.rate)
    again = found.system.evaluate(190.0, flow=found.flow)
    assert again.mean_delay == pytest.approx(found.mean_delay, rel=1e-14)
    step = 1e-3
    more = size(subject_to=[RateBudget(200.0 + step)]).mean_delay
    assert (more - found.mean_delay) / step == pytest.approx(found.price_of_money, rel=1e-4)


@pytest.mark.parametrize("name", ["budget and bounds", "mean delay", "price of delay"])
def test_the_price_of_money_is_the_slope_of_the_frontier(name):
    for system in (SYSTEM, MIXED):
        found = size(system, **QUESTIONS[name])
        bounds = {k: v for k, v in QUESTIONS[name].items() if k.endswith("_rate")}
        step = 1e-4 * found.cost
        more, less = (
            size(system, subject_to=[RateBudget(found.cost + change)], **bounds).mean_delay
            for change in (step, -step)
        )
        assert (more - less) / (2 * step) == pytest.approx(found.price_of_money, rel=1e-4)


def test_the_split_of_the_optimum_is_that_of_the_present_rates():
    found = SYSTEM.size(190.0, rate_price=1.0, subject_to=[RateBudget(300.0)])
    np.testing.assert_allclose(found.flow, SYSTEM.optimum(190.0).flow, rtol=1e-9)
    with pytest.raises(LoadError, match="not below the total rate 380"):
        SYSTEM.size(380.0, rate_price=1.0, subject_to=[RateBudget(500.0)])
    given = SYSTEM.size(500.0, rate_price=1.0, split=[0.2, 0.3, 0.5], delay_cost=1.0)
    assert given.certified


def test_servers_that_no_job_reaches():
    found = SYSTEM.size(
        100.0,
        rate_price=[1, 1, 0],
        split=[1, 0, 0],
        min_rate=[0, 0, 7],
        opening=[5, 50, 500],
        subject_to=[RateBudget(150.0)],
    )
    np.testing.assert_allclose(found.rate, [145.0, 0.0, 7.0], rtol=1e-14)
    assert found.open.tolist() == [True, False, False]
    assert (found.cost, found.opening_cost, found.total_cost) == (145.0, 5.0, 150.0)
    assert found.system.names == ("edge 1", "cloud")
    assert found.latency[1] == math.inf
    assert found.to_dict()["servers"][1]["latency"] is None


def test_no_certificate_within_what_rounding_hides():
    # 1e9 + 1/119 is rounded up: rates that cost 7e-6 less meet it, and 120 is not certified to 1e-6
    far = ParallelServers(MM1([150.0], [1e9]))
    target = 1e9 + 1.0 / 119.0
    asked = {"rate_price": 1.0, "max_rate": 120.0, "subject_to": [MeanDelay(target)]}
    found = far.size(1.0, **asked, split=[1.0], throw=False)
    cheaper = 1.0 + 1.0 / (target - 1e9)
    assert found.certificate.lower_bound <= cheaper < (1 - 1e-6) * found.cost
    assert not found.certified
    with pytest.raises(NotCertifiedError, match="0 nodes searched"):
        far.size(1.0, **asked, split=[1.0])


def test_opening_costs_are_part_of_the_cost():
    plain, opened = (
        size(**{**QUESTIONS["price of delay"], "opening": opening}) for opening in (0.0, [1, 2, 3])
    )
    np.testing.assert_array_equal(plain.rate, opened.rate)
    assert opened.objective == pytest.approx(plain.objective + 6.0, rel=1e-14)
    assert opened.objective == pytest.approx(
        opened.cost + 6.0 + 20.0 * 190.0 * opened.mean_delay, rel=1e-14
    )
    assert opened.certificate.lower_bound <= opened.objective <= opened.certificate.upper_bound


def test_without_a_choice_the_budget_decides():
    assert size(subject_to=[RateBudget(200.0)], minimise="delay").minimise == "delay"
    assert size(subject_to=[MeanDelay(0.03)], minimise="cost").minimise == "cost"
    assert size(delay_cost=2.0).minimise == "cost"


def test_targets_that_do_not_bind_have_no_price_of_money():
    found = size(subject_to=[MeanDelay(0.03), ServerDelay(0.02 + 1e-3)])
    assert found.price_of_money is None
    assert found.mean_delay < 0.03
    rich = size(subject_to=[RateBudget(1e6)], max_rate=300.0)
    assert (rich.price_of_money, rich.rate.tolist()) == (0.0, [300.0] * 3)


def test_text_numbers_units_and_copies():
    found = size(MIXED, **QUESTIONS["budget"])
    text = str(found)
    assert text.startswith("rates for load 190: mean delay 0.070469296, cost 200\n")
    assert "coefficients of variation" in text
    assert "least mean delay certified within" in text
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["servers"][2]["rate"] == found.rate[2]
    assert record["price_of_money"] == found.price_of_money
    ms = in_time_unit(found, 1000.0)
    assert ms.mean_delay == pytest.approx(70.469296023, abs=5e-9)
    assert ms.certificate.upper_bound == 1000.0 * found.certificate.upper_bound
    assert ms.price_of_money == 1000.0 * found.price_of_money
    assert ms.cost == found.cost
    money = in_time_unit(size(**QUESTIONS["mean delay"]), 1000.0)
    assert money.objective == money.cost == pytest.approx(271.986897619955)
    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):  # noqa: S301
        assert twin.to_dict() == found.to_dict()
        assert isinstance(twin.model().problem, cp.Problem)


def test_the_unit_of_time_changes_nothing():
    slow = ParallelServers(SYSTEM.bank.in_unit(60.0), time_unit="min")
    there = slow.size(190.0 * 60, **AT, subject_to=[RateBudget(200.0 * 60)])
    np.testing.assert_allclose(there.rate / 60, size(**QUESTIONS["budget"]).rate, rtol=1e-13)


# ---- refusals


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_families_with_one_rate_alone(family):
    bank = FAMILIES[family]
    system = ParallelServers(MM1(5.0), bank)
    share = np.full(len(system), 1 / len(system))
    asked = {"rate_price": 1.0, "split": share, "delay_cost": 1.0}
    if family in ("M/M/1", "M/D/1", "M/G/1"):
        assert system.size(1.0, **asked).certified
        return
    with pytest.raises(InputError, match="server 2") as caught:
        system.size(1.0, **asked)
    assert caught.value.field == "servers[1]"


@pytest.mark.parametrize("shared", [{"base": [0.0, 10.0]}, {"batch": 2.0}])
def test_no_base_loads_and_batches(shared):
    system = ParallelServers(MM1([50.0, 50.0], **shared))
    with pytest.raises(InputError, match="with a base load or batches"):
        system.size(10.0, rate_price=1.0, delay_cost=1.0)


def test_banks_within_banks():
    inner = ParallelServers(MM1([100.0, 80.0], 0.005), MG1(50.0, cv=2.0)).bank
    nested = ParallelServers(inner, MD1(60.0))
    flat = ParallelServers(*inner.banks, MD1(60.0))
    both = [s.size(150.0, rate_price=1.0, delay_cost=9.0) for s in (nested, flat)]
    np.testing.assert_allclose(both[0].rate, both[1].rate, rtol=1e-14)
    assert both[0].system.total_rate == pytest.approx(both[0].rate.sum())


BAD = [
    ({"subject_to": [RateBudget(145.0)]}, "RateBudget.money", "give more than 145"),
    (
        {"subject_to": [RateBudget(150.0)], "opening": [1, 2, 3]},
        "RateBudget.money",
        "give more than 151",
    ),
    ({"subject_to": [MeanDelay(0.012)]}, "MeanDelay.time", "give more than 0.0121052631579"),
    (
        {"subject_to": [MeanDelay(0.03)], "max_rate": [70, 50, 100]},
        "MeanDelay.time",
        "give 0.112105263158 or more",
    ),
    ({"subject_to": [ServerDelay(0.02)]}, "subject_to[0]", "cloud .* give more than 0.02"),
    (
        {"subject_to": [ServerDelay(0.04)], "max_rate": [70, 200, 200]},
        "subject_to[0]",
        "edge 1 by any rate up to 70; give 0.105 or more",
    ),
    (
        {"subject_to": [MeanDelay(1.0), ServerPercentile(0.5, 0.01)], "max_rate": 100.0},
        "subject_to[1]",
        "edge 1 .* give 0.0223",
    ),
    ({"subject_to": [LateShare(0.015, 0.01)]}, "LateShare.at_most", "more than 0.4736842"),
    ({"subject_to": [LateShare(0.015, 0.9)]}, "subject_to", "without spare capacity at edge 2"),
    ({"subject_to": [ServerDelay([0.1, 0.1, math.inf])]}, "subject_to", "the delay at cloud"),
    (
        {"subject_to": [LateShare(0.15, 0.001), RateBudget(230.0)]},
        "RateBudget.money",
        "than 264.089",
    ),
    ({}, "minimise", "has no target"),
    ({"minimise": "delay"}, "minimise", "has no bound of the money"),
    ({"minimise": "delay", "delay_cost": 1.0}, "minimise", "has no bound of the money"),
    ({"minimise": "money", "delay_cost": 1.0}, "minimise", "use delay or cost"),
    ({"minimise": "cost", "subject_to": [RateBudget(200.0)]}, "minimise", "RateBudget"),
    ({"subject_to": [RateBudget(200.0), MeanDelay(0.1)]}, "minimise", "MeanDelay"),
    ({"subject_to": [RateBudget(200.0)], "delay_cost": 1.0}, "minimise", "delay_cost"),
    ({"subject_to": [MeanDelay(0.1)], "delay_cost": 1.0}, "delay_cost", "keep one"),
    ({"subject_to": [MeanDelay(0.1), MeanDelay(0.2)]}, "subject_to[1]", "keep the smaller"),
    ({"subject_to": [MaxShare(0.5)]}, "subject_to[0]", "is not a target"),
    ({"subject_to": MeanDelay(0.1)}, "subject_to", "is not a list"),
    ({"subject_to": [MeanDelay(-1.0)]}, "MeanDelay.time", "-1"),
    ({"subject_to": [RateBudget(math.nan)]}, "RateBudget.money", "nan"),
    ({"subject_to": [ServerDelay([0.1, 0.0, 0.1])]}, "ServerDelay.time[1]", "0.0"),
    ({"subject_to": [ServerDelay([0.1, 0.1])]}, "ServerDelay.time", "each of 3 servers"),
    ({"delay_cost": -1.0}, "delay_cost", "above 0"),
    ({"delay_cost": 1.0, "rate_price": [1, -1, 1]}, "rate_price[1]", "-1.0"),
    ({"delay_cost": 1.0, "rate_price": [1, 0, 1]}, "rate_price[1]", "edge 2 is 0"),
    ({"delay_cost": 1.0, "rate_price": [1, 1]}, "rate_price", "each of 3 servers"),
    ({"delay_cost": 1.0, "max_rate": [80, 40, 100]}, "max_rate[1]", "edge 2 .* its flow, 40"),
    ({"delay_cost": 1.0, "max_rate": math.nan}, "max_rate", "nan"),
    ({"delay_cost": 1.0, "max_rate": 300, "min_rate": 301}, "min_rate[0]", "edge 1 is above"),
    ({"delay_cost": 1.0, "min_rate": math.inf}, "min_rate", "inf"),
    ({"delay_cost": 1.0, "opening": [1, 2, math.inf]}, "opening[2]", "inf"),
    ({"delay_cost": 1.0, "split": "worst"}, "split", "use optimum or best"),
    ({"delay_cost": 1.0, "split": [0.5, 0.5]}, "split", "each of 3 servers"),
    ({"delay_cost": 1.0, "split": [0.5, 0.4, 0.2]}, "split", "another number than 1"),
    ({"delay_cost": 1.0, "split": [0.5, 60, 0.2]}, "split[1]", "60"),
    ({"delay_cost": 1.0, "gap": 0.0}, "gap", "relative"),
    ({"delay_cost": 1.0, "duration": [1, 2]}, "duration", "1 parts"),
    ({"delay_cost": 1.0, "duration": [0]}, "duration[0]", "not a part of the time"),
    ({"delay_cost": 1.0, "duration": [-1]}, "duration[0]", "-1.0"),
]


@pytest.mark.parametrize(("asked", "field", "words"), BAD)
def test_refusals(asked, field, words):
    with pytest.raises(InputError, match=words) as caught:
        size(**asked)
    assert caught.value.field == field


@pytest.mark.parametrize("load", [0.0, -1.0, math.nan, math.inf, [], [[1.0]]])
def test_loads_that_are_none(load):
    with pytest.raises(LoadError):
        SYSTEM.size(load, **AT, delay_cost=1.0)
