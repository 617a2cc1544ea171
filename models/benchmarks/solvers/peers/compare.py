"""Comparison with qpbenchmark: cases, both runs, tables."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import cvxpy as cp
from rich.markup import escape

from .....reference.errors import InputError
from .....reference.validation import check_choice
from ....frontend.report import Report
from ....frontend.tables import table
from ...report import machine_line
from ..instances import LOADS, instance_of, keys, problem_of, program_of, system_of
from ..problem import InstanceKey
from ..programs.cone_program import ConeProgram
from ..run.cvxpy_solver import CvxpySolver, takes_squares
from ..run.solver import Answer
from .quadratic import refusal
from .verdicts import Verdict, disagreements, verdict

if TYPE_CHECKING:
    from rich.table import Table

SIZES = (3, 30, 300)
SETTINGS = ("low", "mid", "high")
OWN_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"osqp": {"polishing": False, "max_iter": 4000}}
"""Defaults of solvers that CVXPY replaces by its own, and qpsolvers does not."""


def against_qpbenchmark(
    sizes: Sequence[int] = SIZES,
    loads: Sequence[float] = LOADS,
    solvers: Sequence[str] | None = None,
    settings: Sequence[str] = SETTINGS,
    seeds: Sequence[int] = (0,),
) -> list[Verdict]:
    """Let qpbenchmark solve and judge the quadratic programs of this benchmark.

    Solvers of quadratic programs that CVXPY finds, too, run a second time through this benchmark,
    with qpbenchmark's options.

    Parameters
    ----------
    sizes : sequence of int
    loads : sequence of float
        Parts of the largest load, below 1.
    solvers : sequence of str, optional
        qpbenchmark's names, such as ``piqp``; by default all that it finds.
    settings : sequence of {"low", "mid", "high"}
        They ask for absolute residuals of 1e-3, 1e-6 and 1e-9.
    seeds : sequence of int, default (0,)
        Seeds of the random systems.

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
    cases = {}
    for key in quadratic_keys(sizes, loads, seeds):
        instance = instance_of(key)
        program = program_of(key, instance)
        if not refusal(program):
            cases[key.name] = (program, instance)
    if not cases:
        problem = "leaves no quadratic program: the problems that are have no infeasible instances"
        raise InputError("loads", list(loads), problem, "give a load below 1")
    results = peer.run([program for program, _ in cases.values()], solvers, settings)
    short = {peer.SETTINGS[name]: name for name in settings}
    found = []
    for line in results.df.to_dict("records"):
        program, instance = cases[line["problem"]]
        asked, solver = line["settings"], line["solver"]
        answer = results.answers[line["problem"], solver, asked]
        own = own_answer(program, solver, results.test_set.solver_settings[asked][solver])
        tolerance = results.test_set.tolerances[asked].primal
        found.append(verdict(line, short[asked], tolerance, program, instance, answer, own))
    return found


def own_answer(program: ConeProgram, solver: str, options: Mapping[str, Any]) -> Answer | None:
    """Return a solver's answer through CVXPY; None where CVXPY does not give it the program."""
    name = solver.upper()
    if name not in cp.installed_solvers() or not takes_squares(name):
        return None
    here = CvxpySolver(name)
    return here.solve(program, {**OWN_DEFAULTS.get(solver, {}), **options})


def check_installed() -> None:
    """Raise InputError where qpbenchmark is not installed."""
    if importlib.util.find_spec("qpbenchmark") is None:
        remedy = "pip install 'sojourn[qpbenchmark]'"
        raise InputError("bench", "qpbenchmark", "needs qpbenchmark", remedy)


def quadratic_keys(
    sizes: Sequence[int], loads: Sequence[float], seeds: Sequence[int]
) -> list[InstanceKey]:
    """Return the keys of all instances that are quadratic programs."""
    return [
        key
        for key in keys(None, sizes, loads, seeds=seeds)
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
        ``solver``, ``settings``, ``cells``; ``solved``: by qpbenchmark's verdict; ``differ``: cells
        with another verdict by this benchmark's absolute residuals of the same answer; ``own``:
        solved in this benchmark's own run, of ``own_cells``; ``own_differ``: cells where the two
        runs have two verdicts; ``relative``: solved by relative residuals; ``false``: solved by
        qpbenchmark's verdict, but the delay is wrong; ``worst``: largest error of these.
    """

    def group(one: Verdict) -> tuple[int, str]:
        return SETTINGS.index(one.settings), one.solver

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
                "differ": len(disagreements(cells)),
                "own": sum(bool(v.solved_by_own) for v in both),
                "own_cells": len(both),
                "own_differ": sum(v.solved != v.solved_by_own for v in both),
                "relative": sum(v.solved_relative for v in cells),
                "false": len(false),
                "worst": max(false, default=0.0),
            }
        )
    return lines


def summary_table(found: Sequence[Verdict]) -> Table:
    """Return a table with a section for each settings, and a line for each solver."""
    headings = ("", "cells", "solved", "differ", "own run", "differ", "relative", "false", "worst")
    caption = (
        "solved: by qpbenchmark, whose absolute residuals are below the tolerance\n"
        "differ: this benchmark says otherwise of the same answer by the same residuals\n"
        "own run: the same by this benchmark's run of the solver with the same options, as far as\n"
        "CVXPY passes them on: not PROXQP's check of the duality gap; DAQP with its own eps_prox\n"
        "relative: solved by this benchmark's relative residuals\n"
        "false: solved by qpbenchmark, but the delay is not within 1e-6 of the truth, or the\n"
        "answer not feasible to 1e-6; worst: largest error of the delay of these"
    )
    title = f"qpbenchmark and this benchmark on the same programs\n{machine_line()}"
    return table(headings, _lines(found), title=title, caption=caption)


def _lines(found: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    tolerances = {one.settings: one.tolerance for one in found}
    for settings, part in groupby(summary(found), lambda line: line["settings"]):
        yield (f"[bold]{settings}: {tolerances[settings]:g}",)
        for line in part:
            own = (f"{line['own']}/{line['own_cells']}", str(line["own_differ"]))
            yield (
                f"  {escape(line['solver'])}",
                *(str(line[name]) for name in ("cells", "solved", "differ")),
                *(own if line["own_cells"] else ("", "")),
                str(line["relative"]),
                str(line["false"]),
                f"{line['worst']:.0e}" if line["false"] else "",
            )


def disagreement_table(found: Sequence[Verdict]) -> Table:
    """Return a table of the answers with two verdicts by the same residuals."""
    lines = [
        (escape(v.instance), v.solver, v.settings, v.reason, f"{v.accuracy.error:.0e}")
        for v in disagreements(found)
    ]
    headings = ("instance", "solver", "settings", "reason", "error")
    return table(headings, lines, text=headings[:4], title="answers with two verdicts")
