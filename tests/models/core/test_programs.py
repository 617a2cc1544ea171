"""Programs are written and compiled once a process for all systems of one shape."""

import threading

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import (
    BPR,
    MG1,
    MM1,
    Budget,
    Constant,
    DualMode,
    MaxUtilisation,
    MultiMode,
    ParallelServers,
    Polynomial,
)
from sojourn.models.core import solve as engine
from sojourn.models.core.parametric import Compiled
from sojourn.models.core.programs import ProgramStore
from sojourn.models.core.solve import Task
from sojourn.models.core.solver_specs import spec
from sojourn.models.systems.parallel.formulations import FORMULATIONS, build
from sojourn.models.systems.parallel.questions import MAX_SHARED

GOALS = ("optimum", "equilibrium")
# pairs of systems of one shape, with different numbers
PAIRS = {
    "M/M/1": [
        ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.02])),
        ParallelServers(MM1([3.0, 7.0, 1.0], [0.0, 2.0, 0.1])),
    ],
    "mixed": [
        ParallelServers(MM1([3.0, 0.5], 0.2), MG1([7.0, 2.0], cv=[4.0, 0.5]), Constant([0.4])),
        ParallelServers(MM1([1.0, 1.5], 0.0), MG1([2.0, 9.0], cv=[0.0, 2.0]), Constant([0.9])),
    ],
    "roads": [
        ParallelServers(BPR([10.0, 12.0], [100.0, 50.0], power=[4.0, 2.5])),
        ParallelServers(BPR([3.0, 2.0], [20.0, 70.0], b=0.3, power=[4.0, 2.5])),
    ],
    "polynomials": [
        ParallelServers(Polynomial([[1.0, 0.5, 0.0], [0.2, 0.0, 0.1]])),
        ParallelServers(Polynomial([[0.1, 0.2, 0.0], [0.3, 0.0, 0.7]])),
    ],
}
SHAPED = [
    (name, form)
    for name, (system, _) in PAIRS.items()
    for form, formulation in FORMULATIONS.items()
    if form != "minmax" and formulation.cone and not formulation.refuses(system.bank)
]
A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
B = DualMode.canonical(mu0=2.0, K=9.0, f=(0.05, 0.5))


@pytest.fixture
def store(monkeypatch):
    """Start with no program, and return the store."""
    fresh = ProgramStore()
    monkeypatch.setattr(engine, "SHARED", fresh)
    return fresh


@pytest.fixture
def compilations(monkeypatch):
    """Return a list of the solvers for which a program was compiled."""
    made, honest = [], Compiled.__init__

    def counted(self, problem, solver, options):
        made.append(solver)
        honest(self, problem, solver, options)

    monkeypatch.setattr(Compiled, "__init__", counted)
    return made


def load_of(system):
    return 0.7 * system.max_load if np.isfinite(system.max_load) else 60.0


def data_of(problem, solver="CLARABEL"):
    """Return A, b and c of a cone program as CVXPY makes them for a solver."""
    data = problem.get_problem_data(solver)[0]
    return data["A"].toarray(), data["b"], data["c"]


# ---- the data of a shared program


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
@pytest.mark.parametrize(("name", "form"), SHAPED)
def test_program_of_one_system_has_the_data_of_another(name, form, solver):
    """Entry by entry: written for the first system, with the numbers of the second."""
    first, second = PAIRS[name]
    goal, load = FORMULATIONS[form].goal, load_of(second)
    question = second._task(goal, load, formulation=form).question
    points = (np.array([load]),)
    assert question.shape(form) == first._task(goal, 1.0).question.shape(form) is not None
    program = first._task(goal, 1.0).question.write(form, (np.array([load_of(first)]),))
    values = list(question.parameters(program, points))
    assert {p.id for p, _ in values} == {p.id for p in program.problem.parameters()}
    for parameter, rows in values:
        parameter.value = rows[0]
    own = build(FORMULATIONS[form], second.bank, load, question.unit)
    true_data = data_of(own.problem, solver)
    for mine, true in zip(data_of(program.problem, solver), true_data, strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-14, atol=1e-15 * np.abs(true).max())
    compiled = Compiled(program.problem, solver, spec(solver).tight)
    changes, mine = compiled.changes(values), compiled.native_solver.program
    row = changes.apply(mine, 0)
    for found, true in zip((row.matrix.toarray(), row.right, row.linear), true_data, strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-14, atol=1e-15 * np.abs(true).max())


@pytest.mark.parametrize(("name", "form"), SHAPED)
def test_every_number_of_a_used_server_changes_the_answer(name, form):
    """A number that is not 0 changes the data of the solver, or the constant of the objective."""
    system, _ = PAIRS[name]
    goal, load = FORMULATIONS[form].goal, load_of(system)
    question, points = system._task(goal, load, formulation=form).question, (np.array([load]),)
    program = question.write(form, points)
    values = list(question.parameters(program, points))
    for parameter, rows in values:
        parameter.value = rows[0]
    compiled = Compiled(program.problem, "CLARABEL", spec("CLARABEL").tight)

    def data(changed):
        row = compiled.changes(changed)
        return np.concatenate([np.ravel(part) for part in vars(row).values() if part is not None])

    def least(changed):
        output = compiled.solve(*changed, new=np.array([True]))
        for variable in program.problem.variables():
            variable.save_value(output.value(variable)[0])
        for parameter, rows in changed:
            parameter.value = rows[0]
        return program.problem.objective.value

    usual, found = least(values), getattr(system, goal)(load)
    for moved, old in values:
        for place in range(moved.size):
            new = old * np.where(np.arange(moved.size) == place, 1.01, 1.0).reshape(old.shape)
            changed = [(p, new if p is moved else rows) for p, rows in values]
            if not np.ravel(old)[place]:
                continue  # its place is 0 in all systems of this shape, or the number may be 0
            if moved.size == 1 or found.active[place]:
                assert least(changed) != pytest.approx(usual, rel=1e-7), (moved.name(), place)
            elif moved.name() != "k_log_rate":
                assert np.any(data(changed) != data(values)), (moved.name(), place)


# ---- what shares a program


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", PAIRS)
def test_second_system_compiles_nothing_and_is_answered_as_if_alone(
    name, goal, store, compilations, monkeypatch
):
    first, second = PAIRS[name]
    getattr(first, goal)(load_of(first))
    assert compilations == ["CLARABEL"]
    found = getattr(second, goal)(load_of(second))
    assert compilations == ["CLARABEL"]
    assert len(store) == 1
    monkeypatch.setattr(engine, "SHARED", ProgramStore())
    alone = getattr(second, goal)(load_of(second))
    assert found.mean_delay == alone.mean_delay
    np.testing.assert_array_equal(found.flow, alone.flow)


def test_curve_and_single_answer_and_price_of_anarchy_share_programs(store, compilations):
    first, second = PAIRS["M/M/1"]
    first.curve(np.linspace(30.0, 350.0, 5))
    assert compilations == ["CLARABEL"] * 2
    first.optimum(100.0)
    second.price_of_anarchy(9.0)
    second.curve([1.0, 9.0])
    second.worst_case()
    assert compilations == ["CLARABEL"] * 2
    assert len(store) == 2


def test_limits_players_and_leaders_share_programs(store, compilations):
    for system in PAIRS["M/M/1"]:
        load = load_of(system)
        system.optimum(load, subject_to=[MaxUtilisation(0.9)])
        system.equilibrium(load, players=3)
        system.control(load, 0.5)
    assert len(compilations) == len(store)
    assert len(compilations) <= 5


def test_service_modes_share_programs(store, compilations):
    for system in (A, B):
        system.assignment(0.8 * system.max_load)
        system.partition(0.5 * system.max_load, 0.9)
        system.capacity()
        system.breakaway()
    assert len(compilations) == len(store) == 3


@pytest.mark.parametrize("other", [
    ParallelServers(MM1([3.0, 7.0])),
    ParallelServers(MG1([3.0, 7.0, 1.0], cv=1.0)),
    ParallelServers(MM1([3.0, 7.0]), MM1([1.0])),
    ParallelServers(Polynomial([[1.0, 0.5], [0.0, 0.2], [0.1, 0.2]])),
])  # fmt: skip
def test_systems_of_other_shapes_have_programs_of_their_own(other, store):
    first = PAIRS["M/M/1"][0]
    first.optimum(100.0)
    found = other.optimum(load_of(other) / 10)
    assert found.certified
    assert len(store) == 2


def test_matrix_of_limits_belongs_to_the_shape(store):
    """The coefficients of rows are written into programs: other prices need another program."""
    system = PAIRS["M/M/1"][0]
    for prices in ([1.0, 2.0, 5.0], [5.0, 1.0, 2.0]):
        found = system.optimum(200.0, subject_to=[Budget(prices, 600.0)])
        assert np.dot(prices, found.flow) <= 600.0 * (1 + 1e-9)
    assert len(store) == 2


class Unscaled(MM1):
    """A family whose units a view converts: its numbers are not those of the program."""

    rates = None


def test_family_without_units_of_its_own_is_written_with_its_numbers(store):
    for rates in ([3.0, 5.0], [30.0, 2.0]):
        found, true = ParallelServers(Unscaled(rates)), ParallelServers(MM1(rates))
        for goal in GOALS:
            assert getattr(found, goal)(1.5).mean_delay == pytest.approx(
                getattr(true, goal)(1.5).mean_delay, rel=1e-12
            )
    assert len(store) == len(GOALS)  # those of MM1


def test_many_servers_are_written_with_their_numbers(store):
    rng = np.random.default_rng(4)
    large = ParallelServers(MM1(rng.uniform(1.0, 2.0, MAX_SHARED + 1)))
    assert large.optimum(50.0).certified
    assert len(store) == 0


# ---- answers of their own


def test_problem_of_an_answer_has_its_own_numbers_and_values():
    """Also after another system has used the same program."""
    first, second = PAIRS["M/M/1"]
    found = first.optimum(300.0)
    second.optimum(9.0)
    problem = found.problem
    assert problem is found.problem
    assert problem.status == found.status
    flow = next(v for v in problem.variables() if v.name() == "flow")
    unit = first._unit(300.0)
    np.testing.assert_allclose(flow.value / unit, found.flow, rtol=1e-4)
    value = problem.value
    assert problem.solve(solver="CLARABEL") == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(flow.value / unit, found.flow, rtol=1e-4)


@pytest.mark.parametrize("formulation", ["inv_pos", "beckmann", "geo_mean", "qp"])
def test_duals_of_the_problem_of_an_answer_are_those_of_cvxpy(formulation):
    system = ParallelServers(MM1([10.0, 5.0, 3.0], 0.2))
    goal = FORMULATIONS[formulation].goal
    problem = getattr(system, goal)(9.0, formulation=formulation).problem
    before = [np.array(c.dual_value) for c in problem.constraints[:1]]
    problem.solve(solver="CLARABEL")
    for mine, constraint in zip(before, problem.constraints[:1], strict=True):
        np.testing.assert_allclose(mine, constraint.dual_value, rtol=1e-4)


def test_threads_do_not_share_a_program_in_use():
    systems = [ParallelServers(MM1([3.0 + i, 7.0, 1.0])) for i in range(8)]
    alone = [system.optimum(0.6 * system.total_rate).mean_delay for system in systems]
    found = [[] for _ in systems]

    def work(i):
        for _ in range(20):
            found[i].append(systems[i].optimum(0.6 * systems[i].total_rate).mean_delay)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(systems))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[delay] * 20 for delay in alone]


# ---- the store


def test_store_keeps_the_programs_that_were_used_last():
    store, written = ProgramStore(most=2), []

    def use(key):
        with store.borrow(key, lambda: written.append(key) or key) as program:
            assert program.program == key

    for key in "abacab":
        use(key)
    assert written == ["a", "b", "c", "b"]
    assert len(store) == 2


def test_program_in_use_is_written_again_for_another_user_and_kept_once():
    store = ProgramStore()
    with store.borrow("key", object) as one, store.borrow("key", object) as other:
        assert one.program is not other.program
    assert len(store) == 1


def test_failure_leaves_the_program_in_the_store():
    store = ProgramStore()
    with pytest.raises(ZeroDivisionError), store.borrow("key", object) as kept:
        raise ZeroDivisionError
    with store.borrow("key", object) as again:
        assert again is kept


def test_user_s_options_are_not_mixed_up(store):
    system = PAIRS["M/M/1"][0]
    full = system.optimum(300.0, polish=False)
    few = system.optimum(
        300.0, polish=False, solver="CLARABEL", solver_options={"max_iter": 4}, gap=1e9
    )
    assert few.certificate.gap > 100 * full.certificate.gap
    assert system.optimum(300.0, polish=False).certificate.gap == full.certificate.gap


# ---- several systems in one task


def together(systems, goal, **options):
    tasks = [s._task(goal, load_of(s), **options) for s in systems]
    assert len({task.shape for task in tasks}) == 1
    return Task.together(tasks)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", PAIRS)
def test_points_of_several_systems_are_answered_as_those_of_each(name, goal):
    systems = PAIRS[name]
    loads = [load_of(system) * np.array([0.1, 1.0, 0.0, 1.3]) for system in systems]
    joined = together(systems, goal)
    rows = joined.solve(np.concatenate(loads), np.repeat([0.0, 1.0], 4))
    for i, (system, own) in enumerate(zip(systems, loads, strict=True)):
        alone = system._task(goal, own[0]).solve(own)
        part = rows.only(slice(4 * i, 4 * i + 4))
        assert part.certified.all()
        np.testing.assert_allclose(part.mean_delay, alone.mean_delay, rtol=1e-13)
        np.testing.assert_allclose(part.flow, alone.flow, rtol=0, atol=1e-11 * own.max())
        np.testing.assert_allclose(part.multiplier, alone.multiplier, rtol=1e-10)


def test_what_the_joined_task_cannot_certify_each_task_solves(monkeypatch):
    systems = PAIRS["M/M/1"]
    joined, honest = together(systems, "optimum"), Compiled.solve

    def lossy(self, *values, new=None):
        outputs = honest(self, *values, new=new)
        if len(outputs.raw.x) == 4:
            outputs.raw.x[1] = np.nan
        return outputs

    monkeypatch.setattr(Compiled, "solve", lossy)
    loads = np.array([100.0, 300.0, 3.0, 9.0])
    rows = joined.solve(loads, np.array([0.0, 0.0, 1.0, 1.0]))
    assert rows.certified.all()
    assert rows.mean_delay[1] == pytest.approx(systems[0].optimum(300.0).mean_delay, rel=1e-12)


def test_tasks_of_other_shapes_or_options_are_not_joined():
    first, second = PAIRS["M/M/1"]
    other = PAIRS["mixed"][0]
    shapes = {
        first._task("optimum", 1.0).shape,
        first._task("equilibrium", 1.0).shape,
        first._task("optimum", 1.0, gap=1e-6).shape,
        first._task("optimum", 1.0, solver="SCS").shape,
        other._task("optimum", 1.0).shape,
    }
    assert len(shapes) == 5
    assert None not in shapes
    limited = first._task("optimum", 1.0, subject_to=[MaxUtilisation(0.9)])
    assert limited.question.together([limited.question]) is None
    assert first._task("equilibrium", 1.0, formulation="minmax").shape is None
    assert second._task("optimum", 1.0).shape == first._task("optimum", 1.0).shape


def test_modes_with_an_infinite_rate_share_a_program(store, compilations):
    rates = [[4.0, 2.0, 3.0], [30.0, 40.0, 10.0], [80.0, 200.0, np.inf]]
    for factor in (1.0, 2.0):
        found = MultiMode(np.array(rates) * factor).partition(2.0, [0.5, 0.3, 0.2])
        assert found.certified
    assert compilations == ["CLARABEL"]
    assert cp.installed_solvers()
