"""Optimum and equilibrium of groups over routes: known answers, hard loads, starts, refusals."""

import math

import numpy as np
import pytest
from chunks import some
from road_files import NEEDS_ROAD_FILES, road_network
from scipy.sparse import csr_array

from sojourn.models import BPR, MG1, MM1, Constant, MMc, Polynomial
from sojourn.models.latency.base import as_latency
from sojourn.reference.errors import LoadError
from sojourn.reference.parallel import optimum_equilibrium as parallel
from sojourn.reference.routes import Columns, GraphRoutes, ListedRoutes, RoutedSystem, RouteFlow
from sojourn.reference.routes.bounds import certify
from sojourn.reference.routes.capacity import capacity
from sojourn.reference.routes.engine import equilibrium, optimum, polish, solve

INF = math.inf


def network(bank, ends, pairs, load):
    """Return a system of a graph: links (tail, head), groups (origin, destination)."""
    (tail, head), (origin, destination) = np.array(ends).T, np.array(pairs).T
    nodes = int(max(tail.max(), head.max())) + 1
    graph = GraphRoutes(nodes, tail, head, origin, destination)
    return RoutedSystem(bank, graph, np.array(load, dtype=float))


def listed(bank, routes, load, delay=None):
    """Return a system of listed routes: for each group the rows of work of its routes."""
    group = np.repeat(np.arange(len(routes)), [len(rows) for rows in routes])
    work = csr_array(np.concatenate([np.array(rows, dtype=float) for rows in routes]))
    fixed = np.zeros(group.size) if delay is None else np.array(delay, dtype=float)
    columns = Columns(group, work, fixed)
    return RoutedSystem(bank, ListedRoutes(columns, len(routes)), np.array(load, dtype=float))


def polynomials(rows):
    """Return links of latency c_0 + c_1 x + ..."""
    return Polynomial([[*row, *[0.0] * (max(map(len, rows)) - len(row))] for row in rows])


def potential_gap(system, multiple, found, players):
    """Return what rerouting saves, relative to the cost of all jobs, in plain floats."""
    cost = system.cost_bank(players).latency(found.station_flow)
    total = cost @ found.station_flow + found.fixed_delay
    return (total - multiple * system.load @ system.routes.least_cost(cost)) / total


def assert_settled(system, multiple, found, players):
    """Assert that the flows carry the loads and that rerouting saves no more than rounding."""
    assert found.flow.min() > 0
    carried = found.columns.group_flow(found.flow, system.load.size)
    np.testing.assert_allclose(carried, multiple * system.load, rtol=1e-14)
    # a rounding error of a flow is one of its cost, times the rate over the spare capacity
    steepest = 1 / (1 - np.max(found.station_flow / system.bank.rate))
    assert abs(potential_gap(system, multiple, found, players)) <= 1e-13 * steepest


def test_braess_with_and_without_the_bridge():
    ends = [(0, 1), (1, 3), (0, 2), (2, 3), (1, 2)]
    links = [[0, 10], [50, 1], [50, 1], [0, 10], [10, 1]]
    closed = network(polynomials(links[:4]), ends[:4], [(0, 3)], [6])
    bridged = network(polynomials(links), ends, [(0, 3)], [6])
    assert equilibrium(closed).mean_delay == pytest.approx(83, rel=1e-13)
    assert optimum(closed).mean_delay == pytest.approx(83, rel=1e-13)
    answer = equilibrium(bridged)
    assert answer.mean_delay == pytest.approx(92, rel=1e-13)
    np.testing.assert_allclose(answer.flow.station_flow, [4, 2, 2, 4, 2], rtol=1e-12)
    assert 6 * optimum(bridged).mean_delay == pytest.approx(498, rel=1e-13)


def test_four_thousand_cars_and_a_free_shortcut():
    ends = [(0, 1), (1, 3), (0, 2), (2, 3), (1, 2)]
    links = [[0, 0.01], [45], [45], [0, 0.01], [0]]
    without = network(polynomials(links[:4]), ends[:4], [(0, 3)], [4000])
    system = network(polynomials(links), ends, [(0, 3)], [4000])
    assert equilibrium(without).mean_delay == pytest.approx(65, rel=1e-13)
    assert equilibrium(system).mean_delay == pytest.approx(80, rel=1e-13)
    assert optimum(system).mean_delay == pytest.approx(64.6875, rel=1e-13)


def test_two_routes_of_two_links():
    rows = [[[1, 1, 0, 0], [0, 0, 1, 1]]]
    system = listed(polynomials([[0, 2], [3], [2], [0, 3]]), rows, [1])
    assert equilibrium(system).mean_delay == pytest.approx(3.8, rel=1e-13)
    assert optimum(system).mean_delay == pytest.approx(3.75, rel=1e-13)


@pytest.mark.parametrize(
    ("power", "ratio"), [(1, 4 / 3), (2, 1.6257523846), (4, 2.1505017649), (30, 7.3031587702)]
)
def test_a_power_beside_a_constant(power, ratio):
    system = listed(polynomials([[*[0] * power, 1], [1]]), [[[1, 0], [0, 1]]], [1])
    worse, best = equilibrium(system).mean_delay, optimum(system).mean_delay
    assert worse / best == pytest.approx(ratio, abs=6e-11)


def test_five_arcs_that_three_routes_share():
    capacity, slope = np.array([10, 12, 20, 15, 10.0]), np.array([0.1, 0.7, 0.9, 0.5, 0.1]) / 2
    base = np.array([4, 1, 2, 1, 6.0])
    # base + s x/(1 - x/c) is the delay of Pollaczek and Khinchine with k = s c^2
    arcs = MG1(capacity, cv=np.sqrt(2 * slope * capacity**2 - 1), delay=base - 1 / capacity)
    ends = [(0, 1), (0, 2), (2, 1), (1, 3), (2, 3)]
    system = network(arcs, ends, [(0, 3)], [20])
    assert optimum(system).mean_delay == pytest.approx(33.43648006, abs=6e-9)


def test_players_lie_between_the_optimum_and_the_equilibrium():
    system = listed(polynomials([[0, 1], [1]]), [[[1, 0], [0, 1]]], [1])
    for players in (1, 2, 3, 7, INF):
        # x + x/K = 1
        x = 1 / (1 + 1 / players)
        answer = equilibrium(system, players=players)
        # at infinitely many players the gap is the square of the distance from x = 1
        assert answer.flow.station_flow[0] == pytest.approx(x, rel=1e-10)
        assert answer.mean_delay == pytest.approx(x * x + 1 - x, rel=1e-10)


def test_one_group_of_parallel_servers_agrees_with_their_closed_form():
    bank = MM1([100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.02])
    for load in (1.0, 100.0, 300.0, 379.0):
        system = listed(bank, [np.eye(3)], [load])
        assert optimum(system).mean_delay == pytest.approx(
            parallel.optimum(bank, load).mean_delay, rel=1e-12
        )
        assert equilibrium(system).mean_delay == pytest.approx(
            parallel.equilibrium(bank, load).mean_delay, rel=1e-12
        )


def test_the_delay_of_each_group_is_the_mean_over_its_routes():
    system = listed(MM1([3.0, 5.0]), [[[1, 0]], [[0, 1]]], [1, 2], delay=[0.25, 0.0])
    answer = equilibrium(system)
    np.testing.assert_allclose(answer.group_delay, [0.75, 1 / 3], rtol=1e-14)
    assert answer.mean_delay == pytest.approx((0.75 + 2 / 3) / 3, rel=1e-14)


def random_bank(rng, n):
    """Return n stations of all families."""

    def family(kind, m):
        if kind == 0:
            return MM1(rng.uniform(0.5, 10, m), delay=rng.uniform(0, 0.5, m))
        if kind == 1:
            return MG1(rng.uniform(0.5, 10, m), cv=rng.uniform(0, 4, m))
        if kind == 2:
            return MMc(rng.uniform(0.5, 3, m), rng.integers(1, 12, m))
        if kind == 3:
            free = rng.uniform(0, 3, m) * (rng.random(m) < 0.9)
            return BPR(free, rng.uniform(0.5, 10, m), b=1.0, power=rng.choice([0, 1, 2.5, 4], m))
        if kind == 4:
            return Polynomial(rng.uniform(0, 2, (m, 4)) * (rng.random((m, 4)) < 0.6))
        return Constant(rng.uniform(0, 2, m))

    if rng.random() < 0.3:
        return family(int(rng.integers(3)), n)
    return as_latency(tuple(family(int(rng.integers(6)), 1) for _ in range(n)))


def random_system(seed):
    """Return servers, chains of stations or a graph, and up to six groups."""
    rng = np.random.default_rng(seed)
    groups, n = int(rng.integers(1, 7)), int(rng.integers(2, 13))
    load = rng.uniform(0.1, 1, groups) * 10 ** rng.uniform(-1, 1, groups)
    if seed % 3 == 2:
        nodes = int(rng.integers(3, 8))
        tail = np.concatenate([np.arange(nodes), rng.integers(0, nodes, n)])
        head = np.concatenate([np.roll(np.arange(nodes), -1), rng.integers(0, nodes, n)])
        origin = rng.integers(0, nodes, groups)
        destination = (origin + rng.integers(1, nodes, groups)) % nodes
        routes = GraphRoutes(nodes, tail, head, origin, destination)
        return RoutedSystem(random_bank(rng, tail.size), routes, load)
    rows = []
    for _ in range(groups):
        work = np.zeros((int(rng.integers(1, n + 1)), n))
        for row in work:
            length = 1 if seed % 3 else int(rng.integers(1, min(n, 4) + 1))
            stations = rng.choice(n, length, replace=False)
            row[stations] = rng.choice([1.0, 1.0, 2.0, 0.5], length)
        rows.append(work)
    delay = rng.uniform(0, 1, sum(map(len, rows)))
    return listed(random_bank(rng, n), rows, load, delay)


def largest_multiple(system):
    """Return the largest multiple of the loads, or 3 where any is possible."""
    most = capacity(system).lower
    return most if np.isfinite(most) else 3.0


@pytest.mark.parametrize("seed", some(30, often=5))
def test_random_systems_are_settled_to_rounding(seed):
    system = random_system(seed)
    most = largest_multiple(system)
    for used in (1e-3, 0.5, 0.9, 0.999):
        for players in (1.0, 4.0, INF):
            found = solve(system, players, used * most)
            assert_settled(system, used * most, found, players)


@pytest.mark.parametrize("short", [1e-6, 1e-9])
@pytest.mark.parametrize("seed", some(12, often=4))
def test_loads_next_to_the_largest_are_settled_as_far_as_floats_allow(seed, short):
    rng = np.random.default_rng(seed)
    groups, n = int(rng.integers(1, 7)), int(rng.integers(2, 9))
    bank = MM1(rng.uniform(0.5, 10, n))
    system = listed(bank, [np.eye(n)] * groups, rng.uniform(0.1, 1, groups))
    multiple = (1 - short) * float(np.sum(bank.rate) / np.sum(system.load))
    for players in (1.0, INF):
        found = solve(system, players, multiple)
        assert_settled(system, multiple, found, players)
        # all stations are nearly full; at the equilibrium they have the same spare capacity
        if players == INF:
            spare = bank.rate - found.station_flow
            np.testing.assert_allclose(spare, short * np.sum(bank.rate) / n, rtol=1e-13 / short)


@pytest.mark.parametrize("seed", some(12, often=4))
def test_a_start_from_another_multiple_has_the_answer_of_none(seed):
    system = random_system(seed)
    most = largest_multiple(system)
    for players in (1.0, INF):
        start = solve(system, players, 0.5 * most)
        for used in (0.4, 0.6, 0.95):
            warm = solve(system, players, used * most, start)
            assert_settled(system, used * most, warm, players)
            cold = certify(system, used * most, solve(system, players, used * most), players)
            assert certify(system, used * most, warm, players).mean_delay == pytest.approx(
                cold.mean_delay, rel=max(1e-11, cold.gap)
            )


@pytest.mark.parametrize("seed", range(12))
def test_polishing_improves_the_flow_of_a_solver(seed):
    system = random_system(seed)
    rng, multiple = np.random.default_rng(seed), 0.8 * largest_multiple(system)
    exact = solve(system, INF, multiple)
    near = RouteFlow(exact.columns, exact.flow * (1 + 1e-6 * rng.standard_normal(exact.flow.size)))
    found, steps = polish(system, INF, multiple, near)
    start = potential_gap(system, multiple, near.fitted(multiple * system.load), INF)
    assert potential_gap(system, multiple, found, INF) <= max(start, 1e-15)
    assert_settled(system, multiple, found.used(), INF)
    assert 0 <= steps <= 30


def test_polishing_adds_cheaper_routes_and_leaves_dear_ones():
    system = listed(MM1([4.0, 4.0, 0.5]), [np.eye(3)], [2.0])
    columns = system.routes.listed.only(np.array([0, 2]))
    found, _ = polish(system, INF, 1.0, RouteFlow(columns, np.array([1.6, 0.4])))
    np.testing.assert_allclose(found.station_flow, [1, 1, 0], atol=1e-13)


def test_polishing_a_flow_past_a_rate_returns_the_flow():
    system = listed(MM1([4.0, 1.0]), [np.eye(2)], [2.0])
    found, steps = polish(system, INF, 1.0, RouteFlow(system.routes.listed, np.array([0.0, 2.0])))
    assert steps == 0
    np.testing.assert_array_equal(found.flow, [0.0, 2.0])


def test_free_routes_cost_nothing():
    system = listed(Constant([0.0, 1.0]), [np.eye(2), np.eye(2)], [1, 2])
    answer = equilibrium(system)
    assert answer.mean_delay == 0.0
    assert answer.flow.station_flow[1] == 0.0


def test_too_much_load_is_refused_with_the_stations_that_limit_it():
    ends, pairs = [(0, 1), (1, 2), (0, 2)], [(0, 2)]
    system = network(MM1([5.0, 1.0, 2.0]), ends, pairs, [1.0])
    assert_settled(system, 2.999, solve(system, INF, 2.999), INF)
    for multiple in (3.0, 3.0003, 30.0):
        with pytest.raises(LoadError, match="is not below 3, the largest load for stations"):
            solve(system, INF, multiple)


def test_a_million_listed_routes_are_generated_and_not_all_taken():
    rng = np.random.default_rng(0)
    groups, n = 300, 300
    server = np.tile(np.arange(n), groups)
    work = csr_array((np.ones(server.size), server, np.arange(server.size + 1)))
    columns = Columns(np.repeat(np.arange(groups), n), work, rng.uniform(0, 1, server.size))
    bank = MM1(rng.uniform(5, 20, n))
    load = rng.uniform(0.5, 1.5, groups)
    load *= 0.9 * np.sum(bank.rate) / np.sum(load)
    system = RoutedSystem(bank, ListedRoutes(columns, groups), load)
    found = solve(system, 1.0)
    assert len(found.columns) < groups + 2 * n
    assert_settled(system, 1.0, found, 1.0)


@NEEDS_ROAD_FILES
def test_sioux_falls_has_its_published_answers():
    system = road_network("SiouxFalls").routed
    answer, best = equilibrium(system), optimum(system)
    potential = system.bank.potential(answer.flow.station_flow).sum()
    assert potential == pytest.approx(4231335.28710744, rel=1e-13)
    total = system.total_load
    assert answer.mean_delay * total == pytest.approx(7480225.34492, rel=1e-11)
    assert best.mean_delay * total == pytest.approx(7194256.052893, rel=1e-12)
    for players, ratio in ((2, 1.001500153), (4, 1.007033114), (10, 1.017147404)):
        some = equilibrium(system, players=players)
        assert some.mean_delay / best.mean_delay == pytest.approx(ratio, abs=6e-10)


@pytest.mark.parametrize("players", [1.0, 3.0, INF])
@pytest.mark.parametrize("fraction", [0.5, 0.7, 0.9, 0.99])
def test_many_routes_of_next_to_no_flow_do_not_stop_the_search(fraction, players):
    """Most routes are left out on the way, and stations without a route keep no flow."""
    rng = np.random.default_rng(2348)
    groups, stations = 20, 60
    rate, part = rng.uniform(50, 500, stations), rng.uniform(0.5, 1.5, groups)
    load = part * (fraction * rate.sum() / part.sum())
    rows, delay = [np.eye(stations)] * groups, rng.uniform(0, 0.05, groups * stations)
    found = equilibrium(listed(MM1(rate), rows, load, delay), players=players)
    assert found.certificate.potential_gap < 1e-13


def sparse_groups(groups, n, seed):
    """Return groups that can each reach some of the servers, of rates within a factor of 10."""
    rng = np.random.default_rng(seed)
    reached = rng.random((groups, n)) < 0.6
    reached[np.arange(groups), rng.integers(0, n, groups)] = True
    rows = [np.eye(n)[reach] for reach in reached]
    bank = MM1(100 * 10 ** rng.uniform(-0.5, 0.5, n))
    delay = rng.uniform(0, 0.05, np.count_nonzero(reached))
    return listed(bank, rows, rng.uniform(0.5, 1.5, groups), delay)


@pytest.mark.parametrize("short", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize("seed", some(12, often=1))
def test_thousands_of_routes_next_to_capacity_are_settled_to_rounding(seed, short):
    groups, n = ((50, 50), (30, 60), (30, 100))[seed % 3]
    system = sparse_groups(groups, n, seed)
    multiple = (1 - short) * capacity(system).lower
    for players in (1.0, INF):
        found = equilibrium(system, multiple, players)
        assert found.certificate.gap <= 1e-11
        assert len(found.flow.columns) <= groups + n
