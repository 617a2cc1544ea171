"""Studies: the curves of their systems, recorded failures, interrupts, progress."""

import errno
import io
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from sojourn.models import (
    MM1,
    DualMode,
    InputError,
    LoadError,
    MaxShare,
    Measured,
    MultiMode,
    ParallelServers,
    SolverNameError,
    TunableMode,
    load_study,
    study,
)
from sojourn.models.core import progress
from sojourn.models.studies.batch import StudyInterruptedError, StudyStoppedError, records, store
from sojourn.models.studies.batch.spec import make_spec

LOADS = [1.0, 4.0]
SYSTEMS = {
    "two": ParallelServers(MM1([3.0, 2.0]), names=["desk", "café"], time_unit="ms"),
    "three": ParallelServers(MM1([3.0, 2.0, 4.0], [0.0, 0.0, 0.5]), time_unit="ms"),
}
MODES = [
    DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)),
    MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]]),
]


class Broken(MM1):
    """Family whose latency raises an error."""

    def latency(self, flow, spare_capacity=None):
        return 1 / 0


def failing(**more):
    return {"broken": ParallelServers(Broken([9.0, 9.0]), time_unit="ms"), **SYSTEMS, **more}


def test_rows_are_the_curves_bit_for_bit():
    data = study(SYSTEMS, LOADS)
    assert dict(data.sizes) == {"system": 2, "point": 2, "server": 3}
    for name, system in SYSTEMS.items():
        curve, row = system.curve(LOADS), data.sel(system=name)
        for variable in curve.data_vars:
            given = (
                row[variable][..., : len(system)]
                if "server" in curve[variable].dims
                else row[variable]
            )
            np.testing.assert_array_equal(given, curve[variable], variable)
            assert data[variable].attrs == curve[variable].attrs
        assert float(row["total_rate"]) == system.total_rate
        np.testing.assert_array_equal(
            row["equilibrium_thresholds"][: len(system)], system.thresholds().equilibrium
        )
        np.testing.assert_array_equal(row["utilisation"], curve["utilisation"])
        assert [n for n in row["server_name"].values if n] == list(system.names)
    assert np.isnan(data["optimum_flow"].sel(system="two")[:, 2]).all()
    assert data.attrs == {"time_unit": "ms"}
    assert data["load"].attrs["units"] == "1/ms"
    assert (data["error"] == "").all()


def test_loads_are_relative_or_a_row_for_each():
    relative, rows = (
        study(SYSTEMS, [0.2, 0.8], relative=True),
        study(SYSTEMS, [[1.0, 4.0], [1.8, 7.2]]),
    )
    np.testing.assert_array_equal(relative["utilisation"], [[0.2, 0.8]] * 2)
    np.testing.assert_array_equal(rows["load"], [[1.0, 4.0], [1.8, 7.2]])
    np.testing.assert_allclose(relative["price_of_anarchy"], rows["price_of_anarchy"], rtol=1e-12)


def test_systems_of_modes():
    data = study(MODES, [0.3, 0.9], relative=True, breakaway=True)
    assert list(data["system"].values) == ["system 1", "system 2"]
    assert data["share"].dims == ("system", "point", "stage", "mode")
    for k, system in enumerate(MODES):
        curve = system.curve(np.array([0.3, 0.9]) * system.max_load)
        np.testing.assert_array_equal(data["delay"][k], curve["delay"])
        np.testing.assert_array_equal(data["share"][k, :, : len(system.stages)], curve["share"])
    assert np.isnan(data["tunable_delay"][1]).all()
    assert float(data["breakaway_load"][0]) == pytest.approx(4.199694, abs=1e-6)
    given = study(MODES[:1], [2.0], p=0.5)
    assert given["delay"].item() == MODES[0].curve([2.0], p=0.5)["delay"].item()


def test_tunable_modes():
    systems = [TunableMode(1.0, 4.0), TunableMode(1.0, 3.0)]
    data = study(systems, [0.5], relative=True)
    assert data["optimum_delay"].values.ravel().tolist() == [
        s.curve([0.5 * s.max_load])["optimum_delay"].item() for s in systems
    ]
    assert data["server_name"].values.tolist() == [["local", "cloud"]] * 2


def test_earlier_solves_of_a_system_do_not_change_its_answers():
    used = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    used.assignment(4.4)
    kept = dict(used._kept)
    xr.testing.assert_identical(study([used], [3.0, 4.5]), study(MODES[:1], [3.0, 4.5]))
    assert used._kept == kept


class OwnCurve(ParallelServers):
    """Servers with a curve of their own, which has no plan."""

    def curve(self, loads, *args, **options):
        return super().curve(loads, *args, **options)


@pytest.mark.parametrize(("system", "count", "loads", "size"), [
    (ParallelServers(MM1([3.0, 2.0])), 40, 10, 1),
    (ParallelServers(MM1([3.0, 2.0])), 640, 10, 20),
    (ParallelServers(MM1([3.0, 2.0])), 10_000, 10, 100),
    (ParallelServers(MM1([3.0, 2.0])), 10_000, 500, 16),
    (ParallelServers(MM1(np.ones(100))), 10_000, 4, 50),
    (OwnCurve(MM1([3.0, 2.0])), 10_000, 10, 16),
    (MODES[0], 10_000, 20, 50),
])  # fmt: skip
def test_chunks_have_up_to_a_thousand_loads(system, count, loads, size):
    spec = make_spec([system] * count, np.ones(loads), {}, relative=False, chunk=None)
    assert spec.chunk_size == size


# ---- failures


def test_failing_systems_are_recorded_and_the_others_go_on():
    systems = failing(small=ParallelServers(MM1([0.5, 0.5]), time_unit="ms"))
    with pytest.warns(
        UserWarning,
        match=r"^2 of 4 systems failed, the first of them 'broken' with "
        r"InputError: .*ZeroDivisionError",
    ) as warned:
        data = study(systems, LOADS)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    errors = dict(zip(data["system"].values, data["error"].values, strict=True))
    assert errors["broken"].startswith(
        "InputError: Broken = 'ZeroDivisionError': was raised: division by zero; "
        "make it work for any load"
    )
    assert errors["small"].startswith("LoadError: loads[0] = 1.0: not below the total rate 1")
    bad = data.sel(system=["broken", "small"])
    assert np.isnan(bad["optimum_delay"]).all()
    assert np.isinf(bad["equilibrium_gap"]).all()
    assert not bad["optimum_certified"].any()
    np.testing.assert_array_equal(bad["load"], [LOADS, LOADS])
    xr.testing.assert_identical(
        data.sel(system=list(SYSTEMS)).drop_vars("error"), study(SYSTEMS, LOADS).drop_vars("error")
    )


def test_a_bad_row_of_loads_is_the_error_of_one_system():
    with pytest.warns(
        UserWarning,
        match=r"^1 of 2 systems failed, the first of them 'three' with LoadError: loads\[1\] = nan",
    ):
        data = study(SYSTEMS, [[1.0, 4.0], [1.0, np.nan]])
    assert data["optimum_certified"].values.tolist() == [[True, True], [False, False]]
    with pytest.warns(UserWarning, match="are parts of the largest load, which is infinite"):
        data = study(
            [ParallelServers(Measured(np.arange(1.0, 9.0), np.arange(1.0, 9.0) ** 2))],
            [0.5],
            relative=True,
        )
    assert np.isnan(data["load"]).all()


def test_answers_that_are_not_certified_are_counted_once():
    """A study issues one warning for all curves, and keeps the warning of each."""
    beyond = ParallelServers(
        MM1([3.0]), Measured(np.arange(1.0, 9.0), np.arange(1.0, 9.0) ** 2), time_unit="ms"
    )
    with pytest.warns(
        UserWarning,
        match=r"^6 of 6 answers are not certified \(see optimum_certified\); "
        r"3 curves came with warnings",
    ) as warned:
        data = study({**SYSTEMS, "beyond": beyond}, [1.0, 4.5], which="optimum", gap=1e-15)
    assert len(warned) == 1
    assert data["warning"].values[0].startswith("2 of 2 answers are not certified")
    assert not (data["error"] != "").any()


def test_an_error_that_files_cannot_hold_is_kept_in_part(monkeypatch, tmp_path):
    def explode(*_, **__):
        raise RuntimeError("\0\udc80" + "x" * 10_000)

    monkeypatch.setattr(ParallelServers, "curve", explode)
    with pytest.warns(UserWarning, match="1 of 1 systems failed"):
        data = study([SYSTEMS["two"]], LOADS, out=tmp_path)
    assert data["error"].item() == ("RuntimeError: ??" + "x" * 10_000)[: records.LONGEST]
    assert load_study(tmp_path)["error"].item() == data["error"].item()


@pytest.mark.parametrize("names", [["", "é\n"], [np.int64(7), -3], [0.5, (1, "b")]])
def test_names_and_units_of_any_kind(names, tmp_path):
    data = study(
        {name: ParallelServers(MM1([3.0]), names=["日本"], time_unit="µs") for name in names},
        [1.0],
        out=tmp_path,
    )
    again = load_study(tmp_path)
    assert (
        data["system"].values.tolist() == again["system"].values.tolist() == list(map(str, names))
    )
    assert again["server_name"].values.tolist() == [["日本"]] * 2
    assert again["load"].attrs["units"] == "1/µs"
    assert again.attrs["time_unit"] == "µs"


@pytest.mark.parametrize(("systems", "loads", "options", "error", "message"), [
    ([], LOADS, {}, InputError, r"^systems = \[\]: there is none"),
    (SYSTEMS["two"], LOADS, {}, InputError, r"^systems = .*: is one system; give a list"),
    (5, LOADS, {}, InputError, r"^systems = 5: is not a list of systems"),
    ("ab", LOADS, {}, InputError, r"^systems = 'ab': is not a list of systems"),
    ({"a": MM1([1.0])}, LOADS, {}, InputError,
     r"^systems\['a'\] = .*: is not a system; give ParallelServers, Groups, Routes, Network, Dual"),
    ([*SYSTEMS.values(), MODES[0]], LOADS, {}, InputError,
     r"^systems\['system 3'\] = .*: is not a ParallelServers like systems\['system 1'\]"),
    ([SYSTEMS["two"], ParallelServers(MM1([1.0]))], LOADS, {}, InputError,
     r"^systems\['system 2'\]\.time_unit = 's': is in another unit"),
    ({"1": SYSTEMS["two"], 1: SYSTEMS["two"]}, LOADS, {}, InputError,
     "has two systems of the same name"),
    (SYSTEMS, LOADS, {"chunk": 0}, InputError, r"^chunk = 0: is not a number of systems"),
    (SYSTEMS, 4.0, {}, LoadError, r"^loads = 4.0: is not a list of loads"),
    (SYSTEMS, [], {}, LoadError, r"^loads = \[\]: is not a list of loads"),
    (SYSTEMS, [[1.0]] * 3, {}, LoadError, "has 3 rows for 2 systems"),
    (SYSTEMS, [1.0, np.nan], {}, LoadError, r"^loads\[1\] = nan: is not a finite number"),
    (SYSTEMS, [1.0, -1.0], {}, LoadError, r"^loads\[1\] = -1.0: a load cannot be negative"),
    (SYSTEMS, [1.5, 1.0], {"relative": True}, LoadError,
     r"^loads\[0\] = 1.5: is not a part of the largest load"),
    (SYSTEMS, LOADS, {"relative": "yes"}, InputError,
     r"^relative = 'yes': is neither true nor false"),
    (SYSTEMS, LOADS, {"wich": "optimum"}, TypeError, "'wich'; did you mean which"),
    (SYSTEMS, LOADS, {"p": 0.5}, TypeError, "'p'; the options are"),
    (SYSTEMS, LOADS, {"which": "best"}, InputError, r"^which = 'best'"),
    (SYSTEMS, LOADS, {"gap": 0}, InputError, r"^gap = 0: is not a finite number above 0"),
    (SYSTEMS, LOADS, {"solver": "NOPE"}, SolverNameError, "is not a solver that CVXPY knows"),
    (SYSTEMS, LOADS, {"formulation": "nope"}, InputError,
     r"^formulation = 'nope': is not a formulation"),
    (SYSTEMS, LOADS, {"subject_to": [MaxShare(0.9)]}, InputError,
     "selfish users keep no operator's limits"),
    (SYSTEMS, LOADS, {"n_jobs": 0}, InputError, r"^n_jobs = 0: is not a number of workers"),
    (SYSTEMS, LOADS, {"n_jobs": 1.5}, InputError, r"^n_jobs = 1.5: is not a number of workers"),
    (SYSTEMS, LOADS, {"n_jobs": True}, InputError, r"^n_jobs = True: is not a number of workers"),
])  # fmt: skip
def test_bad_arguments_before_any_system_is_touched(
    systems, loads, options, error, message, monkeypatch
):
    monkeypatch.setattr(
        "sojourn.models.studies.batch.spec.solve_records",
        lambda *_, **__: pytest.fail("a system was touched"),
    )
    with pytest.raises(error, match=message):
        study(systems, loads, **options)


# ---- interrupts and stops


def interrupt_at(monkeypatch, system, error):
    """Raise an error in the curve of one system."""
    original = ParallelServers.curve

    def curve(self, *loads, **options):
        if self.bank is system.bank:
            raise error
        return original(self, *loads, **options)

    monkeypatch.setattr(ParallelServers, "curve", curve)


def test_interrupted_study_keeps_the_systems_that_were_done(monkeypatch):
    """Also the solved systems of an interrupted chunk."""
    whole = study(SYSTEMS, LOADS)
    interrupt_at(monkeypatch, SYSTEMS["three"], KeyboardInterrupt)
    monkeypatch.setattr("sojourn.models.studies.batch.spec.MIN_CHUNKS", 1)
    with pytest.raises(
        StudyInterruptedError,
        match=r"^stopped after 1 of 2 systems; they are in .dataset, and out=folder would",
    ) as stop:
        study(SYSTEMS, LOADS)
    assert isinstance(stop.value, KeyboardInterrupt)
    assert stop.value.dataset["system"].values.tolist() == ["two"]
    np.testing.assert_array_equal(stop.value.dataset["optimum_delay"], whole["optimum_delay"][:1])


@pytest.mark.parametrize("for_ever", [False, True])
def test_full_disk_stops_nothing(for_ever, monkeypatch, tmp_path):
    """Writing is tried again at the end, and the result has all systems in any case."""
    original, failed = store.write_atomic, []

    def full(path, content):
        if "000000" in path.name and (for_ever or not failed):
            failed.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, content)

    monkeypatch.setattr(store, "write_atomic", full)
    with pytest.warns(
        UserWarning, match=r"^cannot write to .*: No space left on device; "
    ) as warned:
        data = study(SYSTEMS, LOADS, out=tmp_path)
    assert [w.filename for w in warned] == [__file__] * (1 + for_ever)
    xr.testing.assert_identical(data, study(SYSTEMS, LOADS))
    assert load_study(tmp_path).attrs["systems_done"] == 2 - for_ever
    assert (tmp_path / "study.nc").exists() == (not for_ever)


def test_systems_solved_before_a_worker_dies_are_kept(monkeypatch):
    def dies(chunks, *_, **__):
        yield 0, chunks[0].solve()
        raise RuntimeError("a worker was killed\nat length")

    monkeypatch.setattr("sojourn.models.studies.batch.run.iter_chunks", dies)
    with pytest.raises(
        StudyStoppedError,
        match=r"^stopped by RuntimeError: a worker was killed after 1 of 2 systems; they are in",
    ) as stop:
        study(SYSTEMS, LOADS)
    assert stop.value.dataset["system"].values.tolist() == ["two"]


def test_an_interrupt_before_the_first_system_returns_none(monkeypatch):
    interrupt_at(monkeypatch, SYSTEMS["two"], KeyboardInterrupt)
    with pytest.raises(StudyInterruptedError, match=r"^stopped after 0 of 2 systems") as stop:
        study(SYSTEMS, LOADS)
    assert stop.value.dataset.sizes["system"] == 0


def test_one_progress_bar_for_all_systems(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now, screen, original = [0.0], Terminal(), ParallelServers.curve
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def slow(self, *loads, **options):
        now[0] += 3.0
        return original(self, *loads, **options)

    monkeypatch.setattr(ParallelServers, "curve", slow)
    study(SYSTEMS, LOADS, n_jobs=1)
    assert "2/2" in screen.getvalue()
    assert "loads" not in screen.getvalue()


def test_without_joblib_one_process_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert study(SYSTEMS, LOADS).sizes["system"] == 2
    with pytest.raises(
        InputError,
        match=r"^n_jobs = 2: needs joblib; pip install 'sojourn\[study\]', or leave it at 1",
    ):
        study(SYSTEMS, LOADS, n_jobs=2)


def test_warnings_of_users_code_are_kept_and_not_shown(recwarn):
    class Noisy(MM1):
        def latency(self, flow, spare_capacity=None):
            warnings.warn("close to the edge", RuntimeWarning, stacklevel=1)
            return super().latency(flow, spare_capacity)

    data = study([ParallelServers(Noisy([3.0, 2.0]))], LOADS)
    assert data["warning"].item() == "close to the edge"
    assert [str(w.message) for w in recwarn] == ["1 curves came with warnings (in warning)"]
