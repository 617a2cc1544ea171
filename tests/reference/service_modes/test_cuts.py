"""Cells that are cut to the corner at their only low vertex."""

import mpmath
import numpy as np
import pytest
from chunks import some
from mode_cases import exact_delay, random_system

from sojourn.reference.compensated_sum import EPS
from sojourn.reference.service_modes import Modes, capacity
from sojourn.reference.service_modes.cells import SCALES, Problem
from sojourn.reference.service_modes.cuts import ROUNDINGS, cut


def random_cell(seed):
    """A problem at a load, its bound on a random cell with one low vertex, and a cut at that."""
    rng = np.random.default_rng(9000 + seed)
    modes, _ = random_system(rng)
    modes = modes.take(np.arange(min(modes.modes, 5)))
    if not modes.time.any(axis=1).all():
        return None
    if seed % 2:
        modes = Modes.from_work(modes.time, rng.exponential(size=modes.modes))
    most, part = capacity(modes), 1 - 10 ** rng.uniform(-4, 0)
    problem, count = Problem(modes, np.array([part * most.max_load])), modes.modes
    centre = np.sqrt(most.assignment)
    corners = np.abs(centre + 10 ** rng.uniform(-4, 0) * rng.normal(size=(count, count)))
    corners = corners[..., None]
    faces = problem.at(np.arange(count)[:, None], np.zeros(1, dtype=int))
    bounds = faces.bounds(corners, corners.mean(axis=0), np.array([2 / (1 - part)]), scales=SCALES)
    low, next_low = np.sort(bounds.values[:, 0])[:2]
    target = np.array([low + rng.uniform(0.1, 1.0) * (min(next_low, 2 * abs(low) + 1) - low)])
    return problem, corners, target, *cut(corners, bounds, target, np.zeros(1, dtype=int)), rng


@pytest.mark.parametrize("seed", some(400, often=20))
def test_what_is_cut_off_reaches_the_target_in_exact_numbers(seed):
    """In 50 digits: a point of the cell is in what is left, or its delay reaches the target."""
    cell = random_cell(seed)
    if cell is None or not cell[4][0]:
        return
    problem, corners, target, left, _, rng = cell
    kept = np.all(left == corners, axis=1)[:, 0]
    count = len(corners)
    for _ in range(20):
        weights = rng.dirichlet(np.full(count, rng.choice([0.2, 1.0])))
        weights = weights * 10 ** (rng.uniform(-3, 0) * ~kept)
        w = [sum(map(mpmath.mpf, weights * column)) for column in corners[..., 0].T]
        inside = np.linalg.solve(left[..., 0].T, np.array([float(x) for x in w]))
        if inside.min() < -1e-6 * np.abs(inside).max():
            assert exact_delay(problem, w) >= target[0]


def test_cuts_are_made():
    cells = [random_cell(seed) for seed in range(60)]
    assert sum(cell is not None and bool(cell[4][0]) for cell in cells) > 10


def test_the_new_vertices_are_on_the_edges():
    for seed in range(60):
        cell = random_cell(seed)
        if cell is None or not cell[4][0]:
            continue
        _, corners, _, left, _, _ = cell
        same = np.all(left == corners, axis=1)[:, 0]
        weights = np.linalg.solve(corners[..., 0].T, left[..., 0].T)  # of old vertices in new ones
        error = ROUNDINGS * EPS * np.linalg.cond(corners[..., 0]) * np.abs(weights).max() * 8
        assert weights.min() >= -error
        assert (np.abs(weights) > error).sum(axis=0).tolist() == np.where(same, 1, 2).tolist()
