"""The choice of sites against enumeration, grids, and numbers of other programs."""

import itertools

import numpy as np
import pytest
from chunks import chunks
from scipy.optimize import minimize_scalar
from site_cases import FREE, capped_cases, places

from sojourn.reference import InputError
from sojourn.reference.routes.sites import SiteCosts, choose_sites
from sojourn.reference.routes.sites.branches import Node, search
from sojourn.reference.routes.sites.columns import Incumbent, Pool
from sojourn.reference.routes.sites.cuts import solve_with_cuts
from sojourn.reference.routes.sites.prices import Branch, price_bound

ROUNDED = 1e-13


def sites_of(seed, groups, n, cap=np.inf):
    case = places(seed, groups, n)
    costs = SiteCosts(case.price, case.opening, np.ones(n), 3.0, np.full(n, float(cap)))
    return costs, 3.0 * case.distance, case.load


def random_sites(seed):
    """Return M/G/1 sites without largest rates; some may not be used by some groups."""
    r = np.random.default_rng(1000 + seed)
    groups, n = int(r.integers(2, 8)), int(r.integers(2, 5))
    load = 10 ** r.uniform(-1, 2, groups)
    distance = r.random((groups, n)) * 10 ** r.uniform(-2, 1)
    distance[r.random((groups, n)) < 0.15] = np.inf
    distance[np.arange(groups), r.integers(n, size=groups)] = r.random(groups)
    k, weight = r.choice([0.5, 1.0, 1.0, 5.0, 20.0], n), 10 ** r.uniform(-1, 1)
    opening = r.random(n) * 10 ** r.uniform(-1, 2)
    costs = SiteCosts(r.uniform(0.1, 3.0, n), opening, k, weight, np.full(n, np.inf))
    return costs, weight * distance, load


def odd_cycle(n):
    """Return groups that are each near two of n sites: one and a half sites are open in between."""
    distance = np.full((n, n), np.inf)
    for g in range(n):
        distance[g, g], distance[g, (g + 1) % n] = 0.1 + 0.01 * g, 0.1
    costs = SiteCosts(
        np.full(n, 0.1), 10.0 + 0.1 * np.arange(n), np.ones(n), 0.5, np.full(n, np.inf)
    )
    return costs, 0.5 * distance, 1.0 + 0.1 * np.arange(n)


def least_of_all(costs, fixed, load):
    """Return the least cost of all assignments of whole groups."""
    groups, n = fixed.shape
    site = np.array(list(itertools.product(range(n), repeat=groups)))
    total = np.zeros((len(site), n))
    for g in range(groups):
        total[np.arange(len(site)), site[:, g]] += load[g]
    far = np.sum(fixed[np.arange(groups), site] * load, axis=1)
    return float(np.min(np.sum(costs.total(total), axis=1) + far))


@pytest.mark.parametrize(("seed", "groups", "n", "cost"), FREE)
def test_the_cases_without_largest_rates(seed, groups, n, cost):
    problem = sites_of(seed, groups, n)
    found = choose_sites(*problem)
    assert found.cost == pytest.approx(cost, rel=1e-12)
    assert found.lower <= found.cost <= found.lower * (1 + 1e-6)
    assert found.proof == "prices"
    if groups == 5:
        assert found.cost == pytest.approx(least_of_all(*problem), rel=ROUNDED)


@pytest.mark.parametrize(("seed", "groups", "n", "cap", "lower", "cost"), capped_cases())
def test_the_cases_with_largest_rates(seed, groups, n, cap, lower, cost):
    found = choose_sites(*sites_of(seed, groups, n, cap), gap=1e-6)
    assert found.lower <= cost * (1 + 1e-11)
    assert lower * (1 - 1e-11) <= found.cost <= found.lower * (1 + 1e-6)
    assert np.all(found.rate <= cap)
    assert np.all(np.sum(found.jobs, axis=0)[found.rate > 0] < found.rate[found.rate > 0])


@pytest.mark.exhaustive
def test_a_closer_gap_gives_more_digits():
    found = choose_sites(*sites_of(1, 5, 3, 14), gap=2e-9)
    assert found.cost == pytest.approx(126.626416882, rel=2e-9)
    assert found.lower == pytest.approx(126.626416882, rel=4e-9)


@pytest.mark.parametrize("seeds", chunks(1000, 25, often=50))
def test_random_sites_against_all_assignments(seeds):
    for seed in seeds:
        problem = random_sites(seed)
        with np.errstate(all="ignore"):
            truth = least_of_all(*problem)
        found = choose_sites(*problem, gap=1e-9)
        assert found.cost == pytest.approx(truth, rel=1e-12)
        assert found.lower <= truth * (1 + 1e-15)
        assert found.cost <= found.lower * (1 + 1e-9)


@pytest.mark.parametrize("seeds", chunks(400, 8, often=8))
def test_no_prices_prove_more_than_the_truth(seeds):
    for seed in seeds:
        costs, fixed, load = random_sites(seed)
        best = choose_sites(costs, fixed, load, gap=1e-9)
        r = np.random.default_rng(seed)
        n = fixed.shape[1]
        total = np.sum(best.jobs, axis=0)
        # all loads, and intervals of the loads that the best choice is in
        for low, high in ((0.0 * total, np.full(n, np.sum(load))), (0.5 * total, total * 1.5)):
            branch = Branch(low, high, total > 0)
            for _ in range(20):
                price = r.uniform(-1, 2) * np.max(fixed[np.isfinite(fixed)]) * r.random(load.size)
                found = price_bound(costs, fixed, load, price, branch)
                assert found.bound <= best.cost


@pytest.mark.parametrize("n", [3, pytest.param(5, marks=pytest.mark.exhaustive)])
def test_cuts_and_branches_where_prices_leave_a_gap(n):
    problem = odd_cycle(n)
    with np.errstate(all="ignore"):
        truth = least_of_all(*problem)
    found = choose_sites(*problem, gap=1e-7)
    assert found.cuts > 0
    assert found.branches > 1
    assert found.cost == pytest.approx(truth, rel=1e-12)
    assert found.lower <= truth * (1 + 1e-15)
    assert found.cost <= found.lower * (1 + 1e-7)
    # the cuts alone, and the branches alone, from a poor start
    costs, fixed, load = problem
    start = np.diag(load)
    everything = Branch(np.zeros(n), np.full(n, np.sum(load)), np.zeros(n, dtype=bool))
    for by_cuts in (True, False):
        pool, incumbent = Pool(), Incumbent(problem, start, 1e-6)
        pool.add(start, costs.at(start, fixed))
        if by_cuts:
            lower = solve_with_cuts(pool, problem, incumbent, np.inf).bound
        else:
            first = Node(-np.inf, 0, everything, np.zeros(n))
            lower, _ = search(pool, problem, first, incumbent, 100, np.inf)
        assert incumbent.cost == pytest.approx(truth, rel=1e-6)
        assert truth * (1 - 1e-5) <= lower <= truth * (1 + 1e-12)


def test_without_time_the_answer_has_honest_bounds():
    problem = sites_of(5, 20, 8, 30)
    found = choose_sites(*problem, max_branches=1)
    assert found.lower < 425.418132800 < found.cost
    hurried = choose_sites(*problem, max_seconds=1e-9)
    assert hurried.branches == 0
    assert hurried.lower < 425.418132800 < hurried.cost


@pytest.mark.parametrize("k", [0.5, 0.7, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("most", [np.inf, 12.0])
def test_the_cost_of_a_site_is_least_over_its_rates(k, most):
    price, w = 1.3, 2.0
    costs = SiteCosts(*(np.array([v]) for v in (price, 4.0, k)), w, np.array([most]))
    for load in (1e-3, 0.5, 6.0, 11.5):

        def cost(mu, x=load):
            return price * mu + w * x * (1 / mu + k * x / (mu * (mu - x)))

        high = min(most, load + 100 * (1 + k) * (1 + load))
        found = minimize_scalar(
            cost, bounds=(load * (1 + 1e-9), high), method="bounded", options={"xatol": 1e-10}
        )
        least = min(found.fun, cost(high))
        at = np.array([load])
        assert costs.variable(at)[0] == pytest.approx(least, rel=1e-8)
        assert cost(costs.rate(at)[0]) == pytest.approx(least, rel=1e-8)
        assert costs.total(at)[0] == costs.variable(at)[0] + 4.0
        step = 1e-5 * load
        slope = (costs.variable(at + step) - costs.variable(at - step)) / (2 * step)
        assert costs.slope(at)[0] == pytest.approx(slope[0], rel=1e-4)
    assert costs.total(np.zeros(1))[0] == 0.0
    if np.isfinite(most):
        beyond = 0.5 * (costs.knee + most)
        assert costs.at_slope(costs.slope(beyond))[0] == pytest.approx(beyond[0], rel=1e-12)


@pytest.mark.parametrize("seeds", chunks(100, 2, often=2))
def test_divided_groups_against_a_grid(seeds):
    for seed in seeds:
        r = np.random.default_rng(seed)
        load = r.uniform(1, 5, 2)
        costs = SiteCosts(
            np.append(r.uniform(0, 2, 1), r.uniform(0.5, 2, 1)),
            r.uniform(0, 3, 2),
            r.choice([0.5, 1.0, 5.0], 2),
            1.5,
            np.sum(load) * r.uniform(0.55, 0.9, 2),
        )
        fixed = r.uniform(0, 2, (2, 2))
        found = choose_sites(costs, fixed, load, gap=1e-7)
        part = np.linspace(0, 1, 301)
        a, b = np.meshgrid(part * load[0], part * load[1], indexing="ij")
        total = np.stack([a + b, np.sum(load) - a - b], axis=-1)
        far = a * fixed[0, 0] + b * fixed[1, 0]
        far += (load[0] - a) * fixed[0, 1] + (load[1] - b) * fixed[1, 1]
        with np.errstate(all="ignore"):
            grid = float(np.min(np.sum(costs.total(total), axis=-1) + far))
        assert found.cost <= grid * (1 + 1e-7)
        assert grid <= found.cost * (1 + 1e-2)
        assert found.cost <= found.lower * (1 + 1e-7)


def test_rates_that_cannot_carry_the_loads_are_refused():
    with pytest.raises(InputError, match=r"max_rate.*no more than 0.8 times.*more than 1.25"):
        choose_sites(
            SiteCosts(*np.ones((3, 2)), 1.0, np.array([3.0, 5.0])), np.ones((2, 2)), np.full(2, 5.0)
        )


def test_sites_that_are_nearly_full_are_certified():
    fixed = np.array([[0.13, 0.11, 0.07], [0.11, 0.05, 0.14]])
    most = np.full(3, 2.0 / 3.0 * (1 + 1e-5))
    costs = SiteCosts(np.ones(3), np.full(3, 2.0), np.full(3, 0.5), 0.06, most)
    found = choose_sites(costs, fixed, np.ones(2))
    assert found.cost * (1 - 1e-6) <= found.lower <= found.cost
