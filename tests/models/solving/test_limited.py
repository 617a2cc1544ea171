"""Certificate, repair and Newton steps within limits: right whatever the flow and the multipliers."""

import math

import numpy as np
import pytest
from families import budget_case

from sojourn.models import MM1, ParallelServers
from sojourn.models.solving.limited import Limited
from sojourn.reference import limited_optimum

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0


def test_no_multipliers_prove_too_much():
    """Weak duality: whatever c and z, the bound is never above the truth."""
    rng = np.random.default_rng(1)
    most, price = np.array([100.0, 80.0, 76.0]), np.array([1.0, 1.0, 0.5])
    task = Limited(THREE.bank, LOAD, np.array([20.0, 0, 0]), most, price, 152.5)
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=most, price=price, budget=152.5)
    assert task.lower_bound(true.multiplier, true.budget_price) == pytest.approx(true.mean_delay, rel=1e-9)
    for c, z in zip(10 ** rng.uniform(-3, 1, 400), 10 ** rng.uniform(-4, 1, 400), strict=True):
        assert task.lower_bound(c, z) <= true.mean_delay * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_no_multipliers_of_a_random_system_prove_too_much(seed):
    system, load, cap, price, money = budget_case(300 + seed)
    task = Limited(system.bank, load, np.zeros(len(system)), cap * system.bank.rate, price, money)
    true = limited_optimum(system.bank, load, most=task.most, price=price, budget=money)
    assert task.lower_bound(true.multiplier, true.budget_price) == pytest.approx(true.mean_delay, rel=1e-8)
    rng = np.random.default_rng(seed)
    near = np.exp(rng.normal(0, [[0.01], [0.3], [3.0]], (3, 40))).ravel()
    for c, z in zip(true.multiplier * near, true.budget_price * rng.permutation(near), strict=True):
        assert task.lower_bound(c, z) <= true.mean_delay * (1 + 1e-12)


def test_repair_keeps_every_limit_or_says_that_it_cannot():
    task = Limited(THREE.bank, LOAD, np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0)
    rng = np.random.default_rng(2)
    for _trial in range(100):
        fixed = task.repair(LOAD * rng.dirichlet(np.ones(3)) + rng.normal(0, 5, 3))
        assert fixed is not None
        assert task.violation(fixed) <= 1e-12
    assert task.repair(np.array([np.nan, 1.0, 1.0])) is None
    broke = Limited(THREE.bank, LOAD, np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 100.0)
    assert broke.repair(np.array([60.0, 40.0, 90.0])) is None


def task_of_three():
    return Limited(THREE.bank, LOAD, np.array([0.0, 40.0, 0.0]), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0)


def test_newton_steps_find_the_optimum_from_any_split():
    task = task_of_three()
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=task.most, price=task.price, budget=task.money)
    rng = np.random.default_rng(3)
    for start in [true.flow, *(task.repair(LOAD * rng.dirichlet(np.ones(3))) for _ in range(20))]:
        flow, c, z, steps = task.polish(start, 0.0)
        np.testing.assert_allclose(flow, true.flow, rtol=0, atol=1e-8 * LOAD)
        assert c == pytest.approx(true.multiplier, rel=1e-8)
        assert max(z, 0.0) == pytest.approx(true.budget_price, rel=1e-6, abs=1e-12)
        assert 1 <= steps < 100


def test_the_certificate_of_any_split_covers_it():
    """Whatever the flow and the multipliers: the truth is between the bounds, and the flow within the gap of it."""
    task = task_of_three()
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=task.most, price=task.price, budget=task.money)
    rng = np.random.default_rng(4)
    for _trial in range(100):
        flow = task.repair(LOAD * rng.dirichlet(np.ones(3)))
        found = task.certify(flow, true.multiplier * rng.uniform(0.5, 1.5), true.budget_price + rng.normal(0, 1e-4), None)
        assert found.lower_bound <= true.mean_delay * (1 + 1e-12)
        assert found.upper_bound >= true.mean_delay * (1 - 1e-12)
        assert abs(task.mean_delay(flow) / true.mean_delay - 1) <= found.gap + 1e-12
        assert found.violation <= 1e-12


def test_newton_steps_that_lead_nowhere_prove_nothing_and_hide_nothing():
    """From a flow with no load at the fast server, at 99.999 % load: the steps run into saturation and start again."""
    queue = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    task = Limited(queue, 380 * (1 - 1e-5), np.zeros(3), queue.rate, np.zeros(3), math.inf)
    flow, c, z, _ = task.polish(np.array([100.0, 80.0, 0.0]), 0.0)
    assert task.certify(flow, c, z, flow).gap <= 1e-9
    for nothing in (math.nan, math.inf):
        certificate = task.certify(flow, nothing, 0.0, flow)
        assert certificate.lower_bound == queue.idle_latency.min()
        assert 1 < certificate.gap < math.inf


def test_a_split_outside_the_limits_is_told():
    task = task_of_three()
    over = task.certify(np.array([45.0, 35.0, 110.0]), 0.08, 0.0, None)
    assert over.violation == pytest.approx(10 / LOAD, rel=1e-12)
    dear = Limited(THREE.bank, LOAD, np.zeros(3), THREE.bank.rate, np.array([1.0, 1.0, 0.5]), 100.0)
    assert dear.violation(np.array([60.0, 40.0, 90.0])) == pytest.approx(0.45, rel=1e-12)
    assert task.violation(np.array([50.0, 40.0, 99.0])) == pytest.approx(1 / LOAD, rel=1e-12)
    full = task.certify(np.array([100.0, 40.0, 50.0]), 0.08, 0.0, None)
    assert full.gap == math.inf
