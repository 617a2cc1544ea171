"""Solvers that fail, return wrong flows, are missing or lack a cone: next steps and errors."""

import json
import math
import warnings

import cvxpy as cp
import numpy as np
import pytest
from replaced_solvers import forbid_solvers, replace_answers

from sojourn.models import (
    MM1,
    FormulationError,
    InputError,
    NotCertifiedError,
    ParallelServers,
    SolverNameError,
)
from sojourn.models.core import solvers
from sojourn.models.systems.parallel.questions import Split
from sojourn.models.systems.parallel.solution import Solution
from sojourn.reference.parallel import optimum_equilibrium as exact

GOALS = ("optimum", "equilibrium")
LOAD = 12.0
RATES = [10.0, 5.0, 3.0]
UNIT = ParallelServers(MM1(RATES))._unit(1.0)  # unit of time of the compiled problem
INSTALLED = cp.installed_solvers()
DEFAULT_SOLVERS = [s.name for s in solvers.SOLVERS if s.default]

every_goal = pytest.mark.parametrize("goal", GOALS)


@pytest.fixture
def system():
    return ParallelServers(MM1(RATES, [0.0, 0.1, 1.0]))


@pytest.fixture
def same():
    """M/M/1 servers with equal delays, for which all formulations hold."""
    return ParallelServers(MM1(RATES, 0.2))


def truth(system, goal, load=LOAD):
    return getattr(exact, goal)(system.bank, load)


@pytest.fixture
def fake_solvers(monkeypatch):
    """Let named solvers return a given flow or None, and record the runs of all solvers."""

    def install(wrong_solvers, status="optimal"):
        runs = []

        def wrong(solver, _, values):
            runs.append(solver)
            if solver not in wrong_solvers:
                return None
            flow, values = wrong_solvers[solver], values["flow"]
            values[:] = np.nan if flow is None else np.array(flow)[: values.shape[1]] * UNIT
            return status

        replace_answers(monkeypatch, wrong)
        return runs

    return install


@pytest.fixture
def untouched(monkeypatch):
    """Fail the test when a solver starts."""
    forbid_solvers(monkeypatch)


# ---- the next solver


@every_goal
def test_first_solver_alone_where_it_is_certified(system, goal, fake_solvers):
    runs = fake_solvers({})
    answer = getattr(system, goal)(LOAD)
    assert runs == ["CLARABEL"]
    assert [a.solver for a in answer.attempts] == ["CLARABEL"]
    assert answer.attempts[0].gap == answer.certificate.gap


@every_goal
def test_solver_that_fails_is_followed_by_the_next(system, goal, fake_solvers):
    runs = fake_solvers({"CLARABEL": None}, status="SolverError: lost")
    answer = getattr(system, goal)(LOAD)
    following = next(s for s in DEFAULT_SOLVERS[1:] if s in INSTALLED)
    assert runs == ["CLARABEL", following]
    assert answer.certified
    assert answer.solver == following
    assert answer.mean_delay == pytest.approx(float(truth(system, goal).mean_delay), rel=1e-12)
    first, second = answer.attempts
    assert (first.solver, first.status, first.gap) == ("CLARABEL", "SolverError: lost", math.inf)
    assert (second.solver, second.gap) == (following, answer.certificate.gap)
    assert all(a.seconds > 0 for a in answer.attempts)


WRONG_FLOWS = {
    "over capacity": [50.0, 50.0, 50.0],
    "nan": [math.nan] * 3,
    "infinite": [math.inf, 1.0, 1.0],
    "negative": [-5.0, -5.0, -5.0],
}


@every_goal
@pytest.mark.parametrize("wrong_flow", WRONG_FLOWS.values(), ids=WRONG_FLOWS)
def test_status_optimal_is_not_trusted(system, goal, wrong_flow, fake_solvers):
    """The certificate decides, not the status."""
    fake_solvers({"CLARABEL": wrong_flow})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        answer = getattr(system, goal)(LOAD, polish=False, gap=1e-2)
    assert answer.attempts[0].status == "optimal"
    assert answer.attempts[0].gap == math.inf
    assert answer.solver != "CLARABEL"
    true = float(truth(system, goal).mean_delay)
    assert abs(answer.mean_delay - true) / true <= answer.certificate.gap <= 1e-2


@every_goal
@pytest.mark.parametrize("wrong_flow", WRONG_FLOWS.values(), ids=WRONG_FLOWS)
def test_wrong_flow_is_refined_or_rejected_but_never_returned(
    system, goal, wrong_flow, fake_solvers
):
    fake_solvers({"CLARABEL": wrong_flow})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        answer = getattr(system, goal)(LOAD)
    assert answer.certified
    np.testing.assert_allclose(answer.flow, truth(system, goal).flow, rtol=1e-10, atol=1e-12)


@every_goal
def test_feasible_wrong_flow_is_refined_to_the_true_one(system, goal, fake_solvers):
    """Newton steps reach the optimum from any feasible flow."""
    fake_solvers({"CLARABEL": [7.0, 3.0, 2.0]})
    answer = getattr(system, goal)(LOAD)
    assert answer.solver == "CLARABEL"
    assert answer.polished >= 1
    np.testing.assert_allclose(answer.flow, truth(system, goal).flow, rtol=1e-10, atol=1e-12)


@every_goal
def test_feasible_wrong_flow_without_refinement_is_not_certified(system, goal, fake_solvers):
    fake_solvers({"CLARABEL": [4.0, 4.9, 2.9]})
    answer = getattr(system, goal)(LOAD, polish=False, gap=1e-3)
    assert answer.attempts[0].gap > 0.1
    assert answer.solver != "CLARABEL"
    assert answer.certified


@every_goal
def test_every_solver_s_first_formulation_comes_before_any_second(system, goal, fake_solvers):
    default_solvers = [s for s in DEFAULT_SOLVERS if s in INSTALLED]
    fake_solvers(dict.fromkeys(default_solvers, WRONG_FLOWS["over capacity"]))
    with pytest.raises(NotCertifiedError) as caught:
        getattr(system, goal)(LOAD, polish=False, gap=1e-3)
    forms = {"optimum": ("inv_pos", "quad_over_lin"), "equilibrium": ("beckmann", "minmax")}[goal]
    assert [(a.formulation, a.solver) for a in caught.value.attempts] == [
        (f, s) for f in forms for s in default_solvers
    ]


@every_goal
def test_table_of_a_question_is_not_changed_by_later_solvers(
    system, goal, fake_solvers, monkeypatch
):
    """Columns of such a table may be one array."""
    fake_solvers({"CLARABEL": [4.0, 4.9, 2.9]})
    honest, tables = Split.finish, []

    def finish(self, program, returned, points):
        rows = honest(self, program, returned, points)
        tables.append((rows, rows.only(np.array([0]))))
        return rows

    monkeypatch.setattr(Split, "finish", finish)
    assert getattr(system, goal)(LOAD, polish=False, gap=1e-3).solver != "CLARABEL"
    assert len(tables) > 1
    for rows, before in tables:
        for now, then in zip(rows.values(slice(None)), before.values(slice(None)), strict=True):
            np.testing.assert_array_equal(now, then)


# ---- none is certified


@every_goal
def test_wrong_flows_of_all_solvers_raise(system, goal, fake_solvers):
    fake_solvers(dict.fromkeys(INSTALLED, WRONG_FLOWS["over capacity"]))
    with pytest.raises(
        NotCertifiedError,
        match=rf"^no certified {goal} at load 12, gap 1\.0e-03 wanted\. Tried CLARABEL",
    ) as caught:
        getattr(system, goal)(LOAD, polish=False, gap=1e-3)
    message = str(caught.value)
    assert message.endswith(
        "Ask for a wider gap=, name another solver=, or take the best answer with throw=False"
    )
    assert "optimal, gap inf" in message
    assert isinstance(caught.value.solution, Solution)
    assert not caught.value.solution.certified
    assert caught.value.solution.attempts == caught.value.attempts
    assert isinstance(caught.value, RuntimeError)


@every_goal
def test_failure_of_all_solvers_raises(system, goal, fake_solvers):
    fake_solvers(dict.fromkeys(INSTALLED, None), status="infeasible")
    for throw in (True, False):  # there is no best answer to return
        with pytest.raises(NotCertifiedError, match="infeasible, gap inf") as caught:
            getattr(system, goal)(LOAD, throw=throw)
        assert caught.value.solution is None
        assert {a.status for a in caught.value.attempts} == {"infeasible"}


@every_goal
def test_throw_false_returns_the_best_uncertified(system, goal, fake_solvers):
    fake_solvers({**dict.fromkeys(INSTALLED, WRONG_FLOWS["over capacity"]), "SCS": [7.0, 3.0, 2.0]})
    answer = getattr(system, goal)(LOAD, polish=False, gap=1e-12, throw=False)
    assert not answer.certified
    assert answer.solver == "SCS"
    assert 1e-12 < answer.certificate.gap < 10
    assert answer.certificate.gap == min(a.gap for a in answer.attempts)
    true = float(truth(system, goal).mean_delay)
    assert abs(answer.mean_delay - true) / true <= answer.certificate.gap
    assert "NOT CERTIFIED within" in repr(answer)
    assert json.loads(json.dumps(answer.to_dict()))["certified"] is False


@every_goal
def test_infinite_gap_is_never_certified(system, goal, fake_solvers):
    fake_solvers(dict.fromkeys(INSTALLED, WRONG_FLOWS["over capacity"]))
    answer = getattr(system, goal)(LOAD, polish=False, throw=False)
    assert answer.certificate.gap == math.inf
    assert not answer.certified


@every_goal
@pytest.mark.parametrize(
    "polish",
    [True, False],
)
def test_answer_of_zeros_passes_without_a_warning(system, goal, polish, fake_solvers):
    """There is no division of 0 by 0."""
    fake_solvers({"CLARABEL": [0.0, 0.0, 0.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        answer = getattr(system, goal)(LOAD, polish=polish, gap=1e-3)
    assert answer.mean_delay == pytest.approx(float(truth(system, goal).mean_delay), rel=1e-3)


# ---- names


@pytest.mark.usefixtures("untouched")
@every_goal
def test_solver_that_cvxpy_does_not_know(system, goal):
    with pytest.raises(
        SolverNameError,
        match=r"^solver = 'CLARABLE': is not a solver that CVXPY knows; use one of .*CLARABEL",
    ):
        getattr(system, goal)(LOAD, solver="CLARABLE")


@pytest.mark.usefixtures("untouched")
@every_goal
def test_solver_that_is_not_installed(system, goal, monkeypatch):
    monkeypatch.setattr(cp, "installed_solvers", lambda: ["CLARABEL", "SCS"])
    with pytest.raises(
        SolverNameError,
        match=r"^solver = 'ECOS': is not installed; install it, or use one of CLARABEL, SCS$",
    ):
        getattr(system, goal)(LOAD, solver="ECOS")


@every_goal
def test_name_in_lower_case_is_the_same_solver(system, goal):
    assert getattr(system, goal)(LOAD, solver="scs").solver == "SCS"


@every_goal
def test_without_ecos_the_chain_is_shorter(system, goal, monkeypatch, fake_solvers):
    """There is no wheel of ECOS for Python 3.13."""
    monkeypatch.setattr(cp, "installed_solvers", lambda: ["CLARABEL", "SCS"])
    runs = fake_solvers({"CLARABEL": None})
    assert getattr(system, goal)(LOAD).solver == "SCS"
    assert runs == ["CLARABEL", "SCS"]


# ---- pairs that cannot be


@pytest.mark.usefixtures("untouched")
@pytest.mark.skipif("OSQP" not in INSTALLED, reason="OSQP is not installed")
def test_beckmann_and_a_solver_without_the_exponential_cone(system, same):
    needs = (
        r"^formulation = 'beckmann': needs the cone EXP, which OSQP does not take; use auto, "
        r"or solver=CLARABEL or .*SCS$"
    )
    with pytest.raises(FormulationError, match=needs):
        system.equilibrium(LOAD, formulation="beckmann", solver="OSQP")
    with pytest.raises(FormulationError, match="needs the cone SOC, which OSQP does not take"):
        same.equilibrium(LOAD, formulation="geo_mean", solver="OSQP")
    with pytest.raises(
        FormulationError,
        match=(
            r"^solver = 'OSQP': supports no formulation of the optimum; use "
            r"CLARABEL"
        ),
    ):
        system.optimum(LOAD, solver="OSQP")


@pytest.mark.usefixtures("untouched")
@pytest.mark.skipif(
    "QOCO" not in solvers.defines.SOLVER_MAP_CONIC, reason="this CVXPY does not know QOCO"
)
def test_beckmann_and_qoco(system, monkeypatch):
    """QOCO supports second-order cones only, whether or not it is installed."""
    monkeypatch.setattr(cp, "installed_solvers", lambda: ["CLARABEL", "QOCO", "SCS"])
    with pytest.raises(
        FormulationError,
        match="needs the cone EXP, which QOCO does not take; use auto, or solver=CLARABEL or SCS",
    ):
        system.equilibrium(LOAD, formulation="beckmann", solver="QOCO")
    assert solvers.supported_cones("QOCO") == {"SOC", "QP"}


@pytest.mark.parametrize(
    ("solver", "kinds"),
    [
        ("CLARABEL", {"SOC", "EXP", "POW", "PSD", "QP"}),
        ("ECOS", {"SOC", "EXP", "QP"}),
        ("SCS", {"SOC", "EXP", "POW", "PSD", "QP"}),
        ("OSQP", {"QP"}),
    ],
)
def test_supported_cones(solver, kinds):
    assert solvers.supported_cones(solver) == kinds


@pytest.mark.skipif("OSQP" not in INSTALLED, reason="OSQP is not installed")
def test_auto_takes_a_formulation_that_the_solver_supports(same):
    answer = same.equilibrium(LOAD, solver="OSQP")
    assert (answer.solver, answer.formulation) == ("OSQP", "qp")
    assert answer.mean_delay == pytest.approx(
        float(truth(same, "equilibrium").mean_delay), rel=1e-12
    )


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("goal", "other"),
    [("optimum", "beckmann"), ("equilibrium", "inv_pos"), ("optimum", "nonsense")],
)
def test_formulation_of_another_question_raises(system, goal, other):
    with pytest.raises(
        FormulationError, match=rf"^formulation = '{other}': is not one of the {goal}; use auto, "
    ):
        getattr(system, goal)(LOAD, formulation=other)


# ---- settings


@every_goal
@pytest.mark.parametrize("solver", DEFAULT_SOLVERS)
def test_each_solver_alone(system, goal, solver):
    answer = getattr(system, goal)(LOAD, solver=solver)
    assert answer.certified
    assert [a.solver for a in answer.attempts] == [solver] * len(answer.attempts)
    np.testing.assert_allclose(answer.flow, truth(system, goal).flow, rtol=1e-12, atol=1e-14)


@every_goal
def test_options_of_the_user_take_precedence(system, goal):
    options = {"solver": "SCS", "polish": False, "throw": False}
    full, short = (
        getattr(system, goal)(LOAD, **options),
        getattr(system, goal)(LOAD, **options, solver_options={"max_iters": 1}),
    )
    assert full.certificate.gap < 1e-3
    assert short.certificate.gap > 100 * full.certificate.gap
    assert short.status != "optimal"


@every_goal
def test_unknown_solver_option_raises_before_the_solver_starts(system, goal, monkeypatch):
    forbid_solvers(monkeypatch)
    with pytest.raises(
        InputError, match=r"^solver_options\['no_such_option'\] = 1: is not taken by SCS: TypeError"
    ):
        getattr(system, goal)(LOAD, solver="SCS", solver_options={"no_such_option": 1})
    with pytest.raises(
        InputError, match=r"^solver_options\['max_iters'\] = -5: is not taken by SCS: ValueError"
    ):
        getattr(system, goal)(LOAD, solver="SCS", solver_options={"eps_abs": 1e-6, "max_iters": -5})


@every_goal
def test_solvers_that_reject_the_option_are_skipped(system, goal):
    answer = getattr(system, goal)(LOAD, solver_options={"max_iters": 150})
    assert [a.solver for a in answer.attempts] == [s for s in ("ECOS", "SCS") if s in INSTALLED][:1]


@every_goal
def test_newton_steps_make_the_answer_exact(system, goal):
    raw, done = (getattr(system, goal)(LOAD, polish=p) for p in (False, True))
    assert raw.polished == 0 < done.polished
    assert done.certificate.gap < 1e-13
    assert done.certificate.gap <= raw.certificate.gap < 1e-3
    assert "Newton step" in repr(done)
    assert "Newton step" not in repr(raw)


@every_goal
def test_gap_decides_what_is_certified(system, goal):
    wide = getattr(system, goal)(LOAD, polish=False, gap=1e-2)
    assert wide.certified
    assert len(wide.attempts) == 1
    with pytest.raises(NotCertifiedError, match=r"gap 1\.0e-15 wanted"):
        getattr(system, goal)(LOAD, gap=1e-15)  # below what rounding allows


@pytest.mark.usefixtures("untouched")
@every_goal
@pytest.mark.parametrize("gap", [0.0, -1e-6, math.nan, math.inf, True])
def test_impossible_gap_raises(system, goal, gap):
    with pytest.raises(
        InputError,
        match=(
            r"^gap = .*: is (not a finite number above 0; give a relative error such as "
            r"1e-6|true or false, .*)$"
        ),
    ):
        getattr(system, goal)(LOAD, gap=gap)


@pytest.mark.usefixtures("untouched")
@every_goal
def test_unknown_option_raises(system, goal):
    with pytest.raises(
        TypeError,
        match=rf"^{goal}\(\) got an unexpected keyword argument 'solvr'; did you mean solver\?$",
    ):
        getattr(system, goal)(LOAD, solvr="SCS")
    with pytest.raises(TypeError, match=r"'zzz'; the options are solver, .*formulation"):
        getattr(system, goal)(LOAD, zzz=1)
