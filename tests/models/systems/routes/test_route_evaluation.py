"""Flows that a user gives: their delays, their distance from the optimum, and what is refused."""

import json
import math

import numpy as np
import pytest
from chunks import some
from route_cases import listed, random_flow, random_groups, random_network

from sojourn.models import (
    MG1,
    MM1,
    Constant,
    Groups,
    Network,
    ParallelServers,
    Polynomial,
    Routes,
)
from sojourn.models.systems.routes import RouteMove
from sojourn.reference import InputError, LoadError
from sojourn.reference.routes import RouteFlow

ENDS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
BRAESS = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])


@pytest.fixture
def regions():
    delay = [[0.005, 0.020, 0.030], [0.020, 0.005, math.inf]]
    return Groups(MM1([100.0, 80.0, 400.0]), load={"north": 90.0, "south": 60.0}, delay=delay)


@pytest.fixture
def chain():
    return Routes(
        stations={
            "radio": MM1(200),
            "edge": MG1(120, cv=2),
            "wan": Constant(0.03),
            "cloud": MM1(500),
        },
        routes={
            "near": [("radio", "edge"), ("radio", "wan", "cloud")],
            "far": [("radio", "wan", "cloud")],
        },
        load={"near": 150, "far": 30},
    )


@pytest.fixture
def braess():
    return Network(BRAESS, ends=ENDS, load={("s", "t"): 6.0})


def check(system, found, flow, rel=1e-9):
    """Assert the numbers of an evaluation, from flows of all listed routes."""
    every = listed(system.routed)
    columns, load = every.routes.listed, found.group_load
    v = columns.station_flow(flow)
    latency = system.bank.latency(v)
    costs = columns.costs(latency)
    total = flow @ costs
    assert found.station_flow == pytest.approx(v, rel=rel, abs=rel * load.sum())
    assert found.mean_delay == pytest.approx(total / load.sum(), rel=100 * rel)
    least = columns.least(costs, load.size)
    assert found.mean_saving == pytest.approx(
        (total - load @ least) / load.sum(), rel=1e-6, abs=1e-9 * total
    )
    assert found.potential_gap == pytest.approx(1 - load @ least / total, abs=1000 * rel)
    assert found.ratio.lower >= 1.0
    assert found.loss == pytest.approx(found.mean_delay - found.optimum_delay, abs=1e-9 * total)
    return columns, costs, least


@pytest.mark.parametrize("seed", some(20, quick=2, often=3))
def test_random_flows_of_groups(seed):
    rng = np.random.default_rng(seed)
    system = random_groups(rng)
    flow = random_flow(rng, system.routed, system.group_load)
    columns = system.routed.routes.listed
    table = np.zeros((len(system.groups), len(system.stations)))
    table[columns.group, columns.work.indices] = flow
    found = system.evaluate(flow=table)
    _, costs, least = check(system, found, flow)
    saved = costs - least[columns.group]
    assert found.largest_saving == pytest.approx(saved.max(), rel=1e-9)
    delays = columns.group_flow(flow * costs, least.size) / system.group_load
    assert found.group_delay == pytest.approx(delays, rel=1e-9)
    shares = system.evaluate(share=table / system.group_load[:, None])
    assert shares.mean_delay == pytest.approx(found.mean_delay, rel=1e-12)
    total = system.evaluate(station_flow=found.station_flow)
    # of the flows with these totals, those with the least fixed delays
    assert total.mean_delay <= found.mean_delay * (1 + 1e-6)
    assert total.station_flow == pytest.approx(found.station_flow, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", some(20, quick=2, often=3))
def test_random_flows_of_networks(seed):
    """By route, by origin and in total, the mean delay is the same."""
    rng = np.random.default_rng(seed)
    system = random_network(rng)
    every = listed(system.routed)
    columns = every.routes.listed
    flow = random_flow(rng, every, system.group_load)
    given = {pair: [] for pair in system.pairs}
    for r, x in enumerate(flow):
        links = columns.work.indices[columns.work.indptr[r] : columns.work.indptr[r + 1]]
        given[system.pairs[columns.group[r]]].append((ordered(system, links), x))
    found = system.evaluate(flow=given)
    columns, costs, least = check(system, found, flow)
    used = flow > 1e-6 * system.group_load[columns.group]
    saved = np.where(used, costs - least[columns.group], 0.0)
    assert found.largest_saving >= saved.max() * (1 - 1e-9) - 1e-12 * costs.max()
    by_origin = system.routed.routes.origin_flows(RouteFlow(columns, flow))
    origins = [system.nodes[o] for o in system.routed.routes.origins]
    named = dict(zip(origins, by_origin, strict=True))
    for other in (
        system.evaluate(by_origin=named),
        system.evaluate(station_flow=found.station_flow),
    ):
        check(system, other, flow, rel=1e-7)
        assert 0 <= other.residual <= 1
        brought = other.route_flow.station_flow
        assert np.all(brought <= other.station_flow * (1 + 1e-9) + 1e-9 * system.load)


def ordered(system, links):
    """Return the names of the links of a route in the order in which it passes them."""
    rest, ends = list(links), [system.ends[a] for a in links]
    starts = {start: a for a, (start, _) in zip(links, ends, strict=True)}
    node = next(s for s, _ in ends if s not in {e for _, e in ends})
    out = []
    while rest:
        a = starts[node]
        out.append(system.stations[a])
        rest.remove(a)
        node = system.ends[a][1]
    return out


@pytest.mark.parametrize("seed", some(10, quick=2, often=3))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_the_optimum_and_the_equilibrium_judged(draw, seed):
    rng = np.random.default_rng(seed)
    system = draw(rng)
    best, selfish = system.optimum(throw=False), system.equilibrium(throw=False)
    found = system.evaluate(station_flow=best.station_flow)
    assert found.ratio == pytest.approx(1.0, abs=1e-6)
    found = system.evaluate(station_flow=selfish.station_flow)
    assert found.mean_delay == pytest.approx(selfish.mean_delay, rel=1e-6)
    assert found.potential_gap <= 1e-6
    assert found.mean_saving <= 1e-6 * found.mean_delay


def test_one_group_agrees_with_parallel_servers():
    bank, flow = MM1([10.0, 5.0]), [6.0, 3.0]
    found = Groups(bank, load={"all": 9.0}).evaluate(flow=[flow])
    expected = ParallelServers(bank).evaluate(9.0, flow=flow)
    for name in ("mean_delay", "optimum_delay", "equilibrium_delay", "ratio", "loss"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-8)
    assert found.largest_saving == pytest.approx(expected.deviation_gain, rel=1e-12)
    assert (found.move.start, found.move.end) == tuple((name,) for name in expected.move)


def test_the_move_that_saves_most(regions, chain):
    found = regions.evaluate(flow=[[40, 0, 50], [0, 60, 0]])
    assert found.move == RouteMove("south", ("server 2",), ("server 1",), found.largest_saving)
    assert found.largest_saving == pytest.approx(0.055 - 0.020 - 1 / 60)
    found = chain.evaluate(flow={"near": [60, 90], "far": [30]})
    assert found.move.start == ("radio", "wan", "cloud")
    assert found.move.end == ("radio", "edge")
    assert chain.evaluate(flow={"near": [150, 0], "far": [30]}).overloaded == ("edge",)


def test_braess_by_hand(braess):
    """By route, by origin and in total; at 3 and 3 the bridge saves 13, at 2, 2 and 2 nothing."""
    half = braess.evaluate(flow={("s", "t"): [(["s", "v", "t"], 3), (["s -> w", "w -> t"], 3)]})
    assert half.mean_delay == pytest.approx(83.0)
    assert half.ratio == pytest.approx(1.0, abs=1e-9)
    assert half.largest_saving == pytest.approx(13.0)
    assert half.move.end == ("s -> v", "v -> w", "w -> t")
    ways = [["s", "v", "t"], ["s", "w", "t"], ["s", "v", "w", "t"]]
    for given in (
        {"flow": {"s -> t": [(way, 2) for way in ways]}},
        {"share": {("s", "t"): [(way, 1 / 3) for way in ways]}},
        {"by_origin": {"s": [4, 2, 2, 2, 4]}},
        {"station_flow": {"s -> v": 4, "s -> w": 2, "v -> w": 2, "v -> t": 2, "w -> t": 4}},
    ):
        found = braess.evaluate(**given)
        assert found.mean_delay == pytest.approx(92.0)
        assert found.ratio == pytest.approx(92 / 83, rel=1e-9)
        assert found.move is None
        assert found.residual == pytest.approx(0.0, abs=1e-12)
        assert sum(route.flow for route in found.routes_between("s", "t")) == pytest.approx(6.0)


def test_another_load(braess):
    found = braess.evaluate(3.0, by_origin={"s": [3, 0, 3, 0, 3]})
    assert found.load == 3.0
    assert found.multiple == 0.5
    assert found.mean_delay == pytest.approx(30 + 13 + 30)


def test_full_stations(regions):
    found = regions.evaluate(flow=[[90, 0, 0], [20, 40, 0]])
    assert not found.stable
    assert found.overloaded == ("server 1",)
    assert math.isinf(found.mean_delay)
    assert math.isinf(found.ratio)
    assert math.isinf(found.largest_saving)
    assert found.group_delay.tolist() == [math.inf, math.inf]
    assert found.move.start == ("server 1",)
    assert "unstable: server 1 gets its rate or more" in repr(found)
    assert json.loads(json.dumps(found.to_dict()))["mean_delay"] is None


def test_circles_are_stated():
    """Jobs that go round between v and w are on no route: their delay counts all the same."""
    ends = [("s", "v"), ("v", "w"), ("w", "v"), ("w", "t")]
    ring = Network(Constant([1.0, 1.0, 1.0, 1.0]), ends=ends, load={("s", "t"): 2.0})
    for given in ({"by_origin": {"s": [2, 5, 3, 2]}}, {"station_flow": [2, 5, 3, 2]}):
        found = ring.evaluate(**given)
        assert found.mean_delay == pytest.approx(6.0)
        assert found.residual == pytest.approx(0.5)
        assert "but a part of 5.0e-01 of all flow is on no route found" in repr(found)
        assert found.route_flow.station_flow == pytest.approx([2, 2, 0, 2])


def refused(system, given, field, *words):
    """Assert that an evaluation is refused with a field and words in its message."""
    with pytest.raises(InputError) as caught:
        system.evaluate(**given)
    assert field in caught.value.field
    for word in words:
        assert word in str(caught.value)


def test_jobs_that_vanish_or_appear_are_named(braess):
    refused(
        braess,
        {"by_origin": {"s": [4, 2, 2, 1, 4]}},
        "by_origin['s']",
        "of the 6 jobs from s, 1 vanish at node v",
    )
    refused(
        braess,
        {"by_origin": {"s": [4, 2, 2, 2, 5]}},
        "by_origin['s']",
        "of the 6 jobs from s, 1 appear at node w",
    )
    refused(braess, {"station_flow": [4, 2, 2, 2, 3]}, "station_flow", "1 vanish at node w")
    refused(
        braess,
        {"load": 5.0, "station_flow": [4, 2, 2, 2, 4]},
        "station_flow",
        "1 appear at node s",
    )


def test_routes_through_closed_nodes_are_refused():
    ends = [("a", "b"), ("b", "c"), ("a", "c")]
    zones = Network(Constant([1.0, 1.0, 3.0]), ends=ends, load={("a", "c"): 1.0}, closed=["b"])
    refused(
        zones,
        {"by_origin": {"a": [1, 1, 0]}},
        "by_origin['a']",
        "at node b, which routes do not pass",
    )
    refused(zones, {"flow": {("a", "c"): [(["a", "b", "c"], 1)]}}, "flow", "passes b")
    assert zones.evaluate(flow={("a", "c"): [("a -> c", 1)]}).mean_delay == 3.0


def test_flows_that_are_not_of_these_loads(regions, chain):
    refused(regions, {"flow": [[40, 0, 50], [0, 50, 10]]}, "flow['south'][2]", "may not use")
    refused(regions, {"flow": [[40, 0, 40], [0, 60, 0]]}, "flow['north']", "80", "90")
    refused(regions, {"share": [[0.5, 0, 0.4], [0, 1, 0]]}, "share['north']", "0.9")
    refused(regions, {"flow": [[40, 0, -40], [0, 60, 0]]}, "flow['north'][2]", "negative")
    refused(regions, {"flow": [[40, 0, math.nan], [0, 60, 0]]}, "flow['north'][2]")
    refused(regions, {"flow": [[40, 0, 50]]}, "flow", "1 row for 2 groups")
    refused(regions, {"flow": {"north": [40, 0, 50]}}, "flow", "no flows of south")
    refused(regions, {"flow": [[40, 50], [0, 60]]}, "flow['north']", "2 numbers")
    refused(regions, {"flow": {"east": [1, 2, 3]}}, "flow['east']", "north")
    refused(regions, {"station_flow": [20, 10, 120]}, "station_flow", "at least 60 jobs")
    refused(regions, {"station_flow": [20, 10]}, "station_flow", "2 numbers for 3")
    refused(regions, {"station_flow": {"server 9": 1}}, "station_flow['server 9']")
    refused(regions, {"by_origin": {"north": [1, 2, 3]}}, "by_origin", "networks")
    refused(regions, {}, "evaluate", "one way")
    refused(regions, {"flow": [[1]], "share": [[1]]}, "evaluate", "one way")
    refused(regions, {"flow": [[40, 0, 50], [0, 60, 0]], "tolerance": 0}, "tolerance")
    refused(chain, {"flow": {"near": [60, 90], "far": [15, 15]}}, "flow['far']", "2 numbers")
    with pytest.raises(LoadError, match="load"):
        chain.evaluate(250.0, flow={"near": [60, 90], "far": [30]})


def test_routes_that_are_none(braess):
    pair = ("s", "t")
    for route, words in (
        (["s", "w", "v", "t"], "no links from w to v"),
        (["s", "w"], "leads from s to w"),
        (["s -> v", "w -> t"], "in pieces"),
        (["s"], "is no route"),
        ([], "list"),
    ):
        refused(
            braess,
            {"flow": {pair: [(route, 6)]}},
            "flow['s -> t'][0][0]",
            words,
        )
    refused(braess, {"flow": {pair: [["s", "v", "t"]]}}, "flow['s -> t'][0]", "pair")
    refused(braess, {"flow": {pair: [(["s", "v", "t"], "six")]}}, "flow['s -> t'][0][1]")
    refused(braess, {"by_origin": {"v": [1] * 5}}, "by_origin", "s")
    refused(braess, {"by_origin": [1] * 5}, "by_origin")


def test_parallel_links_need_names():
    ends = [("a", "b"), ("a", "b")]
    pair = Network(Constant([1.0, 2.0]), ends=ends, load={("a", "b"): 1.0})
    refused(pair, {"flow": {("a", "b"): [(["a", "b"], 1)]}}, "flow", "2 links from a to b")
    found = pair.evaluate(flow={("a", "b"): [("a -> b", 0.25), ("a -> b (2)", 0.75)]})
    assert found.mean_delay == pytest.approx(1.75)


def test_results_for_people_and_for_json(regions):
    found = regions.evaluate(flow=[[40, 0, 50], [0, 60, 0]])
    assert repr(found).splitlines()[:3] == [
        "flows at load 150: mean delay 0.0387301587, 1.24405 times the least, certified within "
        + f"{found.ratio.spread:.1e} of it",
        "  optimum 0.0311322844, equilibrium 0.0386992137",
        "  a user of south saves 0.0183333 by a change from server 2 to server 1",
    ]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["move"] == {
        "group": "south",
        "from": ["server 2"],
        "to": ["server 1"],
        "saving": pytest.approx(0.01833333),
    }
    assert plain["stations"][0]["name"] == "server 1"
    assert plain["groups"][1]["routes"][0]["flow"] == 60
    assert found.stations.flow.values.tolist() == [40, 60, 50]


def test_a_route_with_little_work_at_a_full_station_saves_infinitely_much():
    """Work 0.2 there is as bad as work 1; who waits for ever on each route saves nothing."""
    stations = {"full": MM1(1.0), "free": MM1(10.0)}
    ways = [{"full": 0.2}, {"full": 1e-9, "free": 1.0}, {"free": 1.0}]
    open_way = Routes(stations, {"all": ways}, {"all": 6.0})
    judged = open_way.evaluate(share=[[0.9, 0.0, 0.1]])
    assert math.isinf(judged.largest_saving)
    assert (judged.move.start, judged.move.end) == (("full",), ("free",))
    assert math.isinf(judged.group_delay[0])
    closed = Routes(stations, {"all": ways[:2]}, {"all": 4.0})
    judged = closed.evaluate(flow=[[0.0, 4.0]])
    assert judged.stable
    assert math.isfinite(judged.largest_saving)
    both = Routes({"full": MM1(1.0)}, {"all": [{"full": 0.2}, {"full": 0.1}]}, {"all": 6.0})
    judged = both.evaluate(share=[[1.0, 0.0]])
    assert (judged.largest_saving, judged.move) == (0.0, None)
