"""Time of the certified worst case, against a grid of loads, which certifies nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from ....reference import MG1
from ....reference.parallel.anarchy import price_of_anarchy
from ....reference.parallel.worst_case import worst_case
from .bench_sweeps import RAW, servers
from .plugin import Measure, sizes
from .solver_alone import alone


def random_system(rng: np.random.Generator) -> MG1:
    """Return 2 to 8 M/G/1 servers: rates and delays (some 0) over three decades, cv over two."""
    n = int(rng.integers(2, 9))
    delay = np.where(rng.random(n) < 0.3, 0.0, 10 ** rng.uniform(-3, 0, n))
    return MG1(10 ** rng.uniform(0, 3, n), 10 ** rng.uniform(-1, 1, n), delay)


@pytest.mark.parametrize("who", ["certified to 1e-8", "grid of 1,000 loads"])
@sizes(50, small=(2,))
def bench_reference(measure: Measure, size: int, who: str) -> None:
    """Branch and bound of the reference."""
    rng = np.random.default_rng(2348)
    systems, grid = [random_system(rng) for _ in range(size)], np.linspace(0.001, 0.999, 1000)

    def on_grid(bank: MG1) -> Any:
        return price_of_anarchy(bank, grid * bank.rate.sum())

    find: Callable[[MG1], Any] = worst_case if who.startswith("certified") else on_grid
    measure(
        lambda: [find(bank) for bank in systems],
        "reference worst case, 2 to 8 servers",
        who,
        per=size,
    )


@pytest.mark.parametrize("who", ["model", "reference", RAW])
@sizes(3, 10, small=(3,))
def bench_model(measure: Measure, size: int, who: str) -> None:
    """Convex programs, against the reference, and the programs alone."""
    system = servers(size)
    jobs: dict[str, Callable[[], Callable[[], Any]]] = {
        "model": lambda: system.worst_case,
        "reference": lambda: partial(worst_case, system.bank),
        RAW: lambda: alone(system.worst_case),
    }
    measure(jobs[who](), f"worst case certified to 1e-8, {size} servers", who)
