"""Networks from DataFrames and from graphs of networkx."""

import numpy as np
import pandas as pd
import pytest

from sojourn.models import BPR, MM1, InputError
from sojourn.models.systems.routes import Network

LINKS = pd.DataFrame(
    {
        "from": ["a", "b", "a"],
        "to": ["b", "c", "c"],
        "free_flow": [4.0, 3.0, 15.0],
        "capacity": [1800, 800, 500],
        "b": [0.15, 0.5, 0.15],
        "name": ["x", "y", "z"],
    }
)
LOAD = {("a", "c"): 700.0}


class Graph:
    """The part of a graph of networkx that is read, with parallel edges."""

    def __init__(self, edges, nodes=(), *, directed=True):
        self._edges, self.directed = edges, directed
        self._nodes = dict(nodes)

    def is_directed(self):
        return self.directed

    def edges(self, data):
        assert data is True
        return iter(self._edges)

    def nodes(self, data):
        return [(node, values.get(data)) for node, values in self._nodes.items()]


EDGES = [
    ("a", "b", {"rate": 10.0, "delay": 0.1}),
    ("b", "c", {"rate": 20, "colour": "red"}),
    ("a", "b", {"rate": 5.0, "delay": 0.0}),
]


def test_a_family_takes_its_parameters_from_the_columns():
    network = Network.from_dataframe(LINKS, LOAD, time_unit="min", closed=["a"])
    assert network.stations == ("a -> b", "b -> c", "a -> c")
    assert isinstance(network.bank, BPR)
    assert network.bank.latency([1800.0, 800, 500]) == pytest.approx([4.6, 4.5, 17.25])
    assert network.time_unit == "min"
    assert network.closed == ("a",)


def test_columns_may_have_other_names_and_be_lists():
    links = {"u": [1, 1], "v": [2, 2], "rate": [3, 4], "delay": [0.0, 0.5]}
    network = Network.from_dataframe(links, {(1, 2): 1.0}, latency=MM1, tail="u", head="v")
    assert network.stations == ("1 -> 2", "1 -> 2 (2)")
    assert network.bank.latency([1.0, 1.0]) == pytest.approx([0.5, 0.5 + 1 / 3])


def test_a_function_makes_the_bank_from_the_columns():
    network = Network.from_dataframe(
        LINKS, LOAD, latency=lambda links: MM1(links["capacity"], delay=links["free_flow"])
    )
    assert network.bank.rate.tolist() == [1800.0, 800.0, 500.0]


def test_edges_of_a_graph_are_links_with_their_data():
    links = [*EDGES[:1], ("b", "c", {"rate": 20, "delay": 0}), *EDGES[2:]]
    nodes = {"a": {"pos": (0, 1)}, "b": {}, "c": {"pos": np.array([2.0, 1.0])}}
    network = Network.from_networkx(Graph(links, nodes), {("a", "c"): 2.0}, latency=MM1)
    assert network.stations == ("a -> b", "b -> c", "a -> b (2)")
    assert network.bank.rate.tolist() == [10.0, 20.0, 5.0]
    assert network.bank.delay.tolist() == [0.1, 0.0, 0.0]
    assert network.positions == {"a": (0.0, 1.0), "c": (2.0, 1.0)}


def test_edges_without_a_direction_are_two_links():
    graph = Graph([(1, 2, {"rate": 3.0}), (2, 3, {"rate": 4.0})], directed=False)
    network = Network.from_networkx(graph, {(1, 3): 1.0, (3, 1): 1.0}, latency=MM1)
    assert network.stations == ("1 -> 2", "2 -> 3", "2 -> 1", "3 -> 2")
    assert network.bank.rate.tolist() == [3.0, 4.0, 3.0, 4.0]


REFUSED = {
    "no table": (([1, 2],), {}, r"links = \[1, 2\]: is not a table; give a DataFrame"),
    "no tail": (
        (LINKS.rename(columns={"from": "start"}),),
        {},
        "tail = 'from': is not a column; the columns are start, to, free_flow, capacity, b, name",
    ),
    "lengths": (
        ({"from": [1, 2], "to": [2, 3], "rate": [1.0]},),
        {"latency": MM1},
        r"links\['rate'\] = \[1.0\]: does not have one value for each of 2 links",
    ),
    "missing": (
        (LINKS.assign(capacity=[1800, np.nan, 500]),),
        {},
        r"links\[1\], link b -> c: capacity = nan: is not a finite number; correct the number",
    ),
    "below 0": (
        (LINKS.assign(capacity=[1800, -5, 500]),),
        {},
        r"links\[1\], link b -> c: capacity = -5.0: is not above 0; give a positive number, or",
    ),
    "text": (
        (LINKS.assign(capacity=[1800, "5/s", 6]),),
        {},
        r"^links\[1\], link b -> c: capacity = '5/s': is not made of numbers",
    ),
    "a function that fails": (
        (LINKS,),
        {"latency": lambda links: MM1(links["rates"])},
        r"^latency = <function .*: raises KeyError \('rates'\); return a bank of links; the "
        r"columns are free_flow, capacity, b, name$",
    ),
    "no parameter": (
        (LINKS.drop(columns="capacity"),),
        {},
        "links = 'free_flow, b, name': has no column capacity, which BPR needs; add it, or give",
    ),
}


@pytest.mark.parametrize(("given", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_tables_that_do_not_fit_are_refused(given, options, message):
    with pytest.raises(InputError, match=message):
        Network.from_dataframe(*given, LOAD, **options)


def test_graphs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="graph = 5: has no edges with data; give a graph"):
        Network.from_networkx(5, LOAD)
    graph = Graph([("a", "b", {"delay": 1.0}), ("b", "c", {"rate": 2.0})])
    with pytest.raises(InputError, match=r"graph, link a -> b: rate = nan: is not a finite"):
        Network.from_networkx(graph, {("a", "c"): 1.0}, latency=MM1)
