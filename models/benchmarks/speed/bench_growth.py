"""Time of one load over the number of servers, or of links."""

from __future__ import annotations

import pytest

from ....reference import equilibrium, optimum
from .bench_sweeps import servers
from .networks import grid, groups
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


@pytest.mark.parametrize("goal", SOLVE)
@sizes(100, 300, 1000, small=(4, 6))
def bench_groups(measure: Measure, goal: str, size: int) -> None:
    """As many groups as M/M/1 servers, at 80 % load."""
    measure(
        lambda: getattr(groups(size, size, 0.8), goal)(),
        f"growth of n groups x n servers, {goal}",
        str(size),
        rounds=3 if size < 1000 else 1,
    )


@pytest.mark.parametrize("goal", SOLVE)
@sizes(8, 14, 20, 28, small=(3, 4))
def bench_networks(measure: Measure, goal: str, size: int) -> None:
    """Street grids of 224 to 3,024 M/M/1 links, with loads between all of their zones."""
    numbers = grid(size)
    measure(
        lambda: getattr(numbers.queues, goal)(),
        f"growth of networks, {goal}",
        str(numbers.tail.size),
        rounds=3 if size < 20 else 1,
    )


@sizes(8, 14, 20, 28, small=(3, 4))
def bench_capacity(measure: Measure, size: int) -> None:
    """The largest multiple of the loads of these grids."""
    numbers = grid(size)
    measure(
        lambda: numbers.queues.capacity(),
        "growth of networks, capacity",
        str(numbers.tail.size),
        rounds=3 if size < 20 else 1,
    )
