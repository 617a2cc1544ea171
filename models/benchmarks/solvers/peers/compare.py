"""Comparison with qpbenchmark: cases, both runs, tables."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from .....reference.errors import InputError
from .....reference.validation import check_choice
from ....frontend.report import Report
from ....frontend.tables import table
from ...report import machine_line
from ..instances import LOADS, instance_of, keys, problem_of, program_of, system_of
from ..problem import InstanceKey
from ..row import Row
from .quadratic import refusal
from .verdicts import Verdict, disagreements, verdicts

if TYPE_CHECKING:
    from rich.table import Table

SIZES = (3, 30, 300)
SETTINGS = ("low", "mid", "high")


def against_qpbenchmark(
    sizes: Sequence[int] = SIZES,
    loads: Sequence[float] = LOADS,
    solvers: Sequence[str] | None = None,
    settings: Sequence[str] = SETTINGS,
    seed: int = 0,
    own: Callable[[Sequence[InstanceKey], Sequence[str], Sequence[str]], Iterator[Row]]
    | None = None,
) -> list[Verdict]:
    """Let qpbenchmark solve and judge the quadratic programs of this benchmark.

    Parameters
    ----------
    sizes : sequence of int
    loads : sequence of float
        Parts of the largest load, between 0 and 1.
    solvers : sequence of str, optional
        qpbenchmark's names, such as ``piqp``; by default all that it finds.
    settings : sequence of {"low", "mid", "high"}
        They ask for residuals of 1e-3, 1e-6 and 1e-9.
    seed : int, default 0
        Seed of the random systems.
    own : callable, optional
        Run of this benchmark: a function from keys, solvers and settings to rows.

    Returns
    -------
    list of Verdict
        One for each instance, solver and settings.

    Raises
    ------
    InputError
        Where qpbenchmark is not installed, or does not find a solver.
    """
    check_installed()
    from . import qpbenchmark_run as peer

    known = peer.installed()
    for i, name in enumerate(solvers or ()):
        check_choice(f"solvers[{i}]", name, known, "is not a solver that qpbenchmark finds")
    for i, name in enumerate(settings):
        check_choice(f"settings[{i}]", name, SETTINGS, "is not a name of settings")
    asked = quadratic_keys(sizes, loads, seed)
    cases = {}
    for key in asked:
        instance = instance_of(key)
        program = program_of(key, instance)
        if not refusal(program):
            cases[key.name] = (key, program, instance)
    results = peer.run([program for _, program, _ in cases.values()], solvers, settings)
    names = {name: peer.SETTINGS[name] for name in settings}
    rows = own([key for key, _, _ in cases.values()], solvers or known, settings) if own else ()
    return verdicts(results, cases, names, rows)


def check_installed() -> None:
    """Raise InputError where qpbenchmark is not installed."""
    if importlib.util.find_spec("qpbenchmark") is None:
        remedy = "pip install 'sojourn[qpbenchmark]'"
        raise InputError("bench", "qpbenchmark", "needs qpbenchmark", remedy)


def quadratic_keys(sizes: Sequence[int], loads: Sequence[float], seed: int) -> list[InstanceKey]:
    """Return the keys of all instances that are quadratic programs."""
    return [
        key
        for key in keys(None, sizes, loads, seed=seed)
        if "QP" in problem_of(key.problem).formulations(system_of(key))[key.formulation]
    ]


def report(found: Sequence[Verdict]) -> Report:
    """Return the report of a comparison."""
    return Report(
        {"summary": summary(found), "verdicts": list(found)},
        [summary_table(found), *([disagreement_table(found)] if disagreements(found) else [])],
        name="qpbenchmark",
    )


def summary(found: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return the counts of each solver and settings.

    Returns
    -------
    list of dict
        ``solver``, ``settings``, ``cells``; ``solved``: by qpbenchmark's verdict; ``here``: by this
        benchmark's relative residuals of the same answers; ``differ``: cells with two verdicts;
        ``own``: solved in this benchmark's own run, of ``own_cells``; ``own_differ``: cells where
        the two runs have two verdicts; ``false``: solved by qpbenchmark's verdict, but the delay is
        wrong; ``worst``: largest error of the delay of these.
    """

    def group(verdict: Verdict) -> tuple[int, str]:
        return SETTINGS.index(verdict.settings), verdict.solver

    lines = []
    for (_, solver), part in groupby(sorted(found, key=group), group):
        cells = list(part)
        both = [v for v in cells if v.solved_by_own is not None]
        false = [v.accuracy.error for v in cells if v.false]
        lines.append(
            {
                "settings": cells[0].settings,
                "solver": solver,
                "cells": len(cells),
                "solved": sum(v.solved for v in cells),
                "here": sum(v.solved_here for v in cells),
                "differ": len(disagreements(cells)),
                "own": sum(bool(v.solved_by_own) for v in both),
                "own_cells": len(both),
                "own_differ": sum(v.solved != v.solved_by_own for v in both),
                "false": len(false),
                "worst": max(false, default=0.0),
            }
        )
    return lines


def summary_table(found: Sequence[Verdict]) -> Table:
    """Return a table with a section for each settings, and a line for each solver."""
    headings = (
        "settings, solver",
        "cells",
        "solved by\nqpbenchmark",
        "by our\nresiduals",
        "differ",
        "in our\nown run",
        "differ",
        "solved, but\ndelay wrong",
        "worst\nerror",
    )
    caption = (
        "solved by qpbenchmark: found, its three absolute residuals below the tolerance\n"
        "by our residuals: the same answers, by relative residuals with the cone of the dual\n"
        "in our own run: the same solver through this benchmark, with settings of the same name\n"
        "delay wrong: not within 1e-6 of the truth, or not feasible to 1e-6"
    )
    title = f"qpbenchmark and this benchmark on the same programs\n{machine_line()}"
    return table(headings, _lines(found), title=title, caption=caption)


def _lines(found: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    tolerances = {verdict.settings: verdict.tolerance for verdict in found}
    for settings, part in groupby(summary(found), lambda line: line["settings"]):
        yield (f"[bold]{settings}: {tolerances[settings]:g}",)
        for line in part:
            own = (f"{line['own']}/{line['own_cells']}", str(line["own_differ"]))
            yield (
                f"  {escape(line['solver'])}",
                *(str(line[name]) for name in ("cells", "solved", "here", "differ")),
                *(own if line["own_cells"] else ("", "")),
                str(line["false"]),
                f"{line['worst']:.0e}" if line["false"] else "",
            )


def disagreement_table(found: Sequence[Verdict]) -> Table:
    """Return a table of the reasons for two verdicts on the same answer."""
    counts = Counter((v.reason, v.settings, v.right) for v in disagreements(found))
    headings = ("reason, settings", "answers", "delay right")
    lines: list[tuple[str, ...]] = []
    for reason in sorted({reason for reason, _, _ in counts}):
        lines.append((f"[bold]{reason}",))
        for settings in SETTINGS:
            right, wrong = counts[reason, settings, True], counts[reason, settings, False]
            if right + wrong:
                lines.append((f"  {settings}", str(right + wrong), str(right)))
    return table(headings, lines, title="answers with two verdicts by residuals")
