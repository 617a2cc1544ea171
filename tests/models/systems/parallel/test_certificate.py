"""Certificates hold for all flows, and are tight at the solution."""

import math
import warnings

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1
from sojourn.models.latency import MixedLatency
from sojourn.models.systems.parallel.certificate import certify, mean_delay
from sojourn.reference.parallel import optimum_equilibrium as exact

GOALS = ("optimum", "equilibrium")
BANKS = {
    "MM1": MM1([10.0, 5.0, 3.0], [0.0, 0.1, 1.0]),
    "MD1": MD1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]),
    "pool": MixedLatency([MM1([3.0, 0.5], 0.2), MD1([1.0, 2.0]), MG1([7.0], cv=4.0, delay=1.0)]),
}
PARTS = (0.02, 0.5, 0.97)
cases = [(bank, part, goal) for bank in BANKS for part in PARTS for goal in GOALS]
every_case = pytest.mark.parametrize(("name", "part", "goal"), cases)


def problem(name, part, goal):
    bank = BANKS[name]
    load = part * float(bank.rate.sum())
    return bank, load, getattr(exact, goal)(bank, load)


def splits(bank, load, rng, count):
    """Return random splits of the load, each flow below the rate of its server."""
    found = []
    while len(found) < count:
        flow = rng.dirichlet(np.full(len(bank), rng.choice([0.3, 1.0, 5.0]))) * load
        over = np.clip(flow - bank.rate, 0, None).sum() > 0
        found.append(0.999 * bank.rate * load / bank.rate.sum() if over else flow)
    return found


def holds(certificate, value, true):
    """Return whether bounds and gap hold, up to rounding."""
    inside = certificate.lower_bound * (1 - 1e-13) <= true <= certificate.upper_bound * (1 + 1e-13)
    return inside and abs(value - true) / true <= certificate.gap * (1 + 1e-12)


@every_case
def test_valid_at_random_splits(name, part, goal):
    bank, load, true = problem(name, part, goal)
    for flow in splits(bank, load, np.random.default_rng(1), 40):
        certificate = certify(bank, load, flow, goal)
        assert math.isfinite(certificate.gap)
        assert holds(certificate, mean_delay(bank, flow), float(true.mean_delay)), flow


@every_case
@pytest.mark.parametrize("size", [1e-9, 1e-5, 1e-2, 0.3])
def test_valid_at_flows_that_are_not_splits_of_the_load(name, part, goal, size):
    """The flows sum to too much or too little, or are negative: errors of solvers, and larger."""
    bank, load, true = problem(name, part, goal)
    rng = np.random.default_rng(2)
    for _ in range(20):
        flow = true.flow + size * load * rng.normal(size=len(bank))
        certificate = certify(bank, load, flow, goal)
        assert holds(certificate, mean_delay(bank, flow), float(true.mean_delay)), flow


@every_case
def test_tight_at_the_truth(name, part, goal):
    bank, load, true = problem(name, part, goal)
    certificate = certify(bank, load, true.flow, goal)
    assert certificate.gap < 1e-12
    assert certificate.balance < 1e-15
    assert certificate.least_flow >= 0
    assert certificate.utilisation == pytest.approx(float((true.flow / bank.rate).max()), rel=1e-15)
    if goal == "equilibrium":
        assert certificate.deviation_gain < 1e-12 * float(true.mean_delay)
        assert certificate.potential_gap < 1e-12


@pytest.mark.parametrize("size", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("name", BANKS)
def test_gap_of_an_optimum_is_its_true_error(name, size):
    """Off the optimum in random directions; the Frank-Wolfe gap is over 10^3 times too large."""
    bank, load, true = problem(name, 0.8, "optimum")
    rng = np.random.default_rng(3)
    assert true.active.all()
    for _ in range(20):
        step = rng.normal(size=len(bank))
        step -= step.mean()
        flow = (
            true.flow
            + size
            * 0.3
            * min(true.flow.min(), true.spare_capacity.min())
            * step
            / np.abs(step).max()
        )
        error = mean_delay(bank, flow) / float(true.mean_delay) - 1
        assert 1 <= certify(bank, load, flow, "optimum").gap / error < 3


def test_gap_of_an_optimum_shrinks_with_the_square_of_the_distance():
    bank, load, true = problem("MM1", 0.8, "optimum")
    step = np.array([1.0, -2.0, 1.0]) * 0.1
    gaps = [
        certify(bank, load, true.flow + part * step, "optimum").gap for part in (1e-1, 1e-2, 1e-3)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(100, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(100, rel=0.01)


def test_numbers_at_a_split_made_by_hand():
    """M/M/1, rates 10 and 5, no delay; load 6 split 3 + 3: latencies 1/7 and 1/2."""
    bank, flow = MM1([10.0, 5.0]), np.array([3.0, 3.0])
    certificate = certify(bank, 6.0, flow, "equilibrium")
    assert certificate.deviation_gain == pytest.approx(1 / 2 - 1 / 7, rel=1e-14)
    assert certificate.lower_bound == pytest.approx(1 / 7, rel=1e-14)
    assert certificate.upper_bound == pytest.approx(1 / 2, rel=1e-14)
    # the mean delay is (3/7 + 3/2)/6 = 9/28; the farther bound is 1/2
    assert certificate.gap == pytest.approx((1 / 2 - 9 / 28) / (1 / 7), rel=1e-12)
    assert certificate.utilisation == pytest.approx(0.6)
    assert certificate.least_flow == pytest.approx(0.5)
    assert certificate.balance == 0.0
    # the equilibrium has equal spare capacities 4.5, so the flows are 5.5 and 0.5
    assert certify(bank, 6.0, np.array([5.5, 0.5]), "equilibrium").deviation_gain == pytest.approx(
        0.0, abs=1e-16
    )


def test_optimum_certificate_has_no_deviation_gain():
    certificate = certify(MM1([10.0, 5.0]), 6.0, np.array([3.0, 3.0]), "optimum")
    assert certificate.deviation_gain is None
    assert certificate.potential_gap is None


def test_unused_server_that_would_be_faster_counts_as_a_gain():
    """The slow server carries all 6: a user gains by moving to the empty one, latency 1/10."""
    certificate = certify(MM1([10.0, 7.0]), 6.0, np.array([0.0, 6.0]), "equilibrium")
    assert certificate.deviation_gain == pytest.approx(1.0 - 0.1, rel=1e-14)


GARBAGE = {
    "nan": [math.nan, 3.0, 3.0],
    "all nan": [math.nan] * 3,
    "nothing": [0.0, 0.0, 0.0],
    "negative": [-6.0, -1.0, -2.0],
    "over capacity": [12.0, 1.0, 0.0],
    "at capacity": [10.0, 0.0, 0.0],
    "huge": [1e300, 1e300, 1e300],
    "one infinite": [math.inf, 0.0, 0.0],
}


@pytest.mark.parametrize("flow", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("goal", GOALS)
def test_garbage_gets_no_claim(flow, goal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        certificate = certify(BANKS["MM1"], 12.0, np.array(flow), goal)
    assert certificate.gap == math.inf
    # the bounds that do not depend on the flow hold
    true = float(getattr(exact, goal)(BANKS["MM1"], 12.0).mean_delay)
    assert certificate.lower_bound <= true <= certificate.upper_bound


@pytest.mark.parametrize("goal", GOALS)
def test_garbage_without_an_end_gets_no_claim(goal):
    certificate = certify(BANKS["MM1"], 12.0, np.array([math.inf, -math.inf, 0.0]), goal)
    assert certificate.gap == math.inf


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("slack", [1e-3, 1e-6, 1e-9])
def test_valid_and_useful_close_to_saturation(goal, slack):
    bank = BANKS["MM1"]
    load = 18.0 * (1 - slack)
    true = getattr(exact, goal)(bank, load)
    certificate = certify(bank, load, true.flow, goal)
    assert holds(certificate, certificate.mean_delay, float(true.mean_delay))
    assert certificate.gap < (1e-13 if goal == "optimum" else 1e-14 / slack * 4)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize(("slack", "moved"), [(1e-9, 1e-16), (1e-9, 1e-10), (1e-3, 1e-7)])
def test_no_more_than_rounding_is_taken_from_the_mean_delay_of_a_flow(goal, slack, moved):
    bank = BANKS["MM1"]
    load = 18.0 * (1 - slack)
    true = getattr(exact, goal)(bank, load)
    flow = true.flow - np.array([moved * load, 0.0, 0.0])
    certificate, own = certify(bank, load, flow, goal), mean_delay(bank, flow)
    assert holds(certificate, certificate.mean_delay, float(true.mean_delay))
    if moved > 1e-15:
        assert certificate.mean_delay == own
        assert certificate.gap > moved
    else:
        assert certificate.mean_delay == pytest.approx(own, rel=1e-15 / slack)


@pytest.mark.parametrize("goal", GOALS)
def test_one_server_has_nothing_to_prove(goal):
    certificate = certify(MM1([10.0], 0.5), 9.0, np.array([9.0]), goal)
    assert certificate.lower_bound == pytest.approx(1.5)
    assert certificate.gap < 1e-14
