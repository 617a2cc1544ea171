"""Networks: their links, loads and nodes, as given and as refused."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sojourn.models import MG1PS, MM1, Constant, InputError, Polynomial
from sojourn.models.systems.routes import Network

ENDS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
ROADS = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])


def braess(**changes):
    return Network(ROADS, **{"ends": ENDS, "load": {("s", "t"): 6.0}, **changes})


def test_links_and_groups_are_named_by_their_nodes():
    network = braess(load={("s", "t"): 6, ("v", "t"): 2})
    assert network.stations == ("s -> v", "s -> w", "v -> w", "v -> t", "w -> t")
    assert network.groups == ("s -> t", "v -> t")
    assert network.pairs == (("s", "t"), ("v", "t"))
    assert network.group_load.tolist() == [6.0, 2.0]
    assert network.load == 8.0
    assert network.nodes == ("s", "v", "w", "t")
    assert network.ends == tuple(ENDS)
    assert network.time_unit == "s"


def test_parallel_links_have_numbers_and_links_may_have_names_of_their_own():
    ends = [(1, 2), (1, 2), (2, 3), (1, 2)]
    network = Network(MM1([1.0, 2, 3, 4]), ends=ends, load={(1, 3): 0.5})
    assert network.stations == ("1 -> 2", "1 -> 2 (2)", "2 -> 3", "1 -> 2 (3)")
    names = ["slow", "fast", "last", "other"]
    network = Network(MM1([1.0, 2, 3, 4]), ends=ends, load={(1, 3): 0.5}, names=names)
    assert network.stations == tuple(names)


def test_names_differ_where_nodes_differ_only_in_type():
    ends = [(1, 2), ("1", "2"), (2, "1")]
    network = Network(MM1([1.0, 2, 3]), ends=ends, load={(1, 2): 0.5, ("1", "2"): 0.5})
    assert network.stations == ("1 -> 2", "1 -> 2 (2)", "2 -> 1")
    assert network.groups == ("1 -> 2", "1 -> 2 (2)")


@pytest.mark.parametrize(
    "load",
    [
        {("a", "c"): 1.0, ("b", "c"): 2.0},
        {"a": {"c": 1.0}, "b": {"a": 0, "c": 2.0}},
        pd.DataFrame({"a": [0.0, 0.0], "c": [1.0, 2.0]}, index=["a", "b"]),
        pd.Series({("a", "c"): 1.0, ("b", "c"): 2.0}),
    ],
)
def test_loads_by_pair_by_origin_and_as_a_table_are_the_same(load):
    ends = [("a", "b"), ("b", "c"), ("c", "a")]
    network = Network(MM1([5.0, 5, 5]), ends=ends, load=load)
    assert dict(zip(network.pairs, network.group_load, strict=True)) == {
        ("a", "c"): 1.0,
        ("b", "c"): 2.0,
    }


def test_nodes_may_be_pairs_of_coordinates_or_numbers_of_numpy():
    ends = [((0.0, 1.5), (2.0, 3.0)), ((2.0, 3.0), (9.0, 9.0))]
    network = Network(MM1([5.0, 5]), ends=ends, load={((0.0, 1.5), (9.0, 9.0)): 1.0})
    assert network.groups == ("(0.0, 1.5) -> (9.0, 9.0)",)
    network = Network(MM1([5.0, 5]), ends=np.array([[1, 2], [2, 3]]), load={(1, 3): 1.0})
    assert network.stations == ("1 -> 2", "2 -> 3")
    assert network.nodes == (1, 2, 3)


def test_routes_do_not_pass_closed_nodes():
    ends = [("a", "b"), ("b", "c"), ("a", "c")]
    delay, load = [1.0, 1.0, 5.0], {("a", "c"): 1.0}
    free = Network(Constant(delay), ends=ends, load=load)
    closed = Network(Constant(delay), ends=ends, load=load, closed=["b", "a"])
    assert free.routed.routes.least_cost(np.array(delay)).tolist() == [2.0]
    assert closed.routed.routes.least_cost(np.array(delay)).tolist() == [5.0]
    assert closed.closed == ("b", "a")
    assert Network(Constant(delay), ends=ends, load=load, closed={"b"}).closed == ("b",)


def test_banks_of_different_families_are_links_side_by_side():
    network = Network(
        MM1([100.0, 80.0]),
        Constant([0.03]),
        MG1PS([50.0], delay=0.01),
        ends=[(1, 2), (2, 3), (1, 3), (3, 4)],
        load={(1, 4): 30.0},
        time_unit="min",
    )
    assert len(network.bank) == 4
    assert network.bank.latency([0.0, 0.0, 9.0, 0.0]) == pytest.approx([0.01, 0.0125, 0.03, 0.03])
    assert network.time_unit == "min"


def test_positions_are_kept_for_the_nodes_of_links():
    network = braess(positions={"s": (0, 1), "t": [2.0, 3.5], "elsewhere": (9, 9)})
    assert network.positions == {"s": (0.0, 1.0), "t": (2.0, 3.5)}
    assert braess().positions == {}


def test_a_network_is_copied_by_pickle():
    network = braess(closed=["v"])
    network.routed.routes.least_cost(np.ones(5))
    copy = pickle.loads(pickle.dumps(network))  # noqa: S301
    assert copy.stations == network.stations
    assert copy.routed.routes.least_cost(np.ones(5)).tolist() == [2.0]


REFUSED = {
    "too few ends": ({"ends": ENDS[:4]}, r"ends = .*: is a list of 4 for 5 links; give a pair"),
    "no ends": ({"ends": "s-v"}, r"ends = 's-v': is no list for 5 links"),
    "text as a pair": ({"ends": [*ENDS[:4], "wt"]}, r"ends\[4\] = 'wt': is not a pair of nodes"),
    "three ends": ({"ends": [*ENDS[:4], (1, 2, 3)]}, r"ends\[4\] = .*is not a pair of nodes"),
    "missing node": (
        {"ends": [*ENDS[:4], ("w", None)]},
        r"ends\[4\] = .*has a node that is missing or not hashable",
    ),
    "NaN": ({"ends": [*ENDS[:4], ("w", np.nan)]}, r"ends\[4\] = .*has a node that is missing"),
    "a list as node": ({"ends": [*ENDS[:4], ("w", [1])]}, r"ends\[4\] = .*not hashable"),
    "no load": ({"load": {}}, r"load = \{\}: has no load from an origin to a destination; give"),
    "one number": ({"load": 5.0}, r"load = 5.0: is not a mapping of pairs of nodes; give"),
    "only zeros": ({"load": {"s": {"t": 0.0}}}, "load = .*: has no load from an origin"),
    "zero by pair": (
        {"load": {("s", "t"): 0}},
        r"load\[\('s', 't'\)\] = 0.0: is not above 0 and finite; leave an idle group out",
    ),
    "negative in a table": (
        {"load": {"s": {"t": -1}}},
        r"load\['s'\]\['t'\] = -1.0: is not above 0 and finite",
    ),
    "NaN in a table": (
        {"load": pd.DataFrame({"t": [np.nan]}, index=["s"])},
        r"load\['s'\]\['t'\] = nan: is not above 0 and finite",
    ),
    "text": ({"load": {("s", "t"): "6"}}, r"load\[\('s', 't'\)\] = '6': is not made of numbers"),
    "not a pair": ({"load": {"t": 6}}, r"load\['t'\] = 't': is not a pair of nodes"),
    "unknown node": (
        {"load": {("s", "x"): 6}},
        r"load\[\('s', 'x'\)\] = 'x': is not a node of a link; the nodes are s, v, w, t",
    ),
    "origin is destination": (
        {"load": {("s", "s"): 6}},
        r"load\[\('s', 's'\)\] = 6.0: starts and ends at s: it passes no link; leave it out",
    ),
    "no way": (
        {"load": {("t", "s"): 6, ("s", "t"): 1}},
        r"load\[\('t', 's'\)\] = 6.0: has no route: no links lead from t to s; add links",
    ),
    "no way for several": (
        {"load": {("t", "s"): 6, ("t", "v"): 1, ("w", "v"): 1}},
        r"no links lead from t to s, nor for 2 other groups; add links, or leave the load out",
    ),
    "no way past closed nodes": (
        {"closed": ["v", "w"]},
        r"no links lead from s to t without a pass through a closed node; add",
    ),
    "closed elsewhere": ({"closed": ["x"]}, r"closed\[0\] = 'x': is not a node of a link"),
    "closed text": ({"closed": "vw"}, r"closed = 'vw': is not a list of nodes"),
    "two names": ({"names": ["a", "b"]}, r"names = .*: is not a list of 5 names; give one name"),
    "position": (
        {"positions": {"s": (1, 2, 3)}},
        r"positions\['s'\] = .*is not a pair of finite numbers; give \(x, y\)",
    ),
    "positions": ({"positions": [(1, 2)]}, r"positions = .*is not a mapping of nodes"),
    "unit": ({"time_unit": ""}, "time_unit = '': is not a name"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_network_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        braess(**changes)


def test_a_pair_given_twice_is_refused():
    load = {"s": {"t": 1.0}, ("s", "t"): 2.0}
    with pytest.raises(InputError, match=r"load\[\('s', 't'\)\] = 2.0: is a second load"):
        braess(load=load)
