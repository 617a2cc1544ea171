"""The best assignment of any number of modes: test values, certificates, and what no one beats."""

from contextlib import suppress

import mpmath
import numpy as np
import pytest
from chunks import some
from mode_cases import exact_delay, random_system
from scipy.optimize import minimize

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    assignment,
    best_assignments,
    capacity,
    mean_delay,
    partition,
    segment,
    useful,
    winner,
)
from sojourn.reference.service_modes.cells import SCALES, Problem
from sojourn.reference.service_modes.partition import joint_delay
from sojourn.reference.service_modes.segment import lowest

T1 = np.array([(3, 1, 1), (1, 3, 1), (1, 1, 3)]) / 10
T2 = [(0.30, 0.10, 0.05, 0.20), (0.05, 0.25, 0.10, 0.12), (0.06, 0.05, 0.24, 0.11)]
T3 = [(0.5, 0.2, 0.1, 0.05, 0.3), (0.1, 0.4, 0.2, 0.1, 0.15), (0.05, 0.1, 0.3, 0.5, 0.2)]
HULL = [(0.05, 0.5, 0.21021), (0.2375, 0.125, 0.1976975)]
PLAIN_HULL = [(0.05, 0.5, 1.02 * 0.2), (0.2375, 0.125, 1.02 * 0.2)]
BESIDE = [(1.0, 1e-40)]  # a mode that waits in place of queueing
CUTS = {  # operations before the cut, bytes sent: MobileNetV2 and AlexNet, from their layer shapes
    "MOB20": (
        (0, 150528),
        (2 * 20873216, 200704),
        (2 * 50075648, 75264),
        (2 * 91282688, 25088),
        (2 * 120823808, 12544),
        (2 * 225468416, 7840),
        (2 * 300774272, 0),
    ),
    "ALEX100": (
        (0, 150528),
        (2 * 70276800, 193600),
        (2 * 70276800, 46656),
        (2 * 294225600, 32448),
        (2 * 406365888, 64896),
        (2 * 555886272, 43264),
        (2 * 655566656, 9216),
        (2 * 693315392, 4096),
        (2 * 714188480, 0),
    ),
}


def split(name, uplink):
    """Return the cuts of a network as modes; times in seconds."""
    before, sent = np.array(CUTS[name], dtype=float).T
    return Modes.from_work([before / 8e9, sent * 8 / uplink, (before[-1] - before) / 200e9])


MOB20, ALEX100 = split("MOB20", 20e6), split("ALEX100", 100e6)


def local_searches(modes, load, rng, starts):
    """Return the least delay that local searches over all modes find."""
    root, spare = np.sqrt(modes.time), 1 - load * modes.time

    def delay_and_slope(w):
        n, d = root @ w, spare @ (w * w)
        if np.any(d <= 0):
            return 1e30, np.zeros_like(w)
        c, length = n / d, w @ w
        late = modes.delay @ (w * w) / length
        slope = c @ root - (c * c) @ spare * w + (modes.delay - late) * w / length
        return n @ c + late, 2 * slope

    limit, best = capacity(modes).assignment, np.inf
    for _ in range(starts):
        p = rng.dirichlet(np.full(modes.modes, rng.choice([0.3, 1.0])))
        for toward in (1, 0.9, 0.7, 0.5, 0.3, 0.1, 0.01, 1e-3, 1e-4, 0):
            start = toward * p + (1 - toward) * limit
            if np.all(spare @ start > 0):
                break
        bounds = [(0, None)] * modes.modes
        options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 300}
        found = minimize(
            delay_and_slope,
            np.sqrt(start),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=options,
        )
        best = min(best, found.fun)
    return best


@pytest.mark.parametrize(
    ("work", "load", "delay", "parts"),
    [
        (T1, 5.4, 13.9282032303, (1 / 3, 1 / 3, 1 / 3)),
        (T1, 3.6, 2.9782505768, None),
        (T2, 5.5, 3.8741793537, (0.256694857, 0.296861856, 0.446443287, 0)),
        (T3, 3.6, 4.5009457540, (0.274416607, 0, 0.725583393, 0, 0)),
        (HULL, 4.95, 57.4273313441, (0.0682543095, 0, 0.9317456905)),
        (PLAIN_HULL, 4.0, 51 / 23, (0, 0, 1)),
    ],
)
def test_values_of_the_theory(work, load, delay, parts):
    best = assignment(Modes.from_work(work), load)
    assert best.mean_delay == pytest.approx(delay, abs=1e-9)
    assert best.gap < 1e-9 * 1.001
    assert best.lower_bound <= best.mean_delay
    if parts is None:
        parts = (0, 0.5, 0.5)
        np.testing.assert_allclose(np.sort(best.assignment), parts, atol=1e-7)
    np.testing.assert_allclose(best.assignment.sum(), 1, rtol=1e-14)
    if best.assignment.size == len(parts) and work is not T1:
        np.testing.assert_allclose(best.assignment, parts, atol=1e-7)


def test_three_of_four_modes_beat_every_pair():
    modes = Modes.from_work(T2)
    pairs = [modes.take([i, j]) for i in range(4) for j in range(i)]
    least = min(assignment(pair, 5.5).mean_delay for pair in pairs if capacity(pair).max_load > 5.5)
    assert least == pytest.approx(3.8884789696, abs=1e-9)
    assert winner(modes, 5.5).support.tolist() == [0, 1, 2]


@pytest.mark.parametrize("work", [HULL, PLAIN_HULL])
def test_a_mode_above_the_lower_hull_can_be_best(work):
    """A mode above the segment of two others cannot be left out: pure it needs no overhead."""
    modes = Modes.from_work(work)
    point, (a, b) = modes.time[:, 2], modes.time[:, :2].T
    t = (point[0] - a[0]) / (b[0] - a[0])
    assert point[1] > a[1] + t * (b[1] - a[1])  # above the segment
    load = 4.95 if work is HULL else 4.0
    without = assignment(modes.take([0, 1]), load).mean_delay
    assert without == pytest.approx(64.3298094631 if work is HULL else 3.0598726735, abs=1e-9)
    assert assignment(modes, load).mean_delay < 0.9 * without
    assert useful(modes)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("k", "kept"), [(4.9, 3), (7.9, 3), (8.1, 2), (9.0, 2)])
def test_modes_above_the_arc_are_not_needed(k, kept):
    assert useful(Modes.from_work([[1.0, 9.0, k], [9.0, 1.0, k]]))[0].size == kept


def test_dominated_modes_and_copies_are_not_needed():
    work = [[1.0, 2.0, 1.0, 3.0], [2.0, 2.0, 2.0, 1.0]]
    assert useful(Modes.from_work(work))[0].tolist() == [0, 3]
    assert useful(Modes.from_work(work, [1.0, 0.0, 1.0, 0.0]))[0].tolist() == [0, 1, 3]


@pytest.mark.parametrize("seed", some(100, often=5))
def test_modes_that_are_not_needed_never_help(seed):
    rng = np.random.default_rng(1000 + seed)
    work = rng.exponential(size=(int(rng.integers(2, 4)), 9))
    modes = Modes.from_work(work, rng.exponential(size=9) * 0.3 if seed % 2 else None)
    kept, _ = useful(modes)
    load = rng.uniform(0.05, 0.99) * capacity(modes).max_load
    assert capacity(modes.take(kept)).max_load == pytest.approx(capacity(modes).max_load, rel=1e-12)
    best = assignment(modes, load)
    assert local_searches(modes, load, rng, 5) >= best.lower_bound * (1 - 1e-13)


@pytest.mark.parametrize(
    ("modes", "part", "delay"),
    [
        (MOB20, 0.5, 75.6269506779),
        (MOB20, 0.7, 164.784036239),
        (MOB20, 0.8, 261.997973247),
        (MOB20, 0.9, 588.366414494),
        (ALEX100, 0.7, 108.8844523596),
        (ALEX100, 0.8, 155.5142327799),
        (ALEX100, 0.9, 284.2348864392),
    ],
)
def test_where_to_cut_a_network(modes, part, delay):
    most = capacity(modes).max_load
    assert most == pytest.approx(54.1007252654 if modes is MOB20 else 122.3172066, rel=1e-9)
    best = assignment(modes, part * most)
    assert 1000 * best.mean_delay == pytest.approx(delay, rel=1e-9)
    assert best.gap < 1.001e-9


def test_a_mode_beside_the_queue():
    best = assignment(Modes.from_work(BESIDE, [0.0, 3.0]), 0.8)
    assert best.mean_delay == pytest.approx(2.3301270189, abs=1e-10)
    assert best.lower_bound == pytest.approx(2.3301270189, abs=1e-8)
    assert np.count_nonzero(best.assignment) == 2  # one stage, and two modes


@pytest.mark.parametrize("seed", some(2000, often=100))
def test_no_local_search_is_below_the_lower_bound(seed):
    rng = np.random.default_rng(seed)
    modes, part = random_system(rng)
    load = part * capacity(modes).max_load
    best = assignment(modes, load)
    assert best.gap <= max(1.001e-9, 2e-13 / (1 - part))
    assert best.mean_delay >= best.lower_bound
    assert np.count_nonzero(best.assignment) <= modes.stages
    assert mean_delay(modes, load, best.assignment, best.share) == pytest.approx(
        best.mean_delay, rel=1e-9
    )
    found = local_searches(modes, load, rng, 20 if seed >= 100 else 4)
    assert found >= best.lower_bound * (1 - 2e-16 / (1 - part) * 50)


@pytest.mark.parametrize("seed", some(200, often=8))
def test_fixed_delays_take_one_mode_more(seed):
    rng = np.random.default_rng(3000 + seed)
    work = rng.exponential(size=(int(rng.integers(1, 4)), int(rng.integers(2, 8))))
    modes = Modes.from_work(work, rng.exponential(size=work.shape[1]) * rng.choice([0.1, 1, 10]))
    load = rng.uniform(0.01, 0.99) * capacity(modes).max_load
    best = assignment(modes, load)
    assert best.gap < 1.001e-9
    assert np.count_nonzero(best.assignment) <= modes.stages + 1
    assert local_searches(modes, load, rng, 4) >= best.lower_bound * (1 - 1e-12)


@pytest.mark.parametrize("seed", some(100, often=5))
def test_two_modes_agree_with_the_roots(seed):
    rng = np.random.default_rng(5000 + seed)
    work = rng.exponential(size=(int(rng.integers(1, 5)), 2))
    modes = Modes.from_work(work)
    load = rng.uniform(0.01, 0.999) * capacity(modes).max_load
    along = segment(modes, load)
    u, least = lowest(along)
    best = assignment(modes, load)
    assert best.mean_delay == pytest.approx(least, rel=1e-13)
    assert best.assignment[0] == along.assignment(u)[0]
    _, delays, lower = best_assignments(modes, [load])
    assert delays[0] == pytest.approx(least, rel=1e-12)
    assert lower[0] == pytest.approx(least, rel=1.001e-9)
    copies = modes.take([0, 1, 0, 1])
    assert assignment(copies, load).mean_delay == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("seed", some(60, often=3))
def test_many_loads_at_once_are_those_one_by_one(seed):
    rng = np.random.default_rng(6000 + seed)
    modes, _ = random_system(rng)
    loads = rng.uniform(0.01, 0.99, 3) * capacity(modes).max_load
    parts, delays, lower = best_assignments(modes, loads)
    assert parts.shape == (3, modes.modes)
    for k, load in enumerate(loads):
        assert assignment(modes, load).mean_delay == pytest.approx(delays[k], rel=1e-9)
        assert joint_delay(modes, load, parts[k]) == pytest.approx(delays[k], rel=1e-9)
        assert delays[k] * (1 - 1.01e-9) <= lower[k] <= delays[k]


@pytest.mark.parametrize("seed", some(200, often=10))
def test_the_bound_of_a_cell_holds_for_exact_numbers(seed):
    """No point of the cell is below its bound, in 50 digits and without a tolerance."""
    rng = np.random.default_rng(7000 + seed)
    modes, _ = random_system(rng)
    if seed % 2:
        modes = Modes.from_work(modes.time, rng.exponential(size=modes.modes))
    part = 1 - 10 ** rng.uniform(-9, 0)
    most = capacity(modes)
    problem = Problem(modes, np.array([part * most.max_load]))
    count = modes.modes
    faces = problem.at(np.arange(count)[:, None], np.zeros(1, dtype=int))
    centre = np.sqrt(most.assignment)
    width = 10 ** rng.uniform(-9, 0)
    corners = np.abs(centre + width * rng.normal(size=(count, count)))
    z = corners.mean(axis=0)
    best = np.array([2 / (1 - part)])
    scales = SCALES if seed % 3 else (1.0,)
    bound = float(faces.bounds(corners[..., None], z[:, None], best, scales=scales).least[0])
    for weight in np.vstack([np.eye(count), rng.dirichlet(np.ones(count), size=10)]):
        assert exact_delay(problem, [sum(map(mpmath.mpf, weight * c)) for c in corners.T]) >= bound


@pytest.mark.parametrize("work", [T1, T2, T3])
def test_the_final_cell_holds_the_best_assignment_and_proves_it(work):
    modes = Modes.from_work(work)
    load = 0.7 * capacity(modes).max_load
    found = winner(modes, load)
    assert found.cell.shape == (3, 3)
    w = np.sqrt(found.assignment[found.face])
    assert np.linalg.solve(found.cell.T, w).min() >= -1e-9
    # the convex program of the cell: least over its simplex of sum (l.theta)^2 / (D.theta)
    root, spare = np.sqrt(modes.time[:, found.face]), 1 - load * modes.time[:, found.face]
    centre = found.cell.mean(axis=0)
    tangent = 2 * centre * found.cell - centre**2
    below = np.maximum(spare, 0) @ (found.cell**2).T - np.maximum(-spare, 0) @ tangent.T
    theta = np.linalg.solve(found.cell.T, w)
    n, d = root @ found.cell.T @ theta, below @ theta
    prices = n / d
    bound = (2 * prices @ (root @ found.cell.T) - prices**2 @ below).min()
    assert bound >= found.mean_delay * (1 - 1e-8)
    assert found.elsewhere >= found.mean_delay * (1 - 1.001e-9)


def test_the_winning_pair_stands_apart():
    found = winner(Modes.from_work(HULL), 4.95)
    assert found.support.tolist() == found.face.tolist() == [0, 2]
    assert found.cell is None
    assert found.elsewhere >= found.mean_delay * (1 - 1.001e-9)


@pytest.mark.parametrize(
    ("work", "load", "parts"),
    [
        ([[0.5]], 1.0, [1.0]),
        ([[0.5], [0.3]], 1.0, [1.0]),
        ([[0.5, 0.5], [0.3, 0.3]], 1.0, [1.0, 0.0]),
        ([[0.5, 0.2, 0.5, 0.2]], 1.0, [0.0, 1.0, 0.0, 0.0]),
        ([[0.5, 0.5], [0.3, 0.1], [0.3, 0.4]], 1.9, None),
    ],
)
def test_few_modes_copies_and_more_stages(work, load, parts):
    modes = Modes.from_work(work)
    best = assignment(modes, load)
    if parts is not None:
        np.testing.assert_array_equal(best.assignment, parts)
    assert best.mean_delay == pytest.approx(
        partition(modes, load, best.assignment).mean_delay, rel=1e-9
    )
    assert best.gap < 1.001e-9


def test_parallel_servers_use_every_mode():
    best = assignment(Modes.from_work(np.diag([1.0, 0.9, 0.8, 0.7])), 4.0)
    assert np.all(best.assignment > 0)
    assert best.gap < 1.001e-9


@pytest.mark.parametrize("unit", [1e-200, 1e-100, 1e100, 1e200])
def test_any_unit_of_time(unit):
    plain = assignment(Modes.from_work(T2), 5.5)
    scaled = assignment(Modes.from_work(np.array(T2) * unit), 5.5 / unit)
    assert scaled.mean_delay == pytest.approx(plain.mean_delay * unit, rel=1e-12)
    assert scaled.lower_bound == pytest.approx(plain.lower_bound * unit, rel=2e-9)


@pytest.mark.parametrize("call", [assignment, winner, best_assignments])
def test_loads_and_gaps_that_are_refused(call):
    modes = Modes.from_work(T3)
    for load in (0.0, -1.0, 43 / 9, 10.0, np.nan, "much"):
        with pytest.raises(InputError, match=r"^load"):
            call(modes, load)
    for gap in (0.0, 1e-15, 0.5, np.nan, "small"):
        with pytest.raises(InputError, match=r"^gap"):
            call(modes, 3.0, gap=gap)
    with pytest.raises(InputError, match=r"^modes"):
        call(T3, 1.0)


@pytest.mark.parametrize("work", [T1, T2, T3, HULL])
def test_next_to_the_largest_load_the_gap_is_what_rounding_leaves(work):
    modes = Modes.from_work(work)
    most, last = capacity(modes).max_load, 0.0
    for part in 10.0 ** -np.arange(4, 13):
        best = assignment(modes, most * (1 - part))
        assert last < best.lower_bound <= best.mean_delay
        assert best.gap <= max(1.001e-9, 3e-13 / part)
        last = best.lower_bound
    for part in (1e-14, 1e-15):  # a stable assignment may not exist in floating point
        with suppress(LoadError):
            best = assignment(modes, most * (1 - part))
            assert 0 <= best.lower_bound <= best.mean_delay
            assert best.gap > 1e-3


def test_a_system_of_the_paper_beside_useless_modes():
    dual = Canonical(1.0, 4.0, 0.1, 0.3).dual_mode
    rate = np.hstack([dual.rate * 0.9, dual.rate, dual.rate * 0.5])
    best = assignment(Modes(rate), 4.5)
    assert best.mean_delay == pytest.approx(assignment(dual, 4.5).mean_delay, rel=1e-12)
    np.testing.assert_allclose(best.assignment[2:4], [0.575182, 0.424818], atol=1e-6)


DEGENERATE = [[0, 2, 2, 3, 1], [2, 3, 2, 1, 1], [1, 2, 0, 2, 3], [1, 1, 2, 0, 1]]
"""Two pairs of modes carry the largest load, 2/3, so that few points are stable close to it."""
FIXED = [0.77, 0.67, 1.8, 0.81, 1.36]


def test_few_stable_points_take_few_cells():
    modes = Modes.from_work(DEGENERATE, FIXED)
    found = winner(modes, 2 / 3 * (1 - 1e-3))
    assert found.gap <= 1e-9
    assert found.examined < 100_000  # ten times as many without the slopes of the best point


@pytest.mark.parametrize("most", [10, 1000])
def test_a_search_that_ends_early_gives_a_bound_and_says_how_good_it_is(monkeypatch, most):
    modes, load = Modes.from_work(DEGENERATE, FIXED), 2 / 3 * (1 - 1e-3)
    least = winner(modes, load).lower_bound
    monkeypatch.setattr("sojourn.reference.service_modes.search.MOST_HALVES", most)
    found = winner(modes, load)
    assert found.examined < most + 5000
    assert found.lower_bound <= least * (1 + 1e-9)
    assert found.gap >= found.mean_delay / max(found.lower_bound, 1e-300) - 1 > 1e-9


@pytest.mark.parametrize("seed", some(60, often=3))
def test_five_stages_are_certified_and_no_local_search_is_below(seed):
    rng = np.random.default_rng(13_000 + seed)
    modes = int(rng.integers(6, 13))
    if seed % 2:
        work = rng.dirichlet(np.ones(5), size=modes).T * rng.uniform(1, 1.3, modes)
    else:
        work = rng.exponential(size=(5, modes))
    system = Modes.from_work(work, rng.random(modes) if seed % 3 == 0 else None)
    load = rng.uniform(0.3, 0.99) * capacity(system).max_load
    best, delay, lower = best_assignments(system, [load])
    error = 1e-9 + 1e-14 / (1 - load / capacity(system).max_load)
    assert delay[0] * (1 - error) <= lower[0] <= delay[0]
    assert np.count_nonzero(best[0]) <= 5 + (seed % 3 == 0)
    assert local_searches(system, load, rng, 20) >= lower[0]
