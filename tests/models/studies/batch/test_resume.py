"""Resumed studies: stored answers are checked against the code, data and systems of today."""

import shutil
import sys
import types
from functools import cache

import numpy as np
import pytest
import xarray as xr
from every_family import FAMILIES

from sojourn.models import (
    MM1,
    DualMode,
    Function,
    InputError,
    MaxShare,
    MaxUtilisation,
    MultiMode,
    ParallelServers,
    TunableMode,
    load_study,
    study,
)
from sojourn.models.core.solve import Task
from sojourn.models.studies.batch import StudyInterruptedError

LOADS = [1.0, 4.0]
NEAR, FAR = (
    ParallelServers(MM1([9.0, 9.0], [0.0, 1.0])),
    ParallelServers(MM1([9.0, 9.0], [0.0, 0.01])),
)


@pytest.fixture
def solves(monkeypatch):
    """Names of the questions that a solver solves."""
    names, original = [], Task._best

    def best(self, points, *given, **options):
        names.append(self.question.name)
        return original(self, points, *given, **options)

    monkeypatch.setattr(Task, "_best", best)
    return names


# ---- nothing changed


@pytest.mark.parametrize(("systems", "options"), [
    ([ParallelServers(bank) for bank in FAMILIES.values()], {}),
    ([NEAR, FAR, ParallelServers(MM1([5.0, 1.0, 3.0]))], {"which": "equilibrium"}),
    ([NEAR, FAR], {"polish": False, "gap": 1e-3}),
    ([NEAR, FAR], {"gap": 1e-17}),
    ([NEAR, FAR], {"which": "optimum", "subject_to": [MaxShare(0.7), MaxUtilisation(0.95)]}),
    ([MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]]),
      DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))],
     {"breakaway": True}),
    ([MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 20.0]])], {"p": [0.2, 0.5, 0.3]}),
    ([DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))],
     {"p": [[0.5, 0.5], [1.0, 0.0]], "polish": False}),
    ([TunableMode(1.0, 4.0), TunableMode(1.0, 3.0)], {}),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*answers are not certified")
def test_no_solver_solves(systems, options, tmp_path, solves, recwarn):
    before = study(
        systems,
        [0.3, 0.6],
        relative=all(np.isfinite(s.max_load) for s in systems),
        out=tmp_path,
        **options,
    )
    assert not (before["error"] != "").any()
    assert solves
    solves.clear(), recwarn.clear()
    again = study(
        systems,
        [0.3, 0.6],
        relative=all(np.isfinite(s.max_load) for s in systems),
        out=tmp_path,
        **options,
    )
    assert solves == []
    assert not [w for w in recwarn if "solved again" in str(w.message)]
    xr.testing.assert_identical(again, before)


@pytest.mark.parametrize("options", [{}, {"which": "optimum", "subject_to": [MaxShare(0.7)]}])
@pytest.mark.parametrize("loads", [[0.0, 2.0, 99.0, 4.0, 0.0], [0.0, 0.0]])
@pytest.mark.filterwarnings("ignore:.*(cannot be carried|solved again)")
def test_no_solver_solves_idle_and_overloaded_loads(loads, options, tmp_path, solves):
    systems = {"near": NEAR, "far": FAR, "small": ParallelServers(MM1([2.0, 1.0, 0.5]))}
    first = study(systems, loads, out=tmp_path, **options)
    solves.clear()
    assert study(systems, loads, out=tmp_path, **options).identical(first)
    assert not solves
    again = study(
        {**systems, "far": ParallelServers(MM1([8.0, 9.0], [0.0, 0.01]))},
        loads,
        out=tmp_path,
        **options,
    )
    assert (again["max_load"].values == [18.0, 17.0, 3.5]).all()


# ---- the code or its data changed


def through_a_module(K, path):
    """Latency that reads ``mod.K`` of an imported module."""
    mod = types.ModuleType("mod")
    mod.K = K
    return lambda: mod.K


def imported_in_the_function(K, path):
    sys.modules["mod"] = types.ModuleType("mod")
    sys.modules["mod"].K = K

    def factor():
        from mod import K

        return K

    return factor


def from_a_cached_helper(K, path):
    @cache
    def factor():
        return K

    factor()
    return factor


def from_a_file(K, path):
    path.write_text(str(K))
    return lambda: float(path.read_text())


@pytest.mark.parametrize(
    "reached", [through_a_module, imported_in_the_function, from_a_cached_helper, from_a_file]
)
def test_a_changed_constant_is_detected_however_it_is_read(reached, tmp_path, monkeypatch, solves):
    monkeypatch.setitem(sys.modules, "mod", None)

    def solve(K, **options):
        factor = reached(K, tmp_path / "constant")
        bank = Function(lambda x: factor() / (9.0 - x), rate=9.0)
        return study([ParallelServers(bank), NEAR], [1.0], which="optimum", **options)

    out = tmp_path / "out"
    assert solve(1.0, out=out)["optimum_delay"].values[0, 0] == pytest.approx(0.125, rel=1e-12)
    with pytest.warns(
        UserWarning,
        match=r"^systems in .*out are solved again: "
        r"1 whose optimum_delay differs today \(chunk 0\)$",
    ) as warned:
        found = solve(2.0, out=out)
    assert [w.filename for w in warned] == [__file__]
    assert found["optimum_delay"].values[0, 0] == pytest.approx(0.25, rel=1e-12)
    xr.testing.assert_identical(found, solve(2.0))
    xr.testing.assert_identical(load_study(out).drop_attrs(), found.drop_attrs())
    solves.clear()
    solve(2.0, out=out)
    assert solves == []


# ---- the systems changed


@pytest.mark.parametrize(("before", "now", "why"), [
    (NEAR, ParallelServers(MM1([9.0, 8.0], [0.0, 1.0])), "utilisation"),  # unused, and slower
    # unused, and now it would be
    (ParallelServers(MM1([9.0, 9.0], [0.0, 1.0])), FAR, "optimum_certified"),
    (NEAR, ParallelServers(MM1([9.0, 9.0], [0.0, 1.0]), names=["a", "b"]), "server_name"),
    (NEAR, ParallelServers(MM1([9.0] * 3, [0.0, 1.0, 1.0])), "utilisation"),
    (ParallelServers(MM1([9.0] * 3, [0.0, 1.0, 1.0])), NEAR, "utilisation"),
    (NEAR, ParallelServers(MM1([9.0 * (1 + 1e-8), 9.0], [0.0, 1.0])), "optimum_delay"),
    (DualMode.canonical(mu0=1.0, K=6.0, f=(0.1, 0.3)),
     DualMode.canonical(mu0=1.0, K=6.0, f=(0.1, 0.3001)), ".*delay"),
    (TunableMode(1.0, 6.0), TunableMode(1.0, 6.001), "optimum_delay"),
])  # fmt: skip
def test_a_changed_system_is_solved_again(before, now, why, tmp_path):
    unit = {DualMode: 0.5}.get(type(now), 0.9)
    study({"same": before, "one": before}, [unit], out=tmp_path, chunk=2)
    with pytest.warns(
        UserWarning,
        match=rf"^systems in .* are solved again: 1 whose {why} differs today \(chunk 0\)$",
    ):
        found = study({"same": before, "one": now}, [unit], out=tmp_path, chunk=2)
    xr.testing.assert_identical(found, study({"same": before, "one": now}, [unit]))
    xr.testing.assert_identical(load_study(tmp_path).drop_attrs(), found.drop_attrs())


def test_another_unit_of_time_is_detected(tmp_path):
    study([ParallelServers(MM1([9.0]))], [1.0], out=tmp_path)
    with pytest.warns(UserWarning, match="1 whose time_unit differs today"):
        found = study([ParallelServers(MM1([9.0]), time_unit="ms")], [1.0], out=tmp_path)
    assert found.attrs["time_unit"] == found["optimum_delay"].attrs["units"] == "ms"


def test_loads_are_parts_of_today_s_largest_load(tmp_path):
    study([ParallelServers(MM1([9.0]))], [0.5], relative=True, out=tmp_path)
    with pytest.warns(UserWarning, match="1 whose optimum_delay differs today"):
        found = study([ParallelServers(MM1([10.0]))], [0.5], relative=True, out=tmp_path)
    assert found["load"].item() == 5.0


def test_a_wide_gap_hides_no_change(tmp_path):
    options = {"polish": False, "gap": 0.1, "which": "optimum", "out": tmp_path}
    study([ParallelServers(MM1([9.0]))], [1.0], **options)
    with pytest.warns(UserWarning, match="1 whose optimum_delay differs today"):
        study([ParallelServers(MM1([9.01]))], [1.0], **options)


def test_chunks_of_another_study_are_detected(tmp_path, solves):
    """Two studies of the same names, fourteen systems and twelve.

    A chunk of one is in the folder of the other.
    """
    then = [ParallelServers(MM1([n + 2.0, 1.0])) for n in range(14)]
    today = [ParallelServers(MM1([n + 3.0, 1.0])) for n in range(12)]
    study(then, [1.0], chunk=7, out=tmp_path / "then")
    right = study(today, [1.0], chunk=7, out=tmp_path / "today")
    shutil.rmtree(tmp_path / "today" / "chunks")
    shutil.copytree(tmp_path / "then" / "chunks", tmp_path / "today" / "chunks")
    message = (
        r"7 whose optimum_delay differs today \(chunk 0\), "
        r"5 whose chunk is of other systems \(chunk 1\)$"
    )
    with pytest.warns(UserWarning, match=message):
        found = study(today, [1.0], chunk=7, out=tmp_path / "today")
    xr.testing.assert_identical(found, right)
    with pytest.raises(InputError, match="holds a study of other systems: 14, not 12"):
        study(today, [1.0], chunk=7, out=tmp_path / "then")


def test_a_new_error_is_found_and_an_old_error_is_tried_again(tmp_path):
    broken = []

    def latency(x):
        if broken:
            raise RuntimeError("no data today")
        return 1 / (9.0 - x)

    systems = [ParallelServers(Function(latency, rate=9.0)), NEAR]
    right = study(systems, [1.0], out=tmp_path, chunk=2)
    broken.append(True)
    with pytest.warns(UserWarning, match=r"are solved again: 1 that fail today \(chunk 0\)$"):
        found = study(systems, [1.0], out=tmp_path, chunk=2)
    assert "no data today" in found["error"].values[0]
    broken.clear()
    with pytest.warns(UserWarning, match=r"are solved again: 1 that failed before \(chunk 0\)$"):
        xr.testing.assert_identical(study(systems, [1.0], out=tmp_path, chunk=2), right)


def test_a_change_without_effect_on_delays_needs_a_version(tmp_path):
    study([NEAR], [1.0], out=tmp_path, version="prices of May")
    study([NEAR], [1.0], out=tmp_path, version="prices of May")
    with pytest.raises(
        InputError,
        match=r"holds a study with version = 'prices of May', not 'prices of June'; "
        r"give what it was begun with",
    ):
        study([NEAR], [1.0], out=tmp_path, version="prices of June")
    with pytest.raises(
        InputError, match=r"^version = 3: is not a text; give any text, or leave it out"
    ):
        study([NEAR], [1.0], out=tmp_path, version=3)


class Own(MaxShare):
    """Limit of a user, with a value that JSON cannot hold."""

    def __init__(self, share, of):
        super().__init__(share)
        object.__setattr__(self, "of", of)


@pytest.mark.parametrize("of", [{1, 2}, np.nan, np.arange(3), lambda x: x, {(1, 2): 3}, object])
def test_options_are_compared_by_value(of, tmp_path, solves):
    options = {"which": "optimum", "out": tmp_path}
    study([NEAR], [1.0], subject_to=[Own(0.9, of)], **options)
    solves.clear()
    study([NEAR], [1.0], subject_to=[Own(0.9, of)], **options)
    assert solves == []
    with pytest.raises(InputError, match="holds a study with subject_to = "):
        study([NEAR], [1.0], subject_to=[MaxShare(0.9)], **options)


def test_solved_systems_of_a_chunk_survive_the_interrupt_of_a_resumed_study(tmp_path, monkeypatch):
    study({"a": NEAR, "b": NEAR}, [1.0], out=tmp_path, chunk=2)
    original = Task._best

    def stops(self, *given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "_best", stops)
    with (
        pytest.warns(UserWarning, match="1 whose"),
        pytest.raises(StudyInterruptedError, match=r"^stopped after 1 of 2 systems") as stop,
    ):
        study({"a": NEAR, "b": FAR}, [1.0], out=tmp_path, chunk=2)
    assert stop.value.dataset["system"].values.tolist() == ["a"]
    assert load_study(tmp_path).attrs["systems_done"] == 2
    monkeypatch.setattr(Task, "_best", original)
    with pytest.warns(UserWarning, match="1 whose"):
        assert study({"a": NEAR, "b": FAR}, [1.0], out=tmp_path, chunk=2).sizes["system"] == 2
