"""Activation thresholds against the double sum, by hand and by the splits."""

import math

import numpy as np
import pytest

from sojourn.reference import MD1, MG1, MM1, MixedBank, equilibrium, optimum
from sojourn.reference.bank_rows import BankRows
from sojourn.reference.parallel import thresholds
from sojourn.reference.parallel.thresholds import thresholds_of_rows

GOALS = {"optimum": optimum, "equilibrium": equilibrium}


def random_bank(n, seed=0):
    rng = np.random.default_rng(seed)
    rate, delay = 10 ** rng.uniform(0, 3, (3, n)), 10 ** rng.uniform(-3, 0, (3, n))
    return MixedBank(
        [
            MM1(rate[0], delay[0]),
            MD1(rate[1], delay[1]),
            MG1(rate[2], rng.uniform(0, 5, n), delay[2]),
        ]
    )


@pytest.mark.parametrize("n", [1, 3, 100, 1000])
def test_against_the_double_sum(n):
    bank = random_bank(n)
    found = thresholds(bank)
    for goal, operate in (("optimum", bank.at_marginal), ("equilibrium", bank.at_latency)):
        # differences of delays and of service times: a price would round small ones
        excesses = [
            (d - bank.delay) + (s - bank.service)
            for d, s in zip(bank.delay, bank.service, strict=True)
        ]
        loads = np.array([math.fsum(operate(np.maximum(e, 0)).flow) for e in excesses])
        np.testing.assert_allclose(getattr(found, goal), loads, rtol=1e-13)


def test_known_values():
    found = thresholds(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
    np.testing.assert_allclose(found.equilibrium, [0, 20, 80], rtol=1e-13)
    first = 100 - np.sqrt(100 * 80)
    third = sum(mu - np.sqrt(mu / 0.020) for mu in (100, 80))
    np.testing.assert_allclose(found.optimum, [0, first, third], rtol=1e-13)


def test_equally_near_servers_start_together():
    found = thresholds(MM1([10.0, 10.0, 5.0, 5.0]))
    assert np.all(found.optimum[:2] == 0)
    assert found.equilibrium[2] == found.equilibrium[3] == pytest.approx(10.0)


@pytest.mark.parametrize("goal", GOALS)
def test_servers_start_at_their_thresholds(goal):
    bank = random_bank(10, seed=3)
    total = bank.rate.sum()
    for i, start in enumerate(getattr(thresholds(bank), goal)):
        if 0 < start < total * 0.999:
            assert not GOALS[goal](bank, start * (1 - 1e-9)).active[i]
            assert GOALS[goal](bank, start * (1 + 1e-9)).active[i]


def test_many_servers():
    """20,000 servers with clusters of nearly equal idle latencies, against sums for a sample."""
    rng = np.random.default_rng(5)
    n = 20_000
    bank = MM1(rng.uniform(50, 500, n), np.round(rng.uniform(0, 0.05, n), 3))
    found = thresholds(bank)
    for i in rng.integers(0, n, 40):
        assert found.optimum[i] == pytest.approx(
            bank.inverse_marginal(bank.idle_latency[i]).sum(), rel=1e-11
        )
        assert found.equilibrium[i] == pytest.approx(
            bank.inverse_latency(bank.idle_latency[i]).sum(), rel=1e-11
        )


@pytest.mark.parametrize("n", [1, 2, 9, 64])
def test_thresholds_of_several_banks_in_one_pass_are_those_of_each(n):
    rng = np.random.default_rng(n)
    banks = [
        MG1(rng.uniform(50, 500, n), rng.uniform(0, 3, n), np.round(rng.uniform(0, 0.05, n), 2))
        for _ in range(5)
    ]
    rows = BankRows.of(banks)
    for bank, found in zip(banks, thresholds_of_rows(rows), strict=True):
        for goal in GOALS:
            np.testing.assert_array_equal(
                getattr(found, goal), getattr(thresholds(bank), goal), goal
            )
