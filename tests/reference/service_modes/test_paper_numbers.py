"""The numbers and statements of Section VII of Jeff and Modiano on its three systems."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import brentq

from sojourn.reference.errors import InputError
from sojourn.reference.service_modes import (
    Canonical,
    TunableMode,
    assignment,
    best_assignment,
    breakaway,
    capacity,
    delay,
    regime,
    regimes,
    stable_interval,
    touch_points,
)

SYSTEMS = {
    "A": Canonical(1.0, 4.0, 0.1, 0.3),
    "B": Canonical(1.0, 4.0, 0.05, 0.15),
    "C": Canonical(1.0, 4.0, 0.25, 0.4),
}
A, B, C = (system.dual_mode for system in SYSTEMS.values())
TUNABLE = TunableMode(1.0, 4.0)
CAPACITY = 5.0


def least(modes, rho):
    return best_assignment(modes, CAPACITY * np.atleast_1d(rho))[1]


@pytest.mark.parametrize(
    ("name", "rho", "digits"), [("A", 1.0, 2), ("B", 0.94, 2), ("B", 0.9412, 4), ("C", 0.8, 2)]
)
def test_the_largest_loads(name, rho, digits):
    assert round(capacity(SYSTEMS[name].dual_mode).max_load / CAPACITY, digits) == rho


def test_only_system_a_is_throughput_efficient():
    assert [s.throughput_efficient for s in SYSTEMS.values()] == [True, False, False]
    assert [s.bottleneck for s in SYSTEMS.values()] == [None, "cloud", "local"]


def test_the_touch_points():
    found = {
        name: [round(load / CAPACITY, 2) for load in touch_points(system)]
        for name, system in SYSTEMS.items()
    }
    assert found == {"A": [0.57], "B": [0.47, 0.73], "C": []}
    np.testing.assert_allclose(touch_points(SYSTEMS["A"])[0] / CAPACITY, 0.4 / 0.7, rtol=1e-14)
    np.testing.assert_allclose(
        np.array(touch_points(SYSTEMS["B"])) / CAPACITY, [0.4 / 0.85, 0.4 / 0.55], rtol=1e-14
    )


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_bound_is_met_at_the_touch_points_and_nowhere_else(name):
    modes, touch = SYSTEMS[name].dual_mode, np.array(touch_points(SYSTEMS[name]))
    np.testing.assert_allclose(
        best_assignment(modes, touch)[1], TUNABLE.least_delay(touch), rtol=1e-14
    )
    away = np.concatenate([touch * 0.98, touch * 1.02, [1.0, 4.5]])
    assert np.all(best_assignment(modes, away)[1] > TUNABLE.least_delay(away) * (1 + 1e-5))


def test_at_its_touch_points_b_uses_one_mode_and_then_the_other():
    assert best_assignment(B, touch_points(SYSTEMS["B"]))[0].tolist() == [1.0, 0.0]


def test_system_a_breaks_at_0_84_and_falls_all_the_way_to_one_half():
    found = breakaway(A)
    assert round(found.load / CAPACITY, 2) == 0.84
    assert 0 < found.p_after < 1
    p, _ = best_assignment(A, np.linspace(found.load * (1 + 1e-9), CAPACITY * (1 - 1e-6), 300))
    assert np.all(np.diff(p) < 0)
    assert p[0] == pytest.approx(found.p_after, abs=1e-6)
    assert assignment(A, CAPACITY * (1 - 1e-9)).p == pytest.approx(0.5, abs=1e-8)
    assert regimes(SYSTEMS["A"]).saturation == pytest.approx(0.5, rel=1e-15)


def test_system_b_jumps_from_mode_1_to_mode_2_at_0_578():
    found = breakaway(B)
    assert round(found.load / CAPACITY, 3) == 0.578
    assert (found.p_before, found.p_after) == (1.0, 0.0)
    rho = np.linspace(0.01, 0.94, 300)
    p, _ = best_assignment(B, CAPACITY * rho)
    np.testing.assert_array_equal(p, np.where(CAPACITY * rho < found.load, 1.0, 0.0))


def test_system_c_uses_mode_1_at_every_load():
    p, _ = best_assignment(C, CAPACITY * np.linspace(0.001, 0.7999, 300))
    assert np.all(p == 1)
    assert breakaway(C) is None


def test_system_c_is_the_slowest_at_all_its_loads():
    rho = np.linspace(0.001, 0.7999, 300)
    c = least(C, rho)
    assert np.all(c > least(A, rho))
    assert np.all(c > least(B, rho))
    assert np.all(least(A, rho) >= TUNABLE.least_delay(CAPACITY * rho))


def test_a_beats_b_from_0_517_to_0_643_and_again_at_high_loads():

    def gain(rho):
        return float(least(A, rho)[0] - least(B, rho)[0])

    crossings = [
        brentq(gain, *bracket, xtol=1e-12) for bracket in ((0.48, 0.55), (0.6, 0.7), (0.7, 0.94))
    ]
    assert [round(rho, 3) for rho in crossings[:2]] == [0.517, 0.643]
    rho = np.linspace(0.001, 0.9411, 400)
    a_is_faster = least(A, rho) < least(B, rho)
    first, second, third = crossings
    np.testing.assert_array_equal(a_is_faster, ((rho > first) & (rho < second)) | (rho > third))


def test_at_low_to_moderate_loads_all_three_use_mode_1():
    for modes in (A, B, C):
        assert np.all(best_assignment(modes, CAPACITY * np.array([0.05, 0.2, 0.4]))[0] == 1)


def test_the_stable_interval_of_c_shrinks_as_the_load_grows():
    widths = [np.diff(stable_interval(C, CAPACITY * rho))[0] for rho in (0.4, 0.6, 0.7, 0.79)]
    assert widths[0] == 1
    assert np.all(np.diff(widths) < 0)
    assert widths[-1] < 0.05


def test_close_to_capacity_a_small_deviation_costs_more():
    def penalty(rho):
        best = assignment(A, CAPACITY * rho)
        return float(delay(A, CAPACITY * rho, best.p + 0.01)) / best.mean_delay - 1

    assert penalty(0.86) < penalty(0.95) < penalty(0.98)


def test_the_loads_at_which_the_theorems_begin_and_end_to_apply():
    a, b, c = (regimes(system) for system in SYSTEMS.values())
    assert dataclasses.astuple(a) == pytest.approx((False, 2 / 0.7, 4 / 0.9, 4 / 0.9, 0.5, None))
    assert dataclasses.astuple(b) == pytest.approx(
        (False, 2 / 0.85, 4 / 0.95, None, None, 2 / 0.55)
    )
    assert dataclasses.astuple(c) == (True, None, None, None, None, None)


@pytest.mark.parametrize("K", [0.5, 1.0])
@pytest.mark.parametrize("call", [regimes, touch_points])
def test_the_theorems_take_the_cloud_to_be_faster(call, K):
    remedy = "call the faster server the cloud: swap the servers, and with them the modes"
    with pytest.raises(InputError, match=rf"K = {K}: .* K > 1; {remedy}"):
        call(Canonical(1.0, K, 0.1, 0.3))


@pytest.mark.parametrize(
    ("load", "theorem"), [(2.0, 5), (20 / 7, 5), (3.0, None), (4.44, None), (4.5, 7)]
)
def test_the_theorem_that_applies_to_a_load_of_system_a(load, theorem):
    assert regime(SYSTEMS["A"], load).theorem == theorem


@pytest.mark.parametrize(
    ("name", "load", "theorem"),
    [("B", 2.0, 5), ("B", 3.0, None), ("B", 4.0, 8), ("C", 0.1, 4), ("C", 3.9, 4)],
)
def test_the_theorem_that_applies_to_a_load_of_systems_b_and_c(name, load, theorem):
    assert regime(SYSTEMS[name], load).theorem == theorem


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (5.0, "load = 5.0: not below the maximum 5"),
        (np.nan, "load = nan"),
        ("much", "load = 'much'"),
    ],
)
def test_a_bad_load_has_no_regime(load, message):
    with pytest.raises(InputError, match=message):
        regime(SYSTEMS["A"], load)


@pytest.mark.parametrize("load", [[4.0], [4.0, 4.5]])
def test_a_regime_needs_one_load(load):
    with pytest.raises(InputError, match="load"):
        regime(SYSTEMS["A"], load)
