"""Benchmark of local minima: how often local solvers end at another minimum."""

import numpy as np
import pytest
from rich.console import Console
from scipy.optimize import approx_fprime

from sojourn.models import DualMode, InputError
from sojourn.models.benchmarks.local_minima import (
    STARTS,
    STARTS_OF_MANY,
    LocalMinima,
    random_assignment,
    random_modes,
    random_start,
    random_system,
)
from sojourn.models.benchmarks.local_minima import count_local_minima as count
from sojourn.models.benchmarks.local_solvers import (
    LEAST_PART,
    delay_at,
    delay_in_w,
    gradient,
    lbfgs,
    mean_delay,
    nelder_mead,
    slsqp,
    slsqp_in_p,
)
from sojourn.reference import service_modes as exact

A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


@pytest.fixture(scope="module")
def counted():
    return count(systems=60)


@pytest.mark.slow
def test_semidefinite_program_is_never_wrong(counted):
    assert counted.wrong("semidefinite program") == 0
    assert np.all(counted.excess["semidefinite program"] < 1e-9)


def test_local_solvers_are_sometimes_wrong(counted):
    assert counted.wrong("SLSQP, 1 start") > 0
    assert counted.wrong("Nelder-Mead, 1 start") > 0
    for solver in ("SLSQP", "Nelder-Mead"):
        assert counted.wrong(f"{solver}, {STARTS} starts") <= counted.wrong(f"{solver}, 1 start")


def test_no_delay_is_below_the_least(counted):
    for excess in counted.excess.values():
        assert np.all(excess >= -1e-11)


def test_same_seed_same_systems(counted):
    again = count(systems=5)
    for method, excess in again.excess.items():
        np.testing.assert_allclose(excess, counted.excess[method][:5], atol=1e-12)
    second = count(systems=5, seed=1)
    assert any(not np.allclose(second.excess[m], again.excess[m], atol=1e-12) for m in again.excess)


def test_rows_and_table_have_the_counts(counted):
    rows = {r["method"]: r for r in counted.rows()}
    assert rows["semidefinite program"]["median_excess_where_wrong"] == 0
    assert rows["SLSQP, 1 start"]["wrong"] == counted.wrong("SLSQP, 1 start")
    console = Console(width=80)
    with console.capture() as capture:
        console.print(counted.table())
    shown = capture.get()
    for method in rows:
        assert method in shown  # not shortened at 80 columns


def test_answer_without_a_delay_counts_as_wrong():
    found = LocalMinima({"x": np.array([0.0, np.inf])}, {"x": np.array([1.0, 1.0])})
    assert found.wrong("x") == 1
    assert found.rows()[0]["largest_excess"] == np.inf


@pytest.mark.parametrize("seed", range(10))
def test_gradient_is_that_of_the_delay(seed):
    rng = np.random.default_rng(seed)
    system = random_system(rng)
    load = 0.7 * system.max_load
    point = random_start(system.rates, load, rng)
    assert np.isfinite(mean_delay(system.rates, load, point))
    differences = approx_fprime(point, lambda x: mean_delay(system.rates, load, x), 1e-8)
    np.testing.assert_allclose(
        gradient(system.rates, load, point),
        differences,
        rtol=1e-3,
        atol=1e-4 * np.abs(differences).max(),
    )


def test_local_minimum_of_both_local_solvers():
    """Just above the breakaway and close to p = 1, with the best partition."""
    load = 1.02 * exact.breakaway(A.rates).load
    start = np.array([0.99, *exact.partition(A.rates, load, 0.99).share[:, 0]])
    least, alone = (
        exact.assignment(A.rates, load).mean_delay,
        float(exact.delay(A.rates, load, 1.0)),
    )
    for solve in (slsqp, nelder_mead):
        assert solve(A.rates, load, start) == pytest.approx(alone, rel=1e-9)
    assert alone > 1.3 * least


@pytest.mark.parametrize(("load", "p", "counts_as"), [
    (2.0, 0.5, 0.5),
    (2.0, 0.995, 1.0),
    (2.0, 1.0 + 1e-9, 1.0),
    (2.0, 0.005, 0.0),
])  # fmt: skip
def test_only_p_counts_and_p_near_an_end_counts_as_that_end(load, p, counts_as):
    found = delay_at(A.rates, load, np.array([p, 1 - p]))
    assert found == pytest.approx(float(exact.delay(A.rates, load, counts_as)), rel=1e-14)


def test_delay_is_infinite_where_neither_p_nor_the_end_is_stable():
    assert delay_at(A.rates, 4.5, np.array([0.99, 0.01])) == np.inf


@pytest.mark.parametrize("systems", [0, -1, 2.5, True, "many"])
def test_bad_number_of_systems_is_named(systems):
    with pytest.raises(InputError, match=r"^systems = "):
        count(systems)


def test_same_seed_same_excess():
    """Bit for bit."""
    first, second = (count(systems=3, seed=7) for _ in range(2))
    assert list(first.excess) == list(second.excess)
    for method, excess in first.excess.items():
        np.testing.assert_array_equal(excess, second.excess[method])
        assert first.seconds[method].shape == (3,)


def test_the_first_systems_do_not_depend_on_their_number(counted):
    np.testing.assert_array_equal(
        count(systems=2).excess["SLSQP, 1 start"], counted.excess["SLSQP, 1 start"][:2]
    )


def test_median_is_of_wrong_answers_only():
    excess = np.array([0.0, 5e-5, 1.0, 3.0])
    (row,) = LocalMinima({"x": excess}, {"x": np.array([1.0, 2.0, 3.0, 4.0])}).rows()
    expected = {
        "modes": 2,
        "systems": 4,
        "wrong": 2,
        "median_excess_where_wrong": 2.0,
        "largest_excess": 3.0,
        "median_seconds": 2.5,
    }
    assert row == {"method": "x", **expected}


@pytest.mark.parametrize("seed", range(5))
def test_random_start_is_stable(seed):
    rng = np.random.default_rng(seed)
    system = random_system(rng)
    load = 0.99 * system.max_load
    low, high = exact.stable_interval(system.rates, load)
    point = random_start(system.rates, load, rng)
    assert low < point[0] < high
    assert np.isfinite(mean_delay(system.rates, load, point))


MANY = ("L-BFGS-B in w", "SLSQP in p")


@pytest.fixture(scope="module")
def counted_many():
    return count(systems=12, modes=10)


@pytest.mark.slow
def test_branch_and_bound_is_never_wrong_and_local_solvers_are(counted_many):
    assert np.all(np.abs(counted_many.excess["branch and bound"]) < 1e-8)
    for solver in MANY:
        one, best = f"{solver}, 1 start", f"{solver}, {STARTS_OF_MANY} starts"
        assert counted_many.wrong(one) > 0
        assert np.all(counted_many.excess[best] <= counted_many.excess[one])
        assert np.all(counted_many.excess[best] > -1e-9)


@pytest.mark.slow
def test_rows_and_table_have_the_number_of_modes(counted_many):
    assert {r["modes"] for r in counted_many.rows()} == {10}
    assert len(counted_many.rows()) == 5
    assert "10 modes at 3 stages" in counted_many.table().title


@pytest.mark.parametrize("modes", [0, 1, 2.5, True, "many"])
def test_bad_number_of_modes_is_named(modes):
    with pytest.raises(InputError, match=r"^modes = .*is not a number of modes"):
        count(systems=1, modes=modes)


def drawn(seed, size):
    """Return random modes at three stages, a load and a stable assignment."""
    rng = np.random.default_rng(seed)
    modes = random_modes(size, rng).rates
    load = rng.uniform(0.5, 0.99) * exact.capacity(modes).max_load
    return modes, load, random_assignment(modes, load, rng)


@pytest.mark.parametrize("seed", range(10))
def test_random_assignment_is_stable_and_its_slope_in_w_that_of_the_delay(seed):
    modes, load, parts = drawn(seed, 4)
    assert np.all(parts >= 0)
    assert parts.sum() == pytest.approx(1, rel=1e-12)
    assert np.all(load * modes.time @ parts < 1)
    delay, slope = delay_in_w(modes, load, np.sqrt(parts))
    assert delay == pytest.approx(exact.partition(modes, load, parts).mean_delay, rel=1e-12)
    longer, _ = delay_in_w(modes, load, 3 * np.sqrt(parts))
    assert longer == pytest.approx(delay, rel=1e-12)
    w = np.sqrt(parts)
    differences = approx_fprime(w, lambda x: delay_in_w(modes, load, x)[0], 1e-8)
    np.testing.assert_allclose(slope, differences, rtol=1e-4, atol=1e-4 * np.abs(slope).max())


@pytest.mark.parametrize("solve", [lbfgs, slsqp_in_p])
def test_local_solvers_descend_and_stop_at_single_modes(solve):
    """Three modes, each heavy at a stage of its own: all in one is a minimum, nearly full."""
    modes, load = exact.Modes(10.0 / (1 + 2 * np.eye(3))), 3.2
    alone = exact.partition(modes, load, [1.0, 0, 0]).mean_delay
    assert solve(modes, load, np.array([1 - 2e-5, 1e-5, 1e-5])) == pytest.approx(alone, rel=1e-9)
    uneven = np.array([0.6, 0.25, 0.15])
    found = solve(modes, load, uneven)
    assert found < delay_in_w(modes, load, np.sqrt(uneven))[0]
    assert alone > 2 * found


def test_slope_in_p_is_infinite_where_a_mode_is_unused():
    """So SLSQP in p keeps a little of each mode."""
    modes, load, parts = drawn(3, 3)
    parts = np.array([parts[0], 1 - parts[0], 0.0])
    rises = [
        (exact.partition(modes, load, [parts[0] - x, parts[1], x]).mean_delay
         - exact.partition(modes, load, parts).mean_delay) / x
        for x in (LEAST_PART, LEAST_PART / 100)
    ]  # fmt: skip
    assert rises[1] == pytest.approx(10 * rises[0], rel=0.1)
