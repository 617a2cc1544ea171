"""K players and the followers of a leader as convex programs: against the reference, and by what they mean."""

import json
import math

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad

from sojourn.models import MD1, MG1, MM1, FormulationError, InputError, ParallelServers
from sojourn.models.latency.seen import SeenByFollowers, SeenByPlayers, seen_by_followers, seen_by_players
from sojourn.models.systems.control import price_of_optimum
from sojourn.reference import controlled, equilibrium, optimum, sensitivity, tolls
from sojourn.reference import price_of_optimum as exact_price

BANK = MG1([100.0, 80.0, 200.0], [0.3, 1.0, 4.0], [0.005, 0.005, 0.02])
SYSTEM = ParallelServers(BANK)


def random_system(seed):
    rng = np.random.default_rng([9, seed])
    n, m = rng.integers(1, 5, 2)
    rate, delay = 10 ** rng.uniform(0, 3, n + m), 10 ** rng.uniform(-3, 0, n + m)
    first = (MM1, MD1)[seed % 2](rate[:n], delay[:n])
    system = ParallelServers(first, MG1(rate[n:], 10 ** rng.uniform(-1, 1, m), delay[n:]))
    return system, float(rng.choice([rng.uniform(0.02, 0.98), 0.999])) * system.total_rate, rng


# ---- K players


@pytest.mark.parametrize("seed", range(40))
def test_players_agree_with_the_reference(seed):
    system, load, rng = random_system(seed)
    count = int(rng.choice([1, 2, 3, 10, 1000]))
    found, true = system.equilibrium(load, players=count), equilibrium(system.bank, load, count)
    assert found.certified
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-9)
    assert abs(found.mean_delay / float(true.mean_delay) - 1) <= found.certificate.gap + 1e-12
    assert found.multiplier == pytest.approx(float(true.multiplier), rel=1e-8)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS", "ECOS"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_certificate_covers_a_solver_alone(solver, count):
    if solver not in cp.installed_solvers():
        pytest.skip(f"{solver} has no wheel for this Python")
    true = float(equilibrium(BANK, 190.0, count).mean_delay)
    found = SYSTEM.equilibrium(190.0, players=count, solver=solver, polish=False)
    assert found.polished == 0
    assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
    assert abs(found.mean_delay / true - 1) <= found.certificate.gap


def test_between_optimum_and_equilibrium():
    delays = [SYSTEM.equilibrium(190.0, players=k).mean_delay for k in (1, 2, 5, 50, 10**9, math.inf)]
    assert np.all(np.diff(delays) > -1e-12)
    assert delays[0] == pytest.approx(SYSTEM.optimum(190.0).mean_delay, rel=1e-12)
    assert delays[-2] == pytest.approx(delays[-1], rel=1e-8)
    assert SYSTEM.price_of_anarchy(190.0, players=2) == pytest.approx(delays[1] / delays[0], rel=1e-12)


def test_what_is_said_of_players():
    found = SYSTEM.equilibrium(190.0, players=3)
    assert repr(found).startswith("equilibrium of 3 players at load 190: mean delay 0.03806")
    assert json.loads(json.dumps(found.to_dict()))["players"] == 3
    assert SYSTEM.equilibrium(190.0).to_dict()["players"] is None


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"players": 2.5}, InputError, r"^players = 2.5: is not a number of players"),
    ({"players": 0}, InputError, r"^players = 0: is not a number of players"),
    ({"players": [1, 2]}, InputError, r"^players = \[1, 2\]: is not one number: players of different size have no potential"),
    ({"players": 3, "formulation": "minmax"}, FormulationError, "it is not written for a finite number of players; use auto"),
    ({"players": 3, "formulation": "qp"}, FormulationError, "it holds for M/M/1 servers alone"),
])  # fmt: skip
def test_players_that_are_none(options, error, message):
    with pytest.raises(error, match=message):
        SYSTEM.equilibrium(190.0, **options)


# ---- servers as seen


def seen():
    base = np.array([20.0, 0.0, 50.0])
    return {"players": SeenByPlayers(BANK, 3.0), "followers": SeenByFollowers(BANK, base)}


@pytest.mark.parametrize("name", seen())
def test_numbers_and_cones_are_the_same(name):
    bank, x = seen()[name], np.array([10.0, 30.0, 25.0])
    integral = [quad(lambda u, i=i: float(bank.latency(np.full(3, u))[i]), 0, x[i])[0] for i in range(3)]
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
    value = cp.Problem(cp.Minimize(cp.sum(cone.value)), [flow == x, *cone.constraints]).solve(solver="CLARABEL")
    assert value == pytest.approx(both["followers"].latency(x).sum(), rel=1e-6)
    with pytest.raises(InputError, match="has no cone of its own"):
        both["players"].latency_cone(flow)


def test_pools_are_seen_bank_by_bank():
    pool = ParallelServers(MM1([10.0, 20.0]), MD1([5.0])).bank
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(seen_by_players(pool, 4).latency(x), (pool.marginal(x) + 3 * pool.latency(x)) / 4)
    np.testing.assert_allclose(seen_by_followers(pool, x / 2).latency(x / 2), pool.latency(x))


# ---- control


@pytest.mark.parametrize("seed", range(25))
def test_control_agrees_with_the_reference(seed):
    system, load, rng = random_system(100 + seed)
    fraction = float(rng.uniform(0, 1))
    for strategy in ("llf", "scale"):
        found, true = system.control(load, fraction, strategy), controlled(system.bank, load, fraction, strategy)
        assert found.certified
        assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-8)
        np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-7 * load)
        assert found.ratio >= 1 - 1e-9
        assert strategy == "scale" or found.ratio <= (1 + 1e-9) / fraction


def test_control_of_nothing_and_of_all():
    none, all_ = SYSTEM.control(190.0, 0.0), SYSTEM.control(190.0, 1)
    assert none.mean_delay == pytest.approx(SYSTEM.equilibrium(190.0).mean_delay, rel=1e-12)
    assert all_.mean_delay == SYSTEM.optimum(190.0).mean_delay
    assert all_.followers is None
    assert "1.000000 of the optimum" in repr(all_)
    assert json.loads(json.dumps(none.to_dict()))["strategy"] == "llf"


def test_followers_by_minmax():
    """Any formulation of the equilibrium does for them."""
    found = SYSTEM.control(190.0, 0.3, formulation="minmax")
    assert found.followers.formulation == "minmax"
    assert found.mean_delay == pytest.approx(controlled(BANK, 190.0, 0.3).mean_delay, rel=1e-8)


def test_the_price_of_optimum():
    least = price_of_optimum(SYSTEM.optimum(190.0))
    assert least == pytest.approx(exact_price(BANK, 190.0), rel=1e-9)
    assert SYSTEM.control(190.0, least).ratio == pytest.approx(1.0, abs=1e-9)
    assert SYSTEM.control(190.0, 0.95 * least).ratio > 1 + 1e-6


@pytest.mark.parametrize(("arguments", "message"), [
    ((190.0, -0.1), r"^fraction = -0.1: is not a part of the load"),
    ((190.0, 0.5, "LLF"), r"^strategy = 'LLF': is not a strategy; use llf or scale$"),
    ((500.0, 0.5), r"^load = 500.0: not below the total rate 380"),
])  # fmt: skip
def test_bad_control(arguments, message):
    with pytest.raises(InputError, match=message):
        SYSTEM.control(*arguments)


# ---- tolls, sensitivities


@pytest.mark.parametrize("seed", range(15))
def test_the_tolled_equilibrium_is_the_optimum(seed):
    system, load, _ = random_system(200 + seed)
    found = system.tolls(load)
    np.testing.assert_allclose(found.toll, tolls(system.bank, load), rtol=1e-6, atol=1e-12)
    assert found.difference < 1e-8
    assert found.mean_delay == pytest.approx(float(optimum(system.bank, load).mean_delay), rel=1e-9)
    assert not found.toll[~found.optimum.active].any()
    assert "the equilibrium is the optimum" in repr(found)


@pytest.mark.parametrize("players", [1, 4, math.inf])
def test_sensitivities_are_the_reference(players):
    found, true = SYSTEM.sensitivity(190.0, players), sensitivity(BANK, 190.0, players)
    np.testing.assert_allclose(found.rate, true.rate, rtol=1e-9)
    np.testing.assert_allclose(found.delay, true.delay, rtol=1e-9)
    assert found.load == pytest.approx(true.load, rel=1e-9)
