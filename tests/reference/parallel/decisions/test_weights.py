"""Whole weights: equal to enumeration, stable in exact arithmetic, right to the last digit."""

import itertools
import math
import time
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from polynomial import Polynomial

from sojourn.models import MMc
from sojourn.reference import (
    MD1,
    MG1,
    MM1,
    InputError,
    LoadError,
    MixedBank,
    equilibrium,
    optimum,
    whole_delays,
    whole_weights,
)
from sojourn.reference.composed import as_bank
from sojourn.reference.parallel.decisions.several_loads import SharedSplit, weighted_loads

THREE = MM1([120.0, 45.0, 20.0], [0.0, 0.002, 0.030])


# ---- known numbers


@pytest.mark.parametrize(
    ("total", "weights", "delay"),
    [
        (37, [24, 9, 4], 0.6037297297),
        (95, [62, 23, 10], 0.5323458090),
        (100, [66, 24, 10], 0.7368133333),
        (256, [167, 62, 27], 0.5327471166),
        (1000, [653, 242, 105], 0.5325912555),
    ],
)
def test_optimal_weights(total, weights, delay):
    found = whole_weights(THREE, 180.0, total)
    assert found.weights.tolist() == weights
    assert found.mean_delay == pytest.approx(delay, abs=5e-11)
    assert found.last_price <= found.next_price
    assert found.excess == 0


def test_the_total_matters_more_than_the_rounding():
    free = float(optimum(THREE, 180.0).mean_delay)
    found = whole_weights(THREE, 180.0, at_most=100)
    assert (found.total, found.weights.tolist()) == (95, [62, 23, 10])
    assert found.mean_delay / free - 1 == pytest.approx(0.00184, abs=1e-5)
    assert whole_weights(THREE, 180.0, 100).mean_delay / free - 1 == pytest.approx(0.3866, abs=1e-4)


def test_largest_remainders_are_worse():
    remainders = np.array([65, 24, 11])
    delay = remainders / 100 @ THREE.latency(remainders * 1.8)
    assert delay == pytest.approx(0.9037800000, abs=5e-11)


def test_equilibrium_of_units():
    found = whole_weights(THREE, 180.0, 1000, goal="equilibrium")
    assert found.weights.tolist() == [657, 241, 102]
    assert found.mean_delay == pytest.approx(0.5920887609, abs=5e-11)


def test_one_set_for_several_loads():
    found = whole_weights(THREE, [60.0, 120.0, 175.0], 100, parts=[0.3, 0.4, 0.3])
    assert found.weights.tolist() == [66, 24, 10]
    # a load in no part of the time must be stable, and counts for nothing else
    also = whole_weights(THREE, [60.0, 120.0, 175.0, 180.0], 100, parts=[0.3, 0.4, 0.3, 0.0])
    assert also.weights.tolist() == [66, 24, 10]
    assert also.mean_delay == pytest.approx(found.mean_delay, rel=1e-14)


def test_whole_jobs():
    found = whole_weights(MM1([4.0, 3.0, 2.5], [0.0, 0.1, 0.2]), 6.0, 6)
    assert found.weights.tolist() == [3, 2, 1]
    assert found.mean_delay == pytest.approx(1.011111111111, abs=5e-13)


def test_from_the_floors_adding_alone_is_wrong():
    """The counts of the continuous answer, rounded down, are (0, 0, 0, 1), and (1, 1, 0, 1) follows
    where units are only added; the best weights take that unit back."""
    bank = MM1([2.0, 2.0, 2.0, 1000.0], [0.0, 0.0, 0.0, 1.12])
    floors = np.floor(optimum(bank, 3.0).flow)
    assert floors[3] == 1
    found = whole_weights(bank, 3.0, 3)
    assert found.weights.tolist() == [1, 1, 1, 0]
    assert 3 * found.mean_delay == pytest.approx(3.0, rel=1e-15)
    assert bank.latency(np.array([1.0, 1.0, 0.0, 1.0])) @ [1, 1, 0, 1] == pytest.approx(
        3.1210, abs=1e-4
    )


# ---- against enumeration


def random_bank(rng, n):
    rate, delay = 10 ** rng.uniform(-0.5, 0.5, n), rng.choice([0.0, 1.0]) * rng.uniform(0, 2, n)
    cv, each = 10 ** rng.uniform(-1, 0.7, n), rng.integers(1, 4, n)
    start, factor = rng.uniform(0, 2, n), rng.uniform(0.01, 2, n)
    banks = [
        MM1(rate, delay),
        MD1(rate, delay),
        MG1(rate, cv, delay),
        MMc(rate, each, delay),
        Polynomial(start, factor, rng.integers(1, 4, n)),
    ]
    kind = int(rng.integers(len(banks) + 1))
    if kind < len(banks):
        return banks[kind]
    cut = int(rng.integers(1, n))
    return MixedBank([banks[2].take(slice(0, cut)), banks[4].take(slice(cut, n))])


def all_weights(n, total):
    for cuts in itertools.combinations(range(total + n - 1), n - 1):
        edges = (-1, *cuts, total + n - 1)
        yield np.array([b - a - 1 for a, b in itertools.pairwise(edges)])


def is_stable(bank, weights, total, load):
    return all(
        math.isinf(rate) or int(k) * Fraction(load) < Fraction(rate) * total
        for k, rate in zip(weights, bank.rate.tolist(), strict=True)
    )


def mean_delay(bank, weights, total, loads, jobs):
    share = weights / total
    latency = sum(q * bank.latency(share * load) for load, q in zip(loads, jobs, strict=True))
    return math.fsum(share[share > 0] * latency[share > 0])


def gain(bank, weights, total, loads, jobs):
    """Largest fall of latency of a unit that moves to another server."""
    latency, after = (
        sum(q * bank.latency(w * load / total) for load, q in zip(loads, jobs, strict=True))
        for w in (weights, weights + 1)
    )
    moves = [
        latency[i] - after[j]
        for i, j in itertools.permutations(range(len(weights)), 2)
        if weights[i]
    ]
    return max(moves, default=0.0)


def check_against_enumeration(seed):
    rng = np.random.default_rng([20, seed])
    n = int(rng.integers(2, 5))
    bank, total = random_bank(rng, n), int(rng.integers(1, 14))
    full = min(float(bank.total_rate[0]), 5.0)
    loads = full * rng.uniform(0.05, 0.99, int(rng.integers(1, 4)))
    parts = rng.dirichlet(np.ones(loads.size))
    jobs = parts * loads / (parts @ loads)
    least, most = np.zeros(n), np.ones(n)
    if rng.random() < 0.4:
        least, most = rng.uniform(0, 0.5 / n, n), rng.uniform(0.8 / n, 1, n)
    goal = rng.choice(["optimum", "equilibrium"]) if not least.any() else "optimum"
    allowed = [
        w
        for w in all_weights(n, total)
        if is_stable(bank, w, total, loads.max())
        and np.all((w >= least * total - 1e-9) & (w <= most * total + 1e-9))
    ]

    def solve():
        return whole_weights(
            bank, loads, total, goal=str(goal), parts=parts, least=least, most=most
        )

    if not allowed:
        with pytest.raises(InputError, match="has no whole weights"):
            solve()
        return "none"
    found = solve()
    assert found.weights.sum() == total
    assert any((found.weights == w).all() for w in allowed)
    own = mean_delay(bank, found.weights, total, loads, jobs)
    assert found.mean_delay == pytest.approx(own, rel=1e-12)
    if goal == "equilibrium":
        assert gain(bank, found.weights, total, loads, jobs) <= 1e-12 * own
    else:
        best = min(mean_delay(bank, w, total, loads, jobs) for w in allowed)
        assert found.mean_delay <= best * (1 + 1e-13)
    assert found.excess <= 1e-12 * own
    return goal


def test_random_systems():
    kinds = [check_against_enumeration(seed) for seed in range(80)]
    assert {str(kind) for kind in kinds} == {"none", "optimum", "equilibrium"}
    assert kinds.count("none") < 40


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", range(20))
def test_many_random_systems(block):
    for seed in range(80 + 200 * block, 280 + 200 * block):
        check_against_enumeration(seed)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_the_best_total_is_that_of_all(goal):
    for seed in range(4):
        rng = np.random.default_rng([21, seed])
        bank = random_bank(rng, 3)
        load = min(float(bank.total_rate[0]), 5.0) * float(rng.uniform(0.1, 0.95))
        delays = whole_delays(bank, load, np.arange(1, 31), goal=goal)
        if not np.isfinite(delays).any():
            continue
        found = whole_weights(bank, load, at_most=30, goal=goal)
        assert found.mean_delay == pytest.approx(delays.min(), rel=1e-13)
        assert delays[: found.total - 1].min(initial=np.inf) > delays.min() * (1 + 1e-14)
        each = [
            whole_weights(bank, load, int(total), goal=goal).mean_delay
            for total in np.flatnonzero(np.isfinite(delays)) + 1
        ]
        np.testing.assert_array_equal(delays[np.isfinite(delays)], each)


def test_blocks_of_totals_change_nothing(monkeypatch):
    whole = whole_delays(THREE, 180.0, np.arange(1, 200))
    monkeypatch.setattr("sojourn.reference.parallel.decisions.weights.CELLS", 21)
    np.testing.assert_array_equal(whole_delays(THREE, 180.0, np.arange(1, 200)), whole)
    assert whole_weights(THREE, 180.0, at_most=100).total == 95


# ---- stability and refusals


def test_a_server_at_its_rate_is_not_stable_in_exact_arithmetic():
    # 3 * 0.1 is above 0.3 in floats, and the float 0.3 below three times the float 0.1
    bank = MM1([0.3, 10.0])
    assert Fraction(3) * Fraction(0.1) > Fraction(0.3)
    assert whole_weights(bank, 1.0, 10).weights[0] < 3
    # exactly at the rate: 2 of 4 units of a load of 6 are 3 jobs
    found = whole_weights(MM1([3.0, 5.0], [0.0, 10.0]), 6.0, 4)
    assert found.weights.tolist() == [1, 3]
    above = np.nextafter(3.0, 4.0)
    barely = whole_weights(MM1([above, 3.5]), 6.0, 4)
    assert barely.weights.tolist() == [2, 2]
    assert barely.mean_delay == pytest.approx(0.5 / (above - 3.0) + 0.5 / 0.5, rel=1e-14)


def test_the_least_total_with_weights_is_named():
    fits = [
        sum(math.ceil(Fraction(mu) * total / 180) - 1 for mu in THREE.rate.tolist()) >= total
        for total in range(1, 200)
    ]
    assert fits.index(True) + 1 == 29
    with pytest.raises(InputError) as caught:
        whole_weights(THREE, 180.0, 20)
    assert (caught.value.field, caught.value.value) == ("total", 20)
    assert "no whole weights that are stable at the load 180" in caught.value.problem
    assert caught.value.remedy == "give total=29, the least total that has some"
    after = next(total for total in range(33, 200) if fits[total - 1])
    assert not fits[31]
    with pytest.raises(InputError, match=f"give total=29, .* the next one above is {after}"):
        whole_weights(THREE, 180.0, 32)
    with pytest.raises(InputError, match=r"^at_most = 28: .*give at_most=29"):
        whole_weights(THREE, 180.0, at_most=28)
    assert whole_weights(THREE, 180.0, at_most=29).total == 29


def test_limits_are_named_where_they_leave_no_weights():
    with pytest.raises(InputError, match=r"and within the limits; give total=3, .* is 5$"):
        whole_weights(MM1([100.0, 100.0]), 10.0, 4, least=[0.0, 0.55], most=[1.0, 0.7])
    with pytest.raises(InputError, match=r"; lower the load, or relax the limits$"):
        whole_weights(MM1([100.0, 100.0]), 10.0, 4, most=0.3)


def test_a_total_beyond_the_search_is_named(monkeypatch):
    """Next to saturation the least total is too large to be searched for."""
    monkeypatch.setattr("sojourn.reference.parallel.decisions.weight_units.SEARCHED", 30_000)
    bank, load = MM1([math.pi, math.e, 1.0]), (math.pi + math.e + 1.0) * (1 - 3e-8)
    with pytest.raises(InputError, match=r"give total=\d+, which has some, or lower") as caught:
        whole_weights(bank, load, 100)
    total = int(caught.value.remedy.partition("=")[2].partition(",")[0])
    assert total > 10**7
    assert whole_weights(bank, load, total).weights.sum() == total
    with pytest.raises(InputError, match=r"stable at the load \S+; lower the load$"):
        whole_weights(bank, (math.pi + math.e + 1.0) * (1 - 1e-14), 100)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "is not one way to give the sum of the weights"),
        ({"total": 5, "at_most": 5}, "is not one way"),
        ({"total": 0}, "total = 0: is not a total of weights; give a whole number from 1"),
        ({"total": 2.5}, "total = 2.5: is not a total"),
        ({"at_most": -1}, "at_most = -1: is not a total"),
        ({"total": 5, "goal": "best"}, "goal = 'best': is not a goal"),
        ({"total": 5, "least": 1.5}, "least = 1.5: "),
        ({"total": 5, "parts": [0.5, 0.5]}, "is not 1 part of the time that sum to 1"),
    ],
)
def test_bad_arguments(given, message):
    with pytest.raises(InputError) as caught:
        whole_weights(MM1([100.0, 100.0]), 10.0, **given)
    assert message in str(caught.value)


def test_bad_loads():
    for load in (0.0, 185.0, -1.0, [100.0, 190.0], [], math.nan):
        with pytest.raises(LoadError):
            whole_weights(THREE, load, 100)
    with pytest.raises(InputError, match="is not 2 parts of the time that sum to 1"):
        whole_weights(THREE, [100.0, 120.0], 100, parts=[0.5, 0.4])


# ---- digits


@pytest.mark.parametrize("near", [1e-6, 1e-9, 1e-12])
def test_next_to_saturation(near):
    """Flow and rate agree to twelve digits; the price of a unit still has fifteen."""
    bank = MM1([2.0 + near, 3.0, 5.0 + 3 * near])
    load, total = 10.0 * (1 - 1e-13), 10
    found = whole_weights(bank, load, total, least=[0.2, 0.0, 0.0])
    with mp.workdps(50):
        exact = sum(
            mp.mpf(int(k)) / total / (mp.mpf(rate) - mp.mpf(int(k)) * mp.mpf(load) / total)
            for k, rate in zip(found.weights, bank.rate.tolist(), strict=True)
        )
        assert abs(found.mean_delay / exact - 1) < 1e-14


def test_prices_have_no_cancellation():
    """Prices of single units of a large total, against 50 digits."""
    bank, load, total = MG1([120.0, 45.0, 20.0], [0.5, 1.0, 3.0], [0.0, 0.002, 3.0]), 180.0, 10**8
    found = whole_weights(bank, load, total)

    def price(i, k):
        with mp.workdps(50):
            rate, delay, cv = (mp.mpf(float(a[i])) for a in (bank.rate, bank.delay, bank.cv))
            unit = mp.mpf(load) / total

            def cost(x):
                return x * (delay + 1 / rate + (1 + cv**2) / 2 * x / (rate * (rate - x)))

            return (cost(k * unit) - cost((k - 1) * unit)) / unit

    last = max(price(i, int(k)) for i, k in enumerate(found.weights))
    after = min(price(i, int(k) + 1) for i, k in enumerate(found.weights))
    assert last <= after
    assert found.last_price == pytest.approx(float(last), rel=1e-14)
    assert found.next_price == pytest.approx(float(after), rel=1e-14)


@pytest.mark.parametrize("load", [1e-3, 1e-14, 1e-200])
def test_at_light_load_equal_servers_share(load):
    """The prices differ by far less than the idle latency."""
    found = whole_weights(MM1([10.0, 10.0, 10.0], [0.1, 0.1, 5.0]), load, 10)
    assert found.weights.tolist() == [5, 5, 0]
    selfish = whole_weights(MM1([10.0, 20.0], [0.05, 0.1]), load, 10, goal="equilibrium")
    assert selfish.weights.sum() == 10


# ---- structure


def test_large_totals_approach_the_split_without_rounding():
    for goal, solve in (("optimum", optimum), ("equilibrium", equilibrium)):
        for bank in (THREE, MixedBank([THREE, MMc(10.0, 3, 0.01)])):
            found, free = whole_weights(bank, 150.0, 10**7, goal=goal), solve(bank, 150.0)
            np.testing.assert_allclose(found.weights / 1e7, free.flow / 150.0, atol=3e-7)


def test_several_loads_as_one_bank():
    """The shared split of equal loads is the split of that load."""
    loads = weighted_loads(THREE, [150.0, 150.0], [0.3, 0.7])
    same = optimum(SharedSplit(THREE, loads), 1.0)
    np.testing.assert_allclose(same.flow, optimum(THREE, 150.0).flow / 150.0, rtol=1e-9)
    loads = weighted_loads(THREE, [60.0, 120.0, 175.0], [0.3, 0.4, 0.3])
    shared = SharedSplit(THREE, loads)
    share = np.array([0.65, 0.24, 0.11])
    step = 1e-6
    for value, slope in (
        (shared.latency, shared.latency_slope),
        (shared.marginal, shared.marginal_slope),
        (shared.potential, shared.latency),
    ):
        rise = (value(share + step) - value(share - step)) / (2 * step)
        np.testing.assert_allclose(slope(share), rise, rtol=1e-6)
    found, free = whole_weights(THREE, loads, 10**6), optimum(shared, 1.0)
    np.testing.assert_allclose(found.weights / 1e6, free.flow, atol=3e-6)
    assert found.mean_delay >= float(free.mean_delay) * (1 - 1e-13)


def test_many_servers_take_no_longer_than_sorts():
    """At most the time of 20 sorts of n log W numbers, or a second."""
    rng = np.random.default_rng(5)
    n, total = 10_000, 10**6
    rate = np.where(rng.random(n) < 0.001, 1000.0, rng.uniform(1, 10, n))
    bank = as_bank(MM1(rate, rng.uniform(0, 1, n)))
    load = 0.8 * float(bank.total_rate[0])
    numbers = rng.random(int(n * math.log2(total)))
    started = time.process_time()
    for _ in range(20):
        np.sort(numbers)
    sorts = time.process_time() - started
    started = time.process_time()
    found = whole_weights(bank, load, total)
    seconds = time.process_time() - started
    assert found.excess == 0
    assert seconds <= max(sorts, 1.0)
