"""The price of anarchy is below S, and below the bound from the optimum alone."""

import math

import numpy as np
import pytest
from chunks import chunks, some
from shared_modes import part_of_capacity, random_modes

from sojourn.reference.service_modes import Modes, capacity
from sojourn.reference.service_modes.shared import (
    anarchy_bound,
    equilibrium,
    optimum,
    selfish_delay_bound,
)
from sojourn.reference.service_modes.shared.support import Prices, solved


def delay_of(modes, point):
    """Return the mean delay of a point of Newton's method."""
    busy = point.utilisation
    return float((busy / (1 - busy)).sum() + modes.delay @ point.flow) / point.load


@pytest.mark.parametrize("seeds", chunks(3000, 150, quick=150, often=150))
def test_bound_of_3000_systems(seeds):
    largest = 0.0
    for seed in seeds:
        modes = random_modes(seed, stages=(1, 5), modes=(2, 9))
        most = capacity(modes)
        load = part_of_capacity(seed) * most.max_load
        best, selfish = (
            solved(Prices(modes.time, modes.delay, own), load, most.assignment)
            for own in (1.0, 0.0)
        )
        least, delay = delay_of(modes, best), delay_of(modes, selfish)
        parts = best.flow / load
        bound = anarchy_bound(modes, load, parts, least)
        room = 1 - float(best.utilisation.max())
        assert 1 - 1e-9 <= delay / least <= bound * (1 + 1e-12 / room)
        largest = max(largest, (delay / least - 1) / max(bound - 1, 1e-9))
        any_parts = np.random.default_rng(seed).dirichlet(np.ones(modes.modes))
        assert delay <= selfish_delay_bound(modes, load, any_parts) * (1 + 1e-12 / room)
        if not modes.delay.any():
            assert bound <= modes.stages * (1 + 1e-9 / room)
    assert largest > 0.1  # the bound is of use


@pytest.mark.parametrize("seed", some(60, often=4))
def test_both_methods_of_the_reference_agree(seed):
    modes = random_modes(seed, stages=(1, 5), modes=(2, 9))
    most = capacity(modes)
    load = part_of_capacity(seed) * most.max_load
    for players in (1.0, 3.0, math.inf):
        point = solved(Prices(modes.time, modes.delay, 1 / players), load, most.assignment)
        found = equilibrium(modes, load, players)
        assert found.mean_delay == pytest.approx(delay_of(modes, point), rel=1e-8)
        assert found.certificate.lower_bound <= found.mean_delay * (1 + 1e-12)
        assert found.certificate.largest_saving <= 1e-8 * found.mode_delay.max()


@pytest.mark.parametrize("S", [2, 3, 5])
def test_parallel_servers_come_near_to_the_number_of_stages(S):
    """Servers of rates M, 1, ..., 1 at saturation: S (M + S - 1) / (sqrt M + S - 1)^2."""
    M = 1e8
    rate = np.array([M, *[1.0] * (S - 1)])
    modes = Modes.from_work(np.diag(1 / rate))
    load = capacity(modes).max_load * (1 - 1e-12)
    limit = S * (M + S - 1) / (math.sqrt(M) + S - 1) ** 2
    # all stages have one latency at the equilibrium, and one times sqrt(rate) at the optimum
    spare = rate.sum() - load
    selfish, best = S / spare, (np.sqrt(rate).sum() ** 2 / spare - S) / load
    assert selfish / best == pytest.approx(limit, rel=1e-3)
    assert limit == pytest.approx(S, rel=1e-3 * S)
    near = capacity(modes).max_load * (1 - 1e-9)
    ratio = equilibrium(modes, near).mean_delay / optimum(modes, near).mean_delay
    assert S - 0.1 < ratio < S


def test_with_fixed_delays_no_number_bounds_the_price_of_anarchy():
    """One stage; selfish users fill it until it is as slow as the way around."""
    prices = []
    for delay in (10.0, 100.0, 1000.0):
        modes = Modes.from_work([[1.0, 1e-9]], [0.0, delay])
        ratio = equilibrium(modes, 1.0).mean_delay / optimum(modes, 1.0).mean_delay
        best = optimum(modes, 1.0)
        bound = anarchy_bound(modes, 1.0, best.assignment, best.certificate.lower_bound)
        assert ratio <= bound
        prices.append(ratio)
    assert prices[0] > 1
    assert prices[1] > 3 * prices[0] / 2
    assert prices[2] > 3 * prices[1] / 2


def test_a_full_stage_has_no_bound():
    modes = Modes.from_work([[0.5, 0.1], [0.1, 0.5]])
    assert math.isinf(selfish_delay_bound(modes, 2.0, np.array([1.0, 0.0])))
