"""Players, partial control, tolls and sensitivities: theorems of the literature, and digits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polynomial import Plain, Polynomial
from scipy.integrate import quad
from strategies import load_at, parts, systems

from sojourn.reference import (
    MG1,
    MM1,
    InputError,
    MixedBank,
    ServerBank,
    controlled,
    equilibrium,
    optimum,
    price_of_anarchy,
    price_of_optimum,
)
from sojourn.reference.parallel import sensitivity, tolls
from sojourn.reference.parallel.control import ResidualLatency, check_fractions
from sojourn.reference.parallel.players import PlayerCost, player_cost

settings.register_profile("sojourn", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("sojourn")
THREE = MG1([100.0, 80.0, 200.0], [0.3, 1.0, 4.0], [0.005, 0.005, 0.02])
players = st.sampled_from([1, 2, 3, 10, 1000])
fractions = st.floats(0.0, 1.0)


# ---- K players


@given(systems, parts, players)
def test_players_share_a_price_on_the_servers_that_they_use(system, part, count):
    load = load_at(system, part)
    split = equilibrium(system, load, count)
    x, spare_capacity, used = split.flow, split.spare_capacity, split.active
    # l + x l'/K, with x l' = g - l
    latency = system.latency(x, spare_capacity)
    price = latency + (system.marginal(x, spare_capacity) - latency) / count
    assert np.sum(x) == pytest.approx(load, rel=1e-12)
    np.testing.assert_allclose(price[used], split.multiplier, rtol=1e-9)
    assert np.all(system.idle_latency[~used] >= split.multiplier * (1 - 1e-12))


@given(systems, parts)
@pytest.mark.slow
def test_one_player_is_the_optimum_and_many_are_the_equilibrium(system, part):
    load = load_at(system, part)
    one, best = equilibrium(system, load, 1), optimum(system, load)
    assert float(one.mean_delay) == pytest.approx(float(best.mean_delay), rel=1e-11)
    assert float(one.multiplier) == pytest.approx(float(best.multiplier), rel=1e-9)
    assert equilibrium(system, load, math.inf).mean_delay == equilibrium(system, load).mean_delay


@given(systems, parts)
@pytest.mark.slow
def test_the_delay_rises_with_the_number_of_players(system, part):
    load = load_at(system, part)
    delays = [float(equilibrium(system, load, k).mean_delay) for k in (1, 2, 4, 30, 1e9, math.inf)]
    assert np.all(np.diff(delays) >= -1e-10 * delays[0])
    few, many = (float(price_of_anarchy(system, load, count)) for count in (2, math.inf))
    assert few <= many * (1 + 1e-10)


def test_no_player_gains_by_moving_its_own_jobs():
    rng = np.random.default_rng(0)
    for count in (2, 5):
        x = equilibrium(THREE, 190.0, count).flow
        own = x / count

        def cost(y, x=x, own=own):
            return float(y @ THREE.latency(x - own + y))

        best = cost(own)
        for other in rng.dirichlet(np.ones(3), 500) * own.sum():
            assert cost(0.99 * own + 0.01 * other) >= best * (1 - 1e-12)


def test_a_family_without_an_operating_point_of_players():
    fields = [100.0, 80.0, 200.0], [0.005, 0.005, 0.02]
    plain, known = Plain(*fields), MM1(*fields)
    flow, expected = (equilibrium(bank, 190.0, 3).flow for bank in (plain, known))
    np.testing.assert_allclose(flow, expected, rtol=1e-8)
    excess = np.array([0.0, 0.01, 1.0])
    derived = ServerBank.at_player(known, excess, 3)
    for value, expected in zip(derived, known.at_player(excess, 3), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_player_costs():
    cost, x = PlayerCost(THREE, 3), np.array([50.0, 40.0, 20.0])
    np.testing.assert_allclose(
        cost.latency(x), (THREE.marginal(x) + 2 * THREE.latency(x)) / 3, rtol=1e-15
    )
    np.testing.assert_allclose(cost.inverse_latency(cost.latency(x)), x, rtol=1e-12)
    integral = [
        quad(lambda u, i=i: float(cost.latency(np.full(3, u))[i]), 0, x[i])[0] for i in range(3)
    ]
    np.testing.assert_allclose(cost.potential(x), integral, rtol=1e-9)
    h = 1e-5
    np.testing.assert_allclose(
        cost.latency_slope(x), (cost.latency(x + h) - cost.latency(x - h)) / (2 * h), rtol=1e-6
    )
    np.testing.assert_allclose(
        cost.marginal(x),
        ((x + h) * cost.latency(x + h) - (x - h) * cost.latency(x - h)) / (2 * h),
        rtol=1e-6,
    )
    np.testing.assert_allclose(cost.inverse_marginal(cost.marginal(x)), x, rtol=1e-12)
    assert not cost.inverse_marginal(0.9 * cost.idle_latency).any()
    assert len(player_cost(MixedBank([MM1(3.0), MG1([1.0, 2.0], 3.0)]), 4)) == 3


def test_players_of_different_size_have_no_potential():
    """The derivatives of two players' prices in the other's flow differ on one server."""
    own, h = np.array([30.0, 10.0]), 1e-4

    def price(flows, player):
        x = np.array([flows.sum(), 0.0, 0.0])
        return float(THREE.latency(x)[0] + flows[player] * THREE.latency_slope(x)[0])

    cross = [
        (price(own + h * np.eye(2)[1 - i], i) - price(own - h * np.eye(2)[1 - i], i)) / (2 * h)
        for i in (0, 1)
    ]
    assert cross[0] > 1.1 * cross[1]


@pytest.mark.parametrize("bad", [0, 0.5, 2.5, math.nan, -3])
def test_bad_numbers_of_players_are_refused(bad):
    message = r"is not a number of players; give a whole number from 1, or math.inf"
    with pytest.raises(InputError, match=message):
        equilibrium(THREE, 100.0, bad)


def test_players_of_given_sizes_are_refused():
    message = r"^players = \[2, 1\]: is not one number: players of different size have no potential"
    with pytest.raises(InputError, match=message):
        equilibrium(THREE, 100.0, [2, 1])


# ---- partial control


@given(systems, parts, fractions)
@pytest.mark.slow
def test_largest_latency_first_costs_at_most_one_over_its_fraction(system, part, fraction):
    """T. Roughgarden, SIAM J. Comput. 33 (2004), Theorem 4.4."""
    load = load_at(system, part)
    found, best = controlled(system, load, fraction), float(optimum(system, load).mean_delay)
    # error of the spare capacity from the rounding error of the flow
    rounding = 1e-11 + 1e-15 / (1 - part)
    assert found.mean_delay >= best * (1 - rounding)
    assert found.mean_delay <= best / max(fraction, 1e-300) * (1 + 1e-9 + rounding)
    assert found.flow.sum() == pytest.approx(load, rel=1e-11)
    assert np.all(found.flow >= found.leader * (1 - 1e-12))


@given(systems, parts)
@pytest.mark.slow
def test_control_of_no_jobs_and_of_all_jobs(system, part):
    load = load_at(system, part)
    rounding = 1e-10 + 1e-15 / (1 - part)
    for strategy in ("llf", "scale"):
        assert controlled(system, load, 0.0, strategy).mean_delay == pytest.approx(
            float(equilibrium(system, load).mean_delay), rel=rounding
        )
        assert controlled(system, load, 1.0, strategy).mean_delay == pytest.approx(
            float(optimum(system, load).mean_delay), rel=1e-12
        )


@given(systems, st.floats(0.01, 0.99), fractions)
def test_followers_use_the_fastest_servers(system, part, fraction):
    load = load_at(system, part)
    found = controlled(system, load, fraction, "scale")
    joined = found.flow > found.leader * (1 + 1e-9) + 1e-9 * load
    latency = system.latency(found.flow)
    if fraction < 1:
        np.testing.assert_allclose(latency[joined], found.latency, rtol=1e-6)
        assert np.all(latency >= found.latency * (1 - 1e-6))


@given(systems, st.floats(0.05, 0.95))
@pytest.mark.slow
def test_control_of_the_price_of_optimum_is_enough_and_less_is_not(system, part):
    load = load_at(system, part)
    least, best = price_of_optimum(system, load), float(optimum(system, load).mean_delay)
    assert controlled(system, load, least).mean_delay == pytest.approx(best, rel=1e-9)
    if least > 0.1:
        assert controlled(system, load, 0.9 * least).mean_delay > best


def test_largest_latency_first_fills_from_the_slowest():
    best = optimum(THREE, 190.0)
    latency = THREE.latency(best.flow)
    slowest = int(np.argmax(latency))
    leader = controlled(THREE, 190.0, 0.1).leader
    assert np.flatnonzero(leader).tolist() == [slowest]
    assert leader.sum() == pytest.approx(19.0)
    np.testing.assert_allclose(controlled(THREE, 190.0, 0.1, "scale").leader, 0.1 * best.flow)


def test_residual_latencies_are_a_bank():
    base, x = np.array([30.0, 0.0, 50.0]), np.array([20.0, 40.0, 30.0])
    residual, h = ResidualLatency(THREE, base), 1e-5
    np.testing.assert_allclose(residual.latency(x), THREE.latency(base + x))
    np.testing.assert_allclose(residual.inverse_latency(residual.latency(x)), x, rtol=1e-12)
    np.testing.assert_allclose(
        residual.latency_slope(x),
        (residual.latency(x + h) - residual.latency(x - h)) / (2 * h),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        residual.latency(x),
        (residual.potential(x + h) - residual.potential(x - h)) / (2 * h),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        residual.marginal(x),
        ((x + h) * residual.latency(x + h) - (x - h) * residual.latency(x - h)) / (2 * h),
        rtol=1e-6,
    )
    np.testing.assert_allclose(residual.take(slice(1, 3)).idle_latency, residual.idle_latency[1:])
    np.testing.assert_allclose(residual.inverse_marginal(residual.marginal(x)), x, rtol=1e-12)
    assert not residual.inverse_marginal(0.9 * residual.idle_latency).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((190.0, 1.5), r"^fraction = 1.5: is not a part of the load; give a number from 0 to 1$"),
        ((190.0, math.nan), r"^fraction = nan"),
        ((190.0, 0.5, "best"), r"^strategy = 'best': is not a strategy; use llf or scale$"),
        ((0.0, 0.5), r"^load = 0.0: there is nothing to split"),
    ],
)
def test_bad_control_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        controlled(THREE, *arguments)


def test_bad_fractions_are_refused():
    assert check_fractions([0, 0.5, 1]).tolist() == [0, 0.5, 1]
    with pytest.raises(InputError, match=r"^fractions\[1\] = 2.0: is not a part of the load"):
        check_fractions([0.1, 2.0])
    with pytest.raises(InputError, match=r"is not a list of fractions"):
        check_fractions(0.5)


# ---- tolls


@given(systems, parts)
@pytest.mark.slow
def test_tolls_make_the_equilibrium_the_optimum(system, part):
    load = load_at(system, part)
    charge, best = tolls(system, load), optimum(system, load)
    tolled = equilibrium(system.with_extra_delay(charge), load)
    np.testing.assert_allclose(tolled.flow, best.flow, rtol=1e-6, atol=1e-9 * load)
    assert float(tolled.multiplier) == pytest.approx(float(best.multiplier), rel=1e-9)
    assert np.all(charge[best.active] >= 0)
    assert not charge[~best.active].any()


# ---- sensitivities


@given(systems, st.floats(0.01, 0.99), st.sampled_from([1, 2, 5, math.inf]))
def test_a_better_server_never_hurts(system, part, count):
    """No Braess paradox: a larger rate or a shorter delay, at any number of players."""
    found = sensitivity(system, load_at(system, part), count)
    assert np.all(found.rate <= 1e-12 * np.abs(found.rate).max())
    assert np.all(found.delay >= -1e-12)
    assert found.load >= -1e-12 * found.mean_delay


@given(systems, st.floats(0.01, 0.99), st.sampled_from([1, 3, math.inf]))
@pytest.mark.slow
def test_a_much_better_server_never_hurts(system, part, count):
    load = load_at(system, part)
    before = float(equilibrium(system, load, count).mean_delay)
    bank = system.banks[0]
    fields = {"cv": bank.cv} if isinstance(bank, MG1) else {}
    for better in (
        type(bank)(rate=2 * bank.rate, delay=bank.delay, **fields),
        type(bank)(rate=bank.rate, delay=bank.delay / 2, **fields),
    ):
        after = float(equilibrium(MixedBank([better, *system.banks[1:]]), load, count).mean_delay)
        assert after <= before * (1 + 1e-11)


@pytest.mark.parametrize("count", [1, 2, 7, math.inf])
@pytest.mark.parametrize("load", [30.0, 190.0, 360.0])
def test_sensitivities_are_differences(count, load):
    found = sensitivity(THREE, load, count)

    def mean_delay(rate=0.0, delay=0.0, extra=0.0):
        bank = MG1(THREE.rate + rate, THREE.cv, THREE.delay + delay)
        return float(equilibrium(bank, load + extra, count).mean_delay)

    for i, unit in enumerate(np.eye(3)):
        a, b = 1e-3 * unit, 1e-6 * unit
        slope = (mean_delay(rate=a) - mean_delay(rate=-a)) / 2e-3
        assert found.rate[i] == pytest.approx(slope, rel=1e-6, abs=1e-12)
        slope = (mean_delay(delay=b) - mean_delay(delay=-b)) / 2e-6
        assert found.delay[i] == pytest.approx(slope, rel=1e-6, abs=1e-9)
    slope = (mean_delay(extra=1e-3) - mean_delay(extra=-1e-3)) / 2e-3
    assert found.load == pytest.approx(slope, rel=1e-6)


def test_at_the_optimum_the_derivative_in_a_delay_is_the_share():
    best = optimum(THREE, 190.0)
    np.testing.assert_allclose(sensitivity(THREE, 190.0, 1).delay, best.share, rtol=1e-9)


def test_sensitivity_to_an_infinite_rate_and_at_load_0():
    assert not sensitivity(Polynomial([1.0, 0.5], [1.0, 2.0]), 3.0).rate.any()
    with pytest.raises(InputError, match=r"^load = 0.0: there is nothing to split"):
        sensitivity(THREE, 0.0)
