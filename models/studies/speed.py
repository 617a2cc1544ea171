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
from sojourn.reference import parallel as exact
from sojourn.reference import queues

REPEATS = 7


@dataclass(frozen=True)
class Row:
    """One measurement: seconds (median of the repeats) of a thing and of what it is held against."""

    what: str
    seconds: float
    against: str
    ratio: float


def speed(reference_servers: int = 1_000_000, model_servers: int = 10_000) -> list[Row]:
    """Time the closed forms against sorting, and the models against the closed forms.

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
    many = queues.MM1(rate, delay)
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
    return [_row(*job) for job in track(jobs, "timings")]


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
        out.add_row(r.what, f"{r.seconds:.3f}", f"{r.ratio:.2f}", r.against)
    return out
