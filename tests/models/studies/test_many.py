"""Many systems: the same answers whoever solves them, nothing lost whatever happens, and every error in its place."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import xarray as xr

from sojourn.models import MM1, DualMode, InputError, MultiMode, ParallelServers, SolverNameError, load_study, study
from sojourn.models.latency import Latency
from sojourn.models.studies import StudyInterruptedError
from sojourn.models.studies.many import folder as on_disk
from sojourn.models.studies.many import workers

LOADS = [0.3, 0.9]


class Shifted(Latency):
    """A family of these tests alone: no worker can import it."""

    def __init__(self, rate):
        self.rate, self.delay = np.array(rate, dtype=float), np.zeros(len(rate))

    def latency(self, flow, spare=None):
        flow = np.asarray(flow, dtype=float)
        return 0.25 + 1 / (self.rate - flow if spare is None else spare)


def systems(count=5):
    rng = np.random.default_rng(7)
    return [ParallelServers(MM1(rng.uniform(50, 500, n), rng.uniform(0, 0.05, n))) for n in rng.integers(1, 5, count)]


@pytest.fixture(scope="module")
def many():
    return study(systems(), LOADS, relative=True, chunk=2)


def test_answers_are_the_curves_one_by_one(many):
    for i, system in enumerate(systems()):
        one, n = system.curve(np.array(LOADS) * system.total_rate), len(system)
        row = many.isel(system=i)
        for name in one.data_vars:
            wide = row[name].values if row[name].ndim == 1 else row[name].values[:, :n]
            np.testing.assert_array_equal(wide, one[name].values)
            assert one[name].attrs.items() <= many[name].attrs.items()
        np.testing.assert_array_equal(row["load"], one["load"])
        assert row["optimum_flow"].values[:, n:].size == 0 or np.isnan(row["optimum_flow"].values[:, n:]).all()
        np.testing.assert_array_equal(row["optimum_thresholds"][:n], one.attrs["optimum_thresholds"])
        assert row["server_name"].values.tolist() == [*system.names, *[""] * (4 - n)]
        assert float(row["total_rate"]) == system.total_rate
    assert dict(many.sizes) == {"system": 5, "point": 2, "server": 4}
    assert (many["error"] == "").all()


def test_number_of_workers_and_size_of_chunks_change_no_bit(many, tmp_path):
    xr.testing.assert_identical(study(systems(), LOADS, relative=True, chunk=3), many)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        xr.testing.assert_identical(study(systems(), LOADS, relative=True, chunk=2, out=tmp_path / "s"), many)
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "s" / "study.nc", engine="scipy"), many)


def test_real_dask_cluster_with_families_that_no_worker_can_import(many, tmp_path):
    """One line of joblib; a class of this module, and one of a file that the command imports."""
    from dask.distributed import Client, LocalCluster

    from sojourn.models.cli import _import

    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        from sojourn.models import MM1

        class Mine(MM1):
            def latency(self, flow, spare=None):
                return super().latency(flow, spare) + 0.5
        """)
    )
    _import(str(tmp_path / "mine.py"))
    own = [ParallelServers(Shifted([3.0, 1.0]), MM1([2.0])), ParallelServers(sys.modules["imported_mine"].Mine([2.0, 1.0]))]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        xr.testing.assert_identical(study(systems(), LOADS, relative=True, chunk=2), many)
        theirs = study(own, LOADS, relative=True, chunk=1)
    xr.testing.assert_identical(theirs, study(own, LOADS, relative=True))
    assert (theirs["error"] == "").all()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from sojourn.models import MM1, ParallelServers, study

class Deadly(MM1):
    def latency(self, flow, spare=None):
        if Path("killed").exists():
            return super().latency(flow, spare)
        if armed:
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().latency(flow, spare)

armed = False
systems = [ParallelServers(MM1([3.0, rate])) for rate in (1.0, 2.0)] + [ParallelServers(Deadly([3.0, 2.5]))]
last = [ParallelServers(MM1([3.0, 4.0]))]
if __name__ == "__main__":
    curve = ParallelServers.curve
    def watched(self, *args, **how):
        global armed
        armed = isinstance(self.bank, Deadly)
        with open("solved", "a") as log:
            log.write(f"{self.bank.rate[1]:g} ")
        return curve(self, *args, **how)
    ParallelServers.curve = watched
    data = study(systems + last, [1.0, 2.0], chunk=1, out="s")
    print(int((data.error == "").sum()))
"""


def test_killed_study_resumes_where_it_was(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    first = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert (tmp_path / "solved").read_text() == "1 2 2.5 "
    assert load_study(tmp_path / "s").sizes["system"] == 2  # what is there of it can be read
    again = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (again.returncode, again.stdout.strip()) == (0, "4"), again.stderr
    assert (tmp_path / "solved").read_text() == "1 2 2.5 2.5 4 "
    assert load_study(tmp_path / "s").sizes["system"] == 4


def count_curves(monkeypatch):
    honest, asked = ParallelServers.curve, []

    def curve(self, *args, **how):
        asked.append(self)
        return honest(self, *args, **how)

    monkeypatch.setattr(ParallelServers, "curve", curve)
    return asked


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"nonsense" * 100, None], ids=["cut", "empty", "other", "gone"]
)
def test_damaged_chunk_is_solved_again(many, tmp_path, monkeypatch, damage):
    study(systems(), LOADS, relative=True, chunk=2, out=tmp_path)
    (tmp_path / "study.nc").unlink()
    file = tmp_path / "chunk-000001.nc"
    file.write_bytes(damage(file.read_bytes())) if damage else file.unlink()
    asked = count_curves(monkeypatch)
    xr.testing.assert_equal(study(systems(), LOADS, relative=True, chunk=2, out=tmp_path), many)
    assert len(asked) == 2
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"systems": systems(4)}, "systems"),
        ({"loads": [0.3, 0.8]}, "loads"),
        ({"solver": "SCS"}, "options"),
        ({"chunk": 3}, "systems a chunk"),
    ],
    ids=["systems", "loads", "options", "chunk"],
)
def test_folder_of_another_study_is_refused(tmp_path, other, what, monkeypatch):
    asked = {"systems": systems(), "loads": LOADS, "relative": True, "chunk": 2, "out": tmp_path}
    study(**asked)
    monkeypatch.setattr(ParallelServers, "curve", lambda *_, **__: pytest.fail("a solver was started"))
    with pytest.raises(InputError, match=rf"^out = .*: holds another study: its .*{what}.* differ; name another folder"):
        study(**asked | other)


def test_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds files that are no study; name a new folder$"):
        study(systems(), LOADS, out=tmp_path)
    with pytest.raises(InputError, match=r"is a file; name a folder$"):
        study(systems(), LOADS, out=tmp_path / "thesis.tex")
    with pytest.raises(InputError, match=r"^folder = .*: holds no study"):
        load_study(tmp_path)
    empty = tmp_path / "empty"
    on_disk.Folder(empty, {"loads": "x"})
    with pytest.raises(InputError, match=r"holds a study of which nothing is done yet"):
        load_study(empty)
    assert [p.name for p in tmp_path.iterdir()].count("thesis.tex") == 1


def test_failing_system_is_recorded_and_stops_no_other(tmp_path):
    class Broken(MM1):
        def latency(self, flow, spare=None):
            if np.ndim(flow) > 1:
                raise ZeroDivisionError("broken on purpose")
            return super().latency(flow, spare)

    three = {"good": ParallelServers(MM1([3.0, 1.0])), "full": ParallelServers(MM1([1.0])), "broken": ParallelServers(Broken([9.0]))}
    with pytest.warns(UserWarning, match=r"^of 3 systems 2 failed, see error$"):
        data = study(three, [0.5, 2.0], out=tmp_path)
    assert data["error"].sel(system="good") == ""
    assert str(data["error"].sel(system="full").values).startswith("LoadError: loads[1] = 2.0: not below the total rate 1")
    assert data["error"].sel(system="broken") == "ZeroDivisionError: broken on purpose"
    for name in ("full", "broken"):
        row = data.sel(system=name)
        assert row["optimum_delay"].isnull().all()
        assert not row["optimum_certified"].any()
        np.testing.assert_array_equal(row["load"], [0.5, 2.0])
    assert data["optimum_certified"].dtype == bool
    assert data["optimum_certified"].sel(system="good").all()
    with pytest.warns(UserWarning, match="2 failed"):
        again = study(three, [0.5, 2.0], out=tmp_path)
    xr.testing.assert_equal(again, data)


def test_all_systems_may_fail():
    with pytest.warns(UserWarning, match="of 2 systems 2 failed"):
        data = study([ParallelServers(MM1([1.0]))] * 2, [2.0])
    assert (data["error"] != "").all()
    assert "optimum_delay" not in data


def test_uncertified_answers_are_said_once():
    with pytest.warns(UserWarning, match=r"^of 5 systems 5 have answers that are not certified or not sure, see warning$") as told:
        data = study(systems(), LOADS, relative=True, polish=False, gap=1e-17)
    assert len(told) == 1
    assert str(data["warning"].values[0]).startswith("4 of 4 answers are not certified")


def test_ctrl_c_keeps_what_was_done(tmp_path, monkeypatch):
    honest, asked = ParallelServers.curve, []

    def curve(self, *args, **how):
        asked.append(self)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return honest(self, *args, **how)

    monkeypatch.setattr(ParallelServers, "curve", curve)
    with pytest.raises(StudyInterruptedError, match=r"^stopped after 2 of 5 systems$") as caught:
        study(systems(), LOADS, relative=True, chunk=2, out=tmp_path)
    assert caught.value.dataset.sizes["system"] == 2
    xr.testing.assert_equal(load_study(tmp_path), caught.value.dataset)


def test_full_disk_loses_nothing(many, tmp_path, monkeypatch):
    honest = on_disk.Folder.save

    def save(self, chunk, rows):
        if chunk == 1:
            raise OSError(28, "No space left on device")
        honest(self, chunk, rows)

    monkeypatch.setattr(on_disk.Folder, "save", save)
    with pytest.warns(UserWarning, match=r"^cannot write to .*: No space left on device; what is not there") as told:
        xr.testing.assert_identical(study(systems(), LOADS, relative=True, chunk=2, out=tmp_path / "s"), many)
    assert len(told) == 1
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["about.json", "chunk-000000.nc"]


def test_service_modes(tmp_path):
    two = {f"K = {K}": DualMode.canonical(mu0=1.0, K=K, f=(0.1, 0.3)) for K in (2.0, 4.0)}
    data = study(two, [0.5, 0.9], relative=True, out=tmp_path)
    assert data["certified"].all()
    for name, system in two.items():
        one = system.curve(np.array([0.5, 0.9]) * system.max_load)
        np.testing.assert_array_equal(data["p"].sel(system=name), one["p"])
        np.testing.assert_array_equal(data["share"].sel(system=name), one["share"])
        assert float(data["max_load"].sel(system=name)) == system.max_load
    assert study(two, [1.0], p=0.5)["delay"].sel(system="K = 4.0").item() == two["K = 4.0"].partition(1.0, 0.5).mean_delay


def test_a_row_of_loads_for_each_system():
    two = systems(2)
    rows = np.array([[0.2, 0.4], [0.6, 0.8]]) * np.array([[s.total_rate] for s in two])
    np.testing.assert_array_equal(study(two, rows, which="optimum")["load"], rows)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"systems": []}, r"^systems = \[\]: there is nothing to solve"),
        ({"systems": 3}, r"^systems = 3: is not a list of systems"),
        ({"systems": [MM1([1.0])]}, r"^systems\[0\] = .*: is not a system; give ParallelServers"),
        ({"systems": {"a": systems(1)[0], "b": DualMode.canonical(mu0=1.0, K=2.0, f=(0.1, 0.3))}}, r"^systems\['b'\] = .*: is of another kind"),
        (
            {"loads": [[0.1], [0.2], [0.3]]},
            r"^loads\.shape = \(3, 1\): is not a list of loads, nor one for each system; give shape \(K,\) for all, or \(5, K\)",
        ),
        ({"loads": []}, r"^loads\.shape = \(0,\)"),
        ({"loads": [0.5, 1.5], "relative": True}, r"^loads\[1\] = 1.5: is not a part of the largest load"),
        ({"loads": [1.0, float("nan")]}, r"^loads\[1\] = nan: is not a load"),
        ({"systems": {1: systems(1)[0], "1": systems(1)[0]}}, r"^systems = .*: has two systems of the same name"),
        ({"which": "best"}, r"^which = 'best': is not something to solve for"),
        ({"chunk": 0}, r"^chunk = 0: is not a number of systems"),
        ({"n_jobs": 0}, r"^n_jobs = 0: is not a number of processes"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_solved(asked, message, monkeypatch):
    monkeypatch.setattr(ParallelServers, "curve", lambda *_, **__: pytest.fail("a solver was started"))
    with pytest.raises(InputError, match=message):
        study(**{"systems": systems(), "loads": LOADS} | asked)


def test_bad_options_are_those_of_a_curve():
    with pytest.raises(TypeError, match="'solvr'; did you mean solver"):
        study(systems(), LOADS, solvr="SCS")
    with pytest.raises(SolverNameError, match="is not a solver that CVXPY knows"):
        study(systems(), LOADS, solver="GUROBY")


def test_without_joblib_one_process_does(many, monkeypatch):
    monkeypatch.setattr(workers.importlib.util, "find_spec", lambda _: None)
    xr.testing.assert_identical(study(systems(), LOADS, relative=True), many)
    with pytest.raises(InputError, match=r"^n_jobs = 2: needs joblib; pip install 'sojourn\[study\]'"):
        study(systems(), LOADS, relative=True, n_jobs=2)


def test_systems_are_pickled_without_their_programs():
    system = MultiMode([[4.0, 2.0], [30.0, 40.0]])
    before = system.assignment(1.0).mean_delay
    assert cloudpickle.loads(cloudpickle.dumps(system)).assignment(1.0).mean_delay == before


def test_about_is_plain_json(tmp_path):
    study(systems(2), LOADS, relative=True, out=tmp_path)
    about = json.loads((Path(tmp_path) / "about.json").read_text())
    assert set(about) == {"systems", "loads", "options", "systems a chunk"}
    assert os.listdir(tmp_path)
