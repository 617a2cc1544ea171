"""The best assignment against searches that know nothing of polynomials, and the load at which it leaves one mode."""

import warnings
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
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
    segment,
)

A, B, C = (Canonical(1.0, 4.0, *f).dual_mode for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))
IDEAL = Canonical(1.0, 4.0, 0.0, 1.0).dual_mode


def grid(low, high):
    """Evenly over the interval and crowded to its ends, where the delay may be as steep as a root."""
    even = np.linspace(0, 1, 1501)
    crowd = np.logspace(-12, -2, 100)
    return low + (high - low) * np.unique(np.concatenate([even, crowd, 1 - crowd]))


def searched(modes, load):
    """Least delay on the grid, and in the grid's best cell by bounded minimisation."""
    p = grid(*printed_interval(modes, load))
    values = printed_delay(modes, load, p)
    best = int(np.argmin(values))
    low, high = p[max(best - 1, 0)], p[min(best + 1, len(p) - 1)]
    inside = lambda s: float(printed_delay(modes, load, low + s * (high - low)))  # noqa: E731
    found = minimize_scalar(inside, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    return values[best], min(values[best], found.fun)


def assert_best(modes, load, part):
    best = assignment(modes, load)
    on_grid, least = searched(modes, load)
    # rates, p and the load are all rounded, and the distance to saturation is what is left
    close = 10 * rounding(part)
    assert best.mean_delay <= on_grid * (1 + close)
    assert best.mean_delay == pytest.approx(least, rel=close)
    assert float(printed_delay(modes, load, *best.assignment)) == pytest.approx(
        best.mean_delay, rel=close
    )
    assert mean_delay(modes, load, best.assignment, best.share) == pytest.approx(
        best.mean_delay, rel=close
    )


@pytest.mark.parametrize("seed", range(10))
def test_random_systems_against_a_search(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        modes, part = random_system(rng).dual_mode, random_part(rng)
        assert_best(modes, load_at(modes, part), part)


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_two_modes_at_any_number_of_stages_against_a_search(stages):
    """Dominated modes among them: the rates are drawn without order."""
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
    """Numerator and denominator of each stage's delay at tan(t) = w and their slopes, of the rates as they are."""
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
    """Ends of the stable interval of tan(t) where each mode alone is too much for some stage."""
    squares = [(1 - load / mp.mpf(float(a))) / (load / mp.mpf(float(b)) - 1) for a, b in modes.rate]
    return sorted(mp.sqrt(v) for v in squares)


def bisected(slope, low, high):
    assert slope(low) < 0 < slope(high)
    for _ in range(140):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


@pytest.mark.parametrize("seed", range(25))
def test_both_the_place_and_the_delay_against_50_digits(seed):
    """Loads up to (1 - 1e-12) of the largest that need both modes; the optimum is closed in anew within a hundredth of the interval."""
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
        near, reach = (
            mp.sqrt(mp.mpf(float(best.assignment[1])) / mp.mpf(float(best.assignment[0]))),
            (high - low) / 100,
        )
        root = bisected(
            lambda w: exact_slope(modes, exact, w),
            max(near - reach, low + reach / 1e9),
            min(near + reach, high - reach / 1e9),
        )
        least = exact_delay(modes, exact, root)
        assert all(
            exact_delay(modes, exact, low + (high - low) * k / 200) >= least for k in range(1, 200)
        )
        assert abs(best.mean_delay / least - 1) < 4e-15 / slack
        assert abs(mp.mpf(best.p) - 1 / (1 + root**2)) < 1e-12


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_the_slope_s_numerator_is_n_d_n_d_in_exact_arithmetic(stages):
    """Of degree 4S - 2, at most 6 for two stages; 2S times N'D - ND', which moves no root."""
    rng = np.random.default_rng(stages)
    for _ in range(20):
        modes = random_modes(rng, stages, 2) if stages != 2 else random_system(rng).dual_mode
        along = segment(modes, load_at(modes, rng.uniform(0.05, 0.99)))
        found = [Fraction(float(c)) for c in along.slope_numerator()]
        assert len(found) == 4 * stages - 1
        top, bottom = powers(along.numerator), powers(along.denominator)
        # exact, so that the highest power cancels and does not round
        tolerance = [
            2 * stages * c for c in minus(times(slopes(top), bottom), times(top, slopes(bottom)))
        ]
        size = product_of_sizes(along.numerator, along.denominator)
        for u in (Fraction(k, 7) for k in range(8)):
            basis = [u**k * (1 - u) ** (len(found) - 1 - k) for k in range(len(found))]
            here, large = (
                sum(c * b for c, b in zip(values, basis, strict=True)) for values in (found, size)
            )
            assert abs(here - sum(c * u**k for k, c in enumerate(tolerance))) <= large / 10**14
        assert len(tolerance) == 4 * stages
        assert tolerance[-1] == 0


def product_of_sizes(top, bottom):
    """What is subtracted in each coefficient, added: the scale of its rounding."""
    n = np.arange(len(top))
    up, down = (n * top)[1:], (n[::-1] * top)[:-1]
    right, left = (n * bottom)[1:], (n[::-1] * bottom)[:-1]
    return [Fraction(float(c)) for c in np.convolve(up, left) + np.convolve(down, right)]


def powers(coefficients):
    """A polynomial in u from its coefficients in u^k (1-u)^(n-k), exactly."""
    n = len(coefficients) - 1
    out = [Fraction(0)] * (n + 1)
    for k, c in enumerate(coefficients):
        term = [Fraction(float(c))]
        for factor in [[0, 1]] * k + [[1, -1]] * (n - k):
            term = times(term, factor)
        out = [a + b for a, b in zip(out, term, strict=True)]
    return out


def times(a, b):
    out = [Fraction(0)] * (len(a) + len(b) - 1)
    for (i, x), (j, y) in ((p, q) for p in enumerate(a) for q in enumerate(b)):
        out[i + j] += x * y
    return out


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def slopes(a):
    return [k * c for k, c in enumerate(a)][1:]


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_slope_s_numerator_has_the_sign_of_the_delay_s_slope(stages):
    rng = np.random.default_rng([stages, 3])
    for _ in range(20):
        modes = random_modes(rng, stages, 2)
        along = segment(modes, load_at(modes, rng.uniform(0.05, 0.95)))
        c, n = along.slope_numerator(), 4 * stages - 2
        u = np.linspace(0.05, 0.95, 19)
        exact = (
            c * u[:, None] ** np.arange(n + 1) * (1 - u[:, None]) ** np.arange(n + 1)[::-1]
        ).sum(axis=1)
        bottom = (
            along.denominator
            * u[:, None] ** np.arange(2 * stages + 1)
            * (1 - u[:, None]) ** np.arange(2 * stages + 1)[::-1]
        ).sum(axis=1)
        step = 1e-6
        finite = (along.delay(u + step) - along.delay(u - step)) / (2 * step)
        np.testing.assert_allclose(
            exact / (2 * stages) / bottom**2, finite, rtol=1e-6, atol=1e-7 * np.abs(finite).max()
        )


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_delay_along_the_segment_is_the_delay(stages):
    rng = np.random.default_rng([stages, 4])
    for _ in range(30):
        modes, part = random_modes(rng, stages, 2), rng.uniform(0.05, 0.99)
        load = load_at(modes, part)
        along = segment(modes, load)
        for u in rng.uniform(0, 1, 10):
            p, rest = along.assignment(u)
            assert p + rest == pytest.approx(1, abs=1e-15)
            # near an end of the interval a stage is nearly full, however light the load
            full = max(1 / (1 - load * (p * a + rest * b)) for a, b in modes.time)
            assert float(along.delay(u)) == pytest.approx(
                float(printed_delay(modes, load, p, rest)), rel=1e-14 * full
            )


def test_the_segment_runs_from_the_largest_stable_p_to_the_least():
    for load in (1.0, 4.0, 4.5, 4.99):
        low, high = printed_interval(A, load)
        along = segment(A, load)
        assert (along.assignment(1)[0], along.assignment(0)[0]) == pytest.approx(
            (low, high), abs=1e-14
        )
        assert np.all(np.diff([along.assignment(u)[0] for u in np.linspace(0, 1, 50)]) < 0)


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5])
def test_the_bernstein_coefficients_are_never_negative(stages):
    rng = np.random.default_rng([stages, 5])
    for _ in range(100):
        modes = random_modes(rng, stages, 2) if stages != 2 else random_system(rng).dual_mode
        along = segment(modes, load_at(modes, random_part(rng)))
        for c in (along.above, along.below, along.numerator, along.denominator):
            assert np.all(np.isfinite(c))
            assert np.all(c >= 0)
        assert along.numerator.shape == along.denominator.shape == (2 * stages + 1,)


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 2.0**-10, 2.0**10, 1e100, 1e200])
def test_the_unit_of_time_does_not_matter(unit):
    rng = np.random.default_rng(8)
    for _ in range(30):
        modes, part = random_system(rng).dual_mode, rng.uniform(1e-3, 0.99)
        load = load_at(modes, part)
        here, there = assignment(modes, load), assignment(Modes(modes.rate * unit), load * unit)
        assert there.mean_delay * unit == pytest.approx(here.mean_delay, rel=rounding(part))
        assert there.p == pytest.approx(here.p, abs=1e-8)


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_the_breakaway_is_at_the_same_part_in_any_unit_of_time(unit):
    here = breakaway(A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        there = breakaway(Modes(A.rate * unit))
    assert there.load / unit == pytest.approx(here.load, rel=1e-12)
    assert there.jump == pytest.approx(here.jump, rel=1e-9)


def test_swapping_the_servers_changes_nothing():
    rng = np.random.default_rng(9)
    for _ in range(60):
        modes, part = random_system(rng).dual_mode, random_part(rng)
        here, there = (
            assignment(m, load_at(modes, part)) for m in (modes, Modes(modes.rate[::-1]))
        )
        assert there.mean_delay == pytest.approx(here.mean_delay, rel=rounding(part))
        assert there.p == pytest.approx(here.p, abs=1e-8)
        np.testing.assert_allclose(
            there.stage_delay[::-1].sum(), here.stage_delay.sum(), rtol=10 * rounding(part)
        )


def mirrored(system):
    """Servers and modes swapped: the local server is called the cloud."""
    return Canonical(system.K * system.mu0, 1 / system.K, 1 - system.f2, 1 - system.f1)


def test_swapping_servers_and_modes_mirrors_the_answer():
    rng = np.random.default_rng(10)
    for _ in range(60):
        system, part = random_system(rng), random_part(rng)
        here = assignment(system.dual_mode, load_at(system.dual_mode, part))
        there = assignment(mirrored(system).dual_mode, load_at(system.dual_mode, part))
        assert there.mean_delay == pytest.approx(
            here.mean_delay, rel=1e-7 if system.f1 < 1e-6 else 10 * rounding(part)
        )
        assert there.p == pytest.approx(1 - here.p, abs=1e-6)


@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.0, 0.3), (0.0, 1.0)])
def test_with_a_slower_cloud_home_is_mode_2(f):
    system = Canonical(1.0, 4.0, *f)
    here, there = breakaway(system.dual_mode), breakaway(mirrored(system).dual_mode)
    assert (here.p_before, there.p_before) == (1.0, 0.0)
    assert there.load == pytest.approx(here.load, rel=1e-12)
    assert there.p_after == pytest.approx(1 - here.p_after, abs=1e-9)


def test_loads_are_solved_alike_alone_and_together():
    loads = [0.01, 1.0, 4.19, 4.2, 4.5, 4.999]
    p, least = best_assignment(A, loads)
    assert p.shape == least.shape == (6,)
    for i, load in enumerate(loads):
        one = assignment(A, load)
        assert one.p == p[i]
        assert one.mean_delay == pytest.approx(least[i], rel=1e-15)
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


def single(mode, load):
    """Delay of a mode alone in the paper's system with f of that mode."""
    return mode / (1 - mode * load) + (1 - mode) / (4 - (1 - mode) * load)


def both(f1, f2, load, p):
    q = 1 - p
    local = (mp.sqrt(p * f1) + mp.sqrt(q * f2)) ** 2 / (1 - load * (p * f1 + q * f2))
    return local + (mp.sqrt(p * (1 - f1)) + mp.sqrt(q * (1 - f2))) ** 2 / (
        4 - load * (p * (1 - f1) + q * (1 - f2))
    )


def test_system_a_breaks_where_an_inner_optimum_draws_level():
    found = breakaway(A)
    with mp.workdps(30):
        f1, f2 = mp.mpf("0.1"), mp.mpf("0.3")
        level = lambda load, p: both(f1, f2, load, p) - single(f1, load)  # noqa: E731
        flat = lambda load, p: mp.diff(lambda q: both(f1, f2, load, q), p)  # noqa: E731
        load, p = mp.findroot([level, flat], (mp.mpf("4.2"), mp.mpf("0.65")))
        assert abs(found.load / load - 1) < 1e-12
        assert abs(found.p_after - p) < 1e-10
        assert abs(found.jump - (1 - p)) < 1e-10
    assert found.p_before == 1.0


def test_system_a_breaks_there_by_a_search_too():
    def gain(load):
        p = np.linspace(*printed_interval(A, load), 4001)[1:-1]
        p = p[p < 0.99]
        start = p[np.argmin(printed_delay(A, load, p))]
        found = minimize_scalar(
            lambda q: float(printed_delay(A, load, q)),
            bounds=(start - 0.01, start + 0.01),
            method="bounded",
        )
        return found.fun - float(printed_delay(A, load, 1.0))

    assert breakaway(A).load == pytest.approx(brentq(gain, 4.0, 4.4, xtol=1e-13), rel=1e-10)


def test_system_b_breaks_where_the_modes_alone_draw_level():
    found = breakaway(B)
    with mp.workdps(30):
        f1, f2 = mp.mpf("0.05"), mp.mpf("0.15")
        load = mp.findroot(
            lambda x: single(f1, x) - single(f2, x),
            (mp.mpf("2.7"), mp.mpf("3.1")),
            solver="anderson",
            tol=1e-25,
        )
        assert abs(found.load / load - 1) < 1e-12
    assert (found.p_before, found.p_after, found.jump) == (1.0, 0.0, 1.0)
    # and at that load nothing between them is as fast
    p = np.linspace(0, 1, 10_001)[1:-1]
    assert printed_delay(B, found.load, p).min() > float(printed_delay(B, found.load, 1.0)) * 1.001


def test_system_c_never_breaks():
    assert breakaway(C) is None


@pytest.mark.slow
def test_with_f1_at_or_above_the_local_part_of_the_capacity_nothing_breaks():
    rng = np.random.default_rng(11)
    for _ in range(25):
        K = 1 + 10 ** rng.uniform(-2, 2)
        f1 = 1 / (K + 1) + rng.choice([0.0, rng.uniform(0, 0.9)]) * K / (K + 1)
        assert (
            breakaway(Canonical(1.0, K, f1, f1 + (1 - f1) * rng.uniform(0.01, 1)).dual_mode) is None
        )


def breaking_system(rng):
    K = 1 + 10 ** rng.uniform(-1, 2)
    f1 = rng.choice([0.0, rng.uniform(0, 0.98)]) / (K + 1)
    return Canonical(
        10 ** rng.uniform(-2, 2),
        K,
        f1,
        f1 + (1 - f1) * rng.choice([rng.uniform(0.02, 1), rng.uniform(0.02, 1), 1.0]),
    )


@pytest.mark.slow
def test_just_below_a_breakaway_p_is_home_and_just_above_it_has_jumped():
    rng = np.random.default_rng(12)
    for _ in range(40):
        modes = breaking_system(rng).dual_mode
        found = breakaway(modes)
        near = min(1e-7, (capacity(modes).max_load / found.load - 1) / 2)
        p, _ = best_assignment(modes, found.load * np.array([1e-3, 0.5, 0.9, 1 - 1e-9, 1 + near]))
        assert np.all(p[:-1] == found.p_before)
        assert p[-1] != found.p_before
        assert p[-1] == pytest.approx(found.p_after, abs=1e-4)


@pytest.mark.parametrize("K", [1.5, 2.0, 4.0, 30.0])
def test_the_ideal_modes_leave_without_a_jump_where_the_local_server_starts(K):
    found = breakaway(Canonical(2.0, K, 0.0, 1.0).dual_mode)
    assert found.load == pytest.approx((K - np.sqrt(K)) * 2.0, rel=1e-12)
    assert found.p_before == 1.0
    assert found.jump < 1e-12


def test_between_equal_servers_the_ideal_modes_are_mixed_from_the_start():
    assert breakaway(Canonical(1.0, 1.0, 0.0, 1.0).dual_mode).load < 1e-12


def test_a_breakaway_close_to_saturation_is_found():
    """Stage 0 asks the same of both modes, so either carries every load; alone, mode 2 is faster below 0.999 and slower above."""
    x = 0.9 / 1.1009
    modes = Modes([[1.0, 1.0], [1 / x, 1 / 0.9], [1 / x, np.inf]])
    p, _ = best_assignment(modes, [0.5, 0.9985, 0.9995])
    assert p.tolist() == [0.0, 0.0, 1.0]
    found = breakaway(modes)
    assert found is not None
    assert found.load == pytest.approx(0.999, rel=1e-9)


@pytest.mark.parametrize(
    ("modes", "home"),
    [
        (A, 1.0),
        (Modes([[1.0, 2.0], [1.0, 2.0]]), 0.0),
        (Modes([[1.0, 1.0]]), 1.0),
        (Modes([[1.0, 2.0], [1.0, 2 / 3]]), 1.0),
        (IDEAL, 1.0),
    ],
)
def test_at_light_load_the_least_service_time_wins(modes, home):
    """Of equal sums of service times, the more even one: its squares add up to less."""
    assert light_load_assignment(modes) == home
    assert assignment(modes, load_at(modes, 1e-3)).p == home


@pytest.mark.parametrize("slack", [1e-9, 1e-12])
def test_one_mode_alone_is_taken_as_far_as_it_is_stable(slack):
    """p = 1 is stable and the only best (Theorem 4), though the interval beside it is narrower than 1 - p can show."""
    modes = Canonical(1.0, 1e5, 1e-4, 1.0).dual_mode
    load = load_at(modes, 1 - slack)
    best = assignment(modes, load)
    assert best.p == 1.0
    assert best.mean_delay == pytest.approx(
        partition(modes, load, 1.0).mean_delay, rel=1e-15 / slack
    )


def test_the_last_stable_load_of_a_redundant_system_is_taken():
    assert assignment(C, np.nextafter(capacity(C).max_load, 0)).p == 1.0


@pytest.mark.parametrize("modes", [A, B, C, IDEAL])
@pytest.mark.parametrize("slack", [1e-6, 1e-9, 1e-12])
def test_loads_a_hair_below_the_largest(modes, slack):
    load = load_at(modes, 1 - slack)
    best = assignment(modes, load)
    assert np.isfinite(best.mean_delay)
    # the delay is of the order of the slack's inverse
    assert 0.1 / load < best.mean_delay * slack < 10


@pytest.mark.parametrize("load", [1e-300, 1e-100, 1e-12])
def test_loads_of_almost_nothing(load):
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
    """Nothing tells them apart, so all that can be asked is that no queue grows and the delay is that of one mode."""
    modes = Canonical(1.0, 4.0, f1, float(np.nextafter(f1, 1))).dual_mode
    for part in (0.1, 0.9, 0.999):
        load = load_at(modes, part)
        alone = sum(1 / (rate - load) for rate in modes.rate[:, 0])
        assert assignment(modes, load).mean_delay == pytest.approx(alone, rel=rounding(part))


def test_numbers_of_any_kind_are_loads():
    tolerance = assignment(A, 4.0).mean_delay
    for load in (4, np.int64(4), np.float32(4), np.float64(4), np.array(4)):
        assert assignment(A, load).mean_delay == tolerance


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            5.0,
            "load = 5.0: not below the maximum 5: whatever the assignment, a queue grows without bound; lower the load or add rate",
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
def test_a_load_that_is_not_a_number_is_named_as_it_was_given(call):
    with pytest.raises(InputError, match="load = 'much': is not made of numbers"):
        call(A, "much")


def test_a_load_written_as_text_is_read_or_refused():
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
        lambda m: assignment(m, 0.1),
        lambda m: best_assignment(m, [0.1]),
    ],
)
@pytest.mark.parametrize("rate", [[[1.0], [2.0]], [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
def test_an_assignment_is_between_two_modes(call, rate):
    with pytest.raises(InputError, match="modes = "):
        call(Modes(rate))
