"""Benchmark of speed, at small sizes: every timing runs and is compared as intended."""

import dataclasses
import importlib.util
import json
import math
import os
import signal
import subprocess
from types import SimpleNamespace

import clarabel
import matplotlib.image
import numpy as np
import pytest

from sojourn.models import MM1, InputError, ParallelServers, SharedModes
from sojourn.models.benchmarks.speed import (
    bench_fresh,
    bench_modes,
    bench_routes,
    ratios,
    solver_alone,
)
from sojourn.models.benchmarks.speed.networks import FOLDER, grid
from sojourn.models.benchmarks.speed.ratios import read, run_timings, speed
from sojourn.reference import service_modes as exact

SWEEPS = [f"{goal}, 3 servers, 1,000 loads" for goal in ("optimum", "equilibrium")]


@pytest.fixture(scope="module")
def measured():
    return speed(small=True)


@pytest.mark.slow
def test_each_time_is_compared_with_the_intended_one(measured):
    pairs = {(r.what, r.who, r.against) for r in measured.rows}
    for what in SWEEPS:
        assert {(what, "curve", "Clarabel alone"), (what, "curve", "cp.Problem.solve")} <= pairs
        assert (f"certificates of {what}", "certificates", "the solves") in pairs
    for what in ("partition", "assignment"):
        row = f"dual mode, {what}, 1,000 loads"
        assert {(row, "sweep", "Clarabel alone"), (row, "sweep", "cp.Problem.solve")} <= pairs
    for goal in ("optimum", "equilibrium"):
        assert ("reference, 1,000 servers, one load", goal, "np.sort") in pairs
        assert ("reference, 3 servers, 10,000 loads", goal, "np.sort of loads x servers") in pairs
    row = "whole weights of 1,000 servers, total 1,000,000"
    assert (row, "whole weights", "np.sort of n log W numbers") in pairs
    row = "99th percentile of 3 servers, 20 loads"
    assert (row, "least percentile", "the optima one by one") in pairs
    assert ("rates of 1,000 servers within a budget", "rates", "np.sort") in pairs
    for asked in ("200 servers, price of delay", "20 servers, budget"):
        row = f"split and rates of {asked}"
        assert (row, "split and rates", "100 optima at given rates") in pairs
    assert {
        ("worst case certified to 1e-8, 3 servers", "model", other)
        for other in ("reference", "Clarabel alone")
    } <= pairs
    for goal in ("optimum", "equilibrium"):
        row = f"{goal} of a new system of 3 servers, in rounds of 2"
        others = ("Clarabel alone", "CVXPY by hand", "SLSQP of SciPy")
        assert {(row, goal, other) for other in others} <= pairs
    for start in ("within a budget", "4 players", "control", "study of 8 systems"):
        assert any(w.startswith(start) and o == "Clarabel alone" for w, _, o in pairs)
    for who in ("first answer", "sojourn run scenario-1"):
        assert ("a new process", who, "import cvxpy") in pairs
    assert "one process" in {o for _, who, o in pairs if who == "two processes"}
    for goal in ("optimum", "equilibrium"):
        row = f"{goal} of a grid of 48 links, M/M/1 or roads"
        assert (row, "queues", "the latency of roads") in pairs
        for fraction in ("70%", "99%"):
            row = f"{goal}, 4 groups x 6 servers, {fraction} load"
            assert (row, goal, "CVXPY by hand") in pairs
    assert ("both goals of a grid, 5 demands", "curve", "cold solves") in pairs
    for kind in ("random", "hull-like"):
        row = f"8 modes at 2 stages, {kind} works, 4 loads"
        assert (row, "best assignments", "a sweep of one pair") in pairs
        assert (f"curve of {row}", "curve", "a sweep of one pair") in pairs
    for name in ("M/M/1", "M/D/1", "M/G/1 of cv 3"):
        row = f"simulation of {name}, 10,000 jobs"
        assert (row, "simulation", "the random numbers alone") in pairs
    for name in ("M/M/1", "M/M/8", "M/M/1 with processor sharing"):
        assert (f"simulation of {name} at 80%", "simulation", "Ciw") in pairs
    row = "20 modes at 3 stages, certified to 1e-9"
    assert (row, "branch and bound", "3 local starts") in pairs
    row = "optimum of new shared stages, 20 modes at 3 stages"
    assert (row, "optimum", "CVXPY by hand") in pairs
    assert all(r.seconds > 0 and r.ratio > 0 and math.isfinite(r.ratio) for r in measured.rows)
    assert list(measured.growth) == [
        f"{what} {goal}"
        for what in ("reference", "model", "n groups x n servers,", "networks,")
        for goal in ("optimum", "equilibrium")
    ] + ["networks, capacity"]


@pytest.mark.slow
def test_road_networks_are_timed_or_the_report_states_the_reason(measured):
    """The files and the peer are optional."""
    row = "equilibrium of SiouxFalls, files read"
    found = [r for r in measured.rows if r.what == row]
    reasons = " ".join(measured.left_out)
    if not os.environ.get(FOLDER):
        assert not found
        assert f"{FOLDER} names no folder" in reasons
        assert f"{FOLDER} names no folder" in measured.markdown()
    elif importlib.util.find_spec("pytraf"):
        assert [(r.who, r.against, r.at_most) for r in found] == [("equilibrium", "pytraf", 6.0)]
    else:
        assert [(r.who, r.against, r.ratio) for r in found] == [("equilibrium", "", None)]
        assert "sojourn[peers]" in reasons


@pytest.mark.slow
def test_report_is_written_and_printed(measured, sojourn, tmp_path, monkeypatch):
    monkeypatch.setattr(ratios, "speed", lambda: measured)
    status, out, _ = sojourn("bench", "speed", "--out", tmp_path / "s")
    assert status == 0
    markdown = (tmp_path / "s" / "speed.md").read_text()
    assert markdown.count("\n|") == len(measured.rows) + 2
    for word in ("cores", "Python 3", "cvxpy 1", "| ratio |"):
        assert word in markdown
    assert json.loads((tmp_path / "s" / "speed.json").read_text())["rows"] == [
        vars(r) for r in measured.rows
    ]
    assert matplotlib.image.imread(tmp_path / "s" / "growth.png").std() > 0.05
    assert "growth.png, speed.json, speed.md" in " ".join(out.split())
    status, out, _ = sojourn("bench", "speed", "--out", tmp_path / "s", "--json")
    assert status == 0
    assert json.loads(out)["machine"] == measured.machine


def benchmark(row, who, least, per=1, unit="", at_most=None):
    return {
        "extra_info": {"row": row, "who": who, "per": per, "unit": unit, "at_most": at_most},
        "stats": {"min": least},
    }


def test_ratios_and_exponents_are_those_of_the_report():
    machine = {"cpu": {"count": 2, "brand_raw": "some"}, "machine": "x", "python_version": "3"}
    rows = [
        benchmark("curve", "curve", 6.0, 3, "load", 1.5),
        benchmark("curve", "Clarabel alone", 10.0, 10, "load", 1.5),
        benchmark("alone", "equilibrium", 2.0, at_most=3.0),
    ]
    grown = [
        benchmark("growth of model", str(n), 2e-6 * n**1.5) for n in (10, 1000, 10_000, 100_000)
    ]
    found = read({"benchmarks": rows + grown, "machine_info": machine})
    row, alone = found.rows
    assert (row.seconds, row.ratio, row.unit) == (2.0, 2.0, "load")
    assert found.exponents["model"] == pytest.approx(1.5)
    assert found.growth["model"] == {n: 2e-6 * n**1.5 for n in (10, 1000, 10_000, 100_000)}
    assert found.title.startswith("some, 2 cores; Python 3")
    line = "| curve | curve | 2 s a load | 2 | Clarabel alone | 1 s | 1.5 | no |"
    assert line in found.markdown()
    assert (row.met, dataclasses.replace(row, ratio=1.4).met) == (False, True)
    assert (alone.against, alone.ratio, alone.met) == ("", None, None)


def test_differences_have_their_sign_and_unit():
    slower, faster = (
        ratios.Row("a", "curve", "", s, "b", s / 2e-3).cells[5] for s in (2.75e-3, 1.2e-3)
    )
    assert (slower, faster) == ("750 us", "-800 us")


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_other_ways_to_a_new_system_find_the_same(goal):
    rate, delay, load = np.array([100.0, 80.0, 200.0]), np.array([0.005, 0.005, 0.02]), 190.0
    found = bench_fresh.of_library(goal, rate, delay, load)
    if goal == "optimum":
        value = found.mean_delay
    else:
        value = (delay @ found.flow - np.log(rate - found.flow).sum()) / load
    assert bench_fresh.by_hand(goal, rate, delay, load) == pytest.approx(value, rel=1e-6)
    share = bench_fresh.by_slsqp(goal, rate, delay, load).x
    np.testing.assert_allclose(share, found.flow / load, rtol=1e-4)


@pytest.mark.parametrize("goal", ["optimum", "equilibrium"])
def test_groups_by_hand_find_the_same(goal):
    system = bench_routes.groups(3, 4, 0.7)
    problem, found = bench_routes.by_hand(goal, system), getattr(system, goal)()
    (split,) = (x.value for x in problem.variables())
    np.testing.assert_allclose(split.sum(axis=0), found.station_flow, rtol=1e-3)
    if goal == "optimum":
        assert problem.value == pytest.approx(found.mean_delay, rel=1e-6)


def test_shared_stages_by_hand_find_the_same():
    system = SharedModes.from_work([[0.2, 0.9, 0.4], [0.8, 0.1, 0.5], [0.3, 0.3, 0.2]])
    load = 0.8 * system.max_load
    found = system.optimum(load).mean_delay
    assert bench_modes.by_hand(system, load) == pytest.approx(found, rel=1e-7)


def test_pair_of_many_modes_carries_the_largest_load():
    rng = np.random.default_rng(0)
    for kind in ("random", "hull-like"):
        modes = exact.Modes.from_work(bench_modes.works(kind, rng))
        pair = bench_modes.pair_of(modes)
        assert pair.modes == 2
        assert exact.capacity(pair).max_load == pytest.approx(exact.capacity(modes).max_load)


def test_rates_of_the_grid_carry_its_loads():
    numbers = grid(5)
    assert (numbers.tail.size, len(numbers.load)) == (80, 90)
    assert numbers.queues.capacity().multiple > 1.2


def test_the_solver_alone_solves_the_programs_of_the_job(monkeypatch):
    system, loads = ParallelServers(MM1([100.0, 80.0, 200.0])), [100.0, 150.0, 200.0]
    again = solver_alone.alone(lambda: system.curve(loads, "optimum"))
    solved = []

    class Counted:
        def __init__(self, *data):
            self.solver = clarabel.DefaultSolver(*data)

        def update(self, **new):
            self.solver.update(**new)

        def solve(self):
            solved.append(self.solver.solve())

    monkeypatch.setattr(solver_alone, "SOLVER", Counted)
    again()
    assert [str(s.status) for s in solved] == ["Solved"] * 3
    assert solved[0].obj_val < solved[1].obj_val < solved[2].obj_val


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setattr(ratios.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        InputError,
        match=r"^bench = 'speed': needs pytest-benchmark; pip install 'sojourn\[bench\]'$",
    ):
        speed(small=True)


def test_benchmark_that_is_interrupted_leaves_no_process(tmp_path, monkeypatch):
    (tmp_path / "bench_long.py").write_text(
        "import time\ndef bench_a():\n    pass\ndef bench_it():\n    time.sleep(60)\n"
    )
    started = []

    def popen(*arguments, **options):
        started.append(subprocess.Popen(*arguments, **options))
        return started[0]

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        ratios,
        "subprocess",
        SimpleNamespace(PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT, Popen=popen),
    )
    monkeypatch.setattr(ratios.StatusLine, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        run_timings(tmp_path)
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.slow
def test_benchmark_that_fails_is_an_error(tmp_path):
    (tmp_path / "bench_broken.py").write_text(
        "def bench_it():\n    raise ArithmeticError('broken')\n"
    )
    with pytest.raises(RuntimeError, match=r"(?s)the benchmarks failed:.*ArithmeticError: broken"):
        run_timings(tmp_path)
