"""Rates for the loads of a day: known numbers, grids, subsets, bounds that are never too high."""

import itertools
import math

import numpy as np
import pytest
from chunks import chunks

from sojourn.reference import InputError, LoadError
from sojourn.reference.parallel.decisions.box_newton import least_in_box
from sojourn.reference.parallel.decisions.day_cost import Evaluated
from sojourn.reference.parallel.decisions.day_rates import rates_for_flows
from sojourn.reference.parallel.decisions.day_sizes import rates_for_day

DAY = 150 * (0.55 + 0.45 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24))
DELAY, PRICE = [0.005, 0.005, 0.020], [1.0, 1.0, 0.5]


def given_shares(share, **given):
    return rates_for_flows(DAY[:, None] * np.array(share), None, 1.0, DELAY, PRICE, **given)


# ---- known numbers


def test_given_shares():
    found = given_shares([0.3, 0.2, 0.5], delay_cost=20.0)
    assert found.value == pytest.approx(234.218605669925, abs=5e-13)
    rates = [60.621216660329, 43.352128993301, 104.126844030835]
    assert found.rate == pytest.approx(rates, abs=1e-12)
    assert 0 <= found.value - found.lower_bound <= 1e-14 * 16 * found.value
    other = given_shares([0.25, 0.35, 0.4], delay_cost=20.0)
    assert other.value == pytest.approx(241.723834810599, abs=5e-13)


def test_budget_and_mean_delay_are_the_cost_at_another_price():
    cost = given_shares([0.3, 0.2, 0.5], delay_cost=20.0)
    budget = given_shares([0.3, 0.2, 0.5], budget=cost.spending)
    target = given_shares([0.3, 0.2, 0.5], mean_delay=cost.mean_delay)
    for found in (budget, target):
        assert found.rate == pytest.approx(cost.rate, rel=1e-13)
        assert found.weight == pytest.approx(20.0, rel=1e-12)
        assert 0 <= 1 - found.lower_bound / found.value <= 1e-13
    assert budget.value == pytest.approx(cost.mean_delay, rel=1e-14)
    assert target.value == pytest.approx(cost.spending, rel=1e-14)


@pytest.mark.parametrize(
    ("variability", "given", "value"),
    [
        (1.0, {"budget": 200.0}, 0.053421574345),
        ([0.5, 1, 5], {"budget": 200.0}, 0.070469296023),
        (
            1.0,
            {"budget": 200.0, "max_rate": [75, 200, 400], "min_rate": [0, 0, 130]},
            0.055506949177,
        ),
        (1.0, {"mean_delay": 0.03}, 271.986897619955),
        ([0.5, 1, 5], {"mean_delay": 0.03}, 305.8620493540),
        (
            1.0,
            {"mean_delay": 0.03, "max_rate": [90, 200, 400], "min_rate": [0, 80, 0]},
            296.3234383874,
        ),
    ],
)
def test_one_load(variability, given, value):
    found = rates_for_flows([[60.0, 40.0, 90.0]], None, variability, DELAY, PRICE, **given)
    assert found.value == pytest.approx(value, rel=5e-11)
    assert 0 <= 1 - found.lower_bound / found.value <= 1e-13


@pytest.mark.parametrize(
    ("delay", "price", "most", "value"),
    [
        ([0, 0.3], [1, 0.6], [200, 250], 210.3290400179),
        ([0, 0.3], [1, 0.6], [100, 250], 351.7960282010),
        ([0, 0.05, 0.3], [1.5, 1, 0.6], [60, 60, 250], 415.4074908),
    ],
)
def test_split_anew(delay, price, most, value):
    found = rates_for_day(DAY, None, 1.0, delay, price, 20.0, max_rate=most)
    assert found.value == pytest.approx(value, rel=2e-10)
    assert 0 <= 1 - found.lower_bound / found.value <= 1e-6
    assert found.flow.sum(axis=1) == pytest.approx(DAY, rel=1e-14)


def test_night_at_the_near_server_and_the_peak_at_both():
    found = rates_for_day(DAY, None, 1.0, [0.0, 0.3], [1.0, 0.6], 20.0, max_rate=[100.0, 250.0])
    assert found.value == pytest.approx(351.7960282010, abs=5e-11)
    assert found.lower_bound >= 351.7955
    assert found.rate == pytest.approx([100.0, 83.03583], abs=1e-4)
    peak = found.flow[np.argmax(DAY)]
    assert peak == pytest.approx([86.19307, 63.80693], abs=1e-5)
    assert np.all(found.flow[DAY < 60, 1] == 0)


@pytest.mark.parametrize(
    ("load", "delay", "price", "weight", "given", "value"),
    [
        (190.0, DELAY, PRICE, 20.0, {"max_rate": [80, 90, 150]}, 369.4261469155),
        (190.0, DELAY, PRICE, 20.0, {}, 258.1779788708),
        (
            120.0,
            [0.01, 0.02, 0.05, 0.10],
            [2, 1.5, 1, 0.6],
            10.0,
            {"max_rate": [50, 60, 80, 100], "opening": [3, 1, 2, 4]},
            278.843999329,
        ),
    ],
)
def test_one_load_split_and_rates_together(load, delay, price, weight, given, value):
    found = rates_for_day([load], None, 1.0, delay, price, weight, **given)
    assert found.value == pytest.approx(value, abs=1e-9)


# ---- against formulas of this file


def cost_of(flow, duration, k, delay, price, rate):
    """Money for the rates, and mean number of jobs, by the plain formula."""
    jobs = flow * (delay + 1 / rate + k * flow / (rate * (rate - flow)))
    return price @ rate, duration @ jobs.sum(axis=1)


@pytest.mark.parametrize("seeds", chunks(400, 20, often=20))
def test_rates_for_flows_against_other_rates(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 6), rng.integers(1, 5)
        flow = rng.uniform(0, 100, (m, n)) * (rng.random((m, n)) < 0.8)
        flow[0, 0] += 1.0
        duration = rng.dirichlet(np.ones(m))
        k, delay = 0.5 + rng.choice([0, 0.5, 3.0]) * rng.random(n), rng.uniform(0, 0.1, n)
        price, weight = 10 ** rng.uniform(-1, 1, n), 10 ** rng.uniform(-1, 3)
        low = rng.choice([0, 1]) * rng.uniform(0, 80, n)
        endless = rng.random() < 0.5
        high = np.where(endless, np.inf, np.maximum(flow.max(axis=0), low) * 1.3 + 1)
        bounds = {"min_rate": low, "max_rate": high}
        given = (flow, duration, k, delay, price)
        best = rates_for_flows(*given, delay_cost=weight, **bounds)
        money, jobs = cost_of(*given, best.rate + (best.rate == 0))
        money -= price @ (best.rate == 0)
        assert best.value == pytest.approx(money + weight * jobs, rel=1e-12)
        assert 0 <= best.value - best.lower_bound <= 1e-12 * best.value
        least = np.maximum(low, flow.max(axis=0) * (1 + 1e-9))
        spread = 10 ** rng.uniform(-6, 0, (40, 1))
        others = np.clip(best.rate * np.exp(spread * rng.normal(size=(40, n))), least, high)
        arrivals, slow = duration @ flow.sum(axis=1), best.mean_delay * 1.1
        rows = [(price @ rate, cost_of(*given, rate + (rate == 0))[1]) for rate in others]
        limits = {"delay_cost": weight, "budget": best.spending, "mean_delay": slow}
        values = {
            "delay_cost": [money + weight * jobs for money, jobs in rows],
            "budget": [jobs / arrivals for money, jobs in rows if money <= best.spending],
            "mean_delay": [money for money, jobs in rows if jobs <= slow * arrivals],
        }
        for name, limit in limits.items():
            found = rates_for_flows(*given, **{name: limit}, **bounds)
            assert found.lower_bound <= found.value * (1 + 1e-15)
            assert found.lower_bound >= found.value * (1 - 1e-10)
            assert found.lower_bound <= min(values[name], default=math.inf)


def least_jobs(load, rates, k, delay):
    """Mean number of jobs of two servers at the best split, by bisection over the first flow."""
    first, second = rates

    def marginal(x, rate, i):
        return delay[i] + (1 - k[i]) / rate + k[i] * rate / (rate - x) ** 2

    low = np.maximum(load - second, 0.0) * np.ones_like(first)
    high = np.minimum(load, first)
    for _ in range(60):
        x = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            rises = marginal(x, first, 0) > marginal(load - x, second, 1)
        low, high = np.where(rises, low, x), np.where(rises, x, high)
    jobs = 0.0
    for i, (flow, rate) in enumerate([(x, first), (load - x, second)]):
        with np.errstate(divide="ignore", invalid="ignore"):
            each = flow * (delay[i] + 1 / rate + k[i] * flow / (rate * (rate - flow)))
        jobs = jobs + np.where(flow <= 1e-9 * load, 0.0, np.where(flow < rate, each, np.inf))
    return np.where(first + second > load, jobs, np.inf)


@pytest.mark.parametrize("seeds", chunks(160, 4, often=8))
def test_split_anew_against_a_dense_grid(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        loads = rng.uniform(5, 100, rng.integers(3, 5))
        duration = rng.dirichlet(2 * np.ones(loads.size))
        k, delay = 0.5 + rng.choice([0, 0.5, 3]) * rng.random(2), rng.uniform(0, 0.3, 2)
        price, weight = rng.uniform(0.3, 2, 2), 10 ** rng.uniform(0, 2)
        high = rng.uniform(0.6, 1.5, 2) * loads.max()
        found = rates_for_day(loads, duration, k, delay, price, weight, max_rate=high)
        assert 0 <= 1 - found.lower_bound / found.value <= 1e-6
        low, top, best = np.zeros(2), high, math.inf
        for _ in range(6):
            axes = np.linspace(np.maximum(low, 1e-9), top, 41, axis=1)
            grid = np.meshgrid(*axes, indexing="ij")
            cost = price[0] * grid[0] + price[1] * grid[1]
            cost = cost + weight * sum(
                part * least_jobs(load, grid, k, delay)
                for load, part in zip(loads, duration, strict=True)
            )
            at = np.unravel_index(np.argmin(cost), cost.shape)
            best, centre = min(best, cost[at]), np.array([g[at] for g in grid])
            width = (top - low) / 8
            low, top = np.maximum(centre - width, 0), np.minimum(centre + width, high)
        assert found.lower_bound <= best
        assert found.value <= best * (1 + 1e-9)
        if np.all(found.rate > 0):  # the formula above leaves out a server without a rate
            at = least_jobs(loads, found.rate[:, None], k, delay)
            assert found.value == pytest.approx(price @ found.rate + weight * duration @ at, 1e-9)


@pytest.mark.parametrize("seeds", chunks(60, 2, often=2))
def test_opening_costs_against_every_subset(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n, loads = 3, rng.uniform(10, 100, 4)
        k, delay, price = 0.5 + rng.random(n), rng.uniform(0, 0.3, n), rng.uniform(0.3, 2, n)
        high, opening = rng.uniform(0.5, 1.2, n) * loads.max(), rng.uniform(0, 30, n)
        least = rng.choice([0, 1], n) * rng.uniform(0, 0.4, n) * high
        costs = []
        for chosen in itertools.product((False, True), repeat=n):
            there = np.array(chosen)
            if high[there].sum() > loads.max():
                numbers = (a[there] for a in (k, delay, price))
                bounds = {"min_rate": least[there], "max_rate": high[there]}
                part = rates_for_day(loads, None, *numbers, 20.0, **bounds, gap=1e-8)
                costs.append(part.value + opening[there].sum() + (price * least)[~there].sum())
        numbers = {"min_rate": least, "max_rate": high, "opening": opening}
        found = rates_for_day(loads, None, k, delay, price, 20.0, **numbers)
        assert found.lower_bound <= min(costs) * (1 + 1e-12)
        assert found.value == pytest.approx(min(costs), rel=1e-6)
        assert np.all(found.rate >= least)


@pytest.mark.parametrize("seeds", chunks(200, 5, often=5))
def test_no_bound_above_a_better_answer(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 9))
        k, delay, price = (
            10 ** rng.uniform(-0.3, 0.7, n),
            rng.uniform(0, 0.4, n),
            rng.uniform(0.5, 2, n),
        )
        high = rng.uniform(0.3, 1.5, n) * 300 / n
        high *= max(1.0, 170 / high.sum())
        rough, fine = (
            rates_for_day(DAY, None, k, delay, price, 20.0, max_rate=high, gap=gap)
            for gap in (1e-3, 1e-8)
        )
        assert rough.lower_bound <= fine.value
        assert (
            fine.value * (1 - 1e-8) <= fine.lower_bound <= fine.value <= rough.value * (1 + 1e-12)
        )


def test_equal_servers_do_not_multiply_the_boxes():
    found = rates_for_day(DAY, None, 1.0, np.zeros(20), np.ones(20), 20.0, max_rate=15.0, gap=1e-9)
    assert found.nodes <= 100
    assert found.rate == pytest.approx([15.0] * 16 + [0.0] * 4)


# ---- special days


def test_hours_without_load():
    load, part = [0.0, 100.0, 40.0], [0.5, 0.2, 0.3]
    numbers = ([1.0, 2.0], [0.0, 0.1], [1.0, 0.7])
    whole = rates_for_day(load, part, *numbers, 20.0, max_rate=[80, 90])
    busy = rates_for_day(load[1:], [0.4, 0.6], *numbers, 10.0, max_rate=[80, 90])
    assert whole.rate == pytest.approx(busy.rate, rel=1e-6)
    assert whole.value == pytest.approx(busy.value, rel=1e-12)
    assert np.all(whole.flow[0] == 0)
    share = np.array([0.5, 0.5])
    flows = np.outer(load, share)
    fixed = rates_for_flows(flows, part, *numbers, delay_cost=20.0)
    same = rates_for_flows(flows[1:], [0.4, 0.6], *numbers, delay_cost=10.0)
    assert fixed.value == pytest.approx(same.value, rel=1e-14)


def test_many_equal_loads_are_one():
    numbers = ([1.0, 2.0], [0.0, 0.1], [1.0, 0.7])
    one, many = (
        rates_for_day([90.0] * m, None, *numbers, 20.0, max_rate=[80, 90], gap=1e-9) for m in (1, 7)
    )
    assert many.value == pytest.approx(one.value, rel=1e-12)


def test_server_without_price_and_server_without_jobs():
    found = rates_for_flows(
        [[30.0, 0.0, 20.0]], None, 1.0, 0.0, [1.0, 1.0, 0.0], budget=50.0, max_rate=[90, 90, 70],
        min_rate=[0.0, 5.0, 0.0],
    )  # fmt: skip
    assert found.rate == pytest.approx([45.0, 5.0, 70.0], rel=1e-14)
    free = rates_for_day(DAY, None, 1.0, [0.0, 0.1], [1.0, 0.0], 20.0, max_rate=[100.0, 160.0])
    assert free.rate[1] == 160.0


def test_ends_of_budgets_and_delays():
    flow = [[60.0, 40.0]]
    numbers = (flow, None, 1.0, 0.01, [1.0, 2.0])
    rich = rates_for_flows(*numbers, budget=1000.0, max_rate=[100.0, 80.0])
    assert rich.rate == pytest.approx([100.0, 80.0])
    assert (rich.spending, rich.weight) == (260.0, math.inf)
    poor = rates_for_flows(*numbers, budget=150.0, min_rate=[62.0, 44.0])
    assert (poor.rate.tolist(), poor.weight) == ([62.0, 44.0], 0.0)
    calm = rates_for_flows(*numbers, mean_delay=5.0, min_rate=[62.0, 44.0])
    assert (calm.rate.tolist(), calm.weight) == ([62.0, 44.0], 0.0)
    edge = rates_for_flows(*numbers, budget=140.0 * (1 + 1e-12))
    assert edge.spending == pytest.approx(140.0, rel=1e-11)
    assert edge.lower_bound <= edge.value < math.inf


# ---- refused input

FLOW = [[60.0, 40.0], [30.0, 20.0]]


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"duration": [0.5, 0.6]}, "duration", "give a part for each load"),
        ({"duration": [-0.5, 1.5]}, "duration[0]", "leave out loads"),
        ({"duration": [0.0, 1.0]}, "duration[0]", "leave out loads"),
        ({"duration": [1.0]}, "duration", "give a part for each load"),
        ({"max_rate": [60.0, 90.0]}, "max_rate[0]", "give a larger rate"),
        ({"min_rate": [95.0, 0.0], "max_rate": 90.0}, "max_rate[0]", "give bounds in order"),
        ({"rate_price": [0.0, 1.0]}, "rate_price[0]", "max_rate="),
        ({"delay_cost": None}, "minimise", "delay_cost, budget, mean_delay"),
        ({"budget": 200.0}, "minimise", "delay_cost, budget, mean_delay"),
        ({"delay_cost": None, "budget": 100.0}, "budget", "give more than 100"),
        ({"delay_cost": None, "mean_delay": 0.01}, "mean_delay", "give more than 0.01"),
        ({"flow": [[0.0, 0.0]]}, "flow", "above 0"),
        ({"flow": [1.0, 2.0]}, "flow", "shape (loads, servers)"),
        ({"flow": [[1.0, -2.0]]}, "flow[0][1]", "give one from 0"),
    ],
)
def test_refused(change, field, remedy):
    given = {"flow": FLOW, "duration": None, "variability": 1.0, "delay": 0.01, "rate_price": 1.0}
    with pytest.raises(InputError) as caught:
        rates_for_flows(**{**given, "delay_cost": 20.0, **change})
    assert caught.value.field == field
    assert remedy in caught.value.remedy


def test_refused_days():
    numbers = (None, 1.0, [0.0, 0.1], 1.0, 20.0)
    with pytest.raises(LoadError, match="not below the sum 150 of the largest rates"):
        rates_for_day([150.0], *numbers, max_rate=75.0)
    for load in ([0.0, 0.0], [-1.0, 2.0], [math.nan]):
        with pytest.raises(LoadError):
            rates_for_day(load, *numbers)
    with pytest.raises(InputError, match="opening"):
        rates_for_day([5.0], None, 1.0, np.zeros(11), 1.0, 20.0, min_rate=1.0, opening=1.0)


# ---- the search between bounds


@pytest.mark.parametrize("seeds", chunks(200, 20, often=20))
def test_least_in_box_is_stationary(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 6))
        root, goal = rng.normal(size=(int(rng.integers(1, 6)), n)), rng.normal(size=n)

        def at(x, root=root, goal=goal):
            value = 0.5 * np.sum((root @ x) ** 2) + goal @ x + 0.1 * np.sum(x**4)
            gradient = root.T @ root @ x + goal + 0.4 * x**3
            return Evaluated(value, gradient, root.T @ root + np.diag(1.2 * x**2), x)

        low, high = -rng.random(n), rng.random(n)
        x, found = least_in_box(at, np.zeros(n), low, high)
        descent = np.clip(x - found.gradient, low, high) - x
        assert np.abs(descent).max() <= 1e-6
