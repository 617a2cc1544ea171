"""What a scenario gives the apparatus, and what is refused before any process starts."""

import math
import random
import subprocess

import numpy as np
import pytest

from sojourn import DualMode, load_scenario
from sojourn.models.testbed import report
from sojourn.models.testbed.apparatus import Idle
from sojourn.models.testbed.clock import Clock
from sojourn.models.testbed.dataset import curves, dataset
from sojourn.models.testbed.experiment import Experiment
from sojourn.models.testbed.machine import Machine
from sojourn.models.testbed.measured_file import measured_file
from sojourn.models.testbed.picture import plot_points
from sojourn.models.testbed.plans import Split, plan_of
from sojourn.models.testbed.points import Point
from sojourn.models.testbed.service import Service
from sojourn.reference import parallel as exact

QUIET = Machine(Clock(1e-4, 1e-6, 1e-6, 1e-5, 1e-9), 2e-4, 2)
SERVERS = """
[units]
rate = "1/s"
delay = "ms"
[[servers]]
rate = 10
{}
"""


def idle(times, trips):
    zero = np.zeros(len(times))
    return Idle(np.array(trips), zero, np.array(times), zero, np.array(times))


def fitted(name="scenario-0", times=(1 / 210, 1 / 190, 1 / 97), trips=(0.009, 0.023, 0.033)):
    """Return an experiment whose idle system has been measured."""
    scenario = load_scenario(name)
    found = Experiment(scenario, plan_of(scenario, None), QUIET, 1.0, 20.0)
    found.idle = idle(times, trips)
    found.plan.fit(found.idle)
    return found


@pytest.fixture
def scenario(tmp_path):
    def write(text):
        path = tmp_path / "own.toml"
        path.write_text(SERVERS.format(text))
        return path

    return write


# ---- parallel servers


def test_splits_follow_from_the_measurement_alone():
    plan = fitted().plan
    bank, load = plan.system.bank, 300.0
    assert bank.rate.tolist() == pytest.approx([210, 190, 97])
    assert bank.delay.tolist() == [0.009, 0.023, 0.033]
    for name in ("optimum", "equilibrium"):
        answer = getattr(exact, name)(bank, load)
        split = plan.split(name, load)
        np.testing.assert_allclose(split.weights, answer.flow / load, atol=1e-9)
        assert split.model == pytest.approx(answer.mean_delay)
    even = plan.split("proportional", load)
    np.testing.assert_allclose(even.weights, bank.rate / bank.rate.sum())
    assert even.model >= plan.split("optimum", load).model
    assert plan.split("optimum", 500.0) is None


def test_stations_have_the_service_times_of_their_families(scenario):
    path = scenario('delay = 3\n[[servers]]\nfamily = "M/D/1"\nrate = 5\n[[servers]]\nrate=4\ncv=2')
    plan = plan_of(load_scenario(path), None)
    assert [s.service for s in plan.stations] == [
        Service(0.1, 1),
        Service(0.2, 0),
        Service(0.25, 2),
    ]
    assert [s.delay for s in plan.stations] == [0.003, 0.0, 0.0]
    plan = plan_of(load_scenario(path), (0.5, 1.5))
    plan.fit(idle([0.1, 0.2, 0.25], [0.0, 0.0, 0.0]))
    assert plan.system.bank.cv.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("cv", [0.0, 0.3, 1.0, 2.0])
def test_drawn_service_times_have_the_mean_and_the_cv(cv):
    rng = random.Random(0)  # noqa: S311
    times = np.array([Service(0.2, cv).draw(rng) for _ in range(20_000)])
    error = 5 * 0.2 * cv / math.sqrt(times.size)
    assert abs(times.mean() - 0.2) <= error + 1e-12
    assert times.std() == pytest.approx(0.2 * cv, rel=0.1, abs=1e-12)


def test_the_memory_of_a_queue_is_that_of_heavy_traffic():
    """The M/M/1 queue has the relaxation time 1 / (rate (1 - sqrt(rho))^2)."""
    rho, one = np.array([0.999]), np.ones(1)
    split = Split(one, 5 * one, one, lambda *_: 0.0, 5 * rho, one)
    assert split.memory == pytest.approx(1 / (5 * (1 - math.sqrt(rho[0])) ** 2), rel=1e-3)
    assert Split(one, one, one, lambda *_: 0.0, 0 * one, one).memory == 0.0


# ---- service modes


def test_the_partition_is_that_of_theorem_3():
    plan = fitted("dual-a", (0.1, 0.225, 0.3, 0.175), (0.0, 0.0, 0.0, 0.0)).plan
    system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
    assert plan.routes == [[0, 1], [2, 3]]
    split, best = plan.split("assignment", 4.5), system.assignment(4.5)
    assert split.model == pytest.approx(best.mean_delay, rel=1e-9)
    np.testing.assert_allclose(split.weights, best.assignment, atol=1e-7)
    rate = split.rate.reshape(2, 2).T  # stations are listed mode by mode
    np.testing.assert_allclose(rate, best.share * system.rates.rate, rtol=1e-6)
    drawn = 1 / np.array([service.mean for service in split.services])
    np.testing.assert_allclose(drawn, split.rate, rtol=1e-12)
    even = plan.split("even", 4.0)
    assert even.model == pytest.approx(system.partition(4.0, 0.5).mean_delay, rel=1e-9)


def test_a_mode_without_jobs_does_not_count():
    plan = fitted("dual-a", (0.1, 0.225, 0.3, 0.175), (0.01, 0.02, 0.5, 0.5)).plan
    split = plan.split("assignment", 0.5)
    assert split.weights.tolist() == [1.0, 0.0]
    assert split.model == pytest.approx(1 / (10 - 0.5) + 1 / (1 / 0.225 - 0.5) + 0.03)


# ---- files


def test_the_measured_scenario_has_what_was_measured(tmp_path):
    path = tmp_path / "measured.toml"
    path.write_text(measured_file(fitted()))
    found = load_scenario(path)
    np.testing.assert_allclose(found.system.bank.rate, [210, 190, 97], rtol=1e-12)
    np.testing.assert_allclose(found.system.bank.delay, [0.009, 0.023, 0.033], rtol=1e-12)
    assert found.system.names == ("near", "middle", "far")
    assert found.units.delay == "ms"


def test_invalid_points_are_not_drawn_as_truth():
    experiment = fitted()
    for split, invalid in (("optimum", ""), ("equilibrium", "the machine was too busy")):
        weights = (1.0, 0.0, 0.0)
        experiment.points.append(
            Point(100.0, split, weights, 0.02, 50, 0.021, 0.019, 0.023, 0.0, 1e3, invalid, (), ())
        )
    data = dataset(experiment)
    assert data["measured"].sel(split="optimum").item() == pytest.approx(21.0)
    assert math.isnan(data["measured"].sel(split="proportional").item())
    assert data["valid"].values[0, :2].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(data["optimum_delay"], 1e3 * curves(experiment)["optimum"])
    (axes,) = plot_points(data).axes
    labels = axes.get_legend_handles_labels()[1]
    assert "optimum, measured with 90% interval" in labels
    assert "equilibrium, invalid" in labels
    assert "equilibrium, measured with 90% interval" not in labels
    text = report.sentence(experiment.points)
    assert text == "the model is inside the 90% interval of 1 of 1 valid point; 1 point invalid"


# ---- refused before any process starts


@pytest.fixture
def refused(sojourn, monkeypatch):
    pytest.importorskip("aioquic")

    def start(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(report, "this_machine", lambda: QUIET)

    def run(*arguments):
        code, _, errors = sojourn(*arguments)
        assert code == 2
        return errors

    return run


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--loads", "120%"], "--loads"),
        (["--loads", "0"], "is not above 0"),
        (["--loads", "30%,many"], "--loads"),
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "nan"], "--seconds"),
        (["--time-scale", "0"], "--time-scale"),
        (["--time-scale", "inf"], "--time-scale"),
        (["--time-scale", "0.001"], "stretch times at least"),
        (["--time-scale", "1e6"], "stretch times at most"),
        (["--seed", "-1"], "seed"),
        (["--service", "sometimes"], "--service"),
    ],
)
def test_bad_input_is_refused_before_any_process_starts(refused, arguments, problem):
    errors = refused("testbed", "scenario-0", *arguments)
    assert problem in errors


@pytest.mark.parametrize(
    "text",
    [
        "base = 2",
        "batch = 3",
        'family = "M/M/c"\nservers = 2',
        'family = "G/G/1"\ncv = 1\narrival_cv = 2',
        'family = "M/G/1-PS"',
    ],
)
def test_other_servers_are_refused(refused, scenario, text):
    assert "use M/M/1, M/D/1 or M/G/1 alone" in refused("testbed", scenario(text))


def test_other_systems_are_refused(refused, scenario):
    assert "testbed cannot be" in refused("testbed", "braess")
    assert "no scenario file" in refused("measure", "dual-a")
    assert ".toml" in refused("measure", "scenario-0", "--out", "measured.txt")
    assert "exponential" in refused("testbed", "dual-a", "--service", "deterministic")
    assert "at most 12" in refused("testbed", scenario("replicas = 13"))


@pytest.mark.parametrize("text", ["1\n2\nnan", "-1", "", "one", "0\n0"])
def test_samples_that_are_no_times_are_refused(refused, tmp_path, text):
    path = tmp_path / "times.txt"
    path.write_text(text)
    assert "--service" in refused("testbed", "scenario-0", "--service", path)


def test_samples_are_divided_by_their_mean(tmp_path):
    path = tmp_path / "times.txt"
    path.write_text("1\n3\n")
    assert report.service_given(str(path)) == [0.5, 1.5]


def test_without_the_extra_the_command_names_it(sojourn, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "aioquic" else find(name)
    )
    code, _, errors = sojourn("testbed", "scenario-0")
    assert code == 2
    assert "sojourn[testbed]" in errors
