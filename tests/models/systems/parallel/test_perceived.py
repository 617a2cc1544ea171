"""Latencies as players and followers perceive them: numbers, derivatives, cones."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad

from sojourn.models import MD1, MG1, MM1, InputError, ParallelServers
from sojourn.models.latency.player_latency import (
    FollowerLatency,
    PlayerLatency,
    follower_latency,
    player_latency,
)

BANK = MG1([100.0, 80.0, 200.0], [0.3, 1.0, 4.0], [0.005, 0.005, 0.02])
SYSTEM = ParallelServers(BANK)


def seen():
    base = np.array([20.0, 0.0, 50.0])
    return {"players": PlayerLatency(BANK, 3.0), "followers": FollowerLatency(BANK, base)}


@pytest.mark.parametrize("name", seen())
def test_numbers_and_cones_are_the_same(name):
    bank, x = seen()[name], np.array([10.0, 30.0, 25.0])
    integral = [
        quad(lambda u, i=i: float(bank.latency(np.full(3, u))[i]), 0, x[i])[0] for i in range(3)
    ]
    np.testing.assert_allclose(bank.potential(x), integral, rtol=1e-8)
    flow = cp.Variable(3)
    cone = bank.potential_cone(flow)
    value = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == x, *cone.constraints])
    assert value.is_dcp()
    below = 0.0 if name == "players" else float(BANK.potential(bank.base).sum())
    assert value.solve(solver="CLARABEL") == pytest.approx(sum(integral) + below, rel=1e-6)
    scaled = bank.in_unit(0.01)
    np.testing.assert_allclose(scaled.latency(x * 0.01), bank.latency(x) / 0.01, rtol=1e-12)
    with pytest.raises(InputError, match="has no cone of its own"):
        bank.total_cone(flow)


def test_followers_have_a_latency_cone_and_players_none():
    both, x, flow = seen(), np.array([10.0, 30.0, 25.0]), cp.Variable(3)
    cone = both["followers"].latency_cone(flow)
    value = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == x, *cone.constraints]).solve(
        solver="CLARABEL"
    )
    assert value == pytest.approx(both["followers"].latency(x).sum(), rel=1e-6)
    with pytest.raises(InputError, match="has no cone of its own"):
        both["players"].latency_cone(flow)


def test_mixed_banks_are_perceived_bank_by_bank():
    pool = ParallelServers(MM1([10.0, 20.0]), MD1([5.0])).bank
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        player_latency(pool, 4).latency(x), (pool.marginal(x) + 3 * pool.latency(x)) / 4
    )
    np.testing.assert_allclose(follower_latency(pool, x / 2).latency(x / 2), pool.latency(x))


SEEN_POOL = ParallelServers(
    MM1([10.0, 20.0], 0.1), MD1([5.0]), MG1([30.0, 8.0], [3.0, 0.5], 0.02)
).bank
POOL_BASE = np.array([1.0, 0.0, 2.0, 10.0, 3.0])
VIEWS = {
    "players": player_latency(SEEN_POOL, 3.0),
    "one player": player_latency(SEEN_POOL, 1.0),
    "followers": follower_latency(SEEN_POOL, POOL_BASE),
}
each_view = pytest.mark.parametrize("name", VIEWS)
POOL_FLOW = np.array([4.0, 12.0, 1.5, 9.0, 3.5])


@each_view
def test_perceived_slope_and_potential_are_differences(name):
    view, x, h = VIEWS[name], POOL_FLOW, 1e-5
    np.testing.assert_allclose(
        view.latency_slope(x), (view.latency(x + h) - view.latency(x - h)) / (2 * h), rtol=1e-7
    )
    np.testing.assert_allclose(
        view.latency(x), (view.potential(x + h) - view.potential(x - h)) / (2 * h), rtol=1e-7
    )
    np.testing.assert_allclose(
        view.marginal(x),
        ((x + h) * view.latency(x + h) - (x - h) * view.latency(x - h)) / (2 * h),
        rtol=1e-7,
    )
    integral = [
        quad(lambda u, i=i: float(view.latency(np.full(5, u))[i]), 0, x[i])[0] for i in range(5)
    ]
    np.testing.assert_allclose(view.potential(x), integral, rtol=1e-9)
    assert not view.potential(np.zeros(5)).any()


@each_view
@pytest.mark.parametrize("part", [1e-6, 0.3, 0.9, 0.9999])
def test_the_perceived_operating_point_is_the_inverse(name, part):
    view = VIEWS[name]
    x = part * view.rate
    latency = view.latency(x)
    point = view.at_latency(latency - view.idle_latency)
    tolerance = 1e-7 if part < 1e-3 else 1e-11  # at light loads the excess has few digits
    np.testing.assert_allclose(point.flow, x, rtol=tolerance)
    np.testing.assert_allclose(view.inverse_latency(latency), x, rtol=tolerance)
    np.testing.assert_allclose(point.spare_capacity, view.rate - x, rtol=1e-8)
    np.testing.assert_allclose(point.slope, 1 / view.latency_slope(x), rtol=1e-7)
    assert not view.inverse_latency(0.9 * view.idle_latency).any()


@each_view
def test_the_perceived_potential_cone_is_its_number(name):
    view, flow = VIEWS[name], cp.Variable(5)
    cone = view.potential_cone(flow)
    problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == POOL_FLOW, *cone.constraints])
    below = SEEN_POOL.potential(POOL_BASE).sum() if name == "followers" else 0.0
    assert problem.solve(solver="CLARABEL") == pytest.approx(
        view.potential(POOL_FLOW).sum() + below, rel=1e-6
    )


@each_view
def test_perceived_servers_can_be_taken_apart_and_scaled(name):
    view, chosen = VIEWS[name], np.array([1, 2, 4])
    np.testing.assert_allclose(
        view.take(chosen).latency(POOL_FLOW[chosen]), view.latency(POOL_FLOW)[chosen], rtol=1e-14
    )
    np.testing.assert_allclose(
        view.in_unit(0.01).latency(POOL_FLOW * 0.01), view.latency(POOL_FLOW) * 100, rtol=1e-12
    )
    with pytest.raises(
        InputError,
        match=r"^total_cone = '(players|followers)': has no cone of its own; use the servers' own "
        r"total_cone$",
    ):
        view.total_cone(cp.Variable(5))
