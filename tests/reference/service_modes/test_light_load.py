"""The best assignment as the load tends to 0."""

import numpy as np
import pytest
from chunks import some

from sojourn.models import MultiMode
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes import Modes, assignment_at_light_load


@pytest.mark.parametrize("seed", some(200, often=6))
def test_one_mode_is_best_where_no_two_are_equally_fast(seed):
    rng = np.random.default_rng(seed)
    modes = Modes.from_work(rng.exponential(1.0, (3, 6)), rng.exponential(1.0, 6) * (seed % 2))
    p = assignment_at_light_load(modes)
    assert p[np.argmin(modes.time.sum(axis=0) + modes.delay)] == 1.0
    near = exact.assignment(modes, 1e-9 * exact.capacity(modes).max_load)
    np.testing.assert_array_equal(p, near.assignment)


def test_modes_that_share_no_stage_divide_the_jobs():
    """Of p a + load (p^2 b + (1 - p)^2 c) the second part decides, with b = 5/36 and c = 1/4."""
    work = [[1 / 3, 0.0, 1 / 4], [1 / 6, 0.0, 1 / 4], [0.0, 1 / 2, 0.0]]
    p = assignment_at_light_load(Modes.from_work(work))
    np.testing.assert_allclose(p, [0.0, 1 / 3, 2 / 3], rtol=1e-14)  # 1/4 and 1/8
    delayed = assignment_at_light_load(Modes.from_work(work, [0.0, 0.0, 1e-9]))
    np.testing.assert_allclose(delayed, [9 / 14, 5 / 14, 0.0], rtol=1e-14)
    near = exact.assignment(Modes.from_work(work), 1e-3)
    np.testing.assert_allclose(near.assignment, p, atol=1e-3)


def test_fixed_delays_count_as_time():
    modes = Modes.from_work([[1.0, 1e-3, 0.5]], [0.0, 0.5, 0.6])
    assert assignment_at_light_load(modes).tolist() == [0.0, 1.0, 0.0]


def test_many_equal_modes_are_one():
    same = Modes.from_work(np.tile([[1.0], [2.0]], 200))
    assert assignment_at_light_load(same).tolist() == [1.0, *[0.0] * 199]
    work = np.repeat(np.diag([1.0, 1.0, 1.0, 1.0]), 30, axis=1)
    parts = assignment_at_light_load(Modes.from_work(work))
    assert parts[::30].tolist() == [0.25] * 4


@pytest.mark.parametrize("delay", [None, [0.3, 0.0, 0.2, 0.0]])
def test_no_load_of_a_curve_is_the_limit_of_a_light_one(delay):
    system = MultiMode.from_work(
        [[0.5, 0.2, 0.1, 0.3], [0.1, 0.4, 0.2, 0.1], [0.05, 0.1, 0.3, 0.5]], delay=delay
    )
    data = system.curve([0.0, 1e-12])
    assert data.certified.all()
    np.testing.assert_allclose(data.delay[0], data.delay[1], rtol=1e-10)
    np.testing.assert_allclose(data.share[0], data.share[1], atol=1e-9)
    np.testing.assert_array_equal(data.assignment[0], data.assignment[1])
