"""Equilibria of K players and of followers, against the reference and by definition."""

import json
import math
import warnings

import numpy as np
import pytest
from chunks import some
from families import three_families
from replaced_solvers import forbid_solvers

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    FormulationError,
    InputError,
    MM1Setup,
    MM1Vacations,
    MMc,
    ParallelServers,
)
from sojourn.models.latency.player_latency import (
    PlayerLatency,
)
from sojourn.models.systems.parallel.control import price_of_optimum
from sojourn.reference import controlled, equilibrium, optimum
from sojourn.reference import price_of_optimum as exact_price
from sojourn.reference.parallel import sensitivity, tolls

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


@pytest.mark.parametrize("seed", some(40, quick=4, often=6))
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
    true = float(equilibrium(BANK, 190.0, count).mean_delay)
    found = SYSTEM.equilibrium(190.0, players=count, solver=solver, polish=False)
    assert found.polished == 0
    assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
    assert abs(found.mean_delay / true - 1) <= found.certificate.gap


def test_between_optimum_and_equilibrium():
    delays = [
        SYSTEM.equilibrium(190.0, players=k).mean_delay for k in (1, 2, 5, 50, 10**9, math.inf)
    ]
    assert np.all(np.diff(delays) > -1e-12)
    assert delays[0] == pytest.approx(SYSTEM.optimum(190.0).mean_delay, rel=1e-12)
    assert delays[-2] == pytest.approx(delays[-1], rel=1e-8)
    assert SYSTEM.price_of_anarchy(190.0, players=2) == pytest.approx(
        delays[1] / delays[0], rel=1e-12
    )


def test_text_of_an_equilibrium_of_players():
    found = SYSTEM.equilibrium(190.0, players=3)
    assert repr(found).startswith("equilibrium of 3 players at load 190: mean delay 0.03806")
    assert json.loads(json.dumps(found.to_dict()))["players"] == 3
    assert SYSTEM.equilibrium(190.0).to_dict()["players"] is None


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"players": 2.5}, InputError, r"^players = 2.5: is not a number of players"),
    ({"players": 0}, InputError, r"^players = 0: is not a number of players"),
    ({"players": [1, 2]}, InputError,
     r"^players = \[1, 2\]: is not one number: players of different size have no potential"),
    ({"players": 3, "formulation": "minmax"}, FormulationError,
     "it is not written for a finite number of players; use auto"),
    ({"players": 3, "formulation": "qp"}, FormulationError, "it holds for M/M/1 servers alone"),
])  # fmt: skip
def test_invalid_numbers_of_players(options, error, message):
    with pytest.raises(error, match=message):
        SYSTEM.equilibrium(190.0, **options)


# ---- control


@pytest.mark.parametrize("seed", some(25, quick=3, often=5))
def test_control_agrees_with_the_reference(seed):
    system, load, rng = random_system(100 + seed)
    fraction = float(rng.uniform(0, 1))
    for strategy in ("llf", "scale"):
        found, true = (
            system.control(load, fraction, strategy),
            controlled(system.bank, load, fraction, strategy),
        )
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
    """Every formulation of the equilibrium solves for the followers."""
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


@pytest.mark.parametrize("seed", some(15, quick=3, often=5))
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


# ---- K players on all three families


@pytest.mark.parametrize("seed", some(30, quick=3, often=5))
def test_players_of_three_families_agree_with_the_reference(seed):
    system, load, rng = three_families(13, seed)
    count = int(rng.choice([1, 2, 3, 10, 1000]))
    found, true = system.equilibrium(load, players=count), equilibrium(system.bank, load, count)
    assert found.certified
    assert found.players == count
    assert found.goal == "equilibrium"
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-9)
    assert abs(found.mean_delay / float(true.mean_delay) - 1) <= found.certificate.gap + 1e-12
    assert found.certificate.lower_bound <= float(true.mean_delay) * (1 + 1e-13)
    assert found.certificate.upper_bound >= float(true.mean_delay) * (1 - 1e-13)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)
    np.testing.assert_allclose(found.latency, system.bank.latency(found.flow), rtol=1e-13)


@pytest.mark.parametrize("seed", some(20, quick=2, often=4))
def test_mean_delay_rises_with_the_number_of_players(seed):
    system, load, _ = three_families(13, 100 + seed)
    delays = [
        system.equilibrium(load, players=k).mean_delay
        for k in (1, 2, 5, 50, 10**9, 10**12, math.inf)
    ]
    assert np.all(np.diff(delays) >= -1e-9 * delays[0])
    assert delays[0] == pytest.approx(system.optimum(load).mean_delay, rel=1e-9)
    assert delays[-2] == pytest.approx(delays[-1], rel=1e-8)
    # the difference falls as 1/K, and is up to 150 at one player
    assert delays[-3] == pytest.approx(delays[-1], rel=1e-6)


@pytest.mark.parametrize("count", [1, 4, math.inf])
@pytest.mark.parametrize("seed", range(3))
def test_the_last_load_below_the_total_rate_is_quietly_not_certified(seed, count):
    """A float flow does not give the spare capacity there; the certificate is still right."""
    rng = np.random.default_rng([19, seed])
    system = ParallelServers(
        MG1(10 ** rng.uniform(0, 3, 60), rng.uniform(0, 20, 60), rng.uniform(0, 0.2, 60))
    )
    load = float(np.nextafter(system.total_rate, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = system.equilibrium(load, count, throw=False)
    true = float(equilibrium(system.bank, load, count).mean_delay)
    assert found.certificate.gap > 1e-3
    assert found.certificate.lower_bound <= true


@pytest.mark.parametrize("seed", range(6))
def test_one_player_routes_as_the_optimum_and_many_as_the_equilibrium(seed):
    system, load, _ = three_families(13, 200 + seed)
    one, best = system.equilibrium(load, players=1), system.optimum(load)
    many, all_ = system.equilibrium(load, players=10**9), system.equilibrium(load, players=math.inf)
    np.testing.assert_allclose(one.flow, best.flow, rtol=0, atol=1e-8 * load)
    np.testing.assert_allclose(many.flow, all_.flow, rtol=0, atol=1e-8 * load)
    assert one.multiplier == pytest.approx(best.multiplier, rel=1e-8)
    assert system.price_of_anarchy(load, players=1) == pytest.approx(1.0, abs=1e-9)
    assert system.price_of_anarchy(load) == system.price_of_anarchy(load, math.inf)


@pytest.mark.parametrize("count", [1, 2, 3, 20])
@pytest.mark.parametrize("seed", range(4))
def test_no_player_gains_by_moving_its_own_jobs(seed, count):
    """A player minimises sum y_i l_i(x_i - x_i/K + y_i) over its own flows y, the others fixed."""
    system, load, rng = three_families(13, 300 + seed)
    found = system.equilibrium(load, players=count)
    own = found.flow / count
    others = found.flow - own

    def cost(y):
        return float(y @ system.bank.latency(others + y))

    best = cost(own)
    for step in (1.0, 0.1, 1e-3):
        for trial in own.sum() * rng.dirichlet(np.full(len(system), 0.7), 200):
            moved = own + step * (trial - own)
            if np.all(others + moved < system.bank.rate):
                assert cost(moved) >= best * (1 - 1e-12)


def test_a_player_would_gain_at_the_wardrop_equilibrium():
    """The test above can fail: here one of three players gains by moving to the optimum."""
    own = SYSTEM.equilibrium(190.0).flow / 3
    others, towards = 2 * own, SYSTEM.optimum(190.0).flow / 3
    before, after = (
        float(y @ BANK.latency(others + y)) for y in (own, own + 0.1 * (towards - own))
    )
    assert after < before * (1 - 1e-4)


def test_the_potential_of_players_is_least_at_their_equilibrium():
    found, potential = SYSTEM.equilibrium(190.0, players=3), PlayerLatency(BANK, 3.0).potential
    least = potential(found.flow).sum()
    rng = np.random.default_rng(5)
    for trial in 190.0 * rng.dirichlet(np.ones(3), 300):
        moved = found.flow + 0.1 * (trial - found.flow)
        assert np.all(moved < BANK.rate)
        assert potential(moved).sum() >= least * (1 - 1e-13)


@pytest.mark.parametrize(("players", "message"), [
    (True, r"^players = True: is true or false, not a number; give a number$"),
    (0, r"^players = 0: is not a number of players; give a whole number from 1, or math.inf$"),
    (-math.inf,
     r"^players = -inf: is not a number of players; give a whole number from 1, or math.inf$"),
    (2.5, r"^players = 2.5: is not a number of players; give a whole number from 1, or math.inf$"),
    (math.nan,
     r"^players = nan: is not a number of players; give a whole number from 1, or math.inf$"),
    ("3", r"^players = '3': is not made of numbers; give a number or an array of numbers$"),
    (None, r"^players = None: is not made of numbers; give a number or an array of numbers$"),
    ([1, 2],
     r"^players = \[1, 2\]: is not one number: players of different size have no potential, .*; "
     r"give how many equal players there"),
])  # fmt: skip
@pytest.mark.parametrize("ask", ["equilibrium", "price_of_anarchy", "sensitivity"])
def test_invalid_numbers_of_players_are_refused_before_any_solver(
    ask, players, message, monkeypatch
):
    forbid_solvers(monkeypatch)
    with pytest.raises(InputError, match=message):
        getattr(SYSTEM, ask)(190.0, players)


@pytest.mark.parametrize("ask", ["equilibrium", "price_of_anarchy"])
def test_minmax_of_players_is_refused_before_any_solver(ask, monkeypatch):
    forbid_solvers(monkeypatch)
    message = (
        r"^formulation = 'minmax': does not fit these servers: it is not written for a finite "
        r"number of players; use auto$"
    )
    for system in (SYSTEM, ParallelServers(MM1([10.0, 20.0]), MD1([5.0]))):
        with pytest.raises(FormulationError, match=message):
            getattr(system, ask)(30.0, 3, formulation="minmax")


def test_players_as_a_whole_float_are_players():
    assert (
        SYSTEM.equilibrium(190.0, players=3.0).mean_delay
        == SYSTEM.equilibrium(190.0, players=np.int64(3)).mean_delay
    )
    assert repr(SYSTEM.equilibrium(190.0, players=10**6)).startswith(
        "equilibrium of 1e+06 players at load 190"
    )
    assert repr(SYSTEM.equilibrium(190.0)).startswith("equilibrium at load 190")


# ---- sensitivities by differences of solutions


@pytest.mark.parametrize("players", [1, 2, 7, math.inf])
def test_sensitivities_are_differences_of_the_model(players):
    found = SYSTEM.sensitivity(190.0, players)

    def delay(rate=BANK.rate, far=BANK.delay, load=190.0):
        return ParallelServers(MG1(rate, BANK.cv, far)).equilibrium(load, players).mean_delay

    assert found.mean_delay == pytest.approx(delay(), rel=1e-11)
    for i, unit in enumerate(np.eye(3)):
        a, b = 1e-2 * unit, 1e-5 * unit
        assert found.rate[i] == pytest.approx(
            (delay(BANK.rate + a) - delay(BANK.rate - a)) / 2e-2, rel=1e-5, abs=1e-11
        )
        assert found.delay[i] == pytest.approx(
            (delay(far=BANK.delay + b) - delay(far=BANK.delay - b)) / 2e-5, rel=1e-5, abs=1e-8
        )
    assert found.load == pytest.approx((delay(load=190.01) - delay(load=189.99)) / 2e-2, rel=1e-5)


@pytest.mark.parametrize("seed", some(10, quick=3, often=5))
def test_sensitivities_of_random_systems_are_the_reference(seed):
    system, load, rng = three_families(13, 400 + seed)
    players = rng.choice([1, 3, math.inf])
    found, true = system.sensitivity(load, players), sensitivity(system.bank, load, players)
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(
        found.rate, true.rate, rtol=1e-6, atol=1e-9 * np.abs(true.rate).max()
    )
    np.testing.assert_allclose(found.delay, true.delay, rtol=1e-6, atol=1e-9)
    assert found.load == pytest.approx(true.load, rel=1e-6)


@pytest.mark.parametrize("players", [2, 4, 16])
@pytest.mark.slow
def test_a_station_that_just_starts_is_certified(players):
    """Where the latency is flat, a rounding error of the price changes the flow, not the delay."""
    system = ParallelServers(
        MMc([75.2, 87.7, 87.7, 250.0], [12, 16, 8, 1], [0.03, 0.085, 0.16, 0.004])
    )
    for load in (186.88, 199.45, 214.84, 223.34, 1029.21, 1103.0, 2478.3699466730723):
        found, true = system.equilibrium(load, players), equilibrium(system.bank, load, players)
        assert found.certified
        assert found.mean_delay == pytest.approx(
            float(true.mean_delay), rel=found.certificate.gap + 1e-13
        )
        assert found.certificate.gap < 1e-12


@pytest.mark.parametrize("players", [1, 3, np.inf])
@pytest.mark.parametrize(
    "bank",
    [
        lambda rate: MM1Vacations(rate, [0.01, 0.02, 0.005], 2.0, [0.005, 0.005, 0.02]),
        lambda rate: MM1Setup(rate, 0.008, [0.0, 1.0, 1.2], [0.005, 0.005, 0.02]),
    ],
)
def test_derivatives_in_a_rate_leave_out_times_that_do_not_depend_on_it(bank, players):
    step, load = np.array([1e-4, 0.0, 0.0]), 300.0
    found = sensitivity(bank(BANK.rate), load, players).rate[0]
    more, less = (
        float(equilibrium(bank(BANK.rate + s * step), load, players).mean_delay) for s in (1, -1)
    )
    assert found == pytest.approx((more - less) / (2 * step[0]), rel=1e-7)
