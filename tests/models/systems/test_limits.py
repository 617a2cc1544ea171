"""Side constraints of the optimum: kept, certified, priced; and refused where no split keeps them."""

import json
import math

import numpy as np
import pytest
from families import three_families

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    Budget,
    InputError,
    LoadError,
    MaxShare,
    MaxUtilisation,
    MinShare,
    NotCertifiedError,
    ParallelServers,
    Percentile,
)
from sojourn.models.solving.limited import Limited
from sojourn.models.studies import control_curve, players_curve
from sojourn.models.systems import limited as limited_search
from sojourn.models.systems import search
from sojourn.models.systems.limits import together
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


# ---- one number for all servers


WIDE = {
    "least share": (MinShare, 0.3, "least", lambda v: np.full(3, v * LOAD)),
    "largest share": (MaxShare, 0.36, "most", lambda v: np.full(3, v * LOAD)),
    "largest utilisation": (MaxUtilisation, 0.505, "most", lambda v: v * THREE.bank.rate),
    "95th percentile": (lambda v: Percentile(0.95, v), 0.06, "most", lambda v: THREE.bank.rate - math.log(20) / (v - THREE.bank.delay)),
}
each_wide = pytest.mark.parametrize("name", WIDE)


@each_wide
def test_one_number_for_all_servers_binds_at_two(name):
    make, value, side, bounds = WIDE[name]
    found = THREE.optimum(LOAD, subject_to=[make(value)])
    true = limited_optimum(THREE.bank, LOAD, **{side: bounds(value)})
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * LOAD)
    binding = found.limits[0].price > 0
    assert binding.sum() == 2
    np.testing.assert_allclose(found.flow[binding], bounds(value)[binding], rtol=1e-12)
    np.testing.assert_allclose(found.limits[0].value[binding], value, rtol=1e-12)
    assert f"{name}: binds at 2 of 3 servers, shadow price up to" in repr(found)


@each_wide
def test_the_shadow_prices_add_up_to_the_difference_in_the_number_for_all(name):
    make, value, _, _ = WIDE[name]
    found, h = THREE.optimum(LOAD, subject_to=[make(value)]), 1e-5 * value
    down, up = (THREE.optimum(LOAD, subject_to=[make(value + s)]).mean_delay for s in (-h, h))
    slope = (up - down) / (2 * h)
    assert found.limits[0].price.sum() == pytest.approx(slope if name == "least share" else -slope, rel=1e-4)


@each_wide
@pytest.mark.parametrize("i", range(3))
def test_the_shadow_price_of_each_server_is_the_difference_in_its_own_number(name, i):
    make, value, _, _ = WIDE[name]
    each, step = np.full(3, value), 1e-5 * value * np.eye(3)[i]
    down, up = (THREE.optimum(LOAD, subject_to=[make(each + s)]).mean_delay for s in (-step, step))
    found = THREE.optimum(LOAD, subject_to=[make(each)])
    assert found.limits[0].price[i] == pytest.approx(abs(up - down) / (2e-5 * value), rel=1e-4, abs=1e-9)


def test_the_percentile_is_met_at_every_server():
    found = THREE.optimum(LOAD, subject_to=[Percentile(0.95, 0.06)])
    back = THREE.bank.delay + math.log(20) / (THREE.bank.rate - found.flow)
    np.testing.assert_allclose(back[:2], 0.06, rtol=1e-12)
    assert back[2] < 0.06
    np.testing.assert_allclose(found.limits[0].value, back, rtol=1e-12)


@pytest.mark.parametrize(("load", "within", "empty"), [(21.0, 0.0225, [2]), (5.0, 0.02, [1, 2]), (0.5, 0.0191, [1, 2])])
def test_servers_that_miss_the_percentile_even_when_empty_get_no_job(load, within, empty):
    """When empty they need 18.9, 22.3 and 26.9 ms: server 3 is too far, server 2 too slow."""
    found = THREE.optimum(load, subject_to=[Percentile(0.75, within)])
    assert np.flatnonzero(found.flow == 0).tolist() == empty
    assert not found.limits[0].price[empty].any()
    assert np.isnan(found.limits[0].value[empty]).all()


@pytest.mark.parametrize("limit", [MinShare(0.0), MaxShare(1.0), MaxUtilisation(1.0), Percentile(0.5, 1e3), Budget([3, 2, 1], 900.0)])
@pytest.mark.parametrize("load", [10.0, 190.0, 379.0])
def test_a_limit_that_says_nothing_has_no_price(limit, load):
    found, free = THREE.optimum(load, subject_to=[limit]), THREE.optimum(load)
    np.testing.assert_allclose(found.flow, free.flow, rtol=0, atol=1e-11 * load)
    assert found.mean_delay == pytest.approx(free.mean_delay, rel=1e-12)
    assert not np.any(found.limits[0].price)


def test_no_limits_are_none():
    for none in ([], (), None):
        found = THREE.optimum(LOAD, subject_to=none)
        assert found.limits == ()
        assert found.to_dict()["limits"] == []
        assert found.mean_delay == THREE.optimum(LOAD).mean_delay


def test_limits_as_a_tuple():
    limit = MaxShare([1, 1, 0.4])
    np.testing.assert_array_equal(THREE.optimum(LOAD, subject_to=(limit,)).flow, THREE.optimum(LOAD, subject_to=[limit]).flow)


def test_the_same_limit_twice_is_priced_once():
    once = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4])])
    twice = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4]), MaxShare([1, 1, 0.4])])
    np.testing.assert_allclose(sum(s.price for s in twice.limits), once.limits[0].price, rtol=1e-9)


# ---- all three families


def budget_case(seed):
    """A cap of the utilisation, and a budget at least 5% of the way from the cheapest split to the unconstrained one."""
    system, _, rng = three_families(11, seed)
    n = len(system)
    while True:
        part = rng.uniform(0.05, 0.9)
        load, cap = part * system.total_rate, part + rng.uniform(0.05, 1, n) * (1 - part)
        most, price = cap * system.bank.rate, rng.uniform(0.1, 1, n)
        free, low = limited_optimum(system.bank, load, most=most), cheapest(np.zeros(n), most, price, load)[1]
        more = float(price @ free.flow) - low
        if more > 1e-3 * low:  # else the best split is the cheapest
            return system, load, cap, price, low + rng.uniform(0.05, 0.95) * more


@pytest.mark.parametrize("seed", range(40))
def test_random_systems_of_three_families(seed):
    system, load, cap, price, money = budget_case(seed)
    found = system.optimum(load, subject_to=[MaxUtilisation(cap), Budget(price, money)])
    true = limited_optimum(system.bank, load, most=cap * system.bank.rate, price=price, budget=money)
    assert found.certified
    assert found.certificate.violation <= 1e-11
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert abs(found.mean_delay / true.mean_delay - 1) <= found.certificate.gap + 1e-11
    assert found.limits[1].value == pytest.approx(money, rel=1e-9)
    assert found.limits[1].price > 0


@pytest.mark.parametrize("kind", ["least share", "largest share", "largest utilisation"])
@pytest.mark.parametrize("seed", range(8))
def test_random_systems_with_one_limit(kind, seed):
    system, _, rng = three_families(11, 100 + seed)
    n, part = len(system), rng.uniform(0.05, 0.9)
    load, rate = part * system.total_rate, system.bank.rate
    inside = rate / system.total_rate  # of the load: every server equally full
    limit, same = {
        "least share": lambda v: (MinShare(v * inside), {"least": v * inside * load}),
        "largest share": lambda v: (MaxShare(inside + (1 - v) * (1 - inside)), {"most": (inside + (1 - v) * (1 - inside)) * load}),
        "largest utilisation": lambda v: (MaxUtilisation(part + (1 - v) * (1 - part)), {"most": (part + (1 - v) * (1 - part)) * rate}),
    }[kind](rng.uniform(0.3, 0.95, n))
    found, true = system.optimum(load, subject_to=[limit]), limited_optimum(system.bank, load, **same)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)
    expected = np.maximum(true.least_price if kind == "least share" else true.most_price, 0) / load
    per_unit = rate if kind == "largest utilisation" else load
    np.testing.assert_allclose(found.limits[0].price, expected * per_unit, rtol=1e-6, atol=1e-7 * true.multiplier)


@pytest.mark.parametrize("part", [1e-9, 1e-6, 1e-3, 0.999, 1 - 1e-5])
@pytest.mark.parametrize("seed", range(6))
def test_light_and_heavy_loads(seed, part):
    system, _, _ = three_families(11, 200 + seed)
    load = part * system.total_rate
    share = min(1.0, max(0.55, 1.001 * float(np.max(system.bank.rate)) / system.total_rate))
    found, true = system.optimum(load, subject_to=[MaxShare(share)]), limited_optimum(system.bank, load, most=share * load)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert abs(found.mean_delay / true.mean_delay - 1) <= found.certificate.gap + 1e-15 / (1 - part)


# ---- certificate, repair, Newton steps


@pytest.mark.parametrize("seed", range(10))
def test_no_multipliers_of_a_random_system_prove_too_much(seed):
    system, load, cap, price, money = budget_case(300 + seed)
    task = Limited(system.bank, load, np.zeros(len(system)), cap * system.bank.rate, price, money)
    true = limited_optimum(system.bank, load, most=task.most, price=price, budget=money)
    assert task.lower_bound(true.multiplier, true.budget_price) == pytest.approx(true.mean_delay, rel=1e-8)
    rng = np.random.default_rng(seed)
    near = np.exp(rng.normal(0, [[0.01], [0.3], [3.0]], (3, 40))).ravel()
    for c, z in zip(true.multiplier * near, true.budget_price * rng.permutation(near), strict=True):
        assert task.lower_bound(c, z) <= true.mean_delay * (1 + 1e-12)


def task_of_three():
    return Limited(THREE.bank, LOAD, np.array([0.0, 40.0, 0.0]), np.array([100.0, 80.0, 100.0]), np.array([1.0, 1.0, 0.5]), 145.0)


def test_newton_steps_find_the_optimum_from_any_split():
    task = task_of_three()
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=task.most, price=task.price, budget=task.money)
    rng = np.random.default_rng(3)
    for start in [true.flow, *(task.repair(LOAD * rng.dirichlet(np.ones(3))) for _ in range(20))]:
        flow, c, z, steps = task.polish(start, 0.0)
        np.testing.assert_allclose(flow, true.flow, rtol=0, atol=1e-8 * LOAD)
        assert c == pytest.approx(true.multiplier, rel=1e-8)
        assert max(z, 0.0) == pytest.approx(true.budget_price, rel=1e-6, abs=1e-12)
        assert 1 <= steps < 100


def test_the_certificate_of_any_split_covers_it():
    """Whatever the flow and the multipliers: the truth is between the bounds, and the flow within the gap of it."""
    task = task_of_three()
    true = limited_optimum(THREE.bank, LOAD, least=task.least, most=task.most, price=task.price, budget=task.money)
    rng = np.random.default_rng(4)
    for _trial in range(100):
        flow = task.repair(LOAD * rng.dirichlet(np.ones(3)))
        found = task.certify(flow, true.multiplier * rng.uniform(0.5, 1.5), true.budget_price + rng.normal(0, 1e-4), None)
        assert found.lower_bound <= true.mean_delay * (1 + 1e-12)
        assert found.upper_bound >= true.mean_delay * (1 - 1e-12)
        assert abs(task.mean_delay(flow) / true.mean_delay - 1) <= found.gap + 1e-12
        assert found.violation <= 1e-12


def test_newton_steps_that_lead_nowhere_prove_nothing_and_hide_nothing():
    """From a flow with no load at the fast server, at 99.999 % load: the steps run into saturation and start again."""
    queue = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    task = Limited(queue, 380 * (1 - 1e-5), np.zeros(3), queue.rate, np.zeros(3), math.inf)
    flow, c, z, _ = task.polish(np.array([100.0, 80.0, 0.0]), 0.0)
    assert task.certify(flow, c, z, flow).gap <= 1e-9
    for nothing in (math.nan, math.inf):
        certificate = task.certify(flow, nothing, 0.0, flow)
        assert certificate.lower_bound == queue.idle_latency.min()
        assert 1 < certificate.gap < math.inf


def test_a_split_outside_the_limits_is_told():
    task = task_of_three()
    over = task.certify(np.array([45.0, 35.0, 110.0]), 0.08, 0.0, None)
    assert over.violation == pytest.approx(10 / LOAD, rel=1e-12)
    dear = Limited(THREE.bank, LOAD, np.zeros(3), THREE.bank.rate, np.array([1.0, 1.0, 0.5]), 100.0)
    assert dear.violation(np.array([60.0, 40.0, 90.0])) == pytest.approx(0.45, rel=1e-12)
    assert task.violation(np.array([50.0, 40.0, 99.0])) == pytest.approx(1 / LOAD, rel=1e-12)
    full = task.certify(np.array([100.0, 40.0, 50.0]), 0.08, 0.0, None)
    assert full.gap == math.inf


def test_without_polish_the_gap_is_wider_and_true():
    limits = [MaxShare([1, 1, 0.4]), MaxUtilisation(0.9)]
    rough, fine = (THREE.optimum(LOAD, subject_to=limits, solver="CLARABEL", polish=p) for p in (False, True))
    true = limited_optimum(THREE.bank, LOAD, most=[90, 72, 76]).mean_delay
    assert rough.certified
    assert rough.polished == 0 < fine.polished
    assert rough.certificate.gap > fine.certificate.gap
    assert abs(rough.mean_delay / true - 1) <= rough.certificate.gap
    assert rough.limits[0].price[2] == pytest.approx(fine.limits[0].price[2], rel=1e-6)


@pytest.mark.parametrize("form", ["inv_pos", "quad_over_lin"])
def test_either_formulation_within_limits(form):
    found = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4])], formulation=form)
    assert found.formulation == form
    assert found.mean_delay == pytest.approx(limited_optimum(THREE.bank, LOAD, most=[100, 80, 76]).mean_delay, rel=1e-9)


def test_limits_do_not_depend_on_the_unit_of_time():
    slow = ParallelServers(MM1(THREE.bank.rate / 1000, THREE.bank.delay * 1000), time_unit="ms")
    limits, scaled = [MaxUtilisation(0.52), Budget([1, 1, 0.5], 139.0)], [MaxUtilisation(0.52), Budget([1, 1, 0.5], 0.139)]
    found, same = THREE.optimum(LOAD, subject_to=limits), slow.optimum(LOAD / 1000, subject_to=scaled)
    np.testing.assert_allclose(same.share, found.share, rtol=1e-9)
    assert same.mean_delay == pytest.approx(1000 * found.mean_delay, rel=1e-12)
    np.testing.assert_allclose(same.limits[0].price, 1000 * found.limits[0].price, rtol=1e-6)


def test_the_whole_answer_is_strict_json():
    limits = [MinShare([0.1, 0, 0]), Percentile(0.5, [1, 1, 0.021]), Budget([1, 0.5, 0.5], 74.0)]
    said = json.loads(json.dumps(THREE.optimum(100.0, subject_to=limits).to_dict(), allow_nan=False))["limits"]
    assert said[0]["bound"] == [0.1, 0.0, 0.0]
    assert said[1]["value"][2] is None
    assert said[2]["bound"] == [74.0]
    assert all(set(s) == {"limit", "bound", "value", "price"} for s in said)


def test_the_curve_within_limits_is_the_reference():
    loads = [20.0, 100.0, 190.0, 300.0]
    data = THREE.curve(loads, "optimum", subject_to=[MaxShare(0.5)])
    true = [limited_optimum(THREE.bank, v, most=0.5 * v).mean_delay for v in loads]
    np.testing.assert_allclose(data["optimum_delay"], true, rtol=1e-9)


# ---- refusals


@pytest.fixture
def no_solver(monkeypatch):
    for module in (limited_search, search):
        monkeypatch.setattr(module, "run", lambda *_: pytest.fail("a solver was started"))


@pytest.mark.parametrize(("limit", "message"), [
    (MinShare(-0.1), r"^MinShare.share = -0.1: is not from 0 to 1; give a number in that range$"),
    (MinShare([0, 0, 1.1]), r"^MinShare.share\[2\] = 1.1: is not from 0 to 1; give a number in that range$"),
    (MinShare(math.nan), r"^MinShare.share = nan: is not from 0 to 1; give a number in that range$"),
    (MinShare(None), r"^MinShare.share = None: is not made of numbers; give a number or an array of numbers$"),
    (MinShare([[0.1, 0.1, 0.1]]),
     r"^MinShare.share = \[\[0.1, 0.1, 0.1\]\]: is not one number for each of 3 servers; give one per server, or one for all$"),
    (MaxShare([0.5] * 4), r"^MaxShare.share = \[0.5, 0.5, 0.5, 0.5\]: is not one number for each of 3 servers; give one per server, or one"),
    (MaxShare([]), r"^MaxShare.share = \[\]: is not one number for each of 3 servers"),
    (MaxShare("half"), r"^MaxShare.share = 'half': is not made of numbers; give a number or an array of numbers$"),
    (MaxShare([1, math.nan, 1]), r"^MaxShare.share\[1\] = nan: is not from 0 to 1; give a number in that range$"),
    (MaxUtilisation([0.9, 0.9]), r"^MaxUtilisation.utilisation = \[0.9, 0.9\]: is not one number for each of 3 servers"),
    (MaxUtilisation(1.01), r"^MaxUtilisation.utilisation = 1.01: is not from 0 to 1; give a number in that range$"),
    (Percentile(0, 0.1), r"^Percentile.p = 0: is not between 0 and 1; give a part of the jobs, such as 0.99$"),
    (Percentile(1, 0.1), r"^Percentile.p = 1: is not between 0 and 1; give a part of the jobs, such as 0.99$"),
    (Percentile(math.nan, 0.1), r"^Percentile.p = nan: is not between 0 and 1; give a part of the jobs, such as 0.99$"),
    (Percentile([0.9, 0.8], 0.1), r"^Percentile.p = \[0.9, 0.8\]: is not one number; give one number$"),
    (Percentile("most", 0.1), r"^Percentile.p = 'most': is not made of numbers"),
    (Percentile(0.9, [1, 2]), r"^Percentile.within = \[1.0, 2.0\]: is not one number for each of 3 servers"),
    (Percentile(0.9, -1), r"^Percentile.within = -1.0: is not from 0 to inf; give a number in that range$"),
    (Percentile(0.9, [1, 0, 1]), r"^Percentile.within\[1\] = 0.0: is not a time above 0; give it in the unit of the delays$"),
    (Percentile(0.9, [1, 1, math.inf]), r"^Percentile.within\[2\] = inf: is not a time above 0; give it in the unit of the delays$"),
    (Budget([1, 2], 200), r"^Budget.price = \[1.0, 2.0\]: is not one number for each of 3 servers"),
    (Budget([1, -2, 1], 200), r"^Budget.price\[1\] = -2.0: is not from 0 to inf; give a number in that range$"),
    (Budget([1, 1, math.inf], 200), r"^Budget.price\[2\] = inf: is not finite; give money per job$"),
    (Budget("dear", 200), r"^Budget.price = 'dear': is not made of numbers"),
    (Budget(1, -1), r"^Budget.at_most = -1: is not an amount of money; give money per unit of time, 0 or more$"),
    (Budget(1, math.nan), r"^Budget.at_most = nan: is not an amount of money; give money per unit of time, 0 or more$"),
    (Budget(1, [1, 2]), r"^Budget.at_most = \[1, 2\]: is not one number; give one number$"),
    (Budget(1, "all"), r"^Budget.at_most = 'all': is not made of numbers"),
    (MaxUtilisation(0), r"^subject_to = \['largest utilisation'\]: leave room for 0 jobs where the load is 190; relax one of them$"),
    (Percentile(0.9, 1e-9), r"^subject_to = \['90th percentile'\]: leave room for 0 jobs where the load is 190; relax one of them$"),
    (MinShare([0.6, 0, 0]), r"^subject_to = \['least share'\]: ask for at least 114 and at most 100 jobs at server 1; relax one of them$"),
    (Budget([2, 3, 1], 189),
     r"^Budget.at_most = 189.0: is below 190, what the load costs at the cheapest servers that the other limits leave; raise the budget or"),
    ("MaxShare", r"^subject_to\[0\] = 'MaxShare': is not a limit; use MinShare, MaxShare, MaxUtilisation, Percentile or Budget$"),
    (None, r"^subject_to\[0\] = None: is not a limit; use MinShare, MaxShare, MaxUtilisation, Percentile or Budget$"),
    (MaxShare, r"^subject_to\[0\] = <class .*MaxShare'>: is not a limit; use"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_one_bad_limit_is_refused_before_any_solver(limit, message):
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=[limit])
    with pytest.raises(InputError, match=message):
        together([limit], THREE.bank, LOAD)


@pytest.mark.parametrize(("limits", "message"), [
    (5, r"^subject_to = 5: is not a list of limits; write subject_to=\[MaxShare\(0.5\)\]$"),
    ({MaxShare(0.5)}, r"^subject_to = \{MaxShare\(share=0.5\)\}: is not a list of limits; write"),
    (iter([MaxShare(0.5)]), r"^subject_to = <list_iterator .*>: is not a list of limits; write"),
    ([MaxShare(0.5), 0.5], r"^subject_to\[1\] = 0.5: is not a limit; use"),
    ([Budget(1, 300), MaxShare(0.9), Budget(1, 300)], r"^subject_to\[2\] = Budget\(price=1, at_most=300\): is a second budget; give one$"),
    ([MinShare([0.2, 0.2, 0]), MinShare([0, 0, 0.7])],
     r"^subject_to = \['least share', 'least share'\]: ask for at least 209 jobs in all where the load is 190; relax one of them$"),
    ([MaxShare([0.2, 1, 1]), MaxUtilisation([1, 0.5, 0.5])],
     r"^subject_to = \['largest share', 'largest utilisation'\]: leave room for 178 jobs where the load is 190; relax one of them$"),
    ([MinShare([0, 0, 0.6]), MaxShare([1, 1, 0.5])],
     r"^subject_to = \['least share', 'largest share'\]: ask for at least 114 and at most 95 jobs at server 3; relax one of them$"),
    ([MinShare([0, 0.4, 0]), Percentile(0.95, 0.06)],
     r"^subject_to = \['least share', '95th percentile'\]: ask for at least 76 and at most 25.5\d* jobs at server 2; relax one of them$"),
    ([MaxUtilisation([1, 1, 0.5]), Budget([1, 1, 0.5], 139.9)], r"^Budget.at_most = 139.9: is below 140, what the load costs at the cheapest"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_limits_that_do_not_go_together_are_refused_before_any_solver(limits, message):
    with pytest.raises(InputError, match=message):
        THREE.optimum(LOAD, subject_to=limits)


@pytest.mark.parametrize(("servers", "message"), [
    ((MD1([50.0]), MM1([100.0])), r"^servers\[0\] = 'MD1': has no percentile in closed form; use M/M/1 servers, or MaxUtilisation$"),
    ((MM1([50.0]), MG1([100.0, 50.0], 2.0)), r"^servers\[1\] = 'MG1': has no percentile in closed form; use M/M/1 servers, or MaxUtilisation$"),
    ((MG1([100.0, 50.0], 1.0),), r"^servers\[0\] = 'MG1': has no percentile in closed form; use M/M/1 servers, or MaxUtilisation$"),
    ((MG1([100.0, 50.0], [0.0, 1.0]),), r"^servers\[0\] = 'MG1': has no percentile in closed form; use M/M/1 servers, or MaxUtilisation$"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_the_percentile_names_the_server_that_has_none(servers, message):
    with pytest.raises(InputError, match=message):
        ParallelServers(*servers).optimum(50.0, subject_to=[Percentile(0.99, 0.5)])


@pytest.mark.parametrize(("load", "message"), [
    (0, r"^load = 0.0: there is nothing to split; give a load above 0$"),
    (380.0, r"^load = 380.0: not below the total rate 380"),
    ([100.0, 200.0], r"^load = \[100.0, 200.0\]: is not one number; give one load here; for many, use curve\(loads\)$"),
])  # fmt: skip
@pytest.mark.usefixtures("no_solver")
def test_a_bad_load_within_limits_is_refused(load, message):
    with pytest.raises(LoadError, match=message):
        THREE.optimum(load, subject_to=[MaxShare(0.5)])


@pytest.mark.parametrize("players", [1, 3, math.inf])
@pytest.mark.usefixtures("no_solver")
def test_selfish_users_within_limits_are_refused_before_any_solver(players):
    message = r"^subject_to = \[MaxShare\(share=0.5\)\]: selfish users keep no operator's limits: .*; ask for the optimum within limits; tolls "
    for ask in (THREE.equilibrium, THREE.price_of_anarchy):
        with pytest.raises(InputError, match=message):
            ask(LOAD, players, subject_to=[MaxShare(0.5)])


WITH_SELFISH_USERS = {
    "price of anarchy": lambda how: THREE.price_of_anarchy(LOAD, **how),
    "worst case": lambda how: THREE.worst_case(**how),
    "control": lambda how: THREE.control(LOAD, 0.5, **how),
    "control of all": lambda how: THREE.control(LOAD, 1.0, **how),
    "tolls": lambda how: THREE.tolls(LOAD, **how),
    "curve": lambda how: THREE.curve([LOAD], **how),
    "players": lambda how: players_curve(THREE, [LOAD], **how),
    "controls": lambda how: control_curve(THREE, LOAD, **how),
}


@pytest.mark.parametrize("what", WITH_SELFISH_USERS)
@pytest.mark.usefixtures("no_solver")
def test_what_selfish_users_take_part_in_has_no_limits(what):
    with pytest.raises(InputError, match=r"^subject_to = \[MaxShare\(share=0.5\)\]: selfish users keep no operator's limits"):
        WITH_SELFISH_USERS[what]({"subject_to": [MaxShare(0.5)]})


@pytest.mark.parametrize("players", [1, 3, math.inf])
@pytest.mark.usefixtures("no_solver")
def test_sensitivities_have_no_limits(players):
    with pytest.raises(InputError, match=r"^subject_to = .*: sensitivities are those of servers without limits; leave the limits out"):
        THREE.sensitivity(LOAD, players, subject_to=[MaxShare(0.5)])
