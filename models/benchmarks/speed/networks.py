"""Systems with routes for the timings: street grids, groups and servers, roads from files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ....reference.errors import Array
from ... import BPR, MM1, Latency
from ...systems.routes import Groups, Network

Index = npt.NDArray[np.intp]
FOLDER = "SOJOURN_TNTP"
"""Environment variable with the folder of road networks in the TNTP format."""
SPARE = 1.25  # rates over a feasible flow, so that all loads times 1.25 fit
TRIES = 8  # random prices, whose cheapest routes the feasible flow uses alike


def road_files(name: str) -> tuple[Path, Path]:
    """Return the files of links and trips of a road network; skip the timing without them."""
    folder = os.environ.get(FOLDER)
    if not folder:
        pytest.skip(f"road networks such as SiouxFalls: {FOLDER} names no folder with their files")
    files = tuple(Path(folder) / f"{name}_{part}.tntp" for part in ("net", "trips"))
    for file in files:
        if not file.is_file():
            pytest.skip(f"{name}: the folder of {FOLDER} has no {file.name}")
    return files[0], files[1]


def groups(count: int, servers: int, fraction: float) -> Groups:
    """Return groups at random distances, 0 to 50 ms, from M/M/1 servers of 50 to 500 jobs/s.

    Parameters
    ----------
    count : int
        Number of groups.
    servers : int
        Number of servers.
    fraction : float
        Sum of the loads over the sum of the rates.
    """
    rng = np.random.default_rng(2348)
    rate, delay = rng.uniform(50, 500, servers), rng.uniform(0, 0.05, (count, servers))
    part = rng.uniform(0.5, 1.5, count)
    return Groups(MM1(rate), load=part * (fraction * rate.sum() / part.sum()), delay=delay)


@dataclass(frozen=True, eq=False)
class Grid:
    """Numbers of a street grid with links in both directions, and loads between its zones.

    Attributes
    ----------
    tail, head : ndarray of int, shape (A,)
        Ends of the links.
    delay, rate : ndarray, shape (A,)
        Fixed delay of each link, and the load that it has to stay below.
    load : dict
        Load by origin and destination.
    """

    tail: Index
    head: Index
    delay: Array
    rate: Array
    load: dict[tuple[int, int], float]

    def network(self, links: Latency) -> Network:
        """Return the network with these links; nothing is kept from an earlier one."""
        ends = list(zip(self.tail.tolist(), self.head.tolist(), strict=True))
        return Network(links, ends=ends, load=self.load)

    @property
    def queues(self) -> Network:
        """The network with M/M/1 links."""
        return self.network(MM1(self.rate, self.delay))

    @property
    def roads(self) -> Network:
        """The network with the latency of roads, whose practical capacity is 0.8 of the rates."""
        return self.network(BPR(self.delay, 0.8 * self.rate))


def grid(side: int) -> Grid:
    """Return a grid of side x side nodes, 4 side (side - 1) links, and 2 side zones.

    Each zone sends a random load to each other one. The rates are 1.25 to 1.9 times a flow that
    carries these loads, so that they fit.
    """
    rng = np.random.default_rng(2348)
    node = np.arange(side * side).reshape(side, side)
    one = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    other = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    tail, head = np.concatenate([one, other]), np.concatenate([other, one])
    time = rng.uniform(1, 3, tail.size)
    zones = np.sort(rng.choice(node.size, 2 * side, replace=False))
    origin, destination = (zones[i] for i in np.nonzero(~np.eye(zones.size, dtype=bool)))
    load = rng.uniform(0.5, 1.5, origin.size)
    prices = (time * rng.uniform(0.7, 1.3, tail.size) for _ in range(TRIES))
    flows = [_all_on_cheapest(tail, head, price, origin, destination, load) for price in prices]
    flow = np.mean(flows, axis=0)
    rate = SPARE * np.maximum(flow, 0.2 * flow.mean()) * rng.uniform(1, 1.5, tail.size)
    pairs = zip(origin.tolist(), destination.tolist(), strict=True)
    loads = dict(zip(pairs, load.tolist(), strict=True))
    return Grid(tail, head, time / rate.mean(), rate, loads)


def _all_on_cheapest(
    tail: Index, head: Index, price: Array, origin: Index, destination: Index, load: Array
) -> Array:
    """Return the flow of the links, shape (A,), where each load takes its cheapest route."""
    nodes = int(head.max()) + 1
    graph = csr_array((price, (tail, head)), shape=(nodes, nodes))
    link = csr_array((np.arange(1, tail.size + 1), (tail, head)), shape=(nodes, nodes)).todense()
    starts, row = np.unique(origin, return_inverse=True)
    before = dijkstra(graph, indices=starts, return_predecessors=True)[1]
    flow, at = np.zeros(tail.size), destination.copy()
    while (far := np.flatnonzero(at != origin)).size:
        last = before[row[far], at[far]]
        flow += np.bincount(link[last, at[far]] - 1, weights=load[far], minlength=tail.size)
        at[far] = last
    return flow
