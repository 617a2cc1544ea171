"""The optimum within limits on stations and groups: answers, shadow prices, and refusals."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from chunks import some
from route_cases import random_groups, random_network

from sojourn.models import (
    MM1,
    Budget,
    Constant,
    FormulationError,
    Groups,
    GroupShare,
    Limit,
    LinearLimit,
    MaxGroupFlow,
    MaxShare,
    MaxUtilisation,
    MinShare,
    Network,
    NotCertifiedError,
    ParallelServers,
    Polynomial,
    Routes,
    ServerPercentile,
)
from sojourn.reference import InputError, LoadError

ENDS = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
BRAESS = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])


@pytest.fixture
def regions():
    delay = [[0.005, 0.020, 0.030], [0.020, 0.005, math.inf]]
    return Groups(MM1([100.0, 80.0, 400.0]), load={"north": 90.0, "south": 60.0}, delay=delay)


@pytest.mark.parametrize(
    "limits",
    [
        [MaxShare([0.4, 0.5, 0.6])],
        [MaxUtilisation(0.7)],
        [MinShare(0.2)],
        [Budget([3.0, 1.0, 2.0], 18.0), MaxShare(0.6)],
        [LinearLimit([[1, 1, 0], [0, 1, 1]], [7.0, 6.5])],
        [GroupShare([1, 2], 0.4)],
        [ServerPercentile(0.99, within=2.5)],
    ],
    ids=lambda limits: type(limits[0]).__name__,
)
def test_one_group_has_the_answer_of_parallel_servers(limits):
    bank = MM1([10.0, 5.0, 6.0], [0.1, 0.0, 0.05])
    found = Groups(bank, load={"all": 9.0}).optimum(subject_to=limits)
    expected = ParallelServers(bank).optimum(9.0, subject_to=limits)
    assert found.certified
    assert found.mean_delay == pytest.approx(expected.mean_delay, rel=1e-9)
    assert found.station_flow == pytest.approx(expected.flow, abs=1e-6)
    for own, other in zip(found.limits, expected.limits, strict=True):
        assert own.limit == other.limit
        assert own.bound == pytest.approx(other.bound)
        assert own.value == pytest.approx(other.value, abs=1e-6, nan_ok=True)
        assert own.price == pytest.approx(other.price, rel=1e-5, abs=1e-8)


def random_limits(rng, system, best):
    """Return limits that cut into an optimum, but that some flows meet."""
    flow, load, n = best.station_flow, best.load, len(system.stations)
    price = rng.uniform(0.1, 1.0, n)
    k = int(rng.integers(0, len(system.groups)))
    busiest = max(best.routes_between(system.groups[k]), key=lambda route: route.flow)
    station = busiest.stations[int(rng.integers(0, len(busiest.stations)))]
    return [
        LinearLimit(price, rng.uniform(0.97, 1.0) * price @ flow, name="cost"),
        MaxShare(float(np.max(flow)) / load * rng.uniform(0.95, 1.0)),
        MaxGroupFlow(group=system.groups[k], station=station, share=rng.uniform(0.5, 1.0)),
    ]


@pytest.mark.parametrize("seed", some(20, quick=2, often=3))
@pytest.mark.parametrize("draw", [random_groups, random_network])
def test_shadow_prices_are_derivatives(draw, seed):
    """Relaxed by a little, a limit lowers the mean delay by its price."""
    rng = np.random.default_rng(seed)
    system = draw(rng)
    best = system.optimum(throw=False)
    limits = [limit for limit in random_limits(rng, system, best) if rng.random() < 0.7]
    if not limits:
        return
    try:
        found = system.optimum(subject_to=limits)
    except LoadError:
        return
    assert found.certified
    assert found.mean_delay >= best.mean_delay * (1 - 1e-9)
    for i, limit in enumerate(limits):
        price = found.limits[i]
        assert np.all(price.price >= 0)
        assert np.all(price.value <= price.bound * (1 + 1e-9) + 1e-12)
        tight = price.value >= price.bound * (1 - 1e-6)
        assert np.all((price.price <= 1e-7 * found.mean_delay / np.abs(price.bound)) | tight)
        # convex in the bounds: with a wider one, at most the price is gained
        wider, step = wide(limit, 1e-3)
        other = system.optimum(subject_to=[*limits[:i], wider, *limits[i + 1 :]])
        gain = found.mean_delay - other.mean_delay
        most = float(np.sum(price.price * np.abs(step)))
        assert gain <= most + 1e-8 * found.mean_delay
        narrower, step = wide(limit, -1e-3)
        try:
            other = system.optimum(subject_to=[*limits[:i], narrower, *limits[i + 1 :]])
        except LoadError:
            continue
        least = float(np.sum(price.price * np.abs(step)))
        assert other.mean_delay - found.mean_delay >= least - 1e-8 * found.mean_delay


def wide(limit, part):
    """Return a limit wider by a part of its bound, and by how much in its own unit."""
    if isinstance(limit, LinearLimit):
        return LinearLimit(limit.matrix, limit.bound * (1 + part), name="cost"), limit.bound * part
    if isinstance(limit, MaxShare):
        return MaxShare(min(limit.share * (1 + part), 1.0)), limit.share * part
    share = limit.share * (1 + part) if limit.share < 0.99 or part < 0 else limit.share
    own = MaxGroupFlow(group=limit.group, station=limit.station, share=share)
    return own, limit.share * part


def test_a_group_at_a_station_and_on_a_route(regions):
    free = regions.optimum()
    at_one = sum(r.flow for r in free.routes_between("north") if r.stations == ("server 1",))
    limit = MaxGroupFlow(group="north", station="server 1", flow=0.5 * at_one)
    found = regions.optimum(subject_to=[limit])
    flow = sum(r.flow for r in found.routes_between("north") if r.stations == ("server 1",))
    assert flow <= 0.5 * at_one * (1 + 1e-9)
    assert found.mean_delay >= free.mean_delay
    assert found.limits[0].limit == "flow of north at server 1"
    # the first of the listed routes of north is server 1
    by_route = regions.optimum(subject_to=[MaxGroupFlow(group="north", route=0, flow=0.5 * at_one)])
    assert by_route.mean_delay == pytest.approx(found.mean_delay, rel=1e-9)
    assert by_route.limits[0].price == pytest.approx(found.limits[0].price, rel=1e-6, abs=1e-12)
    as_share = MaxGroupFlow(group="north", station="server 1", share=0.5 * at_one / 90)
    share = regions.optimum(subject_to=[as_share])
    assert share.mean_delay == pytest.approx(found.mean_delay, rel=1e-9)
    assert share.limits[0].price == pytest.approx(90 * found.limits[0].price, rel=1e-6, abs=1e-12)


def test_a_chain_by_hand():
    """Two routes through one station of constant delay: at most half of the load the short way."""
    chain = Routes(
        {"short": Constant(1.0), "long": Constant(2.0), "both": Constant(0.5)},
        {"all": [("short", "both"), ("long", "both")]},
        {"all": 8.0},
    )
    found = chain.optimum(subject_to=[MaxGroupFlow(group="all", station="short", share=0.5)])
    assert found.mean_delay == pytest.approx(2.0)
    assert found.limits[0].price == pytest.approx(1.0)
    assert str(found.limits[0]) == "share of all at short: binds at 0.5, shadow price 1"
    assert json.loads(json.dumps(found.to_dict()))["limits"][0]["price"] == pytest.approx([1.0])
    assert "share of all at short" in repr(found)


def test_a_network_with_a_closed_bridge():
    """With the bridge unused, each job more on the first link would save 26 of all delay."""
    loads = {("s", "t"): 6.0, ("s", "w"): 2.0}
    network = Network(BRAESS, ends=ENDS, load=loads)
    limit = LinearLimit([1, 0, 0, 0, 0], 2.5, name="road works")
    found = network.optimum(subject_to=[limit])
    assert found.certified
    assert found.formulation == "columns"
    assert found.station_flow == pytest.approx([2.5, 5.5, 0.0, 2.5, 3.5], abs=1e-6)
    assert found.mean_delay == pytest.approx(77.6875, rel=1e-9)
    assert found.limits[0].price == pytest.approx(3.25, rel=1e-6)
    both = [limit, MaxGroupFlow(group="s -> w", station="s -> w", flow=1.5)]
    found = network.optimum(subject_to=both)
    flow = {route.stations: route.flow for route in found.routes_between("s", "w")}
    assert flow[("s -> w",)] <= 1.5 * (1 + 1e-9)
    assert flow[("s -> v", "v -> w")] >= 0.5 * (1 - 1e-9)


def test_a_network_and_its_list_of_routes_agree():
    names = [f"{a} -> {b}" for a, b in ENDS]
    latencies = [[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]]
    stations = {n: Polynomial([c]) for n, c in zip(names, latencies, strict=True)}
    ways = [("s -> v", "v -> t"), ("s -> w", "w -> t"), ("s -> v", "v -> w", "w -> t")]
    limits = [MaxShare([1, 0.4, 1, 1, 0.55]), LinearLimit([0, 0, 1, 0, 0], 0.5)]
    network = Network(BRAESS, ends=ENDS, load={("s", "t"): 6.0})
    first = network.optimum(subject_to=limits)
    second = Routes(stations, {"all": ways}, {"all": 6.0}).optimum(subject_to=limits)
    assert first.mean_delay == pytest.approx(second.mean_delay, rel=1e-9)
    assert first.station_flow == pytest.approx(second.station_flow, abs=1e-6)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([MaxUtilisation([0.2, 0.2, 1.0])], ("largest utilisation", "of the load 150")),
        ([Budget(1.0, 100.0)], ("budget", "no less than 150", "at most 100")),
        ([MaxShare(0.9), Budget([2, 2, 4], 290)], ("['budget']", "no less than 300")),
        ([MinShare(0.4)], ("least share",)),
        ([MaxShare([0.05, 1, 1]), MaxGroupFlow(group="south", station="server 2", share=0.2)],
         ("largest share", "share of south at server 2", "together", "relax one of them")),
        ([LinearLimit([0, 0, 1], 0.0), MaxGroupFlow(group="south", station="server 1", flow=0.0),
          MaxGroupFlow(group="north", station="server 1", share=0.5)],
         ("linear limit", "flow of south at server 1", "share of north at server 1",
          "below the rate of server 2")),
    ],
)  # fmt: skip
def test_limits_that_no_flow_meets_are_refused_before_any_solver(
    regions, limits, words, monkeypatch
):
    monkeypatch.setattr("cvxpy.Problem.solve", lambda *a, **k: pytest.fail("a solver ran"))
    with pytest.raises(LoadError) as caught:
        regions.optimum(subject_to=limits)
    assert caught.value.field == "subject_to"
    for word in words:
        assert word in str(caught.value)


def refused(system, limit, field, *words, **options):
    with pytest.raises(InputError) as caught:
        system.optimum(subject_to=[limit], **options)
    assert field in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_limits_that_do_not_fit_are_refused(regions):
    at = {"group": "north", "station": "server 1"}
    refused(regions, 0.5, "subject_to[0]", "is not a limit")
    refused(
        regions, MaxGroupFlow(**{**at, "group": "east"}, share=0.1), "MaxGroupFlow.group", "north"
    )
    refused(
        regions,
        MaxGroupFlow(**{**at, "station": "x"}, share=0.1),
        "MaxGroupFlow.station",
        "server 1",
    )
    problem = "MaxGroupFlow = 'north': has"
    refused(regions, MaxGroupFlow(**at), f"{problem} neither share nor flow; give share or flow")
    both = MaxGroupFlow(**at, share=0.1, flow=1.0)
    refused(regions, both, f"{problem} both share and flow; give share or flow")
    refused(regions, MaxGroupFlow(group="north", share=0.1), f"{problem} neither station nor route")
    refused(regions, MaxGroupFlow(**at, share=1.1), "MaxGroupFlow.share")
    refused(regions, MaxGroupFlow(**at, flow=-1.0), "MaxGroupFlow.flow")
    refused(
        regions, MaxGroupFlow(group="south", route=2, share=0.1), "MaxGroupFlow.route", "0 to 1"
    )
    refused(regions, LinearLimit([1.0, 1.0], 3.0), "linear limit.matrix", "3 numbers")
    network = Network(BRAESS, ends=ENDS, load={("s", "t"): 6.0})
    refused(network, MinShare(0.1), "subject_to", "from below", "limit flows from above")
    refused(
        network, MaxGroupFlow(group="s -> t", route=0, share=0.1), "MaxGroupFlow.route", "station"
    )
    with pytest.raises(InputError, match="parallel servers do not have"):
        ParallelServers(MM1([10.0, 5.0])).optimum(3.0, subject_to=[MaxGroupFlow(**at, share=0.1)])
    with pytest.raises(InputError, match="subject_to"):
        regions.equilibrium(subject_to=[MaxShare(0.5)])


@dataclass(frozen=True)
class Carbon(Limit):
    """A limit of one's own, as the documentation has it."""

    grams: Any
    at_most: float

    def linearise(self, bank, load):
        return LinearLimit(self.grams, self.at_most, name="carbon")


def test_a_limit_of_ones_own(regions):
    free = regions.optimum()
    grams = np.array([1.0, 1.0, 4.0])
    found = regions.optimum(subject_to=[Carbon(grams, 0.9 * grams @ free.station_flow)])
    assert found.certified
    assert found.limits[0].limit == "carbon"
    assert found.limits[0].price > 0
    assert grams @ found.station_flow == pytest.approx(0.9 * grams @ free.station_flow, rel=1e-9)


def test_options(regions):
    limits = [MaxShare([0.25, 1.0, 1.0])]
    best = regions.optimum(subject_to=limits)
    for options in ({"solver": "SCS"}, {"formulation": "columns"}, {"solver": "ECOS"}):
        found = regions.optimum(subject_to=limits, **options)
        assert found.mean_delay == pytest.approx(best.mean_delay, rel=1e-8)
    own = regions.optimum(subject_to=limits, polish=False)
    assert own.polished == 0
    assert own.certificate.lower_bound <= best.certificate.upper_bound
    assert best.certificate.lower_bound <= own.certificate.upper_bound
    with pytest.raises(FormulationError):
        regions.optimum(subject_to=limits, formulation="node_arc")
    with pytest.raises(NotCertifiedError):
        regions.optimum(subject_to=limits, gap=1e-16)
    assert not regions.optimum(subject_to=limits, gap=1e-16, throw=False).certified
    assert regions.optimum(subject_to=[]).mean_delay == regions.optimum().mean_delay
    assert regions.optimum(75.0, subject_to=limits).load == 75.0
