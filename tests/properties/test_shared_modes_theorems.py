"""What holds of shared beside reserved stages: the price of reserving, the hull, saturation."""

import numpy as np
import pytest
from chunks import some
from shared_modes import part_of_capacity, random_modes

from sojourn.reference.service_modes import Canonical, Modes, assignment, capacity
from sojourn.reference.service_modes.shared import equilibrium, hull, optimum


def price(modes, load):
    """Return the price of reserving, from proved bounds of the reserved delay."""
    return assignment(modes, load).mean_delay / optimum(modes, load).mean_delay


@pytest.mark.parametrize("seed", some(240, often=12))
def test_price_of_reserving_is_from_1_to_the_number_of_stages(seed):
    modes = random_modes(seed, stages=(1, 4), modes=(1, 6))
    load = min(part_of_capacity(seed), 0.9999) * capacity(modes).max_load
    found, rounding = price(modes, load), 1e-8
    assert found >= 1 - rounding
    if not modes.delay.any():
        assert found <= min(modes.stages, modes.modes) + rounding


@pytest.mark.parametrize(("S", "expected"), [(2, 1.9798), (3, 2.9711)])
def test_near_the_number_of_stages(S, expected):
    modes = Modes.from_work(np.ones((S, S)) + 0.5 * np.eye(S))
    assert price(modes, 0.9999 * capacity(modes).max_load) == pytest.approx(expected, abs=6e-5)


def test_modes_without_a_common_stage_are_reserved_for_nothing():
    modes = Modes.from_work([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.5]])
    for part in (0.1, 0.8, 0.99):
        assert price(modes, part * capacity(modes).max_load) == pytest.approx(1.0, abs=1e-9)


def test_limit_at_saturation():
    """(sqrt(D2 N1) + sqrt(D1 N2))^2 over the same of the works: of system A 1.9496547."""
    modes = Canonical(1.0, 4.0, 0.1, 0.3).dual_mode
    p = np.array([0.5, 0.5])
    sums, works = np.sqrt(p * modes.time).sum(axis=1) ** 2, modes.time @ p
    d1, d2 = 0.2, 0.05
    limit = np.divide(
        *((np.sqrt(d2 * n[0]) + np.sqrt(d1 * n[1])) ** 2 for n in (sums, works)),
    )
    assert limit == pytest.approx(1.9496547, abs=6e-8)
    assert price(modes, 5 * (1 - 1e-5)) == pytest.approx(limit, rel=2e-6)


def test_the_hull_rule_is_false_of_reserved_stages():
    """Mode 3 lies above the segment of the others, and the best reserved mix needs it."""
    modes = Modes.from_work([[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]])
    assert hull(modes).tolist() == [0, 1]
    reserved = assignment(modes, 4.95)
    assert reserved.mean_delay == pytest.approx(57.4273313441, rel=1e-9)
    assert reserved.assignment == pytest.approx([0.0682543095, 0, 0.9317456905], abs=1e-7)
    without = assignment(modes.take([0, 1]), 4.95)
    assert without.mean_delay == pytest.approx(64.3298094631, rel=1e-9)
    for goal in (optimum, equilibrium):
        pair, three = goal(modes.take([0, 1]), 4.95), goal(modes, 4.95)
        assert three.mean_delay == pytest.approx(pair.mean_delay, rel=1e-9)
        assert three.assignment[2] == 0


def test_four_modes_at_three_stages():
    """T2 of the notes; all modes in use have the delay 1.4788221 at the equilibrium."""
    work = [[0.30, 0.10, 0.05, 0.20], [0.05, 0.25, 0.10, 0.12], [0.06, 0.05, 0.24, 0.11]]
    modes = Modes.from_work(work)
    assert capacity(modes).max_load == pytest.approx(7.5286415712, rel=1e-10)
    assert optimum(modes, 5.5).mean_delay == pytest.approx(1.4781115, abs=6e-8)
    assert equilibrium(modes, 5.5).mean_delay == pytest.approx(1.4788221, abs=6e-8)
    assert assignment(modes, 5.5).mean_delay == pytest.approx(3.8741793537, rel=1e-9)
