"""For which systems the paper's worst-case rule fails most: a search, family by family.

Why it fails: at the equilibrium all used servers share one latency. Let a steady server (rate 1) fill up beside an erratic one of variability
k = (1 + cv^2)/2.
At a load of 1 + a the equilibrium sends some a jobs to the erratic server, whose latency k a then *every* job has. At the optimum few jobs
have it: with the spare capacity y of the steady server the delay carried is 1/y + k (a + y)^2. For large k the ratio is largest at
a = (3/2) k^(-1/3), y = k^(-1/3)/2, where it is k^(1/3)/4, about 0.198 cv^(2/3): without bound, and between the loads at which the rule
looks (both servers start at once; at saturation the ratio tends to 2).

With one cv for all the rule fails too, for every cv above 1, for M/M/1 by a hair; for M/D/1 it is open; M/M/1 servers at one distance keep it
(`sojourn.reference.candidate_worst_case`). The failures known need 21 servers or more, many small ones beside few fast ones: a search
over systems of 2 to 4 servers does not meet them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize

from ...reference.composed import MixedBank
from ...reference.errors import Array
from ...reference.mg1 import MD1, MG1, MM1
from ...reference.parallel.worst_case import WorstCase, worst_case
from ...reference.server_bank import ServerBank
from ...reference.validation import as_integer, as_seed
from ..core.progress import track
from ..frontend.report import Report
from ..frontend.tables import table
from .report import Asked

if TYPE_CHECKING:
    from rich.table import Table

FAILS = 1e-6  # relative, from which the rule is too low by more than rounding
GAP = 1e-8
STEPS = 150  # of the local search from the worst system of a family
DELAY_FREE = 0.3  # part of the servers at no distance
CAPTION = (
    "With one cv for all the rule fails too, with more servers: 24 of rate 1 and one of rate 25 at delay 0.96, cv 10, have 1.456728 "
    "at load 48.21, by the rule 1.456599. It is true for M/M/1 at one distance, and open for M/D/1."
)


def _mixed(rate: Array, delay: Array, cv: Array) -> ServerBank:
    return MixedBank([MM1(rate[:-1], delay[:-1]), MG1(rate[-1:], cv[-1:], delay[-1:])])


FAMILIES: Mapping[str, Callable[[Array, Array, Array], ServerBank]] = {
    "M/M/1": lambda rate, delay, cv: MM1(rate, delay),
    "M/D/1": lambda rate, delay, cv: MD1(rate, delay),
    "M/G/1, one cv for all": lambda rate, delay, cv: MG1(rate, cv[0], delay),
    "M/D/1 beside M/M/1": lambda rate, delay, cv: MixedBank(
        [MM1(rate[:1], delay[:1]), MD1(rate[1:], delay[1:])]
    ),
    "M/G/1, cv up to 3": lambda rate, delay, cv: MG1(rate, np.minimum(cv, 3.0), delay),
    "M/G/1, cv up to 30": lambda rate, delay, cv: MG1(rate, cv, delay),
    "M/M/1 beside one of cv up to 30": _mixed,
}
"""From rates, delays and coefficients of variation to servers."""


@dataclass(frozen=True, eq=False)
class Failure:
    """A family, and its system for which the rule is furthest below the truth.

    Attributes
    ----------
    family : str
    tried, failed : int
        Random systems, and those for which the rule is too low.
    rate, delay, cv : ndarray, shape (n,)
        The worst system found, in numbers of two digits.
    found : WorstCase
        Of that system.
    """

    family: str
    tried: int
    failed: int
    rate: Array
    delay: Array
    cv: Array
    found: WorstCase

    @property
    def ratio(self) -> float:
        """True worst case over what the rule says."""
        return self.found.poa / self.found.candidate_poa

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        plain = {
            "family": self.family,
            "tried": self.tried,
            "failed": self.failed,
            "ratio": self.ratio,
        }
        system = {name: getattr(self, name).tolist() for name in ("rate", "delay", "cv")}
        return {**plain, **system, "worst_case": vars(self.found)}


def gallery(systems: int = 200, seed: int = 0) -> list[Failure]:
    """Search every family for the system for which the rule fails most.

    Parameters
    ----------
    systems : int, default 200
        Random ones a family, of 2 to 4 servers, rates and delays over three decades; the worst is improved by a local search.
    seed : int

    Returns
    -------
    list of Failure
        One a family. None failed says nothing of larger systems.
    """
    systems, seed = as_integer("systems", systems, "a number of systems"), as_seed(seed)
    rng = np.random.default_rng(seed)
    drawn = [_draw(rng) for _ in range(systems)]
    return [_search(name, drawn) for name in track(list(FAMILIES), "families")]


def _draw(rng: np.random.Generator) -> Array:
    """A random system: logarithms of rates, delays (most negative: none) and cv, shape (3, n)."""
    n = int(rng.integers(2, 5))
    delay = np.where(rng.random(n) < DELAY_FREE, -9.0, rng.uniform(-2, 1, n))
    return np.stack([rng.uniform(-1, 2, n), delay, rng.uniform(-1, np.log10(30), n)])


def _numbers(system: Array) -> tuple[Array, Array, Array]:
    """Rates, delays and cv of two digits: a reader can type them."""
    rate, delay, cv = 10.0 ** np.clip(system, [[-2], [-9], [-3]], [[3], [3], [np.log10(30)]])
    rounded = [
        np.array([float(f"{v:.1e}") for v in values])
        for values in (rate, np.where(delay < 1e-6, 0.0, delay), cv)
    ]
    return rounded[0], rounded[1], rounded[2]


def _ratio(family: str, system: Array) -> float:
    found = worst_case(FAMILIES[family](*_numbers(system)), gap=GAP)
    return found.poa / found.candidate_poa


def _search(family: str, drawn: list[Array]) -> Failure:
    ratios = np.array([_ratio(family, system) for system in drawn])
    worst = drawn[int(ratios.argmax())]
    if ratios.max() > 1 + FAILS:
        options = {"maxfev": STEPS, "initial_simplex": _simplex(worst)}
        better = minimize(
            lambda v: -_ratio(family, v.reshape(worst.shape)),
            worst.ravel(),
            method="Nelder-Mead",
            options=options,
        )
        worst = better.x.reshape(worst.shape) if -better.fun > ratios.max() else worst
    rate, delay, cv = _numbers(worst)
    servers = FAMILIES[family](rate, delay, cv)
    k = np.concatenate([bank.k for bank in servers.banks])
    shown = np.sqrt(np.maximum(2 * k - 1, 0.0)).round(9)
    return Failure(
        family,
        len(drawn),
        int((ratios > 1 + FAILS).sum()),
        rate,
        delay,
        shown,
        worst_case(servers, gap=GAP),
    )


def _simplex(start: Array) -> Array:
    """Corners a quarter of a decade away."""
    flat = start.ravel()
    return np.vstack([flat, flat + 0.25 * np.eye(flat.size)])


def report(asked: Asked) -> Iterator[Report]:
    """The gallery of failures."""
    rows = gallery() if asked.systems is None else gallery(asked.systems)
    yield Report(rows, [summary(rows)], name="")


def summary(rows: list[Failure]) -> Table:
    """Return the gallery as a table for `rich`."""
    title = (
        f"the paper's worst-case rule on {rows[0].tried} random systems a family, of 2 to 4 servers"
    )
    first = "family, and its worst system"
    headings = (first, "too\nlow", "true\nworst", "by the\nrule", "true /\nrule")
    return table(headings, map(_cells, rows), text=(first,), title=title, caption=CAPTION)


def _cells(row: Failure) -> tuple[str, ...]:
    lists = [
        f"{name} " + ", ".join(f"{v:.3g}" for v in getattr(row, name))
        for name in ("rate", "delay", "cv")
    ]
    system = f"\n  {'; '.join(lists)}; at load {row.found.load:.4g}" if row.failed else ""
    return (
        row.family + system,
        str(row.failed),
        f"{row.found.poa:.5g}",
        f"{row.found.candidate_poa:.5g}",
        f"{row.ratio:.4f}",
    )
