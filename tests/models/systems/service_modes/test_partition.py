"""Best partition as a cone program, against Kleinrock's square-root rule."""

import cvxpy as cp
import numpy as np
import pytest
from chunks import some

from sojourn.models import (
    DualMode,
    FormulationError,
    InputError,
    LoadError,
    MultiMode,
    NotCertifiedError,
)
from sojourn.reference import service_modes as exact

SOLVERS = [s for s in ("CLARABEL", "SCS", "ECOS") if s in cp.installed_solvers()]
A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


def random_case(seed):
    """Return a system, a load and a stable assignment, sometimes with a part of 0 or almost 0."""
    rng = np.random.default_rng([5, seed])
    system = MultiMode(10 ** rng.uniform(-1, 1, (int(rng.integers(1, 5)), int(rng.integers(1, 5)))))
    parts = rng.dirichlet(np.full(len(system.modes), 0.5))
    most = 1 / (system.rates.time @ parts).max()
    return system, float(rng.uniform(0.01, 0.9999) * most), parts


@pytest.mark.parametrize("seed", some(40, quick=4))
def test_any_number_of_stages_and_modes(seed):
    system, load, parts = random_case(seed)
    found, true = system.partition(load, parts), exact.partition(system.rates, load, parts)
    assert found.certified
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11)
    np.testing.assert_allclose(found.share, true.share, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.stage_delay, true.stage_delay, rtol=1e-9)
    np.testing.assert_allclose(found.share.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("polish", [True, False])
def test_certificate_covers_the_truth_for_every_solver(solver, polish):
    for seed in range(10):
        system, load, parts = random_case(seed)
        true = exact.partition(system.rates, load, parts).mean_delay
        found = system.partition(load, parts, solver=solver, polish=polish, throw=False)
        assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
        assert abs(found.mean_delay / true - 1) <= found.certificate.gap


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-12, 1e-6, 0.5, 1 - 1e-9])
@pytest.mark.parametrize("f", [(0.1, 0.3), (0.0, 0.3), (0.2, 1.0), (0.0, 1.0)])
def test_ends_and_infinite_rates(p, f):
    system = DualMode.canonical(mu0=1.0, K=4.0, f=f)
    found, true = system.partition(0.9, p), exact.partition(system.rates, 0.9, p)
    assert found.mean_delay == pytest.approx(true.mean_delay, rel=1e-11)
    np.testing.assert_allclose(found.share, true.share, rtol=0, atol=1e-9)


def test_a_single_mode_gets_both_servers_completely():
    one, two = A.partition(2.0, 1.0), A.partition(2.0, 0.0)
    assert (one.p, one.alpha, one.beta) == (1, 1, 1)
    assert (two.p, two.alpha, two.beta) == (0, 0, 0)


def test_sloppy_answer_is_covered():
    options = {"tol_gap_abs": 0.1, "tol_gap_rel": 0.1, "tol_feas": 0.1}
    true = exact.partition(A.rates, 4.0, 0.5).mean_delay
    raw = A.partition(
        4.0, 0.5, solver="CLARABEL", solver_options=options, polish=False, throw=False
    )
    assert raw.certificate.gap > 1e-4
    assert not raw.certified
    assert A.partition(
        4.0, 0.5, solver="CLARABEL", solver_options=options, polish=False, gap=1e-2
    ).certified
    assert raw.certificate.lower_bound <= true <= raw.certificate.upper_bound
    # Newton steps make it accurate
    polished = A.partition(4.0, 0.5, solver="CLARABEL", solver_options=options)
    assert polished.certificate.gap < 1e-12
    with pytest.raises(NotCertifiedError, match=r"no certified partition at load 4") as caught:
        A.partition(4.0, 0.5, solver="CLARABEL", solver_options=options, polish=False, gap=1e-9)
    assert caught.value.solution.mean_delay == pytest.approx(raw.mean_delay)


# ---- the program


def test_program_is_disciplined_in_its_parameters():
    assert A.model(4.0, 0.5).problem.is_dcp(dpp=True)


def test_constraint_of_the_user_is_obeyed():
    model = A.model(4.0, 0.5)
    free = exact.partition(A.rates, 4.0, 0.5)
    problem = cp.Problem(
        model.problem.objective, [*model.problem.constraints, model.share[0, 0] >= 0.35]
    )
    problem.solve(solver="CLARABEL")
    share = np.array(model.share.value)
    assert share[0, 0] == pytest.approx(0.35, abs=1e-6)
    np.testing.assert_allclose(share[1], free.share[1], atol=1e-4)
    assert exact.mean_delay(A.rates, 4.0, free.assignment, share) > free.mean_delay


def test_program_used_again_gives_the_same_as_a_fresh_one():
    used, points = (
        DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)),
        [(4.0, 0.5), (2.0, 0.5), (2.0, 0.9), (4.0, 0.5)],
    )
    delays = []
    for load, p in points:
        again = used.partition(load, p, polish=False)
        fresh = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3)).partition(load, p, polish=False)
        np.testing.assert_array_equal(again.share, fresh.share)
        delays.append(again.mean_delay)
    # every parameter matters
    assert len(set(delays[:3])) == 3
    assert delays[3] == delays[0]


# ---- bad input


@pytest.mark.parametrize(("load", "p", "error", "message"), [
    (5.0, 0.5, LoadError,
     r"^load = 5\.0: not below the maximum 5: whatever the assignment, a queue grows without "
     r"bound; lower"),
    (0.0, 0.5, LoadError, r"^load = 0\.0: there are no jobs to assign"),
    ("4", 0.5, InputError, r"^load = '4': is not made of numbers"),
    ([1, 2], 0.5, LoadError, r"^load = \[1\.0, 2\.0\]: is not one number"),
    (4.5, 1.0, InputError,
     r"^p = 1\.0: stage 1 would be busy 1\.0125 .* p must be in \(0\.388888888889, "
     r"0\.944444444444\)$"),
    (2.0, 1.5, InputError, r"^p = 1\.5: is not a part of the jobs"),
    (2.0, np.nan, InputError, r"^p = nan: is not a part of the jobs"),
    (2.0, None, InputError, r"^p = None: is not made of numbers"),
    (2.0, [0.2, 0.2], InputError,
     r"^p = \[0\.2, 0\.2\]: adds up to 0\.4; give parts that add up to 1$"),
    (2.0, [0.2, 0.2, 0.6], InputError,
     r"does not say what each of 2 modes gets; give a number, or 2 numbers$"),
])  # fmt: skip
def test_bad_input_is_named(load, p, error, message):
    with pytest.raises(error, match=message):
        A.partition(load, p)


def test_solver_without_the_cone_is_refused():
    with pytest.raises(
        FormulationError, match="does not take the cone SOC that the partition needs; use CLARABEL"
    ):
        A.partition(2.0, 0.5, solver="OSQP")
