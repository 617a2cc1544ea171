"""Roads at the corners of the Bureau's formula: of one travel time, free, and nearly so; models, reference and closed forms."""

import json
import math

import numpy as np
import pytest

from sojourn import reference
from sojourn.models import BPR, MM1, Constant, MaxShare, ParallelServers, Polynomial, Tandem, verify
from sojourn.models.systems.parallel.game_curves import control_curve, players_curve

LOADS = [0.5, 3.0, 20.0]
ROAD, STATIONS = BPR(1.0, 1.0), MM1([1.5, 0.5], [0.1, 0.2])
SAME_TIME = {  # a system, and the same said otherwise
    "power 0": ((BPR(2.0, 3.0, 0.5, 0.0), ROAD), (Constant(3.0), ROAD)),
    "b 0": ((BPR(3.0, 3.0, 0.0), STATIONS), (Constant(3.0), STATIONS)),
    "several of one time": ((BPR(1.0, [1.0, 3.0], 2.0, 0.0),), (Constant([3.0, 3.0]),)),
    "in one bank": (
        (BPR([2.0, 1.0, 3.0], [3.0, 1.0, 2.0], [0.5, 0.15, 0.0], [0.0, 4.0, 2.0]),),
        (
            Polynomial(
                [[3.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.15], [3.0, 0.0, 0.0, 0.0, 0.0]]
            ),
        ),
    ),
    "nearly of one time": (
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
    "beside one of no idle time": (BPR(0.0, 3.0), Polynomial([0.0, 1.0])),
}


def asked(system, load):
    """Mean delays and flows of all questions at a load."""
    flow = [getattr(system, goal)(load).flow for goal in ("optimum", "equilibrium")]
    answers = [
        system.optimum(load, formulation="epigraph"), system.equilibrium(load, formulation="beckmann"),
        system.equilibrium(load, formulation="minmax"), system.equilibrium(load, players=3),
        system.control(load, 0.5), system.control(load, 0.5, "scale"), system.tolls(load),
    ]  # fmt: skip
    assert all(a.certified for a in answers)
    return np.array([a.mean_delay for a in answers]), np.concatenate(flow) / load


@pytest.mark.parametrize("name", SAME_TIME)
def test_a_road_is_what_it_is_said_otherwise(name):
    load = 3.0
    one, other = (ParallelServers(*banks) for banks in SAME_TIME[name])
    delays, flows = asked(one, load)
    best, selfish, players = (
        reference.equilibrium(other.bank, load, count) for count in (1, math.inf, 3)
    )
    led = [
        reference.controlled(other.bank, load, 0.5, strategy).mean_delay
        for strategy in ("llf", "scale")
    ]
    true = [
        best.mean_delay,
        selfish.mean_delay,
        selfish.mean_delay,
        players.mean_delay,
        *led,
        best.mean_delay,
    ]
    np.testing.assert_allclose(delays, [float(t) for t in true], rtol=1e-12)
    known = (
        np.concatenate([getattr(other, goal)(load).flow for goal in ("optimum", "equilibrium")])
        / load
    )
    np.testing.assert_allclose(flows, known, rtol=1e-9, atol=1e-9)
    for found, split in (
        (one.optimum(load).certificate, best),
        (one.equilibrium(load).certificate, selfish),
    ):
        assert (
            found.lower_bound * (1 - 1e-14)
            <= float(split.mean_delay)
            <= found.upper_bound * (1 + 1e-14)
        )


@pytest.mark.parametrize("name", SAME_TIME)
def test_over_loads_too(name):
    one, other = (ParallelServers(*banks) for banks in SAME_TIME[name])
    mine, theirs = one.curve(LOADS), other.curve(LOADS)
    assert mine.optimum_certified.all()
    assert mine.equilibrium_certified.all()
    np.testing.assert_allclose(mine.price_of_anarchy, theirs.price_of_anarchy, rtol=1e-12)
    np.testing.assert_allclose(
        one.thresholds().equilibrium, other.thresholds().equilibrium, rtol=1e-9
    )
    worst, known = one.worst_case(up_to=20.0), reference.worst_case(other.bank, up_to=20.0)
    assert worst.certified
    assert worst.poa == pytest.approx(known.poa, rel=1e-8)


def test_two_roads_of_one_time_in_closed_form():
    """1 + 0.15 x^4 beside 3: the road's latency reaches 3 at x^4 = 2/0.15, its marginal delay at a fifth of that."""
    system, load = ParallelServers(ROAD, BPR(2.0, 3.0, 0.5, 0.0)), 4.0
    full, best = (2 / 0.15) ** 0.25, (2 / 0.75) ** 0.25
    np.testing.assert_allclose(system.equilibrium(load).flow, [full, load - full], rtol=1e-12)
    np.testing.assert_allclose(system.optimum(load).flow, [best, load - best], rtol=1e-12)
    assert system.optimum(load).mean_delay == pytest.approx(
        (best * (1 + 0.15 * best**4) + 3 * (load - best)) / load, rel=1e-12
    )
    player = (2 / (0.15 * (1 + 4 / 3))) ** 0.25
    np.testing.assert_allclose(
        system.equilibrium(load, players=3).flow, [player, load - player], rtol=1e-12
    )


@pytest.mark.parametrize("name", FREE)
def test_a_free_road_takes_all(name):
    load = 3.0
    system = ParallelServers(*FREE[name])
    delays, flows = asked(system, load)
    assert not delays.any()
    free = system.bank.latency_limit == 0
    np.testing.assert_allclose(flows.reshape(2, -1)[:, free].sum(axis=1), 1.0, rtol=1e-15)
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


def test_a_split_beside_a_free_road_is_infinitely_dear():
    system = ParallelServers(BPR(0.0, 3.0), ROAD)
    dear, free = (system.evaluate(1.0, share=share) for share in ([0.5, 0.5], [1.0, 0.0]))
    assert (dear.ratio, dear.move) == (math.inf, ("server 2", "server 1"))
    assert dear.loss == pytest.approx(0.5 * (1 + 0.15 / 16))
    assert (free.ratio, free.ratio.upper, free.loss, free.move) == (1.0, 1.0, 0.0, None)
    assert dear.to_dict()["ratio"] is None


def test_limits_beside_a_free_road():
    found = ParallelServers(BPR(0.0, 3.0), ROAD).optimum(3.0, subject_to=[MaxShare(0.9)])
    np.testing.assert_allclose(found.flow, [2.7, 0.3], rtol=1e-12)
    assert found.mean_delay == pytest.approx(0.1 * (1 + 0.15 * 0.3**4), rel=1e-12)


def test_a_solvers_own_answer_beside_a_free_road_is_not_certified():
    """Some residue is left on the other road, and nothing is a part of 0."""
    found = ParallelServers(BPR(0.0, 3.0), ROAD).optimum(1.0, polish=False, throw=False)
    assert found.mean_delay > 0
    assert not found.certified


def test_a_free_road_before_a_server_is_that_server():
    one, other = (
        ParallelServers(Tandem(BPR(0.0, 3.0), MM1(2.0)), MM1(1.5)),
        ParallelServers(MM1(2.0), MM1(1.5)),
    )
    for goal in ("optimum", "equilibrium"):
        assert getattr(one, goal)(3.0).mean_delay == pytest.approx(
            getattr(other, goal)(3.0).mean_delay, rel=1e-12
        )


def test_players_beside_a_server_of_one_latency():
    """Where a price takes all there is, the price of the others is still theirs."""
    system = ParallelServers(Constant(3.0), ROAD)
    found, true = system.equilibrium(3.0, players=3), reference.equilibrium(system.bank, 3.0, 3)
    assert found.certified
    assert (
        found.certificate.lower_bound * (1 - 1e-14)
        <= float(true.mean_delay)
        <= found.certificate.upper_bound * (1 + 1e-14)
    )
    np.testing.assert_allclose(found.flow, true.flow, rtol=1e-12)
