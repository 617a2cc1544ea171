"""Benchmark of local solvers on the dual-mode assignment, which has local minima.

The mean delay is not convex in (p, alpha, beta). All jobs in one mode is a strict local minimum
wherever that is stable and a server has to be divided, which is always so except for f = (0, 1). A
local method that comes close to it stays there; the semidefinite program does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize

from ...reference import service_modes as exact
from ...reference.errors import Array
from ...reference.service_modes import Modes
from ...reference.validation import as_integer, as_seed
from ..core.errors import NotCertifiedError
from ..core.progress import track
from ..frontend.report import Report
from ..frontend.tables import table
from ..systems.service_modes.dual_mode import DualMode
from .report import BenchOptions, timed

if TYPE_CHECKING:
    from rich.table import Table

WRONG = 1e-4
"""Relative excess of the delay from which an answer is another minimum, and not inaccuracy."""
STARTS = 5
EDGE = 1e-9  # part of a server that SLSQP must leave to each mode beyond its need
AT_AN_END = 0.01  # distance from p = 0 or 1 at which an answer counts as that end
PENALTY = 1e6  # delay outside the stable region for SLSQP, in multiples of the first delay


@dataclass(frozen=True, eq=False)
class LocalMinima:
    """Results of each method on the same systems and loads.

    Attributes
    ----------
    excess : mapping of str to ndarray, shape (n,)
        By method: mean delay divided by the least one, less 1; infinite without a stable answer.
    seconds : mapping of str to ndarray, shape (n,)
        By method.
    """

    excess: Mapping[str, Array]
    seconds: Mapping[str, Array]

    def wrong(self, method: str) -> int:
        """Return the number of systems on which a method is more than 1e-4 above the least."""
        return int((self.excess[method] > WRONG).sum())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each method: how often it is wrong, by how much, and its time."""
        return [self._row(method, excess) for method, excess in self.excess.items()]

    def _row(self, method: str, excess: Array) -> dict[str, Any]:
        wrong = excess[excess > WRONG]
        return {
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
        title = "the best operating point of dual-mode systems"
        return table(headings, map(_cells, self.rows()), title=title)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    typical = f"{1 + row['median_excess_where_wrong']:.3f}" if row["wrong"] else ""
    numbers = (typical, f"{1 + row['largest_excess']:.4g}", f"{1e3 * row['median_seconds']:.1f}")
    return row["method"], str(row["wrong"]), str(row["systems"]), *numbers


def report(options: BenchOptions) -> Iterator[Report]:
    """Yield the report of all methods."""
    systems = options.systems
    results = count_local_minima() if systems is None else count_local_minima(systems)
    yield Report(results.rows(), [results.table()], name="")


def count_local_minima(systems: int = 1000, seed: int = 2348) -> LocalMinima:
    """Count how often local solvers end at another minimum than the best operating point.

    Random dual-mode systems are solved by local solvers and by the semidefinite program, and all
    answers are compared with the reference.

    Parameters
    ----------
    systems : int, default 1000
        Number of random systems: f1 < f2 uniform in [0, 1], K log-uniform from 1 to 100, and loads
        uniform from 0.3 to 0.99 of the largest.
    seed : int, default 2348

    Returns
    -------
    LocalMinima

    Raises
    ------
    InputError

    Notes
    -----
    The local solvers get the delay, its gradient in (p, alpha, beta), and random stable starts, one
    or the best of five: SciPy's SLSQP (``ftol=1e-12``, 500 iterations, the stability conditions as
    linear constraints) and Nelder-Mead (``xatol=fatol=1e-10``, 2000 iterations, an infinite delay
    outside the stable region).

    Only the p of an answer counts: its delay is that of the best partition for this p, or of p = 0
    or 1 where p is within 0.01 of it. So a local solver is wrong only where it stopped at another
    p, and not where it was inaccurate at the best one.

    Examples
    --------
    >>> count_local_minima(systems=3).wrong("semidefinite program")
    0
    """
    systems, seed = as_integer("systems", systems, "a number of systems"), as_seed(seed)
    excess: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for i in track(range(systems), "systems"):
        rng = np.random.default_rng([seed, i])
        system = random_system(rng)
        load = float(rng.uniform(0.3, 0.99)) * system.max_load
        least = exact.assignment(system.rates, load).mean_delay
        starts = [random_start(system.rates, load, rng) for _ in range(STARTS)]
        for method, solve in _methods(system, load, starts).items():
            delay, spent = timed(solve)
            seconds.setdefault(method, []).append(spent)
            excess.setdefault(method, []).append(delay / least - 1)
    return LocalMinima(
        {method: np.array(values) for method, values in excess.items()},
        {method: np.array(values) for method, values in seconds.items()},
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


def _methods(system: DualMode, load: float, starts: list[Array]) -> dict[str, Callable[[], float]]:
    modes = system.rates
    return {
        "semidefinite program": lambda: _semidefinite(system, load),
        "SLSQP, 1 start": lambda: slsqp(modes, load, starts[0]),
        f"SLSQP, {STARTS} starts": lambda: min(slsqp(modes, load, s) for s in starts),
        "Nelder-Mead, 1 start": lambda: nelder_mead(modes, load, starts[0]),
        f"Nelder-Mead, {STARTS} starts": lambda: min(nelder_mead(modes, load, s) for s in starts),
    }


def _semidefinite(system: DualMode, load: float) -> float:
    try:
        return system.assignment(load).mean_delay
    except NotCertifiedError:
        return float("inf")


def slsqp(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay at the p where SciPy's SLSQP ends; infinite if not stable."""
    scale = mean_delay(modes, load, start)
    rows, limits = _stability(modes, load)

    def objective(point: Array) -> tuple[float, Array]:
        value = mean_delay(modes, load, point, unstable=PENALTY * scale)
        return value / scale, gradient(modes, load, point) / scale

    stable = {"type": "ineq", "fun": lambda x: limits - EDGE - rows @ x, "jac": lambda x: -rows}
    result = minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * 3,
        constraints=[stable],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return delay_at(modes, load, result.x[0])


def nelder_mead(modes: Modes, load: float, start: Array) -> float:
    """Return the least mean delay at the p where SciPy's Nelder-Mead ends."""
    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 2000, "maxfev": 4000}
    result = minimize(
        lambda x: mean_delay(modes, load, x),
        start,
        method="Nelder-Mead",
        bounds=[(0.0, 1.0)] * 3,
        options=options,
    )
    return delay_at(modes, load, result.x[0])


def delay_at(modes: Modes, load: float, p: float) -> float:
    """Return the mean delay at p under the best partition.

    Where p is within 0.01 of 0 or 1, the smaller of this delay and that at the end.
    """
    ends = [end for end in (0.0, 1.0) if abs(p - end) <= AT_AN_END]
    return float(np.min(exact.delay(modes, load, [min(max(p, 0.0), 1.0), *ends])))


def mean_delay(modes: Modes, load: float, point: Array, unstable: float = float("inf")) -> float:
    """Return the mean delay at (p, alpha, beta); `unstable` outside the stable region."""
    assignment, share = as_arrays(point)
    delay = exact.mean_delay(modes, load, assignment, share)
    return delay if np.isfinite(delay) else unstable


def gradient(modes: Modes, load: float, point: Array) -> Array:
    """Return the gradient of the mean delay in (p, alpha, beta), for a point that is stable.

    Elsewhere the result has no meaning.
    """
    assignment, share = as_arrays(point)
    spare_capacity = share - load * assignment * modes.time
    square = np.maximum(spare_capacity**2, 1e-24)
    by_assignment = (modes.time * share / square).sum(axis=0)
    by_share = -assignment * modes.time / square
    by_p = by_assignment[0] - by_assignment[1]
    out: Array = np.concatenate([[by_p], by_share[:, 0] - by_share[:, 1]])
    return out


def as_arrays(point: Array) -> tuple[Array, Array]:
    """Return assignment, shape (2,), and partition, shape (2, 2), of a point (p, alpha, beta)."""
    return np.array([point[0], 1 - point[0]]), np.column_stack([point[1:], 1 - point[1:]])


def _stability(modes: Modes, load: float) -> tuple[Array, Array]:
    """Stability, condition (1) of Jeff and Modiano, as rows @ (p, alpha, beta) < limits."""
    (l1, l2), (c1, c2) = (load * modes.time).tolist()
    rows = np.array([[l1, -1.0, 0.0], [-l2, 1.0, 0.0], [c1, 0.0, -1.0], [-c2, 0.0, 1.0]])
    return rows, np.array([0.0, 1 - l2, 0.0, 1 - c2])
