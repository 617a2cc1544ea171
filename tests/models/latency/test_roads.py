"""Roads with a constant or zero travel time, or nearly: models, reference and closed forms."""

import json
import math

import cvxpy as cp
import numpy as np
import pytest

from sojourn import reference
from sojourn.models import BPR, MM1, Constant, MaxShare, ParallelServers, Polynomial, Tandem, verify
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve

LOADS = [0.5, 3.0, 20.0]
ROAD, STATIONS = BPR(1.0, 1.0), MM1([1.5, 0.5], [0.1, 0.2])
CONSTANT = {  # a system with roads of constant travel time, and the same with other families
    "power 0": ((BPR(2.0, 3.0, 0.5, 0.0), ROAD), (Constant(3.0), ROAD)),
    "b 0": ((BPR(3.0, 3.0, 0.0), STATIONS), (Constant(3.0), STATIONS)),
    "several constant": ((BPR(1.0, [1.0, 3.0], 2.0, 0.0),), (Constant([3.0, 3.0]),)),
    "in one bank": (
        (BPR([2.0, 1.0, 3.0], [3.0, 1.0, 2.0], [0.5, 0.15, 0.0], [0.0, 4.0, 2.0]),),
        (
            Polynomial(
                [[3.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.15], [3.0, 0.0, 0.0, 0.0, 0.0]]
            ),
        ),
    ),
    "nearly constant": (
        (BPR(1.0, 1.0, 1e-12, 1.0), BPR(2.0, 3.0)),
        (Polynomial([1.0, 1e-12]), BPR(2.0, 3.0)),
    ),
    "nearly free": (
        (BPR(1e-12, 1.0), STATIONS),
        (Polynomial([1e-12, 0.0, 0.0, 0.0, 0.15e-12]), STATIONS),
    ),
}
FREE = {
    "alone": (BPR(0.0, 3.0),),
    "two": (BPR([0.0, 0.0], [1.0, 2.0]),),
    "beside a road": (BPR(0.0, 3.0, power=0.0), ROAD),
    "beside stations": (Constant(0.0), STATIONS),
    "beside one without idle time": (BPR(0.0, 3.0), Polynomial([0.0, 1.0])),
}


def answers_at(system, load):
    """Mean delays of the answers to all questions at a load; shares of optimum and equilibrium."""
    flow = [getattr(system, goal)(load).flow for goal in ("optimum", "equilibrium")]
    answers = [
        system.optimum(load, formulation="epigraph"),
        system.equilibrium(load, formulation="beckmann"),
        system.equilibrium(load, formulation="minmax"),
        system.equilibrium(load, players=3),
        system.control(load, 0.5),
        system.control(load, 0.5, "scale"),
        system.tolls(load),
    ]
    assert all(a.certified for a in answers)
    return np.array([a.mean_delay for a in answers]), np.concatenate(flow) / load


def assert_within(certificate, mean_delay):
    """Check a mean delay against the bounds of a certificate, to rounding error."""
    assert certificate.lower_bound * (1 - 1e-14) <= float(mean_delay)
    assert float(mean_delay) <= certificate.upper_bound * (1 + 1e-14)


@pytest.mark.parametrize("name", CONSTANT)
def test_a_system_has_the_answers_of_the_same_with_other_families(name):
    load = 3.0
    roads, other = (ParallelServers(*banks) for banks in CONSTANT[name])
    delays, shares = answers_at(roads, load)
    best, selfish, players = (
        reference.equilibrium(other.bank, load, count) for count in (1, math.inf, 3)
    )
    controlled = [
        reference.controlled(other.bank, load, 0.5, strategy).mean_delay
        for strategy in ("llf", "scale")
    ]
    splits = [best, selfish, selfish, players]
    true = [*(split.mean_delay for split in splits), *controlled, best.mean_delay]
    np.testing.assert_allclose(delays, [float(t) for t in true], rtol=1e-12)
    known = (
        np.concatenate([getattr(other, goal)(load).flow for goal in ("optimum", "equilibrium")])
        / load
    )
    np.testing.assert_allclose(shares, known, rtol=1e-9, atol=1e-9)
    assert_within(roads.optimum(load).certificate, best.mean_delay)
    assert_within(roads.equilibrium(load).certificate, selfish.mean_delay)


@pytest.mark.parametrize("name", CONSTANT)
def test_curves_thresholds_and_worst_cases_are_the_same(name):
    roads, other = (ParallelServers(*banks) for banks in CONSTANT[name])
    curve, expected = roads.curve(LOADS), other.curve(LOADS)
    assert curve.optimum_certified.all()
    assert curve.equilibrium_certified.all()
    np.testing.assert_allclose(curve.price_of_anarchy, expected.price_of_anarchy, rtol=1e-12)
    np.testing.assert_allclose(
        roads.thresholds().equilibrium, other.thresholds().equilibrium, rtol=1e-9
    )
    worst, known = roads.worst_case(up_to=20.0), reference.worst_case(other.bank, up_to=20.0)
    assert worst.certified
    assert worst.poa == pytest.approx(known.poa, rel=1e-8)


def test_a_road_beside_a_constant_one_in_closed_form():
    """1 + 0.15 x^4 beside 3: the latency is 3 at x^4 = 2/0.15, the marginal delay at 2/0.75."""
    system, load = ParallelServers(ROAD, BPR(2.0, 3.0, 0.5, 0.0)), 4.0
    selfish, best = (2 / 0.15) ** 0.25, (2 / 0.75) ** 0.25
    np.testing.assert_allclose(system.equilibrium(load).flow, [selfish, load - selfish], rtol=1e-12)
    np.testing.assert_allclose(system.optimum(load).flow, [best, load - best], rtol=1e-12)
    assert system.optimum(load).mean_delay == pytest.approx(
        (best * (1 + 0.15 * best**4) + 3 * (load - best)) / load, rel=1e-12
    )
    player = (2 / (0.15 * (1 + 4 / 3))) ** 0.25
    np.testing.assert_allclose(
        system.equilibrium(load, players=3).flow, [player, load - player], rtol=1e-12
    )


@pytest.mark.parametrize("name", FREE)
def test_a_free_road_carries_all(name):
    load = 3.0
    system = ParallelServers(*FREE[name])
    delays, shares = answers_at(system, load)
    assert not delays.any()
    free = system.bank.latency_limit == 0
    np.testing.assert_allclose(shares.reshape(2, -1)[:, free].sum(axis=1), 1.0, rtol=1e-15)
    assert (system.price_of_anarchy(load), system.price_of_anarchy(load).upper) == (1.0, 1.0)
    found = system.optimum(load)
    assert (
        found.certificate.lower_bound,
        found.certificate.upper_bound,
        found.certificate.gap,
    ) == (0.0, 0.0, 0.0)
    assert (
        reference.optimum(system.bank, load).mean_delay
        == reference.equilibrium(system.bank, load).mean_delay
        == 0.0
    )
    assert verify(system, [load]).passed
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.filterwarnings("error", "ignore:overflow encountered in reduce")  # CVXPY below 1.9.3
@pytest.mark.parametrize("name", FREE)
def test_a_free_road_over_loads_and_games(name):
    system = ParallelServers(*FREE[name])
    data = system.curve(LOADS)
    assert data.optimum_certified.all()
    assert data.equilibrium_certified.all()
    assert (data.price_of_anarchy == 1).all()
    assert (players_curve(system, LOADS, [1, 3]).price_of_anarchy == 1).all()
    assert (control_curve(system, 3.0, [0.0, 0.5, 1.0]).ratio == 1).all()
    worst, known = system.worst_case(up_to=20.0), reference.worst_case(system.bank, up_to=20.0)
    assert (
        (worst.poa, worst.upper_bound, worst.certified)
        == (known.poa, known.upper_bound, known.certified)
        == (1.0, 1.0, True)
    )
    np.testing.assert_array_equal(reference.price_of_anarchy(system.bank, [0.0, 3.0]), 1.0)


def test_a_split_beside_a_free_road_has_an_infinite_ratio():
    system = ParallelServers(BPR(0.0, 3.0), ROAD)
    half, free = (system.evaluate(1.0, share=share) for share in ([0.5, 0.5], [1.0, 0.0]))
    assert (half.ratio, half.move) == (math.inf, ("server 2", "server 1"))
    assert half.loss == pytest.approx(0.5 * (1 + 0.15 / 16))
    assert (free.ratio, free.ratio.upper, free.loss, free.move) == (1.0, 1.0, 0.0, None)
    assert half.to_dict()["ratio"] is None


def test_limits_beside_a_free_road():
    found = ParallelServers(BPR(0.0, 3.0), ROAD).optimum(3.0, subject_to=[MaxShare(0.9)])
    np.testing.assert_allclose(found.flow, [2.7, 0.3], rtol=1e-12)
    assert found.mean_delay == pytest.approx(0.1 * (1 + 0.15 * 0.3**4), rel=1e-12)


def test_a_solvers_own_answer_beside_a_free_road_is_not_certified():
    """The solver leaves a residue on the other road, and the optimum is 0: the gap is infinite."""
    found = ParallelServers(BPR(0.0, 3.0), ROAD).optimum(1.0, polish=False, throw=False)
    assert found.mean_delay > 0
    assert not found.certified


def test_a_free_road_before_a_server_is_that_server():
    tandem = ParallelServers(Tandem(BPR(0.0, 3.0), MM1(2.0)), MM1(1.5))
    server = ParallelServers(MM1(2.0), MM1(1.5))
    for goal in ("optimum", "equilibrium"):
        expected = getattr(server, goal)(3.0).mean_delay
        assert getattr(tandem, goal)(3.0).mean_delay == pytest.approx(expected, rel=1e-12)


def test_players_beside_a_server_of_constant_latency():
    """The constant server has no finite flow at its price; the other server keeps its own."""
    system = ParallelServers(Constant(3.0), ROAD)
    found, true = system.equilibrium(3.0, players=3), reference.equilibrium(system.bank, 3.0, 3)
    assert found.certified
    assert_within(found.certificate, true.mean_delay)
    np.testing.assert_allclose(found.flow, true.flow, rtol=1e-12)


@pytest.mark.parametrize("bank", [
    Polynomial([[0.0] * 600 + [1.0]]),
    BPR(1e-6, capacity=1.0, b=1e6, power=600.0),
])  # fmt: skip
def test_a_power_beyond_the_range_of_floats_has_finite_numbers_in_cones(bank):
    cone = bank.total_cone(cp.Variable(1))
    numbers = [c.value for e in (cone.value, *cone.constraints) for c in e.constants()]
    assert all(np.isfinite(n.toarray() if hasattr(n, "toarray") else n).all() for n in numbers)
