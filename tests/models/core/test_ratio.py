"""Ratios: floats with bounds from two certificates."""

import copy
import json
import math
import pickle
from functools import partial

import mpmath as mp
import numpy as np
import pytest
from chunks import some

from sojourn.models import MD1, MG1, MM1, ParallelServers, PriceOfAnarchy, study
from sojourn.models.core.ratio import Ratio, ratios
from sojourn.models.systems.parallel.game_curves import players_curve
from sojourn.models.systems.parallel.misspecification import misspecified_delays
from sojourn.reference import price_of_anarchy

SYSTEM = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
DIGITS = 50


def _pickled(protocol, ratio):
    return pickle.loads(pickle.dumps(ratio, protocol))  # noqa: S301


def test_ratio_is_an_immutable_float():
    ratio = PriceOfAnarchy(1.5, 1.25, 2.0)
    assert isinstance(ratio, float)
    assert (repr(ratio), str(ratio), f"{ratio:.2f}", json.dumps(ratio), hash(ratio)) == (
        "1.5",
        "1.5",
        "1.50",
        "1.5",
        hash(1.5),
    )
    assert (ratio, ratio.lower, ratio.upper) == (1.5, 1.25, 2.0)
    assert type(ratio + 1) is type(2 * ratio) is type(-ratio) is float
    for name in ("lower", "upper", "other"):
        with pytest.raises(AttributeError, match="cannot be set"):
            setattr(ratio, name, 1.0)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del ratio.lower


@pytest.mark.parametrize("ratio", [PriceOfAnarchy(1.5, 1.25, 2.0), Ratio(math.nan, 1.0, math.inf)])
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, *(partial(_pickled, p) for p in range(6))]
)
def test_copies_and_pickles_keep_the_bounds(ratio, again):
    new = again(ratio)
    assert type(new) is type(ratio)
    np.testing.assert_array_equal([new, new.lower, new.upper], [ratio, ratio.lower, ratio.upper])


def exact_price(rates, delays, load):
    """Return the price of anarchy of M/M/1 servers to 50 digits, by bisection on multipliers."""
    with mp.workdps(DIGITS):
        mu, d, total = [mp.mpf(r) for r in rates], [mp.mpf(x) for x in delays], mp.mpf(load)
        delay = {}
        for goal in ("optimum", "equilibrium"):

            def flows(price, goal=goal):
                spare_capacity = [
                    (mp.sqrt(m / (price - e)) if goal == "optimum" else 1 / (price - e))
                    if price > e + 1 / m
                    else m
                    for m, e in zip(mu, d, strict=True)
                ]
                return [m - s for m, s in zip(mu, spare_capacity, strict=True)]

            low, high = min(e + 1 / m for m, e in zip(mu, d, strict=True)), mp.mpf(1)
            while mp.fsum(flows(high)) < total:
                high *= 4
            while (high - low) > high * mp.mpf(10) ** -40:
                middle = (low + high) / 2
                low, high = (middle, high) if mp.fsum(flows(middle)) < total else (low, middle)
            x = flows(high)
            delay[goal] = mp.fsum(
                f * (e + 1 / (m - f)) for f, m, e in zip(x, mu, d, strict=True)
            ) / mp.fsum(x)
        return delay["equilibrium"] / delay["optimum"]


@pytest.mark.parametrize("seed", some(25, quick=4, often=8))
def test_true_price_of_anarchy_lies_between_the_bounds(seed):
    """The true value is known to 50 digits."""
    rng = np.random.default_rng([14, seed])
    n = int(rng.integers(1, 6))
    rates, delays = (
        10 ** rng.uniform(-2, 2, n),
        rng.choice([0.0, 1.0]) * 10 ** rng.uniform(-3, 2, n),
    )
    load = rates.sum() * (rng.uniform(0.01, 1) if seed % 2 else 1 - 10 ** rng.uniform(-8, -1))
    system = ParallelServers(MM1(rates, delays))
    ratio = system.price_of_anarchy(load)
    with mp.workdps(DIGITS):
        true = exact_price(rates.tolist(), delays.tolist(), float(load))
        assert 1 <= ratio.lower <= true + mp.mpf(10) ** -35
        assert true - mp.mpf(10) ** -35 <= ratio.upper
    assert ratio.lower <= ratio <= ratio.upper
    assert ratio.upper / ratio.lower - 1 < 1e-5


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
@pytest.mark.parametrize("load", [10.0, 80.0, 190.0, 370.0])
@pytest.mark.parametrize("players", [1, 2, 10, math.inf])
def test_bounds_of_unpolished_answers_contain_the_true_value(load, players, solver):
    ratio = SYSTEM.price_of_anarchy(load, players, solver=solver, polish=False, throw=False)
    true = float(price_of_anarchy(SYSTEM.bank, load, players))
    assert 1 <= ratio.lower <= true * (1 + 1e-13)
    assert true * (1 - 1e-13) <= ratio.upper
    assert ratio.lower <= ratio <= ratio.upper


def test_unused_server_and_one_server_have_a_price_of_exactly_1():
    for system in (
        ParallelServers(MM1([2.0])),
        ParallelServers(MM1([2.0, 2.0])),
        ParallelServers(MD1([5.0, 1.0], [0.0, 9.0])),
    ):
        ratio = system.price_of_anarchy(1.0)
        assert ratio.lower == 1
        assert 1 <= ratio <= ratio.upper < 1 + 1e-12
        assert type(ratio) is PriceOfAnarchy


def test_ratio_of_answers_without_bounds_is_unbounded():
    value, lower, upper = ratios(
        (np.array([2.0, np.nan]), np.zeros(2), np.full(2, np.inf)),
        (np.ones(2), np.zeros(2), np.full(2, np.inf)),
    )
    np.testing.assert_array_equal(value, [2.0, np.nan])
    np.testing.assert_array_equal(lower, [1.0, 1.0])
    np.testing.assert_array_equal(upper, [np.inf, np.inf])


def test_control_and_players_have_bounds_too():
    held = SYSTEM.control(80.0, 0.1)
    assert held.ratio.lower <= 1.060698 + 1e-6
    assert 1.060698 - 1e-6 <= held.ratio.upper < held.ratio.lower * (1 + 1e-6)
    assert SYSTEM.control(80.0, 1.0).ratio.lower == 1
    data = players_curve(SYSTEM, [80.0, 190.0], [1, 3, math.inf])
    for k in data["players"].values:
        true, here = price_of_anarchy(SYSTEM.bank, data["load"].values, k), data.sel(players=k)
        assert np.all(here.price_of_anarchy_lower <= true * (1 + 1e-14))
        assert np.all(true * (1 - 1e-14) <= here.price_of_anarchy_upper)


def test_curves_and_studies_have_the_bounds():
    loads = np.array([10.0, 80.0, 190.0, 370.0])
    data, true = SYSTEM.curve(loads), price_of_anarchy(SYSTEM.bank, loads)
    assert np.all(data.price_of_anarchy_lower <= true * (1 + 1e-14))
    assert np.all(true * (1 - 1e-14) <= data.price_of_anarchy_upper)
    assert np.all(
        (data.price_of_anarchy_lower <= data.price_of_anarchy)
        & (data.price_of_anarchy <= data.price_of_anarchy_upper)
    )
    alone = SYSTEM.price_of_anarchy(80.0)
    np.testing.assert_allclose(
        [data.price_of_anarchy_lower[1], data.price_of_anarchy_upper[1]],
        [alone.lower, alone.upper],
        rtol=1e-9,
    )
    data = study(
        {"a": SYSTEM, "b": ParallelServers(MG1([1.0, 2.0], cv=[1.0, 4.0]))},
        [0.5, 0.9],
        relative=True,
    )
    assert data.price_of_anarchy_upper.dims == ("system", "point")
    assert np.all(data.price_of_anarchy_lower <= data.price_of_anarchy_upper)
    assert "price_of_anarchy_lower" not in SYSTEM.curve(loads, "optimum")


def test_assumed_delays_do_not_bound_the_ratio_of_actual_ones():
    data = misspecified_delays(SYSTEM, ParallelServers(MM1(rate=[100.0, 80.0, 200.0])), [80.0])
    assert not {"price_of_anarchy_lower", "price_of_anarchy_upper"} & set(data.variables)
    assert "assumed" in data.optimum_gap.attrs["long_name"]
