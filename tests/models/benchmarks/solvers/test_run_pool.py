"""Cells of the solver benchmark in workers: failures are rows, and the run goes on."""

import math
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from pool_tasks import double, environment, raises, segfaults, slow_outside, starts_a_process

from sojourn.models.benchmarks.solvers.compare import compare
from sojourn.models.benchmarks.solvers.run.pool import Failure, Pool, TaskError

SMALL = {"problems": ["mm1-optimum"], "formulations": ["inv_pos"], "sizes": [3], "loads": [0.6]}
FUNCTIONS = (
    "hangs",
    "exits",
    "grows",
    "panics",
    "nonsense",
    "wrong_shape",
    "not_finite",
    "broken",
    "slow_once",
    "good",
)
LIMIT = 3.0


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    return shutil.copy(
        Path(__file__).with_name("misbehaving.py"), tmp_path_factory.mktemp("own") / "mine.py"
    )


@pytest.fixture(scope="module")
def rows(mine):
    solvers = [*(f"{name}={mine}:{name}" for name in FUNCTIONS), "CLARABEL"]
    found = compare(**SMALL, solvers=solvers, limit=LIMIT, memory=0.6)
    return {row.solver: row for row in found}


@pytest.mark.parametrize(
    ("solver", "failure", "status"),
    [
        ("hangs", "time", "ended after 3 s"),
        ("exits", "crash", "ended with exit code 3"),
        ("grows", "memory", "ended at "),
        ("panics", "", "Panic: unwrap on None"),
        ("wrong_shape", "", "ValueError: x has shape"),
        ("not_finite", "", "optimal"),
    ],
)
def test_a_failure_is_a_row_and_neither_right_nor_fast(rows, solver, failure, status):
    row = rows[solver]
    assert row.status.startswith(status)
    assert (row.failure, row.skipped) == (failure, "")
    assert (row.error, row.primal_residual, row.dual_residual) == (math.inf,) * 3
    assert row.solve_seconds == row.fastest_seconds == row.slowest_seconds == LIMIT
    assert not row.right
    assert row.false_claim == (solver == "not_finite")


def test_the_run_goes_on_after_failures(rows):
    assert set(rows) == {*FUNCTIONS, "CLARABEL"}
    assert rows["CLARABEL"].right
    assert rows["CLARABEL"].repeats == 3
    good = rows["good"]
    assert good.right
    assert good.claimed
    assert 0 < good.fastest_seconds <= good.solve_seconds <= good.slowest_seconds < LIMIT
    assert 0 < good.own_seconds < good.slowest_seconds
    assert good.iterations > 3
    assert max(good.primal_residual, good.dual_residual, good.complementarity) < 1e-6
    assert good.version == "1"
    assert good.build_seconds > 0
    assert good.compile_seconds > 0


def test_a_solver_is_warm_before_its_first_cell(rows):
    assert rows["slow_once"].right
    assert rows["slow_once"].slowest_seconds < 0.3


def test_nonsense_under_the_status_optimal_is_a_false_claim(rows):
    assert rows["nonsense"].false_claim


def test_a_solver_that_does_not_run_a_tiny_program_is_skipped(rows):
    row = rows["broken"]
    assert row.skipped == "does not run a tiny program: OSError: no library"
    assert (row.error, row.solve_seconds) == (math.inf, LIMIT)


# ---- the pool alone


def test_workers_stay_have_one_thread_and_fail_alone(tmp_path):
    with Pool(1, 1.0, tmp_path) as pool:
        ((_, (pid, threads)),) = pool.run([environment], 1.0)
        assert set(threads.values()) == {"1"}
        began = time.perf_counter()
        assert [result for _, result in pool.run([double] * 50, 1.0)] == [42] * 50
        assert (time.perf_counter() - began) / 50 < 0.02  # of a cell beside its solver
        with pytest.raises(TaskError, match="KeyError: 'judge'"):
            list(pool.run([raises], 1.0))
        assert next(iter(pool.run([environment], 1.0)))[1][0] != pid
        ((_, failure),) = pool.run([slow_outside], 1.0, outside=0.3)
        assert failure == Failure("time", "ended after 0.3 s", False)
        assert os.environ.get("BLIS_NUM_THREADS") is None


def test_a_segmentation_fault_is_named(tmp_path):
    with Pool(1, 1.0, tmp_path) as pool:
        ((_, failure),) = pool.run([segfaults], 1.0)
    assert failure == Failure("crash", "ended by SIGSEGV", True, "read")


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_processes_that_a_solver_starts_end_with_its_worker(tmp_path):
    with Pool(1, 1.0, tmp_path) as pool:
        ((_, failure),) = pool.run([starts_a_process], 0.5)
        assert failure.kind == "time"
        pid = int((tmp_path / "child").read_text())
        for _ in range(50):
            if not is_running(pid):
                return
            time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the process still runs")
