"""How often local solvers end in the wrong place on the dual-mode assignment, and the semidefinite program does not.

The delay is not convex in (p, alpha, beta): all jobs in one mode is a strict local minimum wherever it is stable and some server has to be
divided (all but f = (0, 1)), so a local method that comes near it stays.
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
from .report import Asked, timed

if TYPE_CHECKING:
    from rich.table import Table

WRONG = 1e-4  # relative excess of the delay from which an answer is in the wrong place, and not merely inaccurate
STARTS = 5
EDGE = 1e-9  # part of a server that SLSQP must leave to each queue
AT_AN_END = 0.01  # distance from p = 0 or 1 at which an answer counts as that end


@dataclass(frozen=True, eq=False)
class Traps:
    """What each method made of the same systems and loads.

    Attributes
    ----------
    excess : mapping of str to ndarray, shape (n,)
        By method: mean delay over the true least one, less 1; infinite where there was no stable answer.
    seconds : mapping of str to ndarray, shape (n,)
    """

    excess: Mapping[str, Array]
    seconds: Mapping[str, Array]

    def wrong(self, method: str) -> int:
        """Number of systems on which a method ended more than 1e-4 above the least delay."""
        return int((self.excess[method] > WRONG).sum())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a method: how often wrong, by how much, how long."""
        return [
            {
                "method": method,
                "systems": int(excess.size),
                "wrong": self.wrong(method),
                "median_excess_where_wrong": float(np.median(excess[excess > WRONG]))
                if self.wrong(method)
                else 0.0,
                "largest_excess": float(excess.max()),
                "median_seconds": float(np.median(self.seconds[method])),
            }
            for method, excess in self.excess.items()
        ]

    def table(self) -> Table:
        """Return the rows as a table for `rich`."""
        headings = ("method", "wrong", "of", "delay / best\nwhere wrong", "largest", "median\nms")
        return table(
            headings,
            map(_cells, self.rows()),
            title="the best operating point of dual-mode systems",
        )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    typical = f"{1 + row['median_excess_where_wrong']:.3f}" if row["wrong"] else ""
    numbers = (typical, f"{1 + row['largest_excess']:.4g}", f"{1e3 * row['median_seconds']:.1f}")
    return row["method"], str(row["wrong"]), str(row["systems"]), *numbers


def report(asked: Asked) -> Iterator[Report]:
    """Where local solvers end."""
    found = traps() if asked.systems is None else traps(asked.systems)
    yield Report(found.rows(), [found.table()], name="")


def traps(systems: int = 1000, seed: int = 2348) -> Traps:
    """Solve random dual-mode systems by local solvers and by the semidefinite program, and hold all against the reference.

    Systems have f1 < f2 uniform in [0, 1], K from 1 to 100 and loads from 0.3 to 0.99 of the largest. The local solvers get the delay and its
    gradient in (p, alpha, beta) and random stable starts, one or the best of five: SciPy's SLSQP (``ftol=1e-12``, 500 iterations, the
    stability conditions as linear constraints) and, with a wall at their edge, its Nelder-Mead (``xatol=fatol=1e-10``, 2000 iterations).
    Of what they return only p counts: it is given its best partition, and within 0.01 of an end it is taken for that end. So a local solver
    is wrong only where it stopped at the wrong p, not where it was inaccurate at the right one.

    Parameters
    ----------
    systems : int
    seed : int

    Returns
    -------
    Traps

    Examples
    --------
    >>> traps(systems=3).wrong("semidefinite program")
    0
    """
    systems, seed = as_integer("systems", systems, "a number of systems"), as_seed(seed)
    excess: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for i in track(range(systems), "systems"):
        rng = np.random.default_rng([seed, i])
        system = random_system(rng)
        load = float(rng.uniform(0.3, 0.99)) * system.max_load
        true = exact.assignment(system.rates, load).mean_delay
        starts = [random_start(system.rates, load, rng) for _ in range(STARTS)]
        for method, solve in _methods(system, load, starts).items():
            delay, spent = timed(solve)
            seconds.setdefault(method, []).append(spent)
            excess.setdefault(method, []).append(delay / true - 1)
    return Traps(
        {k: np.array(v) for k, v in excess.items()}, {k: np.array(v) for k, v in seconds.items()}
    )


def random_system(rng: np.random.Generator) -> DualMode:
    """Return a dual-mode system with mu0 = 1, f1 < f2 uniform in [0, 1] and K in (1, 100]."""
    f1, f2 = np.sort(rng.uniform(0, 1, 2)).tolist()
    return DualMode.canonical(mu0=1.0, K=float(10 ** rng.uniform(0, 2)), f=(f1, f2))


def random_start(modes: Modes, load: float, rng: np.random.Generator) -> Array:
    """Return a random stable (p, alpha, beta)."""
    low, high = exact.stable_interval(modes, load)
    p = low + (high - low) * rng.uniform(0.02, 0.98)
    need = load * np.array([p, 1 - p]) * modes.time
    spare_capacity = 1 - need.sum(axis=1)
    start: Array = np.concatenate([[p], need[:, 0] + spare_capacity * rng.uniform(0.05, 0.95, 2)])
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
    """Least mean delay at the p where SciPy's SLSQP ends; infinite where that is not stable."""
    scale = value(modes, load, start)
    # each queue keeps some of its server: share - load p a >= edge
    rows, most = _stability(modes, load)
    constraint = {"type": "ineq", "fun": lambda x: most - EDGE - rows @ x, "jac": lambda x: -rows}
    found = minimize(
        lambda x: (
            value(modes, load, x, wall=1e6 * scale) / scale,
            gradient(modes, load, x) / scale,
        ),
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * 3,
        constraints=[constraint],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return judged(modes, load, found.x[0])


def nelder_mead(modes: Modes, load: float, start: Array) -> float:
    """Least mean delay at the p where SciPy's Nelder-Mead ends."""
    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 2000, "maxfev": 4000}
    found = minimize(
        lambda x: value(modes, load, x),
        start,
        method="Nelder-Mead",
        bounds=[(0.0, 1.0)] * 3,
        options=options,
    )
    return judged(modes, load, found.x[0])


def judged(modes: Modes, load: float, p: float) -> float:
    """Mean delay at p under the best partition; that of an end, if smaller, where p is close to it."""
    near = [end for end in (0.0, 1.0) if abs(p - end) <= AT_AN_END]
    return float(np.min(exact.delay(modes, load, [min(max(p, 0.0), 1.0), *near])))


def value(modes: Modes, load: float, point: Array, wall: float = float("inf")) -> float:
    """T_DM(p, alpha, beta; load); `wall` outside the stable region."""
    parts, share = unpack(point)
    delay = exact.mean_delay(modes, load, parts, share)
    return delay if np.isfinite(delay) else wall


def gradient(modes: Modes, load: float, point: Array) -> Array:
    """Its gradient in (p, alpha, beta); meaningless outside the stable region."""
    parts, share = unpack(point)
    spare_capacity = share - load * parts * modes.time
    square = np.maximum(spare_capacity**2, 1e-24)
    by_parts, by_share = (modes.time * share / square).sum(axis=0), -parts * modes.time / square
    out: Array = np.concatenate([[by_parts[0] - by_parts[1]], by_share[:, 0] - by_share[:, 1]])
    return out


def unpack(point: Array) -> tuple[Array, Array]:
    """Return the assignment, shape (2,), and the partition, shape (2, 2), of a point (p, alpha, beta)."""
    return np.array([point[0], 1 - point[0]]), np.column_stack([point[1:], 1 - point[1:]])


def _stability(modes: Modes, load: float) -> tuple[Array, Array]:
    """Condition (1) of Jeff and Modiano as rows @ (p, alpha, beta) < most."""
    (l1, l2), (c1, c2) = (load * modes.time).tolist()
    rows = np.array([[l1, -1.0, 0.0], [-l2, 1.0, 0.0], [c1, 0.0, -1.0], [-c2, 0.0, 1.0]])
    return rows, np.array([0.0, 1 - l2, 0.0, 1 - c2])
