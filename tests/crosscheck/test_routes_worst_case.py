"""The worst case of systems with routes: no load of a grid exceeds its bound; it is attained."""

import math
from decimal import Decimal

import numpy as np
import pytest
import routed
from chunks import chunks, some
from road_files import NEEDS_ROAD_FILES, road_network

from sojourn.models import MM1, Constant, InputError, LoadError, Polynomial
from sojourn.models.systems.parallel import WorstCaseInterruptedError
from sojourn.models.systems.routes import Groups, Routes, RouteSystem
from sojourn.reference.routes import anarchy
from sojourn.reference.routes.worst_case import worst_case

WIDE = Decimal("1e-14")  # relative rounding error of a comparison
GRID = np.array([0.003, 0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.999])
LINKS = {"a": (0.0, 10.0), "b": (50.0, 1.0), "c": (50.0, 1.0), "d": (0.0, 10.0), "e": (10.0, 1.0)}
BRAESS = Routes(
    {name: Polynomial([c]) for name, c in LINKS.items()},
    {"all": [("a", "b"), ("c", "d"), ("a", "e", "d")]},
    load={"all": 6.0},
)
REGIONS = Groups(
    MM1([100.0, 80.0, 400.0]),
    load={"north": 90.0, "south": 60.0},
    delay=[[0.005, 0.020, 0.030], [0.020, 0.005, math.inf]],
)


def ratio(case, multiple, players=math.inf):
    """Return the price of anarchy to twenty digits, as a float."""
    case = case.scaled(multiple)
    return float(routed.truth(case, players).mean_delay / routed.truth(case, 1).mean_delay)


@pytest.mark.parametrize("seeds", chunks(100, 2, quick=2, often=2))
def test_no_load_of_a_grid_is_above_the_bound(seeds):
    for seed in seeds:
        case = routed.random_case(seed)
        most = case.capacity if math.isfinite(case.capacity) else 4.0
        high = 0.9 * most * case.load.sum()
        found = worst_case(case.system, high=high, gap=1e-3)
        total = case.load.sum()
        multiples = np.concatenate([GRID * high / total, found.loads[1::9] / total * 1.01])
        multiples = multiples[multiples <= high / total]
        true = np.array([ratio(case, multiple) for multiple in multiples])
        assert true.max() <= found.upper_bound * (1 + 1e-13), seed
        # and above no bound of the part of the interval that it lies in
        place = np.clip(np.searchsorted(found.loads, multiples * total) - 1, 0, None)
        assert np.all(true <= found.bound[place] * (1 + 1e-13)), seed
        assert found.certified, seed
        if found.load > 0:
            attained = ratio(case, found.load / total)
            assert found.poa == pytest.approx(attained, rel=1e-6), seed
            assert found.poa <= attained * (1 + 1e-13), seed
        else:
            assert found.poa == 1.0


@pytest.mark.parametrize("seeds", chunks(100, 1, quick=1, often=4))
@pytest.mark.parametrize("part", [1e-3, 1e-6, 1e-9])
def test_the_bounds_hold_next_to_capacity(seeds, part):
    """Those of the price of anarchy between two loads, and of the delay under tolls."""
    for seed in seeds:
        case = routed.random_case(seed)
        if math.isinf(case.capacity):
            continue
        case = case.scaled((1 - part) * case.capacity)
        system, low = case.system, 1 - min(part, 1e-3)
        nodes = [anarchy.solved(system, multiple, math.inf) for multiple in (low, 1.0)]
        most = Decimal(anarchy.bound_between(system, *nodes, math.inf)) * (1 + WIDE)
        for multiple in (low + 0.3 * (1 - low), low + 0.7 * (1 - low)):
            near = case.scaled(multiple)
            assert routed.truth(near).mean_delay <= most * routed.truth(near, 1).mean_delay, seed
        names = system.stations, system.groups
        model = RouteSystem(system.bank, system.routes, system.load, *names, "s")
        proof, least = model.tolls(throw=False).certificate, routed.truth(case, 1).mean_delay
        assert Decimal(proof.lower_bound) <= least * (1 + WIDE), seed
        assert Decimal(proof.upper_bound) >= least * (1 - WIDE), seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", some(2, often=1))
def test_no_load_of_a_grid_is_above_the_bound_for_players(seed):
    case = routed.random_case(seed)
    most = case.capacity if math.isfinite(case.capacity) else 4.0
    high = 0.8 * most * case.load.sum()
    for players in (2, 7):
        found = worst_case(case.system, high=high, gap=1e-3, players=players)
        assert found.certified
        true = [ratio(case, part * high / case.load.sum(), players) for part in GRID]
        assert max(true) <= found.upper_bound * (1 + 1e-13)


@pytest.mark.parametrize("system", [BRAESS, REGIONS], ids=["Braess", "regions"])
def test_models_and_reference_find_the_same(system):
    high = 20.0 if system is BRAESS else None
    model = system.worst_case(high=high, gap=1e-5)
    reference = worst_case(system.routed, high=high, gap=1e-5)
    assert model.certified
    assert reference.certified
    assert model.poa == pytest.approx(reference.poa, rel=1.1e-5)
    assert model.upper_bound >= reference.poa * (1 - 1e-12)
    # what the two have in common their agreement does not vouch for
    assert "the bounds between two loads" in model.shares
    assert reference.shares == ""
    assert "worst price of anarchy" in repr(model)
    assert model.high == pytest.approx(20.0 if high else 0.999 * system.max_load, rel=1e-9)


def test_pigou_is_worst_where_the_road_carries_all():
    """x beside 1: 4/3 at load 1, in closed form 4/(4/x - 1/x^2) above 1 and 1 below 1/2."""
    pigou = Routes(
        {"short": Polynomial([[0.0, 1.0]]), "long": Constant([1.0])},
        {"all": [["short"], ["long"]]},
        load={"all": 1.0},
    )
    found = pigou.worst_case(high=3.0, gap=1e-6)
    assert found.certified
    assert found.low == pytest.approx(3e-6)
    assert found.poa == pytest.approx(4 / 3, rel=2e-6)
    assert found.upper_bound >= 4 / 3
    assert found.load == pytest.approx(1.0, abs=1e-4)
    for load, value in zip(found.loads, found.ratio, strict=True):
        least = load**2 if load < 0.5 else load - 0.25
        assert value == pytest.approx(min(load, 1.0) * load / least, rel=1e-6)


def test_braess_is_worst_where_the_bridge_carries_all():
    """Up to load 40/11 all users of the equilibrium take the bridge."""
    found = BRAESS.worst_case(high=20.0, gap=1e-6)
    assert found.load == pytest.approx(40 / 11, rel=1e-4)
    assert found.poa == pytest.approx(1.2437062, rel=2e-6)


def test_the_price_of_anarchy_between_two_bounds():
    low, high = anarchy.price_of_anarchy(BRAESS.routed)
    assert low <= 92 / 83 <= high
    assert high / low - 1 < 1e-6
    assert anarchy.price_of_anarchy(BRAESS.routed, players=1)[0] == 1.0


def test_an_interrupted_search_keeps_what_it_found(monkeypatch):
    solved, calls = anarchy.node, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return solved(*given)

    monkeypatch.setattr("sojourn.models.systems.routes.worst_case.node", interrupted)
    with pytest.raises(WorstCaseInterruptedError) as stop:
        REGIONS.worst_case()
    found = stop.value.found
    assert found.evaluations == 7
    assert not found.certified
    assert 1 < found.poa < 1.2622
    assert found.upper_bound >= 1.26212


def test_a_search_interrupted_at_its_first_load_bounds_nothing(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sojourn.models.systems.routes.worst_case.node", interrupted)
    with pytest.raises(WorstCaseInterruptedError) as stop:
        REGIONS.worst_case()
    assert stop.value.found.upper_bound == math.inf
    assert stop.value.found.poa == 1.0


def test_one_load_is_an_interval():
    found = BRAESS.worst_case(low=6.0, high=6.0)
    assert found.poa == pytest.approx(92 / 83, rel=1e-6)
    assert found.certified


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({}, "the stations can carry any load"),
        ({"high": -1.0}, "not above 0"),
        ({"high": 20.0, "low": 30.0}, "not from 0 to the largest load, 20"),
        ({"high": math.inf}, "not above 0 and finite"),
    ],
)
def test_intervals_that_are_none_are_refused(named, message):
    with pytest.raises(LoadError, match=message):
        BRAESS.worst_case(**named)


def test_loads_above_the_capacity_are_refused():
    with pytest.raises(LoadError, match="high = 500") as error:
        REGIONS.worst_case(high=500.0)
    assert "largest load" in str(error.value)


def test_gaps_below_the_interval_of_an_equilibrium_are_refused():
    with pytest.raises(InputError, match="gap"):
        REGIONS.worst_case(gap=1e-8)
    with pytest.raises(InputError, match="players"):
        REGIONS.worst_case(players=0)


def test_a_ratio_of_zeros_has_no_load_0():
    free = Routes({"a": Polynomial([[0.0, 1.0]])}, {"all": [["a"]]}, load={"all": 1.0})
    with pytest.raises(LoadError, match="low = 0"):
        free.worst_case(low=0.0, high=1.0)
    assert free.worst_case(high=1.0, gap=0.1).poa == 1.0


def test_equal_routes_have_a_price_of_anarchy_of_1():
    alike = Groups(MM1([10.0, 10.0]), load=[1.0, 2.0])
    found = alike.worst_case(high=10.0, gap=1e-2)
    assert found.certified
    assert found.upper_bound <= 1.01


@pytest.mark.exhaustive
@NEEDS_ROAD_FILES
def test_players_on_sioux_falls():
    """Total delays of 1, 2, 4 and 10 equal players over the optimum."""
    sioux = road_network("SiouxFalls")
    for players, exact in ((1, 1.0), (2, 1.001500153), (4, 1.007033114), (10, 1.017147404)):
        assert float(sioux.price_of_anarchy(players=players)) == pytest.approx(exact, abs=2e-9)
    worst = sioux.worst_case(low=0.5 * sioux.load, high=2 * sioux.load, gap=1e-3)
    assert worst.certified
    assert worst.poa >= 1.0397496
    assert isinstance(sioux, RouteSystem)
