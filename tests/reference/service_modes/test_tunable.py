"""Theorem 1 against minimisation, on both branches, with a faster and a slower cloud."""

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import TunableMode

PAPER = TunableMode(1.0, 4.0)
RATIOS = [1e-3, 0.2, 1.0, 1.0001, 2.0, 4.0, 100.0]
PARTS = [1e-3, 0.1, 0.3, 0.39, 0.41, 0.6, 0.9, 0.999]


def printed_delay(system, f, load):
    return f / (system.mu0 - f * load) + (1 - f) / (system.K * system.mu0 - (1 - f) * load)


@pytest.mark.parametrize("K", RATIOS)
@pytest.mark.parametrize("part", PARTS)
def test_theorem_1_against_minimisation(K, part):
    system = TunableMode(2.5, K)
    load = part * system.max_load
    low, high = system.stable_fractions(load)

    # over the position in the interval, as a search has half the digits of a float
    def delay_at(part):
        return float(printed_delay(system, low + part * (high - low), load))

    search = minimize_scalar(delay_at, bounds=(0, 1), method="bounded", options={"xatol": 1e-12})
    ends = [
        printed_delay(system, f, load)
        for f in (0.0, 1.0)
        if low <= f <= high and f * load < 2.5 and (1 - f) * load < K * 2.5
    ]
    least = min([search.fun, *ends])
    assert float(system.least_delay(load)) == pytest.approx(least, rel=1e-14 / (1 - part))
    best = float(system.best_fraction(load))
    assert float(system.delay(best, load)) == pytest.approx(least, rel=1e-14 / (1 - part))


@pytest.mark.parametrize("K", RATIOS)
@pytest.mark.parametrize("part", [1e-9, 0.2, 0.7, 1 - 1e-9])
def test_theorem_1_as_printed_in_50_digits(K, part):
    system = TunableMode(1.0, K)
    load = part * system.max_load
    with mp.workdps(50):
        k, x = mp.mpf(K), mp.mpf(load)
        root = mp.sqrt(k)
        f = min(max((x - (k - root)) / (x * (1 + root)), 0), 1)
        least = f / (1 - f * x) + (1 - f) / (k - (1 - f) * x)
        # the rounding error of the load, magnified by 1/(1 - part) in the spare capacity
        assert abs(mp.mpf(float(system.least_delay(load))) / least - 1) < 4e-16 / (1 - part)
        assert abs(mp.mpf(float(system.best_fraction(load))) - f) < 1e-15


@pytest.mark.parametrize("K", [1.5, 4.0, 50.0])
def test_the_branches_meet_where_the_local_server_starts(K):
    edge = K - np.sqrt(K)
    system = TunableMode(1.0, K)
    assert np.all(system.best_fraction(edge * np.array([0.01, 0.5, 1 - 1e-12])) == 0)
    assert np.all(system.best_fraction(edge * np.array([1 + 1e-12, 1.01])) > 0)
    below, above = system.least_delay(edge * np.array([1 - 1e-10, 1 + 1e-10]))
    assert above == pytest.approx(below, rel=1e-8)
    assert system.least_delay(edge) == pytest.approx(1 / np.sqrt(K), rel=1e-12)


def test_equal_servers_share_equally_at_every_load():
    np.testing.assert_allclose(
        TunableMode(3.0, 1.0).best_fraction([1e-6, 1.0, 5.999]), 0.5, rtol=1e-14
    )


def test_the_fraction_rises_from_0_to_the_local_share_of_the_capacity():
    fractions = PAPER.best_fraction(np.linspace(1e-6, 5 - 1e-9, 4001))
    assert fractions[0] == 0
    assert np.all(np.diff(fractions) >= 0)
    assert np.all(np.diff(fractions[fractions > 0]) > 0)
    assert np.all(fractions < 1 / 5)
    assert fractions[-1] == pytest.approx(1 / 5, abs=1e-9)


def test_a_slower_cloud_mirrors_a_slower_local_server():
    """With the servers swapped, (mu0, K) becomes (K mu0, 1/K), and f becomes 1 - f."""
    loads = np.array([0.1, 1.0, 2.5, 4.9])
    mirror = TunableMode(4.0, 0.25)
    np.testing.assert_allclose(
        mirror.best_fraction(loads), 1 - PAPER.best_fraction(loads), rtol=1e-14
    )
    np.testing.assert_allclose(mirror.least_delay(loads), PAPER.least_delay(loads), rtol=1e-13)


def test_many_loads_give_the_results_of_single_loads():
    loads = [0.5, 2.0, 2.1, 4.9]
    fractions, delays = PAPER.best_fraction(loads), PAPER.least_delay(loads)
    assert fractions.shape == delays.shape == (4,)
    for load, fraction, delay in zip(loads, fractions, delays, strict=True):
        assert float(PAPER.best_fraction(load)) == fraction
        assert float(PAPER.least_delay(load)) == delay
    assert PAPER.best_fraction([]).shape == (0,)


@pytest.mark.parametrize(
    ("load", "low", "high"),
    [(0.5, 0, 1), (2.0, 0, 0.5), (4.5, 1 - 4 / 4.5, 1 / 4.5), (4.999, 1 - 4 / 4.999, 1 / 4.999)],
)
def test_stable_fractions(load, low, high):
    assert PAPER.stable_fractions(load) == pytest.approx((low, high), rel=1e-15)
    inside, outside = (low + 1e-9, high - 1e-9), [f for f in (low - 1e-9, high + 1e-9) if 0 < f < 1]
    assert np.all(np.isfinite(PAPER.delay(inside, load)))
    assert np.all(np.isinf(PAPER.delay(outside, load)))


@pytest.mark.parametrize("f", [-1.0, -1e-9, 1 + 1e-9, 2.0])
def test_the_delay_is_infinite_outside_0_to_1(f):
    assert PAPER.delay(f, 0.1) == np.inf


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            5.0,
            "load = 5.0: not below the maximum 5: the queues grow without bound; "
            "lower the load or add capacity",
        ),
        (0.0, "load = 0.0: there are no jobs to serve; give a load above 0"),
        (-2.0, "load = -2.0: there are no jobs to serve"),
        (np.nan, "load = nan: is not a finite number"),
        ([1.0, 7.0], r"load\[1\] = 7.0: not below the maximum 5"),
    ],
)
@pytest.mark.parametrize("call", [PAPER.best_fraction, PAPER.least_delay])
def test_bad_loads_are_refused(call, load, message):
    with pytest.raises(LoadError, match=message):
        call(load)


@pytest.mark.parametrize("call", [PAPER.best_fraction, PAPER.least_delay, PAPER.stable_fractions])
def test_a_load_that_is_not_a_number(call):
    with pytest.raises(InputError, match="load = 'much': is not made of numbers"):
        call("much")


def test_stable_fractions_need_one_load():
    with pytest.raises(LoadError, match="load"):
        PAPER.stable_fractions([1.0, 2.0])


@pytest.mark.parametrize(
    ("mu0", "K", "message"),
    [
        (0.0, 4.0, "mu0 = 0.0: is not a finite number above 0"),
        (1.0, -1.0, "K = -1.0: is not"),
        (1.0, np.inf, "K = inf: is not"),
    ],
)
def test_bad_capacities_are_refused(mu0, K, message):
    with pytest.raises(InputError, match=message):
        TunableMode(mu0, K)


@pytest.mark.parametrize("values", [([1.0, 2.0], 4.0), (1.0, [4.0])])
def test_a_list_of_capacities_is_refused(values):
    with pytest.raises(InputError):
        TunableMode(*values)


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_the_results_keep_their_digits_in_any_unit_of_time(unit):
    system, loads = TunableMode(unit, 4.0), np.array([0.5, 3.0, 4.9])
    np.testing.assert_allclose(
        system.best_fraction(loads * unit), PAPER.best_fraction(loads), rtol=1e-14
    )
    np.testing.assert_allclose(
        system.least_delay(loads * unit) * unit, PAPER.least_delay(loads), rtol=1e-13
    )
