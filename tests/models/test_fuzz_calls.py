"""Hostile arguments: a public call answers, or raises `InputError` or a subclass.

It raises and warns of nothing else, and it ends.
"""

import math
import os
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from calls import Call, calls, dual, servers, write_network
from hostile import HOSTILE, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn.models import (
    BPR,
    MM1,
    Budget,
    DualMode,
    FormulationError,
    Function,
    GroupShare,
    InputError,
    LinearLimit,
    MaxShare,
    Measured,
    MultiMode,
    NotCertifiedError,
    ParallelServers,
    SolverNameError,
    Tandem,
    TunableMode,
    check_latency,
    load_scenario,
    load_study,
    register,
    register_limit,
    register_system,
    study,
    verify,
)
from sojourn.models.core.errors import SolverOptionError
from sojourn.models.frontend.measured_plot import plot_measured
from sojourn.models.systems.parallel import control_curve, players_curve
from sojourn.models.systems.parallel.certificate import certify
from sojourn.models.systems.service_modes import delay_profile
from sojourn.reference import MixedBank, controlled, equilibrium, limited_optimum
from sojourn.reference import service_modes as exact_modes

CALLS = calls()
ARGUMENTS = [(call, name) for call in CALLS for name in call.said]
LABELS = list(HOSTILE)
WORK = {
    ("study", "n_jobs"): {"-1", "3", "int64"},
    ("count_local_minima", "systems"): {"3", "int64"},
    ("Groups.worst_case", "players"): {"1", "3", "int64"},
    ("Groups.worst_case", "high"): {"3", "2.5", "int64"},
}
"""Good values that ask for more work than a test has time for."""
GOOD_ENOUGH = ("answered", "refused")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Make a folder with the files that valid calls read."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "samples.csv").write_text("load,latency\n1,1\n2,1.5\n3,3\n4,5\n")
    write_network(folder)
    study([servers()], [3.0], out=folder / "kept")
    return folder


@pytest.fixture
def place(kept, monkeypatch, names):
    """Work in that folder; undo registrations."""
    monkeypatch.chdir(kept)


def asked(call, name, label):
    """Return the outcome of a call for one value, unless the value demands much work."""
    return (
        "answered"
        if label in WORK.get((call.name, name), ())
        else outcome(call, call.said, **{name: HOSTILE[label]()})
    )


@pytest.mark.slow
def test_the_good_arguments_are_good(place):
    # last those that change the answers of others
    calls = sorted(CALLS, key=lambda call: call.name.startswith("register"))
    wrong = {call.name: found for call in calls if (found := outcome(call, {})) != "answered"}
    assert wrong == {}


def test_every_family_system_limit_and_function_is_among_the_calls():
    names = {call.name.partition(".")[0] for call in CALLS}
    assert {
        "ParallelServers",
        "DualMode",
        "MultiMode",
        "TunableMode",
        "Groups",
        "Routes",
        "Network",
        "Tandem",
        "Measured",
        "Function",
        "BPR",
        "Budget",
    } <= names
    assert {
        "study",
        "verify",
        "load_study",
        "load_scenario",
        "register",
        "plot_curve",
        "certify",
        "worst_case",
        "optimum",
    } <= names
    assert len(ARGUMENTS) > 600


@pytest.mark.slow
@settings(
    max_examples=5000, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.sampled_from(ARGUMENTS), st.sampled_from(LABELS))
def test_hostile_arguments(place, argument, label):
    call, name = argument
    assert asked(call, name, label) in GOOD_ENOUGH, f"{call.name}({name}={label})"


@pytest.mark.slow
@settings(
    max_examples=1500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.sampled_from(ARGUMENTS), st.lists(st.sampled_from(LABELS), max_size=3), st.booleans())
def test_hostile_lists(place, argument, labels, in_array):
    call, name = argument
    if (call.name, name) in WORK:
        return
    value = [HOSTILE[label]() for label in labels]
    if in_array:
        held = np.empty(len(value), dtype=object)
        for i, entry in enumerate(value):
            held[i] = entry
        value = held
    assert outcome(call, {}, **{name: value}) in GOOD_ENOUGH, (
        f"{call.name}({name}=[{', '.join(labels)}])"
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_all_hostile_arguments(place, call: Call):
    found = {(name, label): asked(call, name, label) for name in call.said for label in LABELS}
    assert {where: what for where, what in found.items() if what not in GOOD_ENOUGH} == {}


def bank():
    return MM1([10.0, 5.0], [0.1, 0.2])


SAMPLES = ([1.0, 2.0, 3.0], [1.0, 1.5, 3.0])
REFUSED = {
    "throw of text": lambda: servers().optimum(6.0, throw="no"),
    "throw of a number": lambda: servers().optimum(6.0, throw=1),
    "throw of an array": lambda: servers().optimum(6.0, throw=np.array([True, False])),
    "polish of text": lambda: servers().optimum(6.0, polish="no"),
    "polish of a number": lambda: dual().assignment(2.0, polish=0),
    "polish of an array": lambda: dual().partition(2.0, 0.5, polish=np.array([True])),
    "a gap of text": lambda: servers().optimum(6.0, gap="small"),
    "a gap that is true": lambda: servers().optimum(6.0, gap=True),
    "a gap of two": lambda: servers().worst_case(gap=[1e-8, 1e-6]),
    "a solver of another type": lambda: servers().optimum(
        6.0, solver=np.array(["CLARABEL", "SCS"])
    ),
    "a solver that is a number": lambda: dual().capacity(solver=1),
    "options in a list": lambda: servers().optimum(6.0, solver_options=[("max_iter", 10)]),
    "options in an array": lambda: servers().curve([3.0], solver_options=np.array([1.0, 2.0])),
    "a formulation in a list": lambda: servers().optimum(6.0, formulation=["inv_pos"]),
    "a formulation that is a number": lambda: servers().model("optimum", 6.0, formulation=1),
    "limits in an array": lambda: servers().optimum(6.0, subject_to=np.array([[0.5, 0.5]])),
    "a limit by its name": lambda: servers().optimum(6.0, subject_to="MaxShare"),
    "a limit that is a class": lambda: servers().optimum(6.0, subject_to=[MaxShare]),
    "no limits of users": lambda: servers().equilibrium(6.0, subject_to=np.array([0.5, 0.5])),
    "a name of a limit that is a number": lambda: servers().optimum(
        6.0, subject_to=[LinearLimit([1, 1], 9.0, name=3)]
    ),
    "a limit of time as text": lambda: servers().optimum(
        6.0, subject_to=[LinearLimit([1, 1], 9.0, of_time="no")]
    ),
    "a group by names": lambda: servers().optimum(6.0, subject_to=[GroupShare(["server 1"], 0.5)]),
    "a budget of text": lambda: servers().optimum(6.0, subject_to=[Budget([1.0, 1.0], "9")]),
    "players between two": lambda: servers().equilibrium(6.0, players=2.5),
    "players that are true": lambda: servers().price_of_anarchy(6.0, players=True),
    "players of a task": lambda: servers()._task("equilibrium", 6.0, players="two"),
    "players of a bank": lambda: bank().at_player([0.1, 0.1], 0),
    "players in a number": lambda: players_curve(servers(), [3.0], players=2),
    "no players": lambda: players_curve(servers(), [3.0], players=[]),
    "no strategies": lambda: control_curve(servers(), 6.0, strategies=[]),
    "a strategy in an array": lambda: servers().control(
        6.0, 0.5, strategy=np.array(["llf", "scale"])
    ),
    "a strategy of the reference": lambda: controlled(bank(), 6.0, 0.5, strategy=None),
    "a fraction that is true": lambda: servers().control(6.0, True),
    "refine as text": lambda: servers().curve([3.0, 6.0], refine="no"),
    "refine of modes": lambda: dual().curve([1.0, 2.0], refine=None),
    "breakaway as text": lambda: dual().curve([1.0, 2.0], breakaway="no"),
    "which in a list": lambda: servers().curve([3.0], which=["optimum"]),
    "relative as a number": lambda: study([servers()], [0.5], relative=1),
    "chunk of a half": lambda: study([servers()], [3.0], chunk=0.5),
    "workers that are true": lambda: study([servers()], [3.0], n_jobs=True),
    "a study of nothing": lambda: study(None, [3.0]),
    "a study of numbers without end": lambda: study(iter(int, 1), [3.0]),
    "a study of text": lambda: study("servers", [3.0]),
    "a study in a folder by its number": lambda: study([servers()], [3.0], out=4),
    "a study in a folder without a name": lambda: study([servers()], [3.0], out=""),
    "a study loaded by a number": lambda: load_study(4),
    "a study loaded by a flag": lambda: load_study(True),
    "a study loaded by nothing": lambda: load_study(None),
    "a scenario by its number": lambda: load_scenario(1),
    "a scenario that is none": lambda: load_scenario(None),
    "a scenario in bytes": lambda: load_scenario(b"scenario-1"),
    "a scenario with a NUL in its name": lambda: load_scenario("scenario\0"),
    "verify of nothing": lambda: verify(None, [3.0]),
    "verify of a bank": lambda: verify(bank(), [3.0]),
    "verify at loads of two lengths": lambda: verify(servers(), [[3.0], [3.0, 6.0]]),
    "samples by the number of a file": lambda: Measured.from_csv(4),
    "samples by a flag": lambda: Measured.from_csv([True]),
    "samples by nothing": lambda: Measured.from_csv(None),
    "columns in a list": lambda: Measured.from_csv("samples.csv", columns=["load", "latency"]),
    "pieces of a half": lambda: Measured(*SAMPLES, pieces=2.5),
    "pieces of a time": lambda: Measured(*SAMPLES, pieces=np.timedelta64(3, "s")),
    "residuals of text": lambda: Measured(*SAMPLES).residuals("server 1"),
    "residuals of another": lambda: Measured(*SAMPLES).residuals(1),
    "names that are text": lambda: ParallelServers(bank(), names="ab"),
    "names that are the same": lambda: ParallelServers(bank(), names=pd.Series(["a", "a"])),
    "names that are numbers": lambda: ParallelServers(bank(), names=np.array([1, 2])),
    "names that are bytes": lambda: ParallelServers(bank(), names=np.array([b"a", b"b"])),
    "names in a set": lambda: ParallelServers(bank(), names={"a", "b"}),
    "names of another number": lambda: MultiMode(
        [[4.0, 2.0], [3.0, 5.0]], modes=pd.Index(["a", "b", "c"])
    ),
    "a unit of time that is a number": lambda: ParallelServers(bank(), time_unit=1),
    "a unit of time that is blank": lambda: TunableMode(1.0, 4.0, time_unit=" "),
    "a unit of time that is nothing": lambda: DualMode([4.0, 2.0], [30.0, 40.0], time_unit=None),
    "a title that is a number": lambda: plot_measured(Measured(*SAMPLES), title=3),
    "a picture of another bank": lambda: plot_measured(bank()),
    "latency of text": lambda: bank().latency("no"),
    "latency of nothing": lambda: bank().latency(None),
    "latency of three flows": lambda: bank().latency([1.0, 2.0, 3.0]),
    "latency of flags": lambda: bank().latency([True, False]),
    "marginal delay of complex numbers": lambda: bank().marginal([1j, 2.0]),
    "latency beside another spare capacity": lambda: bank().latency(
        [[1.0, 2.0]] * 2, [[1.0, 2.0]] * 3
    ),
    "a price of text": lambda: bank().inverse_latency(["1", "2"]),
    "servers by name": lambda: bank().take(["server 1"]),
    "servers by flags": lambda: bank().take([True, False]),
    "a server too many": lambda: bank().take([2]),
    "a unit of 0": lambda: bank().in_unit(0),
    "a cone that there is not": lambda: bank().has_cone("cost"),
    "a cone of a number": lambda: bank().total_cone(3.0),
    "a form that is true": lambda: bank().total_cone(HOSTILE["Variable"](), True),
    "tangents without number": lambda: BPR([1.0, 2.0], [10.0, 5.0]).latency_cone(
        HOSTILE["Variable"](), tangent_points=10**12
    ),
    "certify of nothing": lambda: certify(None, 6.0, [3.0, 3.0], "optimum"),
    "certify of text": lambda: certify(bank(), 6.0, "no", "optimum"),
    "certify for a goal that is a number": lambda: certify(bank(), 6.0, [3.0, 3.0], 1),
    "certify for two goals": lambda: certify(
        bank(), 6.0, [3.0, 3.0], np.array(["optimum", "equilibrium"])
    ),
    "a check of a number": lambda: check_latency(3.0),
    "a check with throw as text": lambda: check_latency(bank(), throw="no"),
    "a check with half a seed": lambda: check_latency(bank(), 0.5),
    "a function of a number of servers that is text": lambda: Function(
        lambda x: x + 1.0, servers="2"
    ),
    "a derivative that raises": lambda: Function(lambda x: x + 1.0, lambda x: 1 / 0),
    "a tandem of a system": lambda: Tandem(bank(), servers()),
    "a pool of a number": lambda: MixedBank(3),
    "a family by a number": lambda: register(3, MM1),
    "a limit that is a family": lambda: register_limit("mine", MM1),
    "a kind that is a class": lambda: register_system(ParallelServers),
    "servers of the reference in a number": lambda: equilibrium(3, 1.0),
    "limits of three servers": lambda: limited_optimum(bank(), 6.0, least=[0.0, 0.0, 0.0]),
    "modes of a number": lambda: exact_modes.partition(3, 1.0, 0.5),
    "modes that cannot be hashed": lambda: exact_modes.capacity([3]),
    "the canonical form of nothing": lambda: exact_modes.touch_points(None),
    "a profile of servers": lambda: delay_profile(servers(), [3.0]),
    "a profile of half a point": lambda: delay_profile(dual(), [1.0, 2.0], points=2.5),
    "a load in a date": lambda: servers().optimum(timedelta(seconds=6)),
    "a load that has no parts": lambda: servers().optimum(math.ulp(0.0)),
    "a load in a table": lambda: servers().optimum(pd.DataFrame({"load": [6.0]})),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_be_read_in_two_ways_or_none_is_refused(call, place):
    with pytest.raises(InputError):
        call()


@pytest.mark.parametrize(
    ("call", "error", "field"),
    [
        ("a solver of another type", SolverNameError, "solver"),
        ("options in an array", SolverOptionError, "solver_options"),
        ("a formulation in a list", FormulationError, "formulation"),
        ("names that are the same", InputError, "names[1]"),
        ("samples by a flag", InputError, "path"),
        ("a limit that is a class", InputError, "subject_to[0]"),
        ("servers by flags", InputError, "index"),
        ("a study of numbers without end", InputError, "systems['system 1']"),
    ],
)
def test_the_error_names_the_field(call, error, field, place):
    with pytest.raises(error) as caught:
        REFUSED[call]()
    assert caught.value.field == field


@pytest.mark.parametrize(
    "names",
    [
        pd.Index(["a", "b"]),
        pd.Series(["a", "b"], index=[5, 6]),
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
    ],
)
def test_names_in_whatever_holds_text_are_names(names):
    for found in (
        ParallelServers(bank(), names=names).names,
        MultiMode([[4.0, 2.0], [3.0, 5.0]], stages=names).stages,
        MultiMode([[4.0, 2.0], [3.0, 5.0]], modes=names).modes,
    ):
        assert found == ("a", "b")
        assert {type(name) for name in found} == {str}
    assert (
        plot_measured(Measured([SAMPLES[0]] * 2, [SAMPLES[1]] * 2), names=names).axes[1].get_title()
        == "b"
    )


def test_a_file_of_the_caller_stays_open(place):
    with open("samples.csv") as own:
        with pytest.raises(InputError, match=r"path = \d+: is not the path of a file"):
            Measured.from_csv([own.fileno()])
        assert os.fstat(own.fileno()).st_size > 0


def test_an_object_that_cannot_be_written_is_named_by_its_type():
    with pytest.raises(
        InputError, match="load = something of type Raising: is not made of numbers"
    ):
        servers().optimum(HOSTILE["raises"]())


def test_an_option_that_there_is_not_is_a_type_error():
    with pytest.raises(TypeError, match="did you mean throw"):
        servers().optimum(6.0, trow=False)


def test_a_missed_gap_is_no_input_error(place):
    with pytest.raises(NotCertifiedError):
        servers().optimum(6.0, gap=1e-300)
