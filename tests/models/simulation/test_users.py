"""Users who know delays and slopes exactly reach the equilibrium in a few rounds."""

import numpy as np
import pytest

from sojourn.models.simulation.users import Users


def played(users, time, fixed, rounds):
    """Let users play a game of stations with a time of what they get, without chance."""
    step = 1e-6
    for _ in range(rounds):
        got = users.flow @ users.use
        users.learn((time(got * (1 + step)) - time(got)) / step)
        users.move(users.use @ time(got) + fixed)
    return users.flow


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_parallel_servers(unit):
    """M/M/1 of rates 10 and 5 at load 9: both spare capacities are 3; a third is too slow."""
    rate = np.array([10.0, 5.0, 1.0]) / unit
    start = np.array([0.65, 0.3, 0.05])
    users = Users(np.zeros(3, dtype=int), np.array([9.0]) / unit, np.eye(3), start)
    flow = played(users, lambda x: 1 / (rate - x), 0.0, 200)
    left = 0.05 / 201 * 3.0 / unit  # those who still try
    assert flow * unit == pytest.approx([7.0, 2.0, 0.0], abs=0.02)
    assert flow[2] >= left * 0.99
    assert flow.sum() == pytest.approx(9.0 / unit)


def test_a_bottleneck_that_all_share_does_not_slow_users_down():
    """Two routes through one full link: their own links alone matter, one of 2 x, one of x."""
    use = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    users = Users(np.zeros(2, dtype=int), np.array([3.0]), use)
    flow = played(users, lambda y: np.array([1e4 * y[0], 2 * y[1], y[2]]), 0.0, 30)
    assert flow == pytest.approx([1.0, 2.0], rel=1e-3)


def test_groups_keep_their_loads_and_what_nobody_saw_stays():
    users = Users(np.array([0, 0, 1, 1]), np.array([2.0, 4.0]), np.eye(4))
    users.learn(np.array([1.0, 1.0, 1.0, np.nan]))
    users.move(np.array([3.0, 1.0, 5.0, np.nan]))
    assert users.flow[:2].sum() == pytest.approx(2.0)
    assert users.flow[1] > 1.0 > users.flow[0]
    assert users.flow[2:] == pytest.approx([2.0, 2.0])


def test_users_may_be_wrong_about_what_they_left():
    """An alternative that is seldom seen may be faster by the chance of what was seen."""
    users = Users(np.zeros(2, dtype=int), np.ones(1), np.eye(2), np.array([0.99995, 0.00005]))
    users.rounds = 999
    users.learn(users.flow)  # slopes of 1
    users.chance[:] = 0.0, 1.0
    flow, delay = users.flow, np.array([1.0, 1.1])
    few, many = (users.to_go(flow, delay, np.full(2, n)) for n in (100, 10_000))
    assert few[1] == pytest.approx(0.05, rel=0.01)  # (1 - 1.1 + 2 / 10) / (1 + 1)
    assert abs(many[1]) <= 1e-4
