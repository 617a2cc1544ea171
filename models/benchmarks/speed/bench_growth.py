"""Time of one load over the number of servers."""

from __future__ import annotations

import pytest

from ....reference import equilibrium, optimum
from .bench_sweeps import servers
from .plugin import Measure, sizes

SOLVE = {"optimum": optimum, "equilibrium": equilibrium}


@pytest.mark.parametrize("goal", SOLVE)
@sizes(10, 100, 1000, 10_000, 100_000, 1_000_000, small=(10, 100))
def bench_reference(measure: Measure, goal: str, size: int) -> None:
    """Closed forms."""
    bank = servers(size).bank
    load = float(0.8 * bank.rate.sum())
    measure(lambda: SOLVE[goal](bank, load), f"growth of reference {goal}", str(size), per=1)


@pytest.mark.parametrize("goal", SOLVE)
@sizes(10, 100, 1000, 10_000, 100_000, small=(10, 100))
def bench_model(measure: Measure, goal: str, size: int) -> None:
    """Convex programs: written, compiled, solved and certified."""
    system = servers(size)
    load = 0.8 * system.total_rate
    measure(
        lambda: getattr(system, goal)(load),
        f"growth of model {goal}",
        str(size),
        rounds=7 if size < 10_000 else 1,
    )
