"""A study equals the curves of its systems one by one, whatever is solved together."""

import warnings
from functools import partial

import numpy as np
import pytest
import xarray as xr
from every_family import FAMILIES

from sojourn.models import (
    MG1,
    MM1,
    DualMode,
    MaxShare,
    Measured,
    MultiMode,
    ParallelServers,
    TunableMode,
    study,
)
from sojourn.models.core import together
from sojourn.models.core.solve import Task
from sojourn.models.studies.batch import StudyInterruptedError

LOADS = [0.0, 1.0, 4.0, 11.0]
SAMPLES = np.arange(1.0, 9.0)


class Broken(MM1):
    """Family whose latency raises an error."""

    def latency(self, flow, spare_capacity=None):
        return 1 / 0


class Noisy(MM1):
    """Family whose latency warns."""

    def latency(self, flow, spare_capacity=None):
        warnings.warn("close to the edge", RuntimeWarning, stacklevel=1)
        return super().latency(flow, spare_capacity)


def servers(*count, seed=1, family=MM1):
    """Return systems of so many servers with random rates, 3 to 9, and delays."""
    rng = np.random.default_rng(seed)
    return [
        ParallelServers(family(rng.uniform(3, 9, n), delay=rng.uniform(0, 0.2, n))) for n in count
    ]


MIXED = {
    # two groups of one shape each, in turns
    **{f"M/M/1 {i}": s for i, s in enumerate(servers(2, 3, 4, 5, 6, 2, 3, 4, 5, 6, 3, 3))},
    **{f"M/G/1 {i}": s for i, s in enumerate(servers(3, 2, 3, family=partial(MG1, cv=2.0)))},
    "two families": ParallelServers(MM1([9.0, 3.0]), MG1([8.0], cv=2.0)),
    "two families again": ParallelServers(MM1([7.0, 4.0]), MG1([6.0], cv=3.0)),
    "broken": ParallelServers(Broken([9.0, 9.0])),
    "small": ParallelServers(MM1([4.0, 5.0, 1.5])),  # carries the first three loads
    "tiny": ParallelServers(MM1([0.25, 0.25, 0.25])),  # carries the load of 0 alone
    "no family with warnings": ParallelServers(Noisy([9.0, 5.0])),
    "noisy too": ParallelServers(Noisy([9.0, 6.0])),
    "beyond": ParallelServers(MM1([3.0]), Measured(SAMPLES, SAMPLES**2)),
    3: ParallelServers(MM1([9.0, 9.0, 9.0]), names=["x", "y", "z"]),
}


def curve_of(system, loads, **options):
    """Return the curve of a system, or its error, and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = system.curve(loads, **options)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
    kept = [w for w in caught if issubclass(w.category, UserWarning | RuntimeWarning)]
    return found, "; ".join(dict.fromkeys(str(w.message) for w in kept))


def check_against_curves(data, systems, loads, **options):
    """Check all variables, errors, reasons and warnings of a study."""
    for (name, system), points in zip(systems.items(), loads, strict=True):
        row = data.sel(system=str(name))
        curve, warned = curve_of(system, points, **options)
        assert row["warning"].item() == warned
        if isinstance(curve, str):
            assert row["error"].item() == curve[:500]
            continue
        assert row["error"].item() == ""
        for key in curve.variables:
            own = f"{key}_name" if key in ("server", "stage", "mode") else key
            values = curve[key].values
            given = row[own].values[tuple(slice(n) for n in values.shape)]
            if values.dtype.kind == "f" and curve[key].attrs.get("role") not in ("gap", "bound"):
                np.testing.assert_allclose(given, values, rtol=1e-12, atol=1e-12, err_msg=key)
            elif values.dtype.kind == "f":
                np.testing.assert_allclose(given, values, rtol=1e-9, atol=1e-9, err_msg=key)
            else:
                assert given.tolist() == values.tolist(), key
            if key not in ("server", "stage", "mode"):
                assert data[own].attrs == curve[key].attrs
        for key, value in curve.attrs.items():
            if not isinstance(value, str):
                given = row[key].values[tuple(slice(n) for n in np.shape(value))]
                np.testing.assert_allclose(given, value, rtol=1e-12)


@pytest.fixture
def calls(monkeypatch):
    """Numbers of systems that were solved together, one for each block of points."""
    sizes, honest = [], together._solved_block

    def solved(sweeps, block):
        sizes.append(np.unique(block[-1]).size)
        return honest(sweeps, block)

    monkeypatch.setattr(together, "_solved_block", solved)
    return sizes


@pytest.mark.filterwarnings("ignore:.*(systems failed|cannot be carried)")
def test_mixed_systems_equal_their_curves(calls):
    data = study(MIXED, LOADS, chunk=len(MIXED))
    check_against_curves(data, MIXED, [LOADS] * len(MIXED))
    assert max(calls) == 7  # of three M/M/1 servers; two of these carry a part of the loads
    assert data["reason"].sel(system="small").values.tolist()[:3] == ["", "", ""]
    assert "not below the total rate" in data["reason"].sel(system="small").values[3]


@pytest.mark.parametrize("chunk", [1, 2, 5, 11])
@pytest.mark.filterwarnings("ignore:.*(systems failed|cannot be carried)")
def test_answers_do_not_depend_on_the_chunks(chunk):
    """Bit for bit: of what is solved together nothing reaches the answer of a system."""
    xr.testing.assert_identical(
        study(MIXED, LOADS, chunk=chunk), study(MIXED, LOADS, chunk=len(MIXED))
    )


def test_answers_of_many_servers_and_loads_do_not_depend_on_the_chunks():
    """Also where a block of points ends within a system, and a bank has several families."""
    rng = np.random.default_rng(7)
    systems = [
        ParallelServers(MM1(rng.uniform(50, 500, n), rng.uniform(0, 0.05, n)), MG1([90.0], cv=2.0))
        for n in (40, 40, 2, 3, 2, 2)
    ]
    systems += [ParallelServers(MM1(rng.uniform(50, 500, 40))) for _ in range(2)]
    loads = np.linspace(0.0, 0.999, 600)
    xr.testing.assert_identical(
        study(systems, loads, relative=True, chunk=1), study(systems, loads, relative=True, chunk=8)
    )


def test_relative_loads_and_rows_of_loads(calls):
    systems = dict(enumerate(servers(3, 3, 2, 3, 2)))
    parts = np.array([0.9, 0.1, 0.0, 0.999])
    loads = [parts * s.max_load for s in systems.values()]
    relative = study(systems, parts, relative=True, chunk=5)
    check_against_curves(relative, systems, loads)
    rows = study(systems, loads, chunk=5)
    xr.testing.assert_identical(rows, relative)
    assert calls == [3, 2] * 2


@pytest.mark.parametrize(("systems", "options"), [
    ([ParallelServers(bank) for bank in FAMILIES.values() for _ in "ab"], {}),
    (servers(3, 3, 2), {"which": "equilibrium"}),
    (servers(3, 3, 2), {"polish": False, "gap": 1e-3}),
    (servers(3, 3), {"gap": 1e-17}),
    (servers(3, 3), {"solver": "SCS"}),
    (servers(3, 3), {"formulation": "epigraph"}),
    (servers(3, 3), {"which": "optimum", "subject_to": [MaxShare(0.7)]}),
    ([MultiMode([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]]),
      DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)),
      DualMode.canonical(mu0=1.0, K=5.0, f=(0.1, 0.3))], {"breakaway": True}),
    ([MultiMode([[4.0, 2.0, 3.0], [30.0, 40.0, 20.0]])] * 2, {"p": [0.2, 0.5, 0.3]}),
    ([TunableMode(1.0, 4.0), TunableMode(1.0, 3.0)], {}),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*(not certified|cannot be carried)")
def test_options_and_kinds_equal_their_curves(systems, options):
    named = dict(enumerate(systems))
    loads = [
        np.array([0.0, 0.3, 0.8]) * (s.max_load if np.isfinite(s.max_load) else 1.0)
        for s in systems
    ]
    check_against_curves(study(named, loads, chunk=len(named), **options), named, loads, **options)


def test_a_failure_of_the_joint_call_leaves_each_system_its_own_error(calls):
    armed = []

    class Fragile(MM1):
        def latency(self, flow, spare_capacity=None):
            if armed and np.any(np.asarray(flow) > 6.0):
                raise RuntimeError("too much")
            return super().latency(flow, spare_capacity)

    systems = {i: ParallelServers(Fragile([9.0, 9.0 - i])) for i in range(3)}
    loads = [[1.0, 2.0], [1.0, 15.0], [2.0, 3.0]]
    study(systems, [1.0])  # checks the family
    armed.append(True)
    with pytest.warns(UserWarning, match="1 of 3 systems failed"):
        data = study(systems, loads, chunk=3)
    check_against_curves(data, systems, loads)
    assert data["error"].values.tolist() == ["", "RuntimeError: too much", ""]
    assert calls[-1] == 3


def test_ctrl_c_keeps_the_systems_whose_points_are_all_solved(monkeypatch, calls):
    systems, honest = dict(enumerate(servers(3, 3, 3, 3))), Task.solve
    whole = study(systems, LOADS[:3], chunk=4)
    monkeypatch.setattr(Task, "block", 7)
    asked = []

    def solve(self, *points):
        asked.append(points[-1].tolist())
        if len(asked) == 3:
            raise KeyboardInterrupt
        return honest(self, *points)

    monkeypatch.setattr(Task, "solve", solve)
    with pytest.raises(StudyInterruptedError, match=r"^stopped after 2 of 4 systems") as stop:
        study(systems, LOADS[:3], chunk=4)
    assert asked == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 3, 3, 3]]
    xr.testing.assert_identical(stop.value.dataset, whole.isel(system=slice(2)))


@pytest.mark.filterwarnings("ignore:.*(systems failed|cannot be carried|solved again)")
def test_a_study_that_was_interrupted_and_goes_on_equals_its_curves(tmp_path, monkeypatch):
    whole, honest, asked = study(MIXED, LOADS, chunk=7), Task.solve, []

    def solve(self, *points):
        asked.append(points)
        if len(asked) == 12:
            raise KeyboardInterrupt
        return honest(self, *points)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "solve", solve)
        with pytest.raises(StudyInterruptedError):
            study(MIXED, LOADS, chunk=7, out=tmp_path)
    xr.testing.assert_identical(study(MIXED, LOADS, out=tmp_path), whole)
    check_against_curves(whole, MIXED, [LOADS] * len(MIXED))


def test_a_chunk_is_checked_in_one_call_without_a_solver(tmp_path, monkeypatch, calls):
    systems = dict(enumerate(servers(3, 3, 2, 3)))
    before = study(systems, LOADS[:3], chunk=4, out=tmp_path)
    calls.clear()
    monkeypatch.setattr(Task, "_best", lambda *_, **__: pytest.fail("a solver was asked"))
    xr.testing.assert_identical(study(systems, LOADS[:3], chunk=4, out=tmp_path), before)
    assert calls == [3]


def test_a_change_of_one_system_is_found_among_those_that_are_checked_together(tmp_path, calls):
    systems = dict(enumerate(servers(3, 3, 3)))
    study(systems, LOADS[:3], chunk=3, out=tmp_path)
    changed = systems | {1: servers(3, seed=2)[0]}
    calls.clear()
    with pytest.warns(UserWarning, match=r"solved again: 1 whose \w+ differs today \(chunk 0\)$"):
        data = study(changed, LOADS[:3], chunk=3, out=tmp_path)
    xr.testing.assert_identical(data, study(changed, LOADS[:3]))
    assert calls[0] == 3


def test_relative_loads_of_a_changed_system_do_not_stop_the_others(tmp_path, calls):
    systems = dict(enumerate(servers(3, 3, 3)))
    study(systems, [0.2, 0.9], relative=True, chunk=3, out=tmp_path)
    changed = systems | {1: servers(3, seed=2)[0]}
    calls.clear()
    with pytest.warns(UserWarning, match=r"solved again: 1 whose \w+ differs today \(chunk 0\)$"):
        data = study(changed, [0.2, 0.9], relative=True, chunk=3, out=tmp_path)
    xr.testing.assert_identical(data, study(changed, [0.2, 0.9], relative=True))
    assert calls[0] == 2
