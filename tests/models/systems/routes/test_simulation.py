"""Simulated routes: numbers beside closed forms, the order of visits, and what is refused."""

import numpy as np
import pytest

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MG1PS,
    MM1,
    Constant,
    Function,
    Groups,
    InputError,
    Measured,
    MM1Vacations,
    MMc,
    Network,
    Polynomial,
    Routes,
    Tandem,
    load_scenario,
)
from sojourn.models.simulation.answer import covered
from sojourn.models.systems.routes.simulation import servers_of

STATIONS = {"radio": MM1(20.0), "edge": MG1(12.0, cv=2.0), "wan": Constant(0.3), "cloud": MM1(50)}
WAYS = {"near": [("radio", "edge"), ("radio", "wan", "cloud")], "far": [("wan", "cloud")]}
CHAIN = Routes(STATIONS, WAYS, {"near": 9.0, "far": 5.0}, delay={"far": 0.1})
LINKS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
GRID = Network(MM1([10.0, 8.0, 5.0, 9.0, 7.0]), ends=LINKS, load={("s", "t"): 6.0})
NUMBERS = ("mean_delay", "group_delay", "route_delay", "station_latency", "utilisation")


def closed(data, name):
    return data[name].sel(number="closed form").values


@pytest.mark.parametrize("seed", range(3))
def test_numbers(seed):
    share = [[0.4, 0.6], [1.0]]
    given = CHAIN.evaluate(share=share)
    data = CHAIN.simulate(share=share, jobs=60_000, seed=seed, level=0.9999)
    assert closed(data, "mean_delay") == given.mean_delay
    assert closed(data, "group_delay") == pytest.approx(given.group_delay)
    assert closed(data, "station_latency") == pytest.approx(given.station_latency)
    assert closed(data, "utilisation")[:2] == pytest.approx(given.utilisation[:2])
    assert data.flow.values == pytest.approx([3.6, 5.4, 5.0])
    assert data.route.values.tolist() == [
        "near: radio, edge",
        "near: radio, wan, cloud",
        "far: wan, cloud",
    ]
    assert all(covered(data)[name].all() for name in NUMBERS)
    assert data.attrs["notes"] == ""


def test_the_optimum_by_default():
    data = GRID.simulate(jobs=20_000)
    assert closed(data, "mean_delay") == GRID.optimum().mean_delay
    idle = GRID.optimum().station_flow == 0
    assert np.array_equal(np.isnan(closed(data, "station_latency")), idle)
    assert data.identical(GRID.simulate(jobs=20_000))


def test_groups_at_a_distance():
    regions = Groups(MM1([10.0, 8.0], 0.5), load=[5.0, 4.0], delay=[[0.0, 0.2], [0.2, 0.0]])
    data = regions.simulate(share=[[0.5, 0.5], [0.5, 0.5]], jobs=40_000, level=0.9999)
    assert all(covered(data)[name].all() for name in NUMBERS)


def test_work_that_is_no_whole_number_is_processor_sharing():
    ways = {"x": [{"a": 0.5, "b": 1.5}, ("b", "a")]}
    system = Routes({"a": MM1(10.0, base=2.0), "b": MG1PS(12.0)}, ways, {"x": 5.0})
    for service in (None, "deterministic"):
        data = system.simulate(
            share=[[0.5, 0.5]], jobs=40_000, service=service, level=0.9999, seed=1
        )
        assert all(covered(data)[name].all() for name in NUMBERS)


def test_several_servers_on_routes():
    """Departures from M/M/c are a Poisson stream; a work of 1.5 is shared, with the same mean."""
    ways = {"x": [("a", "b"), {"b": 2.0}], "y": [{"c": 1.5, "a": 1.0}]}
    system = Routes({"a": MMc(3.0, 4), "b": MM1(20.0), "c": MMc(4.0, 3)}, ways, {"x": 8, "y": 6})
    data = system.simulate(share=[[0.5, 0.5], [1.0]], jobs=60_000, level=0.9999, seed=2)
    assert all(covered(data)[name].all() for name in NUMBERS)
    assert data.attrs["notes"] == ""
    np.testing.assert_allclose(closed(data, "utilisation"), [10 / 12, 12 / 20, 9 / 12])
    disciplines = [node.discipline for node in servers_of(system, None).nodes]
    assert disciplines == ["queue", "queue", "sharing"]


def test_the_built_in_chain():
    """Its closed forms are approximations behind the queues of other than exponential times."""
    chain = load_scenario("chain")
    data = chain.system.simulate(chain.load, jobs=20_000, seed=1)
    assert "the closed form is an approximation" in data.attrs["notes"]
    mean = float(data.mean_delay.sel(number="simulated"))
    assert mean == pytest.approx(float(closed(data, "mean_delay")), rel=0.1)
    assert (data.utilisation.sel(number="high") < 1).all()


def test_two_visits_to_one_station():
    """A station listed twice is passed twice, in the order of the route."""
    again = Routes({"a": MM1(10.0), "b": MM1(9.0)}, {"x": [("a", "b", "a")]}, {"x": 3.0})
    assert again._visits(again.routed.routes.listed) == [[0, 1, 0]]
    data = again.simulate(jobs=40_000, level=0.9999)
    assert all(covered(data)[name].all() for name in NUMBERS)
    back = Routes({"a": MM1(10.0), "b": MM1(9.0)}, {"x": [("b", "a")]}, {"x": 3.0})
    assert back._visits(back.routed.routes.listed) == [[1, 0]]


def test_behind_a_constant_server_the_closed_form_is_an_approximation():
    """Kept counterexample: the model adds a wait at the second of two equal M/D/1 queues."""
    pair = Routes({"a": MD1(10.0), "b": MD1(10.0)}, {"x": [("a", "b")]}, {"x": 8.0})
    data = pair.simulate(jobs=40_000)
    assert "approximation: it takes the arrivals at b as Poisson" in data.attrs["notes"]
    second = data.station_latency.sel(station="b")
    assert second.sel(number="simulated") == pytest.approx(0.1)
    assert second.sel(number="closed form") == pytest.approx(0.3)
    assert covered(data).station_latency.sel(station="a")


def test_another_law_is_said():
    data = CHAIN.simulate(share=[[0.4, 0.6], [1.0]], jobs=5_000, service="lognormal")
    assert "the families' own service times" in data.attrs["notes"]


def alone(bank):
    return Routes({"a": bank}, {"x": [("a",)]}, {"x": 1.0})


REFUSED = {
    "a road": BPR(free_flow=1.0, capacity=10.0),
    "a polynomial": Polynomial([[1.0, 1.0]]),
    "a formula": Function(lambda x: 1.0 / (20.0 - x), rate=20.0),
    "measured": Measured([[0.0, 2.0, 4.0]], [[1.0, 1.5, 3.0]]),
    "batches": MM1(10.0, batch=3.0),
    "a priority": MM1(10.0, base=1.0, base_priority="preemptive"),
    "two stations in one": Tandem(MM1(10.0), MM1(9.0)),
    "vacations": MM1Vacations(10.0, 0.1, 1.0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_families_without_a_queue_are_refused(name):
    for ask in (alone(REFUSED[name]).simulate, alone(REFUSED[name]).play):
        with pytest.raises(InputError, match=r"stations\[.*; .*(use|simulate|list) "):
            ask()


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: CHAIN.simulate(share=[[1.0, 0.0], [1.0]], load=25.0), "share"),
        (lambda: CHAIN.simulate(jobs=True), "jobs"),
        (lambda: CHAIN.simulate(flow=[[9.0, 0.0], [5.0]], share=[[1.0, 0.0], [1.0]]), "evaluate"),
        (lambda: alone(MD1(9.0)).simulate(service=["exponential", "gamma"]), "service"),
        (
            lambda: Routes({"a": MD1(9.0)}, {"x": [{"a": 0.5}]}, {"x": 1.0}).simulate(),
            "stations['a']",
        ),
        (lambda: GRID.play(share=[[1.0]]), "share"),
    ],
)
def test_refused(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field.startswith(field)
