"""The command as a process: signals, closed or full streams, printing libraries, exit codes."""

import gc
import importlib
import io
import json
import os
import pkgutil
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sojourn.models.core import solve as engine
from sojourn.models.frontend import files, report
from sojourn.models.frontend.process import Stream, quick_imports

COMMAND = Path(sys.executable).with_name("sojourn")
OWN = """
title = "Zürich ∞"
[units]
rate = "1/s"
delay = "ms"
[loads]
curve = ["20%", "80%"]
[[servers]]
name = "Zürich"
rate = 10
[[servers]]
rate = 4
[variants.none]
delay = 0
"""
TWO = """
[units]
rate = "1/s"
delay = "s"
[loads]
curve = ["30%"]
[[servers]]
rate = 1
[[servers]]
rate = 1
cv = 20
[variants.one]
cv = 1
"""
RUN, VARIANT = ["curve.csv", "curve.nc"], ["none.csv", "none.nc"]
ANARCHY, CONTROL, PLAYERS = (
    ["anarchy.json"],
    ["control.csv", "control.nc"],
    ["players.csv", "players.nc"],
)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    return path


def process(*arguments, **options):
    """Run the command as a shell does; return exit code, output and errors."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], text=True, encoding="utf-8", check=False, **options
    )
    assert "Traceback" not in (done.stderr or "")
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def sketched(monkeypatch):
    """Replace plots by empty ones, and curves by those at the given points, which are fast."""
    curves = importlib.import_module("sojourn.models.systems.parallel.game_curves")
    for name in ("players_curve", "control_curve"):
        original = getattr(curves, name)
        monkeypatch.setattr(
            curves,
            name,
            lambda *given, _original=original, **options: _original(
                *given, **{**options, "refine": False}
            ),
        )
    monkeypatch.setattr(report, "picture", lambda name, _: (f"{name}.png", Path.touch))
    for kind in ("report", "anarchy_report"):
        monkeypatch.setattr(f"sojourn.models.systems.parallel.{kind}.picture", report.picture)


def written(folder):
    """Return the names of the files in a folder, and check that all can be read."""
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    for name in names:
        if name.endswith(".json"):
            json.loads((folder / name).read_text())
        if name.endswith(".nc"):
            xr.open_dataset(folder / name, engine="scipy").close()
    return names


# ---- signals


def signal_at(monkeypatch, place, number, call=1):
    """Send a signal to this process at a given call of a function."""
    where, name = place.rsplit(".", 1)
    module = pkgutil.resolve_name(f"sojourn.models.{where}")
    original, calls = getattr(module, name), []

    def called(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, called)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_work_with_its_exit_code(sojourn, own, monkeypatch, number, code):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    signal_at(monkeypatch, "core.solve.native_solver", number)
    assert sojourn("run", own) == (code, "", "interrupted\n")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_signal_that_the_caller_ignores_is_ignored(sojourn, own, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signal_at(monkeypatch, "core.solve.native_solver", signal.SIGHUP)
        assert sojourn("run", own)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("place", "call", "expected"), [
    ("frontend.report.write", 1, []),
    ("frontend.report.write", 2, RUN),
    ("frontend.report.write", 4, [*RUN, *VARIANT]),
    ("core.curve.CurvePlan.solve", 1, []),
    ("systems.parallel.misspecification.misspecified_delays", 1, [*RUN, "curve.png"]),
])  # fmt: skip
def test_completed_results_are_written(sojourn, own, tmp_path, monkeypatch, place, call, expected):
    """A file is completed, and so are the files that belong to it."""
    signal_at(monkeypatch, place, signal.SIGTERM, call)
    status, out, err = sojourn("run", own, "--out", tmp_path / "o")
    assert (status, err) == (143, "interrupted\n")
    assert written(tmp_path / "o") == sorted([*expected, "result.json"])
    assert "price of anarchy" in out


@pytest.mark.usefixtures("sketched")
def test_a_second_signal_leaves_no_partial_file(sojourn, own, tmp_path, monkeypatch):
    def twice(self, path, **_):
        Path(path).write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(xr.Dataset, "to_netcdf", twice)
    assert sojourn("run", own, "--out", tmp_path / "o")[0] == 143
    assert written(tmp_path / "o") == ["result.json"]


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("place", "call", "expected"), [
    ("systems.parallel.anarchy_report._operators", 1, ANARCHY),
    ("systems.parallel.game_curves.players_curve", 1, [*ANARCHY, *CONTROL]),
    ("systems.parallel.anarchy_report._variant", 1, [*ANARCHY, *CONTROL, *PLAYERS, "anarchy.png"]),
    ("frontend.report.write", 4, [*ANARCHY, *CONTROL]),
    ("frontend.report.write", 10,
     [*ANARCHY, *CONTROL, *PLAYERS, "anarchy.png", "curve-one.csv", "curve-one.nc"]),
])  # fmt: skip
def test_anarchy_writes_each_completed_stage(
    sojourn, two, tmp_path, monkeypatch, place, call, expected
):
    signal_at(monkeypatch, place, signal.SIGTERM, call)
    status, out, err = sojourn("anarchy", two, "--out", tmp_path / "o")
    assert (status, err) == (143, "interrupted\n")
    assert written(tmp_path / "o") == sorted(expected)
    result = json.loads((tmp_path / "o" / "anarchy.json").read_text())
    assert result["worst_case"]["certified"]
    assert bool(result["control"]) == ("control.nc" in expected)
    assert bool(result["players"]) == ("players.nc" in expected)
    assert bool(result["variants"]) == ("curve-one.nc" in expected)
    assert "worst price of anarchy  2.101683" in out


def test_rows_of_a_benchmark_are_written(sojourn, tmp_path, monkeypatch):
    signal_at(monkeypatch, "benchmarks.solvers.run.store.Store.add_row", signal.SIGTERM, 3)
    status, out, _ = sojourn(
        "bench", "solvers", "--problems", "mm1-optimum", "--sizes", "3", "--solvers", "CLARABEL",
        "--json", "--out", tmp_path,
    )  # fmt: skip
    assert status == 143
    assert len(json.loads(out)["rows"]) == 2
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("kind", "call", "rows"),
    [
        ("families", "benchmarks.latency_families._row", 2),
        ("other-tools", "benchmarks.other_tools.compare.run_method", 2),
    ],
)
def test_rows_of_a_benchmark_are_printed(sojourn, monkeypatch, kind, call, rows):
    signal_at(monkeypatch, call, signal.SIGTERM, rows + 1)
    limit = ["--limit", "5"] if kind == "other-tools" else []
    status, out, _ = sojourn("bench", kind, "--json", *limit)
    assert status == 143
    assert len(json.loads(out)) == rows


SIGNAL = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
SIGNAL_AT_WORK = """
from sojourn.models.core import solve
import os, signal
solve.native_solver = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("code", [SIGNAL, SIGNAL_AT_WORK], ids=["importing", "solving"])
def test_a_process_ends_with_the_exit_code_of_the_signal(own, tmp_path, code):
    (tmp_path / "mine.py").write_text(code)
    assert process("--import", tmp_path / "mine.py", "run", own, "--out", tmp_path / "o") == (
        143,
        "",
        "interrupted\n",
    )
    assert written(tmp_path / "o") == []


IMPORTING = """
import os, signal
os.kill(os.getpid(), signal.SIGTERM)
done = True
"""


def test_an_import_during_the_work_is_not_interrupted(sojourn, own, tmp_path, monkeypatch):
    """A module in C that is interrupted during its import can crash the process."""
    (tmp_path / "imported_late.py").write_text(IMPORTING)
    monkeypatch.syspath_prepend(tmp_path)
    original = engine.Task.one

    def one(*arguments):
        assert __import__("imported_late").done
        while True:
            original(*arguments)

    monkeypatch.setattr(engine.Task, "one", one)
    assert sojourn("run", own)[0] == 143
    assert sys.modules.pop("imported_late").done


# ---- streams


def test_a_reader_that_closes_the_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    assert process("list", stdout=write) == (0, None, "")
    os.close(write)


FULL = "cannot write the output: No space left on device\n"
CLOSED = "cannot write the output: it is closed\n"


@pytest.mark.parametrize(("redirected", "code", "err"), [
    (">/dev/full", 3, FULL), (">&-", 3, CLOSED), ("<&- >&- 2>&-", 3, ""), (">/dev/full 2>/dev/full",
     3, ""),
    ("2>&-", 0, ""), ("2>/dev/full", 0, ""),
])  # fmt: skip
@pytest.mark.parametrize("arguments", ["list", "run --help"])
def test_output_that_cannot_be_written(arguments, redirected, code, err):
    status, out, message = process(
        "-c", f"exec {COMMAND} {arguments} {redirected}", executable="/bin/sh"
    )
    assert (status, message) == (code, err)
    assert bool(out) == (code == 0)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_errors_that_cannot_be_written(redirected):
    assert process("-c", f"exec {COMMAND} walk {redirected}", executable="/bin/sh") == (2, "", "")


ALL = ["curve.csv", "curve.nc", "curve.png", "none.csv", "none.nc", "result.json"]


@pytest.mark.slow
@pytest.mark.parametrize(("redirected", "code"), [(">&- 2>&-", 3), ("| true", 0)])
def test_files_are_written_also_where_the_output_cannot_be(own, tmp_path, redirected, code):
    """No library prints into a file that has the number of the closed output.

    An unknown backend of Matplotlib in the environment has no effect.
    """
    shell = f"set -o pipefail; {COMMAND} run {own} --solver scs --out {tmp_path / 'o'} {redirected}"
    options = {"executable": "/bin/bash", "env": {**os.environ, "MPLBACKEND": "bad"}}
    assert process("-c", shell, **options) == (code, "", "")
    assert written(tmp_path / "o") == ALL


@pytest.mark.parametrize("environment", [
    {"PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "0"},
    {
        "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
        "NO_COLOR": "1", "COLUMNS": "40",
    },
])  # fmt: skip
def test_limited_terminals(own, environment):
    status, out, err = process("run", own, env={**os.environ, **environment})
    assert (status, err) == (0, "")
    assert out.isascii()
    assert "Z\\xfcrich" in out
    assert "price of" in out


# ---- output of libraries


NOISE = """
import ctypes, os, warnings
from sojourn.models import MM1, register
def noise():
    print("noise of Python")
    os.write(1, b"noise past Python\\n")
    ctypes.CDLL(None).puts(b"noise of C")
noise()
@register("mine")
class Mine(MM1):
    def latency(self, *flow):
        if not hasattr(Mine, "said"):
            Mine.said = noise() or warnings.warn("one\\nline")
        return super().latency(*flow)
"""


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "text"])
def test_output_is_the_result_alone(own, tmp_path, options):
    (tmp_path / "mine.py").write_text(NOISE)
    own.write_text(OWN.replace("rate = 10", 'rate = 10\nfamily = "mine"'), encoding="utf-8")
    status, out, err = process("--import", tmp_path / "mine.py", "run", own, *options)
    assert status == 0
    assert "noise" not in out
    assert json.loads(out)["load"] == 7.0 if options else out.startswith("Zürich")
    lines = err.splitlines()
    assert sorted(lines) == sorted(
        2 * ["noise of Python", "noise past Python", "noise of C"] + ["warning: one line"]
    )


# ---- files


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("folder", "why"), [
    ("taken", "File exists|Not a directory"), ("taken/below", "Not a directory"), ("dangling",
     "File exists"),
    ("/proc/self/fdinfo", "."), ("/proc/none/below", "."),
])  # fmt: skip
def test_folders_that_cannot_be_written(sojourn, own, tmp_path, folder, why):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    status, out, err = sojourn("run", own, "--out", tmp_path / folder)
    assert status == 3
    assert "price of anarchy" in out
    assert "written to" not in out
    for line in err.splitlines():
        assert re.fullmatch(
            rf"cannot write {re.escape(str(tmp_path / folder))}/\S+: .*({why}).*; "
            r"choose another folder with --out",
            line,
        ), line
    assert err.count("\n") == 6
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("sketched")
def test_a_dangling_link_in_place_of_a_file_becomes_the_file(sojourn, own, tmp_path):
    folder = tmp_path / "missing" / "parent"
    folder.mkdir(parents=True)
    (folder / "result.json").symlink_to("nowhere")
    assert sojourn("run", own, "--out", folder)[0] == 0
    assert stat.S_ISREG((folder / "result.json").lstat().st_mode)
    assert json.loads((folder / "result.json").read_text())["load"] == 7.0


# ---- tables


NUMBER = re.compile(r"\d[\d.]*(?:e[-+]?\d+)?")


@pytest.mark.usefixtures("sketched")
def test_no_number_is_shortened_in_a_narrow_terminal(sojourn, own, monkeypatch):
    given = [
        ["run", own, "--weights-in", "1,2"], ["run", "dual-a"], ["verify", own, "--load", "50%"],
        ["list"], ["families"], ["anarchy", "scenario-1"],
    ]  # fmt: skip
    monkeypatch.setattr("sojourn.models.systems.parallel.anarchy_report.SHOWN", (0.0, 1.0))
    for arguments in given:
        printed = {}
        for width in (400, 20):
            monkeypatch.setattr(files.out, "_width", width)
            status, printed[width], err = sojourn(*arguments)
            assert (status, err) == (0, "")
            assert "…" not in printed[width]
            assert set(NUMBER.findall(printed[400])) <= set(NUMBER.findall(printed[width])), (
                arguments,
                width,
            )


def benchmark_tables():
    from sojourn.models.benchmarks import (
        latency_families,
        local_minima,
        other_tools,
        worst_case_rule,
    )
    from sojourn.models.benchmarks.solvers.row import Row as SolverRow
    from sojourn.models.benchmarks.solvers.tables import error_table, summary_table
    from sojourn.models.benchmarks.speed.ratios import Row, Speed
    from sojourn.reference.parallel.worst_case import WorstCase

    rows = [
        SolverRow(
            problem="parallel",
            formulation="quad_over_lin",
            n=300,
            load=load,
            rate_spread=10.0,
            delay_spread=5.0,
            seed=0,
            solver="CLARABEL",
            status="optimal",
            error=1.2e-3,
            violation=0.0,
            solve_seconds=0.0123456,
            repeats=1,
        )
        for load in (0.3, 0.999999)
    ]
    rates = np.array([0.12, 3.4, 560.0])
    yield summary_table(rows)
    yield error_table(rows)
    yield other_tools.summary(
        [
            other_tools.ToolRow(
                "three servers",
                "SLSQP, ftol 1e-12",
                0.0284494,
                1.25e-7,
                0.0123,
                5,
                "nothing",
                "maxiter 500",
            )
        ]
    )
    yield local_minima.LocalMinima({"SLSQP, 1 start": rates}, {"SLSQP, 1 start": rates}).table()
    yield worst_case_rule.summary(
        [
            worst_case_rule.Counterexample(
                "M/G/1",
                200,
                3,
                rates,
                rates,
                rates,
                WorstCase(2.1016, 1.32, 2.2, 0.0, True, 1.7535, 1, 2, 9),
            )
        ]
    )
    yield latency_families.summary(
        [
            latency_families.FamilyRow(
                "M/M/1", "optimum", 1.0, "inv_pos", 1e-12, 1e-13, 0.01, 0.0011, passed=True
            )
        ]
    )
    yield Speed(
        {"processor": "some, 2 cores", "Python": "3.11.7"},
        [Row("1,000 loads", "curve", "load", 1.234e-3, "cp.Problem.solve", 0.0456)],
        {"model": {1000: 1.0, 10000: 11.0}},
    ).table()


@pytest.mark.parametrize("width", [40, 20])
def test_no_number_of_a_benchmark_is_shortened(capsys, monkeypatch, width):
    for table in benchmark_tables():
        found = []
        for room in (400, width):
            monkeypatch.setattr(files.out, "_width", room)
            files.show(table)
            found.append(capsys.readouterr().out)
        assert "…" not in found[1]
        assert set(NUMBER.findall(found[0])) <= set(NUMBER.findall(found[1]))


# ---- other behaviour


def test_version():
    status, out, err = process("--version")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"sojourn \d+\.\d+.*\n", out)


def test_a_module_that_exits_is_bad_input(sojourn, tmp_path):
    (tmp_path / "mine.py").write_text("import sys\nsys.exit('enough')\n")
    status, out, err = sojourn("--import", tmp_path / "mine.py", "list")
    assert (status, out) == (2, "")
    assert "cannot be imported: SystemExit: enough" in err


def test_a_report_without_a_stage_is_interrupted():
    with pytest.raises(KeyboardInterrupt):
        report.present(iter(()), None, as_json=True)


@pytest.mark.parametrize("owned", [True, False])
def test_imports_are_no_garbage_in_a_process_of_the_command(monkeypatch, owned):
    stream = Stream(io.BytesIO()) if owned else io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        kept = gc.get_freeze_count()
        with quick_imports():
            assert gc.isenabled() is not owned
    assert gc.isenabled()
    assert (gc.get_freeze_count() > kept) is owned
    gc.unfreeze()
