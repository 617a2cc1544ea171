"""The optimum within limits: KKT conditions, shadow prices, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import load_at, systems

from sojourn.models import Constant, MMc
from sojourn.reference import MM1, InputError, limited_optimum, optimum
from sojourn.reference.parallel.limits import cheapest

settings.register_profile("sojourn", deadline=None, max_examples=80, derandomize=True)
settings.load_profile("sojourn")
THREE = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])


@given(systems, st.floats(0.01, 0.95), st.floats(0.05, 1.0), st.integers(0, 1000))
@pytest.mark.slow
def test_kkt_conditions(system, part, width, seed):
    load, rng = load_at(system, part), np.random.default_rng(seed)
    n = len(system)
    most = system.rate * (part + width * (1 - part))
    least = rng.uniform(0, 0.5, n) * np.minimum(most, load / n)
    price = rng.uniform(0, 1, n)
    free = limited_optimum(system, load, least=least, most=most)
    lowest = cheapest(least, most, price, load)[1]
    budget = lowest + 0.5 * (float(price @ free.flow) - lowest) + 1e-6 * load
    found = limited_optimum(system, load, least=least, most=most, matrix=price, bound=budget)
    x = found.flow
    assert x.sum() == pytest.approx(load, rel=1e-9)
    assert np.all((x >= least * (1 - 1e-12)) & (x <= most * (1 + 1e-12)))
    assert price @ x <= budget * (1 + 1e-9)
    inside = (x > least * (1 + 1e-6)) & (x < most * (1 - 1e-6))
    scale = np.max(system.marginal(np.minimum(x, system.rate * (1 - 1e-12))))
    np.testing.assert_allclose(
        (system.marginal(x) + found.row_price.sum() * price)[inside],
        found.multiplier,
        rtol=1e-6,
        atol=1e-8 * scale,
    )
    assert found.mean_delay >= float(optimum(system, load).mean_delay) * (1 - 1e-12)


def test_without_limits_it_is_the_optimum():
    for load in (1.0, 50.0, 190.0, 379.0):
        found, best = limited_optimum(THREE, load), optimum(THREE, load)
        np.testing.assert_allclose(found.flow, best.flow, rtol=1e-12, atol=1e-12)
        assert found.mean_delay == pytest.approx(float(best.mean_delay), rel=1e-13)
        assert not found.most_price.any()
        assert not found.least_price.any()


@given(systems, st.sampled_from([1e-12, 1e-9, 1e-6, 1e-3, 0.999, 1 - 1e-6]))
def test_digits_at_light_and_heavy_load(system, part):
    load = load_at(system, part)
    found, best = limited_optimum(system, load), optimum(system, load)
    assert found.flow.sum() == pytest.approx(load, rel=1e-14)
    assert found.mean_delay == pytest.approx(
        float(best.mean_delay), rel=1e-13 if part < 0.9 else 1e-15 / (1 - part) + 1e-12
    )
    at_most = limited_optimum(
        system, load, most=np.full(len(system), load) if part < 0.9 else system.rate
    )
    assert at_most.mean_delay == pytest.approx(found.mean_delay, rel=1e-13)


def test_shadow_prices_are_differences():
    most, least = np.array([100.0, 80.0, 90.0]), np.array([0.0, 45.0, 0.0])
    price = np.array([1.0, 1.0, 0.5])
    found, h = limited_optimum(THREE, 190.0, least=least, most=most), 1e-4

    def total(**limits):
        return 190.0 * limited_optimum(THREE, 190.0, **limits).mean_delay

    last, second = np.array([0, 0, h]), np.array([0, h, 0])
    rise = (total(least=least, most=most - last) - total(least=least, most=most + last)) / (2 * h)
    assert found.most_price[2] == pytest.approx(rise, rel=1e-6)
    above, below = (total(least=least + sign * second, most=most) for sign in (1, -1))
    assert found.least_price[1] == pytest.approx((above - below) / (2 * h), rel=1e-6)
    within = limited_optimum(THREE, 190.0, matrix=price, bound=120.0)
    slope = (total(matrix=price, bound=120.0 - h) - total(matrix=price, bound=120.0 + h)) / (2 * h)
    assert within.row_price[0] == pytest.approx(slope, rel=1e-6)


def test_limits_that_exactly_one_split_keeps():
    np.testing.assert_allclose(
        limited_optimum(THREE, 190.0, most=[60.0, 40.0, 90.0]).flow, [60.0, 40.0, 90.0]
    )
    np.testing.assert_allclose(
        limited_optimum(THREE, 190.0, least=[60.0, 40.0, 90.0]).flow, [60.0, 40.0, 90.0]
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"most": 10.0},
            r"^most = 30.0: the most flows sum to less than the load 190; "
            r"raise them or lower the load$",
        ),
        (
            {"least": [100.0, 70.0, 30.0]},
            r"^least = 200.0: the least flows sum to more than the load 190; lower them$",
        ),
        (
            {"least": [5.0, 0, 0], "most": [4.0, 80, 200]},
            r"^least\[0\] = 5.0: is above the most that the server may carry; lower it$",
        ),
        ({"least": -1.0}, r"^least\[0\] = -1.0: is not 0 or more"),
        (
            {"matrix": [1.0, 1.0, 1.0], "bound": 100.0},
            r"^bound = 100.0: is below 190, the least value of its row at this load; raise it or",
        ),
        ({"most": "x"}, r"^most = 'x': is not made of numbers"),
    ],
)
def test_limits_that_no_split_keeps(limits, message):
    with pytest.raises(InputError, match=message):
        limited_optimum(THREE, 190.0, **limits)


def test_nothing_to_split():
    with pytest.raises(InputError, match="there is nothing to split"):
        limited_optimum(THREE, 0.0)


@pytest.mark.parametrize(
    ("bank", "load", "idle"),
    [
        (Constant([1.0, 2.0]), 1.0, [1.0, 2.0]),
        pytest.param(MMc(10.0, 20, [0.0, 1.0]), 1e-3, [0.1, 1.1], marks=pytest.mark.slow),
    ],
)
def test_a_budget_is_met_with_constant_latencies(bank, load, idle):
    """The cost of the flows jumps in the multiplier of the budget: a mixture meets it."""
    found = limited_optimum(bank, load, matrix=[2.0, 1.0], bound=1.25 * load)
    np.testing.assert_allclose(found.flow / load, [0.25, 0.75], rtol=1e-9)
    assert found.mean_delay == pytest.approx(0.25 * idle[0] + 0.75 * idle[1], rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_kkt_conditions_of_several_rows(seed):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(3, 8)), int(rng.integers(2, 5))
    system = MM1(10 ** rng.uniform(0, 2, n), 10 ** rng.uniform(-3, 0, n))
    load = float(rng.choice([0.3, 0.7, 0.95]) * system.rate.sum())
    best, even = optimum(system, load).flow, system.rate * (load / system.rate.sum())
    matrix = rng.uniform(0, 1, (m, n))
    matrix = np.where((matrix @ best < matrix @ even)[:, None], -matrix, matrix)
    bound = matrix @ even + rng.uniform(0.1, 0.9, m) * (matrix @ (best - even))
    found = limited_optimum(system, load, matrix=matrix, bound=bound)
    x, z = found.flow, found.row_price
    assert x.sum() == pytest.approx(load, rel=1e-12)
    assert np.all(matrix @ x <= bound + 1e-10 * load)
    assert np.all(z >= 0)
    np.testing.assert_allclose(z * (matrix @ x - bound), 0.0, atol=1e-9 * found.mean_delay * load)
    # an error of 1e-14 in the value is one of its root in the multipliers
    price, error = system.marginal(x) + z @ matrix, 1e-6 * np.max(system.marginal(x))
    np.testing.assert_allclose(price[x > 0], found.multiplier, rtol=1e-5, atol=error)
    assert np.all(price[x == 0] >= found.multiplier - error)
    assert found.mean_delay == pytest.approx(float(x @ system.latency(x)) / load, rel=1e-9)


def test_a_row_that_does_not_bind_changes_nothing():
    one = limited_optimum(THREE, 190.0, matrix=[1, 1, 4], bound=400.0)
    two = limited_optimum(THREE, 190.0, matrix=[[1, 1, 4], [1, 0, 0]], bound=[400.0, 99.0])
    assert two.mean_delay == pytest.approx(one.mean_delay, rel=1e-12)
    np.testing.assert_allclose(two.row_price, [one.row_price[0], 0.0], rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize(
    ("matrix", "bound", "message"),
    [
        (
            [[1, 2, 3]],
            [1, 2],
            r"^matrix = \[\[1.0, 2.0, 3.0\]\]: is not 2 rows of 3 numbers; give a row for each",
        ),
        ([1, 2], 5, r"^matrix = \[1.0, 2.0\]: is not 1 row of 3 numbers"),
        ([1, 2, np.nan], 5, r"^matrix\[0\]\[2\] = nan: is not finite; give a number a job$"),
        ([1, 1, 1], np.nan, r"^bound\[0\] = nan: is not a number; give the bound of the row$"),
        (
            [[1, 1, 0], [0, 0, 1]],
            [80.0, 100.0],
            r"^bound = \[80.0, 100.0\]: has no split strictly within all rows; raise some, or",
        ),
    ],
)
def test_bad_rows_are_refused(matrix, bound, message):
    with pytest.raises(InputError, match=message):
        limited_optimum(THREE, 190.0, matrix=matrix, bound=bound)
