"""Benchmark of local solvers on the assignment of jobs to modes, which has local minima.

The mean delay is not convex in the operating point. All jobs in one mode is a strict local minimum
wherever that is stable and a server has to be divided, which in a dual-mode system is always so
except for f = (0, 1). A local method that comes close to it stays there; the certified methods do
not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...reference import service_modes as exact
from ...reference.errors import Array
from ...reference.service_modes import Modes
from ...reference.validation import as_integer, as_seed
from ..core.errors import NotCertifiedError
from ..core.progress import track
from ..frontend.report import Report
from ..frontend.tables import table
from ..systems.service_modes.dual_mode import DualMode
from ..systems.service_modes.system import MultiMode
from .local_solvers import lbfgs, nelder_mead, slsqp, slsqp_in_p
from .report import timed

if TYPE_CHECKING:
    from rich.table import Table

WRONG = 1e-4
"""Relative excess of the delay from which an answer is another minimum, and not inaccuracy."""
STARTS = 5  # of dual-mode systems
STARTS_OF_MANY = 10  # of three modes and more
STAGES = 3  # of systems with three modes and more
BY_MODES = {2: 1000, 5: 200, 10: 200, 20: 200}
"""Numbers of modes of the command, and its number of systems of each."""
Methods = dict[str, Callable[[], float]]


@dataclass(frozen=True, eq=False)
class LocalMinima:
    """Results of each method on the same systems and loads.

    Attributes
    ----------
    excess : mapping of str to ndarray, shape (n,)
        By method: mean delay divided by the least one, less 1; infinite without a stable answer.
    seconds : mapping of str to ndarray, shape (n,)
        By method.
    modes : int
        Number of modes of each system.
    """

    excess: Mapping[str, Array]
    seconds: Mapping[str, Array]
    modes: int = 2

    def wrong(self, method: str) -> int:
        """Return the number of systems on which a method is more than 1e-4 above the least."""
        return int((self.excess[method] > WRONG).sum())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each method: how often it is wrong, by how much, and its time."""
        return [self._row(method, excess) for method, excess in self.excess.items()]

    def _row(self, method: str, excess: Array) -> dict[str, Any]:
        wrong = excess[excess > WRONG]
        return {
            "modes": self.modes,
            "method": method,
            "systems": int(excess.size),
            "wrong": int(wrong.size),
            "median_excess_where_wrong": float(np.median(wrong)) if wrong.size else 0.0,
            "largest_excess": float(excess.max()),
            "median_seconds": float(np.median(self.seconds[method])),
        }

    def table(self) -> Table:
        """Return the rows as a table of `rich`."""
        headings = ("method", "wrong", "of", "delay / best\nwhere wrong", "largest", "median\nms")
        kind = "dual-mode systems" if self.modes == 2 else f"{self.modes} modes at {STAGES} stages"
        title = f"the best operating point of {kind}"
        return table(headings, map(_cells, self.rows()), title=title)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    typical = f"{1 + row['median_excess_where_wrong']:.3f}" if row["wrong"] else ""
    numbers = (typical, f"{1 + row['largest_excess']:.4g}", f"{1e3 * row['median_seconds']:.1f}")
    return row["method"], str(row["wrong"]), str(row["systems"]), *numbers


def report(systems: int | None = None) -> Iterator[Report]:
    """Yield the report of all numbers of modes so far; `systems` of each, or the default."""
    results: list[LocalMinima] = []
    for modes, number in BY_MODES.items():
        results.append(count_local_minima(number if systems is None else systems, modes=modes))
        rows = [row for result in results for row in result.rows()]
        yield Report(rows, [result.table() for result in results], name="")


def count_local_minima(systems: int = 1000, seed: int = 2348, modes: int = 2) -> LocalMinima:
    """Count how often local solvers end at another minimum than the best operating point.

    Random systems are solved by local solvers and by the certified model, and all answers are
    compared with the reference.

    Parameters
    ----------
    systems : int, default 1000
        Number of random systems.
    seed : int, default 2348
    modes : int, default 2
        Number of modes. Two: dual-mode systems with f1 < f2 uniform in [0, 1], K log-uniform from 1
        to 100, and loads uniform from 0.3 to 0.99 of the largest. More: three stages, works that
        are exponential in one half of the systems and in the other divide one unit for each mode
        (uniform on the simplex), and loads uniform from 0.5 to 0.99 of the largest.

    Returns
    -------
    LocalMinima

    Raises
    ------
    InputError

    Notes
    -----
    The local solvers get the delay, its gradient, and random stable starts, one or the best of
    several. Two modes have five starts in (p, alpha, beta): SciPy's SLSQP (``ftol=1e-12``, 500
    iterations, the stability conditions as linear constraints) and Nelder-Mead
    (``xatol=fatol=1e-10``, 2000 iterations, an infinite delay outside the stable region). More
    modes have ten starts under the best partition: SLSQP in p, and L-BFGS-B in w = sqrt(p).

    Only the p of an answer counts: its delay is that of the best partition for this p, or of p
    without the modes that get at most 0.01 of the jobs. So a local solver is wrong only where it
    stopped at another p, and not where it was inaccurate at the best one.

    Examples
    --------
    >>> count_local_minima(systems=3).wrong("semidefinite program")
    0
    """
    systems, seed = as_integer("systems", systems, "a number of systems"), as_seed(seed)
    modes = as_integer("modes", modes, "a number of modes", 2, 100)
    excess: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for i in track(range(systems), "systems"):
        rng = np.random.default_rng([seed, i])
        system, load, methods = _dual_mode(rng) if modes == 2 else _many_modes(modes, rng)
        least = exact.assignment(system.rates, load).mean_delay
        for method, solve in methods.items():
            delay, spent = timed(solve)
            seconds.setdefault(method, []).append(spent)
            excess.setdefault(method, []).append(delay / least - 1)
    return LocalMinima(
        {method: np.array(values) for method, values in excess.items()},
        {method: np.array(values) for method, values in seconds.items()},
        modes,
    )


def random_system(rng: np.random.Generator) -> DualMode:
    """Return a dual-mode system with mu0 = 1, f1 < f2 uniform in [0, 1] and K in (1, 100]."""
    f1, f2 = np.sort(rng.uniform(0, 1, 2)).tolist()
    return DualMode.canonical(mu0=1.0, K=float(10 ** rng.uniform(0, 2)), f=(f1, f2))


def random_start(modes: Modes, load: float, rng: np.random.Generator) -> Array:
    """Return a random stable point (p, alpha, beta), shape (3,)."""
    low, high = exact.stable_interval(modes, load)
    p = low + (high - low) * rng.uniform(0.02, 0.98)
    need = load * np.array([p, 1 - p]) * modes.time
    spare_capacity = 1 - need.sum(axis=1)
    shares = need[:, 0] + spare_capacity * rng.uniform(0.05, 0.95, 2)
    start: Array = np.concatenate([[p], shares])
    return start


def random_modes(modes: int, rng: np.random.Generator) -> MultiMode:
    """Return a system of three stages with random works."""
    if rng.random() < 0.5:
        return MultiMode(1 / rng.exponential(size=(STAGES, modes)))
    return MultiMode(1 / rng.dirichlet(np.ones(STAGES), modes).T)


def random_assignment(modes: Modes, load: float, rng: np.random.Generator) -> Array:
    """Return a random stable assignment, shape (M,).

    It is on the way from the assignment of the largest load to a random one, before a stage is
    full.
    """
    stable = exact.capacity(modes).assignment
    direction = rng.dirichlet(np.ones(modes.modes)) - stable
    more, spare_capacity = load * modes.time @ direction, 1 - load * modes.time @ stable
    full = np.min(spare_capacity / np.where(more > 0, more, np.nan), initial=1.0, where=more > 0)
    return np.asarray(stable + full * rng.uniform(0.02, 0.98) * direction)


def _dual_mode(rng: np.random.Generator) -> tuple[MultiMode, float, Methods]:
    """Return a random dual-mode system, a load, and the methods that solve it."""
    system = random_system(rng)
    load = float(rng.uniform(0.3, 0.99)) * system.max_load
    starts = [random_start(system.rates, load, rng) for _ in range(STARTS)]
    methods: Methods = {"semidefinite program": partial(_certified, system, load)}
    for name, solver in (("SLSQP", slsqp), ("Nelder-Mead", nelder_mead)):
        methods |= _from_starts(name, partial(solver, system.rates, load), starts)
    return system, load, methods


def _many_modes(modes: int, rng: np.random.Generator) -> tuple[MultiMode, float, Methods]:
    """Return a random system of three stages, a load, and the methods that solve it."""
    system = random_modes(modes, rng)
    load = float(rng.uniform(0.5, 0.99)) * system.max_load
    starts = [random_assignment(system.rates, load, rng) for _ in range(STARTS_OF_MANY)]
    methods: Methods = {"branch and bound": partial(_certified, system, load)}
    for name, solver in (("L-BFGS-B in w", lbfgs), ("SLSQP in p", slsqp_in_p)):
        methods |= _from_starts(name, partial(solver, system.rates, load), starts)
    return system, load, methods


def _from_starts(name: str, solve: Callable[[Array], float], starts: Sequence[Array]) -> Methods:
    """Return a local solver from the first start, and as the best of all."""
    return {
        f"{name}, 1 start": lambda: solve(starts[0]),
        f"{name}, {len(starts)} starts": lambda: min(map(solve, starts)),
    }


def _certified(system: MultiMode, load: float) -> float:
    """Return the least mean delay by the model; infinite where it is not certified."""
    try:
        return system.assignment(load).mean_delay
    except NotCertifiedError:
        return float("inf")
