"""The largest multiple of the loads: exact, proved from both sides, and refused by name."""

import numpy as np
import pytest
from exact_routes import example, largest_multiple
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, kron

from sojourn.models import BPR, Constant
from sojourn.reference import MM1, LoadError, MixedBank
from sojourn.reference.routes import Columns, GraphRoutes, ListedRoutes, RoutedSystem, utilisation
from sojourn.reference.routes import lengths as module
from sojourn.reference.routes.capacity import (
    capacity,
    check_multiple,
    lower_multiple,
    shortest_between,
    upper_multiple,
)
from sojourn.reference.routes.transportation import transported

EXACT = 1e-12  # relative distance of both bounds


def groups(allowed, rate, load, work=None, bank=None):
    """Return a system of groups that each use one of the allowed stations."""
    group, station = np.nonzero(allowed)
    data = np.ones(station.size) if work is None else np.asarray(work)[station]
    shape = station.size, len(rate)
    rows = csr_array((data, station, np.arange(station.size + 1)), shape=shape)
    columns = Columns(group, rows, np.linspace(0, 1, station.size))
    return RoutedSystem(
        bank or MM1(rate), ListedRoutes(columns, len(load)), np.asarray(load, dtype=float)
    )


def check(system, expected=None):
    """Check that the bounds of the capacity are next to each other and right."""
    found = capacity(system)
    assert found.lower <= found.multiple <= found.upper
    assert found.upper / found.lower - 1 < EXACT
    carried = found.flow.columns.group_flow(found.flow.flow, system.load.size)
    assert carried == pytest.approx(system.load, rel=1e-14)
    assert np.min(found.flow.flow) >= 0
    assert lower_multiple(system, found.flow) == found.lower
    assert upper_multiple(system, found.price)[0] == pytest.approx(found.upper, rel=1e-14)
    if expected is not None:
        assert found.multiple == pytest.approx(expected, rel=1e-12)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_random_systems_are_exact(seed):
    case = example(np.random.default_rng(seed), ("mm1", "mg1", "power", "constant"))
    if np.isinf(case.capacity):
        assert capacity(case.system).multiple == np.inf
        check_multiple(case.system, 1e9)
    else:
        found = check(case.system)
        assert found.multiple == pytest.approx(case.capacity, rel=1e-8)
        assert set(found.limiting) <= set(np.flatnonzero(np.isfinite(case.system.bank.rate)))


@pytest.mark.parametrize("seed", range(30))
def test_maximum_flows_agree_with_the_linear_program(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 12)), int(rng.integers(1, 15))
    allowed = rng.random((k, n)) < rng.uniform(0.1, 0.9)
    allowed[np.arange(k), rng.integers(0, n, k)] = True
    rate, load = 10 ** rng.uniform(-2, 2, n), 10 ** rng.uniform(-2, 2, k)
    work = rng.choice([1.0, 2.0, 0.7], n) if seed % 2 else None
    flows, again = (groups(allowed, rate, load, work) for _ in range(2))
    found = check(flows)
    monkeypatch.setattr(module, "uses_one_station", lambda *_: False)
    assert check(again).multiple == pytest.approx(found.multiple, rel=1e-12)
    assert largest_multiple(flows) == pytest.approx(found.multiple, rel=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_columns_give_the_answer_of_the_whole_list(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    stations, k, routes = 8, 12, 120
    rows = (rng.random((routes, stations)) < 0.4) * rng.choice([1.0, 1.0, 2.0], (routes, stations))
    rows[np.arange(routes), rng.integers(0, stations, routes)] = 1.0
    group = np.sort(np.concatenate([np.arange(k), rng.integers(0, k, routes - k)]))
    columns = Columns(group, csr_array(rows), rng.random(routes))
    rate, load = rng.uniform(1, 10, stations), rng.uniform(0.1, 1, k)
    whole, grown = (RoutedSystem(MM1(rate), ListedRoutes(columns, k), load) for _ in range(2))
    found = check(whole)
    monkeypatch.setattr(module, "AT_ONCE", 0)
    again = check(grown)
    assert again.multiple == pytest.approx(found.multiple, rel=1e-12)
    columns.places(again.flow.columns)  # with the fixed delays


@pytest.mark.parametrize("seed", range(8))
def test_graphs_agree_with_the_program_by_origin(seed):
    rng = np.random.default_rng(seed)
    nodes, links = 8, 24
    ring = np.arange(nodes)
    tail = np.concatenate([ring, rng.integers(0, nodes, links)])
    head = np.concatenate([(ring + 1) % nodes, rng.integers(0, nodes, links)])
    tail, head = tail[tail != head], head[tail != head]
    pairs = np.array([(o, d) for o in range(nodes) for d in range(nodes) if o != d])
    pairs = pairs[rng.random(len(pairs)) < 0.4]
    graph = GraphRoutes(nodes, tail, head, pairs[:, 0], pairs[:, 1])
    rate, load = rng.uniform(1, 10, tail.size), rng.uniform(0.1, 1, len(pairs))
    system = RoutedSystem(MM1(rate), graph, load)
    assert check(system).multiple == pytest.approx(by_origin(system), rel=1e-8)


def by_origin(system):
    """Return the largest multiple from the program of the flows by origin."""
    graph, rate = system.routes, system.bank.rate
    origins, size = graph.origins.size, rate.size
    balance = kron(eye_array(origins), graph.incidence)
    demand = graph.demand(system.load).ravel()
    equal = hstack([balance, csr_array((demand.size, 1))], format="csr")
    limits = hstack([kron(np.ones((1, origins)), eye_array(size)), -rate[:, None]], format="csr")
    cost = np.append(np.zeros(origins * size), 1.0)
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    answer = linprog(cost, limits, np.zeros(size), equal, demand, method="highs-ds", options=tight)
    return 1 / answer.fun


@pytest.mark.parametrize("seed", range(3))
def test_a_street_grid_agrees_with_the_program_by_origin(seed):
    rng = np.random.default_rng(seed)
    side = 6
    node = np.arange(side * side).reshape(side, side)
    one = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    other = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    zones = rng.choice(node.size, 9, replace=False)
    ends = (zones[i] for i in np.nonzero(~np.eye(9, dtype=bool)))
    graph = GraphRoutes(node.size, np.append(one, other), np.append(other, one), *ends)
    rate = np.ones(2 * one.size) if seed == 0 else rng.uniform(1, 3, 2 * one.size)
    system = RoutedSystem(MM1(rate), graph, rng.uniform(0.5, 1.5, graph.groups))
    most = check(system).multiple
    assert most == pytest.approx(by_origin(system), rel=1e-9)
    again = RoutedSystem(system.bank, graph, system.load)
    check_multiple(again, most * (1 - 1e-4))
    with pytest.raises(LoadError, match="is not below"):
        check_multiple(again, most * (1 + 1e-4))


def regions():
    """Return two regions of which one has few servers of its own."""
    allowed = [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    system = groups(np.array(allowed), [10.0, 5.0, 100.0], [12.0, 8.0, 5.0])
    names = ("north 1", "north 2", "south"), ("a", "b", "c")
    return RoutedSystem(system.bank, system.routes, system.load, *names)


def test_the_cut_and_its_groups_are_named():
    found = check(regions(), 0.75)
    assert found.multiple == 0.75
    assert found.max_load == 18.75
    assert found.limiting.tolist() == [0, 1]
    assert found.concerned.tolist() == [0, 1]
    with pytest.raises(LoadError) as error:
        check_multiple(regions(), 0.8)
    assert error.value.field == "load"
    assert error.value.value == pytest.approx(20.0)
    assert error.value.problem == (
        "is not below 18.75, the largest load for stations 'north 1' and 'north 2', "
        "which groups 'a' and 'b' cannot avoid"
    )
    assert (
        error.value.remedy == "give less than 0.75 times the loads of the groups, or add capacity"
    )


def test_a_hundredth_of_a_percent_decides():
    rng = np.random.default_rng(5)
    for _ in range(10):
        case = example(rng, ("mm1", "mg1"))
        check_multiple(case.system, case.capacity * (1 - 1e-4))
        check_multiple(case.system, case.capacity * (1 - 1e-7))
        for part in (1e-4, 1e-7):
            with pytest.raises(LoadError, match="is not below"):
                check_multiple(case.system, case.capacity * (1 + part))
    with pytest.raises(LoadError):
        check_multiple(regions(), 0.75)


def test_a_load_far_below_capacity_needs_no_linear_program(monkeypatch):
    rng = np.random.default_rng(1)
    tail, head = np.array([0, 0, 1, 2, 1]), np.array([1, 2, 3, 3, 2])
    graph = GraphRoutes(4, tail, head, np.array([0]), np.array([3]))
    systems = [RoutedSystem(MM1(rng.uniform(5, 6, 5)), graph, np.ones(1)) for _ in range(2)]
    most = capacity(systems[0]).multiple
    monkeypatch.setattr(module, "least_use", None)
    check_multiple(systems[0], 0.999 * most)  # known
    again = RoutedSystem(systems[0].bank, graph, np.ones(1))
    check_multiple(again, 0.5 * most)
    with pytest.raises(TypeError):
        check_multiple(again, 0.999 * most)


def test_a_load_between_the_bounds_is_refused(monkeypatch):
    monkeypatch.setattr(utilisation, "MOST_ITERATIONS", 2)
    tail, head = np.array([0, 0, 1, 2, 1]), np.array([1, 2, 3, 3, 2])
    graph = GraphRoutes(4, tail, head, np.array([0]), np.array([3]))
    system = RoutedSystem(MM1([5.0, 4.0, 3.0, 2.0, 6.0]), graph, np.ones(1))
    found = capacity(system)
    assert found.lower * (1 + 1e-6) < 5.0 < found.upper * (1 - 1e-9)
    check_multiple(system, found.lower * (1 - 1e-9))
    with pytest.raises(LoadError, match="the largest load is between"):
        check_multiple(system, 0.5 * (found.lower + found.upper))
    with pytest.raises(LoadError, match="is not below"):
        check_multiple(system, found.upper)


def test_many_stations_are_counted():
    system = groups(np.ones((1, 9), dtype=bool), np.ones(9), [20.0])
    with pytest.raises(LoadError, match=r"'station 5' and 4 more; give less than 0\.45 times"):
        check_multiple(system, 1.0)


def test_stations_without_a_rate_limit_nothing():
    bank = BPR(free_flow=[1.0, 2.0], capacity=[1.0, 1.0])
    free = groups(np.ones((2, 2)), [1, 1], [3.0, 4.0], bank=bank)
    assert capacity(free).multiple == capacity(free).upper == np.inf
    assert capacity(free).limiting.size == 0
    assert capacity(free).flow.flow.tolist() == [3.0, 4.0]
    check_multiple(free, 1e12)
    # one group has a way around the queue, the other has not
    mixed = groups(
        np.array([[1, 1], [1, 0]]), [1, 1], [3.0, 4.0], bank=MixedBank([MM1(8.0), Constant(1.0)])
    )
    found = check(mixed, 2.0)
    assert found.concerned.tolist() == [1]
    assert found.limiting.tolist() == [0]


def test_stations_of_very_different_rates_are_exact():
    rate = 10.0 ** np.arange(-6, 7)
    allowed = np.tri(13, dtype=bool)
    found = check(groups(allowed, rate, rate[::-1] * 2.0))
    assert found.limiting.tolist() == [0]
    assert found.multiple == pytest.approx(rate[0] / (2 * rate[-1]), rel=1e-12)


def test_equal_routes_share_the_flow_of_their_group():
    work = csr_array(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    columns = Columns(np.zeros(3, dtype=np.intp), work, np.zeros(3))
    flow, length = transported(columns, np.array([6.0]), np.array([2.0, 1.0]))
    assert flow == pytest.approx([2.0, 2.0, 2.0], rel=1e-14)
    assert length.tolist() == [1.0, 1.0]


def test_any_lengths_prove_an_upper_bound():
    rng = np.random.default_rng(2)
    system = regions()
    for _ in range(50):
        assert upper_multiple(system, rng.exponential(size=3))[0] >= 0.75
    for useless in ([0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [np.nan, -1.0, 0.0]):
        assert upper_multiple(system, np.array(useless))[0] == np.inf


def test_the_shortest_number_between_bounds():
    assert shortest_between(199.99999999999994, 200.00000000000009) == 200.0
    assert shortest_between(1 / 3 - 1e-13, 1 / 3 + 1e-13) == pytest.approx(1 / 3, rel=1e-12)
    assert shortest_between(2.5, np.inf) == 2.5
