"""Conic solvers against scalar roots on 1,000 random systems; certificates against true errors."""

import numpy as np
import pytest
from chunks import chunks

from sojourn.models import MD1, MG1, MM1, ParallelServers
from sojourn.models.systems.parallel.certificate import certify
from sojourn.models.systems.parallel.newton import polish
from sojourn.reference.parallel import optimum_equilibrium as exact

SYSTEMS = 1000
GOALS = ("optimum", "equilibrium")


def random_system(seed):
    """Draw 1 to 50 servers of mixed families and a load from 0.01 to 0.999 of the total rate."""
    rng = np.random.default_rng([2348, seed])
    n = int(rng.integers(1, 51))
    edges = [0, *np.sort(rng.integers(0, n + 1, 2)), n]
    banks = []
    for family, k in zip((MM1, MD1, MG1), np.diff(edges), strict=True):
        if k:
            cv = {"cv": 10 ** rng.uniform(-1, 1, k)} if family is MG1 else {}
            banks.append(
                family(rate=10 ** rng.uniform(0, 3, k), delay=10 ** rng.uniform(-3, 0, k), **cv)
            )
    system = ParallelServers(*banks)
    part = rng.choice([rng.uniform(0.01, 0.99), 1 - 10 ** rng.uniform(-3, -1)])
    return system, float(part) * system.total_rate


def covered(certificate, value, true):
    return abs(value - true) / true <= certificate.gap * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("seeds", chunks(SYSTEMS, 25, quick=25, often=50))
def test_default_settings_agree_to_1e_8(seeds):
    for seed in seeds:
        system, load = random_system(seed)
        for goal in GOALS:
            true = getattr(exact, goal)(system.bank, load)
            found = getattr(system, goal)(load)
            assert found.certified
            assert found.mean_delay == pytest.approx(float(true.mean_delay), rel=1e-8), (seed, goal)
            assert found.multiplier == pytest.approx(float(true.multiplier), rel=1e-8), (seed, goal)
            np.testing.assert_allclose(
                found.flow, true.flow, rtol=0, atol=1e-8 * load, err_msg=f"{seed} {goal}"
            )
            assert covered(found.certificate, found.mean_delay, float(true.mean_delay)), (
                seed,
                goal,
            )


@pytest.mark.parametrize("seeds", chunks(SYSTEMS, 25, quick=25, often=50))
@pytest.mark.parametrize("solver", ["CLARABEL", "ECOS", "SCS"])
def test_certificate_covers_the_true_error_of_every_solver(solver, seeds):
    """For the solver's own answer and for the polished one."""
    for seed in seeds:
        system, load = random_system(seed)
        for goal in GOALS:
            true = float(getattr(exact, goal)(system.bank, load).mean_delay)
            found = getattr(system, goal)(load, solver=solver, polish=False, throw=False)
            case = (seed, goal, found.status)
            assert found.certificate.lower_bound <= true * (1 + 1e-12), case
            assert found.certificate.upper_bound >= true * (1 - 1e-12), case
            assert covered(found.certificate, found.mean_delay, true), case
            finished = polish(system.bank, load, found.flow, goal)
            if finished is not None:
                flow = finished[0]
                certificate = certify(system.bank, load, flow, goal)
                value = float(flow @ system.bank.latency(flow)) / load
                assert covered(certificate, value, true), case
                assert certificate.gap < 1e-9 or certificate.gap <= found.certificate.gap, case
