"""Time of studies of many systems, against the solver alone and one process against two."""

from __future__ import annotations

import importlib.util
from functools import partial

import numpy as np
import pytest

from ... import MM1, ParallelServers, study
from .plugin import SMALL_RUN, Measure
from .solver_alone import alone

SYSTEMS, SOLVED_ALONE, SHARED_OUT = (8, 4, 8) if SMALL_RUN else (10_000, 1000, 2000)
LOADS = np.linspace(0.05, 0.95, 10)  # over the total rate


def systems(count: int) -> list[ParallelServers]:
    """Return random systems of three M/M/1 servers."""
    rng = np.random.default_rng(2348)
    rates, delays = rng.uniform(50, 500, (count, 3)), rng.uniform(0, 0.05, (count, 3))
    return [ParallelServers(MM1(*numbers)) for numbers in zip(rates, delays, strict=True)]


@pytest.mark.parametrize("who", ["study", "Clarabel alone"])
def bench_study(measure: Measure, who: str) -> None:
    """Both goals; Clarabel alone solves the programs of the first systems."""
    row = f"study of {SYSTEMS:,} systems of 3 servers, 10 loads, both goals"
    count = SYSTEMS if who == "study" else SOLVED_ALONE
    job = partial(study, systems(count), LOADS, relative=True, n_jobs=1)
    if who == "study":
        measure(job, row, who, per=count, unit="system", rounds=1)
    else:
        measure(alone(job), row, who, per=count, unit="system", rounds=3)


@pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="needs joblib")
@pytest.mark.parametrize("who", ["two processes", "one process"])
def bench_processes(measure: Measure, who: str) -> None:
    """The first call starts the processes; it is not counted."""
    job = partial(study, systems(SHARED_OUT), LOADS, relative=True)
    row = f"study of {SHARED_OUT:,} systems of 3 servers, 10 loads, both goals"
    measure(
        partial(job, n_jobs=2 if who == "two processes" else 1),
        f"{row}, by processes",
        who,
        per=SHARED_OUT,
        unit="system",
        rounds=2,
    )
