"""The best assignment of two modes against searches over the printed delay, and 50 digits."""

import mpmath as mp
import numpy as np
import pytest
from chunks import some
from scipy.optimize import minimize_scalar
from strategies_dual_mode import (
    load_at,
    printed_delay,
    printed_interval,
    random_modes,
    random_part,
    random_system,
    rounding,
)

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    TunableMode,
    assignment,
    best_assignment,
    breakaway,
    capacity,
    light_load_assignment,
    mean_delay,
    partition,
)

A, B, C = (Canonical(1.0, 4.0, *f).dual_mode for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))
IDEAL = Canonical(1.0, 4.0, 0.0, 1.0).dual_mode


def grid(low, high):
    """Even points of the interval, and more close to its ends, where the delay may be steep."""
    even = np.linspace(0, 1, 1501)
    close = np.logspace(-12, -2, 100)
    return low + (high - low) * np.unique(np.concatenate([even, close, 1 - close]))


def searched(modes, load):
    """Least delay on the grid, and within the best cell of the grid by bounded minimisation."""
    p = grid(*printed_interval(modes, load))
    values = printed_delay(modes, load, p)
    best = int(np.argmin(values))
    low, high = p[max(best - 1, 0)], p[min(best + 1, len(p) - 1)]

    def delay_at(part):
        return float(printed_delay(modes, load, low + part * (high - low)))

    found = minimize_scalar(delay_at, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    return values[best], min(values[best], found.fun)


def assert_best(modes, load, part):
    best = assignment(modes, load)
    on_grid, least = searched(modes, load)
    # rates, p and load are rounded, and the spare capacity is their difference
    error = 10 * rounding(part)
    assert best.mean_delay <= on_grid * (1 + error)
    assert best.mean_delay == pytest.approx(least, rel=error)
    printed = float(printed_delay(modes, load, *best.assignment))
    assert printed == pytest.approx(best.mean_delay, rel=error)
    of_point = mean_delay(modes, load, best.assignment, best.share)
    assert of_point == pytest.approx(best.mean_delay, rel=error)


@pytest.mark.parametrize("seed", some(10, often=5))
def test_random_systems_against_a_search(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        modes, part = random_system(rng).dual_mode, random_part(rng)
        assert_best(modes, load_at(modes, part), part)


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_two_modes_at_any_number_of_stages_against_a_search(stages):
    """The rates are random, so that one mode may be slower at every stage."""
    rng = np.random.default_rng([stages, 7])
    for _ in range(40):
        modes, part = random_modes(rng, stages, 2), random_part(rng)
        assert_best(modes, load_at(modes, part), part)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_mode_slower_at_every_stage_gets_no_jobs(stages):
    rng = np.random.default_rng(stages)
    for _ in range(20):
        slow = 10 ** rng.uniform(-1, 1, stages)
        modes = Modes(np.stack([slow * rng.uniform(1.1, 3, stages), slow], axis=1))
        assert assignment(modes, load_at(modes, 0.9)).p == 1.0


def exact_stages(modes, load, w):
    """Numerator and denominator of each stage's delay at w = sqrt((1 - p)/p), and their slopes."""
    for first, second in modes.rate:
        a, b = 1 / mp.mpf(float(first)), 1 / mp.mpf(float(second))
        root = mp.sqrt(a) + w * mp.sqrt(b)
        yield (
            root**2,
            (1 - load * a) + w**2 * (1 - load * b),
            2 * root * mp.sqrt(b),
            2 * w * (1 - load * b),
        )


def exact_delay(modes, load, w):
    return sum(top / bottom for top, bottom, _, _ in exact_stages(modes, load, w))


def exact_slope(modes, load, w):
    return sum(
        rise / bottom - top * fall / bottom**2
        for top, bottom, rise, fall in exact_stages(modes, load, w)
    )


def exact_ends(modes, load):
    """Ends of the stable interval of w, where neither mode alone is stable."""
    squares = [(1 - load / mp.mpf(float(a))) / (load / mp.mpf(float(b)) - 1) for a, b in modes.rate]
    return sorted(mp.sqrt(v) for v in squares)


def bisected(slope, low, high):
    assert slope(low) < 0 < slope(high)
    for _ in range(140):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


@pytest.mark.parametrize("seed", range(25))
def test_p_and_the_delay_against_50_digits(seed):
    """Loads that need both modes, up to 1 - 1e-12 of the largest load.

    The root of the slope is bracketed within a hundredth of the interval around the optimum.
    """
    rng = np.random.default_rng([seed, 50])
    f1, f2 = np.sort(rng.uniform(0, 1, 2))
    K = 1 / rng.uniform(f1, f2) - 1
    modes = Canonical(1.0, K, f1, f2).dual_mode
    alone = max(modes.rate[0, 1], modes.rate[1, 0]) / (K + 1)
    slack = (1 - alone) * 10 ** rng.uniform(-11, -0.1)
    load = (K + 1) * (1 - slack)
    best = assignment(modes, load)
    with mp.workdps(50):
        exact = mp.mpf(float(load))
        low, high = exact_ends(modes, exact)
        p, rest = (mp.mpf(float(v)) for v in best.assignment)
        start, width = mp.sqrt(rest / p), (high - low) / 100
        root = bisected(
            lambda w: exact_slope(modes, exact, w),
            max(start - width, low + width / 1e9),
            min(start + width, high - width / 1e9),
        )
        least = exact_delay(modes, exact, root)
        grid = (low + (high - low) * k / 200 for k in range(1, 200))
        assert all(exact_delay(modes, exact, w) >= least for w in grid)
        assert abs(best.mean_delay / least - 1) < 4e-15 / slack
        assert abs(mp.mpf(best.p) - 1 / (1 + root**2)) < 1e-12


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 2.0**-10, 2.0**10, 1e100, 1e200])
def test_the_unit_of_time_does_not_matter(unit):
    rng = np.random.default_rng(8)
    for _ in range(30):
        modes, part = random_system(rng).dual_mode, rng.uniform(1e-3, 0.99)
        load = load_at(modes, part)
        best, scaled = assignment(modes, load), assignment(Modes(modes.rate * unit), load * unit)
        assert scaled.mean_delay * unit == pytest.approx(best.mean_delay, rel=rounding(part))
        assert scaled.p == pytest.approx(best.p, abs=1e-8)


def test_swapping_the_servers_changes_nothing():
    rng = np.random.default_rng(9)
    for _ in range(60):
        modes, part = random_system(rng).dual_mode, random_part(rng)
        best, swapped = (
            assignment(m, load_at(modes, part)) for m in (modes, Modes(modes.rate[::-1]))
        )
        assert swapped.mean_delay == pytest.approx(best.mean_delay, rel=rounding(part))
        assert swapped.p == pytest.approx(best.p, abs=1e-8)
        np.testing.assert_allclose(
            swapped.stage_delay[::-1].sum(), best.stage_delay.sum(), rtol=10 * rounding(part)
        )


def mirrored(system):
    """The system with servers and modes swapped: the local server is the cloud."""
    return Canonical(system.K * system.mu0, 1 / system.K, 1 - system.f2, 1 - system.f1)


def test_swapping_servers_and_modes_mirrors_the_answer():
    rng = np.random.default_rng(10)
    for _ in range(60):
        system, part = random_system(rng), random_part(rng)
        load = load_at(system.dual_mode, part)
        best = assignment(system.dual_mode, load)
        mirror = assignment(mirrored(system).dual_mode, load)
        error = 1e-7 if system.f1 < 1e-6 else 10 * rounding(part)
        assert mirror.mean_delay == pytest.approx(best.mean_delay, rel=error)
        assert mirror.p == pytest.approx(1 - best.p, abs=1e-6)


def test_many_loads_give_the_results_of_single_loads():
    loads = [0.01, 1.0, 4.19, 4.2, 4.5, 4.999]
    p, least = best_assignment(A, loads)
    assert p.shape == least.shape == (6,)
    for i, load in enumerate(loads):
        single = assignment(A, load)
        assert single.p == p[i]
        assert single.mean_delay == pytest.approx(least[i], rel=1e-15)
    assert [a.shape for a in best_assignment(A, 4)] == [(1,), (1,)]
    assert [a.shape for a in best_assignment(A, [])] == [(0,), (0,)]


def test_the_operating_point_is_that_of_the_partition():
    best = assignment(A, 4.5)
    again = partition(A, 4.5, best.assignment)
    np.testing.assert_allclose(best.share, again.share, rtol=1e-14)
    np.testing.assert_allclose(best.stage_delay, again.stage_delay, rtol=1e-13)


@pytest.mark.parametrize("slack", [1e-6, 1e-9, 1e-12, 1e-14])
def test_the_delays_of_the_stages_add_up_to_the_mean_delay(slack):
    best = assignment(A, 5.0 * (1 - slack))
    assert best.stage_delay.sum() == pytest.approx(best.mean_delay, rel=1e-9)


@pytest.mark.parametrize("slack", [1e-9, 1e-12])
def test_one_mode_alone_is_best_up_to_its_stable_load(slack):
    """p = 1 is the optimum (Theorem 4), at the end of an interval narrower than 1 - p can show."""
    modes = Canonical(1.0, 1e5, 1e-4, 1.0).dual_mode
    load = load_at(modes, 1 - slack)
    best = assignment(modes, load)
    assert best.p == 1.0
    assert best.mean_delay == pytest.approx(
        partition(modes, load, 1.0).mean_delay, rel=1e-15 / slack
    )


def test_the_last_stable_load_of_a_redundant_system_is_accepted():
    assert assignment(C, np.nextafter(capacity(C).max_load, 0)).p == 1.0


@pytest.mark.parametrize("modes", [A, B, C, IDEAL])
@pytest.mark.parametrize("slack", [1e-6, 1e-9, 1e-12])
def test_loads_just_below_the_largest(modes, slack):
    load = load_at(modes, 1 - slack)
    best = assignment(modes, load)
    assert np.isfinite(best.mean_delay)
    # the delay is of the order of the inverse of the spare capacity
    assert 0.1 / load < best.mean_delay * slack < 10


@pytest.mark.parametrize("load", [1e-300, 1e-100, 1e-12])
def test_very_small_loads(load):
    for modes in (A, B, C, IDEAL):
        best = assignment(modes, load)
        assert best.p == 1.0
        assert best.mean_delay == pytest.approx(modes.time[:, 0].sum(), rel=1e-11)


@pytest.mark.parametrize("K", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("f", [(0.0, 1.0), (0.1, 0.3), (0.0, 0.5), (1e-12, 1 - 1e-12)])
def test_servers_of_very_different_capacity(K, f):
    modes = Canonical(1.0, K, *f).dual_mode
    for part in (1e-3, 0.5, 0.99):
        assert_best(modes, load_at(modes, part), part)


@pytest.mark.parametrize("K", [0.01, 2 / 3, 1.0, 1.5, 4.0])
def test_ideal_modes_keep_the_digits_of_p_and_of_the_delay(K):
    """p* = 1 - f*, which Theorem 1 gives in closed form."""
    system = TunableMode(1.0, K)
    loads = system.max_load * np.linspace(0.3, 0.9, 301)
    p, least = best_assignment(Canonical(1.0, K, 0.0, 1.0).dual_mode, loads)
    np.testing.assert_allclose(p, 1 - system.best_fraction(loads), rtol=0, atol=1e-9)
    np.testing.assert_allclose(least, system.least_delay(loads), rtol=rounding(0.9))


@pytest.mark.parametrize("f1", [0.05, 0.2, 0.6])
def test_modes_one_unit_in_the_last_place_apart(f1):
    """The two modes are equal up to rounding, so the delay must be that of one mode alone."""
    modes = Canonical(1.0, 4.0, f1, float(np.nextafter(f1, 1))).dual_mode
    for part in (0.1, 0.9, 0.999):
        load = load_at(modes, part)
        alone = sum(1 / (rate - load) for rate in modes.rate[:, 0])
        assert assignment(modes, load).mean_delay == pytest.approx(alone, rel=rounding(part))


def test_numbers_of_any_kind_are_loads():
    expected = assignment(A, 4.0).mean_delay
    for load in (4, np.int64(4), np.float32(4), np.float64(4), np.array(4)):
        assert assignment(A, load).mean_delay == expected


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            5.0,
            "load = 5.0: not below the maximum 5: whatever the assignment, "
            "a queue grows without bound; lower the load or add rate",
        ),
        (0, "load = 0.0: there are no jobs to assign; give a load above 0"),
        (-1, "load = -1.0: there are no jobs to assign"),
        (np.nan, "load = nan: is not a finite number"),
        ([4.0], r"load = \[4.0\]: is not one number; give one load here"),
        ([[4.0]], r"load = \[\[4.0\]\]: has 2 dimensions; give one load or a list of loads"),
    ],
)
def test_loads_that_cannot_be_assigned(load, message):
    with pytest.raises(LoadError, match=message):
        assignment(A, load)


def test_many_loads_name_the_one_that_is_too_large():
    with pytest.raises(LoadError, match=r"load\[1\] = 6.0: not below the maximum 5"):
        best_assignment(A, [1.0, 6.0])


@pytest.mark.parametrize("call", [assignment, best_assignment])
def test_a_load_that_is_not_a_number_is_shown_as_it_was_given(call):
    with pytest.raises(InputError, match="load = 'much': is not made of numbers"):
        call(A, "much")


def test_a_load_as_text_is_converted_or_refused():
    try:
        found = assignment(A, "4.0")
    except InputError:
        return
    assert found.mean_delay == assignment(A, 4.0).mean_delay


@pytest.mark.parametrize(
    "call",
    [
        breakaway,
        light_load_assignment,
        lambda m: best_assignment(m, [0.1]),
    ],
)
@pytest.mark.parametrize("rate", [[[1.0], [2.0]], [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
def test_a_fraction_in_mode_1_needs_two_modes(call, rate):
    with pytest.raises(InputError, match="modes = "):
        call(Modes(rate))
