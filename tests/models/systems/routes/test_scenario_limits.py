"""Limits in scenario files of systems with routes: names, units, errors and shadow prices."""

import json

import numpy as np
import pytest

from sojourn.models import MaxGroupFlow, MaxUtilisation, ServerPercentile
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse

UNITS = """
[units]
rate = "1/s"
delay = "ms"
"""
REGIONS = (
    UNITS
    + """
[[stations]]
name = "east"
rate = 100
[[stations]]
name = "west"
rate = 40
replicas = 2
[[groups]]
name = "north"
load = 90
delay = [5, 20]
[[groups]]
name = "south"
load = 40
delay = [20, 5]
"""
)
BRAESS = (
    UNITS
    + """
[network]
[[links]]
from = "s"
to = "v"
rate = 10
[[links]]
from = "s"
to = "w"
rate = 10
[[links]]
from = "v"
to = "t"
rate = 10
[[links]]
from = "w"
to = "t"
rate = 10
[[demands]]
from = "s"
to = "t"
load = 6
"""
)


def read(file, *tables):
    return parse(file + "".join(f"[[limits]]\n{t}\n" for t in tables), "x")


@pytest.mark.parametrize(("file", "table", "limit"), [
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "east"\nshare = 0.5',
     MaxGroupFlow(group="north", station="east", share=0.5)),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nroute = 0\nflow = 60',
     MaxGroupFlow(group="north", route=0, flow=60.0)),
    (REGIONS, 'kind = "MaxUtilisation"\nutilisation = [0.6, 0.95]',
     MaxUtilisation([0.6, 0.95, 0.95])),
    (REGIONS, 'kind = "ServerPercentile"\np = 0.9\nwithin = [70, 300]',
     ServerPercentile(0.9, [0.070, 0.300, 0.300])),
    (BRAESS, 'kind = "MaxGroupFlow"\ngroup = "s -> t"\nstation = "s -> v"\nflow = 2',
     MaxGroupFlow(group="s -> t", station="s -> v", flow=2.0)),
])  # fmt: skip
def test_limits_are_read_in_the_units_of_the_file(file, table, limit):
    scenario = read(file, table)
    (found,) = scenario.limits
    one, other = (scenario.system.optimum(subject_to=[v]) for v in (found, limit))
    assert one.mean_delay == pytest.approx(other.mean_delay, rel=1e-12)
    np.testing.assert_allclose(one.limits[0].price, other.limits[0].price)
    assert one.limits[0].price.any()


def test_a_group_share_names_stations():
    table = 'kind = "GroupShare"\nservers = ["west"]\nat_most = 0.3'
    scenario = read(REGIONS, table)
    assert scenario.limits[0].servers == [1, 2]
    flow = scenario.system.optimum(subject_to=scenario.limits).station_flow
    assert flow[1:].sum() == pytest.approx(0.3 * 130)


@pytest.mark.parametrize(("file", "table", "message"), [
    (REGIONS, 'kind = "MaxGroupFlows"\ngroup = "north"', "kind = 'MaxGroupFlows': is not a known "
     "kind; did you mean MaxGroupFlow?"),
    (REGIONS, 'kind = "MaxGroupFlow"\nstation = "east"',
     "group = None: is missing; MaxGroupFlow needs group"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "nord"\nstation = "east"\nshare = 0.5',
     "group = 'nord': is not a group; "),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "west"\nshare = 0.5',
     "station = 'west': is not a station; "),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "east"',
     "kind = 'MaxGroupFlow': has neither share nor flow; give share or flow"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "east"\nshare = 30',
     "share = 30.0: is not a part of the group's load; write 30 % as 0.3"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nroute = 3\nshare = 0.5',
     "route = 3: is not a route of north; give a whole number from 0 to 2"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nroute = 1.0\nshare = 0.5',
     "route = 1.0: is not a route of north"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "east"\nflow = -1',
     "flow = -1.0: is not a flow; give jobs per unit of time, 0 or more"),
    (REGIONS, 'kind = "MaxGroupFlow"\ngroup = "north"\nstations = ["east"]\nflow = 1',
     "stations = ['east']: is not a known key; did you mean station?"),
    (REGIONS, 'kind = "GroupShare"\nservers = ["north"]\nat_most = 0.5',
     "servers[0] = 'north': is not the name of a station; use east, west"),
    (REGIONS, 'kind = "MaxShare"\nshare = [0.5, 1, 1, 1]', "share = [0.5, 1.0, 1.0, 1.0]: "),
    (BRAESS, 'kind = "MinShare"\nshare = 0.1',
     "kind = 'MinShare': is a limit from below, which a network does not take"),
    (BRAESS, 'kind = "GroupShare"\nservers = ["s -> x"]\nat_most = 0.5',
     "servers[0] = 's -> x': is not the name of a link; use s -> v, s -> w, v -> t, w -> t"),
])  # fmt: skip
def test_a_table_without_a_limit_is_named(file, table, message):
    with pytest.raises(ScenarioError) as caught:
        read(file, 'kind = "MaxShare"\nshare = 1', table)
    assert str(caught.value).startswith(f"limits[1].{message}")


@pytest.mark.parametrize("table", [
    'kind = "MaxGroupFlow"\ngroup = "all"\nstation = "x"\nshare = 0.5',
    'kind = "GroupShare"\nservers = ["x"]\nat_most = 0.5',
])  # fmt: skip
def test_a_message_lists_a_dozen_of_many_stations(table):
    stations = "".join(f'[[stations]]\nname = "s{i}"\nrate = 10\n' for i in range(30))
    file = f'{UNITS}{stations}[[groups]]\nname = "all"\nload = 9\ndelay = 0\n'
    with pytest.raises(ScenarioError, match=r"use s0.* s11( or others|, \.\.\.)$"):
        read(file, table)


def test_a_limit_of_a_group_is_refused_in_a_file_without_groups():
    file = f"{UNITS}[loads]\nat = 5\n[[servers]]\nrate = 10\n"
    table = 'kind = "MaxGroupFlow"\ngroup = "north"\nstation = "server 1"\nshare = 0.5'
    with pytest.raises(ScenarioError) as caught:
        read(file, table)
    assert str(caught.value) == (
        "limits[0].kind = 'MaxGroupFlow': limits a group of users, which parallel servers do not "
        "have; use Groups, Routes or Network; in a file, stations and groups, or a network"
    )


def test_run_answers_the_optimum_within_limits(sojourn, tmp_path):
    path, limit = tmp_path / "own.toml", MaxGroupFlow(group="north", station="east", share=0.5)
    path.write_text(
        REGIONS
        + '[[limits]]\nkind = "MaxGroupFlow"\ngroup = "north"\nstation = "east"\nshare = 0.5\n'
    )
    system = parse(REGIONS, "x").system
    true, free = system.optimum(subject_to=[limit]), system.optimum()
    record = json.loads(sojourn("run", str(path), "--json")[1])
    assert record["optimum"]["mean_delay"] == pytest.approx(1e3 * true.mean_delay, rel=1e-9)
    price = 1e3 * float(true.limits[0].price)
    assert record["optimum"]["limits"] == [{
        "limit": "share of north at east",
        "bound": [0.5],
        "value": [pytest.approx(0.5)],
        "price": [pytest.approx(price)],
    }]  # fmt: skip
    poa = system.equilibrium().mean_delay / free.mean_delay
    assert record["price_of_anarchy"] == pytest.approx(poa, rel=1e-6)
    status, out, _ = sojourn("run", str(path))
    assert status == 0
    flat = " ".join(out.split())
    line = f"limit share of north at east: binds at 0.5, shadow price {price:.4g} ms a unit"
    assert line in flat
    assert "the equilibrium, the price of anarchy and the curve are without them" in flat
