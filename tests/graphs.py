"""Graphs whose routes can all be listed: the second method for searches in graphs."""

import numpy as np

from sojourn.reference.routes import GraphRoutes


def all_routes(graph: GraphRoutes, start: int, end: int) -> list[list[int]]:
    """Return every route without a node twice, as lists of links, by depth-first search."""
    found: list[list[int]] = []

    def extend(node: int, links: list[int], passed: set[int]) -> None:
        if node == end:
            found.append(links)
        elif node == start or not graph.closed[node]:
            for a in np.flatnonzero(graph.tail == node):
                head = int(graph.head[a])
                if head not in passed:
                    extend(head, [*links, int(a)], passed | {head})

    extend(start, [], {start})
    return found


def random_graph(rng: np.random.Generator) -> GraphRoutes:
    """Return a graph of few nodes with parallel links, loops and closed nodes, and its groups."""
    nodes = int(rng.integers(2, 7))
    ring = np.arange(nodes)
    extra = rng.integers(0, nodes, (2, int(rng.integers(1, 12))))
    tail = np.concatenate([ring, extra[0]])
    head = np.concatenate([(ring + 1) % nodes, extra[1]])
    closed = rng.random(nodes) < rng.choice([0.0, 0.3])
    pairs = [(o, d) for o in range(nodes) for d in range(nodes) if o != d]
    whole = GraphRoutes(nodes, tail, head, *np.array(pairs).T, closed)
    pairs = [pair for pair in pairs if all_routes(whole, *pair)]
    chosen = rng.permutation(len(pairs))[: max(1, int(rng.integers(0, len(pairs) + 1)))]
    origin, destination = np.array(pairs)[chosen].T
    return GraphRoutes(nodes, tail, head, origin, destination, whole.closed)


def links_of(columns, r):
    """Return the links of a route, ascending."""
    return columns.work.indices[columns.work.indptr[r] : columns.work.indptr[r + 1]].tolist()
