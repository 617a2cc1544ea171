"""Optimum and equilibrium of systems whose answers are known, in closed form or of one group."""

import math

import numpy as np
import pytest
from chunks import some
from scipy.optimize import brentq
from scipy.sparse.csgraph import connected_components

from sojourn.models import (
    BPR,
    MG1,
    MM1,
    Constant,
    Function,
    Groups,
    InputError,
    MMc,
    Network,
    ParallelServers,
    Polynomial,
    Routes,
)

SOLVERS = ("CLARABEL", "ECOS", "SCS", "INTERIOR-POINT")


def line(at_zero, slope):
    return Polynomial([[float(at_zero), float(slope)]])


def power(p):
    """Return the link x^p beside a link of 1, with a load of 1."""
    links = {"short": Polynomial([[0.0] * p + [1.0]]), "long": Constant([1.0])}
    return Routes(links, {"all": [["short"], ["long"]]}, load={"all": 1.0})


def braess(load=6.0):
    links = {"in": line(0, 10), "out": line(50, 1), "up": line(50, 1), "down": line(0, 10)}
    ways = [("in", "out"), ("up", "down"), ("in", "bridge", "down")]
    return Routes({**links, "bridge": line(10, 1)}, {"all": ways}, load={"all": load})


def cars(ways, load=4000.0):
    links = {"a": line(0, 0.01), "b": Constant([45.0]), "c": Constant([45.0]), "d": line(0, 0.01)}
    return Routes({**links, "free": Constant([0.0])}, {"all": ways}, load={"all": load})


def two_links():
    links = {"a": line(3, 0), "b": line(0, 2), "c": line(2, 0), "d": line(0, 3)}
    return Routes(links, {"all": [("a", "b"), ("c", "d")]}, load={"all": 1.0})


WITHOUT, WITH = [("a", "b"), ("c", "d")], [("a", "b"), ("c", "d"), ("a", "free", "d")]
KNOWN = {
    "Braess": (braess(), 83.0, 92.0),
    "cars without the shortcut": (cars(WITHOUT), 65.0, 65.0),
    "cars with the shortcut": (cars(WITH), 64.6875, 80.0),
    "2x + 3 beside 2 + 3x": (two_links(), 3.75, 3.8),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_delays(name):
    system, least, selfish = KNOWN[name]
    best, worst = system.optimum(), system.equilibrium()
    assert best.certified
    assert worst.certified
    assert best.mean_delay == pytest.approx(least, rel=1e-12)
    assert worst.mean_delay == pytest.approx(selfish, rel=1e-9)


@pytest.mark.parametrize(
    ("p", "ratio"), [(1, 4 / 3), (2, 1.6257523846), (4, 2.1505017649), (30, 7.3031587702)]
)
def test_price_of_anarchy_of_powers(p, ratio):
    # the long link has no flow and the delay of the short one: any little flow there costs nothing
    found = power(p).price_of_anarchy()
    assert found == pytest.approx(ratio, rel=1e-7)
    assert found.lower <= ratio * (1 + 1e-10)
    assert found.upper >= ratio * (1 - 1e-10)


def test_flows_of_braess():
    answer = braess().equilibrium()
    np.testing.assert_allclose(answer.station_flow, [4, 2, 2, 4, 2], rtol=1e-9)
    assert {frozenset(route.stations) for route in answer.routes_between("all")} == {
        frozenset(way) for way in (("in", "out"), ("up", "down"), ("in", "bridge", "down"))
    }
    assert all(r.delay == pytest.approx(92, rel=1e-9) for r in answer.routes_between("all"))
    assert sum(r.share for r in answer.routes_between("all")) == pytest.approx(1, abs=1e-12)


def test_price_of_anarchy_of_the_thousandth_power():
    links = {"short": BPR(1e-12, capacity=1.0, b=1e12, power=1000.0), "long": Constant([1.0])}
    system = Routes(links, {"all": [["short"], ["long"]]}, load={"all": 1.0})
    found = system.price_of_anarchy()
    assert found == pytest.approx(126.950803305, rel=1e-7)
    assert found.lower <= 126.950803305 * (1 + 1e-11)
    assert found.upper >= 126.950803305 * (1 - 1e-11)


def test_five_roads_from_one_source():
    """A Wheatstone bridge: the delay of a road is base + s x/(1 - x/c), the load 5.

    SAS/OR User's Guide, the NLP procedure, *Minimize Total Delay in a Network*, after the guide of
    GINO (Liebman et al. 1986).
    """
    c, s = np.array([10.0, 30.0, 10.0, 30.0, 10.0]), np.array([0.1, 1.0, 1.0, 1.0, 0.1])
    base = np.array([5.0, 0.0, 1.0, 0.0, 5.0])
    roads = Function(lambda x: base + s * x / (1 - x / c), rate=c)
    ends = [(1, 2), (1, 3), (3, 2), (2, 4), (3, 4)]
    network = Network(roads, ends=ends, load={(1, 4): 5.0})
    best, selfish = network.optimum(), network.equilibrium()
    np.testing.assert_allclose(best.station_flow, [2.5, 2.5, 0, 2.5, 2.5], rtol=1e-7, atol=1e-7)
    assert 5 * best.mean_delay == pytest.approx(40.3030303030, abs=6e-11)
    assert 5 * selfish.mean_delay == pytest.approx(42.64386159, abs=6e-9)
    assert best.certified
    assert selfish.certified


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_regions_have_a_closed_form_on_the_servers_that_they_use(goal):
    """Servers and regions joined by use have one price: the price of a region is c + its offset.

    A server i has then the price c + e_i of its own, and the load mu - 1/(c + e_i) at the
    equilibrium, mu - sqrt(mu/(c + e_i)) at the optimum; the loads of the regions determine c.
    """
    rate, load = np.array([120.0, 80.0, 60.0, 20.0]), np.array([70.0, 60.0, 65.0, 25.0])
    delay = np.array([
        [0.004, 0.042, 0.091, 0.058],
        [0.043, 0.005, 0.062, 0.093],
        [0.088, 0.061, 0.006, 0.152],
        [0.057, 0.092, 0.149, 0.003],
    ])  # fmt: skip
    names = ("us", "eu", "asia", "sa")
    system = Groups(MM1(rate), load=dict(zip(names, load, strict=True)), delay=delay)
    answer = getattr(system, goal)()
    found = answer.route_flow
    used = np.zeros((4, 4), dtype=bool)
    used[found.columns.group, found.columns.work.indices] = found.flow > 1e-6
    joined = np.block([[np.zeros((4, 4)), used], [used.T, np.zeros((4, 4))]])
    count, part = connected_components(joined, directed=False)
    assert used.sum() == 8 - count  # a forest: each part has one price
    offset = np.full(8, np.nan)  # of the regions, then of the servers
    price = np.zeros(8)
    for own in range(count):
        inside = np.flatnonzero(part == own)
        offset[inside[0]] = 0.0
        for _ in inside:
            for k, i in np.argwhere(used):
                if np.isnan(offset[4 + i]) and not np.isnan(offset[k]):
                    offset[4 + i] = offset[k] - delay[k, i]
                if np.isnan(offset[k]) and not np.isnan(offset[4 + i]):
                    offset[k] = offset[4 + i] + delay[k, i]
        servers = inside[inside >= 4] - 4

        def spare_capacity(c, servers=servers):
            own_price = c + offset[4 + servers]
            if goal == "equilibrium":
                return 1 / own_price
            return np.sqrt(rate[servers] / own_price)

        needed = rate[servers].sum() - load[inside[inside < 4]].sum()
        low = -offset[4 + servers].min() + 1e-9
        c = brentq(lambda c: spare_capacity(c).sum() - needed, low, low + 1e3, xtol=1e-15)  # noqa: B023
        price[inside] = c + offset[inside]
        np.testing.assert_allclose(
            answer.station_flow[servers], rate[servers] - spare_capacity(c), rtol=1e-8
        )
    assert (price[:4, None] <= price[None, 4:] + delay + 1e-9).all()  # no other server is better
    assert answer.certified


def test_two_groups_of_which_only_the_station_flows_are_unique():
    links = {"short": line(0, 1), "long": line(1.5, 0.25)}
    ways = [["short"], ["long"]]
    system = Routes(links, {"a": ways, "b": ways}, load={"a": 1.0, "b": 1.0})
    answer = system.optimum()
    np.testing.assert_allclose(answer.station_flow, [1, 1], rtol=1e-9)
    np.testing.assert_allclose(answer.station_latency, [1, 1.75], rtol=1e-9)
    assert answer.group_delay.sum() == pytest.approx(2.75, rel=1e-9)


def test_a_group_may_not_use_a_server_at_an_infinite_delay():
    system = Groups(MM1([10.0, 100.0]), load=[4.0, 3.0], delay=[[0.1, math.inf], [0.1, 0.1]])
    for answer in (system.optimum(), system.equilibrium()):
        assert answer.station_flow[0] >= 4.0
        (only,) = answer.routes_between("group 1")
        assert only.stations == ("server 1",)


def test_work_multiplies_load_and_latency():
    twice = Routes({"a": MM1(10.0)}, {"all": [["a", "a"]]}, load={"all": 3.0})
    named = Routes({"a": MM1(10.0)}, {"all": [{"a": 2.0}]}, load={"all": 3.0})
    for system in (twice, named):
        answer = system.optimum()
        np.testing.assert_allclose(answer.station_flow, [6.0])
        assert answer.mean_delay == pytest.approx(2 / (10 - 6), rel=1e-12)
    assert named.max_load == pytest.approx(5.0)


def test_fixed_delays_of_groups_and_of_routes():
    stations = {"a": MM1(10.0), "b": MM1(10.0)}
    ways = {"near": [["a"], ["b"]], "far": [["a"], ["b"]]}
    load = {"near": 4.0, "far": 2.0}
    plain = Routes(stations, ways, load).optimum()
    of_group = Routes(stations, ways, load, delay={"far": 0.5}).optimum()
    assert of_group.mean_delay == pytest.approx(plain.mean_delay + 0.5 * 2 / 6, rel=1e-12)
    of_routes = Routes(stations, ways, load, delay={"far": [0.0, 9.0]}).equilibrium()
    assert [r.stations for r in of_routes.routes_between("far")] == [("a",)]


# ---- one group


def one_group(seed):
    """Draw parallel servers of several families, and a load."""
    rng = np.random.default_rng([19, seed])

    def rate(n):
        return rng.uniform(5, 50, n)

    families = (
        lambda n: MM1(rate(n), rng.uniform(0, 0.2, n)),
        lambda n: MG1(rate(n), rng.uniform(0, 3, n), rng.uniform(0, 0.2, n)),
        lambda n: BPR(rng.uniform(0.05, 0.3, n), rate(n)),
        lambda n: Polynomial(rng.uniform(0.01, 1, (n, 3)) * [0.3, 0.01, 0.001]),
        lambda n: MMc(rng.uniform(1, 9, n), rng.integers(2, 5, n)),
    )
    chosen = rng.choice(len(families), int(rng.integers(1, 4)), replace=False)
    servers = ParallelServers(*(families[i](int(rng.integers(1, 5))) for i in chosen))
    most = servers.total_rate if math.isfinite(servers.total_rate) else 100.0
    return servers, float(rng.choice([0.01, 0.3, 0.8, 0.99]) * most)


@pytest.mark.parametrize("seed", some(20, quick=2, often=3))
def test_one_group_is_parallel_servers(seed):
    servers, load = one_group(seed)
    system = Groups(servers.bank, load={"all": load})
    mine, theirs = system.optimum(), servers.optimum(load, gap=1e-8)
    assert mine.mean_delay == pytest.approx(theirs.mean_delay, rel=1e-11)
    for players in (math.inf, 3):
        mine, theirs = system.equilibrium(players=players), servers.equilibrium(load, players)
        for one, other in ((mine, theirs), (theirs, mine)):
            low, high = one.certificate.lower_bound, one.certificate.upper_bound
            assert low * (1 - 1e-12) <= other.mean_delay <= high * (1 + 1e-12)


def test_one_group_with_delays_is_parallel_servers_with_them():
    delay = [0.1, 0.0, 0.3]
    mine = Groups(MM1([10.0, 5.0, 8.0]), load=[15.0], delay=delay).optimum()
    theirs = ParallelServers(MM1([10.0, 5.0, 8.0], delay)).optimum(15.0)
    np.testing.assert_allclose(mine.station_flow, theirs.flow, rtol=1e-9)
    assert mine.mean_delay == pytest.approx(theirs.mean_delay, rel=1e-12)


# ---- solvers, formulations, players


def regions():
    delay = [[0.005, 0.020, 0.030], [0.020, 0.005, math.inf], [0.04, 0.04, 0.01]]
    load = {"north": 90.0, "south": 60.0, "east": 200.0}
    return Groups(MM1([100.0, 80.0, 400.0]), load=load, delay=delay)


def chain():
    return Routes(
        {"radio": MM1(200.0), "edge": MG1(120.0, 2.0), "wan": Constant(0.03), "cloud": MM1(500.0)},
        {
            "near": [("radio", "edge"), ("radio", "wan", "cloud")],
            "far": [("radio", "wan", "cloud")],
        },
        {"near": 150.0, "far": 30.0},
    )


@pytest.mark.parametrize("make", [regions, chain, braess, two_links])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_gives_certified_answers(make, solver):
    system = make()
    for goal in ("optimum", "equilibrium"):
        best = getattr(system, goal)(solver="CLARABEL")
        answer = getattr(system, goal)(solver=solver)
        assert answer.solver == solver
        assert answer.mean_delay == pytest.approx(best.mean_delay, rel=1e-9)
        raw = getattr(system, goal)(solver=solver, polish=False)
        assert raw.polished == 0
        assert raw.certificate.gap <= 1e-4
        assert raw.certificate.lower_bound <= best.mean_delay * (1 + 1e-9)
        assert raw.certificate.upper_bound >= best.mean_delay * (1 - 1e-9)


@pytest.mark.parametrize("make", [regions, chain, braess])
def test_columns_give_the_answer_of_all_routes(make):
    system = make()
    for goal in ("optimum", "equilibrium"):
        all_routes, columns = (
            getattr(system, goal)(formulation=form) for form in ("routes", "columns")
        )
        assert (all_routes.formulation, columns.formulation) == ("routes", "columns")
        assert columns.mean_delay == pytest.approx(all_routes.mean_delay, rel=1e-9)
        raw = getattr(system, goal)(formulation="columns", polish=False)
        assert raw.mean_delay == pytest.approx(all_routes.mean_delay, rel=1e-4)


def test_one_player_is_the_optimum_and_more_players_are_slower():
    system = chain()
    delays = [system.equilibrium(players=k).mean_delay for k in (1, 2, 4, 10, math.inf)]
    assert delays[0] == pytest.approx(system.optimum().mean_delay, rel=1e-9)
    assert delays == sorted(delays)
    with pytest.raises(InputError, match=r"players = 1\.5"):
        system.equilibrium(players=1.5)


def test_a_family_without_cones_has_tangents():
    bank = Function(lambda x: 0.1 + 1.0 / (20.0 - x), rate=[20.0, 20.0])
    mine = Groups(bank, load=[12.0, 6.0], delay=[[0.0, 0.1], [0.1, 0.0]])
    same = Groups(MM1([20.0, 20.0], 0.1), load=[12.0, 6.0], delay=[[0.0, 0.1], [0.1, 0.0]])
    for goal in ("optimum", "equilibrium"):
        true = getattr(same, goal)().mean_delay
        options = {"gap": 1e-6}
        assert getattr(mine, goal)(**options).mean_delay == pytest.approx(true, rel=1e-6)
        raw = getattr(mine, goal)(polish=False)
        assert raw.mean_delay == pytest.approx(true, rel=1e-4)


def test_limits_are_refused_by_equilibria():
    from sojourn.models import MaxUtilisation

    with pytest.raises(InputError, match="subject_to"):
        regions().equilibrium(subject_to=[MaxUtilisation(0.9)])
