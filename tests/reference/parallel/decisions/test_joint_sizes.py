"""Split and rates together: known numbers, grids, structure of the solutions, honest bounds."""

import itertools
import math
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import pytest
from chunks import chunks

from sojourn.reference import MM1, InputError, joint_sizes, optimum, rates_at_split
from sojourn.reference.parallel.decisions.joint_bound import Box, Costs
from sojourn.reference.parallel.decisions.joint_costs import FreeServers
from sojourn.reference.parallel.decisions.joint_sizes import Search, goal_of

THREE = (1.0, [0.005, 0.005, 0.020], [1.0, 1.0, 0.5])
CAPS = (0.0, [80.0, 90.0, 150.0])
FOUR = (1.0, [0.01, 0.02, 0.05, 0.10], [2.0, 1.5, 1.0, 0.6], 0.0, [50.0, 60.0, 80.0, 100.0])
TWO = (1.0, [0.0, 3.0], [2.0, 1.0])


# ---- known numbers

KNOWN = {
    "J1": ((190.0, *THREE), {"budget": 200.0}, 0.0247619047619, 13, [0, 0, 400]),
    "J2": ((10.0, *TWO), {"budget": 17.0}, 2.718898707998, 12, [4.53492519, 7.93014962]),
    "J3": ((190.0, *THREE, *CAPS), {"budget": 230.0}, 0.0378291055680, 13, [65, 90, 150]),
    "J4": ((190.0, *THREE, *CAPS), {"delay_cost": 20.0}, 369.4261469155, 10, [0, 90, 150]),
    "J5": ((190.0, *THREE), {"delay_cost": 20.0}, 258.1779788708, 10, [0, 0, 277.17797887]),
    "J6": (
        (120.0, *FOUR),
        {"delay_cost": 10.0, "opening": [3.0, 1.0, 2.0, 4.0]},
        278.843999329,
        9,
        [0, 0, 75.64714722, 100],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_numbers(name):
    servers, asked, value, digits, rate = KNOWN[name]
    found = joint_sizes(*servers, **asked)
    assert found.value == pytest.approx(value, abs=0.6 * 10.0**-digits)
    np.testing.assert_allclose(found.rate, rate, atol=1e-6)
    assert found.certified
    assert found.lower_bound <= found.value <= found.upper_bound
    assert found.value / found.lower_bound - 1 == pytest.approx(found.gap, abs=1e-15)
    assert math.fsum(found.flow) == pytest.approx(servers[0], rel=1e-14)


def test_flows_of_known_numbers():
    flow = joint_sizes(190.0, *THREE, *CAPS, budget=230.0).flow
    np.testing.assert_allclose(flow, [35.347169, 55.107609, 99.545223], atol=2e-6)
    flow = joint_sizes(190.0, *THREE, *CAPS, delay_cost=20.0).flow
    np.testing.assert_allclose(flow, [0.0, 68.65954127, 121.34045873], atol=1e-7)
    flow = joint_sizes(120.0, *FOUR, opening=[3.0, 1.0, 2.0, 4.0], delay_cost=10.0).flow
    np.testing.assert_allclose(flow, [0.0, 0.0, 52.69233967, 67.30766033], atol=1e-5)
    flow = joint_sizes(10.0, *TWO, budget=17.0).flow
    np.testing.assert_allclose(flow, [3.67196194, 6.32803806], atol=1e-6)


@pytest.mark.parametrize("name", ["J1", "J2", "J3"])
def test_least_money_for_the_least_delay_is_the_budget(name):
    servers, asked, value, _, _ = KNOWN[name]
    mirror = joint_sizes(*servers, mean_delay=value)
    assert mirror.value == pytest.approx(asked["budget"], rel=3e-11)
    assert mirror.certified
    assert mirror.mean_delay == pytest.approx(value, rel=1e-12)


# ---- structure


def free_servers(load, k, delay, price, low=0.0, high=math.inf, opening=0.0):
    columns = np.broadcast_arrays(*np.atleast_1d(k, delay, price, low, high, opening))
    return FreeServers(load, *(np.array(column, dtype=float) for column in columns))


def test_least_costs_are_concave_without_bounds_and_below_every_rate():
    rng = np.random.default_rng(1)
    for k in (0.5, 0.7, 1.0, 2.0, 5.0, 20.0):
        weight, price, delay = 10 ** rng.uniform(-2, 2, 3)
        servers = free_servers(1.0, k, delay, price)
        x = np.geomspace(1e-4, 1e4, 400)
        spare = np.concatenate([servers.spare_at(flow[None], weight) for flow in x])
        least = price * (x + spare) + weight * servers.work(x, spare)
        slope = np.diff(least) / np.diff(x)
        assert np.all(np.diff(slope) <= 1e-9 * slope[1:])
        others = spare * np.linspace(0.2, 5.0, 49)[:, None]
        cost = price * (x + others) + weight * servers.work(np.tile(x, (49, 1)), others)
        assert np.all(least <= cost * (1 + 1e-14))


def test_the_flow_of_a_rate_has_this_best_rate():
    k = np.array([0.5, 1.0, 3.0, 20.0])
    servers = free_servers(1.0, k, 0.1, [0.3, 1.0, 2.0, 5.0])
    rate = np.array([0.1, 1.0, 10.0, 100.0])
    for weight in (0.01, 1.0, 100.0):
        flow = servers.flow_at(rate, weight)
        np.testing.assert_allclose(flow + servers.spare_at(flow, weight), rate, rtol=1e-12)


def random_numbers(rng, n, k):
    """Return delays and prices of servers of which the cheaper ones are farther away."""
    price = rng.uniform(0.5, 2.0, n)
    return k, 0.2 / price**2 * rng.uniform(0.8, 1.2, n), price


@pytest.mark.parametrize("k", [1.0, 3.0])
def test_number_of_servers(k):
    for seed in range(3):
        rng, n, load = np.random.default_rng(seed), 6, 100.0
        servers = random_numbers(rng, n, k)
        money = load * servers[2].mean()
        assert joint_sizes(load, *servers, delay_cost=20.0).open.sum() == 1
        assert joint_sizes(load, *servers, budget=1.1 * money).open.sum() <= 2
        high = rng.uniform(20.0, 60.0, n)
        found = joint_sizes(load, *servers, 0.0, high, delay_cost=20.0)
        assert np.count_nonzero(found.open & (found.rate < high * (1 - 1e-9))) <= 1


# ---- against grids


def values(servers, asked, flows):
    """Return the minimised quantity of splits, shape (K, n), by halvings of the price of delay."""
    opening = np.where(flows > 0, servers.opening, 0.0).sum(axis=1)

    def at(log_weight):
        spare = servers.spare_at(flows, np.exp(log_weight)[:, None])
        money = (servers.price * (flows + spare)).sum(axis=1) + opening
        return money, servers.work(flows, spare).sum(axis=1)

    (kind, amount), load = next(iter(asked.items())), servers.load
    if kind == "delay_cost":
        money, work = at(np.full(len(flows), math.log(amount)))
        return money + amount * work
    low, high = (np.full(len(flows), end) for end in (-40.0, 40.0))
    for _ in range(60):
        middle = 0.5 * (low + high)
        money, work = at(middle)
        cheap = money < amount if kind == "budget" else work / load > amount
        low, high = np.where(cheap, middle, low), np.where(cheap, high, middle)
    money, work = at(low if kind == "budget" else high)
    if kind == "budget":
        return np.where(money <= amount, work / load, np.inf)
    return np.where(work / load <= amount, money, np.inf)


def least_on_a_grid(servers, asked, rng):
    """Return the least value over splits to every set of servers, with finer ones around them."""
    n, load, least = len(servers.price), servers.load, math.inf
    for chosen in itertools.product((False, True), repeat=n):
        own = np.flatnonzero(chosen)
        if not own.size:
            continue
        share = rng.dirichlet(np.full(own.size, 0.8), 300)
        share[0] = np.minimum(servers.high[own], load)  # equal utilisations
        for scale in (0.2, 0.1, 0.05, 0.02, 0.005, 0.001):
            flows = np.zeros((len(share), n))
            flows[:, own] = load * share / share.sum(axis=1, keepdims=True)
            with np.errstate(all="ignore"):
                value = values(servers, asked, flows)
            value = np.where(np.isfinite(value), value, np.inf)
            best = share[np.argsort(value)[:5]]
            least = min(least, float(value.min()))
            moved = best[:, None] * np.exp(scale * rng.standard_normal((len(best), 40, own.size)))
            share = np.concatenate([best, moved.reshape(-1, own.size)])
    return least


class Case(NamedTuple):
    servers: tuple
    asked: dict
    opening: np.ndarray


def random_case(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 5)), float(rng.choice([0.5, 1.0, 1.0, 4.0]))
    load = float(10 ** rng.uniform(-1, 2))
    k, delay, price = random_numbers(rng, n, k)
    delay, high = delay * 10 ** rng.uniform(-2, 1) / load, np.full(n, math.inf)
    if rng.random() < 0.7:
        high = load * rng.uniform(0.4, 1.5, n) * 2 / n
        high *= max(1.0, 1.3 * load / high.sum())
    low = np.minimum(high, load) * rng.choice([0.0, 0.5]) * rng.random(n)
    if np.isfinite(high).all() and rng.random() < 0.3:
        price[int(rng.integers(n))] = 0.0
    opening = load * rng.uniform(0, 0.3, n) * rng.choice([0.0, 1.0])
    kind = str(rng.choice(["delay_cost", "budget", "mean_delay"]))
    flow = np.where(np.isfinite(high), high, load)
    flow *= load / flow.sum()
    split = rates_at_split(flow, k, delay, price, low, high, money_price=1 / rng.uniform(0.3, 9))
    amounts = {
        "delay_cost": float(rng.uniform(0.1, 30)),
        "budget": split.cost + float(opening.sum()),
        "mean_delay": 1.5 * split.total_delay / load,
    }
    return Case((load, k, delay, price, low, high), {kind: amounts[kind]}, opening)


@pytest.mark.parametrize("seeds", chunks(240, 4, often=4))
def test_random_systems_against_grids(seeds):
    for seed in seeds:
        case = random_case(seed)
        found = joint_sizes(*case.servers, opening=case.opening, **case.asked)
        servers = free_servers(*case.servers, case.opening)
        least = least_on_a_grid(servers, case.asked, np.random.default_rng(seed))
        assert found.certified, seed
        assert found.lower_bound <= least * (1 + 1e-13), seed
        assert found.value <= least * (1 + 2e-6), seed
        assert least <= found.value * (1 + 2e-2), seed  # the grid is fine enough to be a test


# ---- bounds


def test_the_bound_is_that_of_mixtures_as_a_linear_program():
    """The best prices bound as the mixtures of flows do, a linear program of CVXPY."""
    servers = free_servers(190.0, *THREE, *CAPS)
    box = Box(np.zeros(3), np.array([80.0, 90.0, 150.0]))
    costs = Costs(servers, box, 20.0)
    bound, _ = costs.bound(costs.relaxed(1.0, 1e-12).price)
    part = np.linspace(0.0, 0.9999, 3000)
    flows = part[:, None] * box.high
    cost = [costs.at(flow) for flow in flows]
    cost = np.array([money + 20.0 * work for _, _, money, work in cost])
    mixture = cp.Variable(flows.shape, nonneg=True)
    total = cp.sum(cp.multiply(flows, mixture))
    problem = cp.Problem(
        cp.Minimize(cp.sum(cp.multiply(cost, mixture))),
        [total == 190.0, cp.sum(mixture, axis=0) == 1],
    )
    problem.solve(solver="HIGHS")
    assert bound <= problem.value * (1 + 1e-9)
    assert problem.value == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize("max_nodes", [0, 3, 20])
def test_a_search_that_ends_early_has_true_bounds(max_nodes):
    for seed in (4,):
        rng, n, load = np.random.default_rng(seed), 12, 100.0
        servers, high = random_numbers(rng, n, 3.0), rng.uniform(10.0, 35.0, n)
        asked = {"budget": 1.4 * load * servers[2].mean()}
        best = joint_sizes(load, *servers, 0.0, high, **asked)
        found = joint_sizes(load, *servers, 0.0, high, **asked, max_nodes=max_nodes)
        assert found.nodes <= max_nodes
        assert found.lower_bound <= best.upper_bound
        assert found.certified == (found.gap <= 1e-6)
        assert best.lower_bound <= found.value


@pytest.mark.parametrize("k", [1.0, 3.0])
@pytest.mark.parametrize("spare", [0.1, 1e-3, 1e-6, 1e-9])
def test_next_to_saturation(k, spare):
    high = np.array([80.0, 90.0, 150.0])
    load = 320.0 * (1 - spare)
    found = joint_sizes(load, k, *THREE[1:], 0.0, high, delay_cost=20.0)
    assert found.certified
    if k == 1.0:
        true = high @ THREE[2] + 20.0 * load * optimum(MM1(high, THREE[1]), load).mean_delay
        assert found.lower_bound <= true * (1 + 1e-14)
        if spare <= 1e-3:  # all rates are the largest
            assert found.value == pytest.approx(true, rel=1e-6)


@pytest.mark.parametrize("load", [1e-12, 1e-6, 1e-2])
def test_light_load(load):
    found = joint_sizes(load, *THREE, *CAPS, delay_cost=20.0)
    x, price, delay = load, np.array(THREE[2]), np.array(THREE[1])
    one = (price + 20.0 * delay) * x + 2 * np.sqrt(20.0 * price * x)
    assert found.certified
    assert found.value == pytest.approx(one.min(), rel=1e-12)
    money = joint_sizes(load, *THREE, budget=10.0)
    assert money.value == pytest.approx(min(delay + 1 / (10.0 / price - x)), rel=1e-9)


def test_equal_servers_are_searched_in_order():
    n = 50
    found = joint_sizes(50.0 * n, 1.0, np.full(n, 0.01), 1.0, 0.0, 100.0, delay_cost=20.0)
    assert found.certified
    assert found.nodes <= 5
    assert np.all(np.diff(found.flow) <= 1e-9)


def test_many_servers_in_the_cost_form():
    n, rng = 200, np.random.default_rng(1)
    high = rng.uniform(50.0, 200.0, n)
    servers = (0.5 * high.sum(), 1.0, rng.uniform(0, 0.1, n), rng.uniform(0.5, 2, n), 0.0, high)
    found = joint_sizes(*servers, delay_cost=20.0)
    assert found.certified
    assert found.nodes <= 8


def test_a_budget_next_to_the_least_ends():
    # the price of delay has no end there, and the prices of load and delay are those of other boxes
    servers = (30.0, [42.6, 47.2, 6.5], [1.0, 1.3, 1.9], [1.35, 0.68, 0.51])
    opening = [0.0, 64.0, 4.8]
    found = joint_sizes(*servers, opening=opening, budget=20.1 * (1 + 3e-13), max_nodes=60)
    assert 0 < found.lower_bound <= found.value <= found.upper_bound
    # the third server alone: 4.8 + 0.51 (30 + s)
    spare = (20.1 * (1 + 3e-13) - 20.1) / 0.51
    alone = 1.9 + (1 + 6.5 * 30.0 / spare) / 30.0
    assert found.lower_bound <= alone * (1 + 0.1)
    assert not found.certified


# ---- what no search can meet


def test_least_budget_with_openings_is_that_of_all_sets_of_servers():
    rng = np.random.default_rng(5)
    for _ in range(2):
        n, load = 5, 100.0
        price, high = rng.uniform(0.5, 2, n), rng.uniform(20.0, 70.0, n)
        low, opening = high * rng.choice([0.0, 0.3], n), rng.uniform(0, 40, n)
        least = math.inf
        for chosen in itertools.product((False, True), repeat=n):
            own = np.array(chosen)
            if high[own].sum() <= load:
                continue
            rate, rest = low.copy(), load - low[own].sum()
            for i in sorted(np.flatnonzero(own), key=lambda i: price[i]):
                more = min(max(rest, 0.0), high[i] - low[i])
                rate[i], rest = rate[i] + more, rest - more
            least = min(least, price @ rate + opening[own].sum())
        servers = (load, 1.0, 0.01, price, low, high)
        with pytest.raises(InputError, match=rf"^budget = .*; give more than {least:.9g}"[:-1]):
            joint_sizes(*servers, opening=opening, budget=least * (1 - 1e-6))
        found = joint_sizes(*servers, opening=opening, budget=least * 1.02, max_nodes=5)
        assert found.cost + found.opening_cost <= least * 1.02 * (1 + 1e-12)


@pytest.mark.parametrize(
    ("servers", "asked", "message"),
    [
        ((190.0, *THREE, *CAPS), {"budget": 115.0}, "budget = 115.0: .*give more than 115$"),
        ((190.0, *THREE), {"mean_delay": 0.005}, "mean_delay = 0.005: .*give more than 0.005$"),
        (
            (190.0, *THREE, *CAPS),
            {"mean_delay": 0.03},
            "mean_delay = 0.03: .*give 0.0348899700404 or more$",
        ),
        ((330.0, *THREE, *CAPS), {"budget": 1e9}, "high = .*: sum to 320, not above the load 330"),
        ((190.0, 1.0, 0.0, [1.0, 0.0]), {"budget": 200.0}, r"price\[1\] = 0.0: needs a largest"),
        ((190.0, *THREE, [90.0] * 3, 80.0), {"budget": 1.0}, r"high\[0\] = 80.0: is below"),
        ((190.0, *THREE), {}, r"joint_sizes = \[\]: is not one question"),
        ((190.0, *THREE), {"budget": 300.0, "delay_cost": 1.0}, "is not one question"),
        ((190.0, *THREE), {"budget": 300.0, "gap": 0.0}, "gap = 0.0: is not a distance"),
        ((190.0, *THREE), {"budget": 300.0, "max_nodes": -1}, "max_nodes = -1"),
    ],
)
def test_refusals(servers, asked, message):
    with pytest.raises(InputError, match=message):
        joint_sizes(*servers, **asked)


def test_least_mean_delay_beside_servers_without_a_bound():
    """Jobs stay at the near server up to the marginal delay of the far one, which is infinite."""
    flow = 100.0 - math.sqrt(100.0 / 0.3)
    best = (flow / (100.0 - flow) + (200.0 - flow) * 0.3) / 200.0
    servers = (200.0, 1.0, [0.0, 0.3], 1.0, 0.0, [100.0, math.inf])
    with pytest.raises(InputError, match=f"give more than {best:.12g}"):
        joint_sizes(*servers, mean_delay=best * (1 - 1e-9))
    found = joint_sizes(*servers, mean_delay=best * 1.01)
    assert found.certified
    assert found.mean_delay == pytest.approx(best * 1.01, rel=1e-9)


def test_a_search_goes_on_after_an_interruption(monkeypatch):
    goal = goal_of(190.0, *THREE, *CAPS, 0.0, budget=230.0)
    search, whole = Search(goal), Search(goal)
    while not whole.done:
        whole.divide()
    node, calls = search._node, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) % 3 == 2:
            raise KeyboardInterrupt
        return node(*given)

    monkeypatch.setattr(search, "_node", interrupted)
    while not search.done:
        try:
            search.divide()
        except KeyboardInterrupt:
            assert search.lower_bound <= whole.best.value
    assert search.result().value == pytest.approx(whole.result().value, rel=1e-12)
    assert search.result().certified
