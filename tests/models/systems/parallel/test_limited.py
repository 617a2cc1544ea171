"""The optimum within limits meets them, is certified, and agrees with the reference."""

import json
import math

import numpy as np
import pytest
from chunks import some
from families import budget_case, three_families

from sojourn.models import (
    BPR,
    MD1,
    MG1,
    MM1,
    Budget,
    Constant,
    MaxShare,
    MaxUtilisation,
    MinShare,
    MMc,
    ParallelServers,
    ServerPercentile,
)
from sojourn.reference import limited_optimum
from sojourn.reference.parallel.limits import cheapest

THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))
LOAD = 190.0
# each limit as a class and as arguments of the reference; all of them bind
CASES = {
    "least share": (lambda v: MinShare([0, v, 0]), 0.25, lambda v: {"least": [0, v * LOAD, 0]}),
    "largest share": (
        lambda v: MaxShare([1, 1, v]),
        0.4,
        lambda v: {"most": [LOAD, LOAD, v * LOAD]},
    ),
    "largest utilisation": (
        lambda v: MaxUtilisation([v, 1, 1]),
        0.4,
        lambda v: {"most": [v * 100, 80, 200]},
    ),
    "95th percentile": (
        lambda v: ServerPercentile(0.95, [1, v, 1]),
        0.06,
        lambda v: {"most": [np.inf, 80 - math.log(20) / (v - 0.005), np.inf]},
    ),
    "budget": (
        lambda v: Budget([1, 1, 0.5], v),
        125.0,
        lambda v: {"matrix": [1, 1, 0.5], "bound": v},
    ),
}
each_limit = pytest.mark.parametrize("name", CASES)


@each_limit
def test_limit_is_kept_and_the_answer_is_the_reference(name):
    make, value, same = CASES[name]
    found, true = (
        THREE.optimum(LOAD, subject_to=[make(value)]),
        limited_optimum(THREE.bank, LOAD, **same(value)),
    )
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


@pytest.mark.parametrize(
    "limit",
    [
        MinShare(0.1),
        MaxShare(0.6),
        MaxUtilisation(0.9),
        ServerPercentile(0.9, 0.5),
        Budget(1.0, 200.0),
    ],
)
def test_a_limit_that_does_not_bind_changes_nothing(limit):
    found, free = THREE.optimum(LOAD, subject_to=[limit]), THREE.optimum(LOAD)
    assert found.mean_delay == pytest.approx(free.mean_delay, rel=1e-13)
    assert not np.any(found.limits[0].price)
    assert str(found.limits[0]).endswith("does not bind")


def test_the_percentile_is_exact():
    found = THREE.optimum(LOAD, subject_to=[ServerPercentile(0.95, [1, 0.06, 1])])
    assert THREE.bank.delay[1] + math.log(20) / (80 - found.flow[1]) == pytest.approx(
        0.06, rel=1e-12
    )
    assert found.limits[0].value[1] == pytest.approx(0.06, rel=1e-12)


def test_a_server_too_far_for_the_percentile_stays_empty():
    found = THREE.optimum(100.0, subject_to=[ServerPercentile(0.5, [1, 1, 0.021])])
    assert found.flow[2] == 0
    assert math.isnan(found.limits[0].value[2])
    json.dumps(found.to_dict(), allow_nan=True)


def test_all_together():
    limits = [
        MinShare([0.3, 0, 0]),
        MaxShare([1, 1, 0.45]),
        MaxUtilisation(0.8),
        ServerPercentile(0.99, 0.3),
        Budget([1, 1, 0.5], 160.0),
    ]
    found = THREE.optimum(LOAD, subject_to=limits)
    true = limited_optimum(
        THREE.bank,
        LOAD,
        least=[0.3 * LOAD, 0, 0],
        most=[80, 64, 0.45 * LOAD],
        matrix=[1, 1, 0.5],
        bound=160.0,
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert "largest share: binds at 1 of 3 servers, shadow price up to" in repr(found)
    record = json.loads(json.dumps(found.to_dict()))["limits"]
    assert [s["limit"] for s in record] == [
        "least share",
        "largest share",
        "largest utilisation",
        "99th percentile",
        "budget",
    ]


def test_of_two_limits_on_one_server_the_tightest_is_priced():
    found = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.5]), MaxUtilisation([1, 1, 0.4])])
    assert not found.limits[0].price.any()
    assert found.limits[1].price[2] > 0


def random_case(seed):
    """2 to 8 mixed servers, a largest utilisation, and a budget that binds."""
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


@pytest.mark.parametrize("seed", some(60, quick=4, often=6))
def test_random_systems(seed):
    system, load, cap, price, money = random_case(seed)
    found = system.optimum(load, subject_to=[MaxUtilisation(cap), Budget(price, money)])
    true = limited_optimum(
        system.bank, load, most=cap * system.bank.rate, matrix=price, bound=money
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert abs(found.mean_delay / true.mean_delay - 1) <= found.certificate.gap + 1e-11
    assert found.limits[1].price * load == pytest.approx(
        true.row_price.sum(), rel=1e-6, abs=1e-9 * true.multiplier
    )


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_a_solver_alone_is_certified_by_a_repaired_split(solver):
    found = THREE.optimum(
        LOAD,
        subject_to=[MaxShare([1, 1, 0.4]), Budget([1, 1, 0.5], 165.0)],
        solver=solver,
        polish=False,
        gap=1e-3,
    )
    true = limited_optimum(
        THREE.bank, LOAD, most=[np.inf, np.inf, 0.4 * LOAD], matrix=[1, 1, 0.5], bound=165.0
    ).mean_delay
    assert found.polished == 0
    assert found.certificate.lower_bound <= true * (1 + 1e-12)
    assert found.certificate.upper_bound >= true * (1 - 1e-12)
    assert abs(found.mean_delay / true - 1) <= found.certificate.gap


def test_limits_that_leave_one_split():
    found = THREE.optimum(LOAD, subject_to=[MaxShare([0.3, 0.3, 0.4])], gap=1e-6)
    np.testing.assert_allclose(found.share, [0.3, 0.3, 0.4], atol=1e-9)


def test_a_budget_that_every_split_meets_has_no_effect():
    for limits in ([Budget(1.0, 190.0)], [Budget(0.0, 0.0)], [Budget([1, 1, 2], 500.0)]):
        found = THREE.optimum(LOAD, subject_to=limits)
        assert found.mean_delay == pytest.approx(THREE.optimum(LOAD).mean_delay, rel=1e-13)
        assert found.limits[0].price == 0


def test_a_budget_of_what_the_cheapest_servers_cost_is_met():
    """With this budget the third server is empty; with a little more it is used."""
    found, more = (
        THREE.optimum(100.0, subject_to=[Budget([1, 1, 2], money)]) for money in (100, 101)
    )
    two = ParallelServers(MM1([100.0, 80.0], 0.005)).optimum(100.0)
    assert found.certified
    assert found.mean_delay == pytest.approx(two.mean_delay, rel=1e-13)
    np.testing.assert_allclose(found.flow, [*two.flow, 0.0], rtol=1e-12, atol=1e-12)
    assert more.flow[2] == pytest.approx(1.0, rel=1e-9)
    # one unit of money moves one job to the third server
    assert found.limits[0].price == pytest.approx((two.multiplier - 0.025) / 100.0, rel=1e-6)


WIDE = {
    "least share": (MinShare, 0.3, "least", lambda v: np.full(3, v * LOAD)),
    "largest share": (MaxShare, 0.36, "most", lambda v: np.full(3, v * LOAD)),
    "largest utilisation": (MaxUtilisation, 0.505, "most", lambda v: v * THREE.bank.rate),
    "95th percentile": (
        lambda v: ServerPercentile(0.95, v),
        0.06,
        "most",
        lambda v: THREE.bank.rate - math.log(20) / (v - THREE.bank.delay),
    ),
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
    assert found.limits[0].price.sum() == pytest.approx(
        slope if name == "least share" else -slope, rel=1e-4
    )


@each_wide
@pytest.mark.parametrize("i", range(3))
def test_the_shadow_price_of_each_server_is_the_difference_in_its_own_number(name, i):
    make, value, _, _ = WIDE[name]
    each, step = np.full(3, value), 1e-5 * value * np.eye(3)[i]
    down, up = (THREE.optimum(LOAD, subject_to=[make(each + s)]).mean_delay for s in (-step, step))
    found = THREE.optimum(LOAD, subject_to=[make(each)])
    assert found.limits[0].price[i] == pytest.approx(
        abs(up - down) / (2e-5 * value), rel=1e-4, abs=1e-9
    )


def test_the_percentile_is_met_at_every_server():
    found = THREE.optimum(LOAD, subject_to=[ServerPercentile(0.95, 0.06)])
    back = THREE.bank.delay + math.log(20) / (THREE.bank.rate - found.flow)
    np.testing.assert_allclose(back[:2], 0.06, rtol=1e-12)
    assert back[2] < 0.06
    np.testing.assert_allclose(found.limits[0].value, back, rtol=1e-12)


@pytest.mark.parametrize(
    ("load", "within", "empty"), [(21.0, 0.0225, [2]), (5.0, 0.02, [1, 2]), (0.5, 0.0191, [1, 2])]
)
def test_servers_that_miss_the_percentile_even_when_empty_get_no_job(load, within, empty):
    """Empty, percentiles are 18.9, 22.3 and 26.9 ms: server 3 is too far, server 2 too slow."""
    found = THREE.optimum(load, subject_to=[ServerPercentile(0.75, within)])
    assert np.flatnonzero(found.flow == 0).tolist() == empty
    assert not found.limits[0].price[empty].any()
    assert np.isnan(found.limits[0].value[empty]).all()


@pytest.mark.parametrize(
    "limit",
    [
        MinShare(0.0),
        MaxShare(1.0),
        MaxUtilisation(1.0),
        ServerPercentile(0.5, 1e3),
        Budget([3, 2, 1], 900.0),
    ],
)
@pytest.mark.parametrize("load", [10.0, 190.0, 379.0])
def test_a_limit_without_effect_has_no_price(limit, load):
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
    np.testing.assert_array_equal(
        THREE.optimum(LOAD, subject_to=(limit,)).flow, THREE.optimum(LOAD, subject_to=[limit]).flow
    )


def test_the_same_limit_twice_is_priced_once():
    once = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4])])
    twice = THREE.optimum(LOAD, subject_to=[MaxShare([1, 1, 0.4]), MaxShare([1, 1, 0.4])])
    np.testing.assert_allclose(sum(s.price for s in twice.limits), once.limits[0].price, rtol=1e-9)


@pytest.mark.parametrize("seed", some(40, quick=3, often=5))
def test_random_systems_of_three_families(seed):
    system, load, cap, price, money = budget_case(seed)
    found = system.optimum(load, subject_to=[MaxUtilisation(cap), Budget(price, money)])
    true = limited_optimum(
        system.bank, load, most=cap * system.bank.rate, matrix=price, bound=money
    )
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
    inside = rate / system.total_rate  # shares with equal utilisations
    limit, same = {
        "least share": lambda v: (MinShare(v * inside), {"least": v * inside * load}),
        "largest share": lambda v: (
            MaxShare(inside + (1 - v) * (1 - inside)),
            {"most": (inside + (1 - v) * (1 - inside)) * load},
        ),
        "largest utilisation": lambda v: (
            MaxUtilisation(part + (1 - v) * (1 - part)),
            {"most": (part + (1 - v) * (1 - part)) * rate},
        ),
    }[kind](rng.uniform(0.3, 0.95, n))
    found, true = (
        system.optimum(load, subject_to=[limit]),
        limited_optimum(system.bank, load, **same),
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)
    expected = np.maximum(true.least_price if kind == "least share" else true.most_price, 0) / load
    per_unit = rate if kind == "largest utilisation" else load
    np.testing.assert_allclose(
        found.limits[0].price, expected * per_unit, rtol=1e-6, atol=1e-7 * true.multiplier
    )


@pytest.mark.parametrize("part", [1e-9, 1e-6, 1e-3, 0.999, 1 - 1e-5])
@pytest.mark.parametrize("seed", range(6))
def test_light_and_heavy_loads(seed, part):
    system, _, _ = three_families(11, 200 + seed)
    load = part * system.total_rate
    share = min(1.0, max(0.55, 1.001 * float(np.max(system.bank.rate)) / system.total_rate))
    found, true = (
        system.optimum(load, subject_to=[MaxShare(share)]),
        limited_optimum(system.bank, load, most=share * load),
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    assert abs(found.mean_delay / true.mean_delay - 1) <= found.certificate.gap + 1e-15 / (1 - part)


def test_without_polish_the_gap_is_wider_and_true():
    limits = [MaxShare([1, 1, 0.4]), MaxUtilisation(0.9)]
    rough, fine = (
        THREE.optimum(LOAD, subject_to=limits, solver="CLARABEL", polish=p) for p in (False, True)
    )
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
    assert found.mean_delay == pytest.approx(
        limited_optimum(THREE.bank, LOAD, most=[100, 80, 76]).mean_delay, rel=1e-9
    )


def test_limits_do_not_depend_on_the_unit_of_time():
    slow = ParallelServers(MM1(THREE.bank.rate / 1000, THREE.bank.delay * 1000), time_unit="ms")
    limits, scaled = (
        [MaxUtilisation(0.52), Budget([1, 1, 0.5], 139.0)],
        [MaxUtilisation(0.52), Budget([1, 1, 0.5], 0.139)],
    )
    found, same = (
        THREE.optimum(LOAD, subject_to=limits),
        slow.optimum(LOAD / 1000, subject_to=scaled),
    )
    np.testing.assert_allclose(same.share, found.share, rtol=1e-9)
    assert same.mean_delay == pytest.approx(1000 * found.mean_delay, rel=1e-12)
    np.testing.assert_allclose(same.limits[0].price, 1000 * found.limits[0].price, rtol=1e-6)


def test_the_whole_answer_is_strict_json():
    limits = [
        MinShare([0.1, 0, 0]),
        ServerPercentile(0.5, [1, 1, 0.021]),
        Budget([1, 0.5, 0.5], 74.0),
    ]
    record = json.loads(
        json.dumps(THREE.optimum(100.0, subject_to=limits).to_dict(), allow_nan=False)
    )["limits"]
    assert record[0]["bound"] == [0.1, 0.0, 0.0]
    assert record[1]["value"][2] is None
    assert record[2]["bound"] == [74.0]
    assert all(set(s) == {"limit", "bound", "value", "price"} for s in record)


def test_the_curve_within_limits_is_the_reference():
    loads = [20.0, 100.0, 190.0, 300.0]
    data = THREE.curve(loads, "optimum", subject_to=[MaxShare(0.5)])
    true = [limited_optimum(THREE.bank, v, most=0.5 * v).mean_delay for v in loads]
    np.testing.assert_allclose(data["optimum_delay"], true, rtol=1e-9)
    assert data["optimum_certified"].all()
    assert (data["optimum_flow"].max("server") <= 0.5 * data["load"] * (1 + 1e-9)).all()


@pytest.mark.parametrize(("banks", "share", "load"), [
    ([Constant([0.00993084, 0.14731009])], [0.97485796, 0.08782767], 1.2253425506620121),
    ([Constant(0.43662017),
      MMc([156.9686108292448, 0.5019425491006576], [13, 5],
          [1.68340347939845, 0.045522177599454934])],
     [0.96411902, 0.0400306, 0.05825032], 0.7574515886555291),
    ([BPR([0.00466819, 0.0050988], [214.21562437, 196.12460039]),
      MM1([0.24371085, 61.2192442], [0.43163682, 0.0122279]),
      Constant(6.60553203)],
     [0.83038021, 0.05533429, 0.01298183, 0.08085211, 0.09387632], 0.5864006576060984),
])  # fmt: skip
def test_servers_with_nearly_constant_latency_are_filled_in_turn(banks, share, load):
    """Where the used servers are at their bounds, Newton steps go on with the next server."""
    system = ParallelServers(*banks)
    found = system.optimum(load, subject_to=[MaxShare(share)])
    true = limited_optimum(system.bank, load, most=load * np.array(share))
    assert found.certified
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-11)
