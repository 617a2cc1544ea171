"""Changes of the modes in use, with a certificate at every load."""

import json
from functools import cache

import numpy as np
import pytest
from chunks import some
from mode_cases import ABOVE_HULL, ALEXNET, FOUR, cuts, mobilenet

from sojourn.models import (
    DualMode,
    FormulationError,
    LoadError,
    MultiMode,
    NotCertifiedError,
    load_scenario,
)
from sojourn.models.core.parametric import Compiled
from sojourn.models.systems.service_modes.modes_report import breakaway_lines
from sojourn.reference import service_modes as exact

HULL = MultiMode.from_work(ABOVE_HULL, modes=["a", "b", "k"])


@cache
def found_of_hull():
    return HULL.breakaways()


@cache
def true_of_hull():
    return exact.breakaways(HULL.rates)


def assert_agrees(found, true):
    assert [c.load for c in found] == pytest.approx([c.load for c in true], rel=1e-9)
    for one, two in zip(found, true, strict=True):
        assert (one.used_before, one.used_after) == (two.used_before, two.used_after)
        np.testing.assert_allclose(one.after, two.after, atol=1e-6)
        np.testing.assert_allclose(one.before, two.before, atol=1e-6)
        assert one.jump == pytest.approx(two.jump, abs=1e-6)


@pytest.mark.slow
def test_a_mode_above_the_hull_comes_and_goes():
    found = found_of_hull()
    assert_agrees(found, true_of_hull())
    assert found.gap < 1e-7
    assert found.loads[[0, -1]] / HULL.max_load == pytest.approx([0, 1], abs=1e-5)
    assert found.names(found[1].used_after) == "a + k"
    assert [line.split(": ")[1] for line in repr(found).splitlines()[1:]] == [
        "a -> k, a jump of 1",
        "k -> a + k, a jump of 0.07596",
        "a + k -> a + b, a jump of 0.9349",
    ]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["changes"][0]["before"] == {"a": 1.0}
    assert set(plain["changes"][2]["after"]) == {"a", "b"}
    assert plain["changes"][1]["jump"] == found[1].jump
    first = HULL.breakaway()
    assert first.load == found[0].load


@pytest.mark.parametrize(("system", "names"), [
    (cuts(ALEXNET, 100e6), ["all cloud", "all cloud + all device", "all cloud + pool1"]),
    pytest.param(
        cuts(mobilenet(), 20e6),
        ["block4", "all cloud + block4", "block2 + block4"],
        marks=pytest.mark.exhaustive,
    ),
])  # fmt: skip
@pytest.mark.slow
def test_cuts_of_networks(system, names):
    found = system.breakaways(points=12)
    assert_agrees(found, exact.breakaways(system.rates, points=12))
    used = [found[0].used_before, *(change.used_after for change in found)]
    assert [found.names(some) for some in used] == names


def test_three_stages():
    system = MultiMode.from_work(FOUR)
    found = system.breakaways(low=2.0, high=7.0, points=8)
    assert_agrees(found, exact.breakaways(system.rates, low=2.0, high=7.0))
    for change in found:  # certified on either side
        for side, used in ((-1e-3, change.used_before), (1e-3, change.used_after)):
            at = system.assignment(change.load * (1 + side))
            assert tuple(np.flatnonzero(at.assignment > 1e-6)) == used


@pytest.mark.parametrize("f", [(0.1, 0.3), (0.05, 0.15), (0.0, 1.0), (0.25, 0.4)])
def test_two_modes_break_away_once(f):
    system = DualMode.canonical(mu0=1.0, K=4.0, f=f)
    true, found = system.breakaway(), system.breakaways(points=16)
    assert len(found) == (true is not None)
    if true is not None:
        assert found[0].load == pytest.approx(true.load, rel=1e-9)
    else:
        assert repr(found).endswith("\n  none")


@pytest.mark.parametrize("seed", some(60, often=2))
@pytest.mark.slow
def test_random_systems(seed):
    rng = np.random.default_rng(seed)
    work = rng.exponential(size=(rng.integers(2, 4), rng.integers(3, 7)))
    system = MultiMode.from_work(work, delay=rng.random(work.shape[1]) * (seed % 2))
    assert_agrees(system.breakaways(points=24), exact.breakaways(system.rates, points=24))


def test_one_mode_has_no_breakaway():
    assert MultiMode.from_work([[1.0], [2.0]]).breakaway() is None


def test_without_time_the_loads_that_are_left_are_named(monkeypatch):
    found = HULL.breakaways(seconds=1e-9)
    assert found.left == ((found.loads[-1], pytest.approx(HULL.max_load, rel=1e-5)),)
    assert repr(found).splitlines()[1:] == ["  none", "  not searched: 0.000184532 to 5"]
    assert found.to_dict()["left"] == [list(found.left[0])]
    monkeypatch.setattr(MultiMode, "breakaways", lambda self: found)
    with pytest.warns(match="between the loads 0.000184532 and 5 are not searched"):
        HULL.curve([1.0], breakaway=True)


@pytest.mark.slow
def test_curves_mark_all_breakaways():
    loads = [c.load for c in true_of_hull()]
    marked = HULL.curve([1.0, 4.0], breakaway=True)
    assert marked.attrs["breakaway_loads"] == pytest.approx(loads, rel=1e-9)
    assert "breakaway_loads" not in HULL.curve([1.0]).attrs
    refined = HULL.curve([3.0, 4.98], refine=0.5)
    assert refined.attrs["breakaway_loads"] == pytest.approx(loads, rel=1e-9)
    for load in loads:
        assert np.sum(np.abs(refined["load"].values / load - 1) < 2e-6) == 2


def test_without_a_certificate_there_is_no_answer():
    with pytest.raises(NotCertifiedError, match=r"^no certified assignment"):
        HULL.breakaways(gap=1e-16, points=2)


def test_bad_input_is_refused_before_any_solver(monkeypatch):
    monkeypatch.setattr(Compiled, "solve", None)
    with pytest.raises(LoadError, match=r"^high = 6"):
        HULL.breakaways(high=6.0)
    with pytest.raises(FormulationError, match="PSD that the assignment needs"):
        HULL.breakaways(solver="OSQP")


def test_the_report_prints_the_next_one():
    scenario, changes = load_scenario("split-mobilenet"), found_of_hull().to_dict()["changes"]
    assert [*breakaway_lines(scenario, changes, 4.6)] == [
        "breakaways        at 3.46469, 4.48521, 4.97624 jobs/s",
        "next breakaway    load 4.97624: 0.0651 a, 0.9349 k to 0.6680 a, 0.3320 b",
    ]
    assert [*breakaway_lines(scenario, changes[:1], 1.0)] == [
        "next breakaway    load 3.46469: 1.0000 a to 1.0000 k"
    ]
    assert [*breakaway_lines(scenario, changes[:1], 4.0)] == [
        "breakaways        at 3.46469 jobs/s",
        "next breakaway    none: larger loads use the same modes",
    ]
    assert "larger loads use the same modes" in [*breakaway_lines(scenario, changes, 4.98)][-1]
    assert "same modes are best at every load" in next(breakaway_lines(scenario, [], 1.0))
    assert [*breakaway_lines(scenario, [], 1.0, [[2.0, 5.0]])] == [
        "not searched      loads 2 to 5, for lack of time",
        "breakaways        none found",
    ]
    assert "none found" in [*breakaway_lines(scenario, changes, 4.98, [[4.99, 5.0]])][-1]
