"""Whatever a public call is given, it answers, or InputError and its kin say what is wrong; nothing else is raised, warned of or waited for."""

import numpy as np
import pytest
from calls import Call, calls, servers
from hostile import HOSTILE, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn.models import (
    study,
)

CALLS = calls()
ARGUMENTS = [(call, name) for call in CALLS for name in call.said]
LABELS = list(HOSTILE)
WORK = {("study", "n_jobs"): {"-1", "3", "int64"}, ("traps", "systems"): {"3", "int64"}}
"""Good values that ask for more work than a test has time for."""
GOOD_ENOUGH = ("answered", "refused")


@pytest.fixture
def place(tmp_path, monkeypatch, names):
    """A folder with what good calls read, and registers that forget."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples.csv").write_text("load,latency\n1,1\n2,1.5\n3,3\n4,5\n")
    study([servers()], [3.0], out="kept")
    return tmp_path


def asked(call, name, label):
    """What a call does with one value, unless that asks for work."""
    return "answered" if label in WORK.get((call.name, name), ()) else outcome(call, call.said, **{name: HOSTILE[label]()})


def test_the_good_arguments_are_good(place):
    wrong = {call.name: found for call in CALLS if (found := outcome(call, {})) != "answered"}
    assert wrong == {}


def test_every_family_system_limit_and_function_is_among_the_calls():
    names = {call.name.partition(".")[0] for call in CALLS}
    assert {"ParallelServers", "DualMode", "MultiMode", "TunableMode", "Tandem", "Measured", "Function", "BPR", "Budget"} <= names
    assert {"study", "verify", "load_study", "load_scenario", "register", "plot_curve", "certify", "worst_case", "optimum"} <= names
    assert len(ARGUMENTS) > 600


@settings(max_examples=1500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ARGUMENTS), st.sampled_from(LABELS))
def test_hostile_arguments(place, argument, label):
    call, name = argument
    assert asked(call, name, label) in GOOD_ENOUGH, f"{call.name}({name}={label})"


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
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
    assert outcome(call, {}, **{name: value}) in GOOD_ENOUGH, f"{call.name}({name}=[{', '.join(labels)}])"


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_all_hostile_arguments(place, call: Call):
    found = {(name, label): asked(call, name, label) for name in call.said for label in LABELS}
    assert {where: what for where, what in found.items() if what not in GOOD_ENOUGH} == {}
