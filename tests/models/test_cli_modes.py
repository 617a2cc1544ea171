"""The command on files with stages and modes: reserved and shared, tables, files and errors."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sojourn.models import SharedModes, load_scenario
from sojourn.models.core import solve as engine
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes.shared import TwoSharedModes

HEAD = """
title = "cuts"
[units]
rate = "1/s"
delay = "ms"
"""
STAGES = """
[[stages]]
name = "device"
speed = 8e9
[[stages]]
name = "uplink"
speed = 2e7
[[stages]]
name = "cloud"
speed = 2e11
"""
LAYERS = {  # multiply-adds of MobileNetV2 up to a cut, and bytes that are sent there
    "input": (0, 150_528),
    "block 1": (20_873_216, 200_704),
    "block 2": (50_075_648, 75_264),
    "block 4": (91_282_688, 25_088),
    "block 14": (225_468_416, 7_840),
    "all device": (300_774_272, 0),
}
ROWS = [
    (name, 2 * before, 8 * sent, 2 * (300_774_272 - before))
    for name, (before, sent) in LAYERS.items()
]


def modes(rows):
    """Return the tables of modes."""
    return "".join(f'[[modes]]\nname = "{name}"\nwork = {list(work)}\n' for name, *work in rows)


CUTS, FEW = modes(ROWS), ROWS[::2]  # three modes, found as six are
SHARED = '[service_modes]\ndiscipline = "processor-sharing"\n'
TWO = (
    '[loads]\nat = "80%"\ncurve = [0, "30%", "60%", "90%", 16]\n'
    '[[stages]]\nname = "a"\n[[stages]]\nname = "b"\n'
    '[[modes]]\nname = "x"\ntime = [100, 225]\n[[modes]]\nname = "y"\n'
    "time = [300, 175]\n"
)  # system A, in ms


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(*parts, name="own.toml"):
        path = tmp_path / name
        path.write_text("\n".join((HEAD, *parts)))
        return path

    return write


def read(text):
    return json.loads(text, parse_constant=pytest.fail)


def table_row(out, name):
    """Return the cells of the row of a name in the first table that has one."""
    line = next(line for line in out.splitlines() if line.startswith(f" {name} "))
    return line.removeprefix(f" {name} ").split()


def test_the_mix_of_cuts_is_that_of_the_notes(sojourn, own):
    """MobileNetV2 over 20 Mbit/s at 70 % of the largest load."""
    status, out, err = sojourn("run", own(STAGES, CUTS), "--load", "37.870508", "--json")
    assert (status, err) == (0, "")
    found = read(out)
    assert found["discipline"] == "reserved"
    assert found["max_load"] == pytest.approx(54.1007252654, rel=1e-10)
    best = found["best"]
    assert best["certified"]
    assert best["mean_delay"] == pytest.approx(164.784036, rel=1e-7)
    parts = {name: part for name, part in best["assignment"].items() if part > 0}
    assert parts == pytest.approx({"input": 0.0836, "block 4": 0.9164}, abs=5e-5)
    assert found["single_mode"]["mode"] == "block 4"
    assert found["single_mode"]["delay"] == pytest.approx(186.546, abs=5e-4)
    saved = 1 - best["mean_delay"] / found["single_mode"]["delay"]
    assert found["single_mode"]["saved_by_mix"] == pytest.approx(saved, rel=1e-12)
    assert found["single_mode_capacity"]["mode"] == "block 4"
    assert found["single_mode_capacity"]["max_load"] == pytest.approx(43.8199190629, rel=1e-10)
    shared = found["shared"]
    assert shared["optimum_delay"] == pytest.approx(120.9867, abs=5e-5)
    assert shared["equilibrium_delay"] == pytest.approx(125.9, abs=5e-4)
    assert shared["price_of_anarchy"] == pytest.approx(1.0406, abs=5e-5)
    reserving = best["mean_delay"] / shared["optimum_delay"]
    assert shared["price_of_reserving"] == pytest.approx(reserving, rel=1e-9)


def test_report_has_modes_stages_and_gains(sojourn, own):
    path = own(STAGES, CUTS)
    status, out, err = sojourn("run", path, "--load", "80%")
    assert (status, err) == (0, "")
    assert out.startswith("cuts\n")
    assert "3 stages, 6 modes; each stage divided between the modes" in out
    system = load_scenario(path).system
    load = 0.8 * system.max_load
    best = system.assignment(load)
    for m in np.flatnonzero(best.assignment):
        part, *_ = table_row(out, best.modes[m])
        assert float(part) == pytest.approx(best.assignment[m], abs=1e-6)
    for s, stage in enumerate(best.stages):
        busy, delay, *shares = table_row(out, stage)
        utilisation = 100 * load * float(system.rates.time[s] @ best.assignment)
        assert float(busy.rstrip("%")) == pytest.approx(utilisation, abs=0.05)
        assert float(delay) == pytest.approx(1e3 * best.stage_delay[s], rel=1e-5)
        used = best.share[s][best.assignment > 0]
        assert [float(share) for share in shares] == pytest.approx(used, abs=1e-6)
    assert not any(line.startswith(" block 14") for line in out.splitlines())
    text = " ".join(out.split())
    assert re.search(r"certified within \de-\d+ of the least delay", text)
    assert re.search(r"best single mode block 4: [\d.]+ ms, the mix [\d.]+, [\d.]+ % less", text)
    assert re.search(
        r"capacity block 4 alone: 43\.8199 jobs/s, the mix 54\.1007, 23\.5 % more", text
    )


def test_delays_of_modes_are_those_of_their_queues(sojourn, own):
    """Each mode is an M/M/1 queue at its part of a stage, and has its fixed delay."""
    path = own(TWO.replace("[300, 175]", "[300, 175]\ndelay = 40"))
    system = load_scenario(path).system
    out = sojourn("run", path, "--load", "90%")[1]
    best = system.assignment(0.9 * system.max_load)
    assert (best.assignment > 0).all()
    for m, mode in enumerate(best.modes):
        spare = best.share[:, m] / system.rates.time[:, m] - best.load * best.assignment[m]
        delay = 1e3 * (np.sum(1 / spare) + system.rates.delay[m])
        assert float(table_row(out, mode)[1]) == pytest.approx(delay, rel=1e-5)
    assert best.mean_delay == pytest.approx(best.stage_delay.sum() + best.assignment[1] * 0.04)


def test_one_mode_for_all_jobs_and_none_that_carries_them(sojourn, own):
    path = own(TWO)
    text = " ".join(sojourn("run", path, "--load", "2")[1].split())
    assert re.search(r"best single mode x: [\d.]+ ms; no mix is faster", text)
    text = " ".join(sojourn("run", path, "--load", "4.9")[1].split())
    assert re.search(r"best single mode none carries this load; the mix [\d.]+ ms", text)
    found = read(sojourn("run", path, "--load", "4.9", "--json")[1])
    assert found["single_mode"] == {"mode": None, "delay": None, "saved_by_mix": None}
    assert found["single_mode_delay"] == {"x": None, "y": None}


@pytest.mark.parametrize(("load", "optimum", "selfish", "reserved", "p", "selfish_p"), [
    ("60%", 0.8333333333, 0.8351648352, 0.8351648352, 0.94444, 1),
    ("80%", 1.75, 2.0, 2.4166666667, 0.66667, 0.875),
    ("90%", 3.5555555556, 4.0, 6.9380989096, 0.57407, 0.66667),
])  # fmt: skip
def test_shared_servers_of_the_paper(sojourn, load, optimum, selfish, reserved, p, selfish_p):
    found = read(sojourn("run", "dual-a-shared", "--load", load, "--json")[1])
    assert found["discipline"] == "processor-sharing"
    for goal, delay, part in (("optimum", optimum, p), ("equilibrium", selfish, selfish_p)):
        assert found[goal]["certified"]
        assert found[goal]["mean_delay"] == pytest.approx(delay, rel=1e-9)
        assert found[goal]["modes"][0]["assignment"] == pytest.approx(part, abs=1e-5)
    assert found["reserved"]["mean_delay"] == pytest.approx(reserved, rel=1e-9)
    assert found["price_of_anarchy"] == pytest.approx(selfish / optimum, rel=1e-9)
    assert found["price_of_reserving"] == pytest.approx(reserved / optimum, rel=1e-9)
    (starts,) = found["thresholds"]["optimum"]["thresholds"]
    assert starts["load"] == pytest.approx(20 / 7, rel=1e-8)


def test_anarchy_where_all_jobs_are_in_one_mode(sojourn):
    text = " ".join(sojourn("anarchy", "dual-c-shared")[1].split())
    assert (
        "price of anarchy 1 at every load from 0 to 3.996 jobs/s: the optimum and the equilibrium "
        "have all jobs in one mode"
    ) in text


def test_report_on_shared_stages(sojourn, own):
    path = own(SHARED, STAGES, CUTS)
    status, out, err = sojourn("run", path, "--load", "40%")
    assert (status, err) == (0, "")
    system = load_scenario(path).system
    assert isinstance(system, SharedModes)
    load = 0.4 * system.max_load
    found = [system.optimum(load), system.equilibrium(load)]
    for m in np.flatnonzero(np.maximum(*(s.assignment for s in found))):
        cells = [float(cell) for cell in table_row(out, system.modes[m])]
        assert cells[:2] == pytest.approx([s.assignment[m] for s in found], abs=1e-6)
        assert cells[2:] == pytest.approx([1e3 * s.mode_delay[m] for s in found], rel=1e-5)
    for s, stage in enumerate(system.stages):
        cells = [float(cell.rstrip("%")) for cell in table_row(out, stage)]
        assert cells[:2] == pytest.approx([100 * f.utilisation[s] for f in found], abs=0.05)
        assert cells[2:] == pytest.approx([1e3 * f.stage_delay[s] for f in found], rel=1e-5)
    text = " ".join(out.split())
    assert "each stage serves all jobs at once, by processor sharing" in text
    assert re.search(r"no user gains( more than \de[+-]\d+ ms)? by another mode", text)
    assert f"price of anarchy {found[1].mean_delay / found[0].mean_delay:.6f}" in text
    changes = system.thresholds()
    change = next((c for c in changes.equilibrium.thresholds if c.load > load), None)
    assert change is not None
    assert f"equilibrium next change of its modes at load {change.load:.6g}: " in text


@pytest.mark.slow
@pytest.mark.parametrize("shared", [pytest.param("", marks=pytest.mark.exhaustive), SHARED])
def test_files_hold_both_disciplines(sojourn, own, tmp_path, shared):
    path, out = own(shared, TWO), tmp_path / "out"
    status, printed, err = sojourn("run", path, "--out", out, "--json")
    assert status == 0
    assert re.fullmatch(r"warning: 1 of \d+ loads cannot be carried \(see reason\)\n", err)
    assert read(printed) == read((out / "result.json").read_text())
    names = ["curve.csv", "curve.nc", "curve.png", "disciplines.nc", "modes.png", "result.json"]
    assert sorted(p.name for p in out.iterdir()) == names
    system = load_scenario(path).system
    with xr.open_dataset(out / "disciplines.nc", engine="scipy") as data:
        assert {0, 1.5, 3.0, 4.5} <= set(data["load"].values.round(12))
        assert float(data["optimum_delay"][0]) == pytest.approx(325, rel=1e-9)  # an idle one
        data = data.isel(load=slice(1, None))
        loads, rates = data["load"].values, system.rates
        assert (data["reserved_delay"].attrs["units"], data.attrs["delay_unit"]) == ("ms", "ms")
        true = np.array([exact.assignment(rates, load).mean_delay for load in loads])
        np.testing.assert_allclose(data["reserved_delay"], 1e3 * true, rtol=1e-9)
        pair = TwoSharedModes(rates)
        for goal in ("optimum", "equilibrium"):
            delay = [pair.mean_delay(goal, load) for load in loads]
            np.testing.assert_allclose(data[f"{goal}_delay"], 1e3 * np.array(delay), rtol=1e-8)
            part = [pair.p(goal, load) for load in loads]
            np.testing.assert_allclose(data[f"{goal}_assignment"][:, 0], part, atol=1e-7)
        parts = data["reserved_assignment"].values
        np.testing.assert_allclose(parts.sum(axis=1), 1, rtol=1e-12)
        jump = float(data.attrs["breakaway_loads"])
        assert jump == pytest.approx(4.199693, rel=1e-6)
        # the loads on both sides of the jump are there
        before, after = (parts[np.abs(loads / jump - 1 - side) < 1e-8] for side in (-1e-6, 1e-6))
        assert before[0, 0] == 1
        assert after[0, 0] < 0.7
    with xr.open_dataset(out / "curve.nc", engine="scipy") as data:
        assert ("p" in data) is not bool(shared)
        count = data.sizes["load"]
    rows = (out / "curve.csv").read_text().splitlines()
    assert len(rows) == 1 + count
    assert ("optimum_delay (ms)" in rows[0]) is bool(shared)
    for name in ("curve.png", "modes.png"):
        assert imread(out / name).std() > 0.05


def test_csv_of_modes_is_reported_as_tables_are(sojourn, own, tmp_path):
    lines = ["name,device,uplink,cloud", *(",".join(map(str, row)) for row in FEW)]
    (tmp_path / "cuts.csv").write_text("\n".join(lines) + "\n")
    csv = own(STAGES, '[modes]\nfile = "cuts.csv"\nvalues = "work"\n', name="csv.toml")
    found, tables = (
        read(sojourn("run", path, "--load", "20", "--json")[1])
        for path in (csv, own(STAGES, modes(FEW)))
    )
    for key in ("max_load", "single_mode", "single_mode_delay", "utilisation", "shared"):
        assert found[key] == tables[key]
    assert found["best"]["assignment"] == tables["best"]["assignment"]


@pytest.mark.slow
def test_anarchy_of_shared_stages(sojourn, tmp_path, monkeypatch):
    search = SharedModes.worst_case
    quick = 1e-2
    monkeypatch.setattr(SharedModes, "worst_case", lambda *a, **o: search(*a, **o, gap=quick))
    status, out, err = sojourn("anarchy", "dual-a-shared", "--load", "4", "--out", tmp_path)
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "equal players at load 4, each with a part of the jobs" in text
    assert table_row(out, "mode 1") == ["0.666667", "7.35"]
    assert table_row(out, "mode 2") == ["0.333333", "7.05"]
    assert "with the tolls the equilibrium is the optimum: mean delay 1.75 s" in text
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"anarchy.json", "anarchy.png", "search.csv", "search.nc"}
    found = read((tmp_path / "anarchy.json").read_text())
    worst = found["worst_case"]
    assert worst["certified"]
    assert worst["poa"] == pytest.approx(15 / 13, rel=quick)
    assert worst["poa"] <= 15 / 13 <= worst["upper_bound"] * (1 + 1e-12)
    assert [row["players"] for row in found["players"]] == [2, 4, 16, None]
    assert found["tolls"]["toll"] == pytest.approx({"mode 1": 7.35, "mode 2": 7.05}, rel=1e-9)


def test_verify_both_disciplines(sojourn, own):
    cuts = modes(FEW)
    for path in (own(STAGES, cuts), own(SHARED, STAGES, cuts, name="shared.toml")):
        status, out, _ = sojourn("verify", path, "--load", "70%")
        assert (status, "all agree" in out) == (0, True)


@pytest.mark.parametrize(("arguments", "message"), [
    (["anarchy", "own"],
     r'^error: scenario = \'own\': has a part of each stage for each mode: .* give discipline = '
     r'"processor-sharing" in \[service_modes\], or take dual-a-shared$'),
    (["run", "own", "--weights-in", "1,2"],
     r"^error: --weights-in = '1,2': is a split over servers, .* evaluate\(load, p\)"),
    (["run", "shared", "--weights-in", "1,2"], r"^error: --weights-in = '1,2': is a split over"),
    (["run", "own", "--load", "6"], r"^error: --load = '6': not below the maximum 5"),
    (["run", "shared", "--load", "6"],
     r"^error: --load = '6': is not below 5, the largest load of a and b; lower it"),
    (["run", "wrong"],
     r"^error: service_modes\.discipline = 'fifo': is not a discipline; use reserved or "
     r"processor-sharing$"),
    (["run", "unknown"],
     r"^error: service_modes\.disciplines = 'reserved': is not a known key; did you mean "
     r"discipline\?$"),
])  # fmt: skip
def test_bad_input_is_one_line(sojourn, own, arguments, message):
    command, name, *rest = arguments
    parts = {
        "own": "",
        "shared": SHARED,
        "wrong": SHARED.replace("processor-sharing", "fifo"),
        "unknown": '[service_modes]\ndisciplines = "reserved"\n',
    }
    status, out, err = sojourn(command, own(parts[name], TWO, name=f"{name}.toml"), *rest)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(message, err), err


@pytest.mark.exhaustive
def test_interrupted_curve_of_the_other_discipline_leaves_the_own(
    sojourn, own, tmp_path, monkeypatch
):
    """The second curve is that of the pictures."""
    solve, seen = engine.Task.solve, []

    def interrupted(self, loads, *rest):
        seen.append(type(self.question).__name__)
        if seen[-1] == "ModeSplit" and np.size(loads) > 1:
            raise KeyboardInterrupt
        return solve(self, loads, *rest)

    monkeypatch.setattr(engine.Task, "solve", interrupted)
    out = tmp_path / "out"
    assert sojourn("run", own(TWO), "--out", out)[0] == 130
    assert {"curve.csv", "curve.nc", "result.json"} <= {p.name for p in out.iterdir()}
