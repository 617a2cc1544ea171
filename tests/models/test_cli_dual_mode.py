"""The command on dual-mode scenarios: output, files and exit codes."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sojourn.models.benchmarks.local_minima import LocalMinima, count_local_minima
from sojourn.models.core import solve as engine
from sojourn.models.frontend.loader import load_scenario
from sojourn.reference import service_modes as exact


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def read(text):
    return json.loads(text, parse_constant=refuse)


def complained(result, code, message):
    status, out, err = result
    assert status == code
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_operating_point_certificate_and_marks_are_printed(sojourn):
    status, out, err = sojourn("run", "dual-a")
    assert (status, err) == (0, "")
    assert out.startswith(
        "System A: both servers can be filled\nthe paper: Jeff and Modiano, Section VII\n"
    )
    best = exact.assignment(load_scenario("dual-a").system.rates, 4.5)
    for number in (*best.assignment, *best.share.ravel()):
        assert f"{number:.6f}" in out
    assert re.search(r"mean delay .*6\.9381", out)
    assert re.search(
        r"certified within \de-1\d of the least delay \(clarabel, sos, \d+ Newton steps?\)", out
    )
    assert "p can be from 0.388889 to 0.944444; Theorem 7 applies" in out
    assert "breakaway    load 4.19969 (0.8399 of the capacity): p from 1 to 0.652" in out
    assert "touch points load 2.85714 (0.5714)" in out


@pytest.mark.parametrize(("name", "breaks", "touches"), [
    ("dual-b", r"load 2\.88882 \(0\.5778 of the capacity\): p from 1 to 0\n",
     r"load 2\.35294 \(0\.4706\), load 3\.63636 \(0\.7273\)"),
    ("dual-c", "none: the same modes are best at every load", "none"),
])  # fmt: skip
def test_marks_of_the_other_systems(sojourn, name, breaks, touches):
    _, out, _ = sojourn("run", name)
    assert re.search(f"breakaway    {breaks}", out)
    assert re.search(f"touch points {touches}", out)


@pytest.mark.parametrize("name", ["dual-a", "dual-b", "dual-c"])
def test_json_is_the_operating_point_and_nothing_else(sojourn, name):
    status, out, err = sojourn("run", name, "--load", "80%", "--json")
    assert (status, err) == (0, "")
    found, system = read(out), load_scenario(name).system
    load = 0.8 * system.max_load
    assert found["load"] == pytest.approx(load)
    assert found["best"]["mean_delay"] == pytest.approx(
        exact.assignment(system.rates, load).mean_delay, rel=1e-10
    )
    assert found["stable_interval"] == pytest.approx(system.stable_interval(load))
    assert found["theorem"] == exact.regime(system.canonical_form, load).theorem
    assert found["max_load"] == system.max_load
    for i, delay in enumerate(found["single_mode_delay"].values()):
        true = float(exact.delay(system.rates, load, 1.0 - i))
        assert delay == (true if true < float("inf") else None)


@pytest.mark.parametrize(
    ("load", "expected"), [("0.9", 0.9), ("90%", 4.5), ("3", 3.0), ("60/min", 1.0)]
)
def test_load_is_a_part_of_the_largest_or_a_rate(sojourn, load, expected):
    assert read(sojourn("run", "dual-a", "--load", load, "--json")[1])["load"] == pytest.approx(
        expected
    )


def test_solver_is_the_given_one(sojourn):
    assert read(sojourn("run", "dual-a", "--solver", "scs", "--json")[1])["best"]["solver"] == "SCS"


@pytest.mark.slow
def test_files_are_written_and_load_back(sojourn, tmp_path):
    status, out, _ = sojourn("run", "dual-a", "--out", tmp_path)
    assert status == 0
    assert "written to" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "curve.csv",
        "curve.nc",
        "curve.png",
        "profile.nc",
        "result.json",
    ]
    assert read((tmp_path / "result.json").read_text())["load"] == 4.5
    with xr.open_dataset(tmp_path / "curve.nc", engine="scipy") as curve:
        assert curve.attrs["breakaway_load"] == pytest.approx(4.19969, abs=1e-5)
        assert int((~curve["added"]).sum()) == 197
        beside = curve["load"].values / curve.attrs["breakaway_load"] - 1
        assert np.min(np.abs(beside - 1e-6)) < 1e-9  # both sides of the breakaway
        assert np.min(np.abs(beside + 1e-6)) < 1e-9
        count = curve.sizes["load"]
        assert bool(curve.certified.all())
    with xr.open_dataset(tmp_path / "profile.nc", engine="scipy") as shapes:
        assert 4.5 in shapes["load"].values
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert len(rows) == 1 + count
    assert "share[cloud][mode 1]" in rows[0]
    assert imread(tmp_path / "curve.png").shape[0] > 500


@pytest.mark.slow
def test_own_file_in_milliseconds(sojourn, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        '[units]\nrate = "1/ms"\ndelay = "ms"\n'
        "[dual_mode]\nlocal = [inf, 1]\ncloud = [4, inf]\n"
        '[loads]\nat = "70%"\ncurve = ["20%", "90%"]\n'
    )
    status, out, _ = sojourn("run", path, "--out", tmp_path / "out")
    assert status == 0
    assert "delay (ms)" in out
    assert "mean delay" in out
    assert "1.14286" in out  # Theorem 1 at rho 0.7, in ms
    found = read(sojourn("run", path, "--json")[1])
    assert found["best"]["share"]["local"] == {"mode 1": 0, "mode 2": 1}


def test_slower_cloud_has_no_theorem(sojourn, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        '[units]\nrate = "1/s"\ndelay = "s"\n[dual_mode]\nmu0 = 4\nK = 0.25\nf = [0.7, 0.9]\n'
    )
    status, out, _ = sojourn("run", path)
    assert status == 0
    assert "Theorem" not in out
    assert "touch points none" in out


def test_verify(sojourn):
    status, out, _ = sojourn("verify", "dual-b", "--load", "60%")
    assert status == 0
    assert "all agree" in out
    checks = read(sojourn("verify", "dual-b", "--load", "60%", "--json")[1])
    assert checks["passed"] is True
    assert {c["quantity"] for c in checks["checks"]} > {
        "largest load",
        "breakaway load",
        "best delay",
        "lower bound",
    }


def test_bench_local_minima(sojourn):
    status, out, err = sojourn("bench", "local-minima", "--systems", 3)
    assert (status, err) == (0, "")
    assert "semidefinite program" in out
    assert "branch and bound" in out
    rows = read(sojourn("bench", "local-minima", "--systems", 3, "--json")[1])
    assert [r["method"] for r in rows if r["modes"] == 2] == [
        r["method"] for r in count_local_minima(systems=3).rows()
    ]
    assert {r["modes"] for r in rows} == {2, 5, 10, 20}


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "dual-a", "--load", "much"],
     r"^error: --load = 'much': is not a load; give jobs/s below 5, "
     r".* or a part of the largest load such as 70%"),
    (["run", "dual-a", "--load", "5"],
     r"^error: --load = '5': not below the maximum 5: whatever the assignment"),
    (["run", "dual-a", "--load", "100%"],
     r"^error: --load = '100%': is not below 100% of the largest load"),
    (["run", "dual-a", "--load", "-1"], r"^error: --load = '-1': is not above 0 and finite"),
    (["run", "dual-a", "--solver", "OSQP"],
     r"^error: solver = 'OSQP': does not take the cone PSD that the assignment needs; use"),
    (["run", "dual-d"], r"^error: scenario = 'dual-d': .*; did you mean dual-\w\?$"),
    (["bench", "queues"],
     r"^error: bench = 'queues': is not a benchmark; use speed, families, local-minima, "
     r"worst-case-rule, other-tools, solvers, export, check or qpbenchmark$"),
    (["bench", "local-minima", "--systems", "0"],
     r"^error: systems = 0: is not a number of systems"),
])  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(sojourn, arguments, message):
    complained(sojourn(*arguments), 2, message)


def test_folder_that_cannot_be_written_is_exit_code_3(sojourn, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    status, out, err = sojourn("run", "dual-c", "--out", blocked)
    assert status == 3
    assert "mean delay" in out  # the result is printed
    assert "cannot write" in err
    assert "Traceback" not in err


# ---- own files with short curves

SMALL = """
[units]
rate = "1/s"
delay = "s"
[dual_mode]
mu0 = 1
K = 4
f = [0.1, 0.3]
[loads]
at = "90%"
curve = { from = "20%", to = "95%", points = 3 }
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.mark.slow
def test_files_hold_the_numbers_of_the_reference(sojourn, small, tmp_path):
    folder = tmp_path / "new" / "folder"
    status, out, err = sojourn("run", small, "--out", folder, "--json")
    assert (status, err) == (0, "")
    assert read(out) == read((folder / "result.json").read_text())
    rates = load_scenario(small).system.rates
    with xr.open_dataset(folder / "curve.nc", engine="scipy") as data:
        loads = data["load"].values
        p, delay = exact.best_assignment(rates, loads)
        np.testing.assert_allclose(data["delay"], delay, rtol=1e-9)
        np.testing.assert_allclose(data["p"], p, atol=1e-8)
        head, *rows = (folder / "curve.csv").read_text().splitlines()
        table = np.array([row.split(",") for row in rows])
        for column, name in (("load", "load (1/s)"), ("p", "p"), ("delay", "delay (s)")):
            np.testing.assert_array_equal(
                table[:, head.split(",").index(name)].astype(float), data[column]
            )
    with xr.open_dataset(folder / "profile.nc", engine="scipy") as shapes:
        np.testing.assert_allclose(
            shapes["best_delay"], exact.best_assignment(rates, shapes["load"].values)[1], rtol=1e-12
        )


@pytest.mark.parametrize("name", ["dual-a", "dual-b", "dual-c"])
def test_json_agrees_with_the_library(sojourn, name):
    found, system = read(sojourn("run", name, "--json")[1]), load_scenario(name).system
    best = system.assignment(load_scenario(name).load).to_dict()
    for key in ("goal", "load", "certified", "solver", "formulation"):
        assert found["best"][key] == best[key]
    assert found["best"]["mean_delay"] == pytest.approx(best["mean_delay"], rel=1e-12)
    leaves = system.breakaway()
    assert (found["breakaway"] or {}).get("load") == (
        None if leaves is None else pytest.approx(leaves.load, rel=1e-12)
    )
    assert found["touch_points"] == list(exact.touch_points(system.canonical_form))


def test_list_has_the_sources_of_the_systems(sojourn):
    rows = {r["name"]: r for r in read(sojourn("list", "--json")[1])}
    for name in ("dual-a", "dual-b", "dual-c"):
        assert rows[name]["source"] == "the paper: Jeff and Modiano, Section VII"
        assert rows[name]["variants"] == []
        assert name in sojourn("list")[1]


def test_every_file_that_cannot_be_written_is_one_line(sojourn, small, tmp_path):
    blocked = tmp_path / "taken [b]"
    blocked.write_text("mine")
    status, _, err = sojourn("run", small, "--out", blocked)
    assert status == 3
    names = ("result.json", "curve.nc", "curve.csv", "profile.nc", "curve.png")
    for line, name in zip(err.splitlines(), names, strict=True):
        assert re.fullmatch(
            rf"cannot write {re.escape(str(blocked / name))}: .*; choose another folder with --out",
            line,
        )
    assert blocked.read_text() == "mine"


def test_interrupted_curve_is_written_with_the_solved_loads(sojourn, small, tmp_path, monkeypatch):
    solve = engine.Task.solve

    def interrupted(self, loads, *rest):
        if np.isclose(loads, 4.75).any():
            raise KeyboardInterrupt
        return solve(self, loads, *rest)

    monkeypatch.setattr(engine, "MOST", 1)
    monkeypatch.setattr(engine.Task, "solve", interrupted)
    assert sojourn("run", small, "--out", tmp_path / "o")[0] == 130
    with xr.open_dataset(tmp_path / "o" / "curve.nc", engine="scipy") as data:
        assert 1.0 in data["load"].values.round(12)
        assert 4.75 not in data["load"].values.round(12)
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "curve.csv",
        "curve.nc",
        "curve.png",
        "profile.nc",
        "result.json",
    }


def test_verify_that_finds_a_difference_is_exit_code_1(sojourn, monkeypatch):
    true = exact.breakaway
    monkeypatch.setattr(
        exact, "breakaway", lambda modes: replace(true(modes), load=true(modes).load * 1.001)
    )
    status, out, _ = sojourn("verify", "dual-b", "--load", "60%", "--json")
    assert status == 1
    assert [c["quantity"] for c in read(out)["checks"] if not c["passed"]] == ["breakaway load"]


def test_bench_has_no_infinity_in_json(sojourn, monkeypatch):
    lost = LocalMinima({"x": np.array([np.inf])}, {"x": np.array([1.0])})
    monkeypatch.setattr(
        "sojourn.models.benchmarks.local_minima.count_local_minima", lambda _, modes: lost
    )
    (row, *_) = read(sojourn("bench", "local-minima", "--systems", 1, "--json")[1])
    assert row["wrong"] == 1
    assert row["largest_excess"] is None


@pytest.mark.parametrize(("arguments", "message"), [
    pytest.param(
        ["run", "dual-a", "--solver", "ECOS"],
        r"^error: solver = 'ECOS': does not take the cone PSD that the assignment needs; use",
        marks=pytest.mark.ecos,
    ),
    (["run", "dual-a", "--load", "nan"], r"^error: --load = 'nan': is not a load"),
    (["verify", "dual-c", "--load", "4"], r"^error: --load = '4': not below the maximum 4"),
    (["bench", "nope"],
     r"^error: bench = 'nope': is not a benchmark; use speed, families, local-minima, "
     r"worst-case-rule, other-tools, solvers, export, check or qpbenchmark$"),
    (["bench", "local-minima", "--systems", "-1", "--json"],
     r"^error: systems = -1: is not a number of systems"),
])  # fmt: skip
def test_further_bad_input_is_one_line_and_exit_code_2(sojourn, arguments, message):
    complained(sojourn(*arguments), 2, message)


def test_bad_file_is_one_line(sojourn, small):
    small.write_text(SMALL.replace("K = 4", "K = 0"))
    complained(
        sojourn("run", small),
        2,
        r"^error: dual_mode\.K = 0\.0: is out of range; give a finite number above 0$",
    )
