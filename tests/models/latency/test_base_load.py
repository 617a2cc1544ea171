"""Base loads, their priorities, and whole batches at M/M/1, M/D/1 and M/G/1 servers."""

import pickle
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np
import pytest

from sojourn import reference
from sojourn.models import (
    MD1,
    MG1,
    MM1,
    FormulationError,
    InputError,
    MaxUtilisation,
    ParallelServers,
    ServerPercentile,
    Tandem,
)
from sojourn.reference.base_load import PRIORITIES

RATE, DELAY, BASE = [100.0, 80.0, 200.0], [0.005, 0.005, 0.02], [30.0, 0.0, 90.0]
LOAD = 130.0
GOALS = ("optimum", "equilibrium")
every_priority = pytest.mark.parametrize("priority", PRIORITIES)


def textbook(mu, b, x, k, beta, priority):
    """Mean time of a job that is split: Cobham's waits for service times and batches."""
    u, v = b / mu, x / mu
    work = (k * b + (k + beta) * x) / mu**2
    own = beta / mu + 1 / mu
    if priority == "equal":
        return work / (1 - u - v) + own
    if priority == "last":
        return work / (1 - v) + own
    wait = work / ((1 - u) * (1 - u - v)) + beta / mu / (1 - u)
    return wait + (1 / mu if priority == "non-preemptive" else 1 / mu / (1 - u))


@pytest.mark.parametrize(
    ("priority", "exponential", "varied"),
    [
        (None, 0.033333333333, 0.068333333333),
        ("equal", 0.033333333333, 0.068333333333),
        ("non-preemptive", 0.048888888889, 0.107222222222),
        ("preemptive", 0.055555555556, 0.113888888889),
        ("last", 0.02, 0.035),
    ],
)
def test_published_rows(priority, exponential, varied):
    """A flow of 30 with a base load of 40 at a rate of 100; cv 1 and 2."""
    of = {"base": 40.0, "base_priority": priority}
    assert MM1(100.0, **of).latency([30.0])[0] == pytest.approx(exponential, abs=1e-12)
    assert MG1(100.0, 1.0, **of).latency([30.0])[0] == pytest.approx(exponential, abs=1e-12)
    assert MG1(100.0, 2.0, **of).latency([30.0])[0] == pytest.approx(varied, abs=1e-12)


def test_whole_batches():
    """Of 5 jobs each, a job finds 2 before it on average; of geometric sizes, one less than m."""
    assert MM1(100.0, batch=5).latency([60.0])[0] == pytest.approx(0.075, abs=1e-15)
    m = 2.5
    geometric = MM1(100.0, batch=m, batch_cv=np.sqrt((m - 1) / m))
    assert geometric.latency([60.0])[0] == pytest.approx((1 + m - 1) / 40, rel=1e-14)


@every_priority
@pytest.mark.parametrize("part", [0.0, 1e-9, 0.3, 0.9, 0.9999])
def test_latency_is_the_textbooks(priority, part):
    rng = np.random.default_rng(20)
    mu, cv, d = 10 ** rng.uniform(-1, 2, 8), 10 ** rng.uniform(-1, 0.7, 8), rng.uniform(0, 1, 8)
    b, size, spread = mu * rng.uniform(0.01, 0.99, 8), 1 + 9 * rng.random(8), 1.0
    bank = MG1(mu, cv, d, base=b, base_priority=priority, batch=size, batch_cv=spread)
    x = part * bank.rate
    beta = (size * (1 + spread**2) - 1) / 2
    expected = d + textbook(mu, b, x, (1 + cv**2) / 2, beta, priority)
    np.testing.assert_allclose(bank.latency(x), expected, rtol=1e-10)


def test_one_queue_of_exponential_times_is_a_slower_server():
    with_base = MM1(RATE, DELAY, base=BASE)
    slower = MM1(np.subtract(RATE, BASE), DELAY)
    for goal in GOALS:
        for load in (LOAD, 259.0, 260 * (1 - 1e-9)):
            found = getattr(ParallelServers(with_base), goal)(load)
            other = getattr(ParallelServers(slower), goal)(load)
            np.testing.assert_array_equal(found.flow, other.flow)
            assert found.mean_delay == other.mean_delay


@pytest.mark.parametrize(
    ("priority", "least"),
    [
        (None, 0.034383740712),
        ("non-preemptive", 0.040489199960),
        ("preemptive", 0.043173849243),
        ("last", 0.027866998854),
    ],
)
def test_least_mean_delays(priority, least):
    bank = MM1(RATE, DELAY, base=BASE, base_priority=priority)
    found = ParallelServers(bank).optimum(LOAD)
    assert found.certified
    assert found.mean_delay == pytest.approx(least, abs=1e-12)
    assert found.certificate.lower_bound <= least + 1e-12
    assert found.caveats == ()


# ---- near saturation


def decimals(bank, i):
    """Numbers e, k and R of one server in decimals, from Cobham's formulas, without rounding."""
    mu, b, cv = (Decimal(float(v[i])) for v in (bank.service_rate, bank.base, bank.cv))
    priority, d = bank.base_priority[i], Decimal(float(bank.delay[i]))
    k, left = (1 + cv * cv) / 2, mu - b
    return {
        "equal": (d + (1 - k) / mu, k, left),
        "non-preemptive": (d + 1 / mu - k / left, k * mu / left, left),
        "preemptive": (d + (1 - k) / left, k * mu / left, left),
        "last": (d + (1 - k) / mu, k * (1 + b / mu), mu),
    }[str(priority)]


def true_delay(bank, load, goal):
    """Return the mean delay at the optimum or the equilibrium, by bisection on the price."""
    servers = [decimals(bank, i) for i in range(len(bank))]

    def flows(price):
        spare = [
            (k / (price - e) if goal == "equilibrium" else (k * rate / (price - e)).sqrt())
            for e, k, rate in servers
        ]
        return [max(rate - s, Decimal(0)) for s, (_, _, rate) in zip(spare, servers, strict=True)]

    low = max(e for e, _, _ in servers)
    high = low + 1
    while sum(flows(high)) < load:
        high = low + 10 * (high - low)
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(flows(middle)) < load else (low, middle)
    x = flows(high)
    total = sum(f * (e + k / (rate - f)) for f, (e, k, rate) in zip(x, servers, strict=True))
    return total / load


@pytest.mark.parametrize("away", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("goal", GOALS)
def test_certificates_hold_next_to_saturation(goal, away):
    """Rates less base loads, none of them a float."""
    bank = MG1(
        [100.1, 80.3, 200.7, 50.9],
        [0.3, 1.0, 2.0, 0.5],
        0.01,
        base=[30.7, 7.9, 90.3, 11.1],
        base_priority=PRIORITIES,
    )
    system = ParallelServers(bank)
    load = (1 - away) * system.total_rate
    found = getattr(system, goal)(load)
    with localcontext() as context:
        context.prec = 60
        true = true_delay(bank, Decimal(load), goal)
        assert abs(Decimal(found.mean_delay) / true - 1) <= Decimal(found.certificate.gap)
        assert Decimal(found.certificate.lower_bound) <= true * (1 + Decimal("2e-15"))
    exact = getattr(reference, goal)(bank, load)
    assert found.certified
    assert float(exact.mean_delay) == pytest.approx(float(true), rel=max(1e-12, 1e-15 / away))


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("part", [0.2, 0.7, 0.999])
@every_priority
def test_models_agree_with_the_reference(priority, part, goal):
    rng = np.random.default_rng([20, PRIORITIES.index(priority)])
    n = 5
    rate, delay = 10 ** rng.uniform(0, 2, n), 10 ** rng.uniform(-3, 0, n)
    base = rate * rng.uniform(0, 0.9, n) * (rng.random(n) < 0.7)
    of = {"base": base, "base_priority": priority, "batch": 2.5, "batch_cv": 1.0}
    system = ParallelServers(
        MM1(rate, delay, **of), MD1(rate, delay, **of), MG1(rate, 2.0, delay, **of)
    )
    load = part * system.total_rate
    found, true = getattr(system, goal)(load), getattr(reference, goal)(system.bank, load)
    assert found.certified
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-8)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=1e-8 * load)


@every_priority
def test_derivatives_in_the_service_rate(priority):
    """Of the latency, and of the mean delay at the optimum and the equilibrium, by differences."""
    step = 1e-4

    def bank(more):
        cv, size = [0.5, 1.0, 2.0], {"batch": 3.0}
        of = {"base": BASE, "base_priority": priority, **size}
        return reference.MG1(np.add(RATE, more), cv, DELAY, **of)

    x = np.array([40.0, 20.0, 70.0])
    for name, method in (("latency", "rate_slope"), ("marginal", "marginal_rate_slope")):
        change = getattr(bank(step), name)(x) - getattr(bank(-step), name)(x)
        np.testing.assert_allclose(getattr(bank(0.0), method)(x), change / (2 * step), rtol=1e-7)
    for players in (1, 3, np.inf):
        found = reference.sensitivity(bank(0.0), 200.0, players)
        for i, unit in enumerate(np.eye(3) * step):
            up, down = (
                float(reference.equilibrium(bank(s * unit), 200.0, players).mean_delay)
                for s in (1, -1)
            )
            assert found.rate[i] == pytest.approx((up - down) / (2 * step), rel=1e-6)


# ---- limits, utilisation and caveats


def test_the_base_load_counts_in_the_utilisation():
    system = ParallelServers(MM1(RATE, DELAY, base=BASE))
    split = system.evaluate(flow=[40.0, 30.0, 60.0], load=LOAD)
    np.testing.assert_allclose(split.utilisation, [0.7, 0.375, 0.75])
    found = system.optimum(LOAD, subject_to=[MaxUtilisation(0.7)])
    assert found.certified
    busy = (np.array(BASE) + found.flow) / RATE
    assert busy.max() <= 0.7 * (1 + 1e-9)
    np.testing.assert_allclose(found.limits[0].value, busy, rtol=1e-12)
    with pytest.raises(
        InputError,
        match=r"^MaxUtilisation.utilisation = 0\.4: is less than the base load alone uses of "
        r"servers\[2\], 0\.45; allow more, or lower the base load$",
    ):
        system.optimum(LOAD, subject_to=[MaxUtilisation(0.4)])


def test_shadow_price_of_the_utilisation_with_a_base_load():
    system, step = ParallelServers(MM1(RATE, DELAY, base=BASE)), 1e-5
    found = system.optimum(LOAD, subject_to=[MaxUtilisation(0.7)])
    up, down = (
        system.optimum(LOAD, subject_to=[MaxUtilisation(0.7 + s)]).mean_delay for s in (step, -step)
    )
    price = found.limits[0].price
    assert -np.sum(price) == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_jobs_that_go_first_can_crowd_out_the_base_jobs():
    system = ParallelServers(MM1([10.0, 20.0], base=[4.0, 15.0], base_priority="last"))
    assert system.optimum(4.0).caveats == ()
    found = system.optimum(10.5)
    assert found.certified
    (caveat,) = found.caveats
    assert caveat == (
        f"server 2 carries {found.flow[1]:.6g} before a base load of 15, in all no less than its "
        "rate 20: its base jobs wait without end; limit it with MaxUtilisation"
    )
    limited = system.optimum(10.5, subject_to=[MaxUtilisation(0.99)])
    assert limited.certified
    assert limited.caveats == ()
    assert np.all(np.add(limited.flow, [4.0, 15.0]) <= np.array([9.9, 19.8]) * (1 + 1e-9))


def test_percentiles_of_one_queue_alone():
    limit = ServerPercentile(p=0.95, within=0.1)
    found = ParallelServers(MM1(RATE, DELAY, base=BASE)).optimum(LOAD, subject_to=[limit])
    slower = ParallelServers(MM1(np.subtract(RATE, BASE), DELAY)).optimum(LOAD, subject_to=[limit])
    assert found.mean_delay == pytest.approx(slower.mean_delay, rel=1e-12)
    for given in ({"base": BASE, "base_priority": ["equal", "last", "last"]}, {"batch": 3}):
        with pytest.raises(InputError, match=r"^servers\[[02]\] = 'MM1': .* priorities or batches"):
            ParallelServers(MM1(RATE, DELAY, **given)).optimum(LOAD, subject_to=[limit])


def test_closed_programs_hold_where_the_latency_is_that_of_mm1():
    """Of equal delays in one queue; not with a priority."""
    system = ParallelServers(MM1(RATE, base=BASE))
    exact = float(reference.equilibrium(system.bank, LOAD).mean_delay)
    for formulation in ("qp", "geo_mean", "minmax"):
        found = system.equilibrium(LOAD, formulation=formulation)
        assert found.mean_delay == pytest.approx(exact, rel=1e-8)
    behind = ParallelServers(MM1(RATE, base=BASE, base_priority="preemptive"))
    with pytest.raises(FormulationError, match="M/M/1 servers alone"):
        behind.equilibrium(LOAD, formulation="qp")


@every_priority
def test_worst_case_and_its_limit(priority):
    bank = MM1(RATE, DELAY, base=BASE, base_priority=priority)
    worst = reference.worst_case(bank)
    loads = np.linspace(0.01, 0.9999, 20_000) * bank.rate.sum()
    ratios = reference.price_of_anarchy(bank, loads)
    assert worst.upper_bound >= ratios.max() * (1 - 1e-12)
    limit = reference.saturation_limit(bank)
    assert worst.certified
    assert worst.poa == pytest.approx(max(ratios.max(), limit), rel=1e-3)
    near = reference.price_of_anarchy(bank, bank.rate.sum() * (1 - 1e-9))
    assert float(near) == pytest.approx(limit, rel=1e-6)


def test_tandem_with_a_base_load():
    pair = Tandem(MM1([50.0], base=20.0), MM1([60.0], base=40.0, base_priority="last"))
    assert pair.rate.tolist() == [30.0]
    assert pair.full_load.tolist() == [20.0]
    np.testing.assert_allclose(pair.utilisation([10.0]), [50 / 60])


# ---- copies


def banks_with_base():
    given = {"base": [30.0, 0.0, 90.1], "base_priority": ["equal", None, "last"], "batch": 2}
    return [
        MM1(RATE, DELAY, **given),
        MG1(RATE, [0.5, 1, 2], DELAY, **given),
        reference.MD1(RATE, DELAY, **given),
    ]


@pytest.mark.parametrize("bank", banks_with_base(), ids=lambda bank: type(bank).__name__)
def test_copies_keep_the_base_load(bank):
    x = 0.4 * bank.rate
    pickled = pickle.loads(pickle.dumps(bank))  # noqa: S301
    for copy in (pickled, replace(bank, delay=DELAY), bank._with()):
        np.testing.assert_array_equal(copy.latency(x), bank.latency(x))
        np.testing.assert_array_equal(copy.service_rate, RATE)
        np.testing.assert_array_equal(copy.rate_error, bank.rate_error)
    np.testing.assert_array_equal(bank.take([2, 0]).latency(x[[2, 0]]), bank.latency(x)[[2, 0]])
    for change in ({"rate": [50.0, 60.0, 70.0]}, {"base": 1.0}, {"base": 0.0}):
        with pytest.raises(InputError, match=r"make the bank anew from its service rate"):
            replace(bank, **change)
    assert "rate=array([100.,  80., 200.]), " in repr(bank)
    assert "base=array([30. ,  0. , 90.1]), base_priority=array(['equal', " in repr(bank)


def test_a_family_of_a_user_keeps_the_base_load_in_other_units():
    @dataclass(frozen=True, eq=False)
    class Labelled(MM1):
        label: str = "mine"

    bank = Labelled(RATE, DELAY, base=BASE, base_priority="preemptive")
    other, x = bank.in_unit(60.0), np.array([20.0, 30.0, 40.0])
    assert (type(other), other.label) == (Labelled, "mine")
    np.testing.assert_allclose(other.latency(60.0 * x), bank.latency(x) / 60.0, rtol=1e-12)


@every_priority
def test_rates_in_other_units_are_those_of_the_new_service_rates(priority):
    rng = np.random.default_rng(3)
    rate = rng.uniform(1, 100, 50)
    bank = MM1(rate, base=rate * rng.random(50), base_priority=priority).in_unit(3.0)
    assert np.all(bank.rate_error <= 0)
    assert np.isposinf(bank.latency(bank.rate)).all()
    anew = MM1(bank.service_rate, base=bank.base, base_priority=priority)
    np.testing.assert_array_equal(bank.rate, anew.rate)


def test_no_base_load_is_no_change():
    plain = MG1(RATE, 2.0, DELAY)
    for given in ({"base": 0}, {"base": [0, 0, 0]}, {"base": 0.0, "base_priority": "last"}):
        bank = MG1(RATE, 2.0, DELAY, **given)
        assert repr(bank) == repr(plain)
        np.testing.assert_array_equal(bank.latency([9.0, 8.0, 7.0]), plain.latency([9.0, 8.0, 7.0]))
    one = MG1(RATE, 2.0, DELAY, base=[0, 0, 1e-300], base_priority="last", batch=1)
    np.testing.assert_allclose(one.latency([9.0, 8.0, 7.0]), plain.latency([9.0, 8.0, 7.0]))


# ---- errors


@pytest.mark.parametrize("family", [MM1, reference.MM1, MD1])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"base": [3.0, 10.0]},
            r"^base\[1\] = 10\.0: is not below the rate of the server, 10; give less, give the "
            r"server a higher rate, or leave it out$",
        ),
        ({"base": -1.0}, r"^base\[0\] = -1\.0: it cannot be negative; give 0 or more$"),
        ({"base": np.nan}, r"^base\[0\] = nan: is not finite"),
        ({"base": "4"}, r"^base = '4': "),
        ({"base": True}, r"^base = True: "),
        ({"base": [1.0, 2.0, 3.0]}, r"^rate = .*: has 2 values where base has 3"),
        (
            {"base": 1.0, "base_priority": "first"},
            r"^base_priority = 'first': is no priority of base jobs over the others; give one of "
            r"equal, non-preemptive, preemptive, last$",
        ),
        ({"base": 1.0, "base_priority": ["last", 3]}, r"^base_priority\[1\] = 3: is no priority"),
        ({"base": 1.0, "base_priority": 2}, r"^base_priority = 2: is no priority"),
        (
            {"base": 1.0, "base_priority": ["last"] * 3},
            r"^rate = .*: has 2 values where base_priority has 3",
        ),
        (
            {"batch": [2.0, 0.5]},
            r"^batch\[1\] = 0\.5: is no mean size of batches; give the mean number of jobs in a "
            r"batch, 1 or more$",
        ),
        (
            {"batch": 2.5},
            r"^batch_cv\[0\] = 0\.0: is too small: sizes are whole numbers, and their mean is 2\.5;"
            r" give 0\.2 or more, or a whole mean$",
        ),
        ({"batch_cv": 0.5}, r"^batch_cv\[0\] = 0\.5: is above 0 where the mean size is 1, so that"),
        ({"batch": (3.0, 0.5, 2.0)}, r"^rate = .*: has 2 values where batch has 3"),
    ],
)
def test_errors(family, given, message):
    with pytest.raises(InputError, match=message):
        family([10.0, 10.0], **given)
