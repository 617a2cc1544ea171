"""Sizes with the best split: the answer, units, refusals, ends of the search."""

import copy

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    InputError,
    LateShare,
    MeanDelay,
    NotCertifiedError,
    ParallelServers,
    RateBudget,
    ServerDelay,
    ServerPercentile,
)
from sojourn.models.core.times import in_time_unit
from sojourn.models.systems.parallel.decisions.sizes import joint

SYSTEM = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
MIXED = ParallelServers(MD1(100.0, 0.005), MM1(80.0, 0.005), MG1(200.0, cv=3.0, delay=0.020))
AT = {"rate_price": [1.0, 1.0, 0.5], "max_rate": [80.0, 90.0, 150.0], "split": "best"}
QUESTIONS = {
    "budget": {"subject_to": [RateBudget(230.0)]},
    "mean delay": {"subject_to": [MeanDelay(0.045)]},
    "price of delay": {"delay_cost": 20.0},
    "openings": {"subject_to": [RateBudget(240.0)], "opening": [10.0, 5.0, 8.0]},
    "least rates": {"delay_cost": 20.0, "min_rate": [30.0, 10.0, 0.0], "opening": 3.0},
}


def size(system=SYSTEM, **asked):
    return system.size(190.0, **{**AT, **asked})


def test_known_numbers():
    found = size(**QUESTIONS["budget"])
    assert found.mean_delay == pytest.approx(0.0378291055680, abs=6e-14)
    np.testing.assert_allclose(found.rate, [65.0, 90.0, 150.0], atol=1e-6)
    found = size(**QUESTIONS["price of delay"])
    assert found.objective == pytest.approx(369.4261469155, abs=6e-11)
    assert found.open.tolist() == [False, True, True]


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("system", [SYSTEM, MIXED], ids=["M/M/1", "mixed"])
def test_answers(system, name):
    asked = QUESTIONS[name]
    if system is MIXED and name == "mean delay":
        asked = {"subject_to": [MeanDelay(0.060)]}
    found = size(system, **asked)
    assert found.certified
    low, high = found.certificate.lower_bound, found.certificate.upper_bound
    assert low <= found.objective <= high <= low * (1 + 1.01e-6)
    # at the split that was found the rates are the best, by the closed form and by CVXPY
    again = size(system, **{**asked, "split": found.share})
    assert again.objective == pytest.approx(found.objective, rel=1e-10)
    assert again.certificate.upper_bound >= low
    problem = found.model().problem
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == cp.OPTIMAL
    np.testing.assert_allclose(again.rate, found.rate, rtol=1e-6)
    # no other split has better rates
    rng = np.random.default_rng(0)
    for share in rng.dirichlet(30 * found.share + 0.5, 20):
        try:
            other = size(system, **{**asked, "split": share / share.sum()})
        except InputError:
            continue
        assert other.objective >= low


def test_price_of_money_is_the_derivative_of_the_least_delay():
    found = size(**QUESTIONS["budget"], gap=1e-9)
    step = 1e-3
    ends = [size(subject_to=[RateBudget(230.0 + d)], gap=1e-9).mean_delay for d in (-step, step)]
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(found.price_of_money, rel=1e-5)


def test_units_change_nothing_else():
    found = size(**QUESTIONS["budget"])
    scaled = in_time_unit(found, 1e3)
    assert scaled.mean_delay == pytest.approx(found.mean_delay * 1e3, rel=1e-15)
    assert scaled.certificate.gap == found.certificate.gap


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"subject_to": [RateBudget(90.0)]}, r"RateBudget.money = 90.0: .*give more than 115$"),
        ({"subject_to": [MeanDelay(0.03)]}, r"MeanDelay.time = 0.03: .*give 0.0348899700404"),
        ({"delay_cost": 1.0, "max_rate": 50.0}, r"max_rate = .*: sum to 150, not above the load"),
        ({"subject_to": [LateShare(0.1, 0.01)]}, r"subject_to\[0\] = Late.* holds at a given"),
        ({"subject_to": [ServerPercentile(0.9, 0.1)]}, r"subject_to\[0\] = .* at a given split"),
        (
            {"subject_to": [RateBudget(230.0), ServerDelay(0.1)]},
            r"subject_to\[1\] = .* at a given split",
        ),
        ({"delay_cost": 1.0, "max_nodes": 0.5}, "max_nodes = 0.5"),
        ({"delay_cost": 1.0, "throw": 2}, "throw = 2"),
    ],
)
def test_refusals(asked, message):
    with pytest.raises(InputError, match=message):
        size(**asked)


def test_a_search_that_misses_the_gap_raises_with_its_answer():
    asked = {**QUESTIONS["budget"], "max_nodes": 1}
    with pytest.raises(NotCertifiedError, match=r"gap 1.0e-06 wanted; 1 node") as caught:
        size(**asked)
    best = size(**QUESTIONS["budget"])
    for found in (caught.value.solution, size(**asked, throw=False)):
        assert not found.certified
        assert found.nodes == 1
        assert found.certificate.lower_bound <= best.mean_delay <= found.mean_delay
        assert "NOT CERTIFIED" in repr(found)


def test_ctrl_c_ends_the_search_with_the_answer_so_far(monkeypatch):
    divide, calls = joint.Search.divide, []

    def interrupted(search):
        calls.append(search)
        if len(calls) == 3:
            raise KeyboardInterrupt
        divide(search)

    monkeypatch.setattr(joint.Search, "divide", interrupted)
    with pytest.raises(joint.SizesInterruptedError, match=r"^stopped after 2 nodes, gap") as caught:
        size(**QUESTIONS["budget"])
    found = copy.deepcopy(caught.value).found
    assert found.nodes == 2
    assert found.certificate.lower_bound <= 0.0378291055680 <= found.mean_delay * (1 + 1e-11)
