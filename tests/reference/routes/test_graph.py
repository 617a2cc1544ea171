"""Cheapest routes in graphs, against all routes by enumeration; flows by origin as routes."""

import numpy as np
import pytest
from chunks import some
from graphs import all_routes, links_of, random_graph

from sojourn.reference.errors import InputError
from sojourn.reference.routes import GraphRoutes, RouteFlow


def random_price(rng: np.random.Generator, links: int) -> np.ndarray:
    price = rng.integers(0, 4, links) * rng.choice([1.0, 0.1])
    price[rng.random(links) < rng.choice([0.0, 0.0, 0.3])] = np.inf
    return price


@pytest.mark.parametrize("seed", some(150, often=15))
def test_the_cheapest_routes_are_the_least_of_all(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    for _ in range(3):
        price = random_price(rng, graph.stations)
        least, columns = graph.least_cost(price), graph.cheapest(price)
        assert columns.group.tolist() == list(range(graph.groups))
        for k, (o, d) in enumerate(zip(graph.origin, graph.destination, strict=True)):
            routes = all_routes(graph, o, d)
            assert least[k] == pytest.approx(min(sum(price[r]) for r in routes), rel=1e-15)
            assert sorted(links_of(columns, k)) in [sorted(r) for r in routes]
            assert sum(price[links_of(columns, k)]) == pytest.approx(least[k], rel=1e-15)
        assert np.all(columns.work.data == 1.0)


def test_of_routes_that_are_not_usable_the_one_with_the_fewest_such_links_is_returned():
    graph = GraphRoutes(3, np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([0]), np.array([2]))
    price = np.array([np.inf, np.inf, np.inf])
    assert np.isinf(graph.least_cost(price)).all()
    assert links_of(graph.cheapest(price), 0) == [2]


@pytest.mark.parametrize("bad", [-1e-300, np.nan, -np.inf])
def test_prices_below_zero_are_refused(bad):
    graph = GraphRoutes(2, np.array([0, 0]), np.array([1, 1]), np.array([0]), np.array([1]))
    for search in (graph.least_cost, graph.cheapest):
        with pytest.raises(InputError, match=r"price\[1\] = .*is negative or not a number"):
            search(np.array([1.0, bad]))


def test_a_destination_out_of_reach_has_an_infinite_cost():
    graph = GraphRoutes(3, np.array([0]), np.array([1]), np.array([0, 0]), np.array([1, 2]))
    assert graph.least_cost(np.array([2.0])).tolist() == [2.0, np.inf]


def test_routes_start_and_end_at_closed_nodes_but_do_not_pass_them():
    tail, head = np.array([0, 1, 0, 3, 1]), np.array([1, 2, 3, 2, 0])
    origin, destination = np.array([0, 0, 1, 1]), np.array([2, 1, 2, 0])
    price = np.array([1.0, 1.0, 10.0, 10.0, 1.0])
    free = GraphRoutes(4, tail, head, origin, destination)
    assert free.least_cost(price).tolist() == [2.0, 1.0, 1.0, 1.0]
    closed = GraphRoutes(4, tail, head, origin, destination, np.arange(4) < 2)
    assert closed.least_cost(price).tolist() == [20.0, 1.0, 1.0, 1.0]


def test_many_origins_are_searched_in_parts(monkeypatch):
    rng = np.random.default_rng(5)
    graph = random_graph(rng)
    price = random_price(rng, graph.stations)
    least, columns = graph.least_cost(price), graph.cheapest(price)
    monkeypatch.setattr("sojourn.reference.routes.graph.MAX_ENTRIES", 1)
    parted = GraphRoutes(
        graph.nodes, graph.tail, graph.head, graph.origin, graph.destination, graph.closed
    )
    assert len(parted._parts) == graph.origins.size > 1
    assert parted.least_cost(price).tolist() == least.tolist()
    assert parted.cheapest(price).keys == columns.keys


@pytest.mark.parametrize("seed", some(100, often=10))
def test_flows_by_origin_become_routes_that_carry_them(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    load = rng.uniform(0.1, 5.0, graph.groups)
    columns = graph.cheapest(random_price(rng, graph.stations))
    for _ in range(3):
        columns, _ = columns.joined(graph.cheapest(random_price(rng, graph.stations)))
    found = RouteFlow(columns, rng.uniform(0.0, 1.0, len(columns))).fitted(load)
    flows = graph.origin_flows(found)
    assert flows.sum(axis=0) == pytest.approx(found.station_flow, rel=1e-13)
    balance = np.asarray((graph.incidence @ flows.T).T)
    assert balance == pytest.approx(graph.demand(load), abs=1e-12 * load.sum())

    routes = graph.columns_of(flows)
    assert routes.columns.group_flow(routes.flow, load.size) == pytest.approx(load, rel=1e-11)
    assert np.all(graph.origin_flows(routes) <= flows * (1 + 1e-11) + 1e-11)
    for r, k in enumerate(routes.columns.group):
        of_group = all_routes(graph, graph.origin[k], graph.destination[k])
        assert links_of(routes.columns, r) in [sorted(route) for route in of_group]


def test_cycles_and_flow_from_nowhere_are_left_out():
    # 0 -> 1 -> 2 carries 3; 1 -> 3 -> 1 is a cycle; 4 -> 2 brings flow that node 4 never got
    tail, head = np.array([0, 1, 1, 3, 4]), np.array([1, 2, 3, 1, 2])
    graph = GraphRoutes(5, tail, head, np.array([0]), np.array([2]))
    found = graph.columns_of(np.array([[3.0, 3.0, 8.0, 8.0, 1.0]]))
    assert found.station_flow == pytest.approx([4.0, 4.0, 0.0, 0.0, 0.0])


def test_a_group_without_flow_has_a_route_all_the_same():
    graph = GraphRoutes(3, np.array([0, 1]), np.array([1, 2]), np.array([0, 0]), np.array([2, 1]))
    found = graph.columns_of(np.array([[5.0, 0.0]]))
    assert found.columns.group.tolist() == [0, 1]
    assert found.flow.tolist() == [0.0, 5.0]
    assert links_of(found.columns, 0) == [0, 1]
