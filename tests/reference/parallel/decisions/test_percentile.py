"""The least percentile over all jobs: known numbers, search, bounds, extremes, many loads."""

import math

import numpy as np
import pytest
from chunks import chunks
from scipy.optimize import minimize

from sojourn.models import MMc
from sojourn.reference import (
    MD1,
    MG1,
    MM1,
    InputError,
    LoadError,
    MixedBank,
    equilibrium,
    least_late_share,
    least_percentile,
    optimum,
    percentile_of,
)
from sojourn.reference.composed import as_bank
from sojourn.reference.parallel.decisions.falling_root import falling_root

THREE = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
LOAD, SLOW = 190.0, pytest.mark.slow


@pytest.mark.parametrize(
    ("p", "least", "of_optimum", "of_equilibrium"),
    [
        (0.5, 0.025195629788, 0.0254489303, 0.0252363061),
        (0.9, 0.047245601986, 0.0472774370, 0.0499684476),
        (0.99, 0.081415871009, 0.0853950438, 0.1008840685),
        (0.999, 0.116669055128, 0.1306730019, 0.1566198638),
    ],
)
def test_known_percentiles(p, least, of_optimum, of_equilibrium):
    found = least_percentile(THREE, LOAD, p)
    assert found.percentile == pytest.approx(least, abs=6e-13)
    assert found.lower <= found.percentile <= found.lower * (1 + 1e-12)
    for split, expected in ((optimum, of_optimum), (equilibrium, of_equilibrium)):
        assert percentile_of(THREE, split(THREE, LOAD).flow, p) == pytest.approx(
            expected, abs=6e-11
        )


def test_known_flows_and_late_shares():
    flow = least_percentile(THREE, LOAD).flow
    assert flow == pytest.approx(np.array([43.40184087, 27.67262784, 118.92553129]), abs=2e-7)
    late = least_late_share(THREE, LOAD, 0.1)
    assert late.share == pytest.approx(0.002955645064, abs=6e-13)
    assert late.lower <= late.share <= late.lower * (1 + 1e-12)
    even = percentile_of(THREE, LOAD * np.array([0.3, 0.2, 0.5]), 0.99)
    assert even == pytest.approx(0.097211998997, abs=6e-13)


def system_of(seed):
    """Return a random bank, a load and a part of the jobs."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    rate, delay = rng.uniform(1, 10, n), rng.exponential(0.3, n) * (rng.random(n) < 0.7)
    servers = int(rng.integers(1, 6))
    kinds = [
        MM1(rate, delay),
        MD1(rate, delay),
        MG1(rate, rng.uniform(0, 3, n), delay),
        MMc(rate / servers, servers, delay),
        MixedBank([MM1(rate[:1], delay[:1]), MG1(rate[1:], 2.0, delay[1:])]),
    ]
    part = float(rng.choice([0.5, 0.9, 0.99]))
    return kinds[seed % len(kinds)], float(rng.uniform(0.05, 0.97) * rate.sum()), part, rng


# the first thirty are M/M/1 alone, as their optimum is in closed form; then all families
MANY = chunks(40, 2, quick=2, often=6)


@pytest.mark.parametrize("seeds", MANY)
def test_no_split_of_a_local_search_is_below_the_bound(seeds):
    for seed in seeds:
        bank, load, p, rng = system_of(5 * seed if seed % 2 else seed)
        found = least_percentile(bank, load, p)
        assert found.flow.sum() == pytest.approx(load, rel=1e-14)
        assert found.lower <= found.percentile <= found.lower * (1 + 1e-11)

        def value(free, bank=bank, load=load, p=p):
            flow = load * np.append(free, 1.0 - np.sum(free))
            if np.any(flow < 0):
                return 1e6
            return float(np.minimum(percentile_of(bank, flow, p), 1e6))

        best = found.flow / load
        for scale in (0.3, 0.01):
            start = np.abs(best + scale * rng.normal(size=best.size))
            start = (start / start.sum())[:-1]
            searched = minimize(value, start, method="Nelder-Mead", options={"maxfev": 120})
            assert searched.fun >= found.lower


@pytest.mark.parametrize("seeds", chunks(30, 3, quick=3, often=6))
def test_families_that_contain_exponential_servers_have_their_closed_form(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        rate, delay = rng.uniform(1, 10, 3), rng.exponential(0.2, 3)
        load, p = rng.uniform(0.02, 0.99) * rate.sum(), rng.choice([0.5, 0.9, 0.999])
        exact = least_percentile(MM1(rate, delay), load, p)
        for bank in (MG1(rate, 1.0, delay), MMc(rate, 1, delay)):
            found = least_percentile(bank, load, p)
            assert found.percentile == pytest.approx(exact.percentile, rel=1e-12)
            assert found.flow == pytest.approx(exact.flow, abs=1e-6 * load)


@pytest.mark.parametrize("bank", [THREE, MD1(THREE.rate, THREE.delay), MMc([50.0, 9.0], [3, 8])])
@pytest.mark.parametrize(
    "p",
    [
        pytest.param(0.5, marks=pytest.mark.slow),
        0.99,
        pytest.param(0.999999, marks=pytest.mark.slow),
    ],
)
def test_light_load_and_saturation(bank, p):
    total = float(bank.total_rate[0])
    for load in (1e-6 * total, 0.5 * total, total * (1 - 1e-9)):
        found = least_percentile(bank, load, p)
        assert 0 < found.lower <= found.percentile <= found.lower * (1 + 1e-11)
        assert found.percentile <= percentile_of(bank, optimum(bank, load).flow, p) * (1 + 1e-5)
    light = least_percentile(bank, 1e-9 * total, p).percentile
    alone = [percentile_of(bank.take(np.array([i])), [1e-12], p) for i in range(len(bank))]
    assert light == pytest.approx(min(alone), rel=1e-6)


def test_a_distant_server_is_filled_to_its_rate_and_bounds_keep_it_stable():
    bank = MM1([10.0, 10.0], [0.0, 5.0])
    late = least_late_share(bank, 19.0, 1.0)
    assert late.flow.tolist() == [9.0, 10.0]
    assert late.spare_capacity.tolist() == [1.0, 0.0]
    assert late.share == pytest.approx((10.0 + 9.0 * np.exp(-1.0)) / 19.0, rel=1e-14)
    capped = least_late_share(bank, 18.5, 1.0, most=[10.0, 9.5])
    assert capped.flow == pytest.approx(np.array([9.0, 9.5]), rel=1e-14)
    # the part of the jobs that has to be back fits the near server
    some = least_percentile(bank, 19.5, 0.3)
    assert some.flow[1] == 10.0
    assert some.percentile == pytest.approx(-2.0 * np.log(1.0 - 0.3 * 19.5 / 9.5), rel=1e-13)
    assert percentile_of(bank, [9.0, 10.0], 0.5) == np.inf


@pytest.mark.parametrize(
    ("least", "most"), [(0.0, [40, 80, 200]), ([50, 30, 0], np.inf), ([19, 19, 19], [60, 60, 70])]
)
def test_bounds_of_flows(least, most):
    found = least_percentile(THREE, LOAD, least=least, most=most)
    assert np.all(found.flow >= np.asarray(least) - 1e-12)
    assert np.all(found.flow <= np.asarray(most) + 1e-12)
    assert found.lower <= found.percentile <= found.lower * (1 + 1e-12)
    free = least_percentile(THREE, LOAD)
    assert found.percentile > free.percentile
    # any step between two servers within the bounds makes the percentile longer
    low, high = np.broadcast_to(least, 3), np.broadcast_to(most, 3)
    for i, j in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)):
        flow = found.flow + 0.5 * (np.arange(3) == i) - 0.5 * (np.arange(3) == j)
        if np.all((flow >= low) & (flow <= high)):
            assert percentile_of(THREE, flow, 0.99) > found.percentile


def test_many_loads_are_one_load_each():
    loads = np.linspace(1.0, 379.0, 1000)
    many = least_percentile(THREE, loads)
    assert many.flow.shape == (1000, 3)
    assert np.all(many.lower <= many.percentile)
    assert np.all(many.percentile <= many.lower * (1 + 1e-12))
    assert np.all(np.diff(many.percentile) > 0)
    for k in (0, 500, 999):
        single = least_percentile(THREE, loads[k])
        assert single.percentile == pytest.approx(many.percentile[k], rel=1e-13)
    late = least_late_share(THREE, loads, 0.1)
    assert np.all(np.diff(late.share) > 0)
    assert np.all(late.lower <= late.share)


def test_ten_thousand_servers_and_one():
    rng = np.random.default_rng(1)
    bank = MM1(rng.uniform(1, 9, 10_000), rng.exponential(1.0, 10_000))
    found = least_percentile(bank, 0.7 * bank.rate.sum())
    assert found.lower <= found.percentile <= found.lower * (1 + 1e-11)
    one = least_percentile(MM1(10.0, 0.5), 6.0, 0.9)
    assert one.percentile == pytest.approx(0.5 + np.log(10.0) / 4.0, rel=1e-14)
    assert one.lower == pytest.approx(one.percentile, rel=1e-12)


def test_constant_service_times_are_a_jump_of_the_tail():
    found = least_percentile(MD1([10.0, 4.0], [0.0, 0.1]), 0.05, 0.9)
    assert found.percentile == pytest.approx(0.1, rel=1e-14)
    assert found.lower == pytest.approx(0.1, rel=1e-12)
    low, high = falling_root(
        lambda x, rows: np.where(x < 3.0, 1.0, -1.0), *np.array([[0.0], [7.0], [1.0], [-1.0]])
    )
    assert low < 3.0 <= high < 3.0 + 1e-14


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"^p = 1.0: "):
        least_percentile(THREE, LOAD, 1.0)
    with pytest.raises(LoadError, match="nothing to split"):
        least_percentile(THREE, [1.0, 0.0])
    with pytest.raises(LoadError, match="not below the total rate 380"):
        least_late_share(THREE, 380.0, 0.1)
    with pytest.raises(InputError, match=r"^within = 0.0: is not a finite number above 0"):
        least_late_share(THREE, LOAD, 0.0)
    for flow in ([1.0, 2.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]):
        with pytest.raises(InputError, match=r"^flow"):
            percentile_of(THREE, flow, 0.9)
    with pytest.raises(InputError, match="the most flows sum to less than the load 190"):
        least_percentile(THREE, LOAD, most=60.0)
    with pytest.raises(InputError, match=r"^servers\[3\] = 'MG1': has no probability of late"):
        least_percentile(as_bank([THREE, MG1([3.0], 2.0, batch=2.0)]), LOAD)


def test_flows_sum_to_a_load_at_which_no_float_is_the_share_of_late_jobs():
    """Late jobs of 1e-324 gave a split of 165 times the load, with bounds of 0 and 0."""
    bank = MixedBank([MD1([0.0213]), MM1([0.0076]), MMc([0.0008], [28]), MD1([0.0072], 8.7)])
    for load in (5.85e-11, 1e-20, 1e-3):
        found = least_late_share(bank, load, within=2053.8)
        assert math.fsum(found.flow.tolist()) == pytest.approx(load, rel=1e-14)
