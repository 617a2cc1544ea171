"""Certificates, feasible splits and Newton steps within limits, from any flow."""

import math

import numpy as np
import pytest
from families import budget_case

from sojourn.models import MM1, ParallelServers
from sojourn.models.systems.parallel.certificate import certify_within, mean_delay
from sojourn.models.systems.parallel.dual_bounds import lower_bound
from sojourn.models.systems.parallel.newton import polish_within
from sojourn.models.systems.parallel.splits import Limits, project_to_load
from sojourn.reference import limited_optimum
from sojourn.reference.parallel.limits import cheapest

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0


def limits_of(least, most, price, money, load=LOAD):
    """Return bounds of the flows, and a budget."""
    return Limits(
        least,
        most,
        price[None],
        np.array([money]),
        cheapest(least, np.minimum(most, 1e9), price, load)[0],
    )


def proved(bank, load, limits, c, z):
    z = np.reshape(z, (1, -1))
    return float(lower_bound(bank, np.array([load]), np.array([c]), limits, z)[0])


def polished(bank, load, flow, limits, row_prices):
    """Return the polished optimum of one load, its multipliers and its number of steps."""
    found = polish_within(bank, np.array([load]), flow[None], limits, row_prices[None])
    return [column[0] for column in found]


def certified(bank, load, flow, limits, price, row_prices, *others):
    """Return the certificate of the optimum at one load."""
    rows = (flow[None], limits, np.array([price]), row_prices[None], *(x[None] for x in others))
    return certify_within(bank, np.array([load]), *rows).row(0)


def repair(bank, load, limits, flow):
    x, valid = project_to_load(bank, np.array([load]), flow[None], trim=False, limits=limits)
    return x[0] if valid[0] else None


def test_no_multipliers_prove_too_much():
    """Weak duality: for any c and z the bound is not above the optimum."""
    rng = np.random.default_rng(1)
    most, price = np.array([100.0, 80.0, 76.0]), np.array([1.0, 1.0, 0.5])
    limits = limits_of(np.array([20.0, 0, 0]), most, price, 152.5)
    true = limited_optimum(
        THREE.bank, LOAD, least=limits.least, most=most, matrix=price, bound=152.5
    )
    assert proved(THREE.bank, LOAD, limits, true.multiplier, true.row_price[0]) == pytest.approx(
        true.mean_delay, rel=1e-9
    )
    for c, z in zip(10 ** rng.uniform(-3, 1, 400), 10 ** rng.uniform(-4, 1, 400), strict=True):
        assert proved(THREE.bank, LOAD, limits, c, z) <= true.mean_delay * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_no_multipliers_of_a_random_system_prove_too_much(seed):
    system, load, cap, price, money = budget_case(300 + seed)
    limits = limits_of(np.zeros(len(system)), cap * system.bank.rate, price, money, load)
    true = limited_optimum(system.bank, load, most=limits.most, matrix=price, bound=money)
    assert proved(system.bank, load, limits, true.multiplier, true.row_price[0]) == pytest.approx(
        true.mean_delay, rel=1e-8
    )
    rng = np.random.default_rng(seed)
    near = np.exp(rng.normal(0, [[0.01], [0.3], [3.0]], (3, 40))).ravel()
    for c, z in zip(true.multiplier * near, true.row_price[0] * rng.permutation(near), strict=True):
        assert proved(system.bank, load, limits, c, z) <= true.mean_delay * (1 + 1e-12)


def test_projected_splits_meet_every_limit_or_are_invalid():
    limits = limits_of(
        np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0
    )
    rng = np.random.default_rng(2)
    for _trial in range(100):
        fixed = repair(
            THREE.bank, LOAD, limits, LOAD * rng.dirichlet(np.ones(3)) + rng.normal(0, 5, 3)
        )
        assert fixed is not None
        assert limits.violation(np.array(LOAD), fixed) <= 1e-15
    assert repair(THREE.bank, LOAD, limits, np.array([np.nan, 1.0, 1.0])) is None
    broke = limits_of(np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 100.0)
    assert repair(THREE.bank, LOAD, broke, np.array([60.0, 40.0, 90.0])) is None


THESE = limits_of(
    np.array([0.0, 40.0, 0.0]), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0
)


def truth():
    return limited_optimum(
        THREE.bank, LOAD, least=THESE.least, most=THESE.most, matrix=THESE.matrix, bound=THESE.bound
    )


def test_polish_finds_the_optimum_from_any_split():
    true, rng = truth(), np.random.default_rng(3)
    for start in [
        true.flow,
        *(repair(THREE.bank, LOAD, THESE, LOAD * rng.dirichlet(np.ones(3))) for _ in range(20)),
    ]:
        flow, c, z, steps = polished(
            THREE.bank, LOAD, start, THESE, rng.choice([0.0, 1.0, 10.0]) * true.row_price
        )
        np.testing.assert_allclose(flow, true.flow, rtol=0, atol=1e-8 * LOAD)
        assert c == pytest.approx(true.multiplier, rel=1e-8)
        np.testing.assert_allclose(z, true.row_price, rtol=1e-6, atol=1e-12)
        assert 1 <= steps < 100


def test_the_certificate_of_any_split_covers_it():
    """For any flow and multipliers the optimum is between the bounds, and the gap holds."""
    true, rng = truth(), np.random.default_rng(4)
    for _trial in range(100):
        flow = repair(THREE.bank, LOAD, THESE, LOAD * rng.dirichlet(np.ones(3)))
        c, z = true.multiplier * rng.uniform(0.5, 1.5), true.row_price + rng.normal(0, 1e-4)
        found = certified(THREE.bank, LOAD, flow, THESE, c, z)
        assert found.lower_bound <= true.mean_delay * (1 + 1e-12)
        assert found.upper_bound >= true.mean_delay * (1 - 1e-12)
        assert abs(mean_delay(THREE.bank, flow) / true.mean_delay - 1) <= found.gap + 1e-12
        assert found.violation <= 1e-12


def test_multipliers_that_are_no_numbers_prove_nothing_and_hide_nothing():
    """From an empty fast server at 99.999 % load the steps reach saturation and start again."""
    bank, load = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 380 * (1 - 1e-5)
    limits = Limits.none(3)
    flow, c, z, _ = polished(bank, load, np.array([100.0, 80.0, 0.0]), limits, np.zeros(0))
    assert certified(bank, load, flow, limits, c, z, flow).gap <= 1e-9
    for nothing in (math.nan, math.inf):
        certificate = certified(bank, load, flow, limits, nothing, np.zeros(0), flow)
        assert certificate.lower_bound == bank.idle_latency.min()
        assert 1 < certificate.gap < math.inf


def test_a_split_outside_the_limits_is_reported():
    over = certified(THREE.bank, LOAD, np.array([45.0, 35.0, 110.0]), THESE, 0.08, np.zeros(1))
    assert over.violation == pytest.approx(10 / LOAD, rel=1e-12)
    dear = limits_of(np.zeros(3), THREE.bank.rate, np.array([1.0, 1.0, 0.5]), 100.0)
    assert dear.violation(np.array(LOAD), np.array([60.0, 40.0, 90.0])) == pytest.approx(
        0.45, rel=1e-12
    )
    assert THESE.violation(np.array(LOAD), np.array([50.0, 40.0, 99.0])) == pytest.approx(
        1 / LOAD, rel=1e-12
    )
    full = certified(THREE.bank, LOAD, np.array([100.0, 40.0, 50.0]), THESE, 0.08, np.zeros(1))
    assert full.gap == math.inf
