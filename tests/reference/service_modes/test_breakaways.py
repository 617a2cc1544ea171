"""Every load at which the best assignment of many modes changes the modes that it uses."""

from functools import cache
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from chunks import some
from mode_cases import ABOVE_HULL, ALEXNET, FOUR, TENTHS, cuts, mobilenet
from scipy.optimize import brentq

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import (
    Canonical,
    ModeChange,
    Modes,
    best_assignments,
    breakaway,
    breakaways,
    capacity,
    modes_at_saturation,
    partition,
)

ROUNDING = 1e-15  # of a delay, at light load


@cache
def of_four():
    return breakaways(Modes.from_work(FOUR))


@cache
def above_hull():
    return breakaways(Modes.from_work(ABOVE_HULL))


def used_sets(found):
    """Loads, and modes used before and after, of changes."""
    return [(c.used_before, c.used_after) for c in found]


def draw(seed):
    """A random system of up to 3 stages and 6 modes, some with zeros, some with fixed delays."""
    rng = np.random.default_rng(seed)
    stages, modes = rng.integers(1, 4), rng.integers(2, 7)
    work = rng.exponential(size=(stages, modes))
    if rng.random() < 0.5:
        work[rng.random((stages, modes)) < 0.3] = 0.0
    work[rng.integers(stages, size=modes), np.arange(modes)] += 0.3
    work[np.arange(stages), rng.integers(modes, size=stages)] += 0.3
    return Modes.from_work(work, rng.random(modes) * (rng.random() < 0.3))


def test_a_mode_above_the_hull_comes_and_goes():
    modes = Modes.from_work(ABOVE_HULL)
    found = above_hull()
    assert used_sets(found) == [((0,), (2,)), ((2,), (0, 2)), ((0, 2), (0, 1))]
    assert found[1].load < 4.95 < found[2].load < 4.98
    for change in found:
        before, after = (partition(modes, change.load, p) for p in (change.before, change.after))
        assert before.mean_delay == pytest.approx(after.mean_delay, rel=1e-11)
        assert change.jump > 0.05
    assert found.after(4.0) is found[1]
    assert found.after(4.98) is None
    assert found[:1] == found.changes[:1]
    assert all(isinstance(change, ModeChange) for change in found)


def test_jump_loads_are_those_of_equal_delays():
    """Of two single modes, and of one and all three of `TENTHS` by symmetry: a scalar root."""
    a, c = np.array(ABOVE_HULL)[:, 0], np.array(ABOVE_HULL)[:, 2]
    equal = brentq(lambda x: (a / (1 - x * a)).sum() - (c / (1 - x * c)).sum(), 3, 4, xtol=1e-15)
    assert above_hull()[0].load == pytest.approx(equal, rel=1e-12)

    def least(x, used):
        n = np.sqrt(TENTHS[:, :used]).sum(axis=1) ** 2 / used
        return (n / (1 - x * TENTHS[:, :used].mean(axis=1))).sum()

    one_two, two_three = (
        brentq(lambda x, n=n: least(x, n) - least(x, n + 1), n, 3.3 + 1.6 * (n > 1), xtol=1e-15)
        for n in (1, 2)
    )
    found = breakaways(Modes.from_work(TENTHS))
    assert [len(c.used_after) for c in found] == [2, 3]
    assert [c.load for c in found] == pytest.approx([one_two, two_three], rel=1e-12)


def test_a_mode_of_other_stages_joins_without_a_jump():
    """From all cloud, all device joins where sum_s a_s / (1 - load a_s)^2 = a_device."""
    modes = cuts(ALEXNET, 100e6).rates
    cloud, device = modes.time[:, 0], modes.time[:, -1].sum()
    joins = brentq(lambda x: (cloud / (1 - x * cloud) ** 2).sum() - device, 1, 80, xtol=1e-14)
    first, second = breakaways(modes)
    assert first.load == pytest.approx(joins, rel=1e-13)
    assert first.load == pytest.approx(60.0184400341, rel=1e-11)
    assert first.jump == 0
    assert (first.used_before, first.used_after) == ((0,), (0, modes.modes - 1))
    assert second.used_after == (0, 2)  # input and pool1
    assert second.load / capacity(modes).max_load == pytest.approx(0.5507, abs=1e-4)


def test_parallel_servers_join_at_their_own_rates():
    """Modes that share no stage are servers side by side: thresholds of the shortest delay."""
    mu = np.array([4.0, 1.2, 1.0])
    found = breakaways(Modes(np.where(np.eye(3), mu[:, None], np.inf)))
    assert used_sets(found) == [((0,), (0, 1)), ((0, 1), (0, 1, 2))]
    # server k joins where the others' spare capacity over sum sqrt(mu) is sqrt(mu_k)
    loads = [mu[:k].sum() - np.sqrt(mu[k]) * np.sqrt(mu[:k]).sum() for k in (1, 2)]
    assert [c.load for c in found] == pytest.approx(loads, rel=1e-12)
    assert [c.jump for c in found] == [0, 0]


def test_equal_servers_join_at_once():
    found = breakaways(Modes(np.where(np.eye(3), [[4.0], [1.0], [1.0]], np.inf)))
    assert used_sets(found) == [((0,), (0, 1, 2))]
    assert found[0].load == pytest.approx(2.0, rel=1e-13)


@pytest.mark.parametrize("work", [0.5, 1e-9])
def test_a_mode_with_a_fixed_delay_joins_without_a_jump(work):
    """Alone, mode 1 has the slope 1 / (1 - load)^2 in its part, and mode 2 its work and delay.

    A much larger capacity does not hide it.
    """
    found = breakaways(Modes.from_work([[1.0, 0.0], [0.0, work]], [0.0, 3.0]))
    assert used_sets(found)[0] == ((0,), (0, 1))
    assert found[0].load == pytest.approx(1 - (3 + work) ** -0.5, rel=1e-12)
    assert found[0].jump == 0


@pytest.mark.slow
def test_cuts_of_mobilenet():
    modes = cuts(mobilenet(), 20e6).rates
    first, second = breakaways(modes)
    assert first.load == pytest.approx(35.770797, abs=1e-6)
    assert (first.used_before, first.used_after) == ((5,), (0, 5))  # block4, input + block4
    assert first.jump == pytest.approx(0.057, abs=1e-3)
    assert (second.used_before, second.used_after) == ((0, 5), (3, 5))  # block2 + block4
    assert second.load / capacity(modes).max_load == pytest.approx(0.94, abs=1e-3)


@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.25, 0.4), (0.0, 0.3), (0.0, 1.0)])
def test_two_modes_break_away_where_the_paper_says(f):
    modes = Canonical(1.0, 4.0, *f).dual_mode
    true, found = breakaway(modes), breakaways(modes)
    assert (true is None) == (len(found) == 0)
    if true is not None:
        assert found[0].load == pytest.approx(true.load, rel=1e-9)
        assert found[0].before[0] == true.p_before
        assert found[0].after[0] == pytest.approx(true.p_after, abs=1e-6)


@pytest.mark.parametrize("seed", some(400, often=3))
def test_random_systems_use_no_other_modes_between(seed):
    modes = draw(seed)
    most, found = capacity(modes).max_load, breakaways(modes, points=24)
    for one, two in pairwise(found):
        assert one.load < two.load
        assert one.used_after == two.used_before
    loads = np.sort(np.random.default_rng(seed).uniform(0.01, 0.999, 40)) * most
    parts, least, _ = best_assignments(modes, loads)
    light = np.flatnonzero(best_assignments(modes, most * 1e-5)[0][0])
    for load, p, delay in zip(loads, parts, least, strict=True):
        below = [c for c in found if c.load < load]
        used = list(below[-1].used_after if below else found[0].used_before if found else light)
        if used != np.flatnonzero(p > 1e-6).tolist():  # then both are as good
            again = best_assignments(modes.take(used), [load])[1][0]
            assert again == pytest.approx(delay, rel=1e-9)
    for change in found:
        at = [partition(modes, change.load, p).mean_delay for p in (change.before, change.after)]
        error = 1e-9 + 64 * ROUNDING / (1 - change.load / most)
        assert at == pytest.approx([best_assignments(modes, change.load)[1][0]] * 2, rel=error)
    if modes.modes == 2:
        first = breakaway(modes)
        assert (first is None) == (len(found) == 0)
        assert first is None or found[0].load == pytest.approx(first.load, rel=1e-9)


def test_a_larger_unit_of_time_scales_loads_alone():
    modes = Modes.from_work(FOUR)
    found = of_four()
    for unit in (1e-60,):
        scaled = breakaways(Modes.from_work(modes.time * unit))
        assert used_sets(scaled) == used_sets(found)
        for one, two in zip(found, scaled, strict=True):
            assert two.load * unit == pytest.approx(one.load, rel=1e-11)
            assert two.jump == pytest.approx(one.jump, abs=1e-6)


def test_a_part_of_the_loads():
    modes = Modes.from_work(FOUR)
    found, part = of_four(), breakaways(modes, low=2.0, high=5.0, points=5)
    assert part.loads[[0, -1]].tolist() == [2.0, 5.0]
    assert part.resolution <= 0.75
    assert [c.load for c in part] == pytest.approx([found[1].load], rel=1e-12)
    assert part.gap < 2e-9


def test_without_time_the_rest_of_the_loads_is_named():
    """The first block of the scan is examined, whatever the time; all above is left."""
    modes = Modes.from_work(FOUR)
    full, short = of_four(), breakaways(modes, seconds=1e-9)
    assert full.left == ()
    assert len(short) == 0
    assert short.loads.size == 4
    assert short.left == ((short.loads[-1], full.loads[-1]),)
    assert short.loads[0] == full.loads[0]


def test_changes_that_are_not_narrowed_down_are_left(monkeypatch):
    """The scan ends after 6 of 8 s here, and the first change takes the rest."""
    modes, clock = Modes.from_work(FOUR), iter(np.arange(0.0, 1e6, 0.05))
    full = of_four()
    module = import_module("sojourn.reference.service_modes.breakaways")
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    for seconds in (2.0, 3.0, 4.0):
        part = breakaways(modes, seconds=seconds)
        inside = [c.load for c in full if not any(a <= c.load <= b for a, b in part.left)]
        assert [c.load for c in part] == pytest.approx(inside, rel=1e-12)
    assert inside


def test_one_mode_never_changes():
    assert len(breakaways(Modes.from_work([[1.0], [2.0]]))) == 0


@pytest.mark.parametrize(("given", "error"), [
    ({"low": -1.0}, LoadError),
    ({"low": 8.0}, LoadError),
    ({"low": np.nan}, LoadError),
    ({"low": 2.0, "high": 2.0}, LoadError),
    ({"high": 8.0}, LoadError),
    ({"high": "7"}, InputError),
    ({"points": 1}, InputError),
    ({"seconds": 0.0}, InputError),
    ({"seconds": "60"}, InputError),
])  # fmt: skip
def test_bad_loads_are_refused(given, error):
    with pytest.raises(error, match=next(reversed(given))):
        breakaways(Modes.from_work(FOUR), **given)


def test_modes_of_the_largest_load_alone_where_it_is_not_degenerate():
    modes = Modes.from_work(FOUR)
    end = modes_at_saturation(modes)
    assert end.is_limit
    assert (end.used, end.full) == ((0, 1, 2), (0, 1, 2))
    assert end.price.sum() == pytest.approx(1)
    assert of_four()[-1].used_after == end.used
    near = best_assignments(modes, end.max_load * (1 - 1e-6))[0][0]
    np.testing.assert_allclose(near, end.assignment, atol=1e-5)


def test_a_degenerate_largest_load_says_nothing_of_loads_below():
    """The unique solution is (1, 0), but close to it 1.708 (1 - load) of the jobs are in mode 2.

    With p_2 = c (1 - load) and N_s near 1, the delay is least where 1 / (1 - c/10) + 1 / (1 + c/2)
    is; N_s is off by a multiple of sqrt(p_2).
    """
    modes = Modes.from_work([[1.0, 1.1], [1.0, 0.5]])
    end = modes_at_saturation(modes)
    assert not end.is_limit
    assert end.used == (0,)
    assert end.price is None
    assert breakaways(modes)[-1].used_after == (0, 1)
    c = (np.sqrt(5) - 1) / (0.5 + np.sqrt(5) / 10)
    ratio = (1 / (1 - c / 10) + 1 / (1 + c / 2)) / 2
    assert (c, ratio) == pytest.approx((1.71, 1 - 0.127), abs=2e-3)
    for rest in (1e-3, 1e-5, 1e-6):
        parts, delay, _ = best_assignments(modes, 1 - rest)
        assert parts[0, 1] / rest == pytest.approx(c, abs=15 * np.sqrt(rest))
        alone = partition(modes, 1 - rest, [1.0, 0.0]).mean_delay
        assert delay[0] / alone == pytest.approx(ratio, abs=5 * np.sqrt(rest))


def test_several_solutions_at_the_largest_load_are_no_limit():
    """Modes 2 and 3 both fill the only stage that matters."""
    assert not modes_at_saturation(Modes.from_work([[1.0, 1.0], [0.5, 0.2]])).is_limit


@pytest.mark.parametrize("seed", some(400, often=4))
def test_proven_modes_are_those_close_to_the_largest_load(seed):
    modes = draw(seed)
    end = modes_at_saturation(modes)
    if end.is_limit:
        near = best_assignments(modes, end.max_load * (1 - 1e-7))[0][0]
        extra = np.delete(near, end.used)
        assert extra.max(initial=0) == 0
        np.testing.assert_allclose(near, end.assignment, atol=1e-3)
