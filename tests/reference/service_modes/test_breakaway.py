"""The load at which one mode for all jobs stops being the best assignment."""

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

from sojourn.models import DualMode
from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    assignment,
    best_assignment,
    breakaway,
    breakaways,
    capacity,
    light_load_assignment,
)

A, B, C = (Canonical(1.0, 4.0, *f).dual_mode for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))
IDEAL = Canonical(1.0, 4.0, 0.0, 1.0).dual_mode


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_the_breakaway_does_not_depend_on_the_unit_of_time(unit):
    found = breakaway(A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = breakaway(Modes(A.rate * unit))
    assert scaled.load / unit == pytest.approx(found.load, rel=1e-12)
    assert scaled.jump == pytest.approx(found.jump, rel=1e-9)


@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.0, 0.3), (0.0, 1.0)])
def test_with_a_slower_cloud_light_loads_use_mode_2(f):
    system = Canonical(1.0, 4.0, *f)
    mirrored = Canonical(4.0, 1 / 4.0, 1 - system.f2, 1 - system.f1)
    found, mirror = breakaway(system.dual_mode), breakaway(mirrored.dual_mode)
    assert (found.p_before, mirror.p_before) == (1.0, 0.0)
    assert mirror.load == pytest.approx(found.load, rel=1e-12)
    assert mirror.p_after == pytest.approx(1 - found.p_after, abs=1e-9)


def single(f, load):
    """Delay of a mode alone with local fraction f, in the paper's system (mu0 = 1, K = 4)."""
    return f / (1 - f * load) + (1 - f) / (4 - (1 - f) * load)


def both(f1, f2, load, p):
    """Delay of both modes in the paper's system."""
    q = 1 - p
    local = (mp.sqrt(p * f1) + mp.sqrt(q * f2)) ** 2 / (1 - load * (p * f1 + q * f2))
    return local + (mp.sqrt(p * (1 - f1)) + mp.sqrt(q * (1 - f2))) ** 2 / (
        4 - load * (p * (1 - f1) + q * (1 - f2))
    )


def test_system_a_breaks_where_an_inner_optimum_has_the_delay_of_mode_1():
    found = breakaway(A)
    with mp.workdps(30):
        f1, f2 = mp.mpf("0.1"), mp.mpf("0.3")

        def gain(load, p):
            return both(f1, f2, load, p) - single(f1, load)

        def slope(load, p):
            return mp.diff(lambda q: both(f1, f2, load, q), p)

        load, p = mp.findroot([gain, slope], (mp.mpf("4.2"), mp.mpf("0.65")))
        assert abs(found.load / load - 1) < 1e-12
        assert abs(found.p_after - p) < 1e-10
        assert abs(found.jump - (1 - p)) < 1e-10
    assert found.p_before == 1.0


def test_the_breakaway_of_system_a_by_a_search():
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


def test_system_b_breaks_where_both_modes_alone_have_one_delay():
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
    # at that load every mixture of the modes is slower
    p = np.linspace(0, 1, 10_001)[1:-1]
    assert printed_delay(B, found.load, p).min() > float(printed_delay(B, found.load, 1.0)) * 1.001


def test_system_c_never_breaks():
    assert breakaway(C) is None


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.exhaustive)])
def test_with_f1_at_or_above_the_local_share_of_the_capacity_nothing_breaks(count):
    rng = np.random.default_rng(11)
    for _ in range(count):
        K = 1 + 10 ** rng.uniform(-2, 2)
        f1 = 1 / (K + 1) + rng.choice([0.0, rng.uniform(0, 0.9)]) * K / (K + 1)
        f2 = f1 + (1 - f1) * rng.uniform(0.01, 1)
        assert breakaway(Canonical(1.0, K, f1, f2).dual_mode) is None


def breaking_system(rng):
    K = 1 + 10 ** rng.uniform(-1, 2)
    f1 = rng.choice([0.0, rng.uniform(0, 0.98)]) / (K + 1)
    mu0 = 10 ** rng.uniform(-2, 2)
    f2 = f1 + (1 - f1) * rng.choice([rng.uniform(0.02, 1), rng.uniform(0.02, 1), 1.0])
    return Canonical(mu0, K, f1, f2)


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_p_jumps_at_a_breakaway(count):
    rng = np.random.default_rng(12)
    for _ in range(count):
        modes = breaking_system(rng).dual_mode
        found = breakaway(modes)
        step = min(1e-7, (capacity(modes).max_load / found.load - 1) / 2)
        p, _ = best_assignment(modes, found.load * np.array([1e-3, 0.5, 0.9, 1 - 1e-9, 1 + step]))
        assert np.all(p[:-1] == found.p_before)
        assert p[-1] != found.p_before
        assert p[-1] == pytest.approx(found.p_after, abs=1e-4)


@pytest.mark.parametrize("K", [1.5, 2.0, 4.0, 30.0])
def test_the_ideal_modes_break_without_a_jump_where_the_local_server_starts(K):
    found = breakaway(Canonical(2.0, K, 0.0, 1.0).dual_mode)
    assert found.load == pytest.approx((K - np.sqrt(K)) * 2.0, rel=1e-12)
    assert found.p_before == 1.0
    assert found.jump < 1e-12


def test_between_equal_servers_the_ideal_modes_are_mixed_at_any_load():
    modes = Canonical(1.0, 1.0, 0.0, 1.0).dual_mode
    assert light_load_assignment(modes) == 0.5
    assert breakaway(modes) is None
    assert DualMode.canonical(mu0=1.0, K=1.0, f=(0.0, 1.0)).breakaway() is None


@pytest.mark.parametrize("load", [1e-6, 0.3, 0.9])
def test_equally_fast_modes_that_share_no_stage_are_mixed_at_any_load(load):
    """The limit is in proportion to 1 / sum_s a_s^2: here 1 to 1 / 2."""
    modes = Modes.from_work([[1.0, 0.0], [0.0, 0.5], [0.0, 0.5]])
    assert light_load_assignment(modes) == pytest.approx(1 / 3, rel=1e-14)
    assert 0 < assignment(modes, load * capacity(modes).max_load).p < 1
    assert breakaway(modes) is None
    assert len(breakaways(modes, points=4)) == 0


def test_a_breakaway_close_to_saturation_is_found():
    """Alone, each mode is stable at every load; mode 2 is faster below 0.999 and slower above."""
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
def test_at_light_load_the_mode_of_least_service_time_is_best(modes, home):
    """Of modes with equal sums of service times it is that with the smaller sum of squares."""
    assert light_load_assignment(modes) == home
    assert assignment(modes, load_at(modes, 1e-3)).p == home
