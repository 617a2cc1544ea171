"""Best assignment: the joint optimum over (p, alpha, beta), and its certificate."""

import json
from dataclasses import replace

import numpy as np
import pytest
from replaced_solvers import lose_answers

from sojourn.models import (
    DualMode,
    FormulationError,
    InputError,
    LoadError,
    MultiMode,
    NotCertifiedError,
)
from sojourn.models.core import solve as engine
from sojourn.models.core.programs import ProgramStore
from sojourn.models.core.solver_specs import spec
from sojourn.models.systems.service_modes import sum_of_squares
from sojourn.models.systems.service_modes.questions import Partition
from sojourn.reference import service_modes as exact

A, B, C = (DualMode.canonical(mu0=1.0, K=4.0, f=f) for f in ((0.1, 0.3), (0.05, 0.15), (0.25, 0.4)))
SLOPPY = [
    {"max_iter": 3},
    {"max_iter": 6},
    {"tol_gap_abs": 1e-3, "tol_gap_rel": 1e-3, "tol_feas": 1e-3},
]


def refuse_json_constants(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("system", [A, B, C], ids="ABC")
@pytest.mark.parametrize("part", [1e-6, 0.3, 0.7, 0.9, 0.999, 1 - 1e-6, 1 - 1e-9])
def test_agrees_with_the_closed_form_up_to_saturation(system, part):
    load = part * system.max_load
    true, found = exact.assignment(system.rates, load), system.assignment(load)
    rounding = 1e-15 / (1 - part)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11 + 8 * rounding)
    assert found.p == pytest.approx(true.p, abs=1e-9)
    assert found.certificate.lower_bound <= true.mean_delay <= found.certificate.upper_bound


@pytest.mark.parametrize("options", SLOPPY)
@pytest.mark.parametrize("polish", [True, False])
def test_certificate_covers_the_truth_of_sloppy_answers(options, polish):
    for load in (0.5, 2.0, 4.1, 4.3, 4.9):
        true = exact.assignment(A.rates, load).mean_delay
        found = A.assignment(
            load, solver="CLARABEL", solver_options=options, polish=polish, throw=False
        )
        assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
        assert found.mean_delay / true - 1 <= found.certificate.gap


def test_scs_alone_is_certified():
    for load in (0.5, 2.0, 4.3, 4.9):
        found = A.assignment(load, solver="scs")
        assert found.solver == "SCS"
        assert found.certified
        assert found.mean_delay == pytest.approx(
            exact.assignment(A.rates, load).mean_delay, rel=1e-9
        )


@pytest.mark.parametrize("beside", [-1e-9, -1e-12, 0.0, 1e-12, 1e-9])
@pytest.mark.parametrize("system", [A, B], ids="AB")
def test_where_two_assignments_tie_the_bound_still_holds(system, beside):
    """The program is degenerate there: a solver that fails runs again with looser tolerances."""
    load = exact.breakaway(system.rates).load * (1 + beside)
    true, found = exact.assignment(system.rates, load), system.assignment(load)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-12)
    assert found.certificate.lower_bound <= true.mean_delay * (1 + 1e-13)


def test_no_operating_point_beats_it():
    rng = np.random.default_rng(1)
    best = A.assignment(4.3)
    for _ in range(2000):
        p, alpha, beta = rng.uniform(0, 1, 3)
        delay = exact.mean_delay(
            A.rates, 4.3, np.array([p, 1 - p]), np.array([[alpha, 1 - alpha], [beta, 1 - beta]])
        )
        assert delay > best.certificate.lower_bound


@pytest.mark.parametrize("f", [(0.0, 1.0), (0.0, 0.4), (0.2, 1.0)])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_modes_that_need_one_server_only(f, part):
    system = DualMode.canonical(mu0=2.0, K=3.0, f=f)
    true, found = (
        exact.assignment(system.rates, part * system.max_load),
        system.assignment(part * system.max_load),
    )
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11)
    if f == (0.0, 1.0) and 0 < found.p < 1:
        assert (found.alpha, found.beta) == (0, 1)  # Proposition 2


def test_unit_of_time_does_not_matter():
    slow, fast = MultiMode(A.rates.rate), MultiMode(1000 * A.rates.rate)
    for load in (2.0, 4.5):
        first, second = slow.assignment(load), fast.assignment(1000 * load)
        assert second.mean_delay == pytest.approx(first.mean_delay / 1000, rel=1e-11)
        assert second.p == pytest.approx(first.p, abs=1e-10)


# ---- fallback to other solvers


def test_solver_that_fails_is_recorded_and_another_solves(monkeypatch):
    lose_answers(monkeypatch, "CLARABEL")
    found = A.assignment(4.5)
    assert found.solver == "SCS"
    assert [(a.solver, a.formulation) for a in found.attempts] == [
        ("CLARABEL", "sos"),
        ("CLARABEL", "sos-again"),
        ("SCS", "sos"),
    ]
    assert found.certified


def test_first_tolerance_that_is_missed_is_relaxed(monkeypatch):
    usual = spec("CLARABEL")
    few = replace(usual, tight={"max_iter": 3}, retry={**usual.tight, "max_iter": 200})
    monkeypatch.setattr(engine, "spec", lambda name: few if name == "CLARABEL" else spec(name))
    monkeypatch.setattr(engine, "SHARED", ProgramStore())
    found = A.assignment(4.5)
    assert (found.solver, found.formulation) == ("CLARABEL", "sos-again")
    assert found.attempts[0].gap > 1e-7


def test_without_a_partition_there_is_no_answer(monkeypatch):
    monkeypatch.setattr(
        Partition, "finish", lambda self, program, returned, points: self.empty(len(points[0]))
    )
    with pytest.raises(
        NotCertifiedError,
        match=r"^no certified assignment at load 4\.5, .*CLARABEL \(sos\): optimal\w*, gap inf",
    ) as caught:
        DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).assignment(4.5)
    assert caught.value.solution is None


def test_gap_that_cannot_be_met_raises_with_the_answer_inside():
    with pytest.raises(
        NotCertifiedError,
        match=r"^no certified assignment at load 2, gap 1\.0e-18 wanted\. Tried CLARABEL \(sos\)",
    ) as caught:
        A.assignment(2.0, solver_options={"max_iter": 4}, gap=1e-18, solver="CLARABEL")
    best = caught.value.solution
    assert best.certificate.gap == min(a.gap for a in caught.value.attempts)
    found = A.assignment(
        2.0, solver_options={"max_iter": 4}, gap=1e-18, solver="CLARABEL", throw=False
    )
    assert not found.certified
    assert found.mean_delay == best.mean_delay
    assert "NOT CERTIFIED" in repr(found)


# ---- results


def test_repr_has_the_operating_point():
    lines = repr(A.assignment(4.5)).splitlines()
    assert lines[0] == "best assignment and partition at load 4.5: mean delay 6.93809891"
    assert lines[1].startswith("  certified within ")
    assert lines[2:] == [
        "  jobs: 0.5752 mode 1, 0.4248 mode 2",
        "  local  for them 0.3262, 0.6738  delay 2.12448",
        "  cloud  for them 0.6296, 0.3704  delay 4.81362",
    ]


def test_to_dict_is_json():
    found = A.assignment(4.5)
    plain = json.loads(json.dumps(found.to_dict()), parse_constant=refuse_json_constants)
    assert plain["assignment"] == {"mode 1": found.p, "mode 2": float(found.assignment[1])}
    assert plain["share"]["cloud"]["mode 1"] == found.beta
    assert plain["certificate"]["lower_bound"] == found.certificate.lower_bound
    assert plain["certified"] is True
    assert sum(plain["stage_delay"].values()) == pytest.approx(found.mean_delay, rel=1e-14)


def test_timing_is_of_both_programs():
    timing = A.assignment(4.5).timing
    assert min(timing.build, timing.compile, timing.solve, timing.finish) > 0


# ---- bad input


@pytest.mark.parametrize(("load", "error", "message"), [
    (5, LoadError, r"^load = 5\.0: not below the maximum 5:"),
    (-1, LoadError, r"^load = -1\.0: there are no jobs to assign"),
    (np.inf, LoadError, r"^load = inf: is not a finite number"),
    ("half", InputError, r"^load = 'half': is not made of numbers"),
])  # fmt: skip
def test_bad_load_is_named(load, error, message):
    with pytest.raises(error, match=message):
        A.assignment(load)


def test_bad_options_are_refused():
    with pytest.raises(
        FormulationError,
        match=r"^solver = 'OSQP': does not take the cone PSD that the assignment needs; "
        r"use CLARABEL or SCS$",
    ):
        A.assignment(2.0, solver="OSQP")
    with pytest.raises(
        TypeError,
        match=r"^assignment\(\) got an unexpected keyword argument 'solvr'; did you mean solver\?$",
    ):
        A.assignment(2.0, solvr="SCS")
    with pytest.raises(InputError, match=r"^gap = -1: is not a finite number above 0"):
        A.assignment(2.0, gap=-1)


# ---- extreme cases


@pytest.mark.parametrize("ulps", [1, 2, 4, 40])
def test_load_a_few_ulps_below_the_largest_terminates(ulps):
    """The call raises an error or returns; it does not loop."""
    load = 5.0 - ulps * np.spacing(4.9)
    try:
        found = A.assignment(load, throw=False)
    except (LoadError, NotCertifiedError):
        return
    assert not found.certified or np.isfinite(found.certificate.gap)


def test_given_gap_is_not_widened_by_rounding():
    load = 5 * (1 - 1e-9)
    assert A.assignment(load).certified
    assert not A.assignment(load, gap=1e-9, throw=False).certified
    assert not A.partition(load, 0.5, gap=1e-12, throw=False).certified


@pytest.mark.slow
def test_many_stages_are_not_certified_without_a_crash():
    system = MultiMode(10 ** np.random.default_rng(1).uniform(0, 1, (36, 2)))
    found = system.assignment(0.5 * system.max_load, throw=False)
    assert found.certificate.lower_bound <= found.mean_delay


def test_moments_without_a_stable_candidate_are_no_answer(monkeypatch):
    """Both ends of the interval are full at this load."""
    monkeypatch.setattr(
        sum_of_squares,
        "moment_candidates",
        lambda moments, d: np.tile([0.0, 1.0], (len(moments), 1)),
    )
    with pytest.raises(NotCertifiedError) as caught:
        A.assignment(4.5)
    assert caught.value.solution is None
    assert len(caught.value.attempts) == 4
