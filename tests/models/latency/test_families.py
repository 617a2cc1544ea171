"""Families beyond M/G/1: closed forms, agreement with the reference, and errors."""

import math

import numpy as np
import pytest
from every_family import FAMILIES

from sojourn import reference
from sojourn.models import (
    BPR,
    MG1,
    MG1PS,
    MM1,
    Constant,
    FormulationError,
    Function,
    InputError,
    Kingman,
    KraemerLangenbachBelz,
    MaxShare,
    MinShare,
    MM1Percentile,
    MM1Setup,
    MM1Vacations,
    MMc,
    ParallelServers,
    Polynomial,
    Tandem,
)

UTILISATIONS = np.array([0.0, 1e-9, 0.1, 0.5, 0.9, 0.999])[:, None]
RATE, DELAY = np.array([10.0, 3.0]), np.array([0.0, 0.2])
NUMBERS = ("latency", "marginal", "potential", "latency_slope", "marginal_slope")
# Slopes of a family without its own are finite differences, with a step from 1e-6 of the rate on.
DIFFERENCE_TOLERANCE = 1e-5


def assert_same(bank, expected, flow, rtol=1e-12, names=NUMBERS):
    for name in names:
        tolerance = DIFFERENCE_TOLERANCE if name == "marginal_slope" else rtol
        got, number = getattr(bank, name)(flow), getattr(expected, name)(flow)
        np.testing.assert_allclose(got, number, rtol=tolerance, atol=1e-13, err_msg=name)


# ---- closed forms


def test_station_of_one_server_is_mm1():
    assert_same(MMc(RATE, 1, DELAY), MM1(RATE, DELAY), UTILISATIONS * RATE, rtol=1e-8)


def test_station_of_two_servers_has_the_textbook_latency():
    """l = 1/(mu (1 - (x/(2 mu))^2)); Kleinrock, *Queueing Systems* I (1975), sect. 3.5."""
    np.testing.assert_allclose(
        MMc(RATE, 2).latency(UTILISATIONS * 2 * RATE),
        1 / (RATE * (1 - UTILISATIONS**2)),
        rtol=1e-13,
    )


@pytest.mark.parametrize("c", [3, 7, 40])
def test_probability_to_wait_is_erlangs_sum(c):
    for used in (0.05, 0.6, 0.98):
        a = used * c
        last = a**c / math.factorial(c) / (1 - used)
        wait = last / (sum(a**k / math.factorial(k) for k in range(c)) + last)
        assert MMc(4.0, c).latency([used * 4.0 * c])[0] == pytest.approx(
            0.25 + wait / (4.0 * c * (1 - used)), rel=1e-12
        )


def test_many_servers_do_not_overflow():
    bank = MMc(1.0, 100_000)
    assert bank.latency([5e4])[0] == 1.0
    # in the regime of Halfin and Whitt, where c - x is of the size of sqrt(c)
    assert bank.latency([99_990.0])[0] == pytest.approx(1 + 0.0970, rel=1e-3)


def test_poisson_arrivals_make_every_gg1_formula_exact():
    exact = MG1(RATE, 2.5, DELAY)
    assert_same(Kingman(RATE, 1.0, 2.5, DELAY), exact, UTILISATIONS * RATE)
    assert_same(
        KraemerLangenbachBelz(RATE, 1.0, 2.5, DELAY), exact, UTILISATIONS * RATE, names=("latency",)
    )


def test_kraemer_langenbach_belz_is_kingman_next_to_saturation_and_less_below():
    light, heavy = [1.0], [9.999999]
    for arrival_cv in (0.3, 2.0):
        klb, kingman = (
            family(10.0, arrival_cv, 0.8).latency([light, heavy]) - 0.1
            for family in (KraemerLangenbachBelz, Kingman)
        )
        assert klb[1] == pytest.approx(kingman[1], rel=1e-5)
        assert klb[0] < 0.95 * kingman[0]
    u, a2, s2 = 0.5, 0.09, 0.64
    factor = math.exp(-2 * (1 - u) * (1 - a2) ** 2 / (3 * u * (a2 + s2)))
    wait = (a2 + s2) / 2 * u / (10 * (1 - u)) * factor
    assert KraemerLangenbachBelz(10.0, 0.3, 0.8).latency([5.0])[0] == pytest.approx(
        0.1 + wait, rel=1e-13
    )


def test_processor_sharing_and_the_percentile_that_equals_the_mean_are_mm1():
    assert_same(MG1PS(RATE, DELAY), MM1(RATE, DELAY), UTILISATIONS * RATE)
    assert_same(
        MM1Percentile(RATE, 1 - math.exp(-1), DELAY),
        MM1(RATE, DELAY),
        UTILISATIONS * RATE,
        rtol=1e-11,
    )
    assert MM1Percentile(10.0, 0.5).latency([4.0])[0] == pytest.approx(math.log(2) / 6)


def test_vacations_and_setups():
    """An exponential vacation or set-up adds its mean; a fixed one half of it, or less."""
    assert_same(
        MM1Setup(RATE, 0.04, 1.0, DELAY),
        MM1Vacations(RATE, 0.04, 1.0, DELAY),
        UTILISATIONS * RATE,
        rtol=1e-9,
    )
    assert MM1Vacations(10.0, 0.4, 0.0).latency([5.0])[0] == pytest.approx(0.2 + 0.2)
    # Welch: (2 E[S] + x E[S^2])/(2 (1 + x E[S])) with a fixed S
    assert MM1Setup(10.0, 0.1, 0.0).latency([5.0])[0] == pytest.approx(
        0.2 + (0.2 + 5 * 0.01) / (2 * 1.5)
    )


def test_tandem_is_the_sum_with_the_smaller_rate():
    first, second = MM1(RATE, DELAY), MMc(2.0 * RATE, 2)
    pair = Tandem(first, second)
    np.testing.assert_array_equal(pair.rate, RATE)
    flow = UTILISATIONS * RATE
    for name in NUMBERS:
        np.testing.assert_allclose(
            getattr(pair, name)(flow),
            getattr(first, name)(flow) + getattr(second, name)(flow),
            rtol=1e-14,
        )


def test_road_of_an_integer_power_is_a_polynomial():
    road, known = BPR([2.0], [10.0], 0.15, 4.0), Polynomial([2.0, 0.0, 0.0, 0.0, 2.0 * 0.15 / 1e4])
    flow = np.array([[0.0], [1.0], [25.0]])
    assert_same(road, known, flow)
    for name, prices in (
        ("inverse_latency", road.latency(flow)),
        ("inverse_marginal", road.marginal(flow)),
    ):
        np.testing.assert_allclose(getattr(road, name)(prices), flow, rtol=1e-12, atol=1e-12)


def test_pigou():
    """l = x beside l = 1: equilibrium 1, optimum 3/4; x^q: 1 - q (q + 1)^(-(q + 1)/q)."""
    for q in (1, 2, 6):
        system = ParallelServers(Polynomial([0.0] * q + [1.0]), Constant(1.0))
        best = 1 - q * (q + 1) ** (-(q + 1) / q)
        assert system.optimum(1.0).mean_delay == pytest.approx(best, rel=1e-12)
        assert system.equilibrium(1.0).mean_delay == pytest.approx(1.0, rel=1e-12)
        assert system.worst_case(up_to=3.0).poa == pytest.approx(1 / best, rel=1e-8)


# ---- models against reference


EVERY = [*(b for name, b in FAMILIES.items() if name != "constant"), Constant([0.09, 0.2, 0.3])]


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("load", [20.0, 700.0])
def test_all_families_in_one_system_agree_with_the_reference(goal, load):
    system = ParallelServers(*EVERY)
    found, true = getattr(system, goal)(load), getattr(reference, goal)(system.bank, load)
    assert found.certified
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-9)
    np.testing.assert_allclose(found.flow, true.flow, atol=1e-6 * load)


def test_load_above_all_rates_goes_to_servers_without_a_rate():
    system = ParallelServers(FAMILIES["M/M/1"], Constant(0.5))
    found = system.equilibrium(5000.0)
    assert found.mean_delay == pytest.approx(0.5, rel=1e-12)
    assert found.flow[3] == pytest.approx(5000 - 380 + (1 / 0.495 + 1 / 0.495 + 1 / 0.48), rel=1e-9)


@pytest.mark.parametrize("polish", [True, False])
@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.95])
def test_black_box_of_mm1_agrees_with_its_cones_to_the_certified_gap(goal, part, polish):
    rate = np.array([100.0, 80.0, 200.0])
    delay = [0.005, 0.005, 0.02]
    box, known = Function(lambda x: 1 / (rate - x), rate=rate, delay=delay), MM1(rate, delay)
    load = part * rate.sum()
    # the potential is flat at its minimum, so an unpolished answer has a larger gap
    gap = 1e-9 if polish else 1e-4
    found = getattr(ParallelServers(box), goal)(load, polish=polish, gap=gap)
    true = getattr(ParallelServers(known), goal)(load).mean_delay
    assert found.certified
    assert abs(found.mean_delay / true - 1) <= found.certificate.gap <= gap
    assert found.certificate.lower_bound <= true * (1 + 1e-12)


@pytest.mark.parametrize("load", [14.99])
@pytest.mark.slow
def test_kinks_are_certified_with_a_derivative_and_without_it_bounds_hold(load):
    """Two servers of latency max(1 + x, 3 x - 5): at loads near 15 both are at the kink, x = 3."""
    rest = MM1(10.0, 0.2)
    kinked = Function(
        lambda x: np.maximum(1 + x, 3 * x - 5),
        lambda x: np.where(x < 3, 1.0, 3.0),
        servers=2,
        delay=[0.0, 0.5],
    )
    found = ParallelServers(kinked, rest).optimum(load)
    assert found.certified
    np.testing.assert_allclose(found.flow[:2], 3.0, atol=1e-4)
    by_differences = Function(kinked.function, servers=2, delay=[0.0, 0.5])
    without = ParallelServers(by_differences, rest).optimum(load, throw=False, solver="CLARABEL")
    assert without.certificate.lower_bound <= found.certificate.upper_bound
    gap = without.certificate.gap + found.certificate.gap
    assert abs(without.mean_delay / found.mean_delay - 1) <= gap


@pytest.mark.slow
def test_limits_players_control_tolls_and_curves_work_without_cones():
    """The servers are M/M/c stations and a server with general arrivals."""
    system = ParallelServers(
        MMc([30.0, 20.0], [2, 3], [0.0, 0.01]), KraemerLangenbachBelz(50.0, 0.7, 1.5, 0.02)
    )
    load, n = 100.0, 3
    limited = system.optimum(load, subject_to=[MaxShare(0.4), MinShare(0.2)])
    true = reference.limited_optimum(
        system.bank, load, least=np.full(n, 20.0), most=np.full(n, 40.0)
    )
    assert limited.certified
    assert limited.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    players = system.equilibrium(load, players=3)
    assert players.mean_delay == pytest.approx(
        float(reference.equilibrium(system.bank, load, players=3).mean_delay), rel=1e-9
    )
    assert system.control(load, 1.0).mean_delay == pytest.approx(
        system.optimum(load).mean_delay, rel=1e-9
    )
    assert system.tolls(load).difference < 1e-9
    data = system.curve([10.0, 100.0, 140.0])
    np.testing.assert_allclose(
        data.price_of_anarchy,
        reference.price_of_anarchy(system.bank, data["load"].values),
        rtol=1e-9,
    )


def test_limits_where_a_latency_is_constant():
    system = ParallelServers(MM1([10.0, 5.0]), Constant([0.5, 0.7]))
    found = system.optimum(20.0, subject_to=[MinShare(0.1), MaxShare(0.5)])
    true = reference.limited_optimum(
        system.bank, 20.0, least=np.full(4, 2.0), most=np.full(4, 10.0)
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-9)
    np.testing.assert_allclose(true.flow.sum(), 20.0)


def test_worst_case_of_a_station():
    system = ParallelServers(MMc([3.0, 1.0], [1, 4]))
    found, true = system.worst_case(up_to=5.0), reference.worst_case(system.bank, up_to=5.0)
    assert found.certified
    assert found.poa == pytest.approx(true.poa, rel=1e-7)


@pytest.mark.ecos
def test_solver_without_the_cone_of_a_family_is_skipped_or_refused_if_named():
    system = ParallelServers(BPR(1.0, 10.0, power=2.37), MM1(3.0))  # ECOS has no power cone
    assert system.optimum(4.0).certified
    with pytest.raises(
        FormulationError,
        match=r"solver = 'ECOS': does not take the cone POW that the optimum needs; use "
        r"CLARABEL or SCS",
    ):
        system.optimum(4.0, solver="ECOS")


def test_formulations_refuse_tangents_where_they_need_cones():
    system = ParallelServers(FAMILIES["M/M/c"])
    assert system.optimum(50.0).formulation == "epigraph"
    with pytest.raises(
        FormulationError,
        match=r"minmax.*the latency of some has no cone, and the largest of tangents is too "
        r"low; use auto",
    ):
        system.equilibrium(50.0, formulation="minmax")
    with pytest.raises(
        FormulationError,
        match=r"inv_pos.*not all its servers can be written so; epigraph takes each in its own way",
    ):
        system.optimum(50.0, formulation="inv_pos")


# ---- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MMc([1.0, 2.0], [1, 1.5]),
            r"^servers\[1\] = 1\.5: is not a number of servers; give a whole number from 1 to "
            r"1000000",
        ),
        (lambda: MMc(1.0, 0), r"^servers\[0\] = 0\.0: is not a number of servers"),
        (
            lambda: Kingman(1.0, -1.0, 1.0),
            r"^arrival_cv\[0\] = -1\.0: a coefficient of variation cannot be negative",
        ),
        (
            lambda: Kingman(1.0, 0.0, 0.0),
            r"^cv\[0\] = 0\.0: and arrival_cv are both 0: no job then waits below the rate; .* "
            r"use Constant$",
        ),
        (
            lambda: KraemerLangenbachBelz(-1.0, 1.0, 1.0),
            r"^rate\[0\] = -1\.0: a server needs a rate above 0",
        ),
        (
            lambda: MM1Vacations(1.0, [1.0, -2.0]),
            r"^vacation\[1\] = -2\.0: it cannot be negative; give 0 or more$",
        ),
        (
            lambda: MM1Setup(10.0, 0.2, 0.0),
            r"^setup\[0\] = 0\.2: is so long that the latency falls with the load at first; "
            r"shorten it",
        ),
        (
            lambda: MM1Setup(10.0, 1.0, 2.0),
            r"^setup\[0\] = 1\.0: varies so much that the latency is not convex; shorten it",
        ),
        (
            lambda: MM1Percentile(1.0, 99.0),
            r"^p = 99\.0: is not a part of the jobs; write 99 % as 0\.99$",
        ),
        (
            lambda: Polynomial([[1.0, 2.0], [1.0, -2.0]]),
            r"^coefficients\[:, 1\]\[1\] = -2\.0: is negative or not finite",
        ),
        (
            lambda: MM1([1.0, 0.0]),
            r"^rate\[1\] = 0\.0: .*; give a positive service rate, or leave a drained server out$",
        ),
        (
            lambda: Function(lambda x: 1 + x, rate=0.0),
            r"^rate\[0\] = 0\.0: .*; give a load to stay below, or infinity, or leave a drained",
        ),
        (
            lambda: BPR(1.0, 1.0, power=0.5),
            r"^power\[0\] = 0\.5: below 1 and not 0 the latency is not convex; give 1 or more, "
            r"or 0 for one",
        ),
        (lambda: BPR(1.0, 1.0, power=-1.0), r"^power\[0\] = -1\.0: "),
        (lambda: BPR(-1.0, 1.0), r"^free_flow\[0\] = -1\.0: is negative; give 0 or more$"),
        (
            lambda: BPR(1.0, 1.0, b=-1.0),
            r"^b\[0\] = -1\.0: is negative; give 0 or more; of 0 the road has one travel time$",
        ),
        (
            lambda: BPR(1.0, [1.0, 0.0]),
            r"^capacity\[1\] = 0\.0: is not above 0; give a positive number, or leave a closed "
            r"road out$",
        ),
        (
            lambda: Constant(-1.0),
            r"^delay\[0\] = -1\.0: a delay cannot be negative; give 0 or more$",
        ),
        (
            lambda: Tandem(MM1([1.0]), MM1([1.0, 2.0])),
            r"^second = .*: has 2 servers where first has 1; give as many of both",
        ),
        (
            lambda: Tandem(MM1([1.0]), 3),
            r"^second = 3: is not a bank of servers; give MM1 or another family$",
        ),
        (
            lambda: Function(3),
            r"^function = 3: is not a function; give a function of an array of loads$",
        ),
        (
            lambda: Function(lambda x: 1 / (5.0 - x)),
            r"function, server 0 = .*: at load .* is a negative latency; give rate=, the load that",
        ),
        (
            lambda: Function(lambda x: 1 / (5.0 - x) ** 2),
            r"function, server 0 = .*: at load .* falls from .*; give rate=, the load that",
        ),
        (
            lambda: Function(lambda x: 3.0 - np.log(5.0 - x)),
            r"function, server 0 = nan: at load .* is not finite; give rate=, the load",
        ),
        (
            lambda: Function(lambda x: 1 - x, rate=0.5),
            r"function, server 0 = .*: at load .* falls from .*; give a latency that never falls$",
        ),
        (
            lambda: Function(lambda x: np.sqrt(x), rate=3.0),
            r"function, server 0 = .*: at load .* is not convex: .*; fit one with Measured$",
        ),
        (
            lambda: Function(lambda x: 1 + x, lambda x: 2 + 0 * x, rate=3.0),
            r"^derivative = .*: is 2 at load .* of server 0, where",
        ),
        (
            lambda: Function(lambda x: math.exp(x), rate=3.0),
            r"^function = .*: raises TypeError: .*; write it in NumPy, for arrays of loads",
        ),
    ],
)
def test_invalid_input_is_named_with_its_remedy(make, message):
    with pytest.raises(InputError, match=message):
        make()
