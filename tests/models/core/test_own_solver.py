"""A question with an algorithm of its own, which has its turn among the solvers of CVXPY."""

import math
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import pytest
from replaced_solvers import forbid_solvers, lose_answers

from sojourn.models import FormulationError, InputError, NotCertifiedError, SolverNameError
from sojourn.models.core.certificate import Bounds
from sojourn.models.core.options import FormulationOptions
from sojourn.models.core.question import AnswerRows, Question, is_own_solver
from sojourn.models.core.solution import CertifiedAnswer
from sojourn.models.core.solve import Task
from sojourn.models.core.tolerance import GapTolerance

SOLVERS = ("CLARABEL", "ECOS", "SCS")


@dataclass(frozen=True, eq=False)
class Roots(AnswerRows):
    root: np.ndarray
    key = "root"


@dataclass(frozen=True, eq=False, kw_only=True)
class Root(CertifiedAnswer):
    root: float
    certificate: Bounds


@dataclass(frozen=True, eq=False)
class Program:
    problem: cp.Problem
    root: cp.Variable
    load: cp.Parameter


@dataclass(frozen=True, eq=False)
class SquareRoot(Question[Program, Roots, Root]):
    """The largest x with x^2 <= load."""

    error: float = 0.0
    first: bool = False
    failure: Exception | None = None
    cones: frozenset = frozenset({"SOC"})
    calls: list = field(default_factory=list)

    name = "root"
    options = FormulationOptions
    tolerance = GapTolerance(1e-3, given=True)
    rows = Roots
    own_solver = "HERON"

    @property
    def prefers_own(self):
        return self.first

    def formulations(self, chosen):
        return {"square": self.cones}

    def write(self, form, points):
        root, load = cp.Variable(), cp.Parameter(nonneg=True)
        return Program(cp.Problem(cp.Maximize(root), [cp.square(root) <= load]), root, load)

    def parameters(self, program, points):
        return ((program.load, points[0]),)

    def finish(self, program, returned, points):
        return self.certify(returned.value(program.root), points[0])

    def compute(self, points):
        if self.failure is not None:
            raise self.failure
        self.calls.append(points[0].tolist())
        return self.certify(np.sqrt(points[0]) * (1 + self.error), points[0])

    def certify(self, root, load):
        true = np.sqrt(load)
        gap = np.where(np.isfinite(root), np.abs(root / true - 1), np.inf)
        return Roots(gap, gap <= self.tolerance.gap, true, true, root)

    def solution(self, found, points, provenance):
        return Root(root=float(found.root[0]), **found.proof, **vars(provenance))


def attempts(answer):
    return [(a.solver, a.formulation) for a in answer.attempts]


@pytest.mark.parametrize("name", ["HERON", "heron", "Heron"])
def test_the_algorithm_runs_alone_where_it_is_named(name, monkeypatch):
    forbid_solvers(monkeypatch)
    answer = Task(SquareRoot(), {"solver": name}).one(9.0)
    assert attempts(answer) == [("HERON", "own algorithm")]
    assert (answer.root, answer.solver, answer.status) == (3.0, "HERON", "optimal")
    assert answer.problem is None
    assert answer.timing.solve > 0
    assert "heron, own algorithm" in answer.proof


def test_it_comes_first_where_the_question_prefers_it(monkeypatch):
    forbid_solvers(monkeypatch)
    assert attempts(Task(SquareRoot(first=True), {}).one(9.0)) == [("HERON", "own algorithm")]


def test_a_solver_comes_first_otherwise():
    question = SquareRoot()
    answer = Task(question, {}).one(9.0)
    assert attempts(answer) == [("CLARABEL", "square")]
    assert question.calls == []
    assert answer.problem is not None


def test_it_answers_where_the_first_solver_fails(monkeypatch):
    lose_answers(monkeypatch, "CLARABEL")
    answer = Task(SquareRoot(), {}).one(9.0)
    assert attempts(answer) == [("CLARABEL", "square"), ("HERON", "own algorithm")]
    assert answer.root == 3.0


@pytest.mark.parametrize("failure", [ValueError("lost"), ArithmeticError("lost")])
def test_its_failure_is_a_status_and_solvers_follow(failure):
    answer = Task(SquareRoot(first=True, failure=failure), {}).one(9.0)
    first, second = answer.attempts
    assert (first.status, first.gap) == (f"{type(failure).__name__}: lost", math.inf)
    assert answer.solver == second.solver == "CLARABEL"


def test_its_answer_without_a_certificate_is_kept():
    with pytest.raises(NotCertifiedError, match=r"HERON \(own algorithm\): optimal_inaccurate"):
        Task(SquareRoot(error=0.01), {"solver": "heron"}).one(9.0)
    answer = Task(SquareRoot(error=0.01), {"solver": "heron", "throw": False}).one(9.0)
    assert not answer.certified
    assert answer.root == pytest.approx(3.03)


def test_an_answer_that_is_not_finite_is_none():
    with pytest.raises(NotCertifiedError, match="no answer, gap inf") as caught:
        Task(SquareRoot(error=math.nan), {"solver": "heron", "throw": False}).one(9.0)
    assert caught.value.solution is None


def test_many_points_are_those_without_an_answer_of_a_solver(monkeypatch):
    question = SquareRoot(first=True)
    task = Task(question, {})
    assert task.block == 1  # a point at a time: an interruption loses one
    rows = task.solve(np.array([4.0, 0.0, 9.0]))
    assert question.calls == [[4.0, 9.0]]
    np.testing.assert_array_equal(rows.root, [2.0, np.nan, 3.0])
    lose_answers(monkeypatch, "CLARABEL")
    rows = Task(SquareRoot(), {}).solve(np.array([4.0, 9.0]))
    np.testing.assert_array_equal(rows.root, [2.0, 3.0])


def test_a_named_solver_or_formulation_or_its_options_exclude_it(monkeypatch):
    lose_answers(monkeypatch)
    for options in (
        {"solver": "CLARABEL"},
        {"formulation": "square"},
        {"solver_options": {"max_iter": 50}},
    ):
        with pytest.raises(NotCertifiedError) as caught:
            Task(SquareRoot(first=True), options).one(9.0)
        assert "HERON" not in {a.solver for a in caught.value.attempts}


def test_it_is_enough_where_no_solver_takes_the_cones():
    question = SquareRoot(cones=frozenset({"UNHEARD"}))
    assert attempts(Task(question, {}).one(9.0)) == [("HERON", "own algorithm")]
    with pytest.raises(FormulationError, match="does not take the cone UNHEARD"):
        Task(question, {"solver": "CLARABEL"})


def test_options_that_it_does_not_take():
    with pytest.raises(FormulationError, match="is no program of HERON"):
        Task(SquareRoot(), {"solver": "heron", "formulation": "square"})
    with pytest.raises(InputError, match="HERON takes no options"):
        Task(SquareRoot(), {"solver": "heron", "solver_options": {"max_iter": 5}})


def test_a_wrong_name_is_refused_with_that_of_the_algorithm():
    with pytest.raises(SolverNameError, match="HERON"):
        Task(SquareRoot(), {"solver": "HERRON"})


def test_its_name_is_known_to_studies():
    assert is_own_solver("heron")
    assert not is_own_solver("clarabel")
    assert not is_own_solver(None)


def test_a_question_without_one_has_to_have_no_compute():
    class Plain(SquareRoot):
        own_solver = None

    with pytest.raises(SolverNameError):
        Task(Plain(), {"solver": "HERON"})
    assert attempts(Task(Plain(first=True), {}).one(9.0)) == [("CLARABEL", "square")]
