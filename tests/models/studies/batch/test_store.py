"""Folders of studies: complete files, checks of their content, and damaged or foreign files."""

import errno
import hashlib
import itertools
import json
import os
import shutil

import numpy as np
import pytest
import xarray as xr

from sojourn.models import MM1, InputError, MaxShare, ParallelServers, load_study, study
from sojourn.models.core.stored import stored_answers
from sojourn.models.studies.batch import StudyInterruptedError, store

LOADS = [1.0, 4.0]
SYSTEMS = {
    f"système {n}": ParallelServers(
        MM1(np.arange(2.0, 4.0 + n)), names=[f"{n}-{i}" for i in range(2 + n)]
    )
    for n in range(4)
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "out"
    study(SYSTEMS, LOADS, out=out)
    return out


@pytest.fixture
def out(finished, tmp_path):
    """Copy of a finished study, to be changed by a test."""
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def solved(monkeypatch):
    """First server names of the systems that are solved."""
    names, original = [], ParallelServers.curve

    def curve(self, *loads, **options):
        if stored_answers() is None:
            names.append(self.names[0])
        return original(self, *loads, **options)

    monkeypatch.setattr(ParallelServers, "curve", curve)
    return names


def chunks(out):
    return sorted((out / "chunks").glob("*.nc"))


def test_xarray_opens_the_whole_study(out):
    data, plain = study(SYSTEMS, LOADS, out=out), study(SYSTEMS, LOADS)
    xr.testing.assert_identical(data, plain)
    with xr.open_dataset(out / "study.nc") as back:
        assert back.sizes == plain.sizes
        for name, variable in plain.variables.items():
            np.testing.assert_array_equal(
                back[name].values.astype(variable.dtype), variable.values, name
            )
            assert variable.attrs.items() <= back[name].attrs.items()
        assert back.attrs == plain.attrs
    assert sorted(p.name for p in out.iterdir()) == [".lock", "chunks", "study.json", "study.nc"]
    assert len(chunks(out)) == 4


def test_solved_systems_are_not_solved_again(out, solved):
    whole = (out / "study.nc").read_bytes()
    study(SYSTEMS, LOADS, out=out)
    assert solved == []
    chunks(out)[2].unlink()
    study(SYSTEMS, LOADS, out=out)
    assert solved == ["2-0"]
    assert (out / "study.nc").read_bytes() == whole


def cut(path):
    path.write_bytes(path.read_bytes()[:-300])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def rename(path):
    """A file whose name has another digest, like an unfinished one."""
    path.rename(path.with_name("000001-nothing.nc"))


@pytest.mark.parametrize("harm", [cut, flip, empty, rename])
def test_a_damaged_chunk_is_solved_again(out, harm, solved):
    whole, before = load_study(out), sorted(p.name for p in chunks(out))
    harm(chunks(out)[1])
    with pytest.warns(UserWarning, match=r"^1 chunks in .*out are left out: number 1 is damaged$"):
        assert load_study(out).attrs == {"time_unit": "s", "systems": 4, "systems_done": 3}
    with pytest.warns(
        UserWarning,
        match=r"^systems in .*out are solved again: 1 whose chunk is damaged \(chunk 1\)$",
    ) as warned:
        study(SYSTEMS, LOADS, out=out)
    assert [w.filename for w in warned] == [__file__]
    assert solved == ["1-0"]
    assert sorted(p.name for p in chunks(out)) == before
    xr.testing.assert_identical(load_study(out), whole)


def test_an_unfinished_study_can_be_read_and_goes_on(tmp_path, monkeypatch, solved, finished):
    counted = ParallelServers.curve

    def stops(self, *loads, **options):
        if self.names[0] == "2-0" and len(solved) == 2:
            raise KeyboardInterrupt
        return counted(self, *loads, **options)

    out = tmp_path / "new" / "out"
    with monkeypatch.context() as patch:
        patch.setattr(ParallelServers, "curve", stops)
        with pytest.raises(
            StudyInterruptedError,
            match=r"after 2 of 4 systems; they are in .dataset, "
            r"and the same call goes on from .*out$",
        ) as stop:
            study(SYSTEMS, LOADS, out=out)
    xr.testing.assert_identical(load_study(out).drop_attrs(), stop.value.dataset.drop_attrs())
    assert load_study(out)["system"].values.tolist() == ["système 0", "système 1"]
    assert not (out / "study.nc").exists()
    study(SYSTEMS, LOADS, out=out)
    assert solved == ["0-0", "1-0", "2-0", "3-0"]
    assert (out / "study.nc").read_bytes() == (finished / "study.nc").read_bytes()


@pytest.mark.parametrize(("systems", "loads", "options", "message"), [
    (dict(itertools.islice(SYSTEMS.items(), 3)), LOADS, {},
     "holds a study of other systems: 4, not 3"),
    (dict(reversed(SYSTEMS.items())), LOADS, {}, "holds a study of other systems: number 0 of 4"),
    (SYSTEMS, LOADS, {"version": "prices of May"},
     "holds a study with version = None, not 'prices of May'"),
    (SYSTEMS, LOADS, {"chunk": 2}, "holds a study with chunk = 1, not 2"),
    (SYSTEMS, LOADS, {"which": "optimum", "subject_to": [MaxShare(0.5)]},
     "holds a study with subject_to = not given, not .*'MaxShare'.*0.5.*"),
    (SYSTEMS, [1.0, 4.5], {}, "holds a study at other loads"),
    (SYSTEMS, LOADS[:1], {}, "holds a study at other loads"),
    (SYSTEMS, [0.1, 0.4], {"relative": True}, "holds a study with relative = False, not True"),
    (SYSTEMS, LOADS, {"gap": 1e-6}, "holds a study with gap = not given, not 1e-06"),
    (SYSTEMS, LOADS, {"solver": "SCS", "which": "optimum"},
     "holds a study with solver = not given, not 'SCS'"),
])  # fmt: skip
def test_another_study_is_refused(finished, systems, loads, options, message, solved):
    with pytest.raises(
        InputError,
        match=rf"^out = '.*out': {message}; give what it was begun with, or another folder",
    ):
        study(systems, loads, out=finished, **options)
    assert solved == []


def test_another_version_of_the_library_goes_on(out, solved):
    """A change of its code shows in the answers, which are checked."""
    manifest = json.loads((out / "study.json").read_text())
    (out / "study.json").write_text(json.dumps({**manifest, "sojourn": "0.0.1"}))
    study(SYSTEMS, LOADS, out=out)
    assert solved == []


def test_equal_arguments_of_other_types_are_the_same_study(out, solved):
    SYSTEMS["système 1"].optimum(1.0)
    again = {
        name: ParallelServers(MM1(list(s.bank.rate)), names=list(s.names))
        for name, s in SYSTEMS.items()
    }
    study(again, np.array(LOADS), out=str(out), which=None)
    assert solved == []


@pytest.mark.parametrize(("manifest", "problem"), [
    ("{", "JSONDecodeError"), ("", "JSONDecodeError"), ("\0\xff",
     "JSONDecodeError"), ("[" * 100_000, "RecursionError"),
    ("[1]", "TypeError: is a list"), ("null", "TypeError: is a NoneType"), ("{}",
     "TypeError: names is missing or wrong"),
    ('{"names": "ab", "chunk": 1, "options": {}}', "TypeError: names is missing or wrong"),
    ('{"names": [], "chunk": 1.5, "options": {}}', "TypeError: chunk is missing or wrong"),
    ('{"names": [], "chunk": 1, "options": []}', "TypeError: options is missing or wrong"),
    ('{"names": [1], "chunk": 1, "options": {}}', "ValueError: no such names or chunks"),
    ('{"names": [], "chunk": 0, "options": {}}', "ValueError: no such names or chunks"),
])  # fmt: skip
def test_a_damaged_manifest_is_named(out, manifest, problem, solved):
    (out / "study.json").write_text(manifest, encoding="latin-1")
    for field, ask in (
        ("out", lambda: study(SYSTEMS, LOADS, out=out)),
        ("folder", lambda: load_study(out)),
    ):
        with pytest.raises(
            InputError, match=rf"^{field} = '.*out': its study.json cannot be read: {problem}"
        ) as refused:
            ask()
        assert refused.value.remedy == "restore that file, or give another folder"
    assert solved == []


def test_a_folder_with_other_files_is_not_used(out):
    (out / "study.json").unlink()
    (out / ".lock").unlink()
    with pytest.raises(
        InputError,
        match=r"^out = '.*out': holds files but no study.json of a study; "
        r"give a new folder",
    ):
        study(SYSTEMS, LOADS, out=out)
    assert not (out / ".lock").exists()
    with pytest.raises(InputError, match=r"^folder = '.*out': has no study.json; give the folder"):
        load_study(out)


def device(path):
    path.symlink_to("/dev/zero")


def full(path):
    path.symlink_to("/dev/full")


def loop(path):
    path.symlink_to(path)


def nowhere(path):
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize("put", [device, full, os.mkdir, os.mkfifo, loop, nowhere])
@pytest.mark.parametrize(
    "name", ["study.json", "chunks", "chunks/000001-0123456789abcdef.nc", "study.nc", ".lock"]
)
def test_only_regular_files_are_read(out, put, name, solved):
    """Reading a device or a pipe may never end, and a link may lead anywhere."""
    path = out / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    put(path)
    if (name, put) == ("chunks", os.mkdir):
        return
    with pytest.raises(
        InputError, match=rf"^out = '.*out': its {name} (is not a|cannot be used: )"
    ) as refused:
        study(SYSTEMS, LOADS, out=out)
    assert "give another folder" in refused.value.remedy
    assert solved == []
    if name not in ("study.nc", ".lock"):
        with pytest.raises(
            InputError, match=rf"^folder = '.*out': its {name} (is not a|cannot be used: )"
        ):
            load_study(out)


@pytest.mark.parametrize(
    "out", ["/dev/zero", "/dev/full", "/dev/null/new", "/proc/new", "a\0b", 5, "x" * 300]
)
def test_a_path_that_cannot_be_a_folder(out, solved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^out = "):
        study(SYSTEMS, LOADS, out=out)
    with pytest.raises(InputError, match=r"^folder = "):
        load_study(out)
    assert solved == []


def test_a_full_disk_is_an_error_before_the_solves(tmp_path, monkeypatch, solved):
    def write(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(store, "write_atomic", write)
    with pytest.raises(
        InputError,
        match=r"^out = '.*new': its study.json cannot be used: No space left on device; make room",
    ):
        study(SYSTEMS, LOADS, out=tmp_path / "new")
    assert solved == []


def packed(data):
    content = bytes(data.to_netcdf(engine="scipy"))
    return f"000001-{hashlib.sha256(content).hexdigest()[:16]}.nc", content


@pytest.mark.parametrize(("change", "problem"), [
    (lambda rows: rows.assign_coords(system=["another"]), "is of other systems"),
    (lambda rows: rows.drop_vars("error"), "is no chunk of a study"),
    (lambda rows: rows[["load"]], "is no chunk of a study"),
    (lambda rows: rows.assign(optimum_delay=rows["optimum_flow"]),
     "has other variables than the rest"),
    (lambda rows: rows.assign(optimum_delay=rows["error"]), "has other variables than the rest"),
    (lambda rows: rows.assign(more=("point", [1.0, 2.0])), "has other variables than the rest"),
])  # fmt: skip
def test_a_chunk_of_another_study_is_detected(out, change, problem, solved):
    """A complete file whose name has the digest of its content."""
    whole = load_study(out)
    path = chunks(out)[1]
    name, content = packed(change(xr.load_dataset(path, engine="scipy")))
    path.unlink()
    (path.parent / name).write_bytes(content)
    with pytest.warns(UserWarning, match=rf"^1 chunks in .*out are left out: number 1 {problem}$"):
        assert load_study(out).attrs["systems_done"] == 3
    with pytest.warns(
        UserWarning, match=rf"are solved again: 1 whose chunk {problem} \(chunk 1\)$"
    ):
        study(SYSTEMS, LOADS, out=out)
    assert solved == ["1-0"]
    xr.testing.assert_identical(load_study(out), whole)
    assert len(chunks(out)) == 4


def test_of_two_files_of_a_chunk_the_newer_counts(out, solved):
    """A kill between writing the new file and removing the old one leaves both."""
    path = chunks(out)[1]
    rows = xr.load_dataset(path, engine="scipy")
    name, content = packed(rows.assign(optimum_delay=2 * rows["optimum_delay"]))
    old = path.with_name(name)
    old.write_bytes(content)
    os.utime(old, (1, 1))
    assert (
        load_study(out)["optimum_delay"].values[1].tolist()
        == rows["optimum_delay"].values[0].tolist()
    )
    study(SYSTEMS, LOADS, out=out)
    assert solved == []
    assert not old.exists()


def test_a_study_killed_at_its_start_can_start_again(out, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / ".study.json.part").write_text("{")
    study(SYSTEMS, LOADS, out=new)
    shutil.rmtree(new / "chunks")
    study(SYSTEMS, LOADS, out=new)
    assert (new / "study.nc").read_bytes() == (out / "study.nc").read_bytes()


def test_a_file_is_no_folder(out):
    with pytest.raises(InputError, match=r"^out = .*: is not a folder; give a folder"):
        study(SYSTEMS, LOADS, out=out / "study.nc")


def test_a_study_too_large_for_one_file_stays_in_chunks(out, monkeypatch):
    monkeypatch.setattr("sojourn.models.studies.batch.store.LARGEST", 100)
    (out / "study.nc").unlink()
    with pytest.warns(
        UserWarning, match=r"^study.nc is not written: .*; load_study\('.*out'\) reads the chunks"
    ):
        data = study(SYSTEMS, LOADS, out=out)
    assert not (out / "study.nc").exists()
    xr.testing.assert_identical(load_study(out).drop_attrs(), data.drop_attrs())


def test_a_study_goes_on_with_its_own_chunks(tmp_path):
    """By default; their size was another one before."""
    begun = study(SYSTEMS, LOADS, out=tmp_path, chunk=3)
    files = chunks(tmp_path)
    xr.testing.assert_identical(study(SYSTEMS, LOADS, out=tmp_path), begun)
    assert chunks(tmp_path) == files
    assert len(files) == 2
    with pytest.raises(InputError, match="holds a study with chunk = 3, not 4"):
        study(SYSTEMS, LOADS, out=tmp_path, chunk=4)
