"""Studies by workers: equal answers bit for bit, and solved systems survive a kill."""

import contextlib
import errno
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import distributed
import joblib
import numpy as np
import pytest
import xarray as xr
from joblib._parallel_backends import ThreadingBackend
from joblib.externals.loky import get_reusable_executor

from sojourn.models import MM1, Function, InputError, Measured, ParallelServers, load_study, study
from sojourn.models.studies.batch import StudyStoppedError
from sojourn.models.studies.batch.lock import _holder, lock

# a user's script with its own family, slow enough to be killed
SCRIPT = """
import os, sys, time
from sojourn.models import MM1, ParallelServers, study

FACTOR = 1.0


def slowly(value):
    time.sleep(float(os.environ.get("SLOW", "0")))
    return FACTOR * value


class Slow(MM1):
    def latency(self, flow, spare_capacity=None):
        return slowly(super().latency(flow, spare_capacity))


class Marked(ParallelServers):
    def curve(self, *loads, **options):
        if "MARKS" in os.environ:
            open(os.path.join(os.environ["MARKS"], f"{self.names[0]}-{os.getpid()}"), "w").close()
        return super().curve(*loads, **options)


def marked(k):
    n = 2 + k % 4
    return Marked(Slow([3.0] * n), names=[f"{k}-{i}" for i in range(n)])


systems = {f"n = {n}": ParallelServers(Slow([3.0] * n)) for n in range(2, 8)}
many = {f"{k}": marked(k) for k in range(24)}
if __name__ == "__main__":
    study(systems, [1.0, 4.0], which="optimum", n_jobs=1, out=sys.argv[1])
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "night.py"
    path.write_text(SCRIPT)
    return path


def loaded(path):
    """Load a file by its path, as ``sojourn --import``; no other process can import its name."""
    spec = importlib.util.spec_from_file_location(f"imported_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def systems(script):
    """Systems of the script, and one that fails."""
    yield {**loaded(script).systems, "small": ParallelServers(MM1([0.5, 0.5]))}
    del sys.modules["imported_night"]


def answers(systems, **options):
    with pytest.warns(UserWarning, match="1 of 7 systems failed"):
        return study(systems, [1.0, 4.0], which="optimum", **options)


@pytest.mark.slow
def test_a_killed_study_goes_on_in_other_processes(script, systems, tmp_path):
    """Begun in the __main__ of a script by one process, resumed by children of this process."""
    out, environment = tmp_path / "out", {**os.environ, "SLOW": "0.02"}
    process = subprocess.Popen([sys.executable, script, out], env=environment)
    until = time.monotonic() + 60
    while (
        len(list(out.glob("chunks/*.nc"))) < 2
        and time.monotonic() < until
        and process.poll() is None
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {p.name: p.stat().st_mtime_ns for p in out.glob("chunks/*.nc")}
    assert 2 <= len(kept) < 6
    assert load_study(out).attrs["systems_done"] == len(kept)
    del systems["small"]
    by_workers = study(systems, [1.0, 4.0], which="optimum", n_jobs=2, out=out)
    assert {name: (out / "chunks" / name).stat().st_mtime_ns for name in kept} == kept
    by_this_process = study(systems, [1.0, 4.0], which="optimum", n_jobs=1, out=tmp_path / "again")
    xr.testing.assert_identical(by_workers, by_this_process)
    assert not (by_workers["error"] != "").any()
    for file in ("study.json", "study.nc"):
        assert (out / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


# ---- two processes in one folder


def refusal(out, systems):
    with pytest.raises(InputError) as refused:
        study(systems, [1.0, 4.0], which="optimum", out=out)
    return str(refused.value)


@pytest.mark.slow
def test_a_folder_is_locked_until_its_process_ends(script, systems, tmp_path):
    out, environment = tmp_path / "out", {**os.environ, "SLOW": "0.02"}
    del systems["small"]
    process = subprocess.Popen([sys.executable, script, out], env=environment)
    while not list(out.glob("chunks/*.nc")) and process.poll() is None:
        time.sleep(0.01)
    assert re.search(
        rf"is in use by process {process.pid} on .*; "
        r"wait for its end, stop it, or give another folder$",
        refusal(out, systems),
    )
    assert load_study(out).attrs["systems_done"] >= 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = study(systems, [1.0, 4.0], which="optimum", out=out)
    xr.testing.assert_identical(found, study(systems, [1.0, 4.0], which="optimum"))


@pytest.mark.slow
def test_of_several_studies_in_one_folder_one_goes_on(script, systems, tmp_path):
    out, environment = tmp_path / "out", {**os.environ, "SLOW": "0.02"}
    begun = [
        subprocess.Popen(
            [sys.executable, script, out], env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in begun]
    codes = [process.returncode for process in begun]
    assert codes.count(0) >= 1
    ended = [text for text, code in zip(errors, codes, strict=True) if code]
    assert not [text for text in ended if "is in use by process" not in text]
    assert any(codes)
    del systems["small"]
    xr.testing.assert_identical(
        load_study(out).drop_attrs(), study(systems, [1.0, 4.0], which="optimum").drop_attrs()
    )


def test_the_lock_is_released_however_a_study_ends(systems, tmp_path, monkeypatch):
    del systems["small"]
    few, out = dict(list(systems.items())[:1]), tmp_path / "out"
    out.mkdir()
    with lock(out):
        assert "is in use by process" in refusal(out, few)
    monkeypatch.setattr(
        "sojourn.models.studies.batch.run.iter_chunks", lambda *_, **__: (1 / 0 for _ in "x")
    )
    with pytest.raises(StudyStoppedError, match="ZeroDivisionError"):
        study(few, [1.0], which="optimum", out=out)
    with pytest.raises(InputError, match="holds a study at other loads"):
        study(few, [2.0], which="optimum", out=out)
    monkeypatch.undo()
    assert study(few, [1.0], which="optimum", out=out).sizes["system"] == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOLCK, "No locks available"),
        OSError(errno.EOPNOTSUPP, "no"),
        ImportError("fcntl"),
    ],
)
def test_a_file_system_without_locks_is_a_warning(systems, tmp_path, monkeypatch, error):
    def take(_):
        raise error

    monkeypatch.setattr("sojourn.models.studies.batch.lock._acquire", take)
    few = dict(list(systems.items())[:1])
    with pytest.warns(
        UserWarning,
        match="cannot be locked: its file system has no locks; let no other process work there",
    ):
        assert study(few, [1.0], which="optimum", out=tmp_path / "out").sizes["system"] == 1


# ---- workers that are killed


def kill_one(marks, rng):
    """Kill one of the workers at a random time after some systems were begun."""
    enough = rng.integers(1, 20)
    while len(begun := list(marks.iterdir())) < enough:
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.05))
    os.kill(int(max(begun, key=lambda p: p.stat().st_mtime_ns).name.split("-")[2]), signal.SIGKILL)


ONE_EACH = {"which": "optimum", "chunk": 1}


@pytest.fixture
def slow_night(systems, monkeypatch):
    """Systems that are slow in a worker, their answers, and a random generator."""
    many = sys.modules["imported_night"].many
    right = study(many, [1.0, 4.0], n_jobs=1, **ONE_EACH)
    monkeypatch.setenv("SLOW", "0.001")
    return many, right, np.random.default_rng(5)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.exhaustive)])
def test_a_killed_worker_loses_at_most_its_chunk(kills, slow_night, tmp_path, monkeypatch):
    many, right, rng = slow_night
    get_reusable_executor().shutdown(wait=True)  # new workers get this environment
    for kill in range(kills):
        out, marks = tmp_path / str(kill), tmp_path / f"marks {kill}"
        marks.mkdir()
        monkeypatch.setenv("MARKS", str(marks))
        thread = threading.Thread(target=kill_one, args=[marks, rng])
        thread.start()
        with pytest.raises(StudyStoppedError, match=r"^stopped by TerminatedWorkerError: ") as stop:
            study(many, [1.0, 4.0], n_jobs=2, out=out, **ONE_EACH)
        thread.join()
        stored = load_study(out)
        names = stored["system"].values.tolist()
        assert set(stop.value.dataset["system"].values.tolist()) <= set(names)
        for name in names:
            assert (
                stored["optimum_delay"].sel(system=name).values.tolist()
                == right["optimum_delay"].sel(system=name).values.tolist()
            )
        begun = {p.name.partition("-")[0] for p in marks.iterdir()}
        assert len(begun - set(names)) <= 2  # joblib also ends the other worker
        monkeypatch.delenv("MARKS")
        with monkeypatch.context() as patch:
            patch.setenv("SLOW", "0")
            xr.testing.assert_identical(study(many, [1.0, 4.0], out=out, **ONE_EACH), right)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.exhaustive)])
def test_a_dask_cluster_outlives_its_workers(kills, slow_night, systems, tmp_path, monkeypatch):
    """Dask starts a worker again, which repeats the chunk; its answers are those of this process.

    A chunk that kills too many workers stops the study.
    """
    many, right, rng = slow_night
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    for kill in range(kills):
        out, marks = tmp_path / str(kill), tmp_path / "marks"
        shutil.rmtree(marks, ignore_errors=True)
        marks.mkdir()
        with (  # one for each kill: Dask does not restart a worker that dies too often
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
            joblib.parallel_config("dask"),
        ):
            thread = threading.Thread(target=kill_one, args=[marks, rng])
            thread.start()
            with contextlib.suppress(StudyStoppedError):
                study(many, [1.0, 4.0], out=out, **ONE_EACH)
            thread.join()
            xr.testing.assert_identical(study(many, [1.0, 4.0], out=out, **ONE_EACH), right)
            if kill == 0:  # of systems of which one fails
                by_workers = answers(systems, out=tmp_path / "failed")
    xr.testing.assert_identical(by_workers, answers(systems))
    assert load_study(tmp_path / "failed").attrs["systems_done"] == 7


class AllOrNothing(ThreadingBackend):
    """Backend that returns all results at once, as that of Ray."""

    supports_return_generator = False


def test_a_backend_without_generators_gets_batches(systems, tmp_path):
    joblib.register_parallel_backend("all or nothing", AllOrNothing)
    with joblib.parallel_config("all or nothing", n_jobs=2):
        by_workers = answers(systems, out=tmp_path / "out")
    xr.testing.assert_identical(by_workers, answers(systems, n_jobs=1))


def test_a_system_that_cannot_be_serialised_is_an_error_before_the_solves():
    lock = threading.Lock()

    def locked(x):
        with lock:
            return x**2

    systems = [ParallelServers(MM1([3.0])), ParallelServers(Function(locked, servers=2))]
    with pytest.raises(
        InputError,
        match=r"^systems\['system 2'\] = .*: cannot be sent to another process: "
        r"TypeError: .*lock.*; make it of",
    ):
        study(systems, [1.0], n_jobs=2)
    assert study(systems, [1.0], n_jobs=1)["error"].values.tolist() == ["", ""]


def test_threads_do_not_mix_up_warnings():
    """Python captures warnings for a whole process; two curves at once must not exchange theirs."""
    samples = np.arange(1.0, 9.0)
    systems = [
        ParallelServers(MM1([3.0]), Measured(samples, samples**2), names=["bank", f"database {k}"])
        for k in range(8)
    ]
    with (
        joblib.parallel_config("threading", n_jobs=4),
        pytest.warns(UserWarning, match="8 curves came with warnings"),
    ):
        data = study(systems, [9.0, 11.5], which="optimum")
    for k, warning in enumerate(data["warning"].values):
        assert warning.startswith("from load 11.5 on, answers go beyond what was measured")
        assert f"database {k} carries" in warning
        assert warning.count("database") == 1


def test_the_holder_of_a_lock_is_named_a_moment_later(tmp_path):
    with (tmp_path / "file").open("a+", encoding="utf-8") as file:
        later = threading.Timer(0.02, (tmp_path / "file").write_text, ["process 7 on a machine"])
        later.start()
        assert _holder(file) == "process 7 on a machine"
        later.join()


def test_the_holder_of_a_lock_without_a_name_is_another_process(tmp_path):
    with (tmp_path / "file").open("a+", encoding="utf-8") as file:
        assert _holder(file) == "another process"
