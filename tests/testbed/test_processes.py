"""The testbed as processes: what is exchanged, what is marked invalid, and how all ends.

Nothing here depends on the speed of the machine: no mean delay is compared with a model.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sojourn import MD1, load_scenario
from sojourn.models.testbed import apparatus as apparatuses
from sojourn.models.testbed import experiment as experiments
from sojourn.models.testbed.apparatus import MEASURED, ROUTER, Apparatus, Sample, Station
from sojourn.models.testbed.clock import Clock
from sojourn.models.testbed.experiment import Experiment
from sojourn.models.testbed.machine import Machine
from sojourn.models.testbed.plans import plan_of
from sojourn.models.testbed.quic import PING, PROBE, UPDATE
from sojourn.models.testbed.report import report
from sojourn.models.testbed.service import Service

pytestmark = pytest.mark.testbed
COMMAND = Path(sys.executable).with_name("sojourn")
CLOCK = Clock(1e-4, 0.0, 0.0, 0.0, 0.0)
TWO = """
[units]
rate = "1/s"
delay = "ms"
[[servers]]
name = "near"
family = "M/D/1"
rate = 50
delay = 10
[[servers]]
name = "far"
family = "M/D/1"
rate = 40
delay = 60
"""
SERVER = "server near"
LOOPBACK = "0100007F"  # 127.0.0.1, as Linux writes it


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Measure all jobs and not a part, after a short warm-up, and the idle system by few probes."""
    monkeypatch.setattr(experiments, "MEASURED_PART", 1.0)
    monkeypatch.setattr(experiments, "SAME", 1.0)
    for name, value in (("PINGS", 5), ("PROBES", 5), ("WARMUP", 0.02)):
        monkeypatch.setattr(apparatuses, name, value)


def alive(pids):
    """Return the processes that run; a zombie of another parent has ended."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        found += [pid] * (state != "Z")
    return found


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def sockets(pid):
    """Return the addresses of the UDP sockets of a process, as Linux writes them."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(entry)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("udp", "udp6", "tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                found.append((table, *words[1].split(":")))
    return found


# ---- the protocol


def test_updates_pass_their_routes_and_come_back_late_enough():
    """Times have lower bounds on every machine: no wait ends early."""
    stations = [
        Station("one", 0.02, Service(0.03)),
        Station("two", 0.04, Service(0.05)),
        Station("three", 0.0, Service(0.01, samples=(0.5, 1.5))),
    ]
    with Apparatus(stations, [[0], [1], [0, 2]], CLOCK, seed=1) as apparatus:
        pids = {name: p.pid for name, p in apparatus.elements.processes.items()}
        addresses = {name: sockets(pid) for name, pid in pids.items()}
        for found in addresses.values():
            assert found
            assert {(table, address) for table, address, _ in found} == {("udp", LOOPBACK)}
            assert all(int(port, 16) >= 1024 for *_, port in found)
        pings = apparatus._probe(3, PING, 5, 0.0, 0.0)
        assert (pings[:, 1] - pings[:, 0] >= 0.02).all()
        probes = np.sort(apparatus._probe(4, PROBE, 5, 0.0, 0.0)[:, 1])
        assert probes[-1] - probes[0] >= 0.9 * 4 * 0.05  # one thread: they wait for each other
        chained = apparatus._probe(2, UPDATE, 4, 0.1, 0.0)
        least = 0.02 + 0.03 + 0.005
        assert (chained[:, 1] - chained[:, 0] >= least).all()
        sample = Sample()
        apparatus.point([0.0, 1.0, 0.0], 10.0, 8.0, 1.5, sample)
        assert sample.jobs
        assert set(sample.route.tolist()) == {1}
        assert (sample.latency >= 0.04 + 0.05).all()
        assert sample.reports["server two"]["jobs"] > len(sample.jobs)  # and those of the warm-up
        assert sample.reports["server one"]["jobs"] == 0
        report = sample.reports["server two"]
        assert report["taken"] >= report["drawn"] == pytest.approx(0.05 * report["jobs"])
    assert alive(pids.values()) == []


def test_the_command_measures_models_and_writes(two, tmp_path, sojourn, quick):
    out = tmp_path / "out"
    code, text, errors = sojourn(
        "testbed", two, "--loads", "25%", "--seconds", "1", "--seed", "3", "--out", out
    )
    assert code == 0, errors
    found = json.loads((out / "testbed.json").read_text())
    assert [p["split"] for p in found["points"]] == ["optimum", "equilibrium", "proportional"]
    rate = np.array([server["rate"] for server in found["servers"]])
    trip = np.array([server["round_trip"] for server in found["servers"]]) / 1e3
    assert (trip >= [0.01, 0.06]).all()
    for point in found["points"]:
        share = np.array(point["weights"])
        model = share @ np.where(share > 0, MD1(rate, trip).latency(22.5 * share), 0.0)
        assert point["model"] == pytest.approx(1e3 * model, rel=1e-6)
        assert sum(point["route_jobs"]) == point["jobs"] > 0
        assert not any(np.array(point["route_jobs"])[share == 0])
    assert found["points"][2]["weights"] == pytest.approx(rate / rate.sum())
    assert found["sentence"].split("\n")[0] in " ".join(text.split())
    data = xr.open_dataset(out / "points.nc", engine="scipy")
    measured = [point["mean"] for point in found["points"]]
    assert data["measured"].values[0].tolist() == pytest.approx(measured)
    assert data["valid"].values[0].tolist() == [float(p["valid"]) for p in found["points"]]
    data.close()
    assert (out / "points.png").stat().st_size > 10_000


def test_measure_writes_a_scenario_that_other_commands_read(two, tmp_path, sojourn, quick):
    priced = TWO.replace("rate = 40", "rate = 40\nrate_price = 3")
    two.write_text(priced.replace("rate = 50", "rate = 50\nrate_price = 2"))
    path = tmp_path / "measured.toml"
    code, _, errors = sojourn("measure", two, "--out", path)
    assert code == 0, errors
    measured = load_scenario(path)
    assert list(measured.system.names) == ["near", "far"]
    assert (measured.system.bank.delay >= [0.01, 0.06]).all()
    assert measured.system.bank.cv.tolist() == [0.0, 0.0]
    for arguments in (("run",), ("size", "--delay-cost", 5), ("anarchy",)):
        code, text, errors = sojourn(arguments[0], path, *arguments[1:])
        assert code == 0, errors
        assert "near" in text or arguments[0] == "anarchy"
    assert measured.settings["size"].servers["rate_price"].tolist() == [2.0, 3.0]


# ---- the machine is too busy, an element ends


def experiment(two, loads=(22.5,), seconds=1.5):
    scenario = load_scenario(two)
    found = Experiment(scenario, plan_of(scenario, None), Machine(CLOCK, 1e-4, 2), 1.0, seconds)
    return found, found.run(list(loads), seed=2)


def apparatus_of(monkeypatch):
    """Return a list that gets the apparatus of the experiment that runs next."""
    made, start = [], Apparatus._start

    def started(self):
        made.append(self)
        start(self)

    monkeypatch.setattr(Apparatus, "_start", started)
    return made


def during_a_point(monkeypatch, made, act):
    """Act on the elements once the first jobs of a point have been measured."""
    point = Apparatus.point

    def acting(self, weights, load, measured_load, seconds, sample):
        def wait():
            wait_for(lambda: len(sample.jobs) >= 3)
            act(made[0].elements.processes)

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            point(self, weights, load, measured_load, seconds, sample)
        finally:
            thread.join()

    monkeypatch.setattr(Apparatus, "point", acting)


def test_a_point_of_a_busy_machine_is_invalid(two, quick, monkeypatch):
    """The routing element stands still for a time, as on a machine that does something else."""
    made = apparatus_of(monkeypatch)

    def stop(processes):
        processes[ROUTER].send_signal(signal.SIGSTOP)
        time.sleep(0.7)
        processes[ROUTER].send_signal(signal.SIGCONT)

    during_a_point(monkeypatch, made, stop)
    found, run = experiment(two)
    next(run)
    next(run)
    run.close()
    (point,) = found.points
    assert point.jobs > 0
    assert point.disturbance > 0.03
    assert "too busy" in point.invalid
    assert not point.valid
    assert not point.inside


@pytest.mark.parametrize("name", [SERVER, ROUTER, MEASURED[0]])
def test_an_element_that_ends_is_named_and_what_was_measured_is_written(
    two, tmp_path, quick, monkeypatch, name
):
    made = apparatus_of(monkeypatch)
    killed = []

    def kill(processes):
        killed.append(time.monotonic())
        processes[name].kill()

    during_a_point(monkeypatch, made, kill)
    monkeypatch.setattr("sojourn.models.testbed.report.this_machine", lambda: Machine(CLOCK, 0, 2))
    *_, last = report(load_scenario(two), "25%", 60.0, 1.0, None, 0)
    assert time.monotonic() - killed[0] < 20.0  # not as long as the point
    assert last.code == 1
    assert last.result["stopped"] == f"{name} ended by SIGKILL"
    (point,) = last.result["points"]
    assert point["invalid"] == last.result["stopped"]
    assert point["jobs"] >= 3
    assert point["mean"] >= 30.0
    for files in last.files:
        for file, write in files:
            write(tmp_path / file)
    data = xr.open_dataset(tmp_path / "points.nc", engine="scipy")
    assert data["valid"].sel(split="optimum").item() == 0.0
    assert data.attrs["stopped"] == last.result["stopped"]
    data.close()
    assert alive(p.pid for p in made[0].elements.processes.values()) == []


def elements_of(pid):
    """Return the processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found += [int(path.parent.name)] * (int(words[1]) == pid)
    return found


def test_every_element_ends_with_a_process_that_is_killed():
    code = (
        "from sojourn.models.testbed.supervise import Elements\nimport time\n"
        "elements = Elements()\nelements.start({'a': 'server', 'b': 'client'})\n"
        "print(*(p.pid for p in elements.processes.values()), flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(alive(pids)) == 2
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(pids), 10.0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_every_process_ends_with_the_command(two, tmp_path, number, code):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [COMMAND, "testbed", two, "--loads", "40%", "--seconds", "60", "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Ctrl-C while the idle system is measured, SIGTERM in the first point
    file = out / "testbed.json"
    wait_for(
        lambda: len(elements_of(process.pid)) == 6 and (number == signal.SIGINT or file.exists())
    )
    pids = elements_of(process.pid)
    process.send_signal(number)
    text, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    wait_for(lambda: not alive(pids), 10.0)
    if number == signal.SIGTERM:
        assert "interrupted" in errors
        assert json.loads(file.read_text())["stopped"] == "interrupted"
        assert "near" in text
