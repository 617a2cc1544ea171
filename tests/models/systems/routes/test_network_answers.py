"""Answers of small networks, against the conditions on all their routes, listed one by one."""

import numpy as np
import pytest
from chunks import some
from graphs import all_routes, links_of, random_graph

from sojourn.models import BPR, MG1, MM1, Constant, LoadError, MMc, Polynomial
from sojourn.models.benchmarks.speed.networks import grid
from sojourn.models.systems.routes import Network

ENDS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]


def check(network, solution, price, rounding):
    """Assert that each group has its load on routes of least price, by a list of all its routes.

    Parameters
    ----------
    price : ndarray
        Latency of each link at the flows of an equilibrium, marginal delay at an optimum.
    rounding : float
        Relative error of the sum of prices.
    """
    graph, found = network.routed.routes, solution.route_flow
    load = found.columns.group_flow(found.flow, len(network.groups))
    assert np.all(found.flow >= 0)
    assert load == pytest.approx(network.group_load, rel=1e-12)
    assert solution.station_flow == pytest.approx(found.station_flow, rel=1e-12, abs=1e-300)
    least = np.empty(load.size)
    for k, pair in enumerate(zip(graph.origin, graph.destination, strict=True)):
        routes = [sorted(route) for route in all_routes(graph, *pair)]
        least[k] = min(sum(price[route]) for route in routes)
        for r in np.flatnonzero((found.columns.group == k) & (found.flow > 0)):
            assert links_of(found.columns, r) in routes
    paid = float(price @ found.station_flow)
    assert paid == pytest.approx(float(least @ load), rel=rounding)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_a_street_grid_is_solved_a_hundredth_of_a_percent_below_capacity(goal):
    network = grid(8).queues
    largest = network.max_load
    found = getattr(network, goal)((1 - 1e-4) * largest)
    assert found.certified
    assert found.solver == "INTERIOR-POINT"
    assert found.utilisation.max() > 1 - 1e-3
    with pytest.raises(LoadError, match="largest load for stations"):
        getattr(network, goal)((1 + 1e-4) * largest)


def random_bank(rng, links, load, free):
    """Return banks of links of several families, each of which can carry all of the load.

    With `free` some have latency 0.
    """
    split = rng.integers(0, 6, links)
    least = 0 if free else 1
    counts = np.bincount(split, minlength=6)
    rate = [load * rng.uniform(1.1, 3.0, n) for n in counts]
    time = [rng.uniform(0.1, 5.0, n) / load for n in counts]
    makers = [
        lambda: MM1(rate[0], delay=time[0] * rng.integers(least, 2, counts[0])),
        lambda: MG1(rate[1], cv=rng.uniform(0, 3, counts[1])),
        lambda: BPR(
            time[2] * rng.integers(least, 2, counts[2]), rate[2], power=rng.choice([1, 4, 0])
        ),
        lambda: Polynomial(np.column_stack([time[3], rng.uniform(0, 2, counts[3]) / load**2])),
        lambda: Constant(time[4] * rng.integers(least, 2, counts[4])),
        lambda: MMc(rate[5] / 2, servers=2),
    ]
    return [make() for make, n in zip(makers, counts, strict=True) if n]


def random_network(seed, *, free=True):
    """Return a network with several origins, closed nodes, and parallel, free and looping links."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    load = 10.0 ** rng.uniform(-3, 3)
    loads = load * rng.dirichlet(np.ones(graph.groups))
    pairs = zip(graph.origin.tolist(), graph.destination.tolist(), strict=True)
    order = rng.permutation(graph.stations)
    return Network(
        *random_bank(rng, graph.stations, load, free),
        ends=list(zip(graph.tail[order].tolist(), graph.head[order].tolist(), strict=True)),
        load=dict(zip(pairs, loads.tolist(), strict=True)),
        closed=np.flatnonzero(graph.closed).tolist(),
    )


@pytest.mark.parametrize("seed", some(40, quick=2, often=4))
def test_every_group_takes_routes_of_least_price(seed):
    network = random_network(seed)
    equilibrium = network.equilibrium()
    check(network, equilibrium, network.bank.latency(equilibrium.station_flow), 1e-9)
    optimum = network.optimum()
    check(network, optimum, network.bank.marginal(optimum.station_flow), 1e-8)
    assert optimum.mean_delay <= equilibrium.mean_delay * (1 + 1e-9)


@pytest.mark.parametrize("seed", some(30, quick=2, often=3))
def test_formulations_agree_on_networks(seed):
    network = random_network(40 + seed, free=False)
    options = {"polish": False, "solver": "CLARABEL", "gap": 1e-5}
    columns, nodes = (network.optimum(formulation=f, **options) for f in ("columns", "node_arc"))
    assert columns.mean_delay == pytest.approx(nodes.mean_delay, rel=2e-5)


def test_braess_a_bridge_makes_six_travellers_slower():
    roads = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])
    network = Network(roads, ends=ENDS, load={("s", "t"): 6.0})
    equilibrium, optimum = network.equilibrium(), network.optimum()
    assert equilibrium.mean_delay == pytest.approx(92.0, rel=1e-9)
    assert equilibrium.station_flow == pytest.approx([4.0, 2.0, 2.0, 2.0, 4.0], rel=1e-6)
    assert optimum.mean_delay == pytest.approx(498 / 6, rel=1e-9)
    kept = [0, 1, 3, 4]
    without = Network(roads.take(kept), ends=[ENDS[a] for a in kept], load={("s", "t"): 6.0})
    assert without.equilibrium().mean_delay == pytest.approx(83.0, rel=1e-9)


def test_a_free_shortcut_makes_four_thousand_cars_slower():
    roads = Polynomial([[0, 0.01], [45, 0], [0, 0], [45, 0], [0, 0.01]])
    network = Network(roads, ends=ENDS, load={("s", "t"): 4000.0}, time_unit="min")
    assert network.equilibrium().mean_delay == pytest.approx(80.0, rel=1e-9)
    assert network.optimum().mean_delay == pytest.approx(64.6875, rel=1e-9)
    kept = [0, 1, 3, 4]
    without = Network(roads.take(kept), ends=[ENDS[a] for a in kept], load={("s", "t"): 4000.0})
    assert without.equilibrium().mean_delay == pytest.approx(65.0, rel=1e-9)


def test_closed_nodes_change_the_equilibrium():
    # from a to c over b, or over d and e; b may not be passed
    ends = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")]
    bank, load = MM1([50.0, 50, 40, 40]), {("a", "c"): 30.0, ("a", "b"): 5.0}
    free, closed = (Network(bank, ends=ends, load=load, closed=c) for c in ((), ("b",)))
    assert free.equilibrium().station_flow[1] > 10
    assert closed.equilibrium().station_flow == pytest.approx([5.0, 0.0, 30.0, 30.0])
    assert closed.equilibrium().group_delay == pytest.approx([0.2, 1 / 45])


def test_parallel_links_of_queues_share_the_load_like_parallel_servers():
    from sojourn.models import ParallelServers

    bank = MM1([100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020])
    network = Network(bank, ends=[("a", "b")] * 3, load={("a", "b"): 100.0})
    servers = ParallelServers(bank)
    for question in ("optimum", "equilibrium"):
        ours, theirs = getattr(network, question)(), getattr(servers, question)(100.0)
        assert ours.mean_delay == pytest.approx(theirs.mean_delay, rel=1e-9)
        assert ours.station_flow == pytest.approx(theirs.flow, rel=1e-6, abs=1e-6)
