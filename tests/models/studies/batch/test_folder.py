"""What is on disk is whole, is of what it says it is of, and is not computed again."""

import itertools
import json
import shutil

import numpy as np
import pytest
import xarray as xr

from sojourn.models import MM1, InputError, ParallelServers, load_study, study
from sojourn.models.studies.batch import StudyInterruptedError

LOADS = [1.0, 4.0]
SYSTEMS = {f"système {n}": ParallelServers(MM1(np.arange(2.0, 4.0 + n)), names=[f"{n}-{i}" for i in range(2 + n)]) for n in range(4)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "out"
    study(SYSTEMS, LOADS, out=out)
    return out


@pytest.fixture
def out(finished, tmp_path):
    """A finished study of one's own."""
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def solved(monkeypatch):
    """Names of the first servers of the systems whose curves are taken."""
    names, honest = [], ParallelServers.curve

    def curve(self, *loads, **how):
        names.append(self.names[0])
        return honest(self, *loads, **how)

    monkeypatch.setattr(ParallelServers, "curve", curve)
    return names


def chunks(out):
    return sorted((out / "chunks").glob("*.nc"))


def test_the_whole_opens_in_one_line(out):
    data, plain = study(SYSTEMS, LOADS, out=out), study(SYSTEMS, LOADS)
    xr.testing.assert_identical(data, plain)
    with xr.open_dataset(out / "study.nc") as back:
        assert back.sizes == plain.sizes
        for name, variable in plain.variables.items():
            np.testing.assert_array_equal(back[name].values.astype(variable.dtype), variable.values, name)
            assert variable.attrs.items() <= back[name].attrs.items()
        assert back.attrs == plain.attrs
    assert sorted(p.name for p in out.iterdir()) == ["chunks", "study.json", "study.nc"]
    assert len(chunks(out)) == 4


def test_what_is_done_is_not_done_again(out, solved):
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
    """As an unfinished file would be, had it another name."""
    path.rename(path.with_name("000001-nothing.nc"))


@pytest.mark.parametrize("harm", [cut, flip, empty, rename])
def test_a_harmed_chunk_is_done_again(out, harm, solved):
    whole = load_study(out)
    harm(chunks(out)[1])
    assert load_study(out).attrs == {"time_unit": "s", "systems": 4, "systems_done": 3}
    study(SYSTEMS, LOADS, out=out)
    assert solved == ["1-0"]
    xr.testing.assert_identical(load_study(out), whole)


def test_an_unfinished_study_can_be_read_and_goes_on(tmp_path, monkeypatch, solved, finished):
    counted = ParallelServers.curve

    def stops(self, *loads, **how):
        if self.names[0] == "2-0" and len(solved) == 2:
            raise KeyboardInterrupt
        return counted(self, *loads, **how)

    out = tmp_path / "new" / "out"
    with monkeypatch.context() as patch:
        patch.setattr(ParallelServers, "curve", stops)
        with pytest.raises(
            StudyInterruptedError, match=r"after 2 of 4 systems; they are in .dataset, and the same call goes on from .*out$"
        ) as stop:
            study(SYSTEMS, LOADS, out=out)
    xr.testing.assert_identical(load_study(out).drop_attrs(), stop.value.dataset.drop_attrs())
    assert load_study(out)["system"].values.tolist() == ["système 0", "système 1"]
    assert not (out / "study.nc").exists()
    study(SYSTEMS, LOADS, out=out)
    assert solved == ["0-0", "1-0", "2-0", "3-0"]
    assert (out / "study.nc").read_bytes() == (finished / "study.nc").read_bytes()


@pytest.mark.parametrize(("systems", "loads", "options", "message"), [
    (dict(itertools.islice(SYSTEMS.items(), 3)), LOADS, {}, "holds a study of other systems: 4, not 3"),
    (dict(reversed(SYSTEMS.items())), LOADS, {}, "holds a study of other systems: number 0 of 4"),
    ({**SYSTEMS, "système 2": SYSTEMS["système 3"]}, LOADS, {}, "holds a study in which a system was another: number 2 of 4"),
    (SYSTEMS, [1.0, 4.5], {}, "holds a study at other loads"),
    (SYSTEMS, LOADS[:1], {}, "holds a study at other loads"),
    (SYSTEMS, [0.1, 0.4], {"relative": True}, "holds a study with relative = False, not True"),
    (SYSTEMS, LOADS, {"gap": 1e-6}, "holds a study with gap = not given, not 1e-06"),
    (SYSTEMS, LOADS, {"solver": "SCS", "which": "optimum"}, "holds a study with solver = not given, not 'SCS'"),
])  # fmt: skip
def test_another_study_is_refused(finished, systems, loads, options, message, solved):
    with pytest.raises(InputError, match=rf"^out = '.*out': {message}; give what it was begun with, or another folder"):
        study(systems, loads, out=finished, **options)
    assert solved == []


def test_another_version_of_the_library_is_refused(out):
    manifest = json.loads((out / "study.json").read_text())
    (out / "study.json").write_text(json.dumps({**manifest, "sojourn": "0.0.1"}))
    with pytest.raises(InputError, match=r"holds a study with sojourn = 0.0.1, not "):
        study(SYSTEMS, LOADS, out=out)


def test_the_same_question_in_other_words_is_the_same(out, solved):
    SYSTEMS["système 1"].optimum(1.0)
    again = {name: ParallelServers(MM1(list(s.bank.rate)), names=list(s.names)) for name, s in SYSTEMS.items()}
    study(again, np.array(LOADS), out=str(out), which=None)
    assert solved == []


@pytest.mark.parametrize(("manifest", "problem"), [
    (None, "holds files but no study.json to say of which study"),
    ("{", "its study.json cannot be read: JSONDecodeError"),
    ("[1]", "its study.json cannot be read: AttributeError"),
    ('{"names": []}', "its study.json cannot be read: ValueError: names or systems are missing"),
])  # fmt: skip
def test_folders_that_hold_something_else(out, manifest, problem):
    (out / "study.json").unlink() if manifest is None else (out / "study.json").write_text(manifest)
    with pytest.raises(InputError, match=rf"^out = '.*': {problem}"):
        study(SYSTEMS, LOADS, out=out)
    with pytest.raises(InputError, match=r"^folder = '.*': has no study.json; give the folder|^out = '.*': its study.json cannot be read"):
        load_study(out)


def test_a_study_that_was_killed_as_it_began_begins_again(out, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / ".study.json.part").write_text("{")
    study(SYSTEMS, LOADS, out=new)
    shutil.rmtree(new / "chunks")
    study(SYSTEMS, LOADS, out=new)
    assert (new / "study.nc").read_bytes() == (out / "study.nc").read_bytes()


def test_a_file_is_no_folder(out):
    with pytest.raises(InputError, match=r"^out = .*: is a file; give a folder"):
        study(SYSTEMS, LOADS, out=out / "study.nc")


def test_what_is_too_large_for_one_file_stays_in_chunks(out, monkeypatch):
    monkeypatch.setattr("sojourn.models.studies.batch.folder.LARGEST", 100)
    (out / "study.nc").unlink()
    with pytest.warns(UserWarning, match=r"^study.nc is not written: .*; load_study\('.*out'\) reads the chunks"):
        data = study(SYSTEMS, LOADS, out=out)
    assert not (out / "study.nc").exists()
    xr.testing.assert_identical(load_study(out).drop_attrs(), data.drop_attrs())
