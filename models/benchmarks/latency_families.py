"""Benchmark of all registered latency families: model against reference at three loads."""

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
from .report import report_rows, timed

if TYPE_CHECKING:
    from rich.table import Table

LOADS = (0.1, 0.6, 0.95)
"""Parts of the total rate; where it is infinite, of the load at which latencies are tenfold."""
AGREE = 1e-7  # relative difference of the mean delay up to which model and reference agree
REFERENCE_ROUNDING = 1e-14
TENFOLD = 10.0


@dataclass(frozen=True)
class FamilyRow:
    """Result for one family, goal and load.

    Attributes
    ----------
    family : str
    goal : {"optimum", "equilibrium"}
    load : float
        Jobs per unit of time; the part of the largest load where the system failed.
    way : str
        Formulation, or ``tangents`` where the family has no cone for it.
    gap : float
        Certified relative error of the mean delay.
    error : float
        True relative error of the mean delay, against the reference.
    model_seconds, reference_seconds : float
    passed : bool
        Whether the answer is certified, and its error within both the gap and 1e-7.
    problem : str
        Type and message of the exception, where there was one.
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


def report() -> Iterator[Report]:
    """Yield the report of all families."""
    return report_rows(compare_families(), lambda rows: Report(rows, [summary(rows)], name=""))


def compare_families() -> Iterator[FamilyRow]:
    """Solve the sample bank of every registered family by model and reference.

    A family that fails does not stop the others.
    """
    cases = [
        (name, family, goal, fraction)
        for name, family in families().items()
        for goal in GOALS
        for fraction in LOADS
    ]
    return (_row(*case) for case in track(cases, "families"))


def _row(name: str, family: type[Latency], goal: str, fraction: float) -> FamilyRow:
    try:
        system = ParallelServers(family.sample())
        bank, largest = system.bank, system.total_rate
        load = fraction * (largest if np.isfinite(largest) else _tenfold_load(bank))
        model, model_seconds = timed(lambda: getattr(system, goal)(load))
        true, reference_seconds = timed(lambda: getattr(exact, goal)(bank, load))
    except (InputError, NotCertifiedError, TypeError, ValueError, ArithmeticError) as error:
        return FamilyRow(name, goal, fraction, problem=f"{type(error).__name__}: {error}")
    has_cone = bank.has_cone("total" if goal == "optimum" else "potential")
    way = model.formulation if has_cone else "tangents"
    distance = abs(model.mean_delay / float(true.mean_delay) - 1.0)
    gap = model.certificate.gap
    agrees = distance <= AGREE and distance <= gap + REFERENCE_ROUNDING
    passed = bool(model.certified and agrees)
    seconds = (model_seconds, reference_seconds)
    return FamilyRow(name, goal, load, way, gap, distance, *seconds, passed)


def _tenfold_load(bank: Latency) -> float:
    """Load at which servers are ten times as slow as the fastest empty one.

    A server that never becomes so slow counts as one job per unit of time.
    """
    idle, at_one = float(bank.idle_latency.min()), float(bank.latency(np.ones(len(bank))).min())
    flow = ServerBank.inverse_latency(bank, TENFOLD * max(idle, at_one))
    return float(np.where(np.isfinite(flow), flow, 1.0).sum()) or float(len(bank))


def summary(rows: list[FamilyRow]) -> Table:
    """Return a table with one line a family and goal: the worst of its loads."""
    groups: dict[tuple[str, str], list[FamilyRow]] = {}
    for row in rows:
        groups.setdefault((row.family, row.goal), []).append(row)
    headings = ("family", "goal", "solved as", "gap", "true error", "time", "")
    caption = "the worst of three loads each; time: model over reference, median"
    return table(
        headings, map(_cells, groups.values()), text=("goal", "solved as", ""), caption=caption
    )


def _cells(group: list[FamilyRow]) -> tuple[str, ...]:
    first = group[0]
    problem = next((row.problem for row in group if row.problem), "differs")
    state = "ok" if all(row.passed for row in group) else f"[bold red]{escape(problem)}"
    gap, error = max(row.gap for row in group), max(row.error for row in group)
    ratio = float(np.median([row.model_seconds / row.reference_seconds for row in group]))
    numbers = (f"{gap:.0e}", f"{error:.0e}", f"{ratio:.2g}")
    return escape(first.family), first.goal, first.way, *numbers, state
