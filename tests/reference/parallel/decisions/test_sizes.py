"""Rates at a given split: numbers, random systems against scalar roots, bounds, refusals."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from chunks import chunks
from scipy.optimize import brentq

from sojourn.reference import (
    InputError,
    rates_at_split,
    rates_for_flows,
    rates_for_late_share,
    rates_for_targets,
)
from sojourn.reference.parallel.decisions.scalable import server_delay, total_delay
from sojourn.reference.parallel.decisions.sizes import _inverse, rates_for_delay

FLOW, DELAY, PRICE = np.array([60.0, 40.0, 90.0]), [0.005, 0.005, 0.020], [1.0, 1.0, 0.5]
LOAD = 190.0
MIXED = [0.5, 1.0, 5.0]  # of cv 0, 1, 3


def near(number):
    """Return a number right to one unit of the last printed digit."""
    digits = len(str(number).partition(".")[2])
    return pytest.approx(number, rel=0, abs=1.0001 * 10.0**-digits)


@pytest.mark.parametrize(
    ("k", "bounds", "delay", "rates"),
    [
        (1.0, (), 0.053421574345, (80.5030938473, 56.7407060248, 125.5124002559)),
        (
            1.0,
            ([0, 0, 130], [75, 200, 400]),
            0.055506949177,
            (75.0, 59.4112549695, 131.1774900609),
        ),
        (MIXED, (), 0.070469296023, (71.7908311111, 53.4348861394, 149.5485654991)),
    ],
)
def test_a_budget_of_200(k, bounds, delay, rates):
    found = rates_at_split(FLOW, k, DELAY, PRICE, *bounds, budget=200.0)
    assert found.total_delay / LOAD == near(delay)
    assert found.rate.tolist() == [near(rate) for rate in rates]
    assert found.cost == pytest.approx(200.0, rel=1e-15)
    assert found.upper_bound - found.lower_bound <= 1e-12 * found.total_delay


@pytest.mark.parametrize(
    ("k", "bounds", "cost"),
    [
        (1.0, (), 271.986897619955),
        (1.0, ([0, 80, 0], [90, 200, 400]), 296.3234383874),
        (MIXED, (), 305.8620493540),
    ],
)
def test_a_mean_delay_of_30_ms(k, bounds, cost):
    found = rates_at_split(FLOW, k, DELAY, PRICE, *bounds, mean_delay=0.030)
    assert found.cost == near(cost)
    assert found.total_delay == pytest.approx(0.030 * LOAD, rel=1e-14)
    again = rates_at_split(FLOW, k, DELAY, PRICE, *bounds, budget=found.cost)
    np.testing.assert_allclose(again.rate, found.rate, rtol=1e-12)
    assert again.money_price == pytest.approx(found.money_price, rel=1e-11)
    priced = rates_at_split(FLOW, k, DELAY, PRICE, *bounds, money_price=found.money_price)
    np.testing.assert_allclose(priced.rate, found.rate, rtol=1e-13)


def test_the_square_root_rule_takes_no_search():
    """Kleinrock's rates, and the derivative of the delay in the money."""
    spare = 200.0 - np.dot(PRICE, FLOW)
    roots = np.sqrt(FLOW * PRICE).sum()
    found = rates_at_split(FLOW, 1.0, DELAY, PRICE, budget=200.0)
    expected = spare * np.sqrt(FLOW / PRICE) / roots
    np.testing.assert_allclose(found.spare_capacity, expected, rtol=1e-15)
    assert found.money_price == pytest.approx((roots / spare) ** 2, rel=1e-15)


def test_the_data_of_issue_2348_of_cvxpy():
    flow, price = np.array([8, 15, 8, 3, 10]) / 60, np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    found = rates_at_split(flow, 1.0, 0.0, price, budget=1e4 * price @ flow)
    assert found.total_delay / flow.sum() == near(0.0006198327097)


def test_a_share_of_late_jobs():
    found = rates_for_late_share(FLOW, DELAY, PRICE, within=0.150, at_most=0.01)
    assert found.cost == near(223.4736168010)
    assert found.rate.tolist() == [near(v) for v in (90.2868695565, 67.4905584661, 131.3923775569)]
    late = FLOW * np.exp(-found.spare_capacity * (0.150 - np.array(DELAY)))
    assert late.sum() / LOAD == pytest.approx(0.01, rel=1e-13)


# ---- random systems


def random_servers(seed):
    """Return flows, variabilities, delays, prices and bounds; some servers without a flow."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    flow = 10 ** rng.uniform(-1, 3, n) * (rng.random(n) < 0.85)
    flow[0] += 1.0
    k = (1 + rng.choice([rng.uniform(0, 5, n), np.ones(n)], axis=0) ** 2) / 2
    low = np.where(rng.random(n) < 0.3, flow * rng.uniform(0.5, 1.5, n), 0.0)
    high = np.where(rng.random(n) < 0.5, np.maximum(low, flow) * rng.uniform(1.05, 4, n), np.inf)
    delay, price = rng.uniform(0, 0.05, n), 10 ** rng.uniform(-1, 1, n)
    return rng, (flow, k, delay, price, low, np.where(flow > 0, high, np.maximum(high, low)))


def rates_by_roots(flow, k, price, low, high, z):
    """Return the best rates at a price of money, by a bracketed root of each server."""
    out = low.copy()
    for i in np.flatnonzero(flow > 0):
        x, v = flow[i], k[i]

        def gain(s, x=x, v=v, p=price[i]):
            return x * ((1 - v) / (x + s) ** 2 + v / s**2) - z * p

        end = math.sqrt(max(v, 1.0) * x / (z * price[i]))
        spare = brentq(gain, end * 1e-6, end * 1.01, xtol=1e-300, rtol=1e-14)
        out[i] = min(max(x + spare, low[i]), high[i])
    return out


@pytest.mark.parametrize("seeds", chunks(400, 20, often=20))
def test_random_systems_against_roots_and_bounds(seeds):
    for seed in seeds:
        rng, servers = random_servers(seed)
        flow, k, delay, price, low, high = servers
        z = 10 ** rng.uniform(-4, 1) * (flow / (price * flow.max() ** 2)).mean()
        rate = rates_by_roots(flow, k, price, low, high, z)
        budget, total = float(price @ rate), float(total_delay(flow, rate, k, delay).sum())
        if np.all((rate == low) | (rate == high)):
            continue
        for found, more in (
            (rates_at_split(*servers, money_price=z), 0.0),
            (rates_at_split(*servers, budget=budget), z * budget),
            (rates_at_split(*servers, mean_delay=total / flow.sum()), total / z),
        ):
            np.testing.assert_allclose(found.rate, rate, rtol=1e-9)
            assert found.total_delay == pytest.approx(total, rel=1e-9)
            assert found.lower_bound <= found.upper_bound
            # up to rounding errors of the terms of the bounds
            assert found.upper_bound - found.lower_bound <= 1e-13 * (found.upper_bound + more)
        # no rates within the budget have a lower total delay than the bound
        bound = rates_at_split(*servers, budget=budget).lower_bound
        for _ in range(20):
            other = rate * np.exp(rng.normal(0, 10 ** rng.uniform(-6, -1), len(rate)))
            other = np.clip(other, np.maximum(low, flow * (flow > 0)), high)
            if price @ other <= budget:
                assert total_delay(flow, other, k, delay).sum() >= bound


@pytest.mark.parametrize("seed", range(20))
def test_random_late_shares_against_a_grid(seed):
    """Of two servers, one rate decides the other."""
    rng = np.random.default_rng(seed)
    flow, delay = rng.uniform(1, 100, 2), rng.uniform(0, 0.05, 2)
    price, within, share = rng.uniform(0.2, 3, 2), 0.1, 10 ** rng.uniform(-4, -1)
    low = flow + np.where(rng.random(2) < 0.3, rng.uniform(1, 100, 2), 0.0)
    high = np.where(rng.random(2) < 0.5, low + rng.uniform(10, 200, 2), np.inf)
    tau = within - delay
    try:
        found = rates_for_late_share(flow, delay, price, low, high, within=within, at_most=share)
    except InputError:
        assert (flow * np.exp(-(high - flow) * tau)).sum() >= share * flow.sum()
        return
    assert found.upper_bound - found.lower_bound <= 1e-12 * found.cost
    spare = np.linspace(low[0] - flow[0], min(high[0] - flow[0], 500.0), 20_001)
    rest = share * flow.sum() - flow[0] * np.exp(-spare * tau[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        other = np.maximum(np.log(flow[1] / rest) / tau[1], low[1] - flow[1])
    cost = price[0] * (flow[0] + spare) + price[1] * (flow[1] + other)
    cost = cost[(rest > 0) & (other <= high[1] - flow[1])]
    assert found.lower_bound <= cost.min() <= found.cost * (1 + 1e-4)


@pytest.mark.filterwarnings("error")
def test_late_shares_of_servers_without_a_flow_or_with_an_endless_rate():
    numbers = ([60.0, 0.0, 0.0], [0.0, 0.3, 0.3], [1.0, 0.0, 1.0], 0.0, [math.inf, 9.0, math.inf])
    late = [(0.2, 0.01), (0.25, 0.02)]
    found = rates_for_targets(*numbers, late=late, mean_delay=1.0)
    assert found.rate.tolist() == pytest.approx([60.0 + math.log(100.0) / 0.2, 0.0, 0.0])
    # at the second server all jobs are late, with any rate
    hopeless = ([60.0, 1.0], [0.0, 0.3], 1.0)
    found = rates_for_targets(*hopeless, late=[(0.2, 0.1)], budget=200.0)
    assert found.cost == pytest.approx(200.0)
    assert found.lower_bound <= found.total_delay <= found.upper_bound


@pytest.mark.parametrize("seeds", chunks(600, 30, often=30))
def test_several_targets_at_once(seeds):
    """Certified, met, and never cheaper than one target alone."""
    checked, refused = 0, set()
    for seed in seeds:
        rng, (flow, _, delay, price, low, high) = random_servers(seed)
        servers = flow, delay, price, low, high
        pairs = [(10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-4, -0.5)) for _ in range(2)]
        mean = 10 ** rng.uniform(-1.2, 0.0)
        try:
            found = rates_for_targets(*servers, late=pairs, mean_delay=mean)
        except InputError as error:
            refused.add(error.field)
            continue
        checked += 1
        spare = found.spare_capacity
        assert found.upper_bound - found.lower_bound <= 1e-10 * found.cost
        assert found.total_delay <= mean * flow.sum() * (1 + 1e-11)
        alone = [rates_at_split(flow, 1.0, *servers[1:], mean_delay=mean)]
        for within, share in pairs:
            late = flow * np.exp(-spare * np.maximum(within - delay, 0.0))
            assert late.sum() <= share * flow.sum() * (1 + 1e-11)
            alone.append(rates_for_late_share(*servers, within=within, at_most=share))
        assert found.upper_bound >= max(one.lower_bound for one in alone)
        budget = rates_for_targets(*servers, late=pairs, budget=1.01 * found.cost)
        assert budget.total_delay <= found.total_delay * (1 + 1e-9)
        assert budget.upper_bound - budget.lower_bound <= 1e-9 * budget.total_delay
    assert checked >= 5
    assert refused <= {"at_most", "mean_delay"}


@pytest.mark.parametrize("k", [0.5, 0.7, 1.5, 13.0, 1e4])
def test_the_root_of_a_server_has_all_digits(k):
    g = 10.0 ** np.arange(-12, 13)
    t, slope = _inverse(np.full(g.size, k), g)
    for one, root, by_g in zip(g.tolist(), t.tolist(), slope.tolist(), strict=True):
        with mpmath.workdps(40):
            exact = mpmath.findroot(
                lambda v, one=one: v * (1 + v) / mpmath.sqrt(v * v + 2 * k * v + k) - one, root
            )
            nearby = mpmath.diff(lambda v: v * (1 + v) / mpmath.sqrt(v * v + 2 * k * v + k), exact)
        assert root == pytest.approx(float(exact), rel=1e-14)
        assert by_g == pytest.approx(float(1 / nearby), rel=1e-7)


def test_the_rate_for_a_time_at_a_server():
    flow, k, time = np.array([60.0, 40.0, 0.5]), np.array(MIXED), np.array([0.035, 0.035, 3.0])
    rate = rates_for_delay(flow, k, time)
    np.testing.assert_allclose(server_delay(flow, rate, k, np.zeros(3)), time, rtol=1e-13)
    assert np.all(rate > flow)


# ---- edges


def test_a_budget_just_above_the_flows():
    least = float(np.dot(PRICE, FLOW))
    for more in (1e-3, 1e-6, 1e-9):
        found = rates_at_split(FLOW, 1.0, DELAY, PRICE, budget=least + more)
        exact = np.dot(FLOW, DELAY) + np.sqrt(FLOW * PRICE).sum() ** 2 / (least + more - least)
        assert found.lower_bound <= exact <= found.upper_bound
        assert found.total_delay == pytest.approx(exact, rel=1e-5)


def test_a_budget_of_the_least_rates():
    found = rates_at_split([60.0, 40.0], 1.0, 0.0, 1.0, [70.0, 50.0], budget=120.0)
    assert found.rate.tolist() == [70.0, 50.0]
    assert math.isinf(found.money_price)
    assert 10.0 * (1 - 1e-9) <= found.lower_bound <= 10.0 <= found.upper_bound <= 10.0 * (1 + 1e-9)


def test_a_budget_of_the_least_rates_but_for_a_rounding_error():
    flow = np.array([1.2, 0.2, 0.2, 0.2])  # the spare capacities are below the last digit of 1.2
    found = rates_at_split(flow, 1.0, 0.0, 1.0, budget=np.nextafter(flow.sum(), math.inf))
    assert np.all(found.rate > flow)
    assert found.upper_bound > 2.0 * found.lower_bound


@pytest.mark.parametrize(("delay", "high"), [(1e6, 105.0), (1e9, 120.0)])
def test_the_least_delay_up_to_rounding(delay, high):
    # the delay hides that of the queue: a target of the least delay, rounded, has cheaper rates
    target = delay + 1.0 / (high - 1.0)
    needed = 1 + 1 / (Fraction(target) - Fraction(delay))
    found = rates_at_split([1.0], 1.0, delay, 1.0, 0.0, high, mean_delay=target)
    assert needed < high == found.rate[0]
    assert found.lower_bound <= needed <= found.upper_bound
    day = rates_for_flows([[1.0]], None, 1.0, delay, 1.0, mean_delay=target, max_rate=high)
    assert day.lower_bound <= needed <= day.value == high


def test_more_money_than_the_largest_rates_cost():
    high = [75.0, 60.0, 130.0]
    found = rates_at_split(FLOW, 1.0, DELAY, PRICE, 0.0, high, budget=1000.0)
    assert found.rate.tolist() == high
    assert (found.money_price, found.cost) == (0.0, 200.0)


def test_less_delay_than_asked_at_the_least_rates():
    low = [100.0, 80.0, 200.0]
    found = rates_at_split(FLOW, 1.0, DELAY, PRICE, low, mean_delay=1.0)
    assert found.rate.tolist() == low
    assert math.isinf(found.money_price)
    assert found.lower_bound == pytest.approx(found.cost, rel=1e-13)


def test_servers_without_flow_or_price():
    flow = [60.0, 0.0, 0.0, 90.0]
    found = rates_at_split(
        flow, 1.0, 0.0, [1, 1, 0, 0], [0, 7, 3, 0], [math.inf, math.inf, 9, 120], budget=100.0
    )
    assert found.rate.tolist() == pytest.approx([93.0, 7.0, 3.0, 120.0], rel=1e-14)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"budget": 145.0}, "budget", "give more than 145"),
        ({"budget": 145.0, "opening": 10.0}, "budget", "give more than 155"),
        ({"budget": 200.0, "low": [90, 90, 100]}, "budget", "give 230 or more"),
        ({"mean_delay": 0.01}, "mean_delay", "give more than 0.0121"),
        ({"mean_delay": 0.01, "high": 100.0}, "mean_delay", "give 0.0708771929"),
        ({"budget": 200.0, "mean_delay": 0.1}, "rates_at_split", "is not one question"),
        ({}, "rates_at_split", "is not one question"),
        ({"budget": math.nan}, "budget", "nan"),
        ({"budget": 200.0, "high": [70, 40, 100]}, "high[1]", "40.0"),
        ({"budget": 200.0, "low": 200, "high": 190}, "high[0]", "190.0"),
        ({"budget": 200.0, "price": [1, 0, 1]}, "price[1]", "needs a largest rate"),
        ({"budget": 200.0, "price": [1, -1, 1]}, "price[1]", "-1.0"),
        ({"budget": 200.0, "flow": [1, math.inf, 1]}, "flow[1]", "inf"),
        ({"budget": 200.0, "flow": [0, 0, 0]}, "flow", "is 0 at all servers"),
        ({"budget": 200.0, "k": 0.4}, "k", "0.4"),
    ],
)
def test_refusals(changed, field, words):
    given = {"flow": FLOW, "k": 1.0, "delay": DELAY, "price": PRICE, **changed}
    with pytest.raises(InputError, match=words) as caught:
        rates_at_split(**given)
    assert caught.value.field == field


def test_a_late_share_that_no_rates_meet():
    with pytest.raises(InputError, match=r"give more than 0\.4736"):
        rates_for_late_share(FLOW, DELAY, PRICE, within=0.015, at_most=0.4)
    with pytest.raises(InputError, match=r"give 0\.130085") as caught:
        rates_for_late_share(FLOW, DELAY, PRICE, 0.0, 100.0, within=0.150, at_most=0.01)
    assert caught.value.field == "at_most"
