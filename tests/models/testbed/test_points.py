"""Intervals by batch means, and the judgement whether the machine was too busy."""

import math

import numpy as np
import pytest

from sojourn import MD1
from sojourn.models.testbed.apparatus import MEASURED, ROUTER, Sample
from sojourn.models.testbed.points import BUSY, disturbance, interval, judged

SERVERS = ["server 1", "server 2"]
RATE, TRIP, SHARE = np.array([100.0, 50.0]), np.array([0.01, 0.03]), np.array([0.7, 0.3])
LOAD = 90.0


def predict(rate, trip):
    return float(SHARE @ MD1(rate, trip).latency(LOAD * SHARE))


def reports(**changed):
    """Return statistics of elements that are never late, but for those that are given."""
    on_time = {"stall": 0.0, "late": 0.0, "jobs": 100, "drawn": 1.0, "taken": 1.0}
    names = (*SERVERS, ROUTER, *MEASURED)
    return {name: {**on_time, **changed.get(name.replace(" ", "_"), {})} for name in names}


def change(scale=1.0, idle=None, **changed):
    given = reports(**changed), idle or reports()
    return disturbance(*given, SERVERS, scale, RATE, TRIP, predict)


# ---- intervals


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = interval(rng.standard_exponential(200))
        covered += low <= 1.0 <= high
    assert 0.85 <= covered / 400 <= 0.94  # exponential times are skewed: a little below 0.9


def test_intervals_of_correlated_times_are_wider():
    """Ten jobs that find the same queue are one observation, not ten."""
    rng = np.random.default_rng(1)
    times = rng.standard_exponential(100)
    low, high = interval(np.repeat(times, 10))
    one, other = interval(rng.permutation(np.repeat(times, 10)))
    assert high - low > 2.0 * (other - one)


def latencies(rng, utilisation, seconds):
    """Return a twelfth of the latencies of an M/D/1 server of rate 200, by Lindley's recursion."""
    n = int(1.6 * 200 * utilisation * seconds)
    gaps = rng.exponential(1 / (200 * utilisation), n)
    steps = np.concatenate([[0.0], 1 / 200 - gaps[1:]])
    walk, arrival = np.cumsum(steps), np.cumsum(gaps)
    wait = walk - np.minimum.accumulate(walk)
    kept = (arrival > seconds / 4) & (arrival < 1.25 * seconds) & (rng.random(n) < 1 / 12)
    return wait[kept] + 1 / 200


@pytest.mark.parametrize(("utilisation", "least", "most"), [(0.5, 0.88, 0.94), (0.87, 0.80, 0.88)])
def test_intervals_cover_the_latency_of_a_busy_server(utilisation, least, most):
    """Where the queue remembers half a second, 20 s are too short for nine in ten."""
    rng = np.random.default_rng(2)
    true = MD1(200.0).latency([200 * utilisation])[0]
    ends = [interval(latencies(rng, utilisation, 20.0)) for _ in range(500)]
    assert least <= np.mean([low <= true <= high for low, high in ends]) <= most


def test_an_interval_is_that_of_student():
    from scipy import stats

    means = np.array([1.0, 4.0, 2.0, 3.0])  # neighbours are not alike
    times = np.repeat(means, 5)
    half = stats.t.ppf(0.95, 3) * stats.sem(means)
    assert interval(times) == pytest.approx((2.5 - half, 2.5 + half))


def test_few_jobs_give_no_interval():
    assert all(map(math.isnan, interval(np.ones(9))))
    point = judged(Sample(jobs=[(0.0, 1.0, 0)]), 1.0, "optimum", SHARE, 1.0, 0.0, 1e3)
    assert point.invalid == "1 measured job give no interval; measure longer"


# ---- disturbances


def test_clocks_on_time_change_nothing():
    assert change() == 0.0


@pytest.mark.parametrize("name", ["routing_element", "server_1", "client_1"])
def test_a_stall_adds_to_the_delay(name):
    weight = {"routing_element": 1.0, "server_1": 0.7, "client_1": 0.5}[name]
    model = predict(RATE, TRIP)
    assert change(**{name: {"stall": 0.004}}) == pytest.approx(weight * 0.004 / model)
    assert change(2.0, **{name: {"stall": 0.004}}) == pytest.approx(weight * 0.002 / model)


def test_late_delays_count_on_both_ways():
    found = change(routing_element={"late": 0.001})
    assert found == pytest.approx(0.002 / predict(RATE, TRIP))


def test_a_longer_service_lowers_the_rate():
    found = change(server_1={"taken": 1.05})
    slower = predict(RATE / [1.05, 1.0], TRIP)
    assert found == pytest.approx(slower / predict(RATE, TRIP) - 1.0)
    assert change(server_1={"taken": 2.0}) == math.inf  # overloaded: 63 jobs at a rate of 50


def test_what_the_idle_system_had_is_no_disturbance():
    same = {"server_1": {"stall": 0.004, "taken": 1.2}, "routing_element": {"late": 0.001}}
    assert change(idle=reports(**same), **same) == 0.0


@pytest.mark.parametrize("late", [1.01 * BUSY, -1.01 * BUSY, math.inf, math.nan])
def test_a_point_of_late_clocks_is_invalid(late):
    jobs = [(float(i), 1.0 + i % 2, i % 2) for i in range(40)]
    point = judged(Sample(jobs=jobs), 1.0, "optimum", SHARE, 1.5, late, 1e3)
    assert "too busy" in point.invalid
    assert not point.valid
    assert not point.inside
    on_time = judged(Sample(jobs=jobs), 1.0, "optimum", SHARE, 1.5, 0.99 * BUSY, 1e3)
    assert on_time.valid
    assert on_time.inside
    assert on_time.route_jobs == (20, 20)
    assert on_time.route_mean == (1.0, 2.0)
    assert not judged(Sample(jobs=jobs), 1.0, "optimum", SHARE, 1.9, 0.0, 1e3).inside


def test_a_point_with_updates_that_nobody_answered_is_invalid():
    """The slowest jobs are missing from its mean."""
    jobs = [(float(i), 1.0, 0) for i in range(40)]
    point = judged(Sample(jobs=jobs, unanswered=3), 1.0, "optimum", SHARE, 1.0, 0.0, 1e3)
    assert point.invalid == "3 updates had no answer in time"
