"""Whoever works on a study, the answers are the same to the last bit, and a killed one loses nothing that was done."""

import importlib.util
import os
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

from sojourn.models import MM1, Function, InputError, Measured, ParallelServers, load_study, study

# a script as researchers write them, with a family of its own in it, slow enough to be killed
SCRIPT = """
import os, sys, time
from sojourn.models import MM1, ParallelServers, study

FACTOR = 1.0


def slowly(value):
    if os.environ.get("SLOW") in {"yes", "true", "very"}:
        time.sleep(0.1)
    return FACTOR * value


class Slow(MM1):
    def latency(self, flow, spare=None):
        return slowly(super().latency(flow, spare))


systems = {f"n = {n}": ParallelServers(Slow([3.0] * n)) for n in range(2, 8)}
if __name__ == "__main__":
    study(systems, [1.0, 4.0], which="optimum", n_jobs=1, out=sys.argv[1])
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "night.py"
    path.write_text(SCRIPT)
    return path


def loaded(path):
    """Load a file by its path, as ``sojourn --import`` does: no other process could import it by its name."""
    spec = importlib.util.spec_from_file_location(f"imported_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def systems(script):
    """Those of the script, and one that fails."""
    yield {**loaded(script).systems, "small": ParallelServers(MM1([0.5, 0.5]))}
    del sys.modules["imported_night"]


def answers(systems, **how):
    with pytest.warns(UserWarning, match="1 of 7 systems failed"):
        return study(systems, [1.0, 4.0], which="optimum", **how)


@pytest.mark.slow
def test_a_killed_study_goes_on_in_other_processes(script, systems, tmp_path):
    """Begun in a script's __main__ with one process, gone on with in this one's children."""
    out, environment = tmp_path / "out", {**os.environ, "SLOW": "very"}
    process = subprocess.Popen([sys.executable, script, out], env=environment)
    until = time.monotonic() + 60
    while len(list(out.glob("chunks/*.nc"))) < 2 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {p.name: p.stat().st_mtime_ns for p in out.glob("chunks/*.nc")}
    assert 2 <= len(kept) < 6
    del systems["small"]
    there = study(systems, [1.0, 4.0], which="optimum", n_jobs=2, out=out)
    assert {name: (out / "chunks" / name).stat().st_mtime_ns for name in kept} == kept
    here = study(systems, [1.0, 4.0], which="optimum", n_jobs=1, out=tmp_path / "again")
    xr.testing.assert_identical(there, here)
    assert not (there["error"] != "").any()
    for file in ("study.json", "study.nc"):
        assert (out / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_answers(systems, tmp_path):
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        there = answers(systems, out=tmp_path / "out")
    xr.testing.assert_identical(there, answers(systems))
    assert load_study(tmp_path / "out").attrs["systems_done"] == 7


class AllOrNothing(ThreadingBackend):
    """Gives back what it was given all at once, as Ray does."""

    supports_return_generator = False


def test_a_backend_without_generators_works_in_waves(systems, tmp_path):
    joblib.register_parallel_backend("all or nothing", AllOrNothing)
    with joblib.parallel_config("all or nothing", n_jobs=2):
        there = answers(systems, out=tmp_path / "out")
    xr.testing.assert_identical(there, answers(systems, n_jobs=1))


def test_what_cannot_be_sent_is_said_before_anything_starts():
    lock = threading.Lock()

    def locked(x):
        with lock:
            return x**2

    systems = [ParallelServers(MM1([3.0])), ParallelServers(Function(locked, servers=2))]
    with pytest.raises(InputError, match=r"^systems\['system 2'\] = .*: cannot be sent to another process: TypeError: .*lock.*; make it of"):
        study(systems, [1.0], n_jobs=2)
    assert study(systems, [1.0], n_jobs=1)["error"].values.tolist() == ["", ""]


def test_threads_do_not_mix_up_warnings():
    """Warnings are caught for a whole process: two curves at once would get each other's."""
    samples = np.arange(1.0, 9.0)
    systems = [ParallelServers(MM1([3.0]), Measured(samples, samples**2), names=["queue", f"database {k}"]) for k in range(8)]
    with joblib.parallel_config("threading", n_jobs=4), pytest.warns(UserWarning, match="8 curves came with warnings"):
        data = study(systems, [9.0, 11.5], which="optimum")
    for k, warning in enumerate(data["warning"].values):
        assert warning.startswith("from load 11.5 on, answers go beyond what was measured")
        assert f"database {k} carries" in warning
        assert warning.count("database") == 1
