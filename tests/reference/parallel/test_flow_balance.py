"""Large systems and many loads: the results of small ones, in few passes and little memory."""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from sojourn.reference import MG1, MM1, MixedBank, ServerBank, equilibrium, optimum
from sojourn.reference.compensated_sum import WIDTH, exact_product, exact_sum
from sojourn.reference.parallel import worst_case
from sojourn.reference.parallel.flow_balance import Servers

BOTH = pytest.mark.parametrize("solve", [optimum, equilibrium])
COPIES = 8192  # a power of two, so that loads and sums of copies are exact


def random_bank(n):
    rng = np.random.default_rng(2348)
    return MM1(rng.uniform(50, 500, n), rng.uniform(0, 0.05, n))


@pytest.fixture
def passes(monkeypatch):
    """Numbers of servers and loads of each pass over the servers."""
    sizes, total_flow = [], Servers.total_flow

    def counted(self, load, *args):
        sizes.append((len(self.bank), load.size))
        return total_flow(self, load, *args)

    monkeypatch.setattr(Servers, "total_flow", counted)
    return sizes


@BOTH
def test_many_loads_give_the_results_of_single_loads(solve):
    """In any order, with loads of 0, equal loads and loads close to saturation."""
    rng = np.random.default_rng(4)
    bank = MG1(10 ** rng.uniform(0, 3, 5), [0, 1, 2, 3, 0.5], [0, 0, 0.1, 0.1, 1])
    total = float(bank.total_rate[0])
    parts = np.concatenate(
        [[0, 0, 0.5, 0.5], 10 ** rng.uniform(-12, -0.01, 30), 1 - 10 ** rng.uniform(-12, -1, 30)]
    )
    loads = np.append(rng.permutation(parts) * total, np.nextafter(total, 0))
    many, single = solve(bank, loads), [solve(bank, load) for load in loads]
    np.testing.assert_allclose(many.mean_delay, [s.mean_delay for s in single], rtol=3e-15)
    np.testing.assert_allclose(many.spare_capacity, [s.spare_capacity for s in single], rtol=3e-15)
    np.testing.assert_allclose(many.flow, [s.flow for s in single], rtol=1e-13, atol=1e-15 * total)
    np.testing.assert_array_equal(many.active, [s.active for s in single])


@BOTH
@pytest.mark.parametrize("part", [1e-9, 0.3, 1 - 1e-9])
@pytest.mark.parametrize("shuffled", [False, True])
def test_copies_of_servers_get_the_same_flows(solve, part, shuffled):
    """With copies in turn, the sample holds copies of one server only, unlike the other servers."""
    rng = np.random.default_rng(0)
    few = MG1(
        10 ** rng.uniform(-3, 6, 8), rng.choice([0.0, 1.0, 5.0], 8), 10 ** rng.uniform(-6, 2, 8)
    )
    which = np.tile(np.arange(8), COPIES)
    if shuffled:
        which = rng.permutation(which)
    load = part * float(few.total_rate[0])
    single, copies = solve(few, load), solve(few.take(which), load * COPIES)
    np.testing.assert_allclose(copies.flow, single.flow[which], rtol=1e-13, atol=1e-15 * load)
    np.testing.assert_allclose(copies.spare_capacity, single.spare_capacity[which], rtol=1e-14)
    assert float(copies.mean_delay) == pytest.approx(float(single.mean_delay), rel=3e-15)


class Affine(ServerBank):
    """Latency delay + 1 + x, with an infinite rate."""

    def __init__(self, delay):
        self.delay, self.rate = delay, np.full(delay.shape, np.inf)

    def latency(self, flow, spare_capacity=None):
        return self.delay + 1.0 + np.asarray(flow)

    def inverse_latency(self, latency):
        return np.maximum(latency - self.delay - 1.0, 0.0)

    def latency_slope(self, flow):
        return np.ones_like(flow)


@pytest.mark.slow
def test_many_servers_of_infinite_rate():
    """By hand: where all are used, the price is their mean idle latency plus the mean flow."""
    delay = np.random.default_rng(5).uniform(0, 1, 40_000)
    split = equilibrium(Affine(delay), 2.0 * delay.size)
    np.testing.assert_allclose(split.flow, 2.0 + delay.mean() - delay, rtol=1e-12)
    # two of them, not in the sample, beside servers whose total rate is below the load
    rate = np.ones(2 * COPIES * 8)
    pair = Affine(np.array([50.0, 51.0]))
    load = 3.0 * rate.size
    split = equilibrium(MixedBank([MM1(rate), pair]), load)
    price = float(split.multiplier)
    np.testing.assert_allclose(split.flow[-2:], price - np.array([51.0, 52.0]), rtol=1e-12)
    np.testing.assert_allclose(split.flow[:-2], 1 - 1 / price, rtol=1e-12)
    assert math.fsum(split.flow) == pytest.approx(load, rel=1e-14)


@BOTH
@pytest.mark.parametrize("part", [0.3, 0.8, 0.99])
def test_passes_over_many_servers(solve, part, passes):
    bank = random_bank(200_000)
    solve(bank, part * bank.rate.sum())
    assert sum(n == len(bank) for n, _ in passes) <= 4
    assert sum(n for n, _ in passes) <= 6 * len(bank)


@BOTH
@pytest.mark.parametrize("n", [3, 30])
def test_passes_for_many_loads(solve, n, passes):
    bank = random_bank(n)
    solve(bank, np.linspace(0.001, 0.999, 10_000) * bank.rate.sum())
    assert sum(count for _, count in passes) <= 15_000


@BOTH
def test_passes_for_loads_up_to_saturation(solve, passes):
    bank = random_bank(5)
    parts = np.append(np.linspace(0.001, 0.9, 1000), 1 - np.geomspace(1e-1, 1e-7, 1000))
    solve(bank, parts * bank.rate.sum())
    assert sum(count for _, count in passes) <= 2.5 * parts.size


@BOTH
def test_a_few_loads_of_a_few_servers_take_few_passes(solve, passes):
    bank = random_bank(5)
    solve(bank, np.linspace(0.1, 0.9, 20) * bank.rate.sum())
    assert len(passes) <= 6


@pytest.mark.parametrize(
    ("bank", "most"),
    [
        (MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 15),
        (MG1([1.0, 1.0], [1.0, 20.0]), 40),
    ],
)
def test_a_worst_case_takes_few_passes(bank, most, passes):
    assert worst_case(bank).certified
    assert len(passes) <= most


@BOTH
def test_memory(solve):
    """Beside the bank: the result, two arrays that the bank caches, and one at work."""
    bank = random_bank(1_000_000)
    tracemalloc.start()
    solve(bank, 0.8 * bank.rate.sum())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 50 * len(bank)


def test_exact_sum_of_more_terms_than_a_block():
    rng = np.random.default_rng(6)
    terms = 10 ** rng.uniform(-9, 9, (2, 3 * WIDTH + 7)) * rng.choice([-1, 1], (2, 3 * WIDTH + 7))
    high, low = exact_sum(terms)
    for row, a, b in zip(terms, high, low, strict=True):
        assert math.fsum([*row, -a, -b]) == pytest.approx(0, abs=1e-25 * np.abs(row).sum())


def test_exact_product_is_exact():
    rng = np.random.default_rng(7)
    a, b = (10 ** rng.uniform(-9, 9, 2000) * rng.choice([-1, 1], 2000) for _ in range(2))
    product, error = exact_product(a, b)
    for x, y, high, low in zip(a, b, product, error, strict=True):
        assert Fraction(x) * Fraction(y) == Fraction(high) + Fraction(low)
