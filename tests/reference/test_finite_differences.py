"""Derived methods of a bank with nothing but a latency, and splits with constant latencies."""

import numpy as np
import pytest
from polynomial import Polynomial

from sojourn import reference
from sojourn.reference import MM1, MixedBank, ServerBank
from sojourn.reference.finite_differences import flow_at, integral, slope

RATE = np.array([1e-3, 1.0, 1e6])
USED = np.array([1e-5, 0.1, 0.7, 0.999])[:, None]


class Bare(ServerBank):
    """M/M/1 with nothing but its latency."""

    def __init__(self, rate, delay=0.0):
        self.rate, self.delay = (np.array(a, dtype=float) for a in np.broadcast_arrays(rate, delay))

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (self.rate - flow if spare_capacity is None else spare_capacity)


BARE, KNOWN = Bare(RATE, 0.5 / RATE), MM1(RATE, 0.5 / RATE)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("marginal", 1e-9),
        ("potential", 1e-10),
        ("latency_slope", 1e-8),
        ("marginal_slope", 1e-6),
        ("rate_slope", 1e-8),
    ],
)
def test_derived_number_is_the_closed_form(name, near):
    flow = USED * RATE
    np.testing.assert_allclose(getattr(BARE, name)(flow), getattr(KNOWN, name)(flow), rtol=near)


@pytest.mark.parametrize("name", ["latency", "marginal"])
def test_flow_at_a_price_is_the_closed_form(name):
    price = getattr(KNOWN, name)(USED * RATE)
    found, true = (getattr(q, f"inverse_{name}")(price) for q in (BARE, KNOWN))
    np.testing.assert_allclose(found, true, rtol=1e-7 if name == "marginal" else 1e-10)
    np.testing.assert_array_equal(
        getattr(BARE, f"inverse_{name}")(KNOWN.idle_latency * [0.0, 0.5, 1.0]), 0.0
    )
    assert BARE.service.tolist() == pytest.approx((1 / RATE).tolist())


@pytest.mark.parametrize("players", [1, 3, np.inf])
@pytest.mark.parametrize("part", [1e-6, 0.3, 0.9, 0.999])
def test_splits_of_a_bare_bank(players, part):
    """Within 1e-9 up to a load of 99.9 %, without an inverse, a slope or an integral."""
    bare, known = Bare([10.0, 3.0, 1.0], [0.0, 0.1, 0.5]), MM1([10.0, 3.0, 1.0], [0.0, 0.1, 0.5])
    found, true = (reference.equilibrium(q, part * 14.0, players) for q in (bare, known))
    assert float(found.mean_delay) == pytest.approx(float(true.mean_delay), rel=1e-9)
    np.testing.assert_allclose(found.flow.sum(), part * 14.0, rtol=1e-12)


def test_slope_of_a_polynomial_without_a_rate():
    flow, rate = np.array([[1e-3], [1.0], [1e4]]), np.array([np.inf])
    np.testing.assert_allclose(slope(lambda x: x**3, flow, rate), 3 * flow**2, rtol=1e-10)


def test_integral_next_to_the_rate_and_without_one():
    rate = np.array([2.0])
    for spare_capacity in (1.0, 1e-3, 1e-9):
        found = integral(lambda x: 1 / (2.0 - x), np.array([2.0 - spare_capacity]), rate)
        np.testing.assert_allclose(
            found, np.log(2.0 / spare_capacity), rtol=1e-7 if spare_capacity < 1e-6 else 1e-11
        )
    np.testing.assert_allclose(
        integral(lambda x: x**4, np.array([0.0, 3.0]), np.array([np.inf, np.inf])),
        [0.0, 3**5 / 5],
        rtol=1e-12,
    )


def test_flow_at_a_price_that_is_never_reached_and_at_one_that_is():
    def latency(x):
        return np.stack(np.broadcast_arrays(1.0 + 0 * x[..., 0], 1.0 + x[..., 1]), axis=-1)

    found = flow_at(latency, 3.0, np.ones(2), rate=np.array([np.inf, np.inf]))
    np.testing.assert_allclose(found, [np.inf, 2.0])


# ---- constant latencies: the flow jumps at their price


class Flat(Polynomial):
    """Polynomial with slope 0: a constant latency."""

    def inverse_latency(self, latency):
        return np.where(latency > self.start, np.inf, 0.0)

    inverse_marginal = inverse_latency

    @property
    def latency_limit(self):
        return self.start

    def take(self, index):
        return Flat(self.start[index], self.factor[index], self.power[index])


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_server_of_constant_latency_takes_the_rest_of_the_load(goal):
    bank = MixedBank([MM1([10.0, 5.0], [0.0, 0.1]), Flat([0.5, 0.9], 0.0)])
    loads = np.array([1.0, 8.0, 14.0, 40.0, 1e4])
    split = getattr(reference, goal)(bank, loads)
    np.testing.assert_allclose(split.flow.sum(axis=1), loads, rtol=1e-12)
    assert np.all(split.flow[:, 3] == 0)
    assert split.multiplier[-1] == pytest.approx(0.5, rel=1e-12)
    price = (bank.marginal if goal == "optimum" else bank.latency)(split.flow)[:, :2]
    np.testing.assert_allclose(price[-2:], 0.5, rtol=1e-9)
    np.testing.assert_allclose(split.flow[-1, 2] - split.flow[-2, 2], 1e4 - 40, rtol=1e-9)


def test_sensitivities_where_a_constant_latency_sets_the_price():
    bank = MixedBank([MM1([10.0], [0.1]), Flat([0.5], 0.0)])
    found = reference.sensitivity(bank, 30.0)
    assert found.mean_delay == pytest.approx(0.5)
    # the latency of every used server is that of the constant one
    np.testing.assert_allclose(found.delay, [0.0, 1.0], atol=1e-9)
    assert found.load == pytest.approx(0.0, abs=1e-12)
    best = reference.sensitivity(bank, 30.0, players=1)

    def least_delay(rate):
        changed = MixedBank([MM1([rate], [0.1]), Flat([0.5], 0.0)])
        return float(reference.optimum(changed, 30.0).mean_delay)

    step = 1e-5
    slope = (least_delay(10.0 + step) - least_delay(10.0 - step)) / (2 * step)
    assert best.rate[0] == pytest.approx(slope, rel=1e-5)
