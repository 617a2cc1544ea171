"""The load at which the best assignment leaves a single mode."""

import warnings

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from strategies_dual_mode import (
    load_at,
    printed_delay,
    printed_interval,
)

from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    assignment,
    best_assignment,
    breakaway,
    capacity,
    light_load_assignment,
)

A, B, C = (Canonical(1.0, 4.0, *f).dual_mode for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))
IDEAL = Canonical(1.0, 4.0, 0.0, 1.0).dual_mode


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_the_breakaway_is_at_the_same_part_in_any_unit_of_time(unit):
    here = breakaway(A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        there = breakaway(Modes(A.rate * unit))
    assert there.load / unit == pytest.approx(here.load, rel=1e-12)
    assert there.jump == pytest.approx(here.jump, rel=1e-9)


@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.0, 0.3), (0.0, 1.0)])
def test_with_a_slower_cloud_home_is_mode_2(f):
    system = Canonical(1.0, 4.0, *f)
    mirrored = Canonical(4.0, 1 / 4.0, 1 - system.f2, 1 - system.f1)
    here, there = breakaway(system.dual_mode), breakaway(mirrored.dual_mode)
    assert (here.p_before, there.p_before) == (1.0, 0.0)
    assert there.load == pytest.approx(here.load, rel=1e-12)
    assert there.p_after == pytest.approx(1 - here.p_after, abs=1e-9)


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
