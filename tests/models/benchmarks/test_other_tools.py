"""Benchmark of other tools: answers are evaluated by the exact latency, failures have a reason."""

import io
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from sojourn.models import InputError
from sojourn.models.benchmarks.other_tools import (
    INSTANCES,
    METHODS,
    Answer,
    Unavailable,
    compare,
    isolated_env,
    line_program,
    summary,
)
from sojourn.models.benchmarks.other_tools.answer import evaluate
from sojourn.models.benchmarks.other_tools.compare import run_method
from sojourn.models.benchmarks.other_tools.methods import line

LOCAL = {name: method for name, method in METHODS.items() if not name.startswith("LINE")}
TRIO = INSTANCES[0]()


@pytest.fixture(scope="module")
def rows():
    return list(compare([INSTANCES[0], INSTANCES[1], INSTANCES[-1]], LOCAL))


@pytest.mark.slow
def test_every_local_method_finds_the_least_delay_and_states_what_it_certifies(rows):
    assert len(rows) == 3 * len(LOCAL)
    for row in rows:
        assert row.problem == ""
        assert abs(row.error) < 1e-5, row
        assert row.seconds > 0
        assert row.certifies
        assert row.settings
    ours = [row for row in rows if row.method.startswith("sojourn")]
    assert all(row.error < 1e-12 for row in ours)


def test_table_has_every_row(rows):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary(rows))
    text = console.export_text()
    assert text.count("SciPy") >= 3
    assert "true error: mean delay, by the exact latency" in text


def test_infeasible_or_unstable_split_is_no_answer():
    assert (
        evaluate(TRIO, np.array([[100.0, 50.0, 30.0]])).problem
        == "the flows do not add up to the load, or are negative"
    )
    assert evaluate(TRIO, np.array([[110.0, 50.0, 30.0]])).problem == "a queue grows without bound"
    even = evaluate(TRIO, np.array([[50.0, 40.0, 100.0]]))
    assert even.problem == ""
    assert 1e-5 < even.error < 1e-2


def test_method_that_fails_is_a_row():
    def broken(case, limit):
        raise RuntimeError("no licence")

    row = run_method(TRIO, "other", broken, 1.0)
    assert (row.problem, row.repeats) == ("RuntimeError: no licence", 0)


def test_line_without_uv_names_what_to_install(monkeypatch):
    line._python_command.cache_clear()
    monkeypatch.setattr(isolated_env, "find_uv", lambda: None)
    (row,) = compare(INSTANCES[:1], {"LINE, evolution": METHODS["LINE, evolution"]}, 1.0)
    assert (
        row.problem == "skipped: uv, which makes its environment, is not installed; "
        "pip install 'sojourn[other-tools]'"
    )
    line._python_command.cache_clear()
    monkeypatch.setattr(isolated_env, "find_uv", lambda: "/no/such/uv")
    (row,) = compare(INSTANCES[:1], {"LINE, evolution": METHODS["LINE, evolution"]}, 1.0)
    assert row.problem.startswith(
        "skipped: its environment cannot be made (/no/such/uv does not start"
    )
    line._python_command.cache_clear()


def test_routing_of_line_is_put_back_in_order_and_evaluated(monkeypatch):
    """LINE gets the fast servers first, and its answer is in that order."""
    sent = []

    def answer(start, program, data, seconds):
        sent.append(data)
        return {
            "share": [0.5632, 0.2568, 0.18],
            "objective": 0.03,
            "terminated_by": "time_limit",
            "evaluations": 7,
            "seconds": 2.0,
        }

    monkeypatch.setattr(line, "_python_command", lambda: ["python"])
    monkeypatch.setattr(isolated_env, "call", answer)
    row = run_method(TRIO, "LINE", METHODS["LINE, evolution"], 30.0)
    assert sent[0]["rate"] == [200.0, 100.0, 80.0]
    assert sent[0]["options"]["time_limit"] == 30.0
    assert row.error < 1e-6
    assert row.certifies == "nothing; stopped by its time limit, reports 30 ms"
    assert row.seconds == 2.0
    with pytest.raises(Unavailable, match="one load at a time"):
        METHODS["LINE, evolution"](INSTANCES[-1](), 1.0)
    with pytest.raises(Unavailable, match=r"found no stable split in its 30 s \(7 evaluations\)"):
        line._answer({"share": None, "evaluations": 7}, 1.0, "evolution", 30.0)


class Recorder:
    """Stand-in for `line_solver`, with its names: records the model, returns an even split."""

    NODES = (
        "Network",
        "Source",
        "Sink",
        "Queue",
        "Delay",
        "OpenClass",
        "Exp",
        "Det",
        "OptimizationProblem",
        "RoutingProbabilities",
        "MinimizeSystemResponseTime",
    )

    def __init__(self):
        self.made = []

    def __getattr__(self, name):
        def make(*given, **named):
            node = SimpleNamespace(
                kind=name,
                given=given,
                setArrival=lambda *a: None,
                setService=lambda *a: self.made.append(("service", a)),
            )
            node.addLink, node.getName = (
                (lambda a, b: self.made.append(("link", a.kind, b.kind))),
                (lambda: "routing"),
            )
            node.add_variable = node.set_objective = lambda *a: None
            node.solve = lambda **o: SimpleNamespace(
                variable_values={"routing": np.array([0.5, 0.5])},
                objective_value=1,
                terminated_by="x",
                model_evaluations=3,
                solve_time=0.1,
            )
            self.made.append((name, given))
            return node

        if name in ("HyperExp", "APH"):
            return SimpleNamespace(fitMeanAndSCV=lambda mean, scv: (name, mean, scv))
        if name == "SchedStrategy":
            return SimpleNamespace(FCFS="FCFS")
        if name not in self.NODES:
            raise AttributeError(f"line_solver has no {name}")
        return make


def test_network_for_line():
    """A queue for each server, a delay station for its delay, services by mean and variability."""
    recorder = Recorder()
    case = {"rate": [10.0, 5.0], "cv": [3.0, 1.0], "delay": [0.0, 0.2], "load": 6.0, "options": {}}
    assert line_program.solve(recorder, case)["share"] == [0.5, 0.5]
    links = [made[1:] for made in recorder.made if made[0] == "link"]
    assert links == [
        ("Source", "Queue"),
        ("Queue", "Sink"),
        ("Source", "Queue"),
        ("Queue", "Delay"),
        ("Delay", "Sink"),
    ]
    assert line_program.service(recorder, 10.0, 3.0) == ("HyperExp", 0.1, 9.0)
    assert line_program.service(recorder, 10.0, 0.5) == ("APH", 0.1, 0.25)
    assert line_program.service(recorder, 10.0, 0.0).kind == "Det"


def test_isolated_program_answers_fails_or_is_killed_with_its_children(tmp_path):
    echo = tmp_path / "echo.py"
    echo.write_text("import json, sys; print(json.dumps({'got': json.load(sys.stdin)}))")
    assert isolated_env.call([sys.executable], echo, {"a": 1}, 30.0) == {"got": {"a": 1}}
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; print('words')")
    with pytest.raises(Unavailable, match="its answer is no JSON: 'words"):
        isolated_env.call([sys.executable], broken, {}, 30.0)
    with pytest.raises(Unavailable, match=r"exit code 1: .*no_such_module"):
        isolated_env.set_up([sys.executable], "no_such_module")
    grandchild = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(77.7)'])"
    child = f"import subprocess, sys, time; print(1); {grandchild}; time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"^killed after 1 s$"):
        isolated_env.run([sys.executable, "-c", child], "", 1.0)
    assert time.monotonic() - started < 30
    running = subprocess.run(
        ["pgrep", "-f", "time.sleep.77.7"], capture_output=True, text=True, check=False
    )
    assert running.stdout == ""
    assert isolated_env.python_command("uv", "line-solver==1", "3.11")[-3:] == [
        "--with",
        "line-solver==1",
        "python",
    ]


def test_program_for_line_reads_and_writes_json():
    """Where LINE is not installed, the error names it and nothing is printed."""
    done = subprocess.run(
        [sys.executable, line.PROGRAM],
        input="{}",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "line_solver" in done.stderr


def test_command(rows, sojourn, monkeypatch):
    compare_in = "sojourn.models.benchmarks.other_tools.table.compare"
    monkeypatch.setattr(compare_in, lambda limit: iter(rows))
    status, out, _ = sojourn("bench", "other-tools", "--limit", 5, "--json")
    assert (status, len(json.loads(out))) == (0, len(rows))
    status, out, _ = sojourn("bench", "other-tools", "--limit", 5)
    assert status == 0
    assert "Scenario 1" in out

    def stopped(limit):
        yield rows[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_in, stopped)
    status, out, _ = sojourn("bench", "other-tools", "--limit", 5, "--json")
    assert (status, len(json.loads(out))) == (130, 1)


def test_limit_must_be_a_time():
    with pytest.raises(InputError, match=r"^limit = 0: is not a time"):
        compare(limit=0)


def test_answer_is_plain():
    assert Answer(np.zeros((1, 2)), "nothing", "none").seconds is None
