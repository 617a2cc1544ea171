"""Parallel servers by every formulation, against the reference and invariants."""

import json
import warnings

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import (
    MD1,
    MG1,
    MM1,
    FormulationError,
    InputError,
    LoadError,
    NotCertifiedError,
    ParallelServers,
)
from sojourn.models.systems.parallel.formulations import FORMULATIONS, LARGE, formulations
from sojourn.models.systems.parallel.minmax import Bisection
from sojourn.reference.parallel import optimum_equilibrium as exact

GOALS = ("optimum", "equilibrium")
SYSTEMS = {
    "MM1": ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])),
    "MD1 unsorted": ParallelServers(MD1([98.0, 214.5, 200.0], [0.0315, 0.008, 0.022])),
    "mixed": ParallelServers(
        MM1([3.0, 0.5], 0.2), MD1([1.0, 2.0]), MG1([7.0, 4.0], cv=[4.0, 0.3], delay=[1.0, 0.1])
    ),
    "one": ParallelServers(MM1([10.0], 0.5)),
    "equal": ParallelServers(MM1([10.0] * 5, 0.5)),
    "equal delays": ParallelServers(MM1([10.0, 5.0, 3.0], 0.2)),
}
PARTS = (0.02, 0.1, 0.47, 0.9, 0.99)  # from one used server to all; none is a threshold
every_goal = pytest.mark.parametrize("goal", GOALS)
every_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
every_part = pytest.mark.parametrize("part", PARTS)


FLOWS = 1e-11  # of the load


def agree(system, found, goal, load, flows=FLOWS):
    true = getattr(exact, goal)(system.bank, load)
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-11)
    assert found.multiplier == pytest.approx(float(true.multiplier), rel=1e-11)
    np.testing.assert_allclose(found.flow, true.flow, rtol=flows, atol=flows * load)
    np.testing.assert_array_equal(found.active, true.active)


# ---- formulations


@every_system
@every_part
@pytest.mark.parametrize(
    ("goal", "form"), [(f.goal, n) for n, f in FORMULATIONS.items() if n not in ("qp", "geo_mean")]
)
def test_formulation_agrees_with_the_reference(system, part, goal, form):
    load = part * system.total_rate
    found = getattr(system, goal)(load, formulation=form)
    assert found.formulation == form
    assert found.certified
    agree(system, found, goal, load)


@pytest.mark.parametrize(("n", "first"), [(LARGE - 1, "beckmann"), (LARGE, "qp")])
def test_many_servers_at_one_distance_get_the_quadratic_program_first(n, first):
    servers = ParallelServers(MM1(np.linspace(50, 500, n), 0.01))
    found = servers.equilibrium(0.9 * servers.total_rate)
    true = exact.equilibrium(servers.bank, 0.9 * servers.total_rate)
    assert found.formulation == first
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-11)


@pytest.mark.parametrize("name", ["one", "equal", "equal delays"])
@every_part
@pytest.mark.parametrize("form", ["qp", "geo_mean"])
def test_formulation_for_equal_delays_agrees_with_the_reference(name, part, form):
    system = SYSTEMS[name]
    load = part * system.total_rate
    found = system.equilibrium(load, formulation=form)
    assert found.formulation == form
    agree(system, found, "equilibrium", load)


@every_system
@pytest.mark.parametrize(
    ("goal", "form"), [(f.goal, n) for n, f in FORMULATIONS.items() if n not in ("qp", "geo_mean")]
)
def test_formulation_alone_is_close_before_any_polish(system, goal, form):
    """The test above would pass by Newton steps alone; this one has none."""
    load = 0.6 * system.total_rate
    found = getattr(system, goal)(load, formulation=form, polish=False, solver="CLARABEL")
    true = getattr(exact, goal)(system.bank, load)
    assert found.polished == 0
    assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-5)
    np.testing.assert_allclose(found.flow, true.flow, rtol=0, atol=3e-4 * load)


@pytest.mark.parametrize(("name", "form", "why"), [
    ("MM1", "qp", "it holds for equal delays alone"),
    ("MM1", "geo_mean", "it holds for equal delays alone"),
    ("MD1 unsorted", "qp", "it holds for M/M/1 servers alone"),
    ("mixed", "geo_mean", "it holds for M/M/1 servers alone"),
])  # fmt: skip
def test_formulation_that_does_not_fit_is_refused(name, form, why):
    with pytest.raises(
        FormulationError,
        match=rf"^formulation = '{form}': does not fit these servers: {why}; use auto$",
    ):
        SYSTEMS[name].equilibrium(1.0, formulation=form)


def test_a_geometric_mean_of_many_servers_is_refused_before_cvxpy_compiles_its_cones():
    many = ParallelServers(MM1(np.linspace(1, 2, 1500)))
    with pytest.raises(FormulationError, match="written for at most 64 servers; use auto"):
        many.equilibrium(1000, formulation="geo_mean")
    assert "geo_mean" not in formulations(many.bank, "equilibrium", "auto", {})
    few = formulations(MM1(np.linspace(1, 2, 64)), "equilibrium", "auto", {})
    assert [*few] == ["beckmann", "qp", "geo_mean", "minmax"]


def test_minmax_counts_the_servers_by_bisection():
    """With 20 servers there are at most log2(20) + 1 problems, and the last count is right."""
    bank = MM1(np.full(20, 10.0), np.linspace(0, 5, 20))
    asked = []
    for load in (1.0, 40.0, 120.0, 199.0):
        true = exact.equilibrium(bank, load)
        search = Bisection(bank, load)
        counts, last = [], False
        while not last:
            count, last = search.next_count()
            counts.append(count)
            members = np.sort(search.order[:count])
            short = load < bank.rate[members].sum()
            latency = (
                float(exact.equilibrium(bank.take(members), load).multiplier) if short else np.inf
            )
            if not last:
                search.record(count, latency)
        assert counts[-1] == true.active.sum()
        asked.append(len(counts))
    assert max(asked) <= 6


# ---- invariants


@every_system
@every_part
def test_no_random_split_beats_the_optimum(system, part):
    load = part * system.total_rate
    found = system.optimum(load)
    rng = np.random.default_rng(6)
    even = np.full((1000, 1), load) * system.bank.rate / system.total_rate
    flows = load * rng.dirichlet(np.full(len(system), 0.7), 1000)
    near = found.flow + 0.1 * rng.uniform(0, 1, (1000, 1)) * (flows - found.flow)
    for trial in (flows, near):
        # towards equal utilisations until all flows are below the rates
        over = (trial / system.bank.rate).max(axis=1, keepdims=True)
        back = np.clip((over - 0.999) / np.maximum(over - part, 1e-12), 0, 1)
        split = trial + np.where(over > 0.999, back, 0) * (even - trial)
        np.testing.assert_allclose(split.sum(axis=1), load, rtol=1e-12)
        assert np.all(split < system.bank.rate)
        delays = (split * system.bank.latency(split)).sum(axis=1) / load
        assert delays.min() >= found.mean_delay * (1 - 1e-12)


@every_system
@every_part
def test_no_user_of_the_equilibrium_gains_by_moving(system, part):
    load = part * system.total_rate
    found = system.equilibrium(load)
    latency = system.bank.latency(found.flow)
    # the latency of every other server, with the user there, is not lower
    for i in np.flatnonzero(found.active):
        step = 1e-6 * found.flow[i]
        for j in set(range(len(system))) - {i}:
            moved = found.flow.copy()
            moved[j] += min(step, 1e-6 * (system.bank.rate[j] - moved[j]))
            assert system.bank.latency(moved)[j] > latency[i] * (1 - 1e-12)
    assert found.certificate.deviation_gain <= 1e-11 * found.mean_delay


@every_system
def test_price_of_anarchy_is_the_ratio_and_at_least_1(system):
    for part in PARTS:
        load = part * system.total_rate
        ratio = system.price_of_anarchy(load)
        assert ratio >= 1 - 1e-12
        expected = float(
            exact.equilibrium(system.bank, load).mean_delay
            / exact.optimum(system.bank, load).mean_delay
        )
        assert ratio == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("form", ["auto", "inv_pos", "quad_over_lin", "beckmann", "minmax"])
def test_price_of_anarchy_with_a_formulation_of_either_goal(form):
    """At load 190 of the first scenario: 29.2887 ms divided by 28.4494 ms."""
    assert SYSTEMS["MM1"].price_of_anarchy(190.0, formulation=form) == pytest.approx(
        1.0295024, abs=1e-7
    )


def test_price_of_anarchy_with_an_unknown_formulation():
    with pytest.raises(FormulationError, match="'nonsense': is not one of the equilibrium"):
        SYSTEMS["MM1"].price_of_anarchy(190.0, formulation="nonsense")


# ---- extreme loads and gaps


@every_goal
@every_part
def test_one_server_gets_everything(goal, part):
    found = getattr(SYSTEMS["one"], goal)(10 * part)
    assert found.flow == pytest.approx([10 * part], rel=1e-15)
    assert found.mean_delay == pytest.approx(0.5 + 1 / (10 - 10 * part), rel=1e-13)


@every_goal
@every_part
def test_equal_servers_get_equal_shares(goal, part):
    found = getattr(SYSTEMS["equal"], goal)(50 * part)
    np.testing.assert_allclose(found.share, 0.2, rtol=FLOWS)
    assert SYSTEMS["equal"].price_of_anarchy(50 * part) == pytest.approx(1.0, abs=1e-13)


@every_goal
def test_order_of_servers_does_not_matter(goal):
    rate, delay = np.array([7.0, 3.0, 11.0, 2.0, 5.0]), np.array([0.9, 0.1, 0.4, 0.0, 0.2])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]):
        found = getattr(ParallelServers(MM1(rate[order], delay[order])), goal)(14.0)
        true = getattr(exact, goal)(MM1(rate, delay), 14.0)
        np.testing.assert_allclose(found.flow, true.flow[order], rtol=1e-12, atol=1e-13)


@every_goal
@pytest.mark.parametrize("name", [pytest.param(n) for n in SYSTEMS])
@pytest.mark.parametrize("slack", [1e-4, 1e-6, 1e-9])
def test_certified_close_to_saturation(goal, name, slack):
    system = SYSTEMS[name]
    load = system.total_rate * (1 - slack)
    found = getattr(system, goal)(load)
    true = float(getattr(exact, goal)(system.bank, load).mean_delay)
    assert found.certified
    # the spare capacity of a float flow has a relative error of about 1e-16 / slack
    assert found.certificate.gap < 1e-13 / slack
    assert abs(found.mean_delay - true) / true <= found.certificate.gap * (1 + 1e-6) + 1e-12
    assert np.all(found.flow < system.bank.rate)


@every_goal
@pytest.mark.parametrize("load", [1e-3, 1e-6, 1e-9])
def test_certified_at_hardly_any_load(goal, load):
    system = SYSTEMS["MM1"]
    found = getattr(system, goal)(load)
    assert found.certified
    agree(system, found, goal, load)
    np.testing.assert_array_equal(found.active, [True, False, False])


@every_goal
def test_flow_at_hardly_any_load_sums_to_it(goal):
    found = getattr(SYSTEMS["MM1"], goal)(1e-9)
    assert found.share.sum() == pytest.approx(1.0, abs=1e-12)


def test_polished_flow_is_the_one_returned():
    """At a gap of 2e-15 the solver's flows have half their digits; Newton steps give the rest."""
    system = ParallelServers(MM1([300.0, 100.0, 200.0], [0.010, 0.012, 0.020]))
    found = system.optimum(420.0)
    assert found.polished >= 1
    np.testing.assert_allclose(found.flow, exact.optimum(system.bank, 420.0).flow, rtol=1e-12)


def test_equal_servers_get_equal_shares_to_all_digits():
    np.testing.assert_allclose(SYSTEMS["equal"].optimum(1.0).share, 0.2, rtol=1e-12)


@every_goal
@pytest.mark.parametrize(("load", "problem"), [
    (380.0,
     "not below the total rate 380: the queues grow without bound; lower the load or add rate"),
    (500, "not below the total rate 380"),
    (0.0, "there is nothing to split; give a load above 0"),
    (-1.0, "a load cannot be negative; give a load above 0"),
    (float("nan"), "is not a finite number"),
    (float("inf"), "is not a finite number"),
    ("much", "is not made of numbers"),
    ([1.0, 2.0], r"is not one number; give one load here; for many, use curve\(loads\)"),
])  # fmt: skip
def test_load_that_cannot_be(goal, load, problem):
    with pytest.raises(InputError, match=rf"^load = .*: {problem}"):
        getattr(SYSTEMS["MM1"], goal)(load)
    assert issubclass(LoadError, InputError)
    assert issubclass(InputError, ValueError)


def test_load_within_rounding_of_the_total_rate_is_no_crash():
    """The total rate, 1 + 1e-17, rounds to the load: stable, but without a finite bound."""
    system = ParallelServers(MM1([1.0, 1e-17]))
    with pytest.raises(NotCertifiedError, match="no certified optimum at load 1,"):
        system.optimum(1.0)


# ---- solutions


@pytest.fixture(scope="module", params=GOALS)
def solution(request):
    system = ParallelServers(
        MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), names=["edge 1", "edge 2", "cloud"]
    )
    return getattr(system, request.param)(30.0), system


def test_fields_of_a_solution(solution):
    found, system = solution
    assert found.names == ("edge 1", "edge 2", "cloud")
    assert found.share.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(found.flow, found.share * 30.0, rtol=1e-15)
    np.testing.assert_allclose(found.latency, system.bank.latency(found.flow), rtol=1e-15)
    assert found.mean_delay == pytest.approx(found.share @ found.latency, rel=1e-14)
    np.testing.assert_array_equal(found.active, [True, True, False])
    price = system.bank.marginal(found.flow) if found.goal == "optimum" else found.latency
    np.testing.assert_allclose(price[found.active], found.multiplier, rtol=1e-13)
    assert price[2] > found.multiplier
    assert found.certificate.gap < 1e-13
    assert found.timing.build > 0
    assert found.timing.compile > 0
    assert found.timing.solve > 0
    assert found.problem.status == found.status
    assert found.status in ("optimal", "optimal_inaccurate")


def test_solution_reads_well(solution):
    found, _ = solution
    first, second, *servers = repr(found).splitlines()
    kind = "marginal delay" if found.goal == "optimum" else "common latency"
    assert (
        first == f"{found.goal} at load 30: mean delay {found.mean_delay:.9g}, {kind} "
        f"{found.multiplier:.9g}"
    )
    assert second.startswith(
        f"  certified within {found.certificate.gap:.1e} (clarabel, {found.formulation}, "
    )
    assert [line.split("  share")[0].strip() for line in servers] == ["edge 1", "edge 2", "cloud"]
    assert "cvxpy" not in repr(found).lower()


def test_solution_of_many_servers_is_shown_in_part():
    lines = repr(ParallelServers(MM1(np.linspace(1, 2, 30))).optimum(20.0)).splitlines()
    assert len(lines) == 2 + 12 + 1
    assert lines[-1] == "  ... and 18 more servers"
    assert lines[-2].startswith("  server 30")


def test_solution_goes_through_json(solution):
    found, _ = solution
    back = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert back["mean_delay"] == found.mean_delay
    assert back["certified"] is True
    assert [s["flow"] for s in back["servers"]] == found.flow.tolist()
    assert [s["active"] for s in back["servers"]] == [True, True, False]
    assert back["certificate"]["gap"] == found.certificate.gap
    assert [a["solver"] for a in back["attempts"]] == ["CLARABEL"]
    assert "problem" not in back


@every_goal
@every_part
def test_seconds_and_milliseconds_are_the_same_problem(goal, part):
    rate, delay = np.array([100.0, 80.0, 200.0]), np.array([0.005, 0.005, 0.020])
    seconds = getattr(ParallelServers(MM1(rate, delay)), goal)(part * 380)
    milli = getattr(ParallelServers(MM1(rate / 1e3, delay * 1e3), time_unit="ms"), goal)(
        part * 0.38
    )
    np.testing.assert_allclose(milli.share, seconds.share, rtol=1e-10, atol=1e-14)
    assert milli.mean_delay == pytest.approx(1e3 * seconds.mean_delay, rel=1e-10)
    assert milli.multiplier == pytest.approx(1e3 * seconds.multiplier, rel=1e-10)


# ---- the system


def test_names():
    bank = MM1([1.0, 2.0])
    assert ParallelServers(bank).names == ("server 1", "server 2")
    assert ParallelServers(bank, names=["a", "b"]).names == ("a", "b")
    bad = {
        r"^names = \['a'\]: is not a list of 2 names; give one name per server": ["a"],
        r"^names = 'ab': is not a list": "ab",
        r"^names\[1\] = 'a': is names\[0\] too": ["a", "a"],
        r"^names\[1\] = ' ': is not a name; give some text": ["a", " "],
        r"^names\[0\] = 3: is not a name": [3, "a"],
    }
    for message, names in bad.items():
        with pytest.raises(InputError, match=message):
            ParallelServers(bank, names=names)


def test_system_takes_banks_of_one_or_more_servers():
    with pytest.raises(InputError, match="the system has no server"):
        ParallelServers()
    with pytest.raises(
        InputError, match=r"is not a bank with cones; use the classes of sojourn\.models"
    ):
        ParallelServers(3)
    mixed = SYSTEMS["mixed"]
    assert len(mixed) == 6
    assert mixed.total_rate == 17.5
    assert repr(mixed) == "ParallelServers(6 servers, total rate 17.5)"


def test_thresholds_are_the_reference_s():
    found = SYSTEMS["MM1"].thresholds()
    np.testing.assert_allclose(found.equilibrium, [0, 20, 80], rtol=1e-13, atol=1e-12)
    assert np.all(found.optimum <= found.equilibrium)


# ---- the CVXPY model


@pytest.mark.parametrize(("goal", "form"), [(f.goal, n) for n, f in FORMULATIONS.items()])
def test_model_is_a_problem_in_the_user_s_unit(goal, form):
    system = SYSTEMS["equal delays"]
    model = system.model(goal, 12.0, form)
    assert model.problem.is_dcp(dpp=True)
    model.problem.solve(solver="CLARABEL")
    np.testing.assert_allclose(
        model.flow.value, getattr(exact, goal)(system.bank, 12.0).flow, atol=2e-3
    )
    model.set_load(9.0)
    model.problem.solve(solver="CLARABEL")
    assert model.flow.value.sum() == pytest.approx(9.0, rel=1e-6)


def test_model_takes_constraints_of_one_s_own():
    """Of two M/M/1 servers the first has at most 2, so the second has the other 4."""
    model = ParallelServers(MM1([10.0, 5.0])).model("optimum", 6.0)
    problem = cp.Problem(
        model.problem.objective, [*model.problem.constraints, model.flow[0] <= 2.0]
    )
    problem.solve(solver="CLARABEL")
    np.testing.assert_allclose(model.flow.value, [2.0, 4.0], atol=1e-6)
    # the objective is the total delay, a number without a unit: 2/8 + 4/1
    assert problem.value == pytest.approx(2 / 8 + 4 / 1, rel=1e-6)


def test_model_refuses_what_the_solvers_refuse():
    with pytest.raises(LoadError, match="not below the total rate"):
        SYSTEMS["MM1"].model("optimum", 380.0)
    with pytest.raises(FormulationError, match="is not one of the optimum"):
        SYSTEMS["MM1"].model("optimum", 1.0, "beckmann")


# ---- size


def test_ten_thousand_servers():
    rng = np.random.default_rng(7)
    system = ParallelServers(MM1(rng.uniform(50, 500, 10_000), rng.uniform(0, 0.05, 10_000)))
    load = 0.8 * system.total_rate
    for goal in GOALS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = getattr(system, goal)(load)
        true = getattr(exact, goal)(system.bank, load)
        assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-11)
        np.testing.assert_allclose(found.flow, true.flow, rtol=1e-8, atol=1e-10)
        assert found.timing.compile < 5
