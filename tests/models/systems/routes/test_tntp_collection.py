"""Road networks of the collection TransportationNetworks, from a folder of the environment."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from road_files import FOLDER, NEEDS_ROAD_FILES, road_network

from sojourn.models import Network

pytestmark = NEEDS_ROAD_FILES

SIZES = {  # groups, links, closed nodes, sum of the loads between zones
    "Braess": (1, 5, 0, 6.0),
    "SiouxFalls": (528, 76, 0, 360600.0),
    "EMA": (1113, 258, 0, 65576.37543099989),
    "Anaheim": (1406, 914, 38, 104694.4),
    "Barcelona": (7922, 2522, 110, 184679.561),
}
POTENTIAL = {"SiouxFalls": 4231335.28710744, "Anaheim": 1286032.171096, "EMA": 26160.345923}
ANARCHY = {"SiouxFalls": 1.0397496683, "Anaheim": 1.0178483836, "EMA": 1.031382412}


@cache
def solved(name, question="equilibrium", **options):
    return getattr(road_network(name), question)(**options)


def potential(network, solution):
    return network.bank.potential(solution.station_flow).sum()


@pytest.mark.parametrize("name", SIZES)
def test_every_file_is_road_network(name):
    network, (groups, links, closed, load) = road_network(name), SIZES[name]
    assert (len(network.groups), len(network.stations)) == (groups, links)
    assert len(network.closed) == closed
    assert network.load == pytest.approx(load, rel=1e-12)


@pytest.mark.parametrize("name", ["SiouxFalls", "Anaheim"])
def test_published_flows_are_equilibria_of_the_networks_as_road_network(name):
    network = road_network(name)
    lines = (Path(FOLDER) / f"{name}_flow.tntp").read_text().split("\n")[1:]
    rows = [line.replace(":", " ").split() for line in lines if line.strip(" ;")]
    flows = {(int(first), int(last)): float(flow) for first, last, flow, *_ in rows}
    published = np.array([flows[end] for end in network.ends])
    assert network.bank.potential(published).sum() == pytest.approx(POTENTIAL[name], rel=1e-12)
    time = network.bank.latency(published)
    least = network.routed.routes.least_cost(time) @ network.group_load
    assert time @ published == pytest.approx(least, rel=1e-13)
    assert solved(name).station_flow == pytest.approx(published, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("name", POTENTIAL)
def test_equilibria_have_the_published_potential(name):
    equilibrium = solved(name)
    assert potential(road_network(name), equilibrium) == pytest.approx(POTENTIAL[name], rel=1e-11)
    assert equilibrium.potential_gap < 1e-12


@pytest.mark.parametrize("name", ANARCHY)
def test_prices_of_anarchy_are_the_known_ones(name):
    ratio = solved(name).mean_delay / solved(name, "optimum").mean_delay
    assert ratio == pytest.approx(ANARCHY[name], rel=1e-9)


def test_sioux_falls_has_the_known_costs_and_players():
    load = road_network("SiouxFalls").load
    optimum = solved("SiouxFalls", "optimum").mean_delay * load
    assert optimum == pytest.approx(7194256.052893, rel=1e-12)
    assert solved("SiouxFalls").mean_delay * load == pytest.approx(7480225.34492, rel=1e-12)
    for players, ratio in {1: 1.0, 2: 1.001500153, 4: 1.007033114, 10: 1.017147404}.items():
        cost = solved("SiouxFalls", players=players).mean_delay * load
        assert cost / optimum == pytest.approx(ratio, rel=1e-9)


def test_anaheim_through_its_zones_would_have_a_lower_potential():
    network = road_network("Anaheim")
    loads = dict(zip(network.pairs, network.group_load.tolist(), strict=True))
    free = Network(network.bank, ends=network.ends, load=loads)
    assert potential(free, free.equilibrium()) < 0.95 * POTENTIAL["Anaheim"]


def test_braess_is_the_textbook_example():
    assert solved("Braess").mean_delay == pytest.approx(92.0, rel=1e-7)
    assert solved("Braess", "optimum").mean_delay == pytest.approx(83.0, rel=1e-7)


@pytest.mark.exhaustive
def test_barcelona_is_certified():
    equilibrium = solved("Barcelona")
    assert equilibrium.potential_gap < 1e-12
    assert equilibrium.certificate.gap < 1e-6
