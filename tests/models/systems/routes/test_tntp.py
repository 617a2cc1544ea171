"""Files of TransportationNetworks, each oddity of the format in a small file of our own."""

import warnings

import numpy as np
import pytest

from sojourn.models import MM1, InputError
from sojourn.models.systems.routes import Network

NET = """<NUMBER OF ZONES> 2
<NUMBER OF NODES> 4
<FIRST THRU NODE> 1
<NUMBER OF LINKS> 5
<ORIGINAL HEADER>~ \tInit node \tTerm node \tCapacity \t;
<END OF METADATA>


~\tinit_node\tterm_node\tcapacity\tlength\tfree_flow_time\tb\tpower\tspeed\ttoll\tlink_type\t;
\t1\t3\t100\t7\t10\t0.15\t4\t0\t2\t1\t;
\t1\t4\t200\t6\t20\t0.25\t2\t0\t0\t1\t;
\t3\t2\t100\t5\t20\t0.15\t4\t0\t0\t1\t;
\t3\t4\t300\t4\t5\t0.5\t1\t0\t1\t1\t;
\t4\t2\t100\t3\t10\t0.15\t4\t0\t0\t1\t;
"""
TRIPS = """<NUMBER OF ZONES> 2
<TOTAL OD FLOW> 130.0
<END OF METADATA>


Origin \t1
    1 :     0.0;     2 :   130.0;
"""
NODES = "Node\tX\tY\t;\n1\t0\t0.5\t;\n2\t2\t0.5\t;\n3\t1\t1\t;\n4\t1\t0\t;\n"
TIMES = [10.0, 20.0, 20.0, 5.0, 10.0]


@pytest.fixture
def read(tmp_path):
    """Return a function that writes the files and reads the network."""

    def read(net=NET, trips=TRIPS, nodes=None, **options):
        (tmp_path / "x_net.tntp").write_text(net)
        (tmp_path / "x_trips.tntp").write_text(trips)
        if nodes is not None:
            (tmp_path / "x_node.tntp").write_text(nodes)
            options["nodes"] = tmp_path / "x_node.tntp"
        return Network.from_tntp(tmp_path / "x_net.tntp", tmp_path / "x_trips.tntp", **options)

    return read


def changed(old, new, text=NET):
    """Return a text with one change; the old words must be there."""
    assert old in text
    return text.replace(old, new, 1)


def test_links_loads_and_places_are_those_of_the_files(read):
    network = read(nodes=NODES)
    assert network.stations == ("1 -> 3", "1 -> 4", "3 -> 2", "3 -> 4", "4 -> 2")
    assert network.groups == ("1 -> 2",)
    assert network.group_load.tolist() == [130.0]
    assert network.bank.latency(np.zeros(5)).tolist() == TIMES
    at_capacity = network.bank.latency([100.0, 200.0, 100.0, 300.0, 100.0])
    assert at_capacity == pytest.approx([11.5, 25.0, 23.0, 7.5, 11.5])
    assert network.time_unit == "min"
    assert network.closed == ()
    assert network.positions == {1: (0.0, 0.5), 2: (2.0, 0.5), 3: (1.0, 1.0), 4: (1.0, 0.0)}


def test_routes_pass_no_node_below_the_first_through_node(read):
    trips = changed("2 :   130.0;", "2 : 130.0; 3: 5;", changed("ZONES> 2", "ZONES> 4", TRIPS))
    net = changed("ZONES> 2", "ZONES> 4")
    assert read(net, trips).closed == ()
    network = read(changed("THRU NODE> 1", "THRU NODE> 4", net), trips)
    assert network.closed == (1, 2, 3)
    cost = network.routed.routes.least_cost(np.array(TIMES))
    assert dict(zip(network.groups, cost, strict=True)) == {"1 -> 2": 30.0, "1 -> 3": 10.0}
    with pytest.raises(InputError, match="no links lead from 1 to 2 without a pass through a clo"):
        read(changed("THRU NODE> 1", "THRU NODE> 5", net), trips)


@pytest.mark.parametrize(
    ("old", "new", "latency"),
    [
        ("10\t0.15\t4\t0\t2", "10\t0.15\t0\t0\t2", 11.5),  # power 0
        ("10\t0.15\t4\t0\t2", "10\t0\t4\t0\t2", 10.0),  # b 0
        ("10\t0.15\t4\t0\t2", "0\t0.15\t4\t0\t2", 0.0),  # free-flow time 0
        ("10\t0.15\t4\t0\t2", "10\t0.00E+00\t0\t0\t2", 10.0),
    ],
)
@pytest.mark.parametrize("capacity", ["100", "0"])
def test_links_with_one_travel_time_are_kept_at_any_capacity(read, old, new, latency, capacity):
    net = changed("1\t3\t100\t7", f"1\t3\t{capacity}\t7", changed(old, new))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = read(net)
    assert network.bank.latency([1e4, 0, 0, 0, 0])[0] == pytest.approx(latency)
    assert len(network.stations) == 5


def test_links_of_capacity_0_are_left_out_with_a_warning(read):
    text = r"left out links of capacity 0: x_net.tntp:13, link 3 -> 4$"
    with pytest.warns(UserWarning, match=text) as caught:
        network = read(changed("3\t4\t300", "3\t4\t0"))
    assert caught[0].filename == __file__
    assert network.stations == ("1 -> 3", "1 -> 4", "3 -> 2", "4 -> 2")
    assert network.bank.latency(np.zeros(4)).tolist() == [10.0, 20.0, 20.0, 10.0]


def test_trips_within_a_zone_and_trips_of_0_are_no_groups(read):
    trips = changed("1 :     0.0;", "1 :   700.0;", TRIPS) + "Origin 2\n1 : 0.0; 2 : 9;\n"
    assert read(trips=trips).groups == ("1 -> 2",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\t0\t1\t1\t;", "\t;"),  # speed, toll and type are missing
        ("\t0\t1\t1\t;", "\t0;"),
        ("\t0\t1\t1\t;", ""),  # and no semicolon
        ("\t3\t4\t300\t4\t5\t0.5\t1\t0\t1\t1\t;", "3 4 300 4 5 0.5 1 0 1 1;"),
        ("\t3\t4\t300\t4\t5", "\n   \n\t;\t\n~ Origin 9, a comment\n 3\t 4  300\t4\t5"),
        ("\t3\t4\t300\t4\t5\t0.5\t1\t0\t1\t1\t;", "3 4 300.0 4e0 5. .5 1 0 1 1 ; ~ a bridge"),
        ("<NUMBER OF LINKS> 5", "<number  of links>\t5 \t ;"),
        ("<NUMBER OF LINKS> 5\n", ""),
        ("<NUMBER OF NODES> 4\n", ""),
        ("<FIRST THRU NODE> 1\n", ""),
        ("<END OF METADATA>\n", ""),
        ("link_type\t;\n", "link_type\t;\n~ links of the town\n"),
        ("<NUMBER OF ZONES>", "\ufeff<NUMBER OF ZONES>"),
        ("\n", "\r\n"),
    ],
)
def test_variants_of_a_row_are_read_alike(read, old, new):
    net = changed(old, new) if old != "\n" else NET.replace(old, new)
    network = read(net)
    assert network.stations == ("1 -> 3", "1 -> 4", "3 -> 2", "3 -> 4", "4 -> 2")
    assert network.bank.latency(np.zeros(5)).tolist() == TIMES
    assert network.bank.latency(np.full(5, 300.0))[3] == pytest.approx(7.5)


@pytest.mark.parametrize(
    "header",
    [
        "~\tInit node \tTerm node \tCapacity (veh/h)\tLength (ft)\tFree Flow Time (min)\tB\tPower;",
        "~ Tail Head Capacity Length Free Flow Time B Power Speed limit Toll Type ;",
        "~ init_node term_node capacity length free_flow_time b power speed toll link_type",
        "",
        "~ these are the links",
    ],
)
def test_headers_in_other_words_have_the_same_columns(read, header):
    start = NET.index("~\tinit_node")
    network = read(NET[:start] + header + NET[NET.index("\n", start) :])
    assert network.bank.latency(np.zeros(5)).tolist() == TIMES


@pytest.mark.parametrize(
    "header",
    [
        "~\tinit_node\tterm_node\tfree_flow_time\tcapacity\tlength\tb\tpower\t;",
        "~ init_node term_node free_flow_time capacity length b power ;",
        "~\tinit_node\tterm_node\tfree_flow_time\tcapacity\tlength\tb\tpower\tlanes\t;",
    ],
)
def test_a_header_with_another_order_is_followed(read, header):
    net = f"<NUMBER OF NODES> 2\n{header}\n\t1\t2\t7.5\t100\t3\t0.5\t1\t8\t;\n"
    network = read(net, TRIPS)
    assert network.bank.latency([100.0]) == pytest.approx([11.25])


@pytest.mark.parametrize(
    "trips",
    [
        "Origin 1\n2:130;",
        "origin 1 2 : 130.0 ;",
        "~ Origin 7 is not here\nOrigin  1 \n\n\n  2\t:\t130.0",
        "<NUMBER OF ZONES> 2\n<END OF METADATA>\nOrigin 1 ~ Origin 2\n1 : 0; 2 : 1.3e2; ~ 2 : 5;",
        "Origin 2\nOrigin 1\n2 : 130 ;;",
    ],
)
def test_variants_of_loads_are_read_alike(read, trips):
    network = read(trips=trips)
    assert dict(zip(network.pairs, network.group_load, strict=True)) == {(1, 2): 130.0}


def test_tolls_and_lengths_are_delays_by_their_weights(read):
    network = read(toll_weight=3.0, length_weight=0.5)
    fixed = np.array([6 + 3.5, 3.0, 2.5, 3 + 2, 1.5])
    assert network.bank.latency(np.zeros(5)) == pytest.approx(np.array(TIMES) + fixed)
    flow = np.full(5, 80.0)
    rise = network.bank.latency(flow) - network.bank.latency(np.zeros(5))
    plain = read().bank
    assert rise == pytest.approx(plain.latency(flow) - plain.latency(np.zeros(5)))


def test_links_may_be_queues_made_from_the_columns(read):
    network = read(
        latency=lambda links: MM1(links["capacity"] / 60, delay=links["free_flow"]),
        load_factor=1 / 600,
    )
    assert network.bank.rate == pytest.approx([100 / 60, 200 / 60, 100 / 60, 5.0, 100 / 60])
    assert network.bank.delay.tolist() == TIMES
    assert network.load == pytest.approx(130 / 600)


REFUSED = {
    "no file": ({"net": ""}, r"net.tntp: <NUMBER OF LINKS> = None: is not the number of links"),
    "fewer links": (
        {"net": changed("LINKS> 5", "LINKS> 6")},
        r"x_net.tntp: <NUMBER OF LINKS> = 6: is not the number of links in the file, 5",
    ),
    "short row": (
        {"net": changed("\t4\t2\t100\t3\t10\t0.15\t4\t0\t0\t1\t;", "4 2 100")},
        r"x_net.tntp:14 = '4 2 100': has 3 fields of at least 7: init_node, term_node, capac",
    ),
    "text": (
        {"net": changed("3\t4\t300", "3\t4\tmany")},
        r"x_net.tntp:13, link 3 -> 4: capacity = 'many': is not a finite number; correct the",
    ),
    "negative": (
        {"net": changed("3\t4\t300\t4\t5", "3\t4\t300\t4\t-5")},
        r"x_net.tntp:13, link 3 -> 4: free_flow = -5.0: is negative; give 0 or more",
    ),
    "concave": (
        {"net": changed("5\t0.5\t1", "5\t0.5\t.5")},
        r"x_net.tntp:13, link 3 -> 4: power = 0.5: below 1 and not 0 the latency is not convex",
    ),
    "node": (
        {"net": changed("3\t4\t300", "3\t7\t300")},
        r"x_net.tntp:13: term_node = 7: is not a node from 1 to 4, the <NUMBER OF NODES>",
    ),
    "node 0": (
        {"net": changed("3\t4\t300", "0\t4\t300")},
        r"x_net.tntp:13: init_node = 0: is not a node from 1",
    ),
    "part of a node": (
        {"net": changed("3\t4\t300", "3.5\t4\t300")},
        r"x_net.tntp:13: init_node = '3.5': is not a whole number of 0 or more",
    ),
    "tag": (
        {"net": changed("NODE> 1", "NODE> one")},
        r"x_net.tntp: <FIRST THRU NODE> = 'one': is not a finite number",
    ),
    "no loads": ({"trips": "Origin 1\n"}, r"trips = 'x_trips.tntp': has no load from a zone to"),
    "loads of 0": ({"trips": "Origin 1\n2 : 0.0;"}, r"trips = .*: has no load from a zone"),
    "no origin": (
        {"trips": "2 : 5;"},
        r"x_trips.tntp:1 = '2 : 5;': comes before the first Origin; write `Origin 1`, and below",
    ),
    "no colon": ({"trips": "Origin 1\n2 5;"}, r"x_trips.tntp:2 = '2 5;': is not a load; write"),
    "negative load": (
        {"trips": "Origin 1\n2 : -5;"},
        r"x_trips.tntp:2: load 1 -> 2 = -5.0: is negative",
    ),
    "text as load": (
        {"trips": "Origin 1\n2 : x;"},
        r"x_trips.tntp:2: load 1 -> 2 = 'x': is not a finite number",
    ),
    "twice": (
        {"trips": "Origin 1\n2 : 5;\n2 : 5;"},
        r"x_trips.tntp:3: load 1 -> 2 = 5.0: is a second load for the same pair of zones",
    ),
    "zone": (
        {"trips": changed("2 :", "3 :", TRIPS)},
        r"x_trips.tntp:7: load 1 -> 3 = 3: is not a zone from 1 to 2, the <NUMBER OF ZONES>",
    ),
    "a zone without links": (
        {
            "net": changed("ZONES> 2", "ZONES> 9", changed("NODES> 4", "NODES> 9")),
            "trips": changed("2 :", "9 :", changed("ZONES> 2", "ZONES> 9", TRIPS)),
        },
        r"x_trips.tntp: zone = 9: is a zone of x_net.tntp that no link joins",
    ),
    "no way": (
        {"trips": "Origin 2\n1 : 5;"},
        r"load\[\(2, 1\)\] = 5.0: has no route: no links lead from 2 to 1; add links",
    ),
    "position": ({"nodes": "Node X Y ;\n1 0 ;\n"}, r"x_node.tntp:2 = '1 0': is not a node with"),
    "factor": ({"load_factor": 0}, "load_factor = 0: is not a finite number above 0"),
    "weight": ({"toll_weight": -1}, "toll_weight = -1: is not 0 or more; give the time that one"),
    "latency": ({"latency": "bpr"}, "latency = 'bpr': is neither a family of latencies nor a"),
    "too few servers": (
        {"latency": lambda links: MM1([1.0])},
        r"latency = .*: does not return a bank of 5 links; return one server for each link",
    ),
    "a rate of 0": (
        {"latency": lambda links: MM1(links["toll"])},
        r"x_net.tntp:11, link 1 -> 4: rate = 0.0: ",
    ),
    "a parameter": ({"latency": MM1}, r"links = .*: has no column rate, which MM1 needs; add it"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_do_not_fit_are_refused_with_file_line_field_and_link(read, changes, message):
    with pytest.raises(InputError, match=message):
        read(**changes)


def test_a_folder_and_a_missing_file_are_refused(read, tmp_path):
    read()
    net, trips = tmp_path / "x_net.tntp", tmp_path / "x_trips.tntp"
    for given in ((tmp_path, trips), (net, tmp_path / "none"), (5, trips)):
        with pytest.raises(InputError, match="format of TransportationNetworks"):
            Network.from_tntp(*given)
