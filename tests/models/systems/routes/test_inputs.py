"""Stations, routes, loads and delays that cannot be right are refused, with place and remedy."""

import math

import numpy as np
import pandas as pd
import pytest

from sojourn.models import MM1, Constant, Groups, InputError, LoadError, Routes

INF = math.inf
BANK = MM1([10.0, 5.0])
STATIONS = {"radio": MM1(200), "edge": MM1(120), "cloud": MM1(500)}
WAYS = {"near": [("radio", "edge"), ("radio", "cloud")], "far": [("radio", "cloud")]}
LOAD = {"near": 50.0, "far": 30.0}


GROUPS = {
    "no load": ({"load": {}}, "load = {}: is not a load for each group"),
    "a single load": ({"load": 5.0}, "load = 5.0: is not a load for each group"),
    "a negative load": ({"load": [1.0, -2.0]}, r"load\[1\] = -2.0: is not above 0 and finite"),
    "a load of 0": ({"load": {"a": 1.0, "b": 0.0}}, r"load\['b'\] = 0.0: .* leave a group"),
    "an infinite load": ({"load": {"a": INF}}, r"load\['a'\] = inf: is not above 0"),
    "a load that is no number": ({"load": {"a": "3"}}, r"load\['a'\] = '3': is not made of"),
    "a nameless group": ({"load": {7: 3.0}}, r"load\[0\] = 7: is not a name"),
    "a negative delay": ({"delay": [[0, 1], [-1, 0]]}, r"delay\[1\]\[0\] = -1.0: is no delay from"),
    "an unknown delay": ({"delay": [[0, math.nan], [1, 0]]}, r"delay\[0\]\[1\] = nan: is no delay"),
    "a group without a server": ({"delay": [[0, 1], [INF, INF]]}, r"delay\[1\].*no server"),
    "delays of a wrong shape": ({"delay": [[0, 1, 2], [1, 2, 3]]}, r"shape \(2, 3\), not \(2, 2\)"),
    "delays of one more group": (
        {"delay": {"a": 1, "b": 2, "c": 3}},
        "delay = 'c': is not a group",
    ),
    "delays of one group less": ({"delay": {"a": [1, 2]}}, r"delay\['b'\] = None: is missing"),
    "a row that is too long": (
        {"delay": {"a": [1, 2, 3], "b": 0}},
        r"delay\['a'\] = .*shape \(3,\)",
    ),
    "a server that is unknown": (
        {"delay": {"a": {"x": 1}, "b": 0}},
        r"delay\['a'\] = 'x': is not a",
    ),
    "a server that is missing": (
        {"delay": {"a": {"server 1": 1}, "b": 0}},
        r"delay\['a'\]\['server 2'\] = None: is missing",
    ),
    "two servers of one name": ({"names": ["x", "x"]}, r"names\[1\] = 'x': is names\[0\] too"),
    "names for other servers": ({"names": ["x"]}, "names = .* is not a list of 2 names"),
    "a unit that is no name": ({"time_unit": ""}, "time_unit = '': is not a name"),
}


@pytest.mark.parametrize("name", GROUPS)
def test_bad_groups(name):
    changed, message = GROUPS[name]
    with pytest.raises(InputError, match=message):
        Groups(BANK, **{"load": {"a": 4.0, "b": 2.0}, **changed})


def test_groups_without_servers():
    with pytest.raises(InputError):
        Groups(load=[1.0])
    with pytest.raises(InputError):
        Groups([10.0, 5.0], load=[1.0])


ROUTES = {
    "stations that are no mapping": ({"stations": [MM1(3)]}, r"stations = .* is not a mapping"),
    "no station": ({"stations": {}}, "stations = {}: is empty"),
    "a nameless station": ({"stations": {3: MM1(3)}}, r"stations\[0\] = 3: is not a name"),
    "a number for a station": (
        {"stations": {**STATIONS, "edge": 120}},
        r"stations\['edge'\] = 120: is not a server",
    ),
    "a bank of two": (
        {"stations": {**STATIONS, "edge": MM1([60, 60])}},
        r"stations\['edge'\] = .*is a bank of 2 servers",
    ),
    "routes that are no mapping": ({"routes": [("radio",)]}, "routes = .* is not a mapping"),
    "a group without routes": (
        {"routes": {"near": [("radio",)]}},
        r"routes\['far'\] = None: is missing: the group has a load",
    ),
    "routes of an unknown group": (
        {"routes": {**WAYS, "nowhere": [("radio",)]}},
        "routes = 'nowhere': is not a group with a load; use near, far",
    ),
    "an empty list of routes": ({"routes": {**WAYS, "far": []}}, r"\['far'\] = \[\]: is empty"),
    "an empty route": ({"routes": {**WAYS, "far": [()]}}, r"\['far'\]\[0\] = \(\): is empty"),
    "one route for a list of them": (
        {"routes": {**WAYS, "far": ("radio", "cloud")}},
        r"routes\['far'\]\[0\] = 'radio': is not a list of stations",
    ),
    "an unknown station": (
        {"routes": {**WAYS, "far": [("radio", "moon")]}},
        r"routes\['far'\]\[0\] = 'moon': is not a station; use radio, edge, cloud",
    ),
    "an unknown station with work": (
        {"routes": {**WAYS, "far": [{"moon": 1.0}]}},
        r"routes\['far'\]\[0\] = 'moon': is not a station",
    ),
    "negative work": (
        {"routes": {**WAYS, "far": [{"radio": -1.0}]}},
        r"routes\['far'\]\[0\]\['radio'\] = -1.0: is no amount of work",
    ),
    "work that is not a number": (
        {"routes": {**WAYS, "far": [{"radio": math.nan}]}},
        r"routes\['far'\]\[0\]\['radio'\] = nan: is no amount of work",
    ),
    "no work at all": (
        {"routes": {**WAYS, "far": [{"radio": 0.0}]}},
        r"routes\['far'\]\[0\] = .*no work at any station",
    ),
    "a route that is listed twice": (
        {"routes": {**WAYS, "far": [("radio", "cloud"), {"cloud": 1, "radio": 1}]}},
        r"routes\['far'\]\[1\] = .*is routes\['far'\]\[0\] again",
    ),
    "a delay of an unknown group": ({"delay": {"nowhere": 1.0}}, "delay = 'nowhere': is not a"),
    "a negative delay": ({"delay": {"far": -1.0}}, r"delay\['far'\] = -1.0: is not a finite"),
    "an infinite delay": ({"delay": {"near": [0, INF]}}, r"delay\['near'\]\[1\] = inf: is not"),
    "too many delays": ({"delay": {"far": [1, 2]}}, r"delay\['far'\] = .*the group has 1 route"),
    "a delay for all": ({"delay": 3.0}, r"delay = 3.0: is not a mapping from groups to delays"),
    "a load of nothing": ({"load": {"near": 1.0, "far": 0.0}}, r"load\['far'\] = 0.0"),
}


@pytest.mark.parametrize("name", ROUTES)
def test_bad_routes(name):
    changed, message = ROUTES[name]
    given = {"stations": STATIONS, "routes": WAYS, "load": LOAD, **changed}
    with pytest.raises(InputError, match=message):
        Routes(**given)


def test_one_route_with_another_delay_is_another_route():
    ways = {"all": [["radio"], ["radio"]]}
    system = Routes(STATIONS, ways, {"all": 3.0}, delay={"all": [0.0, 1.0]})
    assert len(system.routed.routes.listed) == 2


# ---- tables of pandas, and names


def test_loads_and_delays_by_name():
    plain = Groups(BANK, load=[4.0, 2.0], delay=[[0.1, 0.2], [0.3, INF]]).optimum()
    names = ["server 1", "server 2"]
    for load, delay in (
        ({"a": 4.0, "b": 2.0}, {"b": [0.3, INF], "a": [0.1, 0.2]}),
        ({"a": 4.0, "b": 2.0}, {"b": {names[1]: INF, names[0]: 0.3}, "a": [0.1, 0.2]}),
        (
            pd.Series({"a": 4.0, "b": 2.0}),
            pd.DataFrame([[INF, 0.3], [0.2, 0.1]], index=["b", "a"], columns=names[::-1]),
        ),
    ):
        system = Groups(BANK, load=load, delay=delay)
        assert system.groups == ("a", "b")
        np.testing.assert_array_equal(system.delay, [[0.1, 0.2], [0.3, INF]])
        assert system.optimum().mean_delay == plain.mean_delay


def test_a_load_as_a_series_of_pandas():
    load = pd.Series({"near": 50.0, "far": 30.0})
    system = Routes(STATIONS, WAYS, load, delay=pd.Series({"far": 0.25}))
    assert system.groups == ("near", "far")
    np.testing.assert_array_equal(system.routed.routes.listed.delay, [0.0, 0.0, 0.25])


# ---- loads


def test_loads_that_cannot_be_carried():
    system = Routes(STATIONS, WAYS, LOAD)
    assert system.load == 80.0
    assert system.max_load == pytest.approx(200.0)
    with pytest.raises(LoadError, match=r"load = 200.0: is not below 200, .*'radio'"):
        system.optimum(200.0)
    for load, problem in (
        (0.0, "there are no jobs"),
        (-1.0, "load = -1.0: a load cannot be negative"),
        ({"near": 10.0}, "is not one number; give the total load; groups keep their parts"),
        (math.nan, "is not a finite number"),
        ([1.0, 2.0], "is not one number"),
    ):
        with pytest.raises(LoadError, match=problem):
            system.equilibrium(load)
    with pytest.raises(InputError, match="is not made of numbers"):
        system.optimum("many")
    assert system.optimum(199.99).certified
    with pytest.raises(LoadError, match=r"^loads\[0\] = 500.0: is not below 200, "):
        Routes(STATIONS, WAYS, {"near": 50.3, "far": 29.9}).curve([500.0])


def test_a_load_scales_the_loads_of_the_groups():
    system = Routes(STATIONS, WAYS, LOAD)
    answer, twice = system.optimum(160.0), Routes(STATIONS, WAYS, {"near": 100.0, "far": 60.0})
    assert answer.multiple == 2.0
    np.testing.assert_array_equal(answer.group_load, [100.0, 60.0])
    assert answer.mean_delay == pytest.approx(twice.optimum().mean_delay, rel=1e-12)


def test_a_system_without_rates_carries_any_load():
    system = Routes({"a": Constant([1.0])}, {"all": [["a"]]}, {"all": 3.0})
    assert system.max_load == INF
    assert str(system.capacity()) == "no station limits the load"
    assert system.optimum(1e6).mean_delay == pytest.approx(1.0)
    assert system.capacity().to_dict()["multiple"] is None


def test_capacity_names_the_stations_that_limit():
    most = Routes(STATIONS, WAYS, LOAD).capacity()
    assert most.limiting == ("radio",)
    assert most.multiple == pytest.approx(2.5)
    assert most.max_load == pytest.approx(200.0)
    assert most.lower <= 2.5 * (1 + 1e-9)
    assert most.upper >= 2.5 * (1 - 1e-9)
