"""Order of the cells, warm-up and repeats: each solver meets the machine as the others do."""

import shutil
from itertools import groupby
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models.benchmarks.solvers import compare as module
from sojourn.models.benchmarks.solvers.compare import comparison
from sojourn.models.benchmarks.solvers.instances import instance_of, keys, program_of
from sojourn.models.benchmarks.solvers.programs import npz
from sojourn.models.benchmarks.solvers.programs.cone_program import Cones
from sojourn.models.benchmarks.solvers.run import warm_up as warm
from sojourn.models.benchmarks.solvers.run.cvxpy_solver import CvxpySolver, default_solvers
from sojourn.models.benchmarks.solvers.run.pool import Failure
from sojourn.models.benchmarks.solvers.run.python_solver import python_solver
from sojourn.models.benchmarks.solvers.run.small_program import one_of_each, small_program
from sojourn.models.benchmarks.solvers.run.solver import Answer
from sojourn.models.benchmarks.solvers.settings import Settings

AXES = {"problems": ["mm1-optimum"], "formulations": ["inv_pos"], "sizes": [3]}
KINDS = {
    "linear": Cones(zero=4, nonnegative=5),
    "second-order": Cones(nonnegative=2, second_order=(2, 4)),
    "semidefinite": Cones(semidefinite=(4, 3)),
    "exponential": Cones(zero=1, exponential=2),
    "power": Cones(power=(0.3, 0.6)),
}


def limited(job, part=""):
    return job()


class Inline:
    """A pool that does its tasks here; `fails` is the solver that ends its worker in warm-ups."""

    fails = ""

    def __init__(self, *_):
        warm._warm.clear()
        self.tasks = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, tasks, seconds):
        for task in tasks:
            self.tasks.append(task)
            if getattr(task, "warm_up", False) and task.solver.name == self.fails:
                yield task, Failure("crash", "ended by SIGSEGV", True, warm.WARM_UP)
            else:
                yield task, task(limited)


@pytest.fixture
def pools(monkeypatch):
    made = []

    def make(*arguments):
        made.append(Inline(*arguments))
        return made[-1]

    monkeypatch.setattr(module, "Pool", make)
    return made


SOLVERS, SETTINGS, LOADS = ["SCS", "CLARABEL", "OSQP"], ["mid", "default"], [0.5, 0.3, 0.6]


def run_of(**changed):
    chosen = {"loads": LOADS, "solvers": SOLVERS, "settings": SETTINGS, "repeats": 1}
    return comparison(**AXES, **chosen | changed)


def test_an_instance_meets_all_solvers_in_an_order_of_its_own(pools, monkeypatch):
    read = []
    monkeypatch.setattr(npz, "load", lambda path, load=npz.load: read.append(path) or load(path))
    run = run_of()
    rows = list(run.rows())
    asked = [row for row in rows if not row.skipped]
    groups = [list(group) for _, group in groupby(asked, lambda row: row.load)]
    assert [group[0].load for group in groups] == LOADS
    assert len(read) == len(LOADS)  # once for all its cells
    orders = [[(row.solver, row.settings) for row in group] for group in groups]
    assert len({*map(tuple, orders)}) > 1
    assert len({*map(frozenset, orders)}) == 1
    assert [row.key for row in run_of().rows()] == [row.key for row in rows]
    # tables and files do not show it
    names = [(row.load, row.solver, row.settings) for row in run.in_order(rows)]
    assert names == [(load, one, name) for load in LOADS for one in SOLVERS for name in SETTINGS]


def test_a_solver_that_dies_in_its_warm_up_is_run_without(pools, monkeypatch):
    monkeypatch.setattr(Inline, "fails", "SCS")
    rows = list(run_of(solvers=["SCS", "CLARABEL"], settings=["default"]).rows())
    assert len(rows) == 2 * len(LOADS)
    assert not any(row.failure for row in rows)
    assert all(row.claimed for row in rows)
    cells = [task for task in pools[0].tasks if getattr(task, "repeats", 0)]
    of_scs = [cell.warm_up for cell in cells if cell.solver.name == "SCS"]
    assert of_scs == [True, False, False, False]
    assert all(cell.warm_up for cell in cells if cell.solver.name == "CLARABEL")


# ---- warm-up


class Recorder:
    """A solver that keeps the programs that it gets."""

    name, version = "recorder", ""

    def __init__(self, error=None, refused=""):
        self.programs, self.error, self.refused = [], error, refused

    def refusal(self, program):
        return self.refused

    def solve(self, program, options):
        self.programs.append(program)
        if self.error is not None:
            raise self.error
        return Answer("optimal")


@pytest.mark.parametrize("error", [None, OSError("no library"), SystemExit(3)])
def test_a_warm_up_is_one_run_for_each_kind_of_program(monkeypatch, error):
    monkeypatch.setattr(warm, "_warm", set())
    solver, parts = Recorder(error), []

    def limited(job, part):
        parts.append(part)
        return job()

    two, one = Cones(nonnegative=2, second_order=(4, 7)), Cones(nonnegative=1)
    for cones, squares in [(two, False), (two, False), (one, False), (one, True)]:
        warm.warm_up(solver, small_program("x", one_of_each(cones), squares=squares), {}, limited)
    assert [program.name for program in solver.programs] == ["warm-up"] * 3
    assert [program.cones for program in solver.programs] == [
        Cones(nonnegative=1, second_order=(3,)), one, one,
    ]  # fmt: skip
    assert [program.P.nnz > 0 for program in solver.programs] == [False, False, True]
    assert parts == ["warm-up"] * 3


def test_a_solver_is_not_warmed_by_what_it_refuses(monkeypatch):
    monkeypatch.setattr(warm, "_warm", set())
    solver = Recorder(refused="does not take it")
    warm.warm_up(solver, small_program("x", Cones(exponential=1)), {}, limited)
    assert not solver.programs


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_small_programs_have_the_optimum_that_they_state(kind, squares):
    program = small_program("small", one_of_each(KINDS[kind]), squares=squares)
    answer = CvxpySolver("CLARABEL").solve(program, {})
    assert answer.status == "optimal"
    assert answer.x == pytest.approx(program.q, abs=1e-6)


# ---- repeats


@pytest.fixture(scope="module")
def programs():
    """One with second-order cones, and a quadratic one with linear rows."""
    names = [("mm1-optimum", "inv_pos"), ("measured-fit", "huber")]
    chosen = [keys([one], [3], [0.6], formulations=[way])[0] for one, way in names]
    return [program_of(key, instance_of(key)) for key in chosen]


@pytest.mark.parametrize("name", [solver.name for solver in default_solvers()])
def test_a_repeat_is_no_warm_start(programs, name):
    solver = CvxpySolver(name)
    options = solver.options(Settings("default"), 10.0)
    for program in programs:
        if solver.refusal(program):
            continue
        first, *others = [solver.solve(program, options) for _ in range(3)]
        for other in others:
            assert (other.status, other.iterations) == (first.status, first.iterations)
            np.testing.assert_array_equal(other.x, first.x)


def test_a_warm_start_would_be_seen():
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - [1, 2, 4])), [x <= 1, cp.sum(x) == 2])
    counts = []
    for _ in range(2):
        problem.solve("SCS", warm_start=True)
        counts.append(problem.solver_stats.num_iters)
    assert counts[1] < counts[0]


def test_a_function_may_change_its_arguments(programs, tmp_path):
    mine = shutil.copy(Path(__file__).with_name("misbehaving.py"), tmp_path / "mine.py")
    solver = python_solver("solver", "own", f"{mine}:scales")
    options = solver.options(Settings("default"), 10.0)
    program, kept = programs[0], dict(options)
    before = [array.copy() for array in arrays(program)]
    first, second = (solver.solve(program, options) for _ in range(2))
    np.testing.assert_array_equal(second.x, first.x)
    assert second.iterations == first.iterations
    assert options == kept
    for array, old in zip(arrays(program), before, strict=True):
        np.testing.assert_array_equal(array, old)
    # its word of its time is kept, and does not count
    assert first.own_seconds == 1e-9
    assert first.solve_seconds > 1e-5
    assert first.transfer_seconds == 0


def arrays(program):
    return program.P.data, program.q, program.A.data, program.b
