"""Flows over routes: what is unique, what does not fall with the load, and what is false.

False statements are kept as counterexamples, next to the true ones that look like them.
"""

import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
import routed
from chunks import some

from sojourn.models import MM1, Constant, Polynomial
from sojourn.models.systems.routes import Groups, Routes
from sojourn.reference.routes import RouteFlow, engine
from sojourn.reference.routes.bounds import certify, group_delay
from sojourn.reference.routes.worst_case import worst_case

S = routed.Station
PLAYERS = (1, 2, 5, math.inf)
ROUNDING = Decimal("1e-15")


def lines(*pairs):
    """Return stations of latency a + b x."""
    return [S("polynomial", float(a), float(b)) for a, b in pairs]


BRAESS = lines((0, 10), (50, 1), (50, 1), (0, 10), (10, 1))
WAYS = [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 1, 1]]


def braess(load, ways=3):
    return routed.case_of(BRAESS, [0] * ways, WAYS[:ways], [0.0] * ways, [load])


@pytest.mark.parametrize("seed", range(8))
def test_prices_group_delays_and_the_mean_delay_of_the_equilibrium_are_unique(seed):
    """Whatever the start of the search; route flows differ."""
    case = routed.random_case(seed)
    rng, columns = np.random.default_rng([30, seed]), case.columns()
    found = []
    for _ in range(3):
        start = RouteFlow(columns, rng.dirichlet(np.ones(len(columns)))).fitted(1e-3 * case.load)
        flow = engine.polish(case.system, math.inf, 1.0, engine.solve(case.system, start=start))[0]
        found.append((flow, certify(case.system, 1.0, flow, math.inf)))
    for (a, proof), (b, other) in itertools.combinations(found, 2):
        gap = proof.gap + other.gap + 1e-13
        assert proof.mean_delay == pytest.approx(other.mean_delay, rel=gap)
        share = case.load.sum() / case.load
        difference = np.abs(group_delay(case.system, a) - group_delay(case.system, b))
        assert np.all(difference <= gap * proof.mean_delay * share * 2)


@pytest.mark.parametrize(("players", "first"), [(1, 1.0), (2, 1.2)])
def test_group_delays_of_the_optimum_and_of_players_are_not_unique(players, first):
    """Two groups of load 1 at latencies x and 1.5 + x/4: either may have the faster station."""
    work = [[1, 0], [0, 1], [1, 0], [0, 1]]
    case = routed.case_of(lines((0, 1), (1.5, 0.25)), [0, 0, 1, 1], work, [0] * 4, [1.0, 1.0])
    rest = first - 1.0
    one = RouteFlow(case.columns(), np.array([1.0, 0.0, rest, 1.0 - rest]))
    two = RouteFlow(case.columns(), np.array([rest, 1.0 - rest, 1.0, 0.0]))
    for flow in (one, two):
        proof = certify(case.system, 1.0, flow, players)
        assert proof.potential_gap < 1e-14
        assert np.allclose(flow.station_flow, [first, 2 - first], rtol=1e-15)
    delays = group_delay(case.system, one), group_delay(case.system, two)
    np.testing.assert_allclose(delays[0], delays[1][::-1])
    assert delays[0][1] - delays[0][0] > 0.3
    # the mean of both is unique
    assert delays[0].sum() == pytest.approx(delays[1].sum(), rel=1e-15)


def test_group_delays_of_the_equilibrium_are_unique_where_those_of_the_optimum_are_not():
    work = [[1, 0], [0, 1], [1, 0], [0, 1]]
    case = routed.case_of(lines((0, 1), (1.5, 0.25)), [0, 0, 1, 1], work, [0] * 4, [1.0, 1.0])
    exact = routed.truth(case)
    assert abs(exact.group_delay[0] - exact.group_delay[1]) < ROUNDING
    flow = engine.solve(case.system)
    assert np.ptp(group_delay(case.system, flow)) < 1e-9


def test_route_flows_and_the_split_of_a_group_are_not_unique():
    work = np.eye(2)[[0, 1, 0, 1]]
    case = routed.case_of([S("mm1", 3.0, 0.0)] * 2, [0, 0, 1, 1], work, [0] * 4, [1.0, 1.0])
    for part in (0.0, 0.3, 1.0):
        flow = RouteFlow(case.columns(), np.array([part, 1 - part, 1 - part, part]))
        for players in PLAYERS:
            assert certify(case.system, 1.0, flow, players).potential_gap < 1e-14


def test_station_flows_are_not_unique_where_latencies_are_constant():
    case = routed.case_of([S("constant", 1.0)] * 2, [0, 0], np.eye(2), [0, 0], [1.0])
    for part in (0.0, 0.5, 1.0):
        flow = RouteFlow(case.columns(), np.array([part, 1 - part]))
        assert certify(case.system, 1.0, flow, math.inf).gap < 1e-13


@pytest.mark.parametrize("seed", some(5, often=2))
def test_mean_delays_of_both_goals_do_not_fall_with_the_load(seed):
    case = routed.random_case(seed)
    most = case.capacity if math.isfinite(case.capacity) else 4.0
    for players in (1, math.inf):
        delays = [
            routed.truth(case.scaled(part * most), players).mean_delay
            for part in (1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
        ]
        for a, b in itertools.pairwise(delays):
            assert b >= a * (1 - ROUNDING)


@pytest.mark.parametrize("seed", some(8, often=3))
def test_the_least_potential_has_the_mean_delay_of_the_equilibrium_as_its_slope(seed):
    """So it is convex in the load: the basis of the bounds of the worst case."""
    case = routed.random_case(seed)
    load = case.load.sum()
    steps = [(1.0, 0.97), (0.97, 0.9), (0.9, 0.5)]

    def least(multiple):
        flow = engine.solve(case.system, math.inf, multiple)
        potential = float(np.sum(case.system.bank.potential(flow.station_flow)))
        return potential + flow.fixed_delay, certify(case.system, multiple, flow, math.inf)

    for high, low in steps:
        (more, top), (less, bottom) = least(high), least(low)
        wide = 1e-9 * more + top.mean_saving * load + bottom.mean_saving * load
        slope = more - less
        assert slope <= (high - low) * load * top.upper_bound + wide
        assert slope >= (high - low) * load * bottom.lower_bound - wide


@pytest.mark.parametrize("seed", some(5, often=3))
def test_more_players_are_not_faster(seed):
    """Of flows that minimise C + (K - 1) phi, the total delay C does not fall with the weight K."""
    case = routed.random_case(seed)
    delays = [routed.truth(case, players).mean_delay for players in (1, 2, 3, 10, 100, math.inf)]
    for a, b in itertools.pairwise(delays):
        assert b >= a * (1 - ROUNDING)


def test_braess_a_new_link_slows_all_users_down():
    """Six travellers: 83 each without the bridge, 92 with it; the optimum does not use it."""
    with_bridge, without = braess(6.0), braess(6.0, ways=2)
    assert abs(routed.truth(without).mean_delay - 83) < ROUNDING
    assert abs(routed.truth(with_bridge).mean_delay - 92) < ROUNDING
    assert abs(routed.truth(with_bridge, 1).mean_delay - 83) < ROUNDING
    # the optimum never gets slower
    assert routed.truth(with_bridge, 1).mean_delay <= routed.truth(without, 1).mean_delay + ROUNDING


def test_braess_four_thousand_cars():
    stations = lines((0, 0.01), (45, 0), (45, 0), (0, 0.01))
    ways = [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]]
    before = routed.case_of(stations, [0, 0], ways[:2], [0, 0], [4000.0])
    after = routed.case_of(stations, [0, 0, 0], ways, [0, 0, 0], [4000.0])
    assert abs(routed.truth(before).mean_delay - 65) < Decimal("1e-12")
    assert abs(routed.truth(after).mean_delay - 80) < Decimal("1e-12")
    assert abs(routed.truth(after, 1).mean_delay - Decimal("64.6875")) < Decimal("1e-12")


def test_false_that_more_capacity_never_hurts():
    """A faster bridge between two M/M/1 stations: the mean delay of the equilibrium rises.

    The optimum gets no slower.
    """

    def mean_delay(rate, goal):
        stations = {
            "a": MM1(10.0),
            "b": Constant(0.5),
            "c": Constant(0.5),
            "d": MM1(10.0),
            "bridge": MM1(rate),
        }
        ways = [("a", "b"), ("c", "d"), ("a", "bridge", "d")]
        return getattr(Routes(stations, {"all": ways}, load={"all": 8.0}), goal)().mean_delay

    rates = [4.0, 8.0, 16.0, 64.0]
    selfish = [mean_delay(rate, "equilibrium") for rate in rates]
    best = [mean_delay(rate, "optimum") for rate in rates]
    assert all(b > a for a, b in itertools.pairwise(selfish))
    assert all(b <= a * (1 + 1e-9) for a, b in itertools.pairwise(best))


def test_false_that_group_delays_and_station_flows_do_not_fall_with_the_load():
    """On Braess's links more travellers leave the bridge again, and its load falls to 0."""
    flows = [routed.truth(braess(load)).station_flow[4] for load in (2.0, 4.0, 8.0, 9.0)]
    assert flows[1] > flows[0]
    assert flows[1] > flows[2] > flows[3]
    # a group on the bridge alone gets faster as all loads grow
    work = [*WAYS, [0, 0, 0, 0, 1]]
    delays = []
    for load in (4.0, 8.0):
        case = routed.case_of(BRAESS, [0, 0, 0, 1], work, [0.0] * 4, [load, load * 1e-3])
        delays.append(routed.truth(case).group_delay[1])
    assert delays[1] < delays[0] * Decimal("0.9")


@pytest.mark.parametrize(
    ("power", "ratio"),
    [(1, 4 / 3), (2, 1.6257523846), (4, 2.1505017649), (30, 7.3031587702), (1000, 126.950803305)],
)
def test_a_power_beside_a_constant(power, ratio):
    """Pigou: x^p beside 1, load 1, is the worst of all with that power."""
    stations = [S("bpr", 1e-300, 1.0, 1e300, float(power)), S("constant", 1.0)]
    case = routed.case_of(stations, [0, 0], np.eye(2), [0, 0], [1.0])
    found = [routed.truth(case, players).mean_delay for players in (math.inf, 1)]
    assert float(found[0] / found[1]) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("seed", some(3, often=1))
def test_affine_latencies_have_a_price_of_anarchy_of_at_most_four_thirds(seed):
    """Roughgarden and Tardos (2002), at every load, on random graphs."""
    rng = np.random.default_rng([31, seed])
    while True:
        case = routed._graph(rng, ("constant",))
        if case is not None and np.bincount(case.group).max() > 1:
            break
    count = len(case.stations)
    stations = lines(*zip(rng.uniform(0.1, 1, count), rng.uniform(0, 2, count), strict=True))
    case = routed.case_of(stations, case.group, case.work, case.delay, case.load)
    worst = worst_case(case.system, high=20 * case.load.sum(), gap=1e-3)
    assert worst.certified
    assert worst.upper_bound <= 4 / 3 * (1 + 2e-3)


def test_groups_at_a_distance_are_served_where_it_is_fast():
    """With servers that never fill, all users go to the nearest one, in both goals."""
    regions = Groups(
        Polynomial([[0.1, 1e-9]] * 2), load={"n": 1.0, "s": 1.0}, delay=[[0, 1], [1, 0]]
    )
    for found in (regions.optimum(), regions.equilibrium()):
        np.testing.assert_allclose(found.station_flow, [1.0, 1.0], rtol=1e-12)
        assert found.mean_delay == pytest.approx(0.1, rel=1e-8)
