"""Dual-mode systems: conic and linear programs against closed forms and a grid.

The random systems are 2,000.
"""

from functools import cache

import numpy as np
import pytest
from chunks import chunks

from sojourn.models import DualMode, MultiMode
from sojourn.reference import service_modes as exact

SYSTEMS = 2000
ANGLES = np.linspace(0, np.pi / 2, 4001)


def random_system(seed):
    """Draw f1 < f2 in [0, 1], K in (1, 100] and a load from 1e-3 to 0.999 of the largest load."""
    rng = np.random.default_rng([1986, seed])
    f = np.sort(rng.uniform(0, 1, 2) if rng.random() < 0.7 else 10 ** rng.uniform(-4, 0, 2))
    if seed % 10 == 0:
        f[0] = 0.0
    if seed % 15 == 0:
        f[1] = 1.0
    system = DualMode.canonical(
        mu0=10 ** rng.uniform(-3, 3), K=100 ** (1 - rng.random()), f=f.tolist()
    )
    part = rng.choice([rng.uniform(1e-3, 0.999), 1 - 10 ** rng.uniform(-3, -1)])
    return system, float(part) * system.max_load, rng


@cache
def drawn(seeds):
    return [(seed, *random_system(seed)) for seed in seeds]


every_system = pytest.mark.parametrize("seeds", chunks(SYSTEMS, 100, quick=100, often=400))


def test_the_systems_are_of_all_kinds():
    forms = [random_system(seed)[0].canonical_form for seed in range(SYSTEMS)]
    assert 200 < sum(c.throughput_efficient for c in forms) < SYSTEMS - 200
    assert min(sum(c.f1 == 0 for c in forms), sum(c.f2 == 1 for c in forms)) > 100
    assert min(c.K for c in forms) < 1.01 < 99 < max(c.K for c in forms)


@pytest.mark.parametrize("seeds", chunks(SYSTEMS, 50, quick=50, often=100))
def test_assignment_agrees_and_its_bound_holds(seeds):
    for seed, system, load, _ in drawn(seeds):
        true = exact.assignment(system.rates, load)
        found = system.assignment(load)
        assert found.certified, seed
        assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-10), seed
        assert found.certificate.lower_bound <= true.mean_delay, seed
        assert found.certificate.lower_bound >= true.mean_delay * (1 - 1e-8), seed
        assert true.mean_delay <= found.certificate.upper_bound, seed
        # what is reported is what the operating point gives, by its definition
        assert exact.mean_delay(system.rates, load, found.assignment, found.share) == pytest.approx(
            found.mean_delay, rel=1e-9
        ), seed


@every_system
def test_both_agree_with_a_grid_on_p(seeds):
    for seed, system, load, _ in drawn(seeds):
        low, high = system.stable_interval(load)
        # evenly in the angle, where the delay is smooth at p = 0 and p = 1
        start, end = np.arcsin(np.sqrt(low)), np.arcsin(np.sqrt(high))
        grid = exact.delay(
            system.rates, load, np.sin(start + (end - start) * ANGLES / ANGLES[-1]) ** 2
        )
        least, true = float(grid.min()), exact.assignment(system.rates, load).mean_delay
        assert true <= least * (1 + 1e-11), seed
        assert least <= true * (1 + 1e-3), seed


@every_system
def test_the_solver_s_own_answer_is_covered_too(seeds):
    """Without polish, p is computed from the moments."""
    for seed, system, load, _ in drawn(seeds)[::10]:
        true = exact.assignment(system.rates, load).mean_delay
        found = system.assignment(load, polish=False)
        assert found.mean_delay == pytest.approx(true, rel=1e-5), seed
        assert found.certificate.lower_bound <= true <= found.certificate.upper_bound, seed
        assert found.certificate.gap * true >= found.mean_delay - true, seed


@pytest.mark.parametrize("seeds", chunks(SYSTEMS, 50, quick=50, often=100))
def test_partition_agrees(seeds):
    """At both ends of p where those are stable, and between them."""
    for seed, system, load, rng in drawn(seeds):
        low, high = system.stable_interval(load)
        inside = low + (high - low) * rng.uniform(1e-6, 1 - 1e-6)
        ends = [p for p in (0.0, 1.0) if np.isfinite(exact.delay(system.rates, load, p))]
        for p in (inside, *ends):
            true, found = exact.partition(system.rates, load, p), system.partition(load, p)
            assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11), (seed, p)
            np.testing.assert_allclose(
                found.share, true.share, rtol=0, atol=1e-9, err_msg=f"{seed} {p}"
            )


@every_system
def test_partition_without_polish_agrees(seeds):
    for seed, system, load, rng in drawn(seeds)[::10]:
        low, high = system.stable_interval(load)
        p = low + (high - low) * rng.uniform(1e-3, 1 - 1e-3)
        found, true = (
            system.partition(load, p, polish=False),
            exact.partition(system.rates, load, p).mean_delay,
        )
        assert found.mean_delay == pytest.approx(true, rel=1e-8), (seed, p)


@every_system
def test_largest_load_of_the_linear_program_agrees(seeds):
    for seed, system, _, _ in drawn(seeds)[::10]:
        (l1, _), (_, c2) = system.rates.rate
        form = system.canonical_form
        theorem_2 = min(l1, c2, (form.K + 1) * form.mu0)
        assert system.max_load == pytest.approx(theorem_2, rel=1e-12), seed
        assert system.capacity().max_load == pytest.approx(theorem_2, rel=1e-9), seed


@pytest.mark.parametrize("seeds", chunks(50, 5, quick=5, often=15))
def test_breakaway_agrees(seeds):
    for seed in seeds:
        system, _, _ = random_system(seed)
        true, found = exact.breakaway(system.rates), system.breakaway()
        assert (true is None) == (found is None), seed
        if true is not None:
            assert found.load == pytest.approx(true.load, rel=1e-8), seed


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 6, 8, 12])
def test_two_modes_at_more_stages(stages):
    """The degree is twice the number of stages."""
    for seed in range(20):
        rng = np.random.default_rng([stages, seed])
        system = MultiMode(10 ** rng.uniform(0, 1.5, (stages, 2)))
        load = float(rng.uniform(0.05, 0.999)) * system.max_load
        true, found = exact.assignment(system.rates, load).mean_delay, system.assignment(load)
        assert found.certified, seed
        assert found.mean_delay == pytest.approx(true, rel=1e-10), seed
        assert found.certificate.lower_bound <= true * (1 + 1e-12), seed
