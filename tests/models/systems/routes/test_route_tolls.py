"""Tolls that make the equilibrium the optimum, and the proof of it."""

import json

import numpy as np
import pytest
from chunks import some
from route_cases import listed, random_groups, random_network

from sojourn.models import (
    BPR,
    MM1,
    Constant,
    Groups,
    MaxUtilisation,
    Network,
    ParallelServers,
    Polynomial,
    Routes,
)
from sojourn.reference import InputError, LoadError
from sojourn.reference.routes import RoutedSystem
from sojourn.reference.routes.bounds import certify
from sojourn.reference.routes.engine import solve
from sojourn.reference.routes.tolls import tolled_excess

ENDS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
BRAESS = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])


def test_tolls_close_the_bridge_of_braess():
    """Six travellers: 92 each at the equilibrium, 83 with tolls of 30 and 3 on each route."""
    tolls = Network(BRAESS, ends=ENDS, load={("s", "t"): 6.0}).tolls()
    assert tolls.certified
    assert tolls.toll == pytest.approx([30.0, 3.0, 0.0, 3.0, 30.0], abs=1e-6)
    assert tolls.mean_delay == pytest.approx(83.0, rel=1e-12)
    assert tolls.mean_toll == pytest.approx(33.0, rel=1e-9)
    assert tolls.equilibrium.mean_delay == pytest.approx(83.0 + 33.0, rel=1e-9)
    assert tolls.gap <= 1e-12
    assert tolls.difference <= 1e-9


def test_a_free_shortcut():
    """4,000 cars on x/100 and 45: 80 with the shortcut, 65 without; tolls bring 64.6875."""
    roads = Polynomial([[0, 0.01], [45, 0], [0, 0], [45, 0], [0, 0.01]])
    city = Network(roads, ends=ENDS, load={("s", "t"): 4000.0})
    assert city.equilibrium().mean_delay == pytest.approx(80.0, rel=1e-9)
    tolls = city.tolls()
    assert tolls.certified
    assert tolls.mean_delay == pytest.approx(64.6875, rel=1e-9)


def test_pigou_and_its_powers():
    """One road of latency x^p beside one of 1: the toll at the optimum is p/(p + 1)."""
    for power in (1, 4, 30):
        short = Polynomial([[0.0] * power + [1.0]])
        roads = Routes(
            {"short": short, "long": Constant(1.0)}, {"all": [["short"], ["long"]]}, {"all": 1.0}
        )
        tolls = roads.tolls()
        assert tolls.toll == pytest.approx([power / (power + 1), 0.0], rel=1e-7, abs=1e-9)
        x = (power + 1) ** (-1 / power)
        assert tolls.mean_delay == pytest.approx(1 - x + x ** (power + 1), rel=1e-9)


def test_group_delays_are_not_unique_but_the_tolls_are():
    """Two groups on x and 1.5 + x/4: the latencies 1 and 1.75 go to either group."""
    links = {"a": Polynomial([[0.0, 1.0]]), "b": Polynomial([[1.5, 0.25]])}
    routes = {name: [["a"], ["b"]] for name in ("one", "two")}
    tolls = Routes(links, routes, {"one": 1.0, "two": 1.0}).tolls()
    assert tolls.certified
    assert tolls.toll == pytest.approx([1.0, 0.25], rel=1e-6)
    assert tolls.equilibrium.station_flow == pytest.approx([1.0, 1.0], rel=1e-6)
    delays = tolls.equilibrium.group_load @ tolls.equilibrium.group_delay
    assert delays == pytest.approx(2 * (1.375 + 0.625), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_one_group_has_the_tolls_of_parallel_servers(seed):
    rng = np.random.default_rng(seed)
    bank = MM1(rng.uniform(5, 50, 4), rng.uniform(0, 0.5, 4))
    load = rng.uniform(0.2, 0.9) * bank.rate.sum()
    found = Groups(bank, load={"all": load}).tolls()
    expected = ParallelServers(bank).tolls(load)
    assert found.toll == pytest.approx(expected.toll, rel=1e-6, abs=1e-9)
    assert found.mean_delay == pytest.approx(expected.mean_delay, rel=1e-10)


@pytest.mark.parametrize("seed", some(20, quick=2, often=3))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_the_equilibrium_under_tolls_is_the_optimum(draw, seed):
    rng = np.random.default_rng(seed)
    system = draw(rng)
    tolls = system.tolls(throw=False)
    best = tolls.optimum
    assert tolls.certificate.lower_bound <= best.certificate.upper_bound
    assert tolls.mean_delay == pytest.approx(best.mean_delay, rel=1e-7)
    assert tolls.certified or tolls.gap > 1e-9
    assert tolls.gap <= 1e-7
    # without the tolls that equilibrium has the mean delay of the optimum, by all routes
    every, v = listed(system.routed), tolls.equilibrium.station_flow
    latency = system.bank.latency(v)
    costs = every.routes.listed.costs(latency + tolls.toll)
    least = every.routes.listed.least(costs, system.group_load.size)
    paid = v @ (latency + tolls.toll) + tolls.equilibrium.route_flow.fixed_delay
    assert paid == pytest.approx(system.group_load @ least, rel=1e-7)


@pytest.mark.parametrize("seed", some(30, quick=2, often=3))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_the_excess_of_a_flow_is_a_bound(draw, seed):
    """A flow of another load's equilibrium under tolls is as far from this one as proved."""
    rng = np.random.default_rng(seed)
    system = draw(rng).routed
    toll = system.bank.latency(np.zeros(len(system.bank))) * rng.exponential(size=len(system.bank))
    tolled = RoutedSystem(system.bank.with_extra_delay(toll), system.routes, system.load)
    exact, total = solve(tolled), system.total_load
    for nearer in (0.5, 0.9, 0.999, 0.999999):
        rough = solve(tolled, multiple=nearer).fitted(system.load)
        if not np.all(system.bank.spare_capacity(rough.station_flow) > 0):
            continue
        saving = certify(tolled, 1.0, rough, np.inf).mean_saving * total
        v, w = rough.station_flow, exact.station_flow
        delays = [
            float(x @ system.bank.latency(x)) + flow.fixed_delay
            for x, flow in ((v, rough), (w, exact))
        ]
        most = np.array([total])
        bound = tolled_excess(system.bank, v, toll, saving, most)
        assert delays[1] - delays[0] <= bound + 1e-12 * delays[0]


def test_results_for_people_and_for_json():
    pair = Groups(MM1([10.0, 5.0]), load={"all": 9.0}, names=["fast", "slow"])
    tolls = pair.tolls()
    text = repr(tolls)
    assert text.splitlines()[0].startswith(
        "tolls at load 9: with them the equilibrium is the optimum: mean delay 0.317446956 within"
    )
    assert "fast  toll 0.524986" in text
    assert json.loads(json.dumps(tolls.to_dict()))["toll"]["slow"] == pytest.approx(0.407135, 1e-5)
    assert pair.tolls(4.0).optimum.load == 4.0


def test_many_stations_are_cut_short():
    many = Groups(BPR(np.ones(20), np.ones(20)), load={"all": 10.0}).tolls()
    assert repr(many).splitlines()[-1] == "  ... and 8 more stations"


def test_limits_and_too_large_loads_are_refused():
    pair = Groups(MM1([10.0, 5.0]), load={"all": 9.0})
    with pytest.raises(InputError, match="subject_to"):
        pair.tolls(subject_to=[MaxUtilisation(0.5)])
    with pytest.raises(LoadError, match="load"):
        pair.tolls(15.0)


def test_tolls_at_light_load_keep_their_digits():
    """The toll v l'(v) of M/M/1 stations, far below the latency."""
    stations = {"radio": MM1(3.0), "cloud": MM1(7.0)}
    system = Routes(stations, {"jobs": [["radio", "cloud"]]}, {"jobs": 1e-11})
    tolls = system.tolls()
    v = tolls.optimum.station_flow
    assert tolls.toll == pytest.approx(v / (system.bank.rate - v) ** 2, rel=1e-14)
