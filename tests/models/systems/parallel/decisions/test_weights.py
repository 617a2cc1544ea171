"""Whole weights of solutions and systems: limits, several loads, certificates, text, refusals."""

import copy
import json
import math

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import (
    MM1,
    Budget,
    GroupShare,
    InputError,
    LinearLimit,
    LoadError,
    MaxShare,
    MaxUtilisation,
    MinShare,
    ParallelServers,
    ServerPercentile,
    TunableMode,
    WholeSplit,
)
from sojourn.models.core.times import in_time_unit
from sojourn.reference import whole_weights

SYSTEM = ParallelServers(
    MM1(rate=[120.0, 45.0, 20.0], delay=[0.0, 0.002, 0.030]), names=["a", "b", "c"]
)


@pytest.fixture(scope="module")
def best():
    return SYSTEM.optimum(load=180.0)


def test_of_an_optimum(best):
    found = best.weights(100)
    assert isinstance(found, WholeSplit)
    assert found.weights.tolist() == [66, 24, 10]
    assert (found.total, found.goal, found.load, found.names) == (100, "optimum", 180.0, best.names)
    assert found.mean_delay == pytest.approx(0.7368133333, abs=5e-11)
    assert found.ratio == pytest.approx(1.3866, abs=1e-4)
    assert found.loss == pytest.approx(found.mean_delay - best.mean_delay, rel=1e-12)
    np.testing.assert_allclose(found.flow, [118.8, 43.2, 18.0], rtol=1e-15)
    np.testing.assert_allclose(found.share, [0.66, 0.24, 0.1], rtol=1e-15)
    np.testing.assert_allclose(found.latency, SYSTEM.bank.latency(found.flow), rtol=1e-12)
    judged = SYSTEM.evaluate(180.0, weights=found.weights)
    assert judged.mean_delay == pytest.approx(found.mean_delay, rel=1e-12)
    assert judged.ratio == pytest.approx(found.ratio, rel=1e-9)


def test_the_best_total(best):
    found = best.weights(at_most=100)
    assert (found.total, found.weights.tolist()) == (95, [62, 23, 10])
    assert found.mean_delay == pytest.approx(0.5323458090, abs=5e-11)
    assert found.ratio == pytest.approx(1.00184, abs=1e-5)


def test_of_an_equilibrium():
    selfish = SYSTEM.equilibrium(180.0)
    found = selfish.weights(1000)
    assert (found.goal, found.weights.tolist()) == ("equilibrium", [657, 241, 102])
    assert found.mean_delay == pytest.approx(0.5920887609, abs=5e-11)
    # whole weights can be faster than the equilibrium without rounding
    assert found.ratio == pytest.approx(found.mean_delay / selfish.mean_delay, rel=1e-12)
    assert found.loss < 0
    # no unit gains by a move
    after = SYSTEM.bank.latency((found.weights + 1) * 180.0 / 1000)
    assert found.latency.max() <= after.min()
    assert found.last_price == pytest.approx(found.latency.max(), rel=1e-14)
    assert found.next_price == pytest.approx(after.min(), rel=1e-14)


@pytest.mark.parametrize("total", [29, 37, 100, 95, 10**6])
def test_the_certificate_bounds_what_it_says(best, total):
    found = best.weights(total)
    assert found.certified
    proof = found.certificate
    assert proof.lower_bound <= found.mean_delay <= proof.upper_bound
    assert proof.gap < 1e-13
    assert found.last_price <= found.next_price
    assert found.continuous_delay == best.mean_delay
    bounds = best.certificate
    assert (found.continuous_delay.lower, found.continuous_delay.upper) == (
        bounds.lower_bound,
        bounds.upper_bound,
    )
    assert found.ratio.lower <= found.ratio <= found.ratio.upper
    assert found.loss.lower <= found.loss <= found.loss.upper
    assert found.ratio.upper >= 1


# ---- limits


LIMITS = [
    MinShare([0.05, 0.2, 0.0]),
    MaxShare([0.6, 1.0, 1.0]),
    MaxUtilisation(0.95),
    ServerPercentile(p=0.9, within=[1.0, 1.0, 5.0]),
]


@pytest.mark.parametrize("chosen", [LIMITS[:1], LIMITS[1:2], LIMITS[2:3], LIMITS[3:], LIMITS])
def test_limits_are_kept(chosen):
    within = SYSTEM.optimum(150.0, subject_to=chosen)
    found = within.weights(97)
    for limit in chosen:
        linear = limit.linearise(SYSTEM.bank, 150.0)
        assert np.all(linear.matrix * found.flow <= np.asarray(linear.bound) + 1e-9)
    # the best of all whole weights that keep them
    shares = [
        (i, j, 97 - i - j)
        for i in range(98)
        for j in range(98 - i)
        if i * 150 < 120 * 97 and j * 150 < 45 * 97 and (97 - i - j) * 150 < 20 * 97
    ]
    bounds = [limit.linearise(SYSTEM.bank, 150.0) for limit in chosen]
    flows = np.array(shares) * 150.0 / 97
    kept = np.all(
        [np.all(b.matrix * flows <= np.asarray(b.bound) + 1e-9, axis=1) for b in bounds], axis=0
    )
    delays = (flows * SYSTEM.bank.latency(flows)).sum(axis=1) / 150.0
    assert found.mean_delay == pytest.approx(delays[kept].min(), rel=1e-13)
    assert found.ratio.upper >= 1
    same = SYSTEM.weights(150.0, 97, subject_to=chosen)
    assert same.weights.tolist() == found.weights.tolist()
    assert same.continuous_delay == pytest.approx(within.mean_delay, rel=1e-9)
    assert same.continuous_delay.upper == pytest.approx(within.mean_delay, rel=1e-9)


def test_limits_hold_at_every_load():
    loads = [60.0, 120.0, 175.0]
    limit = MaxUtilisation([0.97, 1.0, 1.0])
    found = SYSTEM.weights(loads, 100, subject_to=[limit])
    assert found.share[0] * 175.0 <= 0.97 * 120.0 + 1e-9
    assert SYSTEM.weights(loads, 100).share[0] == pytest.approx(0.66)
    fine = SYSTEM.weights(loads, 10**6, subject_to=[limit])
    assert fine.ratio == pytest.approx(1.0, abs=1e-6)
    assert fine.ratio.lower <= 1.0 + 1e-6


@pytest.mark.parametrize(
    "limit",
    [Budget([1, 1, 2], 300), GroupShare([1, 2], 0.5), LinearLimit([[1, 1, 0]], [140.0])],
)
def test_limits_on_several_servers_are_refused(limit):
    for ask in (
        lambda: SYSTEM.weights(150.0, 100, subject_to=[MaxShare(0.9), limit]),
        lambda: SYSTEM.optimum(150.0, subject_to=[MaxShare(0.9), limit]).weights(100),
    ):
        with pytest.raises(InputError, match="knapsack") as caught:
            ask()
        assert caught.value.field == "subject_to[1]"
        assert caught.value.value is limit
        assert "MinShare, MaxShare or MaxUtilisation" in caught.value.remedy


def test_limits_that_no_split_meets():
    with pytest.raises(LoadError, match="allow at most 105 jobs in all"):
        SYSTEM.weights(150.0, 100, subject_to=[MaxShare([0.4, 0.2, 0.1])])
    with pytest.raises(InputError, match=r"within the limits; give total=17"):
        SYSTEM.weights(150.0, 7, subject_to=[MaxShare([0.6, 1.0, 1.0])])
    with pytest.raises(InputError, match="selfish users keep no operator's limits"):
        SYSTEM.weights(150.0, 7, goal="equilibrium", subject_to=[MaxShare(0.6)])


# ---- several loads


def test_one_set_for_several_loads():
    loads, parts = [60.0, 120.0, 175.0], [0.3, 0.4, 0.3]
    found = SYSTEM.weights(loads, 100, parts=parts)
    assert found.weights.tolist() == [66, 24, 10]
    jobs = np.array(parts) * loads / np.dot(parts, loads)
    np.testing.assert_allclose(found.jobs, jobs, rtol=1e-14)
    assert found.loads == tuple(loads)
    assert found.load == pytest.approx(jobs @ loads, rel=1e-14)
    each = [SYSTEM.evaluate(load, weights=found.weights).mean_delay for load in loads]
    assert found.mean_delay == pytest.approx(jobs @ each, rel=1e-12)
    assert found.continuous_delay == pytest.approx(0.14143248497708646, rel=1e-12)
    assert 1 < found.ratio.lower <= found.ratio.upper
    # no share is better for all loads
    for share in np.random.default_rng(0).dirichlet([66, 24, 10], 20):
        delay = sum(
            q * SYSTEM.evaluate(load, share=share).mean_delay
            for load, q in zip(loads, jobs, strict=True)
        )
        assert delay >= found.continuous_delay.lower


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(name):
    system = ParallelServers(FAMILIES[name])
    most = system.total_rate if math.isfinite(system.total_rate) else 100.0
    loads = [0.4 * most, 0.7 * most]
    for goal in ("optimum", "equilibrium"):
        for load in (0.7 * most, loads):
            found = system.weights(load, 50, goal=goal)
            assert found.certified
            assert found.continuous_delay.spread < 1e-6
            if goal == "optimum":
                assert found.ratio.upper >= 1
            exact = whole_weights(system.bank, load, 50, goal=goal)
            assert found.weights.tolist() == exact.weights.tolist()


# ---- refusals


def test_no_stable_weights(best):
    with pytest.raises(InputError) as caught:
        best.weights(20)
    assert str(caught.value) == (
        "total = 20: has no whole weights that are stable at the load 180; "
        "give total=29, the least total that has some"
    )


def test_exactly_one_way_to_give_the_sum(best):
    for given in ({}, {"total": 10, "at_most": 10}):
        with pytest.raises(InputError, match="give total= or at_most="):
            best.weights(**given)


def test_answers_of_other_latencies_and_copies_are_refused(best):
    players, control = SYSTEM.equilibrium(180.0, players=3), SYSTEM.control(180.0, 0.5)
    for answer in (players, control.followers, copy.copy(best)):
        with pytest.raises(InputError, match=r"use the answer of optimum or equilibrium itself"):
            answer.weights(100)
    # under tolls the latencies are those of the servers with the tolls
    tolls = SYSTEM.tolls(180.0).equilibrium
    np.testing.assert_allclose(tolls.weights(10**6).share, tolls.share, atol=1e-5)


def test_parts_of_the_work_of_a_tunable_mode():
    answer = TunableMode(mu0=1.0, K=4.0).optimum(load=3.5)
    assert answer.weights(7).weights.tolist() == [1, 6]


# ---- presentation


def test_text(best):
    assert repr(best.weights(at_most=100)) == (
        "whole weights of total 95 at load 180: mean delay 0.532345809, "
        "0.184 % above the optimum\n"
        "  certified: no unit of weight is better at another server\n"
        "  a  share   0.6526  latency 0.395833  weight 62\n"
        "  b  share   0.2421  latency 0.705704  weight 23\n"
        "  c  share   0.1053  latency 0.98  weight 10"
    )
    text = str(SYSTEM.weights([60.0, 175.0], 1000, goal="equilibrium"))
    assert text.startswith("whole weights of total 1000 at loads 60, 175: mean delay ")
    assert "no unit of weight is faster at another server" in text
    assert "<td>weight 62</td>" in best.weights(95)._repr_html_().replace(
        ' style="text-align: left"', ""
    )


def test_json(best):
    record = json.loads(json.dumps(best.weights(100).to_dict()))
    assert [server["weight"] for server in record["servers"]] == [66, 24, 10]
    assert record["total"] == 100
    assert record["certified"] is True
    assert record["ratio_lower"] <= record["ratio"] <= record["ratio_upper"]
    one = SYSTEM.weights(1e-3, 1)
    assert json.loads(json.dumps(one.to_dict()))["last_price"] == pytest.approx(1 / 120, rel=1e-4)


def test_in_another_unit_of_time(best):
    found = best.weights(100)
    there = in_time_unit(found, 1000.0)
    assert there.mean_delay == pytest.approx(1000 * found.mean_delay, rel=1e-15)
    assert there.loss == pytest.approx(1000 * found.loss, rel=1e-15)
    assert there.ratio == found.ratio
    assert there.last_price == pytest.approx(1000 * found.last_price, rel=1e-15)
    np.testing.assert_array_equal(there.weights, found.weights)
    np.testing.assert_array_equal(there.flow, found.flow)
