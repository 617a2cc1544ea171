"""Verification of systems with service modes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sojourn.models import DualMode, InputError, MultiMode, SharedModes, verify
from sojourn.models.systems.service_modes import verify as verify_dual_mode
from sojourn.models.systems.service_modes.breakaways import CertifiedBreakaways
from sojourn.models.systems.service_modes.disciplines import shared_of
from sojourn.reference import service_modes as exact
from sojourn.reference.service_modes.shared import TwoSharedModes

A, C = (DualMode.canonical(mu0=1.0, K=4.0, f=f) for f in ((0.1, 0.3), (0.25, 0.4)))
PAIR = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15))
THREE = MultiMode([[6.0, 2.5], [20.0, 30.0], [4.0, 9.0]])


def failed(found):
    return [c.quantity for c in found.checks if not c.passed]


def test_every_quantity_is_compared():
    found = verify(A, [2.0, 4.5])
    assert found.passed
    assert [c.quantity for c in found.checks[:3]] == [
        "largest load",
        "breakaway load",
        "p after it",
    ]
    at = [c.quantity.split(" =")[0] for c in found.checks if c.load == 4.5]
    assert at == [
        "best delay",
        "lower bound",
        "p",
        "share, local",
        "share, cloud",
        "delay at p",
        "tunable delay",
        "tunable f",
    ]


MANY = MultiMode.from_work([[0.05, 0.5, 0.21021], [0.2375, 0.125, 0.1976975]])  # two stages
CUTS = MultiMode.from_work(
    [[0.30, 0.10, 0.05, 0.20], [0.05, 0.25, 0.10, 0.12], [0.06, 0.05, 0.24, 0.11]]
)


@cache
def true_breakaways():
    return exact.breakaways(MANY.rates)


@pytest.fixture(scope="module")
def found_of_many():
    return verify(MANY, [0.3 * MANY.max_load, 4.95])


@pytest.mark.parametrize(("system", "load", "least"), [
    (MANY, 4.95, 57.4273313441), (CUTS, 5.5, 3.8741793537),
])  # fmt: skip
@pytest.mark.slow
def test_many_modes_are_compared(system, load, least, found_of_many):
    found = found_of_many if system is MANY else verify(system, [0.3 * system.max_load, load])
    assert found.passed
    assert [c.quantity for c in found.checks if c.load == load] == [
        "best delay",
        "lower bound",
        "delay of its partition",
    ]
    assert found.checks[0].quantity == "largest load"
    assert found.checks[-3].model == pytest.approx(least, rel=1e-9)
    assert "the search for the modes" in found.checks[-3].shares


@pytest.mark.slow
def test_breakaways_of_many_modes_are_compared(found_of_many):
    found = found_of_many
    assert found.passed
    assert found.checks[1].quantity == "breakaways"
    assert (found.checks[1].model, found.checks[1].reference) == (3, 3)
    true = [change.load for change in true_breakaways()]
    loads = [c for c in found.checks if c.quantity == "breakaway load"]
    assert [c.model for c in loads] == pytest.approx(true, rel=1e-9)
    assert all("the search for the loads" in c.shares for c in loads)
    sides = [c for c in found.checks if c.quantity in ("delay before it", "delay after it")]
    assert len(sides) == 6
    assert not any(c.shares for c in sides)


@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4])
@pytest.mark.slow
def test_wrong_breakaways_of_both_sides_fail(monkeypatch, factor):
    """The search for the loads is shared; the delays at the sides are not."""
    true = true_breakaways()
    changes = tuple(replace(c, load=c.load * factor) for c in true)
    wrong = CertifiedBreakaways(changes, true.loads, true.gap, (), MANY.modes)
    monkeypatch.setattr(MultiMode, "breakaways", lambda self, **options: wrong)
    monkeypatch.setattr(verify_dual_mode.exact, "breakaways", lambda modes, **options: wrong)
    side = "after" if factor < 1 else "before"
    assert set(failed(verify(MANY, 4.0))) == {f"delay {side} it"}


@pytest.mark.slow
def test_a_missing_breakaway_fails(monkeypatch):
    true, found = true_breakaways(), MANY.breakaways(points=verify_dual_mode.SCAN)
    monkeypatch.setattr(MultiMode, "breakaways", lambda self, **options: found)
    short = replace(true, changes=true.changes[:2])
    monkeypatch.setattr(verify_dual_mode.exact, "breakaways", lambda modes, **options: short)
    assert failed(verify(MANY, 4.0)) == ["breakaways"]
    left = replace(short, left=((4.9, 5.0),))
    monkeypatch.setattr(verify_dual_mode.exact, "breakaways", lambda modes, **options: left)
    assert verify(MANY, 4.0).passed


@pytest.mark.slow
def test_a_wrong_partition_of_many_modes_fails(monkeypatch):
    solve = MultiMode.assignment

    def shifted(self, load, **options):
        point = solve(self, load, **options)
        share = point.share.copy()
        used = np.flatnonzero(point.assignment)[:2]
        share[0, used] += [1e-3, -1e-3] if used.size == 2 else 0.0
        return replace(point, share=share)

    monkeypatch.setattr(MultiMode, "assignment", shifted)
    # of the breakaways delays alone are compared
    monkeypatch.setattr(verify_dual_mode, "_breakaways", lambda *_: ())
    assert failed(verify(CUTS, 5.5)) == ["delay of its partition"]


def test_shared_modes_are_compared_with_routes_and_with_the_closed_forms():
    found = verify(PAIR, [2.0, 3.2, 4.0])
    assert found.passed
    quantities = [c.quantity for c in found.checks]
    for goal in ("optimum", "equilibrium"):
        for what in ("mean delay", "thresholds", "threshold", "delay, formula", "p, formula"):
            assert f"{goal} {what}" in quantities
    assert quantities.count("optimum p, formula") == 3
    loads = [c.load for c in found.checks if c.quantity == "equilibrium threshold"]
    assert loads == pytest.approx([10 / 3, 30 / 7])


def test_shared_modes_without_closed_forms_are_compared_with_routes():
    found = verify(shared_of(CUTS), 5.5)
    assert found.passed
    assert not [c.quantity for c in found.checks if "formula" in c.quantity]
    (best,) = [c for c in found.checks if c.quantity == "optimum mean delay"]
    (selfish,) = [c for c in found.checks if c.quantity == "equilibrium mean delay"]
    assert best.model == pytest.approx(1.4781115, abs=5e-8)
    assert selfish.model == pytest.approx(1.4788221, abs=5e-8)


@pytest.mark.parametrize("method", ["mean_delay", "p", "thresholds"])
def test_wrong_closed_forms_of_shared_modes_fail(monkeypatch, method):
    true = getattr(TwoSharedModes, method)

    def wrong(self, goal, *load):
        value = true(self, goal, *load)
        return tuple(x and x * (1 + 1e-6) for x in value) if load == () else value * (1 + 1e-6)

    monkeypatch.setattr(TwoSharedModes, method, wrong)
    assert failed(verify(PAIR, 3.4))


@pytest.mark.parametrize("part", [0.01, 0.8399387, 0.999])
def test_passes_at_light_load_at_the_breakaway_and_near_saturation(part):
    assert verify(A, part * 5).passed


@pytest.mark.slow
def test_other_systems_pass():
    found = verify(C, [1.0, 3.9])
    assert found.passed
    assert found.checks[1].quantity == "no breakaway"
    assert verify(THREE, [1.0, 0.97 * THREE.max_load]).passed


def test_options_are_passed_on(monkeypatch):
    given = []
    solve = DualMode.assignment
    monkeypatch.setattr(
        DualMode,
        "assignment",
        lambda self, load, **options: given.append(options) or solve(self, load, **options),
    )
    verify(A, 2.0, solver="SCS")
    assert given == [{"solver": "SCS"}]
    with pytest.raises(TypeError, match="'solvr'; did you mean solver"):
        verify(A, 2.0, solvr="SCS")


def test_wrong_reference_fails(monkeypatch):
    true = exact.assignment
    wrong = replace(true(A.rates, 4.5), stage_delay=true(A.rates, 4.5).stage_delay * (1 + 1e-7))
    monkeypatch.setattr(verify_dual_mode.exact, "assignment", lambda modes, load: wrong)
    assert failed(verify(A, 4.5)) == ["best delay"]


def test_bound_above_the_truth_fails(monkeypatch):
    true = exact.assignment
    lower = replace(true(A.rates, 4.5), stage_delay=true(A.rates, 4.5).stage_delay * (1 - 1e-9))
    monkeypatch.setattr(verify_dual_mode.exact, "assignment", lambda modes, load: lower)
    # the delay differs by more than its certificate, and its lower bound is above the truth
    assert failed(verify(A, 4.5)) == ["best delay", "lower bound"]


def test_wrong_breakaway_fails(monkeypatch):
    true = exact.breakaway(A.rates)
    monkeypatch.setattr(
        verify_dual_mode.exact,
        "breakaway",
        lambda modes: replace(true, load=true.load * (1 + 1e-7)),
    )
    assert failed(verify(A, 2.0)) == ["breakaway load"]
    monkeypatch.setattr(verify_dual_mode.exact, "breakaway", lambda modes: None)
    assert failed(verify(A, 2.0)) == ["no breakaway"]


def test_solver_is_passed_on_to_partition_and_breakaway(monkeypatch):
    given = []
    for name in ("partition", "breakaway"):
        solve = getattr(DualMode, name)
        monkeypatch.setattr(
            DualMode,
            name,
            lambda self, *a, _solve=solve, **options: (
                given.append(options) or _solve(self, *a, **options)
            ),
        )
    verify(C, 2.0, solver="SCS")
    assert given == [{"solver": "SCS"}] * 2


@pytest.mark.parametrize(
    "system", [A, DualMode.canonical(mu0=1.0, K=4.0, f=(0.05, 0.15)), C], ids=["A", "B", "C"]
)
def test_systems_of_the_paper_pass(system):
    found = verify(system, [0.3 * system.max_load, 0.95 * system.max_load])
    assert failed(found) == []


def test_three_stages_have_a_share_a_stage_and_no_tunable_mode():
    quantities = {c.quantity for c in verify(THREE, 1.0).checks}
    assert {"share, stage 1", "share, stage 2", "share, stage 3"} < quantities
    assert not {q for q in quantities if "tunable" in q}


def test_claimed_bound_above_the_truth_fails(monkeypatch):
    """Reference and delay are right; only the certificate is wrong."""
    solve = DualMode.assignment

    def boasting(self, load, **options):
        found = solve(self, load, **options)
        return replace(
            found, certificate=replace(found.certificate, lower_bound=found.mean_delay * (1 + 1e-6))
        )

    monkeypatch.setattr(DualMode, "assignment", boasting)
    assert "lower bound" in failed(verify(A, 4.5))


def test_wrong_largest_load_fails(monkeypatch):
    true = exact.capacity(A.rates)
    monkeypatch.setattr(
        verify_dual_mode.exact,
        "capacity",
        lambda modes: replace(true, max_load=true.max_load * (1 + 1e-7)),
    )
    assert failed(verify(A, 2.0)) == ["largest load"]


def test_verify_names_a_bad_load():
    with pytest.raises(InputError, match=r"= 7\.0: not below the maximum 5"):
        verify(A, [1.0, 7.0])
