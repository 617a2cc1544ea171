"""Which modes are in use: certified between the thresholds, and where each threshold is."""

import math

import numpy as np
import pytest
from chunks import some
from shared_modes import random_modes

from sojourn.reference.errors import InputError, LoadError
from sojourn.reference.service_modes import Canonical, Modes, capacity
from sojourn.reference.service_modes.shared import equilibrium, modes_in_use
from sojourn.reference.service_modes.shared.hull import hull
from sojourn.reference.service_modes.shared.support import Prices, at_no_load, solved
from sojourn.reference.service_modes.shared.used_modes import constant

A = Canonical(1.0, 4.0, 0.1, 0.3).dual_mode


@pytest.mark.parametrize("players", [1.0, 3.0, math.inf])
@pytest.mark.parametrize("seed", some(120, often=3))
def test_random_systems_against_the_interior_point_method(seed, players):
    modes = random_modes(seed, stages=(1, 5), modes=(1, 9))
    found = modes_in_use(modes, players)
    most = capacity(modes).max_load
    assert found.certified
    assert found.gap <= 1e-8
    rng = np.random.default_rng(seed)
    for load in rng.uniform(0, 0.999 * most, 4):
        used = found.at(load)
        answer = equilibrium(modes, load, players)
        cost = Prices(modes.time, modes.delay, 1 / players)
        costs = cost.costs(cost.price(answer.utilisation))
        cheapest = np.flatnonzero(costs <= costs.min() * (1 + 1e-7))
        assert set(used) <= set(cheapest.tolist())
        assert set(np.flatnonzero(answer.assignment > 1e-6)) <= set(used)
        assert len(used) <= modes.stages + bool(modes.delay.any())


@pytest.mark.parametrize("seed", some(60, often=3))
def test_at_a_threshold_the_flow_of_a_mode_or_its_extra_cost_is_zero(seed):
    """Just before and after it, the set differs by what starts or stops there."""
    modes = random_modes(seed, stages=(2, 5), modes=(3, 9))
    kept = hull(modes)
    for players in (1.0, math.inf):
        found = modes_in_use(modes, players)
        for t in found.thresholds:
            assert t.before != t.after
            answer = equilibrium(modes, t.load, players)
            cost = Prices(modes.time, modes.delay, 1 / players)
            costs = cost.costs(cost.price(answer.utilisation))
            for m in t.starts + t.stops:
                assert m in kept
                assert answer.assignment[m] < 1e-5
                assert costs[m] == pytest.approx(costs.min(), rel=1e-6)


def test_a_wide_interval_is_not_proved_where_a_mode_starts_within():
    prices = Prices(A.time, A.delay, 1.0)
    start = np.array([0.5, 0.5])
    points = [solved(prices, load, start) for load in (1.0, 2.8, 2.9, 4.9)]
    assert [p.used for p in points] == [(0,), (0,), (0, 1), (0, 1)]
    assert constant(points[0], points[0])
    assert constant(at_no_load(prices), points[0])
    assert not constant(points[1], points[2])
    assert not constant(points[0], points[3])


def test_a_mode_in_use_on_a_short_interval_is_found():
    """Both ends have the same modes, and a third one is in use in between."""
    work = [[0.05, 0.2, 0.65], [0.9, 0.5705, 0.05]]
    found = modes_in_use(Modes.from_work(work))
    grid = np.linspace(0.01, 0.999, 400) * found.high
    prices = Prices(np.array(work), np.zeros(3), 1.0)
    full = capacity(Modes.from_work(work)).assignment
    seen = {solved(prices, load, full).used for load in grid}
    named = {found.first, *(t.after for t in found.thresholds)}
    assert seen <= named


def test_modes_on_a_line_count_as_their_ends():
    """f = 0.2 is the even mixture of 0.1 and 0.3: no optimum needs it."""
    f = np.array([0.1, 0.2, 0.3])
    found = modes_in_use(Modes.from_work([f, (1 - f) / 4]))
    assert found.certified
    assert found.loads == pytest.approx([20 / 7], rel=1e-9)
    assert found.thresholds[0].after == (0, 2)


def test_modes_that_are_equally_fast_at_light_load():
    found = modes_in_use(Modes.from_work([[0.1, 0.4], [0.4, 0.1]]))
    assert (found.first, found.thresholds, found.certified) == ((0, 1), (), True)
    assert found.low > 0


def test_fixed_delays():
    """One stage, works 1 and 0.01: the slow mode starts where the marginal delay has risen by 3."""
    modes = Modes.from_work([[1.0, 0.01]], [0.0, 3.0])
    # 0.99 / (1 - x)^2 = 3 at the optimum, 0.99 / (1 - x) = 3 at the equilibrium
    for players, load in ((1.0, 1 - math.sqrt(0.33)), (math.inf, 0.67)):
        found = modes_in_use(modes, players)
        assert found.loads[0] == pytest.approx(load, rel=1e-9)
        assert found.thresholds[0].starts == (1,)


def test_the_answer_in_words():
    found = modes_in_use(A, high=4.0)
    text = repr(found)
    assert "from load 2.85714286: modes (0, 1)" in text
    assert "certified within" in text
    assert found.at(2.0) == (0,)
    assert found.at(3.0) == (0, 1)
    inside = found.thresholds[0]
    assert found.at(inside.load) is None
    assert inside.stops == ()
    assert modes_in_use(A, low=3.0).thresholds == ()


def test_bad_input():
    for change in ({"low": 6.0}, {"low": -1.0}, {"high": 5.0}, {"high": math.nan}, {"high": 0}):
        with pytest.raises(LoadError):
            modes_in_use(A, **change)
    for change in ({"players": 0.5}, {"gap": 0.0}, {"gap": math.nan}):
        with pytest.raises(InputError):
            modes_in_use(A, **change)
    with pytest.raises(InputError):
        modes_in_use(A.time)
