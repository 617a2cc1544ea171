"""The closed forms, beside sorting as many numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ....reference import MM1, equilibrium, optimum
from .plugin import Measure, sizes

SOLVE = {"optimum": optimum, "equilibrium": equilibrium}


@sizes(1_000_000, 10_000_000, small=(1000,))
@pytest.mark.parametrize("who", [*SOLVE, "np.sort"])
def bench_servers(measure: Measure, size: int, who: str) -> None:
    """One load over many M/M/1 servers: rates 50 to 500 jobs/s, delays 0 to 50 ms, 80 % load."""
    rng = np.random.default_rng(2348)
    rate, delay = rng.uniform(50, 500, size), rng.uniform(0, 0.05, size)
    row, rounds = f"reference, {size:,} servers, one load", 7 if size < 10**7 else 3
    if who == "np.sort":
        measure(lambda: np.sort(rate), row, who, rounds=rounds)
        return
    bank, load = MM1(rate, delay), float(0.8 * rate.sum())
    measure(lambda: SOLVE[who](bank, load), row, who, rounds=rounds)


@pytest.mark.parametrize("who", [*SOLVE, "np.sort of loads x servers"])
def bench_loads(measure: Measure, who: str) -> None:
    """Many loads of three servers."""
    bank, count = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 10_000
    loads = np.linspace(0.001, 0.999, count) * 380
    row, mixed = f"reference, 3 servers, {count:,} loads", np.random.default_rng(1).uniform(size=3 * count)
    if who in SOLVE:
        measure(lambda: SOLVE[who](bank, loads), row, who, rounds=25)
    else:
        measure(lambda: np.sort(mixed), row, who, rounds=25)
