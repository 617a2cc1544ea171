"""The benchmark of families: every one that is registered, solved by its cones or tangents and by the reference, at light and heavy load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape

from ...reference.errors import InputError
from ...reference.parallel import optimum_equilibrium as exact
from ...reference.server_bank import ServerBank
from ..core.errors import NotCertifiedError
from ..core.progress import track
from ..frontend.report import Report
from ..frontend.tables import table
from ..latency import Latency, families
from ..systems.parallel.prices import GOALS
from ..systems.parallel.system import ParallelServers
from .report import Asked, reported, timed

if TYPE_CHECKING:
    from rich.table import Table

PARTS = (
    0.1,
    0.6,
    0.95,
)  # of the total rate; without one, of the load at which the mean latency has grown tenfold
AGREE = 1e-7  # relative distance to the reference at which both are the same
TENFOLD = 10.0


@dataclass(frozen=True)
class FamilyRow:
    """One family at one load.

    Attributes
    ----------
    family, goal : str
    load : float
    way : str
        Formulation, or ``tangents`` where the family has no cone for it.
    gap : float
        Certified relative error of the mean delay.
    error : float
        True one, against the reference.
    model_seconds, reference_seconds : float
    passed : bool
        Certified, the error covered by the gap and at most 1e-7.
    problem : str
        What went wrong, if anything did.
    """

    family: str
    goal: str
    load: float
    way: str = ""
    gap: float = np.inf
    error: float = np.inf
    model_seconds: float = np.nan
    reference_seconds: float = np.nan
    passed: bool = False
    problem: str = ""


def report(asked: Asked) -> Iterator[Report]:
    """All families, on three loads each."""
    return reported(compare_families(), lambda rows: Report(rows, [summary(rows)], name=""))


def compare_families() -> Iterator[FamilyRow]:
    """Solve the sample of every registered family by model and reference; a family that fails does not stop the others."""
    jobs = [
        (name, family, goal, part)
        for name, family in families().items()
        for goal in GOALS
        for part in PARTS
    ]
    return (_row(*job) for job in track(jobs, "families"))


def _row(name: str, family: type[Latency], goal: str, part: float) -> FamilyRow:
    try:
        system = ParallelServers(family.sample())
        load = part * (
            system.total_rate if np.isfinite(system.total_rate) else _tenfold(system.bank)
        )
        found, model_seconds = timed(lambda: getattr(system, goal)(load))
        true, reference_seconds = timed(lambda: getattr(exact, goal)(system.bank, load))
    except (InputError, NotCertifiedError, TypeError, ValueError, ArithmeticError) as error:
        return FamilyRow(name, goal, part, problem=f"{type(error).__name__}: {error}")
    way = (
        found.formulation
        if system.bank.exact("total" if goal == "optimum" else "potential")
        else "tangents"
    )
    off = abs(found.mean_delay / float(true.mean_delay) - 1.0)
    gap = found.certificate.gap
    passed = bool(
        found.certified and off <= AGREE and off <= gap + 1e-14
    )  # the reference is rounded too
    return FamilyRow(name, goal, load, way, gap, off, model_seconds, reference_seconds, passed)


def _tenfold(bank: Latency) -> float:
    """Sum of the flows at which servers are ten times as slow as the fastest when empty; their number, where that is never."""
    price = TENFOLD * max(
        float(bank.idle_latency.min()), float(bank.latency(np.ones(len(bank))).min())
    )
    flow = ServerBank.inverse_latency(bank, price)
    return float(np.where(np.isfinite(flow), flow, 1.0).sum()) or float(len(bank))


def summary(rows: list[FamilyRow]) -> Table:
    """Return a table for rich: one line a family and goal, the worst of its loads."""
    groups: dict[tuple[str, str], list[FamilyRow]] = {}
    for row in rows:
        groups.setdefault((row.family, row.goal), []).append(row)
    headings = ("family", "goal", "solved as", "gap", "true error", "time", "")
    caption = "the worst of three loads each; time: model over reference, median"
    return table(
        headings, map(_cells, groups.values()), text=("goal", "solved as", ""), caption=caption
    )


def _cells(some: list[FamilyRow]) -> tuple[str, ...]:
    first, problem = some[0], next((r.problem for r in some if r.problem), "differs")
    ratio = float(np.median([r.model_seconds / r.reference_seconds for r in some]))
    state = "ok" if all(r.passed for r in some) else f"[bold red]{escape(problem)}"
    numbers = (
        f"{max(r.gap for r in some):.0e}",
        f"{max(r.error for r in some):.0e}",
        f"{ratio:.2g}",
    )
    return escape(first.family), first.goal, first.way, *numbers, state
