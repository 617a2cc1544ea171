"""M/M/c in closed form against 60 digits, for 1 to 1,000,000 servers; and rounding of the rate."""

import warnings

import mpmath as mp
import numpy as np
import pytest

from sojourn import reference
from sojourn.models import MM1, LoadError, MMc, ParallelServers, Tandem
from sojourn.models.latency.base import Scaled
from sojourn.models.latency.player_latency import FollowerLatency, PlayerLatency
from sojourn.reference.erlang import Stations, at_price, log_full_probability

SERVER_COUNTS = (1, 2, 7, 30, 31, 100, 2220, 10_000, 1_000_000)
UTILISATIONS = (1e-9, 1e-3, 0.1, 0.5, 0.8, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9)
EPS = np.finfo(float).eps


def exact(c, a, d):
    """Erlang's loss, the wait and log(1/P(empty)) at a = c - d, by a series of the Poisson tail."""
    last = mp.exp(c * mp.log(a) - a - mp.loggamma(c + 1))
    tail, term, k = mp.mpf(0), last, 1
    while term > mp.mpf(10) ** -60 * last:
        term *= a / (c + k)
        tail, k = tail + term, k + 1
    loss = last / (1 - tail)
    wait = c * loss / (d + a * loss) / d
    return loss, wait, a + mp.log(1 - tail) + mp.log(1 + a * loss / d)


def with_log_full(servers):
    return servers, log_full_probability(servers)


def station(c, used):
    """A station of unit rate, and its load and spare capacity in 60 digits."""
    if used < 0.5:
        load = np.float64(used * c)
        a, d = mp.mpf(load), c - mp.mpf(load)
        return (
            Stations(*with_log_full(np.array([float(c)])), np.array([load]), np.array([float(d)])),
            a,
            d,
        )
    spare_capacity = np.float64((1 - used) * c)
    a, d = c - mp.mpf(spare_capacity), mp.mpf(spare_capacity)
    return (
        Stations(
            *with_log_full(np.array([float(c)])), np.array([float(a)]), np.array([spare_capacity])
        ),
        a,
        d,
    )


@pytest.mark.parametrize("c", SERVER_COUNTS)
def test_loss_wait_and_states_to_60_digits(c):
    with mp.workdps(60):
        for used in UTILISATIONS:
            got, a, d = station(c, used)
            loss, wait, states = exact(c, a, d)
            if loss > 1e-280:
                assert got.loss[0] == pytest.approx(float(loss), rel=3e-12)
                assert got.wait[0] == pytest.approx(float(wait), rel=3e-12)
            assert got.log_loss[0] == pytest.approx(float(mp.log(loss)), rel=1e-14, abs=3e-12)
            # the rounding error that certificates allow for assumes this
            assert 1 + got.wait[0] == pytest.approx(float(1 + wait), rel=2 * EPS)
            assert got.log_states[0] == pytest.approx(float(states), rel=4 * EPS)


@pytest.mark.parametrize("c", [1, 2, 7, 100, 2220])
def test_slopes_against_60_digits(c):
    with mp.workdps(60):
        for used in (1e-3, 0.5, 0.99, 1 - 1e-9):
            got, a, d = station(c, used)
            if exact(c, a, d)[1] < 1e-250:
                continue
            first, second = (
                mp.diff(lambda z: exact(c, z, c - z)[1], a, n, h=d * mp.mpf(10) ** -15)
                for n in (1, 2)
            )
            for own in (0.0, 0.25, 1.0):
                assert got.price(own)[0] == pytest.approx(
                    float(exact(c, a, d)[1] + own * a * first), rel=1e-12
                )
                assert got.price_slope(own)[0] == pytest.approx(
                    float((1 + own) * first + own * a * second), rel=1e-11
                )


def test_slopes_at_no_load():
    bank = MMc(4.0, [1, 2, 5])
    np.testing.assert_array_equal(bank.latency_slope(np.zeros(3)), [1 / 16, 0, 0])
    np.testing.assert_array_equal(bank.marginal_slope(np.zeros(3)), [2 / 16, 0, 0])
    assert bank.potential(np.zeros(3)).tolist() == [0, 0, 0]


def test_a_small_station_is_the_sum_over_its_states():
    a, c = 2.3, 4
    states = sum(a**k / np.prod(range(1, k + 1)) for k in range(c)) + a**c / 24 * c / (c - a)
    assert MMc(1.0, c, 0.25).potential([a])[0] == pytest.approx(
        0.25 * a + np.log(states), rel=1e-14
    )


@pytest.mark.parametrize("own", [0.0, 0.2, 1.0])
def test_prices_are_inverted_from_no_load_to_saturation(own):
    servers = np.array([1.0, 2.0, 7.0, 100.0, 2220.0, 1e4, 1e6])
    price = 10.0 ** np.arange(-300, 201, 4)[:, None] * np.ones(servers.size)
    root = at_price(price, *with_log_full(servers), own)
    back = Stations(*with_log_full(servers), root.load, root.spare_capacity)
    np.testing.assert_allclose(back.log_price(own), np.log(price), rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(
        back.price(own)[price[:, 0] > 1e-200], price[price[:, 0] > 1e-200], rtol=1e-11
    )
    np.testing.assert_allclose(
        root.load + root.spare_capacity, servers * np.ones_like(price), rtol=4 * EPS
    )
    full = price[:, 0] > 1e40  # where w is 1/d, and w + own a w' is own a/d^2
    spare_capacity = 1 / price[full] if own == 0 else np.sqrt(own * servers / price[full])
    np.testing.assert_allclose(root.spare_capacity[full], spare_capacity, rtol=1e-13, atol=0)
    none = at_price(np.zeros(servers.size), *with_log_full(servers), own)
    assert none.load.tolist() == [0.0] * servers.size
    assert none.spare_capacity.tolist() == servers.tolist()


def test_operating_points_are_those_of_mm1_at_one_server():
    excess = 10.0 ** np.arange(-15, 16)[:, None]
    station, single = MMc([10.0, 3.0], 1, [0.0, 0.2]), MM1([10.0, 3.0], [0.0, 0.2])
    for got, expected in (
        (station.at_latency(excess), single.at_latency(excess)),
        (station.at_marginal(excess), single.at_marginal(excess)),
        (station.at_player(excess, 4), single.at_player(excess, 4)),
    ):
        for field in ("flow", "spare_capacity", "slope"):
            np.testing.assert_allclose(
                getattr(got, field), getattr(expected, field), rtol=1e-13, err_msg=field
            )


@pytest.mark.parametrize("c", [2220, 10_000, 1_000_000])
@pytest.mark.parametrize("part", [0.5, 0.99, 0.9999])
def test_thousands_of_servers_are_solved_and_certified(c, part):
    system = ParallelServers(MMc([1.0, 1.0], [c, c // 2], [0.0, 0.1]))
    load = part * system.total_rate
    for goal in ("optimum", "equilibrium"):
        answer = getattr(system, goal)(load)
        assert answer.certified
        # where the wait underflows, the reference needs seconds for the multiplier
        if c < 1_000_000 or part > 0.99:
            assert answer.mean_delay == pytest.approx(
                float(getattr(reference, goal)(system.bank, load).mean_delay), rel=5e-12
            )


# ---- the rate of a station, a rounded product


def relative_rate_errors(view, bank, factor):
    """Errors of rate + rate_error of a view against factor times the exact product."""
    columns = zip(view.rate, view.rate_error, bank.each, bank.servers, strict=True)
    for rate, error, each, c in columns:
        exact_rate = mp.mpf(each) * mp.mpf(factor) * int(c)
        yield float(abs((mp.mpf(rate) + mp.mpf(error)) / exact_rate - 1))


def test_rate_is_the_exact_product():
    bank = MMc([0.1, 1 / 3, 1e-9, 0.5], [3, 7, 999_983, 8])
    with mp.workdps(60):
        assert set(relative_rate_errors(bank, bank, 1)) == {0.0}
        spare_capacity = bank.spare_capacity(0.9 * bank.rate)
        assert spare_capacity[0] == float(mp.mpf(0.1) * 3 - mp.mpf(0.9 * bank.rate[0]))
        for factor in (0.1, 7.0, 1e-3):
            for view in (bank.scaled(factor, 1 / factor), Scaled(bank, factor, 1 / factor)):
                assert max(relative_rate_errors(view, bank, factor)) < 1e-31
    assert bank.take(slice(1, 2)).rate_error == bank.rate_error[1]
    assert bank.with_extra_delay(1.0).rate_error.tolist() == bank.rate_error.tolist()


def test_rate_that_rounding_reduces():
    system = ParallelServers(MMc(0.1, 3))
    for answer in (system.optimum(0.2999999997), system.equilibrium(0.2999999997)):
        assert answer.mean_delay == pytest.approx(3333333369.631085, rel=2e-15)
        certificate = answer.certificate
        assert certificate.gap < 1e-14
        assert certificate.lower_bound <= 3333333369.631085 * (1 + EPS)
    for goal in (reference.optimum, reference.equilibrium):
        assert float(goal(system.bank, 0.2999999997).mean_delay) == pytest.approx(
            3333333369.631085, rel=2e-15
        )


def test_load_between_the_true_rate_and_its_float():
    """0.1 times 3 is exactly 0.3000...0166, between the float 0.3 and its successor."""
    system = ParallelServers(MMc(0.1, 3))
    with mp.workdps(40):
        answer, true = system.optimum(0.3), float(1 / (mp.mpf(0.1) * 3 - mp.mpf(0.3)))
    assert answer.mean_delay == pytest.approx(true, rel=1e-14)
    assert answer.certificate.gap < 1e-13
    with pytest.raises(LoadError, match="not below the total rate"):
        system.optimum(0.30000000000000004)
    assert np.isinf(system.bank.latency([0.30000000000000004])[0])


def two_stations(spare, goal):
    """Mean delay of MMc([0.1, 0.1], [3, 7]) at a total spare capacity, in 40 digits."""
    each = mp.mpf(0.1)

    def cost(c, y):
        a = c - y / each
        loss = mp.mpf(1)
        for k in range(1, c + 1):
            loss = a * loss / (k + a * loss)
        return (1 + c * loss / (y / each + a * loss) / (y / each)) / each

    def price(c, y):
        if goal == "equilibrium":
            return cost(c, y)
        return -mp.diff(lambda z: (c * each - z) * cost(c, z), y, h=y * mp.mpf(10) ** -15)

    def difference(y):
        return mp.log(price(3, y) / price(7, spare - y))

    bracket = spare / 4, spare / 2
    first = mp.findroot(difference, bracket, solver="anderson", tol=1e-30)
    second = spare - first
    total = (3 * each - first) * cost(3, first) + (7 * each - second) * cost(7, second)
    return float(total / (10 * each - spare))


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("load", [0.9, 0.999999, 0.9999999999])
def test_two_stations_next_to_saturation(goal, load):
    system = ParallelServers(MMc([0.1, 0.1], [3, 7]))
    with mp.workdps(50):
        true = two_stations(10 * mp.mpf(0.1) - mp.mpf(load), goal)
    assert float(getattr(reference, goal)(system.bank, load).mean_delay) == pytest.approx(
        true, rel=1e-13
    )
    answer = getattr(system, goal)(load)
    assert answer.certified
    assert answer.mean_delay == pytest.approx(true, rel=answer.certificate.gap)
    assert (
        answer.certificate.lower_bound * (1 - 4 * EPS)
        <= true
        <= answer.certificate.upper_bound * (1 + 4 * EPS)
    )


def test_views_keep_the_rounding_error_of_the_rate():
    bank, base = MMc([0.1, 0.1], [3, 7]), np.array([0.1, 0.3])
    with mp.workdps(50):
        rates = [mp.mpf(0.1) * c for c in (3, 7)]
        followers = FollowerLatency(bank, base)
        tandem = Tandem(MM1([0.30000000000000004, 1.0]), bank)
        mixed = ParallelServers(MM1([1.0]), bank).bank
        views = (
            (PlayerLatency(bank, 3.0), rates),
            (followers, [r - mp.mpf(b) for r, b in zip(rates, base, strict=True)]),
            (tandem, [rates[0], rates[1]]),
            (mixed, [mp.mpf(1), *rates]),
        )
        for view, true in views:
            for rate, error, exactly in zip(view.rate, view.rate_error, true, strict=True):
                assert abs(mp.mpf(rate) + mp.mpf(error) - exactly) < 1e-32
    flow = 0.5 * followers.rate
    np.testing.assert_array_equal(
        followers.latency(flow, followers.spare_capacity(flow)), followers.latency(flow)
    )
    np.testing.assert_allclose(
        tandem.latency(flow, tandem.spare_capacity(flow)), tandem.latency(flow), rtol=1e-14
    )


@pytest.mark.parametrize("players", [2, 5])
def test_players_of_stations_of_one_server_are_those_of_mm1(players):
    station, single = (
        ParallelServers(bank)
        for bank in (MMc([10.0, 3.0], 1, [0.0, 0.2]), MM1([10.0, 3.0], [0.0, 0.2]))
    )
    for load in (4.0, 12.9999):
        got, expected = (s.equilibrium(load, players) for s in (station, single))
        np.testing.assert_allclose(got.flow, expected.flow, rtol=1e-9)


@pytest.mark.slow
def test_no_warnings_from_no_load_to_the_edge():
    bank = MMc([1.0, 2.0, 0.1], [1, 1_000_000, 3], [0.0, 0.1, 0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in (-1e-9, 0.0, 1e-300, 0.5, 1 - 1e-15, 1.0, 1.5):
            flow = part * bank.rate
            for name in ("latency", "marginal", "potential", "latency_slope", "marginal_slope"):
                assert not np.any(np.isnan(getattr(bank, name)(flow)))
        for excess in (0.0, 5e-324, 1e-300, 1.0, 1e300, np.inf):
            for operate in (bank.at_latency, bank.at_marginal):
                assert not np.any(np.isnan(operate(np.full(3, excess))))
        for part in (0.0, 1e-6, 0.5):
            for goal in (reference.optimum, reference.equilibrium):
                assert np.isfinite(goal(bank, part * bank.rate.sum()).mean_delay)
