"""Scenario files of systems with routes: groups, stations, networks, and errors with places."""

import math

import numpy as np
import pytest

from sojourn.models import MG1, MM1, Constant, Groups, Routes, load_scenario
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse

UNITS = '[units]\nrate = "1/s"\ndelay = "ms"\n'
STATIONS = """
[[stations]]
name = "near"
rate = 100
[[stations]]
name = "far"
rate = 300
delay = 20
"""
GROUPS = """
[[groups]]
name = "north"
load = 60
delay = [5, 30]
[[groups]]
name = "south"
load = 40
delay = { near = 15 }
"""
ROUTED = """
[[groups]]
name = "north"
load = 60
routes = [["near"], ["near", "far"], { far = 2.5 }]
delay = [1, 2, 0]
"""
LINKS = """
[network]
[[links]]
from = "a"
to = "b"
rate = 100
[[links]]
from = "b"
to = 3
rate = 80
delay = 10
[[links]]
name = "shortcut"
from = "a"
to = 3
rate = 20
[[demands]]
from = "a"
to = 3
load = 50
"""


def written(*parts):
    return parse(UNITS + "".join(parts), "x")


def same_answers(system, other):
    for goal in ("optimum", "equilibrium"):
        mine, its = getattr(system, goal)(), getattr(other, goal)()
        assert mine.mean_delay == pytest.approx(its.mean_delay, rel=1e-12)
        np.testing.assert_allclose(mine.station_flow, its.station_flow, rtol=1e-9)


def test_groups_at_a_distance_are_those_of_the_class():
    scenario = written(STATIONS, GROUPS)
    system = scenario.system
    assert isinstance(system, Groups)
    assert (system.stations, system.groups) == (("near", "far"), ("north", "south"))
    assert system.time_unit == "s"
    same_answers(
        system,
        Groups(
            MM1([100.0, 300.0], [0.0, 0.02]),
            load={"north": 60.0, "south": 40.0},
            delay=[[0.005, 0.03], [0.015, math.inf]],
        ),
    )


def test_operating_point_is_the_load_of_the_groups_and_the_curve_reaches_the_largest():
    scenario = written(STATIONS, GROUPS)
    assert scenario.load == scenario.own_load == 100.0
    assert scenario.system.max_load == pytest.approx(100 / 0.4)
    np.testing.assert_allclose(scenario.loads[[0, -1]], [2.5, 247.5])
    assert scenario.load_of("40%", "--load") == pytest.approx(100.0)
    assert "0.4 of the largest load 250" in scenario.where(100.0)
    assert written(STATIONS, GROUPS, '[loads]\nat = "10%"\n').load == pytest.approx(25.0)


def test_where_no_load_is_too_much_percentages_are_of_the_own_load():
    scenario = written(
        '[[stations]]\nfamily = "constant"\ndelay = 5\n', "[[groups]]\nload = 8\ndelay = 1\n"
    )
    assert scenario.load == 8.0
    np.testing.assert_allclose(scenario.loads[[0, -1]], [0.08, 16.0])
    assert scenario.load_of("150%", "--load") == 12.0
    assert "= 1.5 of the file's own load, of which no load is too much" in scenario.where(12.0)


def test_too_much_load_is_refused_with_the_stations_that_limit_it():
    with pytest.raises(ScenarioError, match=r"^loads\.at = 200\.0: .*near.*; ") as refused:
        written(STATIONS, "[[groups]]\nload = 200\ndelay = { near = 1 }\n")
    assert "far" not in str(refused.value)


def test_routes_are_those_of_the_class():
    system = written(STATIONS, ROUTED).system
    assert isinstance(system, Routes)
    stations = {"near": MM1(100.0), "far": MM1(300.0, 0.02)}
    routes = {"north": [("near",), ("near", "far"), {"far": 2.5}]}
    other = Routes(stations, routes, {"north": 60.0}, {"north": [0.001, 0.002, 0.0]})
    same_answers(system, other)


def test_a_group_at_a_distance_beside_one_with_routes_takes_one_station_a_route():
    both = written(STATIONS, ROUTED, '[[groups]]\nname = "b"\nload = 10\ndelay = [3, inf]\n').system
    listed = written(
        STATIONS, ROUTED, '[[groups]]\nname = "b"\nload = 10\nroutes = [["near"]]\ndelay = 3\n'
    )
    assert len(both.routed.routes.listed) == 4
    same_answers(both, listed.system)


def test_stations_are_read_as_servers_are(tmp_path):
    (tmp_path / "s.csv").write_text("name,rate,cv\nnear,100,2\nfar,300,1\n", encoding="utf-8")
    text = UNITS + '[stations]\nfile = "s.csv"\n' + GROUPS
    system = parse(text, "x", tmp_path).system
    bank = MG1([100.0, 300.0], cv=[2.0, 1.0])
    loads, delay = {"north": 60.0, "south": 40.0}, [[0.005, 0.03], [0.015, math.inf]]
    same_answers(system, Groups(bank, load=loads, delay=delay))


def test_replicas_of_a_station_have_its_delay():
    stations = STATIONS.replace("rate = 100", "rate = 100\nreplicas = 2")
    system = written(stations, GROUPS).system
    assert system.stations == ("near 1", "near 2", "far")
    flow = system.optimum().station_flow
    assert flow[0] == pytest.approx(flow[1], rel=1e-9)
    with pytest.raises(
        ScenarioError, match=r"routes\[0\]\[0\] = 'near': is not a station; did you"
    ):
        written(stations, ROUTED)


WRONG = [
    ("stations = []\n" + GROUPS, r"stations = \[\]: the system has no station; add a \[\[statio"),
    (STATIONS, r"groups = None: is missing; write each as \[\[groups\]\]"),
    ("stations = 3\n" + GROUPS, r"stations = 3: is no table of a station"),
    ("[[stations]]\nrate = 0\n" + GROUPS, r"stations\[0\]\.rate = 0: "),
    ("[[stations]]\nrat = 1\n" + GROUPS, r"stations\[0\]\.rat = 1: is not a known key; did you"),
    (STATIONS + "[[groups]]\ndelay = 1\n", r"groups\[0\]\.load = None: is missing"),
    (STATIONS + "[[groups]]\nload = 1\n", r"groups\[0\]\.delay = None: is missing; give the del"),
    (STATIONS + "[[groups]]\nload = 0\ndelay = 1\n", r"groups\[0\]\.load = 0.*: is out of range"),
    (STATIONS + '[[groups]]\nload = "9"\ndelay = 1\n', r"groups\[0\]\.load = '9': is not a num"),
    (STATIONS + "[[groups]]\nload = 1\ndelay = [1]\n", r"delay = \[1\]: has 1 number for 2 st"),
    (STATIONS + "[[groups]]\nload = 1\ndelay = [1, -2]\n", r"groups\[0\]\.delay\[1\] = -2.*: is"),
    (STATIONS + "[[groups]]\nload = 1\ndelay = [inf, inf]\n", r"delay = .*: allows group 1 no s"),
    (STATIONS + "[[groups]]\nload = 1\ndelay = { nea = 1 }\n", r"delay\.nea = 'nea': is not a st"),
    (STATIONS + "[[groups]]\nload = 1\nwork = 1\n", r"groups\[0\]\.work = 1: is not a known key"),
    (STATIONS + "[[groups]]\nload = 1\nroutes = []\n", r"routes = \[\]: is not a list of routes"),
    (STATIONS + "[[groups]]\nload = 1\nroutes = [[]]\n", r"routes\[0\] = \[\]: is not a list of"),
    (STATIONS + '[[groups]]\nload = 1\nroutes = ["near"]\n', r"routes\[0\] = 'near': is not a li"),
    (STATIONS + '[[groups]]\nload = 1\nroutes = [["nar"]]\n', r"\[0\]\[0\] = 'nar': is not a st"),
    (STATIONS + "[[groups]]\nload = 1\nroutes = [{ near = 0 }]\n", r"\[0\]\.near = 0.*: is out"),
    (STATIONS + ROUTED.replace("2, 0]", "2]"), r"groups\[0\]\.delay = \[1, 2\]: has 2 numbers f"),
    (STATIONS + ROUTED.replace("2, 0]", "inf, 0]"), r"groups\[0\]\.delay\[1\] = inf: is out of"),
    (STATIONS + 2 * GROUPS, r"groups\[2\]\.name = 'north': is the name of groups\[0\] too"),
    (STATIONS + GROUPS + "[[links]]\n", r"links = .*: is not a known key"),
    (LINKS.replace("[network]", "[network]\nclosed = 3"), r"network\.closed = 3: is not a list"),
    (LINKS.replace("[network]", "[network]\nclosd = 3"), r"network\.closd = 3: is not a known k"),
    (LINKS.replace('from = "b"\n', ""), r"links\[1\]\.from = None: is missing; give from and to"),
    (LINKS.replace('to = "b"', 'to = "a"'), r"links\[0\]\.to = 'a': is the node that the link s"),
    (LINKS.replace("rate = 80", "rat = 80"), r"links\[1\]\.rat = 80: is not a known key"),
    (LINKS.replace("rate = 80", "rate = 80\nreplicas = 2"), r"links\[1\]\.replicas = 2: is no f"),
    (LINKS.replace("load = 50", ""), r"demands\[0\]\.load = None: is missing; give from, to, lo"),
    (LINKS + '[[demands]]\nfrom = "a"\nto = 3\nload = 1\n', r"demands\[1\]\.to = 3: is given tw"),
    (LINKS + '[[demands]]\nfrom = "a"\nto = "c"\nload = 1\n', r"demands\[1\]\.to = 'c': is not"),
    (LINKS + '[[demands]]\nfrom = "b"\nto = "a"\nload = 1\n', r"network\.load.*: has no route"),
    (LINKS.replace("[network]", "[network.positions]\na = [0, 1]"), r"positions = .*: has no coo"),
    (LINKS.replace("[network]", "[network.positions]\na = 1"), r"positions\.a = 1: is not a pair"),
    ('[network]\nnet = "x.tntp"\n', r"network\.trips = None: is not the name of a file"),
    ('[network]\nnet = "../x"\ntrips = "y"\n', r"network\.net = '\.\./x': is not in the folder"),
    (LINKS.replace("[network]", '[network]\nnet = "x"\ntrips = "y"'), r"links = .*: is given tog"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_does_not_fit_is_named_with_its_place(text, message):
    with pytest.raises(ScenarioError, match=message):
        parse(UNITS + text if text.startswith(("[", "\n")) else text + UNITS, "x")


def test_network_of_links_and_demands():
    system = written(LINKS).system
    assert system.stations == ("a -> b", "b -> 3", "shortcut")
    assert system.groups == ("a -> 3",)
    stations = {"a -> b": MM1(100.0), "b -> 3": MM1(80.0, 0.01), "shortcut": MM1(20.0)}
    other = Routes(stations, {"all": [("a -> b", "b -> 3"), ("shortcut",)]}, {"all": 50.0})
    same_answers(system, other)


def test_closed_nodes_are_not_passed():
    text = LINKS.replace("[network]", '[network]\nclosed = ["b"]').replace("load = 50", "load = 9")
    found = written(text).system.optimum()
    np.testing.assert_allclose(found.station_flow, [0, 0, 9.0])


NET = """<NUMBER OF ZONES> 2
<NUMBER OF NODES> 3
<FIRST THRU NODE> 1
<NUMBER OF LINKS> 3
<END OF METADATA>
~ init term capacity length fft b power speed toll type ;
1 3 600 1 6 0.15 4 0 0 1 ;
3 2 600 1 6 0.15 4 0 0 1 ;
1 2 300 1 18 0.15 4 0 2 1 ;
"""
TRIPS = """<NUMBER OF ZONES> 2
<TOTAL OD FLOW> 900.0
<END OF METADATA>
Origin 1
    2 : 900.0;
"""


@pytest.mark.parametrize(("rate", "delay", "factor"), [("1/min", "min", 1.0), ("1/h", "min", 60.0)])
def test_files_of_a_road_network_are_in_the_units_of_the_scenario(tmp_path, rate, delay, factor):
    for name, text in (("net.tntp", NET), ("trips.tntp", TRIPS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    text = (
        f'[units]\nrate = "{rate}"\ndelay = "{delay}"\n'
        '[network]\nnet = "net.tntp"\ntrips = "trips.tntp"\ntoll_weight = 0.5\n'
    )
    scenario = parse(text, "x", tmp_path)
    assert scenario.load == 900.0
    found = scenario.system.equilibrium()
    flow = found.station_flow[2]
    # both ways take 18 (1 + 0.15 (x/c)^4) and 12 (1 + 0.15 (x/c)^4) minutes, and 1 for the toll
    by_town = 12 * (1 + 0.15 * ((900 - flow) / 600) ** 4)
    direct = 18 * (1 + 0.15 * (flow / 300) ** 4) + 1
    assert by_town == pytest.approx(direct, rel=1e-9)
    assert factor * found.mean_delay == pytest.approx(direct, rel=1e-9)


def test_links_of_one_travel_time_may_have_capacity_0_in_files(tmp_path):
    net = NET.replace("1 2 300 1 18 0.15", "1 2 0 1 18 0")
    for name, text in (("net.tntp", net), ("trips.tntp", TRIPS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    units = '[units]\nrate = "1/min"\ndelay = "min"\n'
    text = units + '[network]\nnet = "net.tntp"\ntrips = "trips.tntp"\n'
    scenario = parse(text, "x", tmp_path)
    assert scenario.system.equilibrium().station_latency[2] == pytest.approx(18.0)


@pytest.mark.parametrize("name", ["regions", "chain", "braess", "crossing"])
def test_built_in_scenarios(name):
    scenario = load_scenario(name)
    assert scenario.source.endswith("numbers of our own")
    assert scenario.load == scenario.system.load
    poa = scenario.system.price_of_anarchy()
    assert 1.005 < poa.lower <= poa <= poa.upper < 1.5


def test_braess_without_its_bridge_is_faster():
    """Selfish users lose by the bridge; the optimum does not."""
    system = load_scenario("braess").system
    stations = {name: system.bank.take(np.array([a])) for a, name in enumerate(system.stations)}
    ways = [("home to north", "north to work"), ("home to south", "south to work")]
    without = Routes(stations, {"all": ways}, {"all": system.load})
    assert without.equilibrium().mean_delay < 0.95 * system.equilibrium().mean_delay
    assert without.optimum().mean_delay >= system.optimum().mean_delay * (1 - 1e-9)


def test_constant_stations_are_in_the_unit_of_the_file():
    text = '[[stations]]\nfamily = "constant"\ndelay = 5\n[[groups]]\nload = 8\ndelay = 1\n'
    system = written(text).system
    same = Groups(Constant([0.005]), load=[8.0], delay=[[0.001]])
    assert system.optimum().mean_delay == pytest.approx(same.optimum().mean_delay, rel=1e-15)
