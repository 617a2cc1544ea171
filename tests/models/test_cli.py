"""The command on scenarios of parallel servers: output, files and exit codes."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from replaced_solvers import lose_answers

from sojourn.models import cli
from sojourn.models.core import solve as engine
from sojourn.models.frontend.loader import load_scenario, names
from sojourn.reference.parallel import optimum_equilibrium as exact

COMMAND = Path(sys.executable).with_name("sojourn")
OWN = """[units]
rate = "1/s"
delay = "ms"
[[servers]]
rate = 10
delay = 5
[[servers]]
rate = 4
[loads]
curve = ["20%", "80%"]
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def complained(result, code, message):
    """Check the exit code, an empty output, and an error of one line."""
    status, out, err = result
    assert status == code
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert re.search(message, err), err


# ---- run


def test_default_is_scenario_1_at_half_load(sojourn):
    status, out, err = sojourn("run")
    assert (status, err) == (0, "")
    assert out.startswith("Scenario 1: M/M/1 edge and cloud\n")
    assert "load 190 jobs/s = 0.5 of the total rate 380" in out
    assert re.search(r"price of anarchy +1\.029502, certified within \d", out)
    # shares and delays of the reference, in ms as in the file
    bank = load_scenario("1").system.bank
    for share in (*exact.optimum(bank, 190.0).share, *exact.equilibrium(bank, 190.0).share):
        assert f"{share:.4f}" in out
    assert re.search(r"mean delay.*28\.4494.*29\.2887", out)
    assert out.count("certified within") == 3  # both answers, and the price of anarchy


@pytest.mark.parametrize(("scenario", "load", "expected"), [
    ("1", "0.9", 0.9),
    ("scenario-2", "540", 540.0),
    ("2", "90%", 540.0),
    ("1", "0.5%", 1.9),
    ("1", "1", 1.0),
    ("1", "0.5/s", 0.5),
    ("1", "30/min", 0.5),
    ("1", "0.03/ms", 30.0),
    ("1", "200 rps", 200.0),
    ("0", None, 0.9 * 512.5),
])  # fmt: skip
def test_load_is_a_part_of_the_total_rate_or_a_rate(sojourn, scenario, load, expected):
    status, out, _ = sojourn("run", scenario, *([] if load is None else ["--load", load]), "--json")
    assert status == 0
    assert json.loads(out)["load"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", ["0", "1", "2", "3", "4"])
def test_json_is_the_solution_and_nothing_else(sojourn, name):
    status, out, err = sojourn("run", name, "--load", "70%", "--json")
    assert (status, err) == (0, "")
    found, scenario = json.loads(out), load_scenario(name)
    load = 0.7 * scenario.system.total_rate
    for goal in ("optimum", "equilibrium"):
        expected = getattr(scenario.system, goal)(load).to_dict()
        for key in ("goal", "load", "certified", "solver", "formulation"):
            assert found[goal][key] == expected[key]
        assert found[goal]["mean_delay"] == pytest.approx(1e3 * expected["mean_delay"], rel=1e-12)
        assert [s["name"] for s in found[goal]["servers"]] == list(scenario.system.names)
        np.testing.assert_allclose(
            [s["flow"] for s in found[goal]["servers"]],
            getattr(exact, goal)(scenario.system.bank, load).flow,
            rtol=0,
            atol=1e-8 * load,
        )
    assert found["units"] == {"rate": "1/s", "delay": "ms"}
    assert found["price_of_anarchy"] == pytest.approx(
        found["equilibrium"]["mean_delay"] / found["optimum"]["mean_delay"], rel=1e-15
    )
    assert found["thresholds"]["equilibrium"] == scenario.system.thresholds().equilibrium.tolist()
    assert [v["name"] for v in found["variants"]] == [v.name for v in scenario.variants]


def test_variants_are_printed_with_their_loss(sojourn):
    _, out, _ = sojourn("run", "4")
    found = json.loads(sojourn("run", "4", "--json")[1])
    assert len(found["variants"]) == 4
    for variant in found["variants"]:
        assert f"{variant['optimum']:.4f}" in out
        assert f"{variant['ratio']:.6f}" in out


def test_solver_is_the_given_one(sojourn):
    found = json.loads(sojourn("run", "--solver", "scs", "--json")[1])
    assert found["optimum"]["solver"] == found["equilibrium"]["solver"] == "SCS"


def test_own_file(sojourn, own):
    found = json.loads(sojourn("run", own, "--json")[1])
    assert (found["scenario"], found["load"], found["total_rate"]) == ("own", 7.0, 14.0)


def test_text_like_markup_is_printed_unchanged(sojourn, tmp_path):
    path = tmp_path / "brackets.toml"
    path.write_text(
        'title = "a [/b] [red] :smile:"\nsource = "[/x]"\n'
        + OWN.replace("rate = 4", 'rate = 4\nname = "[red]r[/b]"')
    )
    status, out, err = sojourn("run", path)
    assert (status, err) == (0, "")
    assert out.startswith("a [/b] [red] :smile:\n[/x]\n")
    assert "[red]r[/b]" in out


def test_long_name_does_not_shorten_the_numbers(sojourn, tmp_path):
    """At 80 columns, as in a pipe."""
    path = tmp_path / "long.toml"
    long = "a very long name of a server in some region far away, rack 12"
    path.write_text(
        OWN.replace("rate = 4", f'rate = 4\nname = "{long}"')
        + f'[variants.none]\ntitle = "{long}"\ndelay = 0\n'
    )
    _, out, _ = sojourn("run", path)
    found = json.loads(sojourn("run", path, "--json")[1])
    for goal in ("optimum", "equilibrium"):
        for server in found[goal]["servers"]:
            assert f"{server['share']:.4f}" in out
            assert f"{server['latency']:.6g}" in out
    assert f"{found['variants'][0]['ratio']:.6f}" in out
    assert "…" not in out


# ---- files


def test_out_writes_the_curve_and_the_result(sojourn, own, tmp_path):
    folder = tmp_path / "new" / "folder"
    status, out, err = sojourn("run", own, "--out", folder)
    assert (status, err) == (0, "")
    assert sorted(p.name for p in folder.iterdir()) == [
        "curve.csv",
        "curve.nc",
        "curve.png",
        "result.json",
    ]
    assert "curve.csv, curve.nc, curve.png, result.json" in out.replace("\n", " ")
    result = json.loads((folder / "result.json").read_text())
    assert result["load"] == 7.0
    with xr.open_dataset(folder / "curve.nc", engine="scipy") as data:
        data.load()
    loads = data["load"].values
    # the loads of the file, and loads around the start of the second server
    assert {2.8, 11.2} <= set(loads.round(12))
    np.testing.assert_array_equal(loads, np.sort(loads))
    system = load_scenario(own).system
    starts = np.concatenate([system.thresholds().optimum, system.thresholds().equilibrium])
    assert set(starts[(starts > 2.8) & (starts < 11.2)]) <= set(loads)
    np.testing.assert_allclose(
        data["equilibrium_delay"], 1e3 * exact.equilibrium(system.bank, loads).mean_delay, rtol=1e-9
    )
    assert (
        data.attrs["rate_unit"],
        data.attrs["delay_unit"],
        data["optimum_delay"].attrs["units"],
    ) == ("1/s", "ms", "ms")
    head, *rows = (folder / "curve.csv").read_text().splitlines()
    assert len(rows) == loads.size
    columns = head.split(",")
    assert {
        "load (1/s)",
        "utilisation",
        "price_of_anarchy",
        "optimum_flow[server 1] (1/s)",
        "equilibrium_delay (ms)",
    } <= set(columns)
    first = dict(zip(columns, rows[0].split(","), strict=True))
    assert float(first["optimum_delay (ms)"]) == float(data["optimum_delay"][0])
    assert float(first["optimum_flow[server 1] (1/s)"]) == float(data["optimum_flow"][0, 0])
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("scenario", "variant", "peak", "load"),
    [
        ("scenario-3", "cv-10", 1.0715625, 2.8810822),
        ("scenario-3", "cv-0", 1.1503423, 110.3030303),
        ("scenario-4", "ignoring-delays", 1.1474591, 100.0),
    ],
)
@pytest.mark.slow
def test_curves_of_variants_have_their_own_peaks(sojourn, tmp_path, scenario, variant, peak, load):
    """A peak is at a load where a server of the variant starts, not one of the scenario.

    The peak of cv 10 is before the first load of the file.
    """
    assert sojourn("run", scenario, "--out", tmp_path)[0] == 0
    with xr.open_dataset(tmp_path / f"{variant}.nc", engine="scipy") as data:
        at = int(np.argmax(data["price_of_anarchy"].values))
        assert float(data["price_of_anarchy"][at]) == pytest.approx(peak, abs=1e-7)
        assert float(data["load"][at]) == pytest.approx(load, abs=1e-6)
        assert np.isin(load_scenario(scenario).loads, data["load"]).all()
        assert data["added"].any()


@pytest.mark.slow
def test_out_with_variants_writes_a_curve_of_each(sojourn, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN + "[variants.none]\ndelay = 0\n[variants.wrong]\ndelay = 0\npay = 'true'\n")
    assert sojourn("run", path, "--out", tmp_path / "o", "--json")[0] == 0
    names = {
        "curve.csv",
        "curve.nc",
        "none.csv",
        "none.nc",
        "wrong.csv",
        "wrong.nc",
        "curve.png",
        "result.json",
    }
    assert {p.name for p in (tmp_path / "o").iterdir()} == names


@pytest.mark.slow
def test_out_overwrites_files(sojourn, own, tmp_path):
    for load in ("2", "3"):
        assert sojourn("run", own, "--load", load, "--out", tmp_path / "o")[0] == 0
    assert json.loads((tmp_path / "o" / "result.json").read_text())["load"] == 3.0
    assert len(list((tmp_path / "o").iterdir())) == 4


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_out_that_is_a_file_is_an_error_after_the_result(sojourn, own, tmp_path, below):
    taken = tmp_path / "taken [b]"
    taken.write_text("mine")
    before = sorted(tmp_path.iterdir())
    status, out, err = sojourn("run", own, "--out", taken / below)
    assert status == 3
    assert "price of anarchy" in out
    assert "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == 4
    for line, name in zip(
        lines, ("result.json", "curve.nc", "curve.csv", "curve.png"), strict=True
    ):
        assert re.fullmatch(
            rf"cannot write {re.escape(str(taken / below / name))}: .*; "
            r"choose another folder with --out",
            line,
        )
    assert sorted(tmp_path.iterdir()) == before
    assert taken.read_text() == "mine"


def test_file_that_cannot_be_written_does_not_stop_the_others(sojourn, own, tmp_path):
    (tmp_path / "o" / "curve.nc").mkdir(parents=True)  # a folder in place of the file
    status, _, err = sojourn("run", own, "--out", tmp_path / "o")
    assert status == 3
    assert err.count("\n") == 1
    assert "curve.nc" in err
    # no .part file remains
    names = {"curve.nc", "curve.csv", "curve.png", "result.json"}
    assert {p.name for p in (tmp_path / "o").iterdir()} == names


def interrupt_at(monkeypatch, load):
    """Interrupt at a load, alone or in a curve with one load a block."""
    alone, together = engine.Task.one, engine.Task.solve

    def one(self, at, *rest):
        if at == pytest.approx(load):
            raise KeyboardInterrupt
        return alone(self, at, *rest)

    def solve(self, loads, *rest):
        if np.isclose(loads, load).any():
            raise KeyboardInterrupt
        return together(self, loads, *rest)

    monkeypatch.setattr(engine, "MOST", 1)
    monkeypatch.setattr(engine.Task, "solve", solve)
    monkeypatch.setattr(engine.Task, "one", one)


def test_interrupted_curve_is_written_with_the_solved_loads(sojourn, own, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 11.2)
    status, out, _ = sojourn("run", own, "--out", tmp_path / "o")
    assert status == 130
    assert "price of anarchy" in out
    with xr.open_dataset(tmp_path / "o" / "curve.nc", engine="scipy") as data:
        assert 2.8 in data["load"].values.round(12)
        assert 11.2 not in data["load"].values.round(12)
    assert (tmp_path / "o" / "curve.png").exists()


def test_interrupt_at_the_first_load_leaves_the_result(sojourn, own, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 2.8)
    assert sojourn("run", own, "--out", tmp_path / "o")[0] == 130
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"curve.csv", "curve.nc", "result.json"}


def test_interrupted_solve(sojourn, own, monkeypatch):
    interrupt_at(monkeypatch, 7.0)
    status, out, err = sojourn("run", own)
    assert (status, out) == (130, "")
    assert "Traceback" not in err


# ---- bad input


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "--load", "much"],
     r"^error: --load = 'much': is not a load; give jobs/s below 380, "
     r"a rate with its unit such as 0\.5/s, or a part .* such as 70%$"),
    (["run", "--load", "%"], r"^error: --load = '%': is not a load"),
    (["run", "--load", "nan"], r"^error: --load = 'nan': is not a load"),
    (["run", "--load", "inf"], r"^error: --load = 'inf': is not a load"),
    (["run", "--load", "0.7x"], r"^error: --load = '0\.7x': is not a load"),
    (["run", "--load", "380"],
     r"^error: --load = '380': not below the total rate 380: the queues grow without bound; "
     r"lower the load"),
    (["run", "--load", "1e400"], r"^error: --load = '1e400': is not above 0 and finite"),
    (["run", "--load", "0%"], r"^error: --load = '0%': is not above 0 and finite"),
    (["run", "--load", "100%"],
     r"^error: --load = '100%': is not below 100% of the total rate; give jobs/s below 380"),
    (["run", "--load", "-3"],
     r"^error: --load = '-3': is not above 0 and finite; give jobs/s below 380"),
    (["run", "--load", "0"], r"^error: --load = '0': is not above 0 and finite"),
    (["run", "--solver", "GUROBY"],
     r"^error: solver = 'GUROBY': is not a solver that CVXPY knows; use one of .*CLARABEL"),
    (["run", "no.toml"],
     r"^error: scenario = 'no\.toml': is neither a file nor a built-in scenario; give a TOML "
     r"file or one of braess"),
    (["run", "scenario-9"], r"^error: scenario = 'scenario-9': .*; did you mean scenario-\d\?$"),
    (["run", "."], r"^error: scenario = '\.': is neither a file nor a built-in scenario"),
    (["run", "[/b]"], r"^error: scenario = '\[/b\]': is neither"),
    (["verify", "--load", "400"], r"^error: --load = '400': not below the total rate 380"),
    (["verify", "nothing"], r"^error: scenario = 'nothing': is neither"),
])  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(sojourn, arguments, message):
    complained(sojourn(*arguments), 2, message)


def test_bad_file_is_one_line(sojourn, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[[servers]]\nrate = 1\n")
    complained(
        sojourn("run", path),
        2,
        r"^error: units = {}: is missing; write it as "
        r'\[units\] with rate = "1/s" and delay = "ms"$',
    )
    path.write_text("[units\n")
    complained(sojourn("run", path), 2, r"^error: file = 'bad': is not valid TOML: .*line 1")


def test_answer_without_a_certificate_is_exit_code_1(sojourn, monkeypatch):
    lose_answers(monkeypatch, status="lost")
    complained(
        sojourn("run"),
        1,
        r"^error: no certified optimum at load 190, gap 1\.0e-09 wanted\. "
        r"Tried CLARABEL \(inv_pos\): lost, gap inf; ",
    )


def test_error_in_the_program_has_a_traceback(monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(engine.Task, "one", broken)
    monkeypatch.setattr(sys, "argv", ["sojourn", "run"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


# ---- the other commands


def test_list(sojourn):
    status, out, err = sojourn("list")
    assert (status, err) == (0, "")
    for name in (
        "scenario-0",
        "scenario-1",
        "scenario-2",
        "scenario-3",
        "scenario-4",
        "cv-10",
        "assuming-the-mean",
    ):
        assert name in out
    rows = json.loads(sojourn("list", "--json")[1])
    assert [r["name"] for r in rows] == [
        *("braess", "chain", "crossing"),
        *(f"dual-{name}{shared}" for name in "abc" for shared in ("", "-shared")),
        "regions",
        *(f"scenario-{i}" for i in range(5)),
        "split-mobilenet",
    ]
    assert all(r["title"] and r["source"] for r in rows)
    # the list is read from the files without a system, and agrees with the loader
    for row, scenario in zip(rows, map(load_scenario, names()), strict=True):
        assert row == {
            "name": scenario.name,
            "title": scenario.title,
            "source": scenario.source,
            "variants": [v.name for v in getattr(scenario, "variants", ())],
        }


def test_verify(sojourn):
    status, out, err = sojourn("verify")
    assert (status, err) == (0, "")
    assert out.endswith("all agree\n")
    assert "DIFFERS" not in out


def test_verify_in_json(sojourn):
    status, out, _ = sojourn("verify", "2", "--load", "50%", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["passed"] is True
    assert found["scenario"] == "scenario-2"
    assert all(c["passed"] and c["difference"] < 1e-8 for c in found["checks"])
    assert {c["load"] for c in found["checks"] if "threshold" not in c["quantity"]} == {300.0}


def test_verify_beside_a_simulation(sojourn):
    status, out, _ = sojourn("verify", "1", "--load", "50%", "--simulate", "--json")
    found = json.loads(out)
    assert status == 0
    numbers = {c["quantity"]: c["simulated"] for c in found["checks"] if "simulated" in c}
    assert list(numbers) == ["optimum mean delay", "equilibrium mean delay"]
    for c in found["checks"]:
        if "simulated" in c:
            assert c["simulated"]["covered"]
            assert c["simulated"]["low"] <= c["reference"] <= c["simulated"]["high"]
            assert c["simulated"]["high"] < 1.02 * c["simulated"]["low"]  # in the file's unit too
    assert found["notes"] == []


def test_a_simulation_close_to_saturation_is_said_to_be_too_short(sojourn):
    status, out, _ = sojourn("verify", "1", "--load", "99.9%", "--simulate")
    assert status == 0
    assert "simulated" in out
    assert "too short" in " ".join(out.split())


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_that_finds_a_difference_is_exit_code_1(sojourn, monkeypatch, as_json):
    original = exact.optimum

    def wrong(servers, load):
        split = original(servers, load)
        return replace(split, mean_delay=split.mean_delay * 1.001)

    monkeypatch.setattr(exact, "optimum", wrong)
    status, out, _ = sojourn("verify", "1", "--load", "50%", *(["--json"] if as_json else []))
    assert status == 1
    if as_json:
        failed = [c["quantity"] for c in json.loads(out)["checks"] if not c["passed"]]
        assert failed == ["optimum mean delay", "price of anarchy"]
    else:
        assert out.endswith("they differ\n")
        assert out.count("DIFFERS") == 2


def test_help_states_the_exit_codes(sojourn):
    status, out, _ = sojourn("--help")
    assert status == 0
    assert "Exit codes: 0 success 1 not certified or not verified 2 bad input" in " ".join(
        re.sub(r"[^\w,.:/ -]", " ", out).split()
    )


# ---- as a process


@pytest.mark.parametrize(("arguments", "code"), [
    (["run", "--load", "0.9"], 0),
    pytest.param(["run", "--load", "2"], 0, marks=pytest.mark.slow),
    (["run", "--load", "380"], 2),
    (["run", "--no-such-option"], 2),
    (["walk"], 2),
])  # fmt: skip
def test_exit_code_of_the_process(arguments, code):
    done = subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (code == 0)


@pytest.mark.slow
def test_process_that_cannot_write(tmp_path):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "own.toml").write_text(OWN)
    done = subprocess.run(
        [COMMAND, "run", "own.toml", "--out", "taken"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "price of anarchy" in done.stdout
    assert done.stderr.count("cannot write taken/") == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own.toml", "taken"]


def test_json_of_the_process_can_be_piped():
    done = subprocess.run(
        [COMMAND, "run", "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["scenario"] == "scenario-1"
    assert done.stderr == ""
