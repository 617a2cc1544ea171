"""Time of the closed forms, against sorting as many numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from ....reference import (
    MM1,
    equilibrium,
    joint_sizes,
    least_percentile,
    optimum,
    rates_at_split,
    whole_weights,
)
from .plugin import Measure, sizes

SOLVE = {"optimum": optimum, "equilibrium": equilibrium}


@pytest.mark.parametrize("who", [*SOLVE, "np.sort"])
@sizes(1_000_000, 10_000_000, small=(1000,))
def bench_servers(measure: Measure, size: int, who: str) -> None:
    """One load over many M/M/1 servers: rates 50 to 500 jobs/s, delays 0 to 50 ms, 80 % load."""
    rng = np.random.default_rng(2348)
    rate, delay = rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)
    load = float(0.8 * rate.sum())
    job: Callable[[], Any] = partial(np.sort, rate)
    if who in SOLVE:
        job = partial(SOLVE[who], MM1(rate, delay), load)
    measure(job, f"reference, {size:,} servers, one load", who, rounds=7 if size < 10**7 else 3)


@pytest.mark.parametrize("who", [*SOLVE, "np.sort of loads x servers"])
def bench_loads(measure: Measure, who: str) -> None:
    """Many loads of three servers."""
    bank, count = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 10_000
    loads = np.linspace(0.001, 0.999, count) * 380
    unsorted = np.random.default_rng(1).uniform(size=3 * count)
    job = partial(SOLVE[who], bank, loads) if who in SOLVE else partial(np.sort, unsorted)
    measure(job, f"reference, 3 servers, {count:,} loads", who, rounds=25)


@pytest.mark.parametrize("who", ["whole weights", "np.sort of n log W numbers"])
@sizes(10_000, small=(1000,))
def bench_weights(measure: Measure, size: int, who: str) -> None:
    """Whole weights of a total of a million over many M/M/1 servers, at 80 % load."""
    rng, total = np.random.default_rng(2348), 10**6
    bank = MM1(rng.uniform(50, 500, size), rng.uniform(0, 0.05, size))
    load = float(0.8 * bank.rate.sum())
    job: Callable[[], Any] = partial(whole_weights, bank, load, total)
    if who != "whole weights":
        job = partial(np.sort, rng.uniform(size=int(size * np.log2(total))))
    row = f"whole weights of {size:,} servers, total {total:,}"
    measure(job, row, who, at_most=20.0)


@pytest.mark.parametrize("who", ["least percentile", "the optima one by one"])
@sizes(1000, small=(20,))
def bench_percentiles(measure: Measure, size: int, who: str) -> None:
    """Splits of least 99th percentile over all jobs, with bounds, at many loads of three servers.

    They are found together; the optima, in closed form, each by a call of its own.
    """
    bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    loads = np.linspace(0.001, 0.999, size) * 380

    def one_by_one() -> None:
        for load in loads.tolist():
            optimum(bank, load)

    job = partial(least_percentile, bank, loads) if who == "least percentile" else one_by_one
    measure(job, f"99th percentile of 3 servers, {size:,} loads", who, rounds=5, at_most=1.5)


@pytest.mark.parametrize("who", ["rates", "np.sort"])
@sizes(1_000_000, small=(1000,))
def bench_rates(measure: Measure, size: int, who: str) -> None:
    """Rates of M/M/1 servers at given flows and bounds of rates, within a budget."""
    rng = np.random.default_rng(2348)
    flow, price = rng.uniform(50, 500, size), rng.uniform(0.5, 2, size)
    low, high = flow * rng.uniform(0.8, 1.1, size), flow * rng.uniform(1.1, 1.6, size)
    budget = float(1.15 * (price @ flow))
    job: Callable[[], Any] = partial(np.sort, flow)
    if who == "rates":
        job = partial(rates_at_split, flow, 1.0, 0.01, price, low, high, budget=budget)
    measure(job, f"rates of {size:,} servers within a budget", who, at_most=5.0)


@pytest.mark.parametrize("who", ["split and rates", "100 optima at given rates"])
@pytest.mark.parametrize("asked", ["price of delay", "budget"])
def bench_split_and_rates(measure: Measure, asked: str, who: str) -> None:
    """Split and rates together, certified to 1e-6, against closed forms at given rates."""
    rng, n = np.random.default_rng(1), 200 if asked == "price of delay" else 20
    high, delay, price = rng.uniform(50, 200, n), rng.uniform(0, 0.1, n), rng.uniform(0.5, 2, n)
    load = float(0.5 * high.sum())
    search = partial(joint_sizes, load, 1.0, delay, price, 0.0, high)
    job: Callable[[], Any] = partial(search, delay_cost=20.0)
    if asked == "budget":
        job = partial(search, budget=float(1.3 * load * price.mean()))
    if who != "split and rates":
        job = partial(_optima, MM1(high, delay), load, 100)
    measure(job, f"split and rates of {n} servers, {asked}", who, rounds=5, at_most=10.0)


def _optima(bank: MM1, load: float, count: int) -> None:
    """Compute the optimum at one load a number of times."""
    for _ in range(count):
        optimum(bank, load)
