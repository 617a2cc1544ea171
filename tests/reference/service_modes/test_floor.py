"""Lower bounds without a search, and starts of a search."""

import numpy as np
import pytest
from chunks import some
from mode_cases import random_system

from sojourn.reference.service_modes import Modes, assignment, capacity, winner
from sojourn.reference.service_modes.cells import Problem
from sojourn.reference.service_modes.floor import floor
from sojourn.reference.service_modes.partition import joint_delay
from sojourn.reference.service_modes.search import Best
from sojourn.reference.service_modes.shared import optimum
from sojourn.reference.service_modes.swaps import exchange


def start(modes, load):
    """The best point of a problem at one load: the best single mode, or the roomiest mixture."""
    problem, most = Problem(modes, np.array([load])), capacity(modes).assignment
    starts = np.vstack([np.eye(modes.modes), most])
    p = starts[np.argmin(joint_delay(modes, load, starts))]
    support = np.sort(np.argsort(-p, kind="stable")[: problem.support])
    return Best(problem, support[:, None], np.sqrt(p[support])[:, None], 1e-9)


@pytest.mark.parametrize("seed", some(200, often=10))
def test_no_assignment_is_below_the_floor(seed):
    rng = np.random.default_rng(11_000 + seed)
    modes, part = random_system(rng)
    if seed % 2:
        modes = Modes.from_work(modes.time, rng.exponential(size=modes.modes))
    load = part * capacity(modes).max_load
    best = start(modes, load)
    bound = float(floor(best)[0]) * best.problem.unit
    assert bound <= assignment(modes, load).mean_delay
    points = rng.dirichlet(np.full(modes.modes, 0.3), size=2000)
    assert bound <= joint_delay(modes, load, points).min()
    shared = optimum(modes, load).mean_delay
    assert bound >= 0.9 * shared


@pytest.mark.parametrize("seed", some(60, often=5))
def test_exchanges_find_no_worse_and_stable_assignments(seed):
    rng = np.random.default_rng(12_000 + seed)
    modes = Modes.from_work(rng.exponential(size=(3, 12)), rng.exponential(size=12) * (seed % 2))
    load = rng.uniform(0.3, 0.99) * capacity(modes).max_load
    best = start(modes, load)
    before = float(best.delay[0])
    exchange(best)
    assert best.delay[0] <= before
    (p,) = best.parts(12)
    assert joint_delay(modes, load, p) == pytest.approx(best.delay[0] * best.problem.unit, rel=1e-9)
    assert best.delay[0] * best.problem.unit >= winner(modes, load).lower_bound


@pytest.mark.parametrize("delayed", [False, True])
def test_with_too_many_faces_the_floor_is_the_bound(delayed):
    """C(200, 5) faces are not searched; the bound still holds for all assignments."""
    rng = np.random.default_rng(0)
    work = rng.dirichlet(np.ones(5), size=200).T * rng.uniform(1, 1.3, 200)
    modes = Modes.from_work(work, rng.random(200) if delayed else None)
    load = 0.8 * capacity(modes).max_load
    found = assignment(modes, load)
    assert 0.2 * found.mean_delay < found.lower_bound < found.mean_delay
    assert found.gap == pytest.approx(found.mean_delay / found.lower_bound - 1, rel=1e-9)
    assert found.lower_bound >= 0.9 * optimum(modes, load).mean_delay
    assert joint_delay(modes, load, found.assignment) == pytest.approx(found.mean_delay, rel=1e-9)
