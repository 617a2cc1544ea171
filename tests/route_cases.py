"""Small random systems with routes: groups at servers, and networks with all routes listed."""

import numpy as np
from graphs import all_routes, random_graph
from scipy.sparse import csr_array

from sojourn.models import BPR, MG1, MM1, Constant, Groups, MMc, Network, Polynomial
from sojourn.reference.routes import Columns, ListedRoutes, RoutedSystem


def random_bank(rng, stations, load):
    """Return stations of several families, each of which can carry all of the load."""
    counts = np.bincount(rng.integers(0, 6, stations), minlength=6)
    rate = [load * rng.uniform(1.1, 3.0, n) for n in counts]
    time = [rng.uniform(0.1, 5.0, n) / load for n in counts]
    makers = [
        lambda: MM1(rate[0], delay=time[0] * rng.integers(0, 2, counts[0])),
        lambda: MG1(rate[1], cv=rng.uniform(0, 3, counts[1])),
        lambda: BPR(time[2], rate[2], power=rng.choice([1, 4])),
        lambda: Polynomial(np.column_stack([time[3], rng.uniform(0.1, 2, counts[3]) / load**2])),
        lambda: Constant(time[4]),
        lambda: MMc(rate[5] / 2, servers=2),
    ]
    return [make() for make, n in zip(makers, counts, strict=True) if n]


def random_groups(rng):
    """Return groups at a few servers, some of which each group may not use."""
    groups, n = int(rng.integers(1, 5)), int(rng.integers(2, 7))
    load = 10.0 ** rng.uniform(-2, 3)
    delay = rng.uniform(0, 3, (groups, n)) / load
    delay[rng.random((groups, n)) < 0.2] = np.inf
    delay[np.arange(groups), rng.integers(0, n, groups)] = 0.0
    loads = load * rng.dirichlet(np.ones(groups))
    return Groups(*random_bank(rng, n, load), load=loads, delay=delay)


def random_network(rng):
    """Return a network of few nodes with several origins."""
    graph = random_graph(rng)
    load = 10.0 ** rng.uniform(-2, 3)
    loads = load * rng.dirichlet(np.ones(graph.groups))
    ends = list(zip(graph.tail.tolist(), graph.head.tolist(), strict=True))
    pairs = zip(graph.origin.tolist(), graph.destination.tolist(), strict=True)
    closed = [] if graph.closed is None else np.flatnonzero(graph.closed).tolist()
    named = {node for pair in ends for node in pair}
    return Network(
        *random_bank(rng, len(ends), load),
        ends=ends,
        load=dict(zip(pairs, loads.tolist(), strict=True)),
        closed=[node for node in closed if node in named],
    )


def listed(system):
    """Return a system with all its routes as a list."""
    routes = system.routes
    if routes.listed is not None:
        return system
    group, rows = [], []
    for k, pair in enumerate(zip(routes.origin, routes.destination, strict=True)):
        for links in all_routes(routes, *pair):
            group.append(k)
            rows.append(np.bincount(links, minlength=routes.stations).astype(float))
    columns = Columns(np.array(group), csr_array(np.array(rows)), np.zeros(len(group)))
    return RoutedSystem(system.bank, ListedRoutes(columns, system.load.size), system.load)


def random_flow(rng, system, load):
    """Return a random flow of each listed route, with the loads of the groups as sums."""
    columns = system.routes.listed
    x = rng.exponential(size=len(columns)) * (rng.random(len(columns)) < 0.7) + 1e-9
    return x * (load / columns.group_flow(x, load.size))[columns.group]
