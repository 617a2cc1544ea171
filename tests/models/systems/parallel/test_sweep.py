"""Many loads at once give the answers, certificates and solvers of single solves."""

import math

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import MD1, MG1, MM1, DualMode, InputError, MinShare, MultiMode, ParallelServers
from sojourn.models.core import solve as engine
from sojourn.models.core.programs import ProgramStore
from sojourn.models.latency import Constant, MMc
from sojourn.reference import service_modes as exact_dual
from sojourn.reference.parallel import optimum_equilibrium as exact

GOALS = ("optimum", "equilibrium")
SYSTEMS = {
    "MM1": ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])),
    "equal": ParallelServers(MM1([5.0, 3.0, 1.0])),
    "mixed": ParallelServers(MM1([3.0, 0.5], 0.2), MD1([1.0, 2.0]), MG1([7.0], cv=4.0, delay=1.0)),
}
PARTS = np.array([0.9, 0.02, 0.5, 1 - 1e-6, 0.999])


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("solver", [None, "ECOS", "SCS"])
def test_answers_are_those_of_single_solves_and_of_the_reference(name, goal, solver):
    system = SYSTEMS[name]
    parts = PARTS if solver is None else PARTS[PARTS <= 0.999]  # one solver alone fails beyond
    loads = parts * system.total_rate
    found = system._task(goal, loads[0], solver=solver).solve(loads)
    true = getattr(exact, goal)(system.bank, loads)
    assert found.certified.all()
    np.testing.assert_allclose(found.mean_delay, true.mean_delay, rtol=1e-8)
    assert np.all(np.abs(found.mean_delay / true.mean_delay - 1) <= found.gap)
    assert np.all(
        (found.lower_bound <= true.mean_delay * (1 + 1e-12))
        & (true.mean_delay * (1 - 1e-12) <= found.upper_bound)
    )
    for k, load in enumerate(loads):
        alone = getattr(system, goal)(load, solver=solver)
        assert found.mean_delay[k] == pytest.approx(alone.mean_delay, rel=1e-9)
        assert found.multiplier[k] == pytest.approx(alone.multiplier, rel=1e-8)
        np.testing.assert_allclose(found.flow[k], alone.flow, rtol=0, atol=1e-9 * load)


@pytest.mark.parametrize("goal", GOALS)
def test_answer_does_not_depend_on_what_was_solved_before(goal):
    """Answers do not depend on the place in a block either, up to rounding of Newton steps."""
    system = SYSTEMS["mixed"]
    loads = np.linspace(0.05, 0.95, 7) * system.total_rate
    whole = system._task(goal, loads[0]).solve(loads)
    used = system._task(goal, loads[3])
    used.solve(loads[::-1])
    for k, load in enumerate(loads):
        fresh = system._task(goal, load).solve(loads[k : k + 1])
        for found in (fresh, used.solve(loads[k : k + 1])):
            np.testing.assert_allclose(found.mean_delay, whole.mean_delay[k], rtol=1e-13)
            np.testing.assert_allclose(found.flow[0], whole.flow[k], rtol=0, atol=1e-12 * load)


def test_the_next_solver_gets_the_loads_that_one_misses(monkeypatch):
    """The next solver gets only the loads that are not certified yet."""
    honest, asked = engine.Compiled.solve, []

    def solve(self, *values, new=None):
        answers = honest(self, *values, new=new)
        asked.append((type(self.native_solver).__name__, len(values[0][1])))
        if asked[-1] == ("Clarabel", 3):
            answers.raw.x[:2] = np.nan
        elif asked[-1][0] == "Clarabel":
            answers.raw.x[1] = np.nan
        return answers

    monkeypatch.setattr(engine.Compiled, "solve", solve)
    system = SYSTEMS["MM1"]
    found = system._task("optimum", 100.0).solve(np.array([100.0, 190.0, 350.0]))
    # first with the solver's own tolerances, then with tighter ones, then the next solver
    following = "ECOS" if "ECOS" in cp.installed_solvers() else "SCS"
    assert asked == [("Clarabel", 3), ("Clarabel", 2), (following, 1)]
    assert found.certified.all()


def test_without_polish_the_solver_s_own_answers_are_certified():
    system = SYSTEMS["MM1"]
    loads = np.array([100.0, 350.0])
    found, true = (
        system._task("optimum", 100.0, polish=False, solver="SCS").solve(loads),
        exact.optimum(system.bank, loads),
    )
    assert np.all(np.abs(found.mean_delay / true.mean_delay - 1) <= found.gap)
    assert (
        not system._task("optimum", 100.0, polish=False, solver="SCS", gap=1e-16)
        .solve(loads)
        .certified.any()
    )


@pytest.mark.parametrize("options", [{"formulation": "minmax"}, {"polish": False}])
def test_programs_that_cannot_be_compiled_are_solved_one_at_a_time(options):
    """Prefixes of the servers, and tangents that are added until the gap is small enough."""
    bank = MM1([10.0, 5.0]) if "formulation" in options else MMc([4.0, 3.0], servers=[2, 3])
    asked = ParallelServers(bank)._task("equilibrium", 3.0, **options)
    assert asked.block == 1
    loads = np.array([3.0, 6.0])
    found, true = asked.solve(loads), exact.equilibrium(bank, loads)
    assert found.certified.all()
    assert np.all(np.abs(found.mean_delay / true.mean_delay - 1) <= found.gap)
    assert found.gap.max() < 1e-5


@pytest.mark.parametrize("goal", GOALS)
def test_one_program_of_tangents_serves_all_loads_and_what_it_misses_has_its_own(goal, monkeypatch):
    """Newton steps improve the flows of one compiled program; certificates show where they fail."""
    bank = MMc([4.0, 3.0, 0.2], [2, 3, 50], [0.0, 0.4, 0.1])
    system, honest, asked = ParallelServers(bank), engine.Task._singly, []
    monkeypatch.setattr(
        engine.Task,
        "_singly",
        lambda task, step, points: asked.append(points[0][0]) or honest(task, step, points),
    )
    loads = np.array([0.5, 3.0, 12.0, 26.0, 26.99])
    true = getattr(exact, goal)(bank, loads)
    found = system._task(goal, 3.0).solve(loads)
    assert asked == []
    assert found.certified.all()
    np.testing.assert_allclose(found.mean_delay, true.mean_delay, rtol=1e-12)
    compiled = engine.Compiled.solve

    def solve(self, *values, new=None):
        answers = compiled(self, *values, new=new)
        answers.raw.x[1] = np.nan
        return answers

    monkeypatch.setattr(engine.Compiled, "solve", solve)
    np.testing.assert_allclose(
        system._task(goal, 3.0).solve(loads).mean_delay, true.mean_delay, rtol=1e-9
    )
    assert asked == [3.0]


def test_within_limits_too():
    system, limit = SYSTEMS["MM1"], MinShare([0.0, 0.0, 0.6])
    found = system._task("optimum", 100.0, subject_to=[limit]).solve(np.array([100.0, 200.0]))
    assert found.certified.all()
    assert found.mean_delay[0] == pytest.approx(
        system.optimum(100.0, subject_to=[limit]).mean_delay, rel=1e-12
    )
    with pytest.raises(InputError, match="selfish users keep no operator's limits"):
        system._task("equilibrium", 100.0, subject_to=[limit])


def test_option_that_the_solver_does_not_have_is_named_before_it_starts():
    with pytest.raises(
        InputError,
        match=r"^solver_options\['no_such'\] = 1: is not taken by CLARABEL: TypeError: .*no_such",
    ):
        SYSTEMS["MM1"]._task("optimum", 100.0, solver="CLARABEL", solver_options={"no_such": 1})


def test_a_program_that_a_solver_does_not_take_leaves_no_answer(monkeypatch):
    def refuse(*_):
        raise cp.error.SolverError("too many cones")

    monkeypatch.setattr(engine, "Compiled", refuse)
    monkeypatch.setattr(engine, "SHARED", ProgramStore())
    found = SYSTEMS["MM1"]._task("optimum", 100.0).solve(np.array([100.0]))
    assert np.isnan(found.mean_delay[0])
    assert found.gap[0] == math.inf
    assert not found.certified[0]


def test_endless_and_constant_servers():
    """Servers with an infinite rate: no utilisation, and a constant price."""
    system = ParallelServers(MM1([10.0, 5.0]), Constant([0.5]))
    loads = np.array([4.0, 12.0, 100.0])
    for goal in GOALS:
        found = system._task(goal, loads[0]).solve(loads)
        assert found.certified.all()
        np.testing.assert_allclose(
            found.mean_delay, getattr(exact, goal)(system.bank, loads).mean_delay, rtol=1e-9
        )


A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
THREE = MultiMode([[6.0, 2.5], [20.0, 30.0], [4.0, 9.0]])


@pytest.mark.parametrize("solver", [None, "SCS"])
@pytest.mark.parametrize("system", [A, THREE], ids=["two stages", "three stages"])
def test_assignments_are_those_of_single_solves_and_of_the_reference(system, solver):
    loads = np.array([0.3, 0.95, 0.05, 0.8]) * system.max_load
    found = system._assignment_task(solver=solver).solve(loads)
    assert found.certified.all()
    for k, load in enumerate(loads):
        true, alone = (
            exact_dual.assignment(system.rates, load),
            system.assignment(load, solver=solver),
        )
        assert found.mean_delay[k] == pytest.approx(true.mean_delay, rel=1e-9)
        assert found.lower_bound[k] <= true.mean_delay * (1 + 1e-14)
        assert found.assignment[k, 0] == pytest.approx(alone.p, abs=1e-8)
        np.testing.assert_allclose(found.share[k], alone.share, atol=1e-8)


@pytest.mark.parametrize("solver", [None, "ECOS", "SCS"])
def test_partitions_are_those_of_single_solves(solver):
    system = MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 10.0], [80.0, 200.0, np.inf]])
    loads, parts = (
        np.array([2.0, 1.0, 1.5]),
        np.array([[0.5, 0.3, 0.2], [0.7, 0.0, 0.3], [1.0, 0.0, 0.0]]),
    )
    found = system._partition_task(solver=solver).solve(loads, parts)
    assert found.certified.all()
    for k, load in enumerate(loads):
        alone = system.partition(load, parts[k], solver=solver)
        assert found.mean_delay[k] == pytest.approx(alone.mean_delay, rel=1e-13)
        np.testing.assert_allclose(found.share[k], alone.share, rtol=1e-9, atol=1e-12)


def test_solver_that_takes_no_new_data_solves_one_load_at_a_time(monkeypatch):
    monkeypatch.setattr(engine, "native_solver", lambda solver: None)
    loads = np.array([1.0, 4.5])
    one, parts = A._assignment_task(), A._partition_task()
    assert (one.block, parts.block) == (1, 1)
    np.testing.assert_allclose(
        one.solve(loads).mean_delay, exact_dual.best_assignment(A.rates, loads)[1], rtol=1e-10
    )
    half = np.array([[0.5, 0.5], [0.6, 0.4]])
    np.testing.assert_allclose(
        parts.solve(loads, half).mean_delay,
        [exact_dual.delay(A.rates, x, p) for x, p in ((1.0, 0.5), (4.5, 0.6))],
    )
