"""Evaluations of given splits: mean delay, loss, and a user's best move."""

import json
import math

import cvxpy as cp
import mpmath as mp
import numpy as np
import pytest
from chunks import some

import sojourn.models
from sojourn import reference
from sojourn.models import (
    MD1,
    MG1,
    MM1,
    Constant,
    Evaluation,
    InputError,
    LoadError,
    Measured,
    MMc,
    ParallelServers,
)
from sojourn.models.systems.parallel.certificate import certify

NAMES = ["edge 1", "edge 2", "cloud"]
SYSTEM = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]), names=NAMES)
MIXED = ParallelServers(
    MM1(40.0), MMc(15.0, servers=3, delay=0.010), MG1(30.0, cv=3.0), Constant(0.120)
)


def same(one, other):
    return json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_numbers_are_those_of_the_queues():
    found = SYSTEM.evaluate(190.0, weights=[50, 30, 20])
    assert isinstance(found, Evaluation)
    np.testing.assert_allclose(found.flow, [95.0, 57.0, 38.0], rtol=1e-15)
    np.testing.assert_allclose(found.share, [0.5, 0.3, 0.2], rtol=1e-15)
    latency = np.array([0.005 + 1 / 5, 0.005 + 1 / 23, 0.020 + 1 / 162])
    np.testing.assert_allclose(found.latency, latency, rtol=1e-14)
    np.testing.assert_allclose(found.utilisation, [0.95, 57 / 80, 0.19], rtol=1e-15)
    assert found.mean_delay == pytest.approx(latency @ [0.5, 0.3, 0.2], rel=1e-14)
    best, selfish = reference.optimum(SYSTEM.bank, 190.0), reference.equilibrium(SYSTEM.bank, 190.0)
    assert found.optimum_delay == float(best.mean_delay)
    assert found.equilibrium_delay == float(selfish.mean_delay)
    assert found.ratio == pytest.approx(found.mean_delay / float(best.mean_delay), rel=1e-14)
    assert found.loss == pytest.approx(found.mean_delay - float(best.mean_delay), rel=1e-13)
    assert found.deviation_gain == pytest.approx(latency[0] - latency[2], rel=1e-13)
    assert found.move == ("edge 1", "cloud")
    assert found.stable
    assert found.overloaded == ()
    for number in (
        found.mean_delay,
        found.optimum_delay,
        found.equilibrium_delay,
        found.ratio,
        found.loss,
    ):
        assert number.lower <= number <= number.upper <= number.lower * (1 + 1e-12)
    assert found.certificate.lower_bound <= best.mean_delay <= found.certificate.upper_bound
    assert found.certificate.gap == pytest.approx(found.ratio - 1, rel=1e-12)


def test_flow_share_and_weights_give_the_same_split():
    found = SYSTEM.evaluate(190.0, flow=[95.0, 57.0, 38.0])
    assert same(found, SYSTEM.evaluate(190.0, share=[0.5, 0.3, 0.2]))
    for scale in (1.0, 1e-300, 1e307, 3.0):
        again = SYSTEM.evaluate(190.0, weights=np.array([5.0, 3.0, 2.0]) * scale)
        np.testing.assert_allclose(again.flow, found.flow, rtol=1e-15)
    np.testing.assert_allclose(
        SYSTEM.evaluate(190.0, share=[1 / 3, 1 / 3, 0.333333333333]).flow.sum(), 190.0, rtol=1e-15
    )


def test_the_optimum_loses_nothing_and_no_user_moves_at_the_equilibrium():
    best = SYSTEM.evaluate(190.0, flow=SYSTEM.optimum(190.0).flow)
    assert best.loss.lower == 0
    assert 1 <= best.ratio <= best.ratio.upper < 1 + 1e-12
    assert best.move == ("cloud", "edge 1")
    selfish = SYSTEM.evaluate(190.0, share=SYSTEM.equilibrium(190.0).share)
    assert selfish.move is None
    assert selfish.deviation_gain < 1e-15
    poa = SYSTEM.price_of_anarchy(190.0)
    assert selfish.ratio == pytest.approx(poa, rel=1e-13)
    assert max(poa.lower, selfish.ratio.lower) <= min(poa.upper, selfish.ratio.upper)


def test_server_that_is_not_used_tempts_but_costs_nothing():
    system = ParallelServers(MM1([10.0, 10.0], [0.0, 1.0]), names=["near", "far"])
    found = system.evaluate(9.0, weights=[1, 0])
    assert found.mean_delay == 1.0
    assert found.move is None
    assert found.latency[1] == pytest.approx(1.1)
    assert system.evaluate(9.9, weights=[1, 0]).move == ("near", "far")
    assert system.evaluate(1.0, weights=[0, 1]).move == ("far", "near")


@pytest.mark.parametrize(
    ("split", "overloaded"),
    [
        ({"weights": [80, 10, 10]}, ("edge 1",)),
        ({"flow": [100.0, 30.0, 60.0]}, ("edge 1",)),
        ({"share": [0.6, 0.4, 0.0]}, ("edge 1",)),
        ({"flow": [0.0, 80.0, 110.0]}, ("edge 2",)),
    ],
    ids=["beyond", "at the rate", "shares", "second"],
)
def test_overloaded_split_has_an_infinite_delay_and_names_servers(split, overloaded):
    found = SYSTEM.evaluate(190.0, **split)
    assert (
        found.mean_delay
        == found.ratio
        == found.ratio.lower
        == found.loss
        == found.deviation_gain
        == math.inf
    )
    assert found.overloaded == overloaded
    assert not found.stable
    assert found.certificate.gap == math.inf
    assert found.optimum_delay == pytest.approx(0.0284494072, rel=1e-8)
    assert f"unstable: {overloaded[0]} gets its rate or more" in repr(found)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["mean_delay"] is plain["mean_delay_lower"] is plain["ratio_upper"] is None
    assert plain["overloaded"] == list(overloaded)


def test_several_servers_can_be_overloaded():
    assert ParallelServers(MM1([1.0, 1.0, 9.0])).evaluate(6.0, weights=[1, 1, 1]).overloaded == (
        "server 1",
        "server 2",
    )


# ---- errors

GOOD = {"share": [0.5, 0.3, 0.2]}
BAD = [
    ({}, r"^evaluate = \[\]: is not one way to give a split; give flow=, share= or weights=$"),
    ({**GOOD, "weights": [1, 1, 1]}, r"^evaluate = \['share', 'weights'\]: is not one way"),
    (
        {"weights": [1, 2]},
        r"^weights = \[1\.0, 2\.0\]: is 2 numbers for 3 servers; give 3 numbers, one a server: "
        r"edge 1, edge 2, cloud$",
    ),
    ({"weights": 1.0}, r"^weights = 1\.0: is an array of shape \(\) for 3 servers"),
    ({"weights": [[1, 2, 3]]}, r"shape \(1, 3\)"),
    (
        {"weights": [1, -2, 3]},
        r"^weights\[1\] = -2\.0: is negative; give a number, 0 for a server that is not used$",
    ),
    ({"weights": [1, 2, math.nan]}, r"^weights\[2\] = nan: is not a finite number"),
    ({"weights": [1, math.inf, 3]}, r"^weights\[1\] = inf: is not a finite number"),
    ({"weights": [0, 0, 0]}, r"^weights = \[0\.0, 0\.0, 0\.0\]: is 0 for all servers"),
    ({"weights": ["1", "2", "3"]}, r"^weights = \['1', '2', '3'\]: is not made of numbers"),
    (
        {"share": [0.5, 0.3, 0.3]},
        r"^share = \[0\.5, 0\.3, 0\.3\]: sums to 1\.1, not to 1; give weights= for numbers of any "
        r"sum",
    ),
    ({"share": [0.5, 0.3, 0.2 + 1e-8]}, r"^share = .*: sums to 1\.00000001, not to 1"),
    ({"share": [50, 30, 20]}, r"sums to 100, not to 1"),
    (
        {"flow": [95.0, 57.0, 39.0]},
        r"^flow = .*: sums to 191, not to the load 190; give weights= for numbers of any sum, or "
        r"a flow that fits$",
    ),
    ({"flow": [95.0, 57.0, -38.0]}, r"^flow\[2\] = -38\.0: is negative"),
    ({"flow": [0.5, 0.3, 0.2]}, r"sums to 1, not to the load 190"),
]


@pytest.mark.parametrize(("split", "message"), BAD, ids=range(len(BAD)))
def test_what_is_no_split_is_refused(split, message):
    with pytest.raises(InputError, match=message):
        SYSTEM.evaluate(190.0, **split)


@pytest.mark.parametrize("load", [0.0, -1.0, math.nan, 380.0, 400.0, [190.0]])
def test_invalid_load_is_refused(load):
    with pytest.raises(LoadError, match=r"^load"):
        SYSTEM.evaluate(load, weights=[1, 1, 1])


def test_split_is_given_by_name_alone():
    with pytest.raises(TypeError, match="positional"):
        SYSTEM.evaluate(190.0, [95.0, 57.0, 38.0])


def test_a_bank_of_one_takes_one_flow_and_a_goal_is_one_of_two():
    one = ParallelServers(MM1([10.0]))
    assert one.evaluate(5.0, weights=[3.0]).ratio.upper < 1 + 1e-12
    with pytest.raises(InputError, match=r"is 3 numbers for 1 server"):
        one.evaluate(5.0, flow=[2.0, 2.0, 1.0])
    with pytest.raises(
        InputError, match=r"^flow = .*: has shape \(3,\); give 1 number, one a server$"
    ):
        certify(one.bank, 5.0, [2.0, 2.0, 1.0], "optimum")
    with pytest.raises(
        InputError,
        match=r"^goal = 'Optimum': is not something to solve for; use optimum or equilibrium$",
    ):
        certify(one.bank, 5.0, [5.0], "Optimum")
    with pytest.raises(LoadError, match=r"^load = nan"):
        certify(one.bank, math.nan, [5.0], "optimum")
    assert not hasattr(sojourn.models, "certify")


# ---- certificates


def exact_optimum(rates, delays, load):
    """Return the least mean delay of M/M/1 servers to 50 digits, from the common marginal delay."""
    low, high = min(d + 1 / m for m, d in zip(rates, delays, strict=True)), mp.mpf(1)

    def flows(price):
        return [
            m - mp.sqrt(m / (price - d)) if price > d + 1 / m else mp.mpf(0)
            for m, d in zip(rates, delays, strict=True)
        ]

    while mp.fsum(flows(high)) < load:
        high *= 4
    while high - low > high * mp.mpf(10) ** -40:
        middle = (low + high) / 2
        low, high = (middle, high) if mp.fsum(flows(middle)) < load else (low, middle)
    return (
        mp.fsum(x * (d + 1 / (m - x)) for x, m, d in zip(flows(high), rates, delays, strict=True))
        / load
    )


@pytest.mark.parametrize("seed", some(20, quick=3, often=5))
def test_bounds_hold_the_truth_also_next_to_saturation(seed):
    """Compare with 50 digits at random shares, up to near saturation."""
    rng = np.random.default_rng([77, seed])
    n = int(rng.integers(1, 6))
    rates, delays = 10 ** rng.uniform(-2, 2, n), 10 ** rng.uniform(-3, 1, n)
    near = 10 ** rng.uniform(-11, -0.1)
    spare_capacity = near * rates.sum() * rng.dirichlet(np.ones(n))
    flow = np.maximum(rates - spare_capacity, 0.0)
    load = math.fsum(flow)
    found = ParallelServers(MM1(rates, delays)).evaluate(load, flow=flow)
    with mp.workdps(50):
        mu, d, x = ([mp.mpf(v) for v in a.tolist()] for a in (rates, delays, flow))
        mean = mp.fsum(f * (e + 1 / (m - f)) for f, e, m in zip(x, d, mu, strict=True)) / mp.fsum(x)
        least = exact_optimum(mu, d, mp.mpf(load))
        assert found.mean_delay.lower <= mean <= found.mean_delay.upper
        assert found.optimum_delay.lower <= least <= found.optimum_delay.upper
        assert found.ratio.lower <= max(mean / least, 1) <= found.ratio.upper
        assert found.loss.lower <= max(mean - least, 0) <= found.loss.upper
    assert (
        found.mean_delay.upper / found.mean_delay.lower - 1
        < 1e-14 / (1 - flow / rates).min() + 1e-13
    )


@pytest.mark.parametrize("load", [1.0, 60.0])
def test_any_families_with_and_without_a_rate(load):
    found = MIXED.evaluate(load, weights=[1, 1, 0.5, 8])
    assert found.stable
    assert found.utilisation[3] == 0
    assert found.mean_delay == pytest.approx(
        float(found.flow @ MIXED.bank.latency(found.flow)) / load, rel=1e-13
    )
    assert found.ratio.lower >= 1
    assert found.optimum_delay.upper / found.optimum_delay.lower - 1 < 1e-9


def test_flows_beyond_all_samples_have_a_caveat():
    load = np.linspace(1, 25, 40)
    system = ParallelServers(
        MM1(40.0), Measured(load, 0.02 + 1 / (40 - load)), names=["device", "db"]
    )
    assert system.evaluate(30.0, weights=[1, 1]).caveats == ()
    found = system.evaluate(60.0, weights=[1, 1])
    assert "more than any of its samples" in found.caveats[0]
    assert "but db carries 30" in repr(found)


def test_a_program_of_one_s_own_is_judged():
    """The flows of a user's own convex program are evaluated like any split."""
    x = cp.Variable(3, nonneg=True)
    delay = SYSTEM.bank.total_cone(x)
    cp.Problem(cp.Minimize(cp.sum(delay.value)), [cp.sum(x) == 190, *delay.constraints]).solve(
        solver="CLARABEL"
    )
    found = SYSTEM.evaluate(190.0, weights=np.maximum(x.value, 0.0))
    assert 1 <= found.ratio.upper < 1 + 1e-6


def test_many_servers_are_cut_short_in_text():
    system = ParallelServers(MD1(np.full(40, 2.0)))
    text = repr(system.evaluate(40.0, weights=np.ones(40)))
    assert "... and 28 more servers" in text
    assert text.startswith(
        "split at load 40: mean delay 0.75, 1 times the least, certified within "
    )


def test_it_is_what_it_was():
    found = SYSTEM.evaluate(190.0, weights=[50, 30, 20])
    with pytest.raises(AttributeError):
        found.mean_delay = 0.0
    assert "mean delay 0.122278046, 4.29809 times the least" in repr(found)
    assert "a user gains 0.178827 by moving from edge 1 to cloud" in repr(found)
    assert found.to_dict()["move"] == {"from": "edge 1", "to": "cloud"}
