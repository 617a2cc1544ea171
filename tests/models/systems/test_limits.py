"""Side constraints of the optimum: kept, certified, priced; and refused where no split keeps them."""

import json
import math

import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1, Budget, InputError, MaxShare, MaxUtilisation, MinShare, NotCertifiedError, ParallelServers, Percentile
from sojourn.models.solving.limited import Limited
from sojourn.models.systems import limited as limited_search
from sojourn.reference import limited_optimum
from sojourn.reference.limited import cheapest

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0
# a limit by its own number, and the same for the reference; each binds
CASES = {
    "least share": (lambda v: MinShare([0, v, 0]), 0.25, lambda v: {"least": [0, v * LOAD, 0]}),
    "largest share": (lambda v: MaxShare([1, 1, v]), 0.4, lambda v: {"most": [LOAD, LOAD, v * LOAD]}),
    "largest utilisation": (lambda v: MaxUtilisation([v, 1, 1]), 0.4, lambda v: {"most": [v * 100, 80, 200]}),
    "95th percentile": (
        lambda v: Percentile(0.95, [1, v, 1]),
        0.06,
        lambda v: {"most": [np.inf, 80 - math.log(20) / (v - 0.005), np.inf]},
    ),
    "budget": (lambda v: Budget([1, 1, 0.5], v), 125.0, lambda v: {"price": [1, 1, 0.5], "budget": v}),
}
each_limit = pytest.mark.parametrize("name", CASES)


@each_limit
def test_limit_is_kept_and_the_answer_is_the_reference(name):
    make, value, same = CASES[name]
    found, true = THREE.optimum(LOAD, subject_to=[make(value)]), limited_optimum(THREE.bank, LOAD, **same(value))
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * LOAD)
    assert found.multiplier == pytest.approx(true.multiplier, rel=1e-8)
    assert found.certificate.violation <= 1e-12
    assert found.mean_delay > THREE.optimum(LOAD).mean_delay
    assert found.limits[0].limit == name
    assert np.count_nonzero(found.limits[0].price) == 1


@each_limit
def test_shadow_price_is_the_difference(name):
    make, value, _ = CASES[name]
    found, step = THREE.optimum(LOAD, subject_to=[make(value)]), 1e-4 * value
    down, up = (THREE.optimum(LOAD, subject_to=[make(value + s)]).mean_delay for s in (-step, step))
    slope = abs(up - down) / (2 * step)
    assert float(np.sum(found.limits[0].price)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("limit", [MinShare(0.1), MaxShare(0.6), MaxUtilisation(0.9), Percentile(0.9, 0.5), Budget(1.0, 200.0)])
def test_a_limit_that_does_not_bind_changes_nothing(limit):
    found, free = THREE.optimum(LOAD, subject_to=[limit]), THREE.optimum(LOAD)
    assert found.mean_delay == pytest.approx(free.mean_delay, rel=1e-13)
    assert not np.any(found.limits[0].price)
    assert str(found.limits[0]).endswith("does not bind")


def test_the_percentile_is_exact():
    found = THREE.optimum(LOAD, subject_to=[Percentile(0.95, [1, 0.06, 1])])
    assert THREE.bank.delay[1] + math.log(20) / (80 - found.flow[1]) == pytest.approx(0.06, rel=1e-12)
    assert found.limits[0].value[1] == pytest.approx(0.06, rel=1e-12)


def test_a_server_too_far_for_the_percentile_stays_empty():
    found = THREE.optimum(100.0, subject_to=[Percentile(0.5, [1, 1, 0.021])])
    assert found.flow[2] == 0
    assert math.isnan(found.limits[0].value[2])
    json.dumps(found.to_dict(), allow_nan=True)


def test_all_together():
    limits = [MinShare([0.3, 0, 0]), MaxShare([1, 1, 0.45]), MaxUtilisation(0.8), Percentile(0.99, 0.3), Budget([1, 1, 0.5], 160.0)]
    found = THREE.optimum(LOAD, subject_to=limits)
    true = limited_optimum(THREE.bank, LOAD, least=[0.3 * LOAD, 0, 0], most=[80, 64, 0.45 * LOAD], price=[1, 1, 0.5], budget=160.0)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert "largest share: binds at 1 of 3 servers, shadow price up to" in repr(found)
    said = json.loads(json.dumps(found.to_dict()))["limits"]
    assert [s["limit"] for s in said] == ["least share", "largest share", "largest utilisation", "99th percentile", "budget"]


def test_of_two_limits_on_one_server_the_tightest_is_priced():
    found = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.5]), MaxUtilisation([1, 1, 0.4])])
    assert not found.limits[0].price.any()
    assert found.limits[1].price[2] > 0


def random_case(seed):
    """2 to 8 mixed servers, a utilisation cap and a budget well between the cheapest split and the best."""
    rng = np.random.default_rng([7, seed])
    n = int(rng.integers(2, 9))
    j = int(rng.integers(1, n))
    rate, delay = 10 ** rng.uniform(0, 2.5, n), 10 ** rng.uniform(-3, 0, n)
    first = (MM1, MD1)[seed % 2](rate[:j], delay[:j])
    system = ParallelServers(first, MG1(rate[j:], 10 ** rng.uniform(-1, 0.7, n - j), delay[j:]))
    part = rng.uniform(0.05, 0.9)
    load, cap = part * system.total_rate, part + rng.uniform(0.05, 1) * (1 - part)
    price = rng.uniform(0.1, 1, n)
    free = limited_optimum(system.bank, load, most=cap * system.bank.rate)
    low = cheapest(np.zeros(n), cap * system.bank.rate, price, load)[1]
    money = low + rng.uniform(0.05, 1.1) * (float(price @ free.flow) - low)
    return system, load, cap, price, money


@pytest.mark.parametrize("seed", range(60))
def test_random_systems(seed):
    system, load, cap, price, money = random_case(seed)
    found = system.optimum(load, subject_to=[MaxUtilisation(cap), Budget(price, money)])
    true = limited_optimum(system.bank, load, most=cap * system.bank.rate, price=price, budget=money)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert abs(found.mean_delay / true.mean_delay - 1) <= found.certificate.gap + 1e-11
    assert found.limits[1].price * load == pytest.approx(true.budget_price, rel=1e-6, abs=1e-9 * true.multiplier)


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_a_solver_alone_is_certified_by_a_repaired_split(solver):
    found = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4]), Budget([1, 1, 0.5], 165.0)], solver=solver, polish=False, gap=1e-3)
    true = limited_optimum(THREE.bank, LOAD, most=[np.inf, np.inf, 0.4 * LOAD], price=[1, 1, 0.5], budget=165.0).mean_delay
    assert found.polished == 0
    assert found.certificate.lower_bound <= true * (1 + 1e-12)
    assert found.certificate.upper_bound >= true * (1 - 1e-12)
    assert abs(found.mean_delay / true - 1) <= found.certificate.gap


def test_no_multipliers_prove_too_much():
    """Weak duality: whatever c and z, the bound is never above the truth."""
    rng = np.random.default_rng(1)
    most, price = np.array([100.0, 80.0, 76.0]), np.array([1.0, 1.0, 0.5])
    task = Limited(THREE.bank, LOAD, np.array([20.0, 0, 0]), most, price, 152.5)
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=most, price=price, budget=152.5)
    assert task.lower_bound(true.multiplier, true.budget_price) == pytest.approx(true.mean_delay, rel=1e-9)
    for c, z in zip(10 ** rng.uniform(-3, 1, 400), 10 ** rng.uniform(-4, 1, 400), strict=True):
        assert task.lower_bound(c, z) <= true.mean_delay * (1 + 1e-12)


def test_repair_keeps_every_limit_or_says_that_it_cannot():
    task = Limited(THREE.bank, LOAD, np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0)
    rng = np.random.default_rng(2)
    for _trial in range(100):
        fixed = task.repair(LOAD * rng.dirichlet(np.ones(3)) + rng.normal(0, 5, 3))
        assert fixed is not None
        assert task.violation(fixed) <= 1e-12
    assert task.repair(np.array([np.nan, 1.0, 1.0])) is None
    broke = Limited(THREE.bank, LOAD, np.zeros(3), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 100.0)
    assert broke.repair(np.array([60.0, 40.0, 90.0])) is None


def test_limits_that_leave_one_split():
    found = THREE.optimum(LOAD, subject_to=[MaxShare([0.3, 0.3, 0.4])], gap=1e-6)
    np.testing.assert_allclose(found.share, [0.3, 0.3, 0.4], atol=1e-9)


def test_curve_within_limits():
    data = THREE.curve([100.0, 190.0, 300.0], "optimum", subject_to=[MaxShare(0.5)])
    assert data["optimum_certified"].all()
    assert (data["optimum_flow"].max("server") <= 0.5 * data["load"] * (1 + 1e-9)).all()


@pytest.mark.parametrize(("limits", "message"), [
    (MaxShare(0.5), r"^subject_to = MaxShare\(share=0.5\): is not a list of limits; write subject_to=\[MaxShare\(0.5\)\]$"),
    ([0.5], r"^subject_to\[0\] = 0.5: is not a limit; use MinShare, MaxShare"),
    ([MinShare([0.1, 0.2])], r"^MinShare.share = .*: is not one number for each of 3 servers; give one per server, or one for all$"),
    ([MaxShare(1.5)], r"^MaxShare.share = 1.5: is not from 0 to 1"),
    ([MaxUtilisation([0.5, -1, 0.5])], r"^MaxUtilisation.utilisation\[1\] = -1.0: is not from 0 to 1"),
    ([MaxUtilisation("much")], r"^MaxUtilisation.utilisation = 'much': is not made of numbers"),
    ([Percentile(99, 0.1)], r"^Percentile.p = 99: is not between 0 and 1; give a part of the jobs, such as 0.99$"),
    ([Percentile(0.99, 0)], r"^Percentile.within\[0\] = 0.0: is not a time above 0"),
    ([Budget(-1, 10)], r"^Budget.price = -1.0: is not from 0 to inf"),
    ([Budget(1, math.inf)], r"^Budget.at_most = inf: is not an amount of money"),
    ([Budget(1, 300), Budget(1, 200)], r"^subject_to\[1\] = Budget\(price=1, at_most=200\): is a second budget; give one$"),
    ([Budget([1, 1, 1], 100)], r"^Budget.at_most = 100.0: is below 190, what the load costs at the cheapest servers"),
    ([MinShare([0.5, 0, 0]), MaxUtilisation(0.8)],
     r"^subject_to = \['least share', 'largest utilisation'\]: ask for at least 95 and at most 80 jobs at server 1; relax one of them$"),
    ([MinShare(0.4)], r"^subject_to = \['least share'\]: ask for at least 228 jobs in all where the load is 190"),
    ([MaxShare(0.3)], r"^subject_to = \['largest share'\]: leave room for 171 jobs where the load is 190"),
])  # fmt: skip
def test_bad_limits_are_refused_before_any_solver(limits, message, monkeypatch):
    monkeypatch.setattr(limited_search, "run", lambda *_: pytest.fail("a solver was started"))
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=limits)


def test_the_percentile_is_for_mm1_alone():
    system = ParallelServers(MM1([100.0, 80.0]), MD1([50.0]))
    with pytest.raises(InputError, match=r"^servers\[2\] = 'MD1': has no percentile in closed form; use M/M/1 servers, or MaxUtilisation$"):
        system.optimum(50.0, subject_to=[Percentile(0.99, 0.5)])


def test_an_equilibrium_within_limits_is_refused():
    for ask in (THREE.equilibrium, THREE.price_of_anarchy):
        with pytest.raises(InputError, match=r"selfish users keep no operator's limits"):
            ask(LOAD, subject_to=[MaxShare(0.5)])
    with pytest.raises(InputError, match=r"selfish users keep no operator's limits"):
        THREE.equilibrium(LOAD, players=3, subject_to=[MaxShare(0.5)])


def test_a_budget_that_every_split_keeps_is_none():
    for limits in ([Budget(1.0, 190.0)], [Budget(0.0, 0.0)], [Budget([1, 1, 2], 500.0)]):
        found = THREE.optimum(LOAD, subject_to=limits)
        assert found.mean_delay == pytest.approx(THREE.optimum(LOAD).mean_delay, rel=1e-13)
        assert found.limits[0].price == 0


def test_a_budget_that_leaves_no_choice_is_not_certified():
    """Said, not guessed: no finite price of the budget proves the one split that it leaves; a little more, and it is proved."""
    with pytest.raises(NotCertifiedError):
        THREE.optimum(100.0, subject_to=[Budget([1, 1, 2], 100)])
    assert THREE.optimum(100.0, subject_to=[Budget([1, 1, 2], 101)]).certified
