"""Percentiles as decisions: the split of least percentile, fewest late jobs, limits, any split."""

import copy
import json
import math

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MM1,
    Budget,
    InputError,
    LoadError,
    MaxUtilisation,
    MinShare,
    MMc,
    ParallelServers,
    ServerPercentile,
)
from sojourn.models.core.times import in_time_unit
from sojourn.reference import percentile_of

BANK = MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020])
THREE, LOAD = ParallelServers(BANK), 190.0


def test_the_split_of_least_percentile():
    found = THREE.least_percentile(LOAD)
    assert found.time == pytest.approx(0.081415871009, abs=6e-13)
    assert found.optimum_time == pytest.approx(0.0853950438, abs=6e-11)
    assert found.equilibrium_time == pytest.approx(0.1008840685, abs=6e-11)
    proof = found.certificate
    assert found.certified
    assert proof.lower_bound <= found.time <= proof.upper_bound
    assert proof.gap < 1e-12
    assert found.percentile(0.99) == found.time
    assert found.flow.sum() == pytest.approx(LOAD, rel=1e-15)
    assert found.mean_delay == pytest.approx(found.share @ found.latency, rel=1e-14)
    assert found.mean_delay > THREE.optimum(LOAD).mean_delay
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["time"] == found.time
    assert [server["name"] for server in record["servers"]] == list(THREE.names)
    slower = in_time_unit(found, 1000.0)
    assert slower.time == 1000.0 * found.time
    assert slower.certificate.lower_bound == 1000.0 * proof.lower_bound


def test_the_percentile_of_any_split():
    even = THREE.evaluate(LOAD, share=[0.3, 0.2, 0.5])
    assert even.mean_delay == pytest.approx(0.029000553710, abs=6e-13)
    assert even.percentile(0.99) == pytest.approx(0.097211998997, abs=6e-13)
    # the equation itself
    late = BANK.late_jobs(even.flow, even.percentile(0.9)).share
    assert even.share @ late == pytest.approx(0.1, rel=1e-13)
    best, selfish = THREE.optimum(LOAD), THREE.equilibrium(LOAD)
    assert best.percentile(0.99) == pytest.approx(0.0853950438, abs=6e-11)
    assert selfish.percentile() == pytest.approx(0.1008840685, abs=6e-11)
    of_players = THREE.equilibrium(LOAD, players=3)
    assert of_players.percentile() == percentile_of(BANK, of_players.flow, 0.99)
    assert THREE.weights(LOAD, 100).percentile() > THREE.least_percentile(LOAD).time
    for copied in (copy.copy(best), copy.deepcopy(even), THREE.weights([100.0, 150.0], 10)):
        with pytest.raises(InputError, match="is a copy, or a split for several loads"):
            copied.percentile(0.99)
    with pytest.raises(InputError, match=r"^p = 99.0: is not a part of the jobs; write 99 %"):
        best.percentile(99)
    roads = ParallelServers(BPR([0.1, 0.2], [50.0, 40.0])).evaluate(30.0, share=[0.5, 0.5])
    with pytest.raises(InputError, match=r"^servers\[0\] = 'BPR': has no probability of late jobs"):
        roads.percentile()


def test_overloaded_servers_make_percentiles_infinite_beyond_their_share():
    split = ParallelServers(MM1([10.0, 10.0])).evaluate(12.0, flow=[10.0, 2.0])
    assert split.mean_delay == math.inf
    assert split.percentile(0.9) == math.inf
    # a tenth of all jobs is back within t, 0.6 of those at the second server
    assert split.percentile(0.1) == pytest.approx(-math.log(0.4) / 8.0, rel=1e-13)


def test_a_server_is_sacrificed_with_a_caveat_and_a_limit_keeps_it_stable():
    system = ParallelServers(MM1([10.0, 10.0], [0.0, 5.0]), names=["near", "far"])
    free = system.least_late_share(19.0, within=1.0)
    assert free.filled == ("far",)
    assert free.mean_delay == math.inf
    assert free.late_share == pytest.approx((10.0 + 9.0 * math.exp(-1.0)) / 19.0, rel=1e-14)
    (caveat,) = free.caveats
    assert caveat.startswith("far carries jobs at their rate, where jobs wait without end")
    assert "MaxUtilisation" in str(free)
    assert json.loads(json.dumps(free.to_dict(), allow_nan=False))["mean_delay"] is None
    capped = system.least_late_share(19.0, within=1.0, subject_to=[MaxUtilisation([1.0, 0.98])])
    assert capped.filled == capped.caveats == ()
    assert capped.flow == pytest.approx(np.array([9.2, 9.8]))
    assert math.isfinite(capped.mean_delay)
    assert capped.late_share > free.late_share
    least = THREE.least_percentile(LOAD, subject_to=[MinShare([0.25, 0.0, 0.0])])
    assert least.share[0] == pytest.approx(0.25, rel=1e-14)
    assert least.certified
    assert least.time > THREE.least_percentile(LOAD).time


def test_convex_programs_find_the_same_split():
    """With u >= x e^{tau x} as relative entropy, and with tangents for other families."""
    within = 0.1
    tau, rate = within - BANK.delay, BANK.rate
    x, u = cp.Variable(3, nonneg=True), cp.Variable(3, nonneg=True)
    # x in units of the rate
    grown = cp.rel_entr(x, u) + cp.multiply(tau * rate, cp.square(x)) <= 0
    late = cp.multiply(rate * np.exp(-rate * tau) / LOAD, u)
    problem = cp.Problem(cp.Minimize(cp.sum(late)), [grown, rate @ x == LOAD, x <= 1])
    assert problem.is_dcp()
    problem.solve(solver="CLARABEL")
    best = THREE.least_late_share(LOAD, within)
    assert problem.value == pytest.approx(best.late_share, rel=5e-3)
    bank = MMc([30.0, 25.0], [3, 4], [0.0, 0.01])
    best = ParallelServers(bank).least_late_share(120.0, within)
    points = np.linspace(0.2, 0.999, 400)[:, None] * bank.rate
    share, slope, _ = bank.late_jobs(points, within)
    marginal = share + points * slope
    x, late = cp.Variable(2, nonneg=True), cp.Variable(2)
    below = [late >= cp.multiply(m, x) + p * s - m * p
             for m, p, s in zip(marginal, points, share, strict=True)]  # fmt: skip
    problem = cp.Problem(cp.Minimize(cp.sum(late) / 120.0), [*below, cp.sum(x) == 120.0])
    problem.solve(solver="HIGHS" if "HIGHS" in cp.installed_solvers() else "CLARABEL")
    assert problem.value == pytest.approx(best.late_share, rel=1e-4)


def test_approximations_are_told():
    mixed = ParallelServers(MM1([10.0]), MG1([9.0, 8.0], 2.0), names=["a", "b", "c"])
    found = mixed.least_percentile(12.0)
    (caveat,) = found.caveats
    assert caveat.startswith("the late jobs of b, c are an approximation")
    assert found.certified
    limited = mixed.optimum(12.0, subject_to=[ServerPercentile(0.9, 2.0)])
    assert limited.caveats == (caveat,)
    assert mixed.optimum(12.0, subject_to=[MaxUtilisation(0.9)]).caveats == ()


def test_a_wait_within_a_time_is_a_largest_flow_of_a_station():
    bank = MMc([12.0, 20.0], [10, 3])
    limit = ServerPercentile(0.9, 0.05, of="wait")
    found = limit.linearise(bank, 1.0)
    assert found.bound[0] == pytest.approx(93.8315022027, abs=6e-11)
    best = ParallelServers(bank).optimum(125.0, subject_to=[limit])
    assert best.certified
    assert np.all(best.limits[0].value <= 0.05 * (1 + 1e-9))
    assert np.all(bank.late_waits(best.flow, 0.05).share <= 0.1 * (1 + 1e-9))


@pytest.mark.parametrize("of", ["sojourn", "wait"])
def test_percentiles_at_each_server_bound_the_flow_with_its_shadow_price(of):
    bank = ParallelServers(
        MMc([10.0, 3.0], [2, 5], [0.0, 0.05]), MD1([20.0]), MG1([20.0], 2.0), MM1([20.0, 1.0])
    ).bank
    within, h = 0.6, 1e-6
    limit = ServerPercentile(0.9, within, of)
    found = limit.linearise(bank, 1.0)
    used = found.bound > 0
    waits = of == "wait"  # the service of two servers alone is too long
    assert used.tolist() == [True, waits, True, True, True, waits]
    tail = bank.late_waits if of == "wait" else bank.late_jobs
    assert tail(found.bound, within).share[used] == pytest.approx(0.1, rel=1e-9)
    wide, tight = (ServerPercentile(0.9, within * (1 + s), of).linearise(bank, 1.0).bound
                   for s in (h, -h))  # fmt: skip
    assert found.bound_per_unit == pytest.approx((wide - tight) / (2 * h * within), rel=1e-6)
    value = limit.value(bank, np.where(used, found.bound, 0.0), 1.0)
    assert value[used] == pytest.approx(within, rel=1e-9)
    assert np.all(np.isnan(value[~used]))


def test_a_service_that_is_late_by_itself_excludes_a_station():
    bank = MMc([1.0, 50.0], [8, 2])
    assert ServerPercentile(0.99, 0.5).linearise(bank, 1.0).bound[0] == 0.0
    with pytest.raises(InputError, match=r"^ServerPercentile.of = 'queue': is no time that has"):
        ServerPercentile(0.99, 0.5, of="queue").linearise(bank, 1.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"^subject_to\[0\] = Budget.*several servers together"):
        THREE.least_percentile(LOAD, subject_to=[Budget([1, 2, 3], 300)])
    with pytest.raises(LoadError, match="allow at most 152 jobs in all"):
        THREE.least_percentile(LOAD, subject_to=[MaxUtilisation(0.4)])
    with pytest.raises(InputError, match=r"^p = 0.0: "):
        THREE.least_percentile(LOAD, 0.0)
    with pytest.raises(InputError, match=r"^within = -1.0: "):
        THREE.least_late_share(LOAD, -1.0)
    with pytest.raises(LoadError, match="is not one number; give one load here"):
        THREE.least_percentile([LOAD, LOAD])
    with pytest.raises(LoadError, match="not below the total rate 380"):
        THREE.least_late_share(380.0, 0.1)
    with pytest.raises(InputError, match=r"^servers\[1\] = 'BPR': has no probability of late jobs"):
        ParallelServers(MM1([9.0]), BPR([0.1], [50.0])).least_percentile(3.0)
