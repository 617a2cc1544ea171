"""Exported instances: files, manifest, going on after an end, and the check of an answer."""

import json

import numpy as np
import pytest

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.instances import keys
from sojourn.models.benchmarks.solvers.programs import cbf, npz
from sojourn.models.benchmarks.solvers.programs import export as module
from sojourn.models.benchmarks.solvers.programs.export import check, export
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.standard_set import STANDARD_SET, digest_of
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem, dual_of

KEYS = keys(["mm1-at-one-distance", "assignment"], sizes=[3], loads=[0.6], spreads=[(10.0, 5.0)])


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_files_and_manifest_agree(tmp_path):
    manifest = export(tmp_path / "new" / "folder", KEYS)
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert [*manifest["instances"]] == [key.name for key in KEYS]
    assert not manifest["standard"]
    assert manifest["digest"] == digest_of(sorted(KEYS, key=module.in_order))
    for key, entry in zip(KEYS, manifest["instances"].values(), strict=True):
        stored = npz.read(folder / f"{key.name}.npz")
        assert stored.key == key
        assert stored.truth.value == entry["true_value"]
        assert entry["variables"] == stored.program.q.size
        assert entry["rows"] == stored.program.b.size
        assert entry["entries"] == {"P": stored.program.P.nnz, "A": stored.program.A.nnz}
        for name in "PqAb":
            numbers = getattr(stored.program, name)
            sizes = abs(numbers.toarray() if name in "PA" else numbers)
            least = sizes[sizes > 0].min(initial=np.inf)
            wanted = [least, sizes.max()] if least < np.inf else None
            assert entry["ranges"][name] == wanted, name
        if key.formulation == "qp":
            assert [*entry["files"]] == [f"{key.name}.npz"]
            assert "quadratic" in entry["refused"]["cbf"]
        else:
            assert [*entry["files"]] == [f"{key.name}.npz", f"{key.name}.cbf"]
            assert not entry["refused"]
            assert cbf.load(folder / f"{key.name}.cbf").cones == stored.program.cones
    files = {name for entry in manifest["instances"].values() for name in entry["files"]}
    assert written(folder).keys() == files | {"manifest.json"}


def test_an_export_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    plain, count = module._write, []

    def fails(*given):
        count.append(given)
        if len(count) == 3:
            raise KeyboardInterrupt
        return plain(*given)

    monkeypatch.setattr(module, "OFTEN", -1.0)
    monkeypatch.setattr(module, "_write", fails)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, KEYS)
    before = written(tmp_path)
    export(tmp_path, KEYS)
    assert len(count) == 3 + len(KEYS) - 2
    after = written(tmp_path)
    assert all(after[name] == time for name, time in before.items() if name != "manifest.json")


def test_only_files_that_are_damaged_or_missing_are_written_again(tmp_path):
    export(tmp_path, KEYS)
    before = written(tmp_path)
    first, second = KEYS[:2]
    (tmp_path / f"{first.name}.npz").write_bytes(b"torn")
    (tmp_path / f"{second.name}.npz").unlink()
    export(tmp_path, KEYS)
    after = written(tmp_path)
    npz.load(tmp_path / f"{first.name}.npz")
    npz.load(tmp_path / f"{second.name}.npz")
    changed = {name for name, time in after.items() if before[name] != time}
    assert {name.removesuffix(".npz").removesuffix(".cbf") for name in changed} == {
        first.name,
        second.name,
        "manifest.json",
    }


def test_numbers_that_changed_are_written_again(tmp_path):
    manifest = export(tmp_path, KEYS)
    name = KEYS[0].name
    manifest["instances"][name]["digest"] = "of other numbers"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    before = written(tmp_path)
    export(tmp_path, KEYS)
    changed = {file for file, time in written(tmp_path).items() if before[file] != time}
    assert {file for file in changed if file != "manifest.json"} == {f"{name}.npz", f"{name}.cbf"}


def test_instances_and_formats_are_added(tmp_path):
    (entry,) = export(tmp_path, KEYS[:1], ["npz"])["instances"].values()
    assert not entry["refused"]
    manifest = export(tmp_path, KEYS[1:], ["npz", "cbf"])
    assert {*manifest["instances"]} == {key.name for key in KEYS}
    assert manifest["digest"] == digest_of(sorted(KEYS, key=module.in_order))
    assert not (tmp_path / f"{KEYS[0].name}.cbf").exists()
    export(tmp_path, KEYS)
    assert (tmp_path / f"{KEYS[0].name}.cbf").exists()


def test_the_standard_set_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setitem(vars(STANDARD_SET), "keys", tuple(KEYS))
    monkeypatch.setattr(type(STANDARD_SET), "pinned", digest_of(sorted(KEYS, key=module.in_order)))
    assert export(tmp_path)["standard"]
    monkeypatch.setattr(type(STANDARD_SET), "pinned", "of other numbers")
    assert not export(tmp_path)["standard"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formats": ["mps"]}, r"formats\[0\] = 'mps'"),
        ({"formats": []}, r"formats = \[\]"),
        ({"keys": []}, r"keys = \[\]"),
        ({"keys": ["mm1-optimum"]}, r"keys\[0\] = 'mm1-optimum': is not a key"),
        ({"keys": [KEYS[0], KEYS[0]]}, r"keys\[1\] = .*has the file name of keys\[0\]"),
        ({"keys": [KEYS[0]._replace(problem="mm2")]}, r"problem = 'mm2'"),
        ({"folder": "manifest"}, r"folder = .*is not a folder"),
        ({"folder": "foreign"}, r"its manifest\.json is not one of instances"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    (tmp_path / "manifest").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "manifest.json").write_text("[1]")
    given = {"folder": "out", "keys": KEYS} | arguments
    given["folder"] = tmp_path / given["folder"]
    with pytest.raises(InputError, match=message):
        export(**given)
    assert not (tmp_path / "out").exists()


def answers(folder, key):
    """Solve an instance of a folder and write its answer; return the program."""
    program = npz.load(folder / f"{key.name}.npz")
    problem, x, constraints = as_problem(program)
    problem.solve(solver="CLARABEL")
    np.savez(folder / "answer.npz", x=x.value, y=dual_of(program, constraints))
    np.savez(folder / "x.npz", x=x.value)
    return program, x.value, dual_of(program, constraints)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_an_answer_is_checked_against_the_truth(key, tmp_path):
    export(tmp_path, [key], ["npz"])
    program, x, y = answers(tmp_path, key)
    accuracy, found, error = check(tmp_path / f"{key.name}.npz", tmp_path / "answer.npz")
    assert accuracy.error < 1e-3
    assert accuracy.violation < 1e-6
    assert found == residuals(program, x, y)
    assert max(found) < 1e-6
    assert np.isnan(program.optimum) or abs(error) < 1e-6
    alone = check(tmp_path / f"{key.name}.npz", tmp_path / "x.npz")
    assert alone.accuracy == accuracy or np.isnan(accuracy.flow_error)
    assert alone.residuals.primal == found.primal
    assert np.isnan(alone.residuals.dual)


@pytest.mark.parametrize("bad", [0.0, 1e6, -1e300, np.nan, np.inf])
def test_a_wrong_answer_is_seen(bad, tmp_path):
    key = KEYS[0]
    export(tmp_path, [key], ["npz"])
    program = npz.load(tmp_path / f"{key.name}.npz")
    np.savez(tmp_path / "answer.npz", x=np.full(program.q.size, bad))
    accuracy, found, _ = check(tmp_path / f"{key.name}.npz", tmp_path / "answer.npz")
    assert accuracy.error > 1e-2
    assert accuracy.violation > 1e-2 or accuracy.error == np.inf
    assert found.primal > 1e-2


def test_files_that_cannot_be_checked_are_refused(tmp_path):
    key = KEYS[0]
    export(tmp_path, [key], ["npz"])
    file = tmp_path / f"{key.name}.npz"
    stored = npz.read(file)
    answers(tmp_path, key)
    npz.save(stored.program, tmp_path / "without.npz")
    with pytest.raises(InputError, match=r"instance_file = .*has no true answer"):
        check(tmp_path / "without.npz", tmp_path / "x.npz")
    other = stored.truth._replace(value=stored.truth.value * 1.001)
    npz.save(stored.program, tmp_path / "other.npz", key, other)
    with pytest.raises(InputError, match=r"instance_file = .*has the true value"):
        check(tmp_path / "other.npz", tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"solution_file = .*is not a file"):
        check(file, tmp_path / "missing.npz")
    with pytest.raises(InputError, match=r"solution_file = .*has no array x"):
        check(file, tmp_path / "without.npz")
