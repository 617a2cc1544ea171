"""Optimum and equilibrium: edges, shapes, digits, and families from outside the library."""

import math
from dataclasses import dataclass

import mpmath as mp
import numpy as np
import pytest

from sojourn.reference import MD1, MG1, MM1, ServerBank, equilibrium, optimum
from sojourn.reference.parallel import thresholds

BOTH = pytest.mark.parametrize("solve", [optimum, equilibrium])
SCENARIO_1 = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])


@BOTH
def test_load_0_sends_all_to_the_nearest(solve):
    split = solve(SCENARIO_1, 0.0)
    assert np.all(split.flow == 0)
    assert split.mean_delay == split.multiplier == 0.005 + 1 / 100
    np.testing.assert_array_equal(split.share, [1, 0, 0])


@BOTH
def test_load_0_splits_between_equally_near_servers_as_a_small_load_does(solve):
    bank = MG1([100.0, 100.0, 50.0], [0.0, 3.0, 1.0])
    np.testing.assert_allclose(solve(bank, 0.0).share, solve(bank, 1e-9).share, atol=1e-9)


@BOTH
def test_one_server_gets_all(solve):
    for part in (1e-12, 0.5, 1 - 1e-12):
        load = 7.0 * part
        split = solve(MM1(7.0, 0.1), load)
        assert split.flow[0] == load
        assert float(split.mean_delay) == pytest.approx(0.1 + 1 / (7.0 - load), rel=1e-14)


@BOTH
def test_equal_servers_share_equally(solve):
    split = solve(MD1([5.0] * 7, 0.3), 20.0)
    np.testing.assert_allclose(split.share, 1 / 7, rtol=1e-14)


@BOTH
def test_order_of_servers_does_not_matter(solve):
    rng = np.random.default_rng(1)
    rate, cv, delay = rng.uniform(1, 100, 50), rng.uniform(0, 4, 50), rng.uniform(0, 1, 50)
    order = rng.permutation(50)
    split, shuffled = (
        solve(MG1(rate[o], cv[o], delay[o]), 0.7 * rate.sum()) for o in (np.arange(50), order)
    )
    np.testing.assert_allclose(shuffled.flow, split.flow[order], rtol=1e-11)


def test_empty_list_of_loads():
    assert optimum(SCENARIO_1, []).flow.shape == (0, 3)


@BOTH
def test_shapes(solve):
    one, many = solve(SCENARIO_1, 190.0), solve(SCENARIO_1, [0.0, 50.0, 190.0])
    assert one.flow.shape == (3,)
    assert one.mean_delay.shape == one.multiplier.shape == ()
    assert many.flow.shape == many.share.shape == many.active.shape == (3, 3)
    np.testing.assert_allclose(many.flow[2], one.flow, rtol=1e-13)


@BOTH
def test_a_million_servers_balance(solve):
    rng = np.random.default_rng(0)
    n = 1_000_000
    bank = MM1(rng.uniform(50, 500, n), rng.uniform(0, 0.05, n))
    for part in (0.01, 0.8, 1 - 1e-12):
        load = part * math.fsum(bank.rate)
        split = solve(bank, load)
        assert abs(math.fsum([*split.flow, -load])) <= 1e-12 * load
        price = (bank.marginal if solve is optimum else bank.latency)(
            split.flow, split.spare_capacity
        )
        np.testing.assert_allclose(price[split.active], split.multiplier, rtol=1e-9)


def exact_split(bank, load, goal):
    """Flow and mean delay in 50 digits.

    By bisection in the logarithm of the price less the last idle latency below it.
    """
    mu, d, k = ([mp.mpf(float(v)) for v in a] for a in (bank.rate, bank.delay, bank.k))
    m, load = [a + 1 / b for a, b in zip(d, mu, strict=True)], mp.mpf(float(load))

    def spare_capacity(price):
        z = [max(price - a, 0) * b / c for a, b, c in zip(m, mu, k, strict=True)]
        return [
            b / (mp.sqrt(1 + a) if goal == "optimum" else 1 + a) for a, b in zip(z, mu, strict=True)
        ]

    target = sum(mu) - load
    base = max(a for a in m if sum(spare_capacity(a)) >= target)
    low, high = mp.mpf(-80), mp.mpf(80)
    for _ in range(170):
        middle = (low + high) / 2
        above = sum(spare_capacity(base + mp.e**middle)) > target
        low, high = (middle, high) if above else (low, middle)
    spare = spare_capacity(base + mp.e**high)
    flow = [b - y for b, y in zip(mu, spare, strict=True)]
    latency = [a + c * x / (b * y) for a, b, c, x, y in zip(m, mu, k, flow, spare, strict=True)]
    return flow, sum(x * v for x, v in zip(flow, latency, strict=True)) / load


@BOTH
@pytest.mark.parametrize("seed", range(12))
def test_extremes_against_50_digits(solve, seed):
    """Delays from 1e-6 to 1e3 s, rates from 1e-3 to 1e9, utilisations up to 1 - 1e-12."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    bank = MG1(
        10 ** rng.uniform(-3, 9, n),
        rng.choice([0.0, 1.0, 5.0], n),
        10 ** rng.uniform(-6, 3, n) * rng.choice([0, 1], n),
    )
    part = [1e-12, 1e-3, 0.5, 0.999, 1 - 1e-9, 1 - 1e-12][seed % 6]
    load = part * float(bank.rate.sum())
    split = solve(bank, load)
    with mp.workdps(50):
        flow, delay = exact_split(bank, load, solve.__name__)
        assert abs(mp.mpf(float(split.mean_delay)) / delay - 1) < 1e-14
        assert (
            max(abs(mp.mpf(float(a)) - b) for a, b in zip(split.flow, flow, strict=True))
            < 1e-14 * load
        )
    assert abs(math.fsum([*split.flow, -load])) <= 1e-12 * load


def test_far_servers_keep_their_digits():
    """Two servers of delay 1000 s and service times of 1 ns: latencies equal to 12 digits."""
    bank = MM1([1e9, 2e9, 1.0], [1e3, 1e3, 0.0])
    split = equilibrium(bank, 1.5e9)
    with mp.workdps(50):
        flow, _ = exact_split(bank, 1.5e9, "equilibrium")
    np.testing.assert_allclose(split.flow, [float(x) for x in flow], rtol=1e-14)


@dataclass(frozen=True, eq=False)
class Written:
    """Fields that a family must have."""

    rate: np.ndarray
    delay: np.ndarray


class Formulas(ServerBank):
    @property
    def service(self):
        return 1 / self.rate

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1 / (self.rate - flow)

    def marginal(self, flow, spare_capacity=None):
        return self.delay + self.rate / (self.rate - flow) ** 2

    def potential(self, flow):
        return self.delay * flow - np.log1p(-flow / self.rate)

    def inverse_latency(self, latency):
        return self.rate - 1 / np.maximum(latency - self.delay, self.service)

    def inverse_marginal(self, marginal):
        return self.rate - np.sqrt(self.rate / np.maximum(marginal - self.delay, self.service))


class ByHand(Written, Formulas):
    pass


class Affine(Written, ServerBank):
    """Pigou's latency delay + 1 + rise x, with an infinite rate."""

    rise = 2.0

    @property
    def service(self):
        return np.full(self.rate.shape, 1.0)

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 + self.rise * np.asarray(flow)

    def marginal(self, flow, spare_capacity=None):
        return self.delay + 1.0 + 2 * self.rise * np.asarray(flow)

    def potential(self, flow):
        return (self.delay + 1.0) * flow + self.rise * np.asarray(flow) ** 2 / 2

    def inverse_latency(self, latency):
        return np.maximum(latency - self.delay - 1.0, 0) / self.rise

    def inverse_marginal(self, marginal):
        return np.maximum(marginal - self.delay - 1.0, 0) / (2 * self.rise)


@BOTH
@pytest.mark.parametrize("load", [1e-3, 15.0, 190.0, 375.0])
def test_a_family_from_outside_the_library_gives_the_same_split(solve, load):
    by_hand = solve(ByHand(SCENARIO_1.rate, SCENARIO_1.delay), load)
    built_in = solve(SCENARIO_1, load)
    # its inverses subtract from the rate, so the error of its flows is the rounding of the rate
    np.testing.assert_allclose(by_hand.flow, built_in.flow, rtol=1e-10, atol=1e-12)
    assert float(by_hand.mean_delay) == pytest.approx(float(built_in.mean_delay), rel=1e-9)


class NoDataclass(Formulas):
    def __init__(self, rate, delay):
        self.rate, self.delay = rate, delay


@BOTH
@pytest.mark.parametrize("make", [ByHand, NoDataclass])
@pytest.mark.slow
def test_a_family_from_outside_the_library_is_cut_and_sampled(solve, make):
    """More servers than a block or the sample holds, after the sums over all of them are cached."""
    n = 40_000
    rng = np.random.default_rng(2)
    rate, delay = rng.uniform(50, 500, n), rng.uniform(0, 0.05, n)
    bank = make(rate, delay)
    assert float(bank.total_rate[0]) == math.fsum(rate)
    load = 0.7 * rate.sum()
    np.testing.assert_allclose(
        solve(bank, load).flow, solve(MM1(rate, delay), load).flow, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("make", [ByHand, NoDataclass])
def test_parts_of_a_family_from_outside_the_library_have_their_own_sums(make):
    bank = make(SCENARIO_1.rate, SCENARIO_1.delay)
    assert float(bank.total_rate[0]) == 380.0
    part = bank.take(slice(0, 2))
    assert type(part) is make
    assert float(part.total_rate[0]) == 180.0
    np.testing.assert_array_equal(part.idle_latency, SCENARIO_1.idle_latency[:2])
    np.testing.assert_allclose(
        thresholds(bank).equilibrium, [0.0, 20.0, 80.0], rtol=1e-12, atol=1e-12
    )


@BOTH
def test_seconds_and_milliseconds_give_the_same_flows(solve):
    rate, cv = np.array([300.0, 7.0, 1.0]), np.array([0.0, 1.0, 5.0])
    delay = np.array([0.3, 0.0, 0.01])
    for part in (1e-9, 0.3, 0.9, 0.999):
        load = part * 308.0
        seconds = solve(MG1(rate, cv, delay), load)
        millis = solve(MG1(rate / 1000, cv, delay * 1000), load / 1000)
        np.testing.assert_allclose(millis.flow * 1000, seconds.flow, rtol=0, atol=1e-14 * load)
        # rates and load are rounded again, and the delay magnifies that error by 1/(1 - part)
        assert float(millis.mean_delay) / 1000 == pytest.approx(
            float(seconds.mean_delay), rel=1e-15 / (1 - part)
        )


def test_infinite_rates():
    """Two affine servers, by hand: at load 1 the equilibrium uses the near one, at load 3 both."""
    bank = Affine(np.array([np.inf, np.inf]), np.array([0.0, 3.0]))
    np.testing.assert_allclose(equilibrium(bank, 1.0).flow, [1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(equilibrium(bank, 3.0).flow, [2.25, 0.75], rtol=1e-9)
    np.testing.assert_allclose(optimum(bank, 3.0).flow, [1.875, 1.125], rtol=1e-9)
