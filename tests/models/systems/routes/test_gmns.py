"""Folders of GMNS tables, written by the tests."""

import numpy as np
import pytest

from sojourn.models import MM1, InputError
from sojourn.models.systems.routes import Network

NODE = """node_id,name,x_coord,y_coord,zone_id
a,west,0,0,1
b,,1.5,0.5,
c,east,3,0,2
"""
LINK = """link_id,name,from_node_id,to_node_id,directed,length,free_speed,capacity,lanes,toll
1,,a,b,1,2,30,900,2,0
2,,b,c,true,3,60,800,1,1.5
3,by-pass,a,c,0,10,40,500,1,
"""
DEMAND = "o_zone_id,d_zone_id,volume\n1,2,1000\n2,1,50\n1,1,7\n2,2,0\n"


@pytest.fixture
def read(tmp_path):
    """Return a function that writes the tables and reads the network."""

    def read(load=None, node=NODE, link=LINK, demand=DEMAND, config=None, **options):
        tables = {"node": node, "link": link, "demand": demand, "config": config}
        for name, text in tables.items():
            (tmp_path / f"{name}.csv").unlink(missing_ok=True)
            if text is not None:
                (tmp_path / f"{name}.csv").write_text(text)
        return Network.from_gmns(tmp_path, load, **options)

    return read


def changed(old, new, text=LINK):
    assert old in text
    return text.replace(old, new, 1)


def test_times_capacities_and_loads_are_those_of_the_tables(read):
    network = read()
    assert network.stations == ("a -> b", "b -> c", "a -> c", "c -> a")
    assert dict(zip(network.pairs, network.group_load, strict=True)) == {
        ("a", "c"): 1000.0,
        ("c", "a"): 50.0,
    }
    free_flow = np.array([4.0, 3.0, 15.0, 15.0])  # minutes
    assert network.bank.latency(np.zeros(4)) == pytest.approx(free_flow)
    full = network.bank.latency([1800.0, 800.0, 500.0, 500.0])
    assert full == pytest.approx(1.15 * free_flow)
    assert network.positions == {"a": (0, 0), "b": (1.5, 0.5), "c": (3, 0)}
    assert network.time_unit == "min"


def test_a_load_by_pair_of_nodes_takes_the_place_of_the_demand(read):
    network = read({("b", "c"): 5.0}, demand=None)
    assert network.pairs == (("b", "c"),)
    assert read(load_factor=0.1).group_load == pytest.approx([100.0, 5.0])


def test_columns_of_volume_delay_functions_come_first(read):
    link = LINK.replace("\n", ",,,\n").replace("toll,,,", "toll,VDF_fftt1,VDF_alpha1,VDF_beta1")
    link = changed("10,40,500,1,,,,", "10,40,500,1,,12.5,0.8,2", link)
    bank = read(link=link).bank
    assert bank.latency([0.0, 0, 0, 0]) == pytest.approx([4.0, 3.0, 12.5, 12.5])
    assert bank.latency([0.0, 0, 250, 0])[2] == pytest.approx(12.5 * 1.2)


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        (None, 60.0),
        ("long_length,speed\nmile,mph\n", 60.0),
        ("dataset_name,long_length,speed\nx,feet,mph\n", 60 * 0.3048 / 1609.344),
        ("long_length,speed\nm,km/h\n", 0.06),
        ("long_length,speed\nKilometers,kph\n", 60.0),
        ("long_length,speed\nmiles,miles/h\n", 60.0),
        ("long_length,speed\n,\n", 60.0),
        ("dataset_name,long_length,speed\nx,,\n", 60.0),
        ("dataset_name\nx\n", 60.0),
    ],
)
def test_units_are_those_of_the_configuration(read, config, factor):
    latency = read(config=config).bank.latency(np.zeros(4))
    assert latency == pytest.approx(factor * np.array([2 / 30, 3 / 60, 0.25, 0.25]))


def test_a_factor_of_ones_own_takes_the_place_of_the_configuration(read):
    network = read(config="long_length,speed\nleague,knots\n", time_factor=1.0, time_unit="h")
    assert network.bank.latency(np.zeros(4)) == pytest.approx([2 / 30, 3 / 60, 0.25, 0.25])
    assert network.time_unit == "h"


def test_links_of_other_uses_and_without_lanes_are_left_out(read):
    link = LINK.replace("\n", ",\n").replace("toll,", "toll,allowed_uses")
    link = changed("2,30,900,2,0,", '2,30,900,2,0,"BIKE, auto"', link)
    link += "4,path,c,b,1,1,12,0,0,,\n5,walk,c,b,1,1,,,,,WALK\n6,rail,c,b,1,1,50,9,1,,ALL\n"
    with pytest.warns(UserWarning, match=r"left out links of capacity 0: link.csv:5, link c -> b"):
        network = read(link=link, use="AUTO")
    assert network.stations == ("a -> b", "b -> c", "a -> c", "c -> a", "c -> b")


def test_tolls_and_lengths_are_delays_by_their_weights(read):
    latency = read(toll_weight=2.0, length_weight=0.1).bank.latency(np.zeros(4))
    assert latency == pytest.approx([4.2, 3.0 + 3.0 + 0.3, 16.0, 16.0])


def test_links_may_be_queues_made_from_the_columns(read):
    network = read(
        latency=lambda links: MM1(links["capacity"] / 60, delay=links["free_flow"]),
        load_factor=1 / 60,
    )
    assert network.bank.rate == pytest.approx([30.0, 800 / 60, 500 / 60, 500 / 60])


def test_routes_do_not_pass_closed_nodes(read):
    price = np.array([4.0, 3.0, 15.0, 15.0])
    assert read().routed.routes.least_cost(price).tolist() == [7.0, 15.0]
    assert read(closed=["b"]).routed.routes.least_cost(price).tolist() == [15.0, 15.0]


def test_nodes_without_coordinates_and_short_rows_are_read(read):
    network = read(node="node_id,zone_id,x_coord,y_coord\na,1,NaN,0\nb\nc,2,3,0\n")
    assert network.positions == {"c": (3.0, 0.0)}


REFUSED = {
    "short row": (
        {"link": LINK + "4,,a\n"},
        "link.csv:5: to_node_id = '': is not a node of node.csv",
    ),
    "no column": (
        {"link": LINK.replace("to_node_id", "to")},
        "link.csv = 'link_id, name, from_node_id, to, .*': has no column to_node_id; correct",
    ),
    "no table": ({"link": "a,b\n1,2\n"}, "link.csv = .*: has none of the columns from_node_id"),
    "unknown node": (
        {"link": changed("b,c,true", "b,d,true")},
        "link.csv:3: to_node_id = 'd': is not a node of node.csv; correct the table",
    ),
    "text": (
        {"link": changed("3,60,800", "3,60,much")},
        "link.csv:3, link b -> c: capacity = 'much': is not a finite number of 0 or more",
    ),
    "negative": (
        {"link": changed("3,60,800", "-3,60,800")},
        "link.csv:3, link b -> c: length = '-3': is not a finite number of 0 or more",
    ),
    "no capacity": (
        {"link": changed("3,60,800", "3,60,")},
        "link.csv:3, link b -> c: capacity = '': is missing; give a number",
    ),
    "no speed": (
        {"link": changed("3,60,800", "3,,800")},
        "link.csv:3, link b -> c: free_speed = 0.0: is 0 or missing; give a speed",
    ),
    "concave": (
        {"link": LINK.replace("toll\n", "toll,vdf_beta\n").replace("1.5\n", "1.5,0.5\n")},
        "link.csv:3, link b -> c: power = 0.5: below 1 and not 0 the latency is not convex",
    ),
    "no such use": (
        {
            "link": changed("toll\n", "toll,allowed_uses\n")
            .replace(",0\n", ",0,bus\n")
            .replace("1.5\n", "1.5,bus\n")
            .replace("1,\n", "1,,bus\n"),
            "use": "car",
        },
        "link.csv = 'car': has no link that allows this use; give another use",
    ),
    "two nodes of an id": (
        {"node": NODE + "a,again,5,5,\n"},
        "node.csv:5: node_id = 'a': is the id of two nodes",
    ),
    "zone without a node": (
        {"demand": DEMAND + "2,9,4\n"},
        "demand.csv:6: d_zone_id = '9': is the zone of 0 nodes in node.csv, not of one; give",
    ),
    "zone of two nodes": (
        {"node": changed("0.5,", "0.5,2", NODE)},
        "demand.csv:2: d_zone_id = '2': is the zone of 2 nodes in node.csv",
    ),
    "load given twice": (
        {"demand": DEMAND + "1,2,4\n"},
        "demand.csv:6: volume = 4.0: is a second load for the same pair of zones",
    ),
    "no demand": ({"demand": None}, "demand.csv = '.*demand.csv': cannot be read: No such file"),
    "factor beside a load": (
        {"load": {("a", "c"): 1.0}, "load_factor": 2.0},
        "load_factor = 2.0: is a factor of demand.csv, beside a load of your own",
    ),
    "units": (
        {"config": "long_length,speed\nleague,knots\n"},
        "config.csv = 'league, knots': are units that are not known; give time_factor",
    ),
    "time factor": ({"time_factor": -1}, "time_factor = -1: is not a finite number above 0"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_tables_that_do_not_fit_are_refused_with_line_column_and_link(read, changes, message):
    with pytest.raises(InputError, match=message):
        read(**changes)


def test_the_folder_must_be_a_path():
    with pytest.raises(InputError, match="folder = 5: is not a path"):
        Network.from_gmns(5)
