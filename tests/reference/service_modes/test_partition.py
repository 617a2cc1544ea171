"""Theorem 3, the best partition, and eq. (2), the delay in two parts."""

import warnings

import mpmath as mp
import numpy as np
import pytest
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
    capacity,
    decompose,
    delay,
    mean_delay,
    partition,
)

SYSTEM = Canonical(1.0, 4.0, 0.1, 0.3)
PAPER = SYSTEM.dual_mode
SHAPES = [(s, m) for s in range(1, 5) for m in range(1, 5)]


def random_point(rng):
    """A system, a fraction of its largest load, that load, and a p well inside its interval."""
    system = random_system(rng)
    part = random_part(rng)
    load = load_at(system.dual_mode, part)
    low, high = printed_interval(system.dual_mode, load)
    return system, part, load, low + (high - low) * rng.uniform(0.1, 0.9)


def printed_share(load, p, first, second):
    """alpha*(p; load) of Theorem 3 for a server of rates mu_1, mu_2."""
    one, two = np.sqrt(p / first), np.sqrt((1 - p) / second)
    return (load * p / first * two + (1 - load * (1 - p) / second) * one) / (one + two)


def test_theorem_3_as_printed():
    rng = np.random.default_rng(0)
    for _ in range(500):
        system, part, load, p = random_point(rng)
        modes = system.dual_mode
        found = partition(modes, load, p)
        alpha, beta = (printed_share(load, p, *row) for row in modes.rate)
        np.testing.assert_allclose(found.share[:, 0], [alpha, beta], rtol=0, atol=1e-14)
        # the rounding error of the interval is one of p
        lost = 10 * rounding(part) / min(1, (system.f2 - system.f1))
        assert found.mean_delay == pytest.approx(float(printed_delay(modes, load, p)), rel=lost)
        assert mean_delay(modes, load, found.assignment, found.share) == pytest.approx(
            found.mean_delay, rel=lost
        )


def random_partitions(rng, need, count):
    """Stable partitions: the need of every mode, and a random part of the spare capacity."""
    weight = np.full(need.shape[1], rng.choice([0.5, 1.0, 5.0]))
    parts = rng.dirichlet(weight, (count, need.shape[0]))
    return need + (1 - need.sum(axis=1))[:, None] * parts


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_no_random_partition_is_faster(stages, modes):
    rng = np.random.default_rng([stages, modes])
    for _ in range(5):
        system = random_modes(rng, stages, modes)
        # every assignment is stable at some load
        parts = rng.dirichlet(np.ones(modes))
        load = rng.uniform(0.1, 0.99) / (system.time @ parts).max()
        best = partition(system, load, parts)
        need = load * parts * system.time
        for share in random_partitions(rng, need, 40):
            assert mean_delay(system, load, parts, share) >= best.mean_delay * (1 - 1e-14)


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_first_order_optimality(stages, modes):
    """At each stage the derivative of the delay in the share is the same for every mode."""
    rng = np.random.default_rng([stages, modes, 1])
    system = random_modes(rng, stages, modes)
    parts = rng.dirichlet(np.full(modes, 3.0))
    load = 0.7 / (system.time @ parts).max()
    best = partition(system, load, parts)
    spare_capacity = best.share - load * parts * system.time
    price = parts * system.time / spare_capacity**2
    np.testing.assert_allclose(price, price[:, :1] * np.ones(modes), rtol=1e-12)


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_the_delay_is_that_of_its_own_operating_point(stages, modes):
    rng = np.random.default_rng([stages, modes, 2])
    system = random_modes(rng, stages, modes)
    parts = rng.dirichlet(np.ones(modes))
    load = 0.8 / (system.time @ parts).max()
    best = partition(system, load, parts)
    np.testing.assert_allclose(best.share.sum(axis=1), 1, rtol=1e-14)
    assert np.all(best.share > load * parts * system.time)
    assert mean_delay(system, load, parts, best.share) == pytest.approx(best.mean_delay, rel=1e-13)
    assert best.stage_delay.shape == (stages,)


@pytest.mark.parametrize(
    ("p", "column"), [(1.0, 0), (0.0, 1), (1, 0), ([1, 0], 0), ([0.0, 1.0], 1), (np.float32(1), 0)]
)
def test_one_mode_alone_gets_the_whole_of_every_server(p, column):
    load = 3.0
    best = partition(PAPER, load, p)
    np.testing.assert_array_equal(best.share, np.eye(2)[[column, column]])
    assert best.mean_delay == pytest.approx((1 / (PAPER.rate[:, column] - load)).sum(), rel=1e-14)


def test_towards_one_mode_the_partition_tends_to_the_whole():
    for tiny in (1e-6, 1e-12, 1e-20):
        share = partition(PAPER, 3.0, [1 - tiny, tiny]).share
        np.testing.assert_allclose(share, [[1, 0], [1, 0]], atol=3 * np.sqrt(tiny))
        assert np.all(share[:, 1] > 0)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_mode_without_work_at_a_server_gets_nothing_there(p):
    local_free = partition(Canonical(1.0, 4.0, 0.0, 0.3).dual_mode, 2.0, p)
    cloud_free = partition(Canonical(1.0, 4.0, 0.3, 1.0).dual_mode, 0.5, p)
    if p < 1:
        assert local_free.share[0, 0] == 0
    if p > 0:
        assert cloud_free.share[1, 1] == 0
    for found in (local_free, cloud_free):
        np.testing.assert_allclose(found.share.sum(axis=1), 1, rtol=1e-15)
        assert np.all(np.isfinite(found.stage_delay))


def test_the_partition_of_proposition_2_gives_each_server_to_one_mode():
    np.testing.assert_array_equal(
        partition(Canonical(1.0, 4.0, 0.0, 1.0).dual_mode, 4.0, 0.8).share, [[0, 1], [1, 0]]
    )


def test_the_delay_is_infinite_outside_the_interval_and_finite_inside():
    rng = np.random.default_rng(3)
    for _ in range(200):
        modes = random_system(rng).dual_mode
        load = load_at(modes, rng.uniform(0.3, 0.99))
        low, high = printed_interval(modes, load)
        step = 1e-6 * (high - low)
        assert np.all(np.isfinite(delay(modes, load, [low + step, (low + high) / 2, high - step])))
        outside = [
            p
            for p in (low - step, low / 2, high + step, (1 + high) / 2)
            if (0 <= p < low or high < p <= 1)
        ]
        assert np.all(np.isinf(delay(modes, load, outside)))


@pytest.mark.parametrize(
    "call", [lambda p: delay(PAPER, 1.0, p), lambda p: decompose(SYSTEM, 1.0, p).overhead]
)
@pytest.mark.parametrize("p", [-0.5, -1e-9, 1 + 1e-9, 2.0])
def test_the_delay_is_infinite_outside_0_to_1(call, p):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(p) == np.inf


def test_loads_and_p_broadcast():
    loads, p = np.array([1.0, 2.0, 4.0])[:, None], np.array([0.0, 0.2, 0.5, 0.7, 1.0])
    table = delay(PAPER, loads, p)
    assert table.shape == (3, 5)
    for i, j in np.ndindex(3, 5):
        assert table[i, j] == pytest.approx(float(delay(PAPER, loads[i, 0], p[j])), rel=1e-14)


@pytest.mark.parametrize("slack", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.25, 0.4), (0.0, 1.0), (1e-9, 1 - 1e-9)])
def test_close_to_saturation_against_50_digits(slack, f):
    modes = Canonical(1.0, 4.0, *f).dual_mode
    found = capacity(modes)
    load, p = found.max_load * (1 - slack), found.assignment
    best = partition(modes, load, p)
    with mp.workdps(50):
        total = mp.mpf(0)
        for row in modes.rate:
            work = [
                mp.mpf(float(q)) / mp.mpf(float(mu))
                for q, mu in zip(best.assignment, row, strict=True)
            ]
            total += sum(mp.sqrt(w) for w in work) ** 2 / (1 - mp.mpf(load) * sum(work))
        # the spare capacity is a difference of numbers near 1
        assert abs(best.mean_delay / total - 1) < 1e-15 / slack


def test_eq_2_the_parts_add_up_to_the_delay():
    rng = np.random.default_rng(4)
    for _ in range(500):
        system, part, load, p = random_point(rng)
        parts = decompose(system, load, p)
        lost = 10 * rounding(part) / min(1, (system.f2 - system.f1))
        assert float(parts.tunable + parts.overhead) == pytest.approx(
            float(delay(system.dual_mode, load, p)), rel=lost
        )
        assert float(parts.tunable) == float(
            TunableMode(system.mu0, system.K).delay(system.local_part(p), load)
        )
        assert parts.overhead >= 0


def test_the_overhead_vanishes_with_one_mode_alone_and_only_there():
    p = np.linspace(0, 1, 101)
    overhead = decompose(SYSTEM, 2.0, p).overhead
    assert overhead[0] == overhead[-1] == 0
    assert np.all(overhead[1:-1] > 0)
    assert np.all(decompose(Canonical(1.0, 4.0, 0.0, 1.0), 0.5, p).overhead == 0)


def test_the_parts_are_infinite_outside_the_interval():
    parts = decompose(SYSTEM, 4.5, [0.0, 0.3, 0.99, 1.0])
    assert np.all(np.isinf(parts.tunable))
    assert np.all(np.isinf(parts.overhead))


def test_an_operating_point_that_starves_a_mode_has_an_infinite_delay():
    half = np.array([0.5, 0.5])
    assert mean_delay(PAPER, 4.0, half, np.array([[0.2, 0.8], [0.5, 0.5]])) == np.inf
    assert mean_delay(PAPER, 4.0, half, np.array([[0.1, 0.9], [0.5, 0.5]])) == np.inf
    assert np.isfinite(
        mean_delay(PAPER, 4.0, np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    )


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (1.5, "p = 1.5: is not a part of the jobs; give a number from 0 to 1"),
        (-0.1, "p = -0.1: is not a part of the jobs"),
        (np.nan, "p = nan: is not a part of the jobs"),
        ([0.5, 0.6], r"p = \[0.5, 0.6\]: adds up to 1.1; give parts that add up to 1"),
        ([-0.5, 1.5], r"p\[0\] = -0.5: is not a part of the jobs; give a number from 0 to 1"),
        ([0.5, np.nan], r"p\[1\] = nan: is not a part of the jobs"),
        (
            [0.5],
            r"p = \[0.5\]: does not say what each of 2 modes gets; give a number, or 2 numbers",
        ),
        ([[0.5, 0.5]], r"p = \[\[0.5, 0.5\]\]: does not say what each of 2 modes gets"),
        ([], r"p = \[\]: does not say what each of 2 modes gets"),
        ("half", "p = 'half': is not made of numbers"),
        ([0.5, [0.5]], "is not made of numbers"),
    ],
)
def test_bad_assignments_are_refused(p, message):
    with pytest.raises(InputError, match=message):
        partition(PAPER, 3.0, p)


def test_with_three_modes_p_is_a_list():
    modes = Modes([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    message = r"p = 0.5: does not say what each of 3 modes gets; give 3 numbers"
    with pytest.raises(InputError, match=message):
        partition(modes, 0.5, 0.5)
    remedy = "give more jobs to a mode that asks less of it"
    with pytest.raises(InputError, match=rf"stage 1 would be busy 1.5 of the time: .*; {remedy}"):
        partition(modes, 1.5, [0, 0, 1])


@pytest.mark.parametrize("load", [[3.0], [3.0, 4.0], []])
def test_a_partition_needs_one_load(load):
    with pytest.raises(LoadError, match="is not one number; give one load here"):
        partition(PAPER, load, 0.5)


def test_a_load_as_text_is_converted_or_refused():
    try:
        found = partition(PAPER, "4.0", 0.5)
    except InputError:
        return
    assert found.mean_delay == partition(PAPER, 4.0, 0.5).mean_delay


@pytest.mark.parametrize(
    "call",
    [
        lambda: delay(PAPER, "much", 0.5),
        lambda: delay(PAPER, 1.0, "half"),
        lambda: decompose(SYSTEM, 1.0, "half"),
    ],
)
def test_text_is_refused(call):
    with pytest.raises(InputError, match="is not made of numbers"):
        call()


def test_a_delay_of_three_modes_is_refused():
    with pytest.raises(InputError, match="modes"):
        delay(Modes([[1.0, 2.0, 3.0]]), 0.5, 0.5)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_partition_keeps_its_digits_in_any_unit_of_time(unit):
    best = partition(PAPER, 4.0, 0.6)
    scaled = partition(Modes(PAPER.rate * unit), 4.0 * unit, 0.6)
    np.testing.assert_allclose(scaled.share, best.share, rtol=1e-13)
    assert scaled.mean_delay * unit == pytest.approx(best.mean_delay, rel=1e-13)
