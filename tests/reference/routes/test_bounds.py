"""Certificates of flows over routes cover the truth, whatever the flow, and are tight at it."""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from chunks import chunks
from exact_routes import Example, example, truth
from scipy.sparse import csr_array

from sojourn.models import BPR, Constant, Function, Polynomial
from sojourn.reference import MM1, MixedBank
from sojourn.reference.routes import (
    Columns,
    GraphRoutes,
    ListedRoutes,
    RoutedSystem,
    RouteFlow,
)
from sojourn.reference.routes.bounds import certify, group_delay, price_bound
from sojourn.reference.routes.station_loads import grouped_sum, station_loads

ALL = ("mm1", "mm1", "mg1", "power", "linear", "constant", "values")
LOADS = (1e-3, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9)
NOISE = (0.0, 1e-15, 1e-12, 1e-8, 1e-4, 1e-2, 1e-1)
PLAYERS = (1.0, 2.0, 5.0, np.inf)


def listed(bank, rows, group, load, delay=None):
    """Return a system with listed routes."""
    rows = np.array(rows, dtype=float)
    delays = np.zeros(len(rows)) if delay is None else np.array(delay, dtype=float)
    columns = Columns(np.array(group), csr_array(rows), delays)
    load = np.array(load, dtype=float)
    return RoutedSystem(bank, ListedRoutes(columns, load.size), load)


def multiple_of(case: Example, rng: np.random.Generator) -> float:
    """Return a random multiple of the loads that the stations carry."""
    part = float(rng.choice(LOADS))
    return part * (case.capacity if np.isfinite(case.capacity) else 10 ** rng.uniform(-1, 2))


def flows_near(case: Example, flow, load, rng):
    """Yield flows at all distances from given ones, some of them without the smallest."""
    columns, x = case.system.routes.listed, np.array([float(f) for f in flow])
    for noise in NOISE:
        near = x * (1.0 + noise * rng.uniform(-1, 1, x.size))
        if rng.random() < 0.5:
            near[near < 1e-12 * near.max()] = 0.0
        yield RouteFlow(columns, near).fitted(load)


def check_covers(seed: int, kinds=ALL) -> None:
    """Check that no certificate of a flow near the truth misses it."""
    rng = np.random.default_rng(seed)
    case = example(rng, kinds)
    multiple = multiple_of(case, rng)
    start, load = case.start(multiple), multiple * case.system.load
    for players in PLAYERS:
        exact = truth(case.system, case.latencies, multiple, players, start)
        for flow in flows_near(case, exact.flow, load, rng):
            proof = certify(case.system, multiple, flow, players)
            true = exact.mean_delay
            assert mp.mpf(proof.lower_bound) <= true <= mp.mpf(proof.upper_bound), (players, proof)
            if proof.gap < np.inf:
                assert abs(mp.mpf(proof.mean_delay) - true) <= proof.gap * true
            if players == 1:
                assert (
                    price_bound(case.system, multiple, case.system.bank.marginal(flow.station_flow))
                    <= true
                )


@pytest.mark.parametrize("seeds", chunks(12, 1, often=4))
def test_no_certificate_misses_the_truth(seeds):
    for seed in seeds:
        check_covers(seed)


@pytest.mark.parametrize("seed", range(100, 104))
def test_no_certificate_by_finite_differences_misses_the_truth(seed):
    check_covers(seed, ("values", "values", "linear"))


@pytest.mark.parametrize("seeds", chunks(100, 1, quick=0, often=5))
def test_no_certificate_misses_the_truth_of_many_systems(seeds):
    for seed in seeds:
        check_covers(1000 + seed)


@pytest.mark.parametrize("players", PLAYERS)
def test_the_potential_gap_bounds_the_distance_of_the_potential(players):
    rng = np.random.default_rng(7)
    for _ in range(3):
        case = example(rng, ("mm1", "mg1", "linear"))
        multiple = 0.8 * case.capacity if np.isfinite(case.capacity) else 1.0
        exact = truth(case.system, case.latencies, multiple, players, case.start(multiple))
        bank, load = case.system.cost_bank(players), multiple * case.system.load
        for flow in flows_near(case, exact.flow, load, rng):
            proof = certify(case.system, multiple, flow, players)
            value = math.fsum(bank.potential(flow.station_flow)) + flow.fixed_delay
            above = value - float(exact.potential)
            assert above <= proof.mean_saving * load.sum() + 1e-13 * value


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("players", PLAYERS)
@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_the_bounds_of_queues_are_tight_at_the_truth(players, part, count):
    rng = np.random.default_rng(3)
    for _ in range(count):
        case = example(rng, ("mm1", "mg1"))
        multiple = part * case.capacity
        exact = truth(case.system, case.latencies, multiple, players, case.start(multiple))
        flow = np.array([float(f) for f in exact.flow])
        flow[flow < 1e-20 * flow.max()] = 0.0
        found = RouteFlow(case.system.routes.listed, flow)
        proof = certify(case.system, multiple, found, players)
        assert proof.gap <= (1e-12 if players == 1 else 1e-6)
        assert proof.potential_gap <= 1e-15


def test_the_gap_at_the_optimum_is_of_second_order():
    system = listed(MM1([10.0, 5.0]), np.eye(2), [0, 0], [9.0])
    best = np.array([6.0 + 1 / (1 + math.sqrt(2)), 0.0])
    best[0] = 10 - 6 * math.sqrt(10) / (math.sqrt(10) + math.sqrt(5))
    best[1] = 9 - best[0]
    gaps = []
    for shift in (1e-2, 1e-3):
        flow = RouteFlow(system.routes.listed, best + shift * np.array([1.0, -1.0]))
        gaps.append(certify(system, 1.0, flow, 1).gap)
    assert gaps[0] / gaps[1] == pytest.approx(100.0, rel=0.05)


def test_pigou_is_certified_with_its_constant_road():
    bank = MixedBank([Constant(1.0), Polynomial([[0.0, 1.0]])])
    system = listed(bank, np.eye(2), [0, 0], [1.0])
    optimum = certify(system, 1.0, RouteFlow(system.routes.listed, np.array([0.5, 0.5])), 1)
    assert optimum.mean_delay == 0.75
    assert optimum.gap < 1e-14
    selfish = certify(system, 1.0, RouteFlow(system.routes.listed, np.array([0.0, 1.0])), np.inf)
    assert selfish.mean_delay == 1.0
    assert selfish.gap < 1e-6
    assert selfish.largest_saving < 1e-15
    wrong = certify(system, 1.0, RouteFlow(system.routes.listed, np.array([0.5, 0.5])), np.inf)
    assert wrong.largest_saving == pytest.approx(0.5)
    assert wrong.mean_saving == pytest.approx(0.25)
    assert wrong.lower_bound <= 1.0 <= wrong.upper_bound


def braess(bridge=True):
    """Return Braess's network of five links as a graph, and its routes as a list."""
    bank = Polynomial([[0.0, 10.0], [50.0, 1.0], [50.0, 1.0], [0.0, 10.0], [10.0, 1.0]])
    tail, head = np.array([0, 0, 1, 2, 1]), np.array([1, 2, 3, 3, 2])
    graph = GraphRoutes(4, tail, head, np.array([0]), np.array([3]))
    rows = [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 1, 1]]
    as_list = listed(bank, rows, [0, 0, 0], [6.0])
    return RoutedSystem(bank, graph, np.array([6.0])), as_list


@pytest.mark.parametrize(
    ("players", "flow", "delay"), [(np.inf, [2, 2, 2], 92), (1, [3, 3, 0], 83)]
)
def test_graphs_and_lists_have_the_same_certificates(players, flow, delay):
    for system in braess():
        columns = braess()[1].routes.columns
        exact = certify(system, 1.0, RouteFlow(columns, np.array(flow, dtype=float)), players)
        assert exact.mean_delay == delay
        assert exact.gap < 1e-7
        off = RouteFlow(columns, np.array(flow) + np.array([0.1, 0.0, -0.1 * (flow[2] > 0)]))
        proof = certify(system, 1.0, off.fitted(system.load), players)
        assert proof.lower_bound <= delay <= proof.upper_bound
        assert 1e-6 < proof.gap < 0.2


def test_the_estimate_is_nearer_than_the_flow():
    system = braess()[1]
    flow = RouteFlow(system.routes.columns, np.array([2.001, 2.0, 1.999]))
    proof = certify(system, 1.0, flow, np.inf)
    assert abs(proof.estimate - 92) < 1e-9 < abs(proof.mean_delay - 92)


def test_flows_that_miss_the_load_are_fitted():
    system = listed(MM1([10.0, 5.0]), np.eye(2), [0, 0], [9.0])
    given = RouteFlow(system.routes.listed, np.array([4.2, 1.8]))
    proof, fitted = (certify(system, 1.0, f, 1) for f in (given, given.fitted(system.load)))
    assert proof.balance == pytest.approx(1 / 3)
    assert fitted.balance < 1e-15
    assert proof.mean_delay == pytest.approx(fitted.mean_delay, rel=1e-14)
    assert fitted.upper_bound == pytest.approx(proof.upper_bound, rel=1e-14)


def test_a_flow_beyond_a_rate_proves_nothing():
    system = listed(MM1([10.0, 5.0]), np.eye(2), [0, 0], [9.0])
    proof = certify(system, 1.0, RouteFlow(system.routes.listed, np.array([3.0, 6.0])), np.inf)
    assert proof.gap == np.inf
    assert proof.lower_bound == 0
    assert proof.upper_bound == np.inf
    assert proof.utilisation == 1.2


@pytest.mark.parametrize(
    "price",
    [
        [0.0, 0.0, 0.0],
        [np.nan, 1.0, -1.0],
        [np.inf, np.inf, np.inf],
        [0.3, 0.3, 0.3],
        [0.2, 0.5, 1.0],
        [1e9, 1e-9, 2.0],
    ],
)
def test_any_prices_bound_the_optimum(price):
    bank = MixedBank([MM1([10.0, 5.0]), Constant(1.0)])
    rows = [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    system = listed(bank, rows, [0, 0, 1], [8.0, 1.0], [0.0, 0.05, 0.0])
    x = np.linspace(0.0, 3.9, 40_000)  # flow of the first group over the second server
    total = (8 - x) / (2 + x) + (1 + x) / (4 - x) + 0.05 * x + 1.0
    best = float(np.min(total)) / 9
    assert 0 <= price_bound(system, 1.0, np.array(price)) <= best


def test_the_prices_of_the_optimum_prove_it():
    system = listed(MM1([10.0, 5.0]), np.eye(2), [0, 0], [9.0])
    price = (math.sqrt(10) + math.sqrt(5)) ** 2 / 6**2
    total = sum(math.sqrt(mu * price) - 1 for mu in (10, 5))
    found = price_bound(system, 1.0, np.full(2, price))
    assert found == pytest.approx(total / 9, rel=1e-14)


def test_full_stations_do_not_cost_the_digits_of_the_price_bound():
    rate = 100.0
    load = rate * (1 - 1e-9)
    system = listed(MM1([rate]), [[1.0]], [0], [load])
    spare_capacity = float(Fraction(rate) - Fraction(load))
    bound = price_bound(system, 1.0, np.array([rate / spare_capacity**2]))
    assert bound == pytest.approx(1 / spare_capacity, rel=1e-14)
    assert bound <= 1 / spare_capacity


def test_a_kink_without_a_derivative_is_covered():
    function = Function(lambda x: np.maximum(1.0, 1.0 + 2.0 * (x - 1.0)))
    system = listed(MixedBank([function, Constant(2.0)]), np.eye(2), [0, 0], [3.0])
    columns = system.routes.listed
    for first in (0.8, 1.0, 1.0 + 1e-9, 1.2, 1.5, 2.0):
        flow = RouteFlow(columns, np.array([first, 3.0 - first]))
        for players, least in ((1.0, 1.0), (np.inf, 1.5), (2.0, 7 / 6)):
            best = max(least, 1.0)
            delay = (best * (1 + 2 * (best - 1)) + 2 * (3 - best)) / 3
            proof = certify(system, 1.0, flow, players)
            assert proof.lower_bound <= delay <= proof.upper_bound, (players, first, proof)


def test_sums_of_many_flows_lose_no_digits():
    rng = np.random.default_rng(0)
    index, terms = (
        rng.integers(0, 3, 20_000),
        rng.random(20_000) * 10.0 ** rng.uniform(-9, 0, 20_000),
    )
    high, low = grouped_sum(index, terms, 4)
    for i in range(3):
        exact = sum((Fraction(t) for t in terms[index == i].tolist()), Fraction(0))
        assert abs(Fraction(float(high[i])) + Fraction(float(low[i])) - exact) < exact * Fraction(
            1, 2**90
        )
    assert high[3] == 0
    assert low[3] == 0


def test_station_loads_are_those_of_exactly_the_load():
    rng = np.random.default_rng(1)
    rows = rng.choice([0.0, 1.0, 0.7], (500, 4))
    rows[:, 0] = 1.0
    flow = rng.random(500)
    load = np.array([flow.sum() * (1 + 1e-12)])
    system = listed(MM1(load[0] * np.array([1 + 1e-9, 2.0, 2.0, 2.0])), rows, [0] * 500, load)
    at = station_loads(system, RouteFlow(system.routes.listed, flow), load)
    exact = Fraction(float(system.bank.rate[0])) - Fraction(float(load[0]))
    assert at.spare_capacity[0] == pytest.approx(float(exact), rel=1e-14)
    total = sum(
        (Fraction(r) * Fraction(x) for r, x in zip(rows[:, 1], flow, strict=True)), Fraction(0)
    )
    missing = Fraction(float(load[0])) - sum(map(Fraction, flow.tolist()), Fraction(0))
    total += missing * Fraction(rows[int(np.argmax(flow)), 1])
    assert abs(at.flow[1] - float(total)) <= 1e-15 * float(total)


def test_the_delays_of_groups_add_to_the_mean():
    bank = MixedBank([MM1([10.0, 5.0]), BPR(free_flow=[1.0], capacity=[2.0])])
    rows = [[1, 0, 0], [0, 1, 1], [0, 1, 0]]
    system = listed(bank, rows, [0, 0, 1], [6.0, 2.0], [0.0, 0.1, 0.2])
    flow = RouteFlow(system.routes.listed, np.array([4.0, 2.0, 2.0]))
    delays = group_delay(system, flow)
    latency = [1 / 6, 1.0, 1.15]
    assert delays[1] == pytest.approx(1.2, rel=1e-15)
    assert delays[0] == pytest.approx(
        (4 * latency[0] + 2 * (0.1 + sum(latency[1:]))) / 6, rel=1e-14
    )
    mean = certify(system, 1.0, flow, 1).mean_delay
    assert delays @ system.load / 8 == pytest.approx(mean, rel=1e-14)
