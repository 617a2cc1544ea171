"""Newton steps converge to the solution from near it; from elsewhere certificates hold."""

import math
import warnings

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1
from sojourn.models.latency import MixedLatency
from sojourn.models.systems.parallel.certificate import certify, mean_delay
from sojourn.models.systems.parallel.newton import polish, polish_rows
from sojourn.models.systems.parallel.polish import polish_and_certify
from sojourn.models.systems.parallel.prices import multiplier
from sojourn.reference.parallel import optimum_equilibrium as exact

GOALS = ("optimum", "equilibrium")
BANKS = {
    "MM1": MM1([10.0, 5.0, 3.0, 1.0], [0.0, 0.1, 1.0, 40.0]),
    "MD1": MD1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]),
    "pool": MixedLatency([MM1([3.0, 0.5], 0.2), MD1([1.0, 2.0]), MG1([7.0], cv=4.0, delay=1.0)]),
}
every_goal = pytest.mark.parametrize("goal", GOALS)
every_bank = pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)


@every_goal
@every_bank
@pytest.mark.parametrize("part", [0.05, 0.5, 0.97])
@pytest.mark.parametrize("size", [1e-7, 1e-4, 1e-2])
def test_lands_on_the_truth_from_near_it(bank, goal, part, size):
    load = part * float(bank.rate.sum())
    true = getattr(exact, goal)(bank, load)
    rng = np.random.default_rng(4)
    for _ in range(10):
        # like a solver's answer: small errors, and a residue on the unused servers
        start = np.clip(true.flow + size * load * rng.normal(size=len(bank)), 0, 0.9999 * bank.rate)
        flow, steps = polish(bank, load, start, goal)
        np.testing.assert_allclose(flow, true.flow, rtol=1e-11, atol=1e-13 * load)
        assert 1 <= steps <= 40
        assert math.fsum(flow) == pytest.approx(load, rel=1e-14)
        assert certify(bank, load, flow, goal).gap < 1e-12


@every_goal
@every_bank
def test_start_at_the_truth_is_kept(bank, goal):
    load = 0.8 * float(bank.rate.sum())
    true = getattr(exact, goal)(bank, load)
    flow, steps = polish(bank, load, true.flow, goal)
    assert steps <= 3
    np.testing.assert_allclose(flow, true.flow, rtol=1e-13, atol=1e-14 * load)


@every_goal
@every_bank
@pytest.mark.parametrize("part", [1e-9, 0.05, 0.5, 0.97])
def test_the_multiplier_of_the_last_step_is_that_of_the_flow(bank, goal, part):
    load = np.array([part * float(bank.rate.sum())])
    start = getattr(exact, goal)(bank, float(load[0])).flow * (1 + 1e-7 * np.arange(len(bank)))
    done = polish_and_certify(bank, load, start[None], goal, polish=True)
    assert done.steps[0] > 0
    expected = multiplier(bank, load, done.flow, goal)
    np.testing.assert_allclose(done.multiplier, expected, rtol=1e-13)


@every_goal
def test_server_that_the_solver_forgot_is_found(goal):
    """A server that the solver used wrongly becomes empty."""
    bank = BANKS["MM1"]
    true = getattr(exact, goal)(bank, 14.0)
    assert list(true.active) == [True, True, True, False]
    flow, _ = polish(bank, 14.0, np.array([9.0, 4.5, 0.0, 0.5]), goal)
    np.testing.assert_allclose(flow, true.flow, rtol=1e-12)
    assert flow[3] == 0.0


GARBAGE = {
    "nan": [math.nan, 3.0, 3.0, 0.0],
    "nothing": [0.0] * 4,
    "negative": [-6.0, -1.0, -2.0, -1.0],
    "over capacity": [30.0, 1.0, 0.0, 0.0],
    "at capacity": [10.0, 4.0, 0.0, 0.0],
    "infinite": [math.inf, 0.0, 0.0, 0.0],
    "all on the worst": [0.0, 0.0, 0.0, 0.9],
    "far too little": [1e-12, 0.0, 0.0, 0.0],
}


@every_goal
@pytest.mark.parametrize("start", GARBAGE.values(), ids=GARBAGE)
def test_invalid_flows_are_refused_or_repaired(start, goal):
    bank, load = BANKS["MM1"], 14.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = polish(bank, load, np.array(start), goal)
    if found is None:
        return
    true = float(getattr(exact, goal)(bank, load).mean_delay)
    gap = certify(bank, load, found[0], goal).gap
    assert abs(mean_delay(bank, found[0]) / true - 1) <= gap


@every_goal
@pytest.mark.slow
def test_random_starts_are_refused_or_certified(goal):
    """From random flows the certificates hold, and most answers are the solution."""
    rng = np.random.default_rng(5)
    bank, load = BANKS["MM1"], 14.0
    true = getattr(exact, goal)(bank, load)
    landed = 0
    for _ in range(200):
        found = polish(bank, load, rng.uniform(-0.2, 1.0, 4) * bank.rate, goal)
        if found is not None:
            certificate = certify(bank, load, found[0], goal)
            assert abs(mean_delay(bank, found[0]) / float(true.mean_delay) - 1) <= certificate.gap
            landed += np.allclose(found[0], true.flow, rtol=1e-11, atol=0)
    assert landed >= 150


@every_goal
def test_few_steps_at_the_loads_that_start_a_server(goal):
    """There a server carries nothing but a rounding error of the load, or nothing."""
    rng = np.random.default_rng(1)
    rate, cv = 10 ** rng.uniform(0, 3, 6), 10 ** rng.uniform(-1, 1, 6)
    bank = MG1(rate, cv, 10 ** rng.uniform(-3, 0, 6))
    loads = np.unique(exact.thresholds(bank).equilibrium)[1:]
    true = getattr(exact, goal)(bank, loads).flow
    near = np.clip(true + 1e-4 * loads[:, None] * rng.normal(size=true.shape), 0, 0.9999 * rate)
    flow, steps = polish_rows(bank, loads, near, goal)
    assert steps.max() <= 20
    np.testing.assert_allclose(flow, true, rtol=1e-11, atol=1e-13 * loads.max())
