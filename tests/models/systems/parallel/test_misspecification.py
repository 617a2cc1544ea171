"""Splits that are computed with wrong delays."""

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1, InputError, Measured, ParallelServers
from sojourn.models.systems.parallel.misspecification import delays_at, misspecified_delays
from sojourn.reference.parallel import optimum_equilibrium as exact

RATE, DELAY = [100.0, 80.0, 200.0], [0.005, 0.005, 0.020]
LOADS = [60.0, 190.0, 340.0]
TRUE = ParallelServers(MM1(RATE, DELAY))
GOALS = ("optimum", "equilibrium")


def test_true_belief_is_the_curve():
    assumed, plain = misspecified_delays(TRUE, TRUE, LOADS), TRUE.curve(LOADS)
    assert set(plain.data_vars) - set(assumed.data_vars) == {
        "price_of_anarchy_lower",
        "price_of_anarchy_upper",
    }
    for name in assumed.data_vars:
        np.testing.assert_allclose(
            assumed[name].astype(float),
            plain[name].astype(float),
            rtol=1e-9,
            atol=1e-12,
            err_msg=name,
        )


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize(
    "wrong",
    [MM1(RATE), MM1(RATE, 0.01), MD1(RATE, DELAY), MG1(RATE, 10.0, DELAY)],
    ids=["zero", "mean", "cv 0", "cv 10"],
)
def test_split_is_the_assumed_one_and_its_delay_the_actual_one(goal, wrong):
    data = misspecified_delays(ParallelServers(wrong), TRUE, LOADS)
    split = getattr(exact, goal)(wrong, LOADS)
    np.testing.assert_allclose(data[f"{goal}_flow"], split.flow, rtol=0, atol=1e-9)
    paid = (split.flow * TRUE.bank.latency(split.flow)).sum(axis=-1) / LOADS
    np.testing.assert_allclose(data[f"{goal}_delay"], paid, rtol=1e-11)
    np.testing.assert_allclose(
        data["price_of_anarchy"], data["equilibrium_delay"] / data["optimum_delay"], rtol=1e-15
    )
    # the metadata are the same
    assert data[f"{goal}_delay"].attrs["units"] == "s"


def test_delays_at_one_load_are_those_of_the_curve():
    assumed, load = ParallelServers(MD1(RATE, DELAY)), LOADS[1]
    data = misspecified_delays(assumed, TRUE, [load])
    for goal, delay in delays_at(assumed, TRUE, load, "CLARABEL").items():
        np.testing.assert_allclose(delay, data[f"{goal}_delay"].values[0], rtol=1e-11)


def test_flows_beyond_what_was_measured_are_a_warning():
    sampled = np.linspace(0.0, 8.0, 41)
    system = ParallelServers(Measured(sampled, 1 / (10 - sampled)))
    with pytest.warns(UserWarning, match="^at load 9, with the assumed delays, server 1 carries 9"):
        delays = delays_at(system, system, 9.0)
    assert delays["optimum"] == pytest.approx(float(system.bank.latency([9.0])[0]), rel=1e-9)


def test_a_wrong_belief_never_helps_the_optimum():
    right = exact.optimum(TRUE.bank, LOADS).mean_delay
    wrong = misspecified_delays(ParallelServers(MM1(RATE)), TRUE, LOADS)["optimum_delay"].values
    assert np.all(wrong >= right * (1 - 1e-12))
    assert wrong[0] > 1.05 * right[0]


def test_ignoring_delays_is_as_computed_by_hand():
    """Without delays, rates 100, 80, 200, load 190: all spare capacities are 190/3, by hand."""
    data = misspecified_delays(ParallelServers(MM1(RATE)), TRUE, [190.0])
    flow = np.array(RATE) - 190 / 3
    np.testing.assert_allclose(data["equilibrium_flow"][0], flow, rtol=1e-9)
    assert float(data["equilibrium_delay"][0]) == pytest.approx(
        3 / 190 + flow @ DELAY / 190, rel=1e-9
    )


@pytest.mark.parametrize("other", [MM1([100.0, 80.0, 201.0]), MM1([100.0, 80.0])])
def test_other_rates_are_refused(other):
    with pytest.raises(
        InputError,
        match=r"^assumed = .*: has other rates than the actual system; let the two differ in "
        r"delays or variability alone$",
    ):
        misspecified_delays(ParallelServers(other), TRUE, LOADS)
    with pytest.raises(InputError, match="has other rates"):
        delays_at(ParallelServers(other), TRUE, LOADS[0])
