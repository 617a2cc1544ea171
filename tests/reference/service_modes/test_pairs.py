"""Pairs of modes at two stages: the bound of shared stages, and the search of the pairs left."""

from itertools import combinations

import mpmath
import numpy as np
import pytest
from chunks import some

from sojourn.reference.service_modes import Modes, best_assignments, capacity, segment, useful
from sojourn.reference.service_modes.many_modes import search
from sojourn.reference.service_modes.pairs import shared_bound
from sojourn.reference.service_modes.segment import lowest


def hull_like(rng, count):
    """Return modes close to a segment, few of which can be left out."""
    f = rng.uniform(size=count)
    return Modes.from_work(np.stack([f, (1 - f) * rng.uniform(1, 1.3, count) / 4]))


def random_modes(rng):
    """Return up to 12 modes at two stages, with zeros among the works or close to a segment."""
    count = int(rng.integers(3, 13))
    if rng.uniform() < 0.5:
        return hull_like(rng, count)
    work = rng.exponential(size=(2, count)) * (rng.uniform(size=(2, count)) >= 0.1)
    work[:, ~work.any(axis=0)] = 1.0
    work[~work.any(axis=1)] = 1.0
    return Modes.from_work(work * 10 ** rng.uniform(-3, 3, (2, 1)))


def exact_delays(time, load, parts):
    """Return the delays of shared and of reserved stages at a part of the jobs in mode 1."""
    p, load = mpmath.mpf(parts), mpmath.mpf(load)
    shared = reserved = mpmath.mpf(0)
    for a, b in time.tolist():
        use = load * (p * a + (1 - p) * b)
        if use >= 1:
            return mpmath.inf, mpmath.inf
        root = mpmath.sqrt(p * a) + mpmath.sqrt((1 - p) * b)
        shared, reserved = shared + use / load / (1 - use), reserved + root**2 / (1 - use)
    return shared, reserved


@pytest.mark.parametrize("seed", some(400, often=20))
def test_the_bound_of_a_pair_holds_for_exact_numbers(seed):
    """No point of the pair is below it, in 50 digits and without a tolerance."""
    rng = np.random.default_rng(seed)
    # mode 1 has less work at one stage, mode 2 at the other
    time = np.sort(rng.exponential(size=(2, 2)) * 10 ** rng.uniform(-4, 4, (2, 1)), axis=1)
    time[1] = time[1, ::-1]
    most = capacity(Modes.from_work(time)).max_load
    loads = most * np.append(1 - 10 ** rng.uniform(-12, 0, 5), 10 ** rng.uniform(-9, 0))
    p, bounds, delays = shared_bound(time[:, :, None], loads)
    for k, load in enumerate(loads):
        part, bound = float(p[0, k]), float(bounds[0, k])
        rounding = 1e-13 / (1 - load / most)
        with mpmath.workdps(50):
            shared, reserved = exact_delays(time, load, part)
            beside = np.clip(part * (1 + rng.normal(size=8) * 10.0 ** rng.integers(-6, 0, 8)), 0, 1)
            for other in [0.0, part, *beside, 1.0]:
                assert exact_delays(time, load, other)[0] >= bound
            assert bound >= shared * (1 - rounding)
        assert delays[0, k] == pytest.approx(float(reserved), rel=rounding)


@pytest.mark.parametrize("seed", some(200, often=20))
def test_a_pair_that_carries_no_such_load_is_left_out(seed):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.exponential(size=(2, 2)), axis=1)
    time[1] = time[1, ::-1]
    most = capacity(Modes.from_work(time)).max_load
    loads = most * (1 + 10 ** rng.uniform(-6, 2, 6))
    _, bounds, delays = shared_bound(time[:, :, None], loads)
    assert np.all(bounds * loads > 1e10)
    assert np.all(np.isinf(delays))


@pytest.mark.parametrize("seed", some(1000, often=50))
def test_the_best_pair_is_that_of_the_roots_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng)
    most = capacity(modes).max_load
    load = most * rng.choice([rng.uniform(1e-3, 0.95), 1 - 10 ** rng.uniform(-4, -1)])
    least = np.inf
    for pair in combinations(range(modes.modes), 2):
        two = modes.take(pair)
        if load < capacity(two).max_load * (1 - 1e-12):
            least = min(least, lowest(segment(two, load))[1])
    _, (delay,), (lower,) = best_assignments(modes, [load])
    rounding = 4e-15 / (1 - load / most)
    assert delay == pytest.approx(least, rel=1e-12 + rounding)
    assert delay * (1 - 1.001e-9) <= lower <= least * (1 + rounding)


def test_few_pairs_are_searched():
    _, modes = useful(hull_like(np.random.default_rng(0), 50))
    loads = np.linspace(0.02, 0.98, 20) * capacity(modes).max_load
    _, _, examined = search(modes, loads, 1e-9)
    assert modes.modes * (modes.modes - 1) / 2 >= 300
    assert examined < 150 * loads.size
