"""Few modes are enough: the same utilisations by at most S of them, with fixed delays S + 1."""

import numpy as np
import pytest
from chunks import some
from shared_modes import part_of_capacity, random_modes

from sojourn.reference.service_modes import Modes, capacity
from sojourn.reference.service_modes.shared import equilibrium, few_modes, hull, optimum
from sojourn.reference.service_modes.shared.hull import is_replaced
from sojourn.reference.service_modes.shared.support import Prices, solved


@pytest.mark.parametrize("seed", some(400, often=20))
def test_no_utilisation_rises(seed):
    rng = np.random.default_rng(seed)
    modes = random_modes(seed, stages=(1, 5), modes=(1, 30))
    parts = rng.dirichlet(np.full(modes.modes, rng.choice([0.1, 1.0])))
    found = few_modes(modes.time, modes.delay, parts)
    most = modes.stages + bool(modes.delay.any())
    assert (found > 0).sum() <= most
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0, rel=1e-14)
    before, after = (np.append(modes.time @ p, modes.delay @ p) for p in (parts, found))
    assert (after <= before * (1 + 1e-11)).all()


def test_modes_in_use_stay_where_they_are_few():
    work = np.array([[0.1, 0.3], [0.225, 0.175]])
    assert few_modes(work, np.zeros(2), np.array([0.25, 0.75])).tolist() == [0.25, 0.75]
    assert few_modes(work[:1], np.zeros(2), np.array([0.25, 0.75])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("seed", some(200, often=5))
def test_equilibria_have_unique_utilisations_and_few_modes(seed):
    """Two copies of each mode, mixtures of modes, and different starts: one answer."""
    rng = np.random.default_rng(seed)
    modes = random_modes(seed, stages=(2, 4), modes=(2, 5), delays=bool(seed % 2))
    weights = rng.dirichlet(np.ones(modes.modes), size=4).T
    more = [np.hstack([a, a, a @ weights]) for a in (modes.time, modes.delay[None])]
    many = Modes.from_work(more[0], more[1][0])
    load = part_of_capacity(seed) * capacity(modes).max_load
    for players in (1.0, np.inf):
        plain, found = equilibrium(modes, load, players), equilibrium(many, load, players)
        assert (found.assignment > 0).sum() <= modes.stages + bool(modes.delay.any())
        room = 1 - plain.utilisation.max()
        near = {"rel": 1e-7, "abs": 1e-9 * room}
        assert found.utilisation == pytest.approx(plain.utilisation, **near)
        assert found.mean_delay == pytest.approx(plain.mean_delay, rel=1e-8)
        prices = Prices(many.time, many.delay, 1 / players)
        safe = np.zeros(many.modes)
        safe[: modes.modes] = capacity(modes).assignment
        for _ in range(2):
            start = 0.9 * safe + 0.1 * plain.assignment @ np.eye(modes.modes, many.modes)
            start = np.maximum(start, 0) if rng.random() < 0.5 else safe
            other = solved(prices, load, start)
            assert other.utilisation == pytest.approx(plain.utilisation, **near)


def test_one_mode_of_two_of_equal_work_is_used():
    twice = Modes.from_work([[1.0, 1.0], [2.0, 2.0]])
    assert optimum(twice, 0.3).assignment.tolist() == [1.0, 0.0]


def test_hull():
    """The lower-left hull: neither dominated modes nor those on or above a segment."""
    work = [[1.0, 9.0, 5.0, 4.9, 1.0, 9.0], [9.0, 1.0, 5.0, 5.0, 9.5, 1.0]]
    assert hull(Modes.from_work(work)).tolist() == [0, 1, 3]
    assert hull(Modes.from_work([[1.0, 2.0], [3.0, 4.0]])).tolist() == [0]
    assert hull(Modes.from_work([[1.0, 2.0], [3.0, 4.0]], [1.0, 0.0])).tolist() == [0, 1]
    assert is_replaced(np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    assert not is_replaced(np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([0.0, 1.0]))
    with_zero = np.array([[0.0, 0.0, 5.0], [4.0, 1.0, 0.0], [1.0, 4.0, 0.0]])
    assert is_replaced(with_zero, np.array([0.0, 3.0, 3.0]))
    assert not is_replaced(with_zero, np.array([0.0, 2.0, 2.0]))


@pytest.mark.parametrize("seed", some(200, often=5))
def test_the_hull_rule_is_true_of_shared_stages(seed):
    """A mode on or above the hull of the others changes no optimum and no equilibrium."""
    rng = np.random.default_rng(seed)
    modes = random_modes(seed, stages=(1, 4), modes=(2, 6))
    weights = rng.dirichlet(np.ones(modes.modes), size=3).T
    raised = 1.0 + rng.exponential(size=3) * rng.choice([0.0, 0.01, 1.0], size=3)
    more = Modes.from_work(
        np.hstack([modes.time, modes.time @ weights * raised]),
        np.append(modes.delay, modes.delay @ weights * raised),
    )
    assert set(hull(more)) <= set(range(modes.modes))
    load = part_of_capacity(seed) * capacity(modes).max_load
    for players in (1.0, np.inf):
        without, found = equilibrium(modes, load, players), equilibrium(more, load, players)
        assert found.mean_delay == pytest.approx(without.mean_delay, rel=1e-8)
        assert found.utilisation == pytest.approx(
            without.utilisation, rel=1e-6, abs=1e-8 * (1 - without.utilisation.max())
        )
