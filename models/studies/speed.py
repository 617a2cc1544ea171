"""How long things take, as ratios measured side by side in one run."""

from __future__ import annotations

import platform
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sojourn.models.latency import MM1
from sojourn.models.studies.progress import track
from sojourn.models.systems.parallel import ParallelServers
from sojourn.reference import mg1
from sojourn.reference import parallel as exact
from sojourn.reference.anarchy import price_of_anarchy
from sojourn.reference.worst_case import worst_case

REPEATS = 7
WORST = 50  # systems whose worst case is timed together


@dataclass(frozen=True)
class Row:
    """One measurement: seconds (median of the repeats) of a thing and of what it is held against."""

    what: str
    seconds: float
    against: str
    ratio: float


def speed(reference_servers: int = 1_000_000, model_servers: int = 10_000) -> list[Row]:
    """Time the closed forms against sorting, the models against the closed forms, and a certified worst case against a grid.

    Parameters
    ----------
    reference_servers, model_servers : int
        M/M/1 servers at random rates (50 to 500 jobs/s) and delays (0 to 50 ms), at 80 % load.

    Returns
    -------
    list of Row
    """
    rng = np.random.default_rng(2348)
    rate, delay = rng.uniform(50, 500, reference_servers), rng.uniform(0, 0.05, reference_servers)
    many = mg1.MM1(rate, delay)
    few = ParallelServers(MM1(rate[:model_servers], delay[:model_servers]))
    load, part = 0.8 * rate.sum(), 0.8 * few.total_rate
    jobs: list[tuple[str, Callable[[], Any], str, Callable[[], Any]]] = [
        (f"reference {goal}, {reference_servers:,} servers", lambda s=solve: s(many, load), "np.sort of as many", lambda: np.sort(rate))  # type: ignore[misc]
        for goal, solve in (("optimum", exact.optimum), ("equilibrium", exact.equilibrium))
    ]
    jobs += [
        (f"model {goal}, {model_servers:,} servers", lambda g=goal: getattr(few, g)(part), "reference", lambda s=solve: s(few.bank, part))  # type: ignore[misc]
        for goal, solve in (("optimum", exact.optimum), ("equilibrium", exact.equilibrium))
    ]
    trio = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    draws = [_random_system(rng) for _ in range(WORST)]
    grid = np.linspace(0.001, 0.999, 1000)
    jobs += [
        (f"reference worst case, certified, {WORST} systems", lambda: [worst_case(q) for q in draws],
         "grid of 1,000 loads each", lambda: [price_of_anarchy(q, grid * q.rate.sum()) for q in draws]),
        ("model worst case, certified, 3 servers", trio.worst_case, "reference", lambda: worst_case(trio.bank)),
    ]  # fmt: skip
    return [_row(*job) for job in track(jobs, "timings")]


def _random_system(rng: np.random.Generator) -> mg1.MG1:
    """2 to 8 M/G/1 servers; rates over three decades, delays over three or none, cv over two."""
    n = int(rng.integers(2, 9))
    delay = np.where(rng.random(n) < 0.3, 0.0, 10 ** rng.uniform(-3, 0, n))
    return mg1.MG1(10 ** rng.uniform(0, 3, n), 10 ** rng.uniform(-1, 1, n), delay)


def _row(what: str, job: Callable[[], Any], against: str, other: Callable[[], Any]) -> Row:
    """Time the two in turn, so that a busy machine is busy for both."""
    job(), other()
    pairs = [(timeit.timeit(job, number=1), timeit.timeit(other, number=1)) for _ in range(REPEATS)]
    return Row(what, median(a for a, _ in pairs), against, median(a / b for a, b in pairs))


def table(rows: list[Row]) -> Table:
    """Return the measurements as a table for `rich`."""
    out = Table(
        title=f"medians of {REPEATS} on {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}", box=SIMPLE_HEAD
    )
    for heading in ("what", "seconds", "ratio", "to"):
        out.add_column(heading, justify="right" if heading in ("seconds", "ratio") else "left")
    for r in rows:
        out.add_row(r.what, f"{r.seconds:.4f}", f"{r.ratio:.2f}", r.against)
    return out
