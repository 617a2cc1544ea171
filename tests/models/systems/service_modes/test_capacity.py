"""Largest load as a linear program."""

import json

import cvxpy as cp
import numpy as np
import pytest
from chunks import some

from sojourn.models import DualMode, InputError, MultiMode, NotCertifiedError, SolverNameError
from sojourn.reference import service_modes as exact

SOLVERS = [s for s in ("CLARABEL", "SCS", "ECOS", "HIGHS", "SCIPY") if s in cp.installed_solvers()]
A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


def random_system(seed):
    rng = np.random.default_rng([3, seed])
    return MultiMode(10 ** rng.uniform(-1, 1, (int(rng.integers(1, 5)), int(rng.integers(1, 6)))))


@pytest.mark.parametrize("seed", some(40, quick=4))
def test_agrees_with_the_square_subgames(seed):
    system = random_system(seed)
    true, found = exact.capacity(system.rates).max_load, system.capacity()
    assert found.certified
    assert found.max_load == pytest.approx(true, rel=1e-9)
    # a load just below it fits with the assignment that is returned
    assert np.all(0.999999999 * found.max_load * (system.rates.time @ found.assignment) < 1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_certificate_covers_the_truth_for_every_solver(solver):
    for seed in range(8):
        system = random_system(seed)
        true, found = (
            exact.capacity(system.rates).max_load,
            system.capacity(solver=solver, throw=False),
        )
        assert found.solver == solver
        assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
        assert abs(found.max_load / true - 1) <= found.certificate.gap


def test_sloppy_answer_is_covered_and_not_certified():
    system = MultiMode(10 ** np.random.default_rng([3, 0]).uniform(-1, 1, (6, 12)))
    true, options = exact.capacity(system.rates).max_load, {"max_iter": 2}
    found = system.capacity(solver="CLARABEL", solver_options=options, throw=False)
    assert not found.certified
    assert found.certificate.lower_bound <= true <= found.certificate.upper_bound
    with pytest.raises(
        NotCertifiedError, match=r"no certified largest load, gap 1\.0e-09 wanted"
    ) as caught:
        system.capacity(solver="CLARABEL", solver_options=options)
    assert caught.value.solution.max_load == found.max_load
    assert [a.solver for a in caught.value.attempts] == ["CLARABEL"]


@pytest.mark.parametrize(("f", "busy"), [((0.05, 0.15), 1), ((0.25, 0.4), 0)])
def test_price_is_that_of_the_bottleneck(f, busy):
    price = DualMode.canonical(mu0=1.0, K=4.0, f=f).capacity().price
    assert price[busy] == pytest.approx(1, abs=1e-6)
    assert price[1 - busy] == pytest.approx(0, abs=1e-6)


def test_both_servers_of_a_throughput_efficient_system_have_a_price():
    found = A.capacity()
    # parts of each server in the capacity of both
    np.testing.assert_allclose(found.price, [0.2, 0.8], atol=1e-6)
    np.testing.assert_allclose(found.assignment, [0.5, 0.5], atol=1e-6)
    assert repr(found).startswith("largest load 5, certified within ")


def test_bad_options_are_refused():
    with pytest.raises(
        TypeError, match=r"^capacity\(\) got an unexpected keyword argument 'polish'"
    ):
        A.capacity(polish=True)
    with pytest.raises(InputError, match=r"^gap = 0: is not a finite number above 0"):
        A.capacity(gap=0)
    with pytest.raises(SolverNameError, match="is not a solver that CVXPY knows"):
        A.capacity(solver="CLARABELL")


def test_it_has_the_provenance_of_every_answer():
    found = A.capacity(solver="CLARABEL")
    plain = json.loads(json.dumps(found.to_dict()))
    assert (plain["max_load"], plain["certified"], plain["formulation"], plain["polished"]) == (
        found.max_load,
        True,
        "lp",
        0,
    )
    assert [attempt["solver"] for attempt in plain["attempts"]] == ["CLARABEL"]
    assert repr(found).startswith("largest load 5, certified within ")
    assert repr(found).endswith("(clarabel, lp)")


@pytest.mark.parametrize("seed", some(60, quick=6))
def test_modes_whose_works_differ_by_twelve_powers_of_ten(seed):
    """A vertex near the solver's answer is the largest load; solvers alone lose small works."""
    rng = np.random.default_rng([47, seed])
    shape = int(rng.integers(1, 5)), int(rng.integers(2, 7))
    system = MultiMode.from_work(10 ** rng.uniform(-6, 6, shape))
    found = system.capacity()
    assert found.max_load == pytest.approx(exact.capacity(system.rates).max_load, rel=1e-12)
    assert found.certificate.gap < 1e-12
