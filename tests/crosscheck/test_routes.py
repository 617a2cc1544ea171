"""1,000 random systems with routes: models, reference and the truth of a third method agree."""

import math
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
import routed
import truths
from chunks import chunks

from sojourn.models import LoadError
from sojourn.models.systems.routes import RouteSystem
from sojourn.reference.routes import RouteFlow, engine
from sojourn.reference.routes.bounds import certify, group_delay
from sojourn.reference.routes.capacity import capacity, check_multiple

SYSTEMS = chunks(1000, 5, quick=5, often=50)
ROUNDING = Decimal("1e-24")  # of a potential gap, relative: a gap of 0 means less than floats show
COST = 1e-9  # relative error of the optimum's mean delay
# utilisation above which an equilibrium at 0.999 of capacity has delays of many decades, and flows
# in floats do not determine them to 1e-6; the certificates there are wide, and must still cover
ALMOST_FULL = 0.9999


def model_of(case):
    system = case.system
    return RouteSystem(system.bank, system.routes, system.load, system.stations, system.groups, "s")


@cache
def case_and_truths(seed):
    """Return a random system, and its truth for 1, a few and infinitely many players."""
    case = routed.random_case(seed)
    few = int(np.random.default_rng([20, seed]).integers(2, 10))
    return case, {k: routed.truth(case, k) for k in (1, few, math.inf)}


@pytest.fixture(autouse=True, scope="module")
def _forget():
    yield
    case_and_truths.cache_clear()


def check(case, players, true, flow, proof, what):
    """Check a flow and its certificate against the truth."""
    assert true.error < 1e-15, what
    load, system = case.load, case.system
    wide = Decimal("1e-14")
    assert Decimal(proof.lower_bound) <= true.mean_delay * (1 + wide), what
    assert Decimal(proof.upper_bound) >= true.mean_delay * (1 - wide), what
    off = truths.off(proof.mean_delay, true.mean_delay)
    assert off <= proof.gap + 1e-14, what
    assert proof.balance <= 1e-12, what
    if players == 1:
        assert off <= max(COST, 2 * proof.rounding), what
    if players == math.inf:
        delay = group_delay(system, flow)
        bound = [proof.gap * float(true.mean_delay) * load.sum() / q for q in load]
        for value, exact, most in zip(delay, true.group_delay, bound, strict=True):
            assert abs(value - float(exact)) <= most + 1e-12 * float(exact), what
    # no group gains by moving more than the certificate says, in exact arithmetic
    saving, paid, loads = routed.judged(case, flow, players)
    assert sum(saving) <= Decimal(proof.mean_saving) * Decimal(float(load.sum())) * (1 + wide), what
    # station flows are as near to the truth as the potential gap says, where costs rise strictly:
    # the potential is at least T'/2 times the squared distance above its minimum
    gap = (Decimal(proof.potential_gap) + ROUNDING) * paid * (1 + wide)
    costs = system.cost_bank(players)
    for a, (v, exact) in enumerate(zip(loads, true.station_flow, strict=True)):
        slope = float(costs.take(np.array([a])).latency_slope([float(min(v, exact))])[0])
        if slope > 0 and np.isfinite(slope):
            most = (2 * gap / Decimal(slope)).sqrt() * Decimal("1.000001")
            assert abs(v - exact) <= most + v * Decimal("1e-15") + Decimal("1e-25"), what


@pytest.mark.parametrize("seeds", SYSTEMS)
def test_the_reference_is_within_its_certificate_of_the_truth(seeds):
    for seed in seeds:
        case, true = case_and_truths(seed)
        for players, exact in true.items():
            flow = engine.solve(case.system, players)
            proof = certify(case.system, 1.0, flow, players)
            check(case, players, exact, flow, proof, (seed, players))
            allowed = COST if players == 1 else 1e-6
            assert proof.gap <= max(allowed, 2 * proof.rounding), (seed, players)


@pytest.mark.parametrize("seeds", SYSTEMS)
def test_the_models_are_within_their_certificates_of_the_truth(seeds):
    for seed in seeds:
        case, true = case_and_truths(seed)
        model = model_of(case)
        for players, exact in true.items():
            found = (
                model.optimum(throw=False)
                if players == 1
                else model.equilibrium(players=players, throw=False)
            )
            check(case, players, exact, found.route_flow, found.certificate, (seed, players))
            # the models accept what rounding causes up to a gap of 1e-4 alone
            wide = found.certificate.rounding > 5e-5 or found.certificate.utilisation > ALMOST_FULL
            assert found.certified or wide, (seed, players)


@pytest.mark.parametrize("seeds", SYSTEMS)
def test_no_random_flow_beats_the_optimum(seeds):
    for seed in seeds:
        case, true = case_and_truths(seed)
        rng, columns, bank = np.random.default_rng([21, seed]), case.columns(), case.system.bank
        best = engine.solve(case.system, 1.0)
        found = certify(case.system, 1.0, best, 1.0)
        joined = columns.joined(best.columns)[0]
        at_best = np.zeros(len(joined))
        keys = {key: r for r, key in enumerate(joined.keys)}
        for key, x in zip(best.columns.keys, best.flow, strict=True):
            at_best[keys[key]] += x
        for _ in range(20):
            part = 10 ** rng.uniform(-6, 0)
            other = RouteFlow(joined, rng.dirichlet(np.full(len(joined), 0.5))).fitted(case.load)
            flow = RouteFlow(joined, (1 - part) * at_best + part * other.flow).fitted(case.load)
            v = flow.station_flow
            if np.any(v >= bank.rate):
                continue
            mean = (float(v @ bank.latency(v)) + flow.fixed_delay) / case.load.sum()
            assert mean >= found.lower_bound * (1 - 1e-12), seed
            assert mean >= float(true[1].mean_delay) * (1 - 1e-12), seed


@pytest.mark.parametrize("seeds", SYSTEMS)
def test_the_largest_load_is_that_of_a_linear_program(seeds):
    for seed in seeds:
        case = routed.random_case(seed)
        most = capacity(case.system)
        if math.isinf(case.capacity):
            assert math.isinf(most.multiple), seed
            check_multiple(case.system, 1e9)
            continue
        assert most.multiple == pytest.approx(case.capacity, rel=1e-9), seed
        assert most.lower <= case.capacity * (1 + 1e-9), seed
        assert most.upper >= case.capacity * (1 - 1e-9), seed
        with pytest.raises(LoadError, match="largest load"):
            check_multiple(case.system, case.capacity * (1 + 1e-4))
        below = case.capacity * (1 - 1e-4)
        check_multiple(case.system, below)
        flow = engine.solve(case.system, 1.0, below)
        proof = certify(case.system, below, flow, 1.0)
        assert proof.utilisation < 1, seed
        assert proof.gap <= max(1e-13, 10 * proof.rounding), seed


def test_the_truth_is_that_of_parallel_servers():
    """For one group it is that of another method, a root in the common price."""
    for seed in range(20):
        rng = np.random.default_rng([22, seed])
        n = int(rng.integers(2, 8))
        rate, cv, delay = 10 ** rng.uniform(0, 2, n), rng.uniform(0, 3, n), rng.uniform(0, 1, n)
        numbers = [tuple(map(float, v)) for v in zip(rate, cv, delay, strict=True)]
        stations = [routed.Station("mg1", *v) for v in numbers]
        load = float(rng.uniform(0.01, 0.99) * rate.sum())
        case = routed.case_of(stations, [0] * n, np.eye(n), np.zeros(n), [load])
        assert case.capacity * load == pytest.approx(rate.sum(), rel=1e-12)
        servers = [truths.Server(mu, d, c) for mu, c, d in numbers]
        for players in (1, 4, math.inf):
            exact = truths.equilibrium(servers, load, None if players == math.inf else players)
            found = routed.truth(case, players)
            assert abs(found.mean_delay / exact - 1) < 1e-18, (seed, players)


def test_the_truth_of_known_networks():
    """Braess's six travellers and the five links of a Wheatstone bridge, as published."""
    lines = [(0.0, 10.0), (50.0, 1.0), (50.0, 1.0), (0.0, 10.0), (10.0, 1.0)]
    stations = [routed.Station("polynomial", *line) for line in lines]
    work = [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 1, 1]]
    braess = routed.case_of(stations, [0, 0, 0], work, [0.0] * 3, [6.0])
    assert abs(routed.truth(braess).mean_delay - 92) < Decimal("1e-18")
    assert abs(routed.truth(braess, 1).mean_delay - 83) < Decimal("1e-18")
