"""Stable loads and assignments: Theorem 2 with its lemmas, also for S stages and M modes."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import linprog
from strategies_dual_mode import load_at, printed_interval, random_modes, random_system

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import (
    Canonical,
    Modes,
    capacity,
    is_stable,
    partition,
    stable_interval,
    stable_point,
)

PAPER = Canonical(1.0, 4.0, 0.1, 0.3).dual_mode
SHAPES = [(s, m) for s in range(1, 5) for m in range(1, 5)]


def printed_largest(modes):
    """Theorem 2, in the rates mu."""
    (l1, l2), (c1, c2) = modes.rate
    common = (c1 * c2 * (l1 - l2) + l1 * l2 * (c2 - c1)) / (l1 * c2 - l2 * c1)
    return min(l1, c2, common)


def test_theorem_2_in_the_rates():
    rng = np.random.default_rng(0)
    for _ in range(400):
        l2, c1 = 10 ** rng.uniform(-2, 2, 2)
        modes = Modes([[l2 * rng.uniform(1.01, 30), l2], [c1, c1 * rng.uniform(1.01, 30)]])
        assert capacity(modes).max_load == pytest.approx(printed_largest(modes), rel=1e-12)


def test_theorem_2_in_the_canonical_form():
    rng = np.random.default_rng(1)
    for _ in range(400):
        system = random_system(rng)
        mu0, K, f1, f2 = dataclasses.astuple(system)
        bounds = (
            [(K + 1) * mu0] + ([mu0 / f1] if f1 else []) + ([K * mu0 / (1 - f2)] if f2 < 1 else [])
        )
        assert capacity(system.dual_mode).max_load == pytest.approx(min(bounds), rel=1e-12)


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_the_largest_load_against_a_linear_program(stages, modes):
    rng = np.random.default_rng([stages, modes])
    for _ in range(12):
        system = random_modes(rng, stages, modes)
        # the flows themselves are the variables
        answer = linprog(-np.ones(modes), A_ub=system.time, b_ub=np.ones(stages), method="highs")
        assert capacity(system).max_load == pytest.approx(-answer.fun, rel=1e-9)


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_the_largest_load_against_weak_duality(stages, modes):
    """The upper bound of weights on the stages is the lower bound of an assignment."""
    rng = np.random.default_rng([stages, modes, 1])
    for _ in range(12):
        system = random_modes(rng, stages, modes)
        found = capacity(system)
        # the weights are the optimal strategy of the transposed matrix game
        weight = capacity(Modes(1 / (system.time.max() * 1.01 - system.time.T))).assignment
        assert weight.sum() == pytest.approx(1, abs=1e-12)
        upper, lower = 1 / (weight @ system.time).min(), 1 / (system.time @ found.assignment).max()
        assert found.max_load == pytest.approx(lower, rel=1e-12)
        assert found.max_load == pytest.approx(upper, rel=1e-12)
        other = rng.dirichlet(np.ones(stages))
        assert found.max_load <= 1 / (other @ system.time).min() * (1 + 1e-12)


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_no_random_assignment_carries_more(stages, modes):
    rng = np.random.default_rng([stages, modes, 2])
    system = random_modes(rng, stages, modes)
    largest = 1 / (rng.dirichlet(np.full(modes, 0.5), 500) @ system.time.T).max(axis=1)
    assert largest.max() <= capacity(system).max_load * (1 + 1e-12)


@pytest.mark.parametrize("unit", [1e-200, 1e-10, 1e10, 1e200])
def test_the_largest_load_keeps_its_digits_in_any_unit_of_time(unit):
    rng = np.random.default_rng(3)
    for stages, modes in SHAPES:
        system = random_modes(rng, stages, modes)
        assert capacity(Modes(system.rate * unit)).max_load == pytest.approx(
            capacity(system).max_load * unit, rel=1e-12
        )


def test_rates_four_hundred_decades_apart():
    assert capacity(Modes([[1e-200, 1e200], [1e200, 1e-200]])).max_load == pytest.approx(
        2e-200, rel=1e-12
    )


def test_a_stage_without_work_does_not_limit_the_load():
    modes = Modes([[np.inf, np.inf, 1.0], [2.0, 3.0, 1.0]]).take([0, 1])
    assert capacity(modes).max_load == 3.0


def test_the_interval_is_that_of_the_paper():
    rng = np.random.default_rng(4)
    for _ in range(400):
        system = random_system(rng)
        modes = system.dual_mode
        part = rng.uniform(0.01, 0.999)
        load = load_at(modes, part)
        # the error of p is the rounding error of f over f2 - f1
        np.testing.assert_allclose(
            stable_interval(modes, load),
            printed_interval(modes, load),
            atol=1e-14 / (system.f2 - system.f1) / min(1, load / system.mu0),
        )


@pytest.mark.parametrize("stages", [1, 3, 5])
def test_the_interval_of_any_number_of_stages(stages):
    rng = np.random.default_rng(stages)
    for _ in range(50):
        modes = random_modes(rng, stages, 2)
        load = load_at(modes, rng.uniform(0.3, 0.999))
        low, high = stable_interval(modes, load)
        for p, inside in (
            (low + 1e-9, True),
            (high - 1e-9, True),
            (low - 1e-9, False),
            (high + 1e-9, False),
        ):
            if 0 <= p <= 1:
                utilisation = (load * (modes.time @ [p, 1 - p])).max()
                assert (utilisation < 1) == inside


def test_lemma_1_constructs_a_stable_point_as_its_proof_does():
    rng = np.random.default_rng(5)
    for _ in range(300):
        modes = random_system(rng).dual_mode
        load = load_at(modes, rng.choice([rng.uniform(1e-6, 1), 1 - 10 ** rng.uniform(-12, -1)]))
        point = stable_point(modes, load)
        assert is_stable(modes, load, point.assignment, point.partition)
        p, rest = point.assignment
        (l1, l2), (c1, c2) = modes.rate
        alpha = (1 - load * rest / l2 + load * p / l1) / 2
        beta = (1 - load * rest / c2 + load * p / c1) / 2
        np.testing.assert_allclose(
            point.partition, [[alpha, 1 - alpha], [beta, 1 - beta]], rtol=0, atol=1e-15
        )


@pytest.mark.parametrize(("stages", "modes"), SHAPES)
def test_lemma_1_at_any_number_of_stages_and_modes(stages, modes):
    rng = np.random.default_rng([stages, modes, 3])
    for part in (1e-9, 0.5, 1 - 1e-12):
        system = random_modes(rng, stages, modes)
        point = stable_point(system, load_at(system, part))
        assert is_stable(system, load_at(system, part), point.assignment, point.partition)
        np.testing.assert_allclose(point.partition.sum(axis=1), 1, rtol=1e-14)


def test_lemma_2_above_the_largest_load_nothing_is_stable():
    rng = np.random.default_rng(6)
    for _ in range(60):
        modes = random_system(rng).dual_mode
        best = capacity(modes).assignment
        load = load_at(modes, 1 + 10 ** rng.uniform(-9, 0))
        for p in [best[0], *rng.uniform(0, 1, 40), 0.0, 1.0]:
            alpha, beta = rng.uniform(0, 1, 2)
            assert not is_stable(modes, load, [p, 1 - p], [[alpha, 1 - alpha], [beta, 1 - beta]])
            # shares in proportion to the needs of the modes
            share = modes.time * [p, 1 - p]
            share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
            assert not is_stable(modes, load, [p, 1 - p], share)


def test_condition_1_counts_only_modes_that_get_jobs():
    alone = [[1.0, 0.0], [1.0, 0.0]]
    assert is_stable(PAPER, 4.0, [1.0, 0.0], alone)
    assert not is_stable(PAPER, 4.0, [0.999, 0.001], alone)
    assert not is_stable(PAPER, 4.0, [1.0, 0.0], [[0.4, 0.6], [1.0, 0.0]])
    assert not is_stable(PAPER, 4.0, [0.5, 0.5], [[0.9, 0.9], [0.9, 0.9]])


def test_a_negative_share_is_not_stable():
    """Condition (1) has alpha and beta in [0, 1]."""
    assert not is_stable(PAPER, 1.0, [1.0, 0.0], [[1.3, -0.3], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            5.0,
            "load = 5.0: not below the maximum 5: whatever the assignment, "
            "a queue grows without bound; lower the load or add rate",
        ),
        (6, "load = 6.0: not below the maximum 5"),
        (0.0, "load = 0.0: there are no jobs to assign; give a load above 0"),
        (-1.0, "load = -1.0: there are no jobs to assign"),
        (np.nan, "load = nan: is not a finite number; give a load in jobs per unit of time"),
        (np.inf, "load = inf: is not a finite number"),
        ("much", "load = 'much': is not made of numbers"),
    ],
)
def test_bad_loads_are_refused(load, message):
    with pytest.raises(InputError, match=message):
        stable_point(PAPER, load)


@pytest.mark.parametrize(("f", "most"), [((0.05, 0.15), "4.70588235294"), ((0.25, 0.4), "4:")])
def test_the_message_gives_the_largest_load(f, most):
    with pytest.raises(LoadError, match=f"not below the maximum {most}"):
        stable_point(Canonical(1.0, 4.0, *f).dual_mode, 4.9)


@pytest.mark.parametrize(
    ("load", "p", "interval"),
    [
        (4.0, 0.1, r"\(0.25, 1\]"),
        (4.5, 1.0, r"\(0.388888888889, 0.944444444444\)"),
        (4.5, 0.0, r"\(0.388888888889, 0.944444444444\)"),
    ],
)
def test_the_message_gives_the_stable_interval(load, p, interval):
    message = rf"stage \d would be busy .*; at load {load:g} p must be in {interval}"
    with pytest.raises(InputError, match=message):
        partition(PAPER, load, p)


@pytest.mark.parametrize("load", [6.0, -1.0, 0.0, np.nan, "much"])
def test_the_interval_of_an_unstable_load_is_refused(load):
    with pytest.raises(InputError, match="load = "):
        stable_interval(PAPER, load)


def test_a_stable_point_needs_one_load():
    with pytest.raises(LoadError, match="load"):
        stable_point(PAPER, [4.0, 4.5])


@pytest.mark.parametrize("call", [stable_interval, stable_point])
def test_a_load_as_text_is_converted_or_refused(call):
    try:
        found = call(PAPER, "4.0")
    except InputError:
        return
    assert repr(found) == repr(call(PAPER, 4.0))


def test_an_interval_needs_two_modes():
    message = "modes = 3: an interval of p is for two modes; give p as a list"
    with pytest.raises(InputError, match=message):
        stable_interval(Modes([[1.0, 2.0, 3.0]]), 0.5)
