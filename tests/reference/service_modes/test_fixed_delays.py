"""Fixed delays of modes in the functions of two modes."""

import numpy as np
import pytest

from sojourn.reference.service_modes import (
    Modes,
    assignment,
    best_assignment,
    breakaway,
    capacity,
    delay,
    light_load_assignment,
    mean_delay,
    partition,
    segment,
)


def random_modes(rng):
    work = rng.exponential(size=(rng.integers(1, 5), 2))
    return Modes.from_work(work, rng.exponential(size=2) * rng.uniform(0, 3))


@pytest.mark.parametrize("seed", range(30))
def test_every_delay_holds_the_mean_fixed_delay(seed):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng)
    plain = Modes.from_work(modes.time)
    load = rng.uniform(0.1, 0.99) * capacity(modes).max_load
    assert capacity(modes).max_load == capacity(plain).max_load
    along = segment(modes, load)
    u = rng.uniform(size=5)
    p = along.assignment(u)[:, 0]
    fixed = p * modes.delay[0] + (1 - p) * modes.delay[1]
    expected = delay(plain, load, p) + fixed
    np.testing.assert_allclose(delay(modes, load, p), expected, rtol=1e-12)
    np.testing.assert_allclose(along.delay(u), expected, rtol=1e-9)
    np.testing.assert_allclose(along.stage_delay(u).sum(axis=1), expected - fixed, rtol=1e-9)
    point = partition(modes, load, p[0])
    assert point.mean_delay == pytest.approx(expected[0], rel=1e-12)
    assert point.fixed_delay == pytest.approx(fixed[0], rel=1e-12)
    assert point.stage_delay.shape == (modes.stages,)
    found = mean_delay(modes, load, point.assignment, point.share)
    assert found == pytest.approx(expected[0], rel=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_the_best_assignment_is_below_a_grid(seed):
    rng = np.random.default_rng(100 + seed)
    modes = random_modes(rng)
    load = rng.uniform(0.1, 0.99) * capacity(modes).max_load
    best, along = assignment(modes, load), segment(modes, load)
    grid = delay(modes, load, along.assignment(np.linspace(0, 1, 20001))[:, 0]).min()
    assert best.mean_delay <= grid * (1 + 1e-12)
    assert best.mean_delay >= grid * (1 - 1e-6)
    assert best.mean_delay == pytest.approx(delay(modes, load, best.p), rel=1e-9)
    ps, delays = best_assignment(modes, [load])
    assert (ps[0], delays[0]) == (best.p, pytest.approx(best.mean_delay, rel=1e-13))


def test_a_mode_beside_the_queue():
    """One stage and a mode that waits 3 in place of queueing: its work is too small to count."""
    best = assignment(Modes.from_work([[1.0, 1e-40]], [0.0, 3.0]), 0.8)
    assert best.p == pytest.approx((1 - 3**-0.5) / 0.8, rel=1e-8)
    assert round(best.mean_delay, 10) == 2.3301270189


def test_equal_fixed_delays_change_no_assignment():
    work = [[0.1, 0.3], [0.225, 0.175]]
    for load in (1.0, 4.2, 4.5):
        plain, late = (assignment(Modes.from_work(work, d), load) for d in (None, [2.0, 2.0]))
        assert late.p == pytest.approx(plain.p, rel=1e-7)
        assert late.mean_delay == pytest.approx(plain.mean_delay + 2, rel=1e-13)


def test_the_light_load_assignment_counts_fixed_delays():
    work = [[1.0, 2.0]]
    assert light_load_assignment(Modes.from_work(work)) == 1.0
    assert light_load_assignment(Modes.from_work(work, [1.5, 0.0])) == 0.0
    assert light_load_assignment(Modes.from_work(work, [1.0, 0.0])) == 1.0


def test_the_breakaway_of_a_mode_beside_the_queue():
    """All jobs queue until the marginal delay 1 / (1 - load)^2 is 3: no server is divided."""
    found = breakaway(Modes.from_work([[1.0, 0.0], [0.0, 1e-40]], [0.0, 3.0]))
    assert found.load == pytest.approx(1 - 3**-0.5, rel=1e-9)
    assert found.jump == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_up_to_the_breakaway_one_mode_is_best(seed):
    rng = np.random.default_rng(200 + seed)
    modes = random_modes(rng)
    found = breakaway(modes)
    if found is None:
        return
    most, home = capacity(modes).max_load, light_load_assignment(modes)
    for load in found.load * np.array([0.5, 0.9, 0.999]):
        assert assignment(modes, load).p == pytest.approx(home, abs=1e-12)
    if found.load * 1.001 < most:
        assert assignment(modes, found.load * 1.001).p != home
